//! What leaves a machine is encrypted, and who speaks on the agents' port is a member: on real processes.

mod api;
mod authority;
mod members;
mod refused;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use enclos_tls::rustls::pki_types::{CertificateDer, ServerName};
use enclos_tls::rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::process::Child;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::cluster::Cluster;

/// Longest that a process which is refused may take to end; it proves its sandbox first.
const END_WAIT: Duration = Duration::from_secs(90);
/// No agent of these needs more.
const SMALL: [&str; 6] = ["--slots", "1", "--languages", "python", "--warm", "0"];

/// A name that no other agent of these tests has.
fn agent_name(what: &str) -> String {
    static NAMED: AtomicUsize = AtomicUsize::new(0);
    format!("tls-{what}-{}-{}", std::process::id(), NAMED.fetch_add(1, Ordering::Relaxed))
}

/// Waits for the end of an agent that must not come in; what it has logged.
async fn turned_away(cluster: &Cluster, mut agent: Child, name: &str) -> String {
    let status = timeout(END_WAIT, agent.wait()).await.unwrap_or_else(|_| panic!("it stays\n{}", cluster.logs()));
    assert!(!status.expect("its status can be read").success());
    log_of(cluster, name)
}

fn log_of(cluster: &Cluster, name: &str) -> String {
    std::fs::read_to_string(cluster.data().join(format!("{name}.log"))).unwrap_or_default()
}

fn trusting(cluster: &Cluster) -> RootCertStore {
    enclos_tls::pem::authorities(&cluster.pki().join("ca.crt")).expect("it was made")
}

/// A connection to a port of the cluster that speaks TLS.
async fn dial(url: &str, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let address = url.strip_prefix("https://").expect("it is secured");
    let name = ServerName::try_from("127.0.0.1").expect("it is an address");
    TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(address).await?).await
}

/// The certificate that a port shows.
async fn shown(cluster: &Cluster, url: &str) -> CertificateDer<'static> {
    let config = enclos_tls::client::config(trusting(cluster), None).expect("it can be trusted");
    let stream = dial(url, config).await.expect("it is trusted");
    stream.get_ref().1.peer_certificates().expect("it shows one")[0].clone().into_owned()
}
