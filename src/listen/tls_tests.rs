//! A port with a certificate: which protocols it speaks, what a handshake may take, and how its certificate changes.

use std::path::Path;

use axum::Router;
use axum::routing::get;
use h2::client;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::tls::{Files, Shown};
use super::*;

/// Longest that anything may take; only a failure waits so long.
const LONG: Duration = Duration::from_secs(30);
/// What a client may keep these ports waiting.
const WAIT: Duration = Duration::from_millis(300);

struct Served {
    address: SocketAddr,
    metrics: Arc<Metrics>,
    dir: TempDir,
    shutdown: CancellationToken,
    running: JoinSet<()>,
}

/// Puts a new certificate for `localhost` into `dir`.
fn renew(dir: &Path) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(dir.join("key"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(dir.join("cert"), made.cert.pem()).unwrap();
}

impl Served {
    async fn new(max: usize) -> Self {
        Self::with_clients(max, false).await
    }

    /// A port whose clients may show certificates, as agents do, or not.
    async fn with_clients(max: usize, clients: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        renew(dir.path());
        let (certificate, key) = (dir.path().join("cert"), dir.path().join("key"));
        let files = Files { clients: clients.then(|| certificate.clone()), certificate, key };
        let tls = Tls::open(files).unwrap();
        let (metrics, shutdown) = (Arc::<Metrics>::default(), CancellationToken::new());
        let bounds = Connections { max, per_address_max: max, client_wait: WAIT };
        let port = Port::bind("127.0.0.1:0".parse().unwrap(), bounds, Arc::clone(&metrics)).await.unwrap();
        let (address, mut running) = (port.address(), JoinSet::new());
        let shown = |request: axum::extract::Request| async move {
            format!("{}", request.extensions().get::<Shown>().is_some_and(|shown| shown.0.is_none()))
        };
        running.spawn(port.secured(Some(Arc::clone(&tls))).run(Router::new().route("/", get(shown)), shutdown.clone()));
        running.spawn(tls.keep_current(shutdown.clone()));
        Self { address, metrics, dir, shutdown, running }
    }

    async fn dial(&self, version: &'static SupportedProtocolVersion, alpn: &[&str]) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        for certificate in enclos_tls::pem::certificates(&self.dir.path().join("cert")).unwrap() {
            roots.add(certificate).unwrap();
        }
        let config = ClientConfig::builder_with_provider(enclos_tls::provider());
        let config = config.with_protocol_versions(&[version]).unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }

    async fn end(mut self) {
        self.shutdown.cancel();
        while let Some(ended) = timeout(LONG, self.running.join_next()).await.expect("it ends") {
            ended.unwrap();
        }
    }
}

async fn closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // A reset is a close, too.
    drop(timeout(LONG, stream.read_to_end(&mut rest)).await.expect("it is closed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn http1_and_http2_are_spoken_by_alpn_over_both_versions_of_tls() {
    let served = Served::new(8).await;
    for version in [&version::TLS12, &version::TLS13] {
        let mut stream = served.dial(version, &["http/1.1"]).await;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        timeout(LONG, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("true"), "{answer}");

        let stream = served.dial(version, &["h2", "http/1.1"]).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
        let (mut client, connection) = client::handshake(stream).await.unwrap();
        let mut driver = JoinSet::new();
        driver.spawn(async move { drop(connection.await) });
        let request = hyper::Request::get("https://localhost/").body(()).unwrap();
        let (answer, _) = client.send_request(request, true).unwrap();
        assert_eq!(timeout(LONG, answer).await.unwrap().unwrap().status(), 200);
    }
    served.end().await;
}

/// A hundred streams of a stranger would be a hundred requests at once on one connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_port_of_agents_speaks_no_http2_whatever_was_agreed() {
    let served = Served::with_clients(8, true).await;
    let (mut client, connection) = client::handshake(served.dial(&version::TLS13, &[]).await).await.unwrap();
    let mut driver = JoinSet::new();
    driver.spawn(async move { drop(connection.await) });
    let request = hyper::Request::get("https://localhost/").body(()).unwrap();
    let (answer, _) = client.send_request(request, true).unwrap();
    assert_eq!(timeout(LONG, answer).await.unwrap().unwrap().status(), 505);
    let mut stream = served.dial(&version::TLS13, &["http/1.1"]).await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(LONG, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_is_none_or_takes_too_long_is_closed_and_counted() {
    let served = Served::new(64).await;
    let mut silent = TcpStream::connect(served.address).await.unwrap();
    let mut dripping = TcpStream::connect(served.address).await.unwrap();
    // The head of a record that never comes.
    dripping.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
    let mut plain = TcpStream::connect(served.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut garbage = TcpStream::connect(served.address).await.unwrap();
    garbage.write_all(&[0xff; 4096]).await.unwrap();
    for stream in [&mut silent, &mut dripping, &mut plain, &mut garbage] {
        closed(stream).await;
    }
    let mut late = TcpStream::connect(served.address).await.unwrap();
    closed(&mut late).await;
    // A connection is closed a moment before it is counted.
    let counted = async {
        while served.metrics.handshakes_failed.value() < 5 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, counted).await.expect("each is counted");
    assert_eq!(served.metrics.handshakes_failed.value(), 5);
    served.dial(&version::TLS13, &["h2"]).await;
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_never_end_shut_nobody_out() {
    let served = Served::new(8).await;
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(TcpStream::connect(served.address).await.unwrap());
    }
    // Each has a place, and the one that has waited longest makes room.
    let mut stream = served.dial(&version::TLS13, &["http/1.1"]).await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(LONG, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(served.metrics.connections_evicted.value() >= 56, "{}", served.metrics.connections_evicted.value());
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_certificate_is_taken_and_one_that_does_not_fit_is_not() {
    let served = Served::new(64).await;
    let shown = |stream: TlsStream<TcpStream>| stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    let first = shown(served.dial(&version::TLS13, &[]).await);
    let key = std::fs::read(served.dir.path().join("key")).unwrap();
    renew(served.dir.path());
    let new_bytes = std::fs::read(served.dir.path().join("cert")).unwrap();
    let taken = async {
        // Each look is a handshake with a certificate that is trusted here only once it is taken.
        loop {
            let mut roots = RootCertStore::empty();
            roots.add(enclos_tls::pem::certificates_of(&new_bytes).unwrap()[0].clone()).unwrap();
            let config = Arc::new(enclos_tls::client::config(roots, None).unwrap());
            let stream = TcpStream::connect(served.address).await.unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            if let Ok(stream) = TlsConnector::from(config).connect(name, stream).await {
                return shown(stream);
            }
            tokio::task::yield_now().await;
        }
    };
    let second = timeout(LONG, taken).await.expect("it is taken");
    assert_ne!(first, second);
    // A key of another certificate, as where a writer is half done.
    std::fs::write(served.dir.path().join("key"), key).unwrap();
    let files = |name: &str| served.dir.path().join(name);
    let pair = Files { certificate: files("cert"), key: files("key"), clients: None };
    assert!(matches!(Tls::open(pair), Err(tls::TlsError::Pair { .. })));
    assert_eq!(shown(served.dial(&version::TLS13, &[]).await), second);
    served.end().await;
}
