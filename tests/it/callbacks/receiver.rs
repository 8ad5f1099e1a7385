//! A receiver of callbacks, and their signatures reckoned anew.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::cluster::JOB_WAIT;

/// Not answered at all.
const SILENT: u16 = 0;
/// Bytes of a block of SHA-256.
const BLOCK: usize = 64;

/// What came.
pub struct Told {
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Told {
    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().expect("it is text")
    }

    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    /// How it is signed by this secret, reckoned by HMAC's own definition (RFC 2104).
    pub fn signed_by(&self, secret: &str) -> String {
        let mut key = secret_bytes(secret);
        key.resize(BLOCK, 0);
        let padded = |with: u8| key.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
        let head = format!("{}.{}.", self.id(), self.header("webhook-timestamp"));
        let inner = Sha256::digest([&padded(0x36), head.as_bytes(), &self.body].concat());
        let outer = Sha256::digest([&padded(0x5c), &inner[..]].concat());
        format!("v1,{}", STANDARD.encode(outer))
    }
}

/// The bytes that a secret stands for.
pub fn secret_bytes(secret: &str) -> Vec<u8> {
    STANDARD.decode(secret.strip_prefix("whsec_").expect("a secret has its prefix")).expect("it is base64")
}

pub struct Receiver {
    pub url: String,
    status: Arc<AtomicU16>,
    told: mpsc::UnboundedReceiver<Told>,
    _task: JoinSet<()>,
}

impl Receiver {
    /// Answers with this status.
    pub async fn answering(status: u16) -> Self {
        let receiver = Self::at(([127, 0, 0, 1], 0).into()).await;
        receiver.answer(status);
        receiver
    }

    /// Takes what comes and never answers.
    pub async fn silent() -> Self {
        Self::answering(SILENT).await
    }

    /// Answers 200 there.
    pub async fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.expect("the address is free");
        let url = format!("http://{}/hook", listener.local_addr().expect("it is bound"));
        let status = Arc::new(AtomicU16::new(200));
        let (seen, told) = mpsc::unbounded_channel();
        let answered = Arc::clone(&status);
        let handler = move |headers: HeaderMap, body: Bytes| {
            let (seen, status) = (seen.clone(), answered.load(Ordering::Relaxed));
            async move {
                // The test may be over.
                let _ = seen.send(Told { headers, body });
                if status == SILENT {
                    std::future::pending::<()>().await;
                }
                StatusCode::from_u16(status).expect("a status is one")
            }
        };
        let router = Router::new().route("/{*path}", axum::routing::post(handler.clone()));
        let router = router.route("/", axum::routing::post(handler));
        let mut task = JoinSet::new();
        task.spawn(async move {
            axum::serve(listener, router).await.expect("it serves");
        });
        Self { url, status, told, _task: task }
    }

    /// From here on it answers so.
    pub fn answer(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// The next that comes.
    pub async fn told(&mut self) -> Told {
        timeout(JOB_WAIT, self.told.recv()).await.expect("something is told").expect("the receiver runs")
    }
}
