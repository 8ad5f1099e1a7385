//! A package index of the test's own, on loopback: what `--package-index` names.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::wheel::Wheel;

/// An index that serves until it is dropped.
pub struct Index {
    port: u16,
    shared: Arc<Shared>,
    _task: JoinSet<()>,
}

struct Shared {
    pages: BTreeMap<String, Vec<u8>>,
    /// Answers wait for it.
    open: watch::Sender<bool>,
    asked: Mutex<Vec<String>>,
}

impl Index {
    /// An index with these wheels.
    pub async fn of(wheels: &[Wheel]) -> Self {
        let mut pages: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for wheel in wheels {
            let file = format!("/files/{}", wheel.file_name());
            let page = pages.entry(format!("/simple/{}/", wheel.project())).or_default();
            page.extend_from_slice(format!("<a href=\"{file}\">{}</a>\n", wheel.file_name()).as_bytes());
            pages.insert(file, wheel.bytes());
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let shared = Arc::new(Shared { pages, open: watch::Sender::new(true), asked: Mutex::default() });
        let mut task = JoinSet::new();
        let serving = Arc::clone(&shared);
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                connections.spawn(async move { serve(stream, &shared).await });
            }
        });
        Self { port, shared, _task: task }
    }

    /// What an agent is told.
    pub fn flag(&self) -> String {
        format!("--package-index=python=http://127.0.0.1:{}/simple/", self.port)
    }

    /// Lets answers go, or has them wait.
    pub fn open(&self, open: bool) {
        self.shared.open.send_replace(open);
    }

    /// How often something below `path` was asked for.
    pub fn asked(&self, path: &str) -> usize {
        self.shared.asked.lock().expect("nobody panics with it").iter().filter(|p| p.starts_with(path)).count()
    }
}

async fn serve(mut stream: TcpStream, shared: &Shared) -> Option<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let path = String::from_utf8_lossy(&head).split(' ').nth(1)?.to_owned();
    shared.asked.lock().expect("nobody panics with it").push(path.clone());
    shared.open.subscribe().wait_for(|open| *open).await.ok()?;
    let (status, body) = match shared.pages.get(&path) {
        Some(body) => ("200 OK", body.as_slice()),
        None => ("404 Not Found", b"nothing".as_slice()),
    };
    let kind = if path.starts_with("/simple/") { "text/html" } else { "application/octet-stream" };
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(body).await.ok()?;
    stream.shutdown().await.ok()
}
