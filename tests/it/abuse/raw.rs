//! Connections below HTTP: what no well-behaved client would send.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use h2::client::SendRequest;
use hyper::body::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Longest that anything may take; only a failure waits so long.
pub const LONG: Duration = Duration::from_secs(60);
/// Small, so that an answer which is not read soon waits at its sender.
const RECEIVE_BUFFER_BYTES: u32 = 4096;

/// Where a URL points.
pub fn address(url: &str) -> SocketAddr {
    url.trim_start_matches("http://").parse().expect("tests use addresses")
}

/// A connection from an address of this machine.
pub async fn connect_from(last: u8, url: &str) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into())?;
    socket.connect(address(url)).await
}

/// A connection on which nothing was sent.
pub async fn connect(url: &str) -> TcpStream {
    connect_from(1, url).await.expect("the master's port is open")
}

/// A connection on which these bytes were sent, as far as the master took them.
pub async fn sent(url: &str, bytes: &[u8]) -> TcpStream {
    let mut stream = connect(url).await;
    let _ = stream.write_all(bytes).await;
    stream
}

/// A connection on which a path was asked for.
pub async fn asked(url: &str, path: &str) -> TcpStream {
    sent(url, format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await
}

/// The head of an answer, in lower case; empty where the connection was closed instead.
pub async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match timeout(LONG, stream.read(&mut byte)).await.expect("it answers or closes") {
            Ok(1) => head.extend_from_slice(&byte),
            _ => break,
        }
    }
    String::from_utf8_lossy(&head).to_ascii_lowercase()
}

/// The status of an answer; `None` where the connection was closed instead.
pub async fn status(stream: &mut TcpStream) -> Option<u16> {
    head(stream).await.split(' ').nth(1)?.parse().ok()
}

/// Everything that comes until the other side closes.
pub async fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    // A reset is a close, too.
    drop(timeout(LONG, stream.read_to_end(&mut rest)).await.expect("it is closed"));
    rest
}

/// An HTTP/2 client, and what drives its connection.
pub async fn http2(url: &str) -> (SendRequest<Bytes>, JoinSet<()>) {
    let (client, connection) = h2::client::handshake(connect(url).await).await.expect("the master speaks HTTP/2");
    let mut driver = JoinSet::new();
    driver.spawn(async move { drop(connection.await) });
    (client, driver)
}

/// A GET over HTTP/2.
pub fn get(path: &str) -> axum::http::Request<()> {
    axum::http::Request::get(format!("http://localhost{path}")).body(()).expect("it is well formed")
}
