//! The dialling side: whom it trusts, what it shows, and one way to dial with or without TLS.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, Error, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::provider;

/// A certificate and its key, to be shown.
#[derive(Debug)]
pub struct Identity {
    /// The certificate, and what leads from it to its authority.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

/// A client that trusts `roots` and shows `identity`.
///
/// # Errors
/// When key and certificate do not belong together.
pub fn config(roots: RootCertStore, identity: Option<Identity>) -> Result<ClientConfig, Error> {
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let config = config.with_root_certificates(roots);
    match identity {
        Some(Identity { chain, key }) => config.with_client_auth_cert(chain, key),
        None => Ok(config.with_no_client_auth()),
    }
}

/// The authorities that this host trusts; those that cannot be read are left out.
#[must_use]
pub fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// A builder of HTTP clients over `tls`, or over none at all: an `https` address then fails.
pub fn http(tls: Option<&ClientConfig>) -> reqwest::ClientBuilder {
    // One without roots trusts nobody.
    let nobody = || {
        let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        config.map(|config| config.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
    };
    #[expect(clippy::disallowed_methods, reason = "this is the one place that gives it a provider")]
    let builder = reqwest::Client::builder();
    match tls.cloned().map_or_else(nobody, Ok) {
        Ok(config) => builder.tls_backend_preconfigured(config),
        Err(_) => builder,
    }
}

/// Bytes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection that was dialled, with TLS or without.
pub type Dialled = Box<dyn Stream>;

impl fmt::Debug for dyn Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

/// An address without the brackets that URLs have around those of IPv6; a name as it is.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Whether the host of a URL is this machine, so that nobody on the way reads what is sent there.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    host == "localhost" || bare(host).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// Connects to `host`, an address in brackets or a name, with TLS where `tls` is given.
///
/// # Errors
/// Of the connection; a TLS error is inside (see [`crate::trouble`]).
pub async fn dial(host: &str, port: u16, tls: Option<Arc<ClientConfig>>) -> io::Result<Dialled> {
    let host = bare(host);
    let stream = TcpStream::connect((host, port)).await?;
    // Small messages must not wait for the acknowledgement of earlier ones.
    stream.set_nodelay(true)?;
    let Some(tls) = tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    Ok(Box::new(TlsConnector::from(tls).connect(name, stream).await?))
}
