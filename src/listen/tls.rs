//! TLS of a port: its certificate, taken anew when the files change, and the handshake with its bounds.
//!
//! A port that names its clients' authorities asks for certificates and
//! verifies those that are shown. Whether a request needs one is for the router
//! to say: it finds a [`Shown`] in the request.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use enclos_tls::certificate::Facts;
use enclos_tls::pem::{self, PemError};
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::Complaints;

/// Longest that a handshake may take, unless a client may keep us waiting for less.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Longest that a refused client may take to read why, and the bytes of it that are passed over meanwhile.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: usize = 64 * 1024;

/// Where a port's certificate is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Files {
    /// The certificate, and what leads to its authority, as PEM.
    pub certificate: PathBuf,
    /// Its key, as PEM.
    pub key: PathBuf,
    /// Authorities whose certificates clients may show; `None`: they are asked for none.
    pub clients: Option<PathBuf>,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is of no use.
    #[error(transparent)]
    File(#[from] PemError),
    /// Certificate and key do not fit.
    #[error("certificate {} and key {} are not of each other", certificate.display(), key.display())]
    Pair {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The authorities verify nothing.
    #[error("{} cannot verify certificates", path.display())]
    Clients {
        /// The file.
        path: PathBuf,
        /// Why.
        source: VerifierBuilderError,
    },
}

/// TLS of one port.
#[derive(Debug)]
pub struct Tls {
    files: Files,
    /// Which state they were in before they were first read.
    opened: Vec<Stamp>,
    current: RwLock<Loaded>,
}

/// What the files hold, and when their certificate ends; `None`: it does not say.
#[derive(Clone, Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    ends: Option<SystemTime>,
}

/// The certificate that a client has shown and that was verified, if it has shown one: an extension of
/// every request that came over TLS.
#[derive(Clone, Debug)]
pub struct Shown(pub Option<Arc<CertificateDer<'static>>>);

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn open(files: Files) -> Result<Arc<Self>, TlsError> {
        let opened = stamps(&files);
        let current = RwLock::new(load(&files)?);
        Ok(Arc::new(Self { files, opened, current }))
    }

    /// Its clients are agents, which show certificates.
    pub(super) fn is_link(&self) -> bool {
        self.files.clients.is_some()
    }

    /// When the certificate that is used ends.
    #[must_use]
    pub fn ends(&self) -> Option<SystemTime> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).ends
    }

    fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).config)
    }

    /// Looks at the files until `stop`, and takes them when they have changed. What cannot be used leaves
    /// the old ones in use.
    pub async fn keep_current(self: Arc<Self>, stop: CancellationToken) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut taken = self.opened.clone();
        let mut failed = None;
        while stop.run_until_cancelled(looks.tick()).await.is_some() {
            let now = stamps(&self.files);
            if now == taken || failed.as_ref() == Some(&now) {
                continue;
            }
            match load(&self.files) {
                Ok(loaded) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = loaded;
                    (taken, failed) = (now, None);
                    tracing::info!(certificate = %self.files.certificate.display(), "a changed certificate was taken");
                }
                // A key is mostly written after its certificate: the next change is looked at again.
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "a changed certificate cannot be used; the old one stays");
                    failed = Some(now);
                }
            }
        }
    }
}

/// When a file was written and its size; `None`: it is not there.
type Stamp = Option<(SystemTime, u64)>;

/// Which state the files are in.
fn stamps(files: &Files) -> Vec<Stamp> {
    let Files { certificate, key, clients } = files;
    let stamp = |path: &PathBuf| std::fs::metadata(path).and_then(|m| Ok((m.modified()?, m.len()))).ok();
    [Some(certificate), Some(key), clients.as_ref()].into_iter().flatten().map(stamp).collect()
}

fn load(files: &Files) -> Result<Loaded, TlsError> {
    let Files { certificate, key, clients } = files;
    let chain = pem::certificates(certificate)?;
    let ends = chain.first().and_then(|c| Facts::of(c).ok()).map(|facts| facts.not_after);
    if ends.is_some_and(|ends| ends <= SystemTime::now()) {
        tracing::warn!(certificate = %certificate.display(), "the certificate has ended, and clients will refuse it");
    }
    let builder = ServerConfig::builder_with_provider(enclos_tls::provider());
    let pair = |source| TlsError::Pair { certificate: certificate.clone(), key: key.clone(), source };
    let builder = builder.with_safe_default_protocol_versions().map_err(pair)?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(pem::authorities(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, enclos_tls::provider());
            // Who has none yet comes with a token for one.
            let verifier = verifier.allow_unauthenticated().build();
            builder
                .with_client_cert_verifier(verifier.map_err(|source| TlsError::Clients { path: path.clone(), source })?)
        }
    };
    let mut config = builder.with_single_cert(chain, pem::private_key(key)?).map_err(pair)?;
    config.alpn_protocols = match clients {
        None => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Some(_) => vec![b"http/1.1".to_vec()],
    };
    if clients.is_some() {
        // A resumed session would bring a certificate that was verified long ago.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(Loaded { config: Arc::new(config), ends })
}

/// Why a connection did not come to be.
#[derive(Debug)]
pub(super) enum HandshakeError {
    Late,
    /// With the stream, on which the other side may still read why.
    Failed(io::Error, TcpStream),
}

impl HandshakeError {
    /// A certificate that was refused is for the operator; what strangers send is not.
    pub(super) fn tell(&self, peer: SocketAddr, complaints: &Complaints) {
        match self {
            Self::Late => tracing::debug!(%peer, "a TLS handshake took too long"),
            Self::Failed(error, _) => match enclos_tls::trouble::find(error) {
                Some(rustls::Error::InvalidCertificate(why)) => {
                    if let Some(unsaid) = complaints.tell() {
                        tracing::warn!(%peer, %why, unsaid, "a client's certificate was refused");
                    }
                }
                _ => tracing::debug!(%peer, %error, "a TLS handshake failed"),
            },
        }
    }

    /// Lets the other side read why: were the connection closed with bytes of it unread, it would be reset,
    /// and the alert lost.
    pub(super) async fn linger(self) {
        if let Self::Failed(_, stream) = self {
            let _ = timeout(LINGER, pass_over(stream)).await;
        }
    }
}

/// Shakes hands within the bounds; the stream, and the certificate that the client has shown.
pub(super) async fn handshake(
    tls: &Tls,
    stream: TcpStream,
    client_wait: Duration,
) -> Result<(Box<TlsStream<TcpStream>>, Shown), HandshakeError> {
    let accepting = TlsAcceptor::from(tls.current()).accept(stream).into_fallible();
    match timeout(HANDSHAKE_MAX.min(client_wait), accepting).await {
        Err(_) => Err(HandshakeError::Late),
        Ok(Err((error, stream))) => Err(HandshakeError::Failed(error, stream)),
        Ok(Ok(stream)) => {
            let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
            let shown = Shown(shown.map(|certificate| Arc::new(certificate.clone().into_owned())));
            Ok((Box::new(stream), shown))
        }
    }
}

async fn pass_over(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let (mut bytes, mut passed) = ([0; 4096], 0);
    while let Ok(count @ 1..) = stream.read(&mut bytes).await {
        passed += count;
        if passed > LINGER_BYTES_MAX {
            return;
        }
    }
}
