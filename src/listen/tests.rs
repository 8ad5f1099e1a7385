//! Connections over real sockets: who is served, who makes room, who is cut off.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::{get, post};
use h2::client::SendRequest;
use hyper::body::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::*;

/// Longest that anything may take; only a failure waits so long.
const LONG: Duration = Duration::from_secs(30);
/// What a client may keep these ports waiting.
const WAIT: Duration = Duration::from_millis(300);
/// More than all buffers on the way hold together.
const HUGE_BYTES: usize = 64 << 20;

/// A port that serves [`router`].
struct Served {
    address: SocketAddr,
    metrics: Arc<Metrics>,
    /// A request for `/never` came, or an answer of `/huge` was dropped.
    told: mpsc::UnboundedReceiver<()>,
    shutdown: CancellationToken,
    running: JoinSet<()>,
}

/// Tells that it was dropped.
struct Told(mpsc::UnboundedSender<()>);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// `/` answers, `/never` does not, `/huge` has more to say than anyone buffers.
fn router(tell: mpsc::UnboundedSender<()>) -> Router {
    let told = tell.clone();
    let never = move || {
        let _ = told.send(());
        std::future::pending::<String>()
    };
    let huge = move || {
        let told = Told(tell.clone());
        let stream = futures::stream::unfold((told, HUGE_BYTES), |(told, left)| async move {
            let piece = Bytes::from(vec![b'x'; left.min(1 << 20)]);
            (left > 0).then(|| (Ok::<_, Infallible>(piece), (told, left - left.min(1 << 20))))
        });
        async move { Body::from_stream(stream) }
    };
    Router::new()
        .route("/", get(|| async { "ok" }))
        .route("/never", get(never))
        .route("/huge", get(huge))
        .route("/body", post(|body: Bytes| async move { body.len().to_string() }))
}

impl Served {
    async fn new(max: usize, client_wait: Duration) -> Self {
        let (metrics, shutdown, (sender, told)) =
            (Arc::<Metrics>::default(), CancellationToken::new(), mpsc::unbounded_channel());
        let bounds = Connections { max, per_address_max: max, client_wait };
        let port = Port::bind("127.0.0.1:0".parse().unwrap(), bounds, Arc::clone(&metrics)).await.unwrap();
        let (address, mut running) = (port.address(), JoinSet::new());
        running.spawn(port.run(router(sender), shutdown.clone()));
        Self { address, metrics, told, shutdown, running }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A connection on which a request was sent.
    async fn ask(&self, path: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
        stream
    }

    /// An HTTP/2 client, and what drives its connection.
    async fn http2(&self) -> (SendRequest<Bytes>, JoinSet<()>) {
        let (client, connection) = h2::client::handshake(self.connect().await).await.unwrap();
        let mut driver = JoinSet::new();
        driver.spawn(async move { drop(connection.await) });
        (client, driver)
    }

    async fn end(mut self) {
        self.shutdown.cancel();
        timeout(LONG, self.running.join_next()).await.expect("it ends").unwrap().unwrap();
    }
}

/// Reads an answer's first line.
async fn status(stream: &mut TcpStream) -> String {
    let mut line = [0; 15];
    timeout(LONG, stream.read_exact(&mut line)).await.expect("it answers").expect("it is not closed");
    String::from_utf8_lossy(&line).into_owned()
}

/// Waits until the other side has closed.
async fn closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // A reset is a close, too.
    drop(timeout(LONG, stream.read_to_end(&mut rest)).await.expect("it is closed"));
}

fn request(path: &str) -> Request<()> {
    Request::get(format!("http://localhost{path}")).body(()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_above_the_cap_is_closed_while_all_others_are_served() {
    let mut served = Served::new(1, LONG).await;
    let _first = served.ask("/never").await;
    timeout(LONG, served.told.recv()).await.expect("the first is being served");
    closed(&mut served.connect().await).await;
    assert_eq!((served.metrics.connections_refused.value(), served.metrics.connections_evicted.value()), (1, 0));
    served.shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_shut_nobody_out() {
    let served = Served::new(8, LONG).await;
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(served.connect().await);
    }
    let mut asked = served.ask("/").await;
    assert_eq!(status(&mut asked).await, "HTTP/1.1 200 OK");
    for stream in &mut silent[..56] {
        closed(stream).await;
    }
    assert!(served.metrics.connections_evicted.value() >= 56);
    assert_eq!(served.metrics.connections_refused.value(), 0);
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_and_half_a_head_are_waited_for_only_so_long() {
    let served = Served::new(8, WAIT).await;
    let mut open = vec![served.connect().await];
    for begun in ["G", "PRI * HTTP/2.0\r\n\r\n", "GET / HTTP/1.1\r\nhost: x\r\nx-long:"] {
        let mut stream = served.connect().await;
        stream.write_all(begun.as_bytes()).await.unwrap();
        open.push(stream);
    }
    for stream in &mut open {
        closed(stream).await;
    }
    assert_eq!(served.metrics.connections_stalled.value(), 4);
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stops_coming_is_waited_for_only_so_long() {
    let served = Served::new(8, WAIT).await;
    let mut stream = served.connect().await;
    stream.write_all(b"POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
    closed(&mut stream).await;
    assert_eq!(served.metrics.connections_stalled.value(), 1);
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_never_read_is_dropped_with_its_connection() {
    let mut served = Served::new(8, WAIT).await;
    let unread = served.ask("/huge").await;
    timeout(LONG, served.told.recv()).await.expect("the answer is dropped");
    drop(unread);
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_never_read_over_http2_is_dropped_though_its_client_is_alive() {
    let mut served = Served::new(8, WAIT).await;
    let (mut client, mut driver) = served.http2().await;
    client = client.ready().await.unwrap();
    let (answer, _) = client.send_request(request("/huge"), true).unwrap();
    // The body is kept and never read, while the connection goes on to answer pings and to ask.
    let body = answer.await.unwrap().into_body();
    timeout(LONG, served.told.recv()).await.expect("the answer is dropped");
    timeout(LONG, driver.join_next()).await.expect("the connection is closed");
    drop((client, body));
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_gets_all_of_its_answer() {
    let served = Served::new(8, LONG).await;
    let mut asked = served.ask("/huge").await;
    let (mut buffer, mut total) = (vec![0; 1 << 16], 0);
    while total < HUGE_BYTES {
        let count = timeout(LONG, asked.read(&mut buffer)).await.expect("it goes on").unwrap();
        assert!(count > 0, "cut after {total} bytes");
        total += count;
    }
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_us_is_not_cut_off() {
    let served = Served::new(8, WAIT).await;
    let mut waiting = served.ask("/never").await;
    // As long as it takes to find another one overdue, and again.
    for _ in 0..3 {
        closed(&mut served.connect().await).await;
    }
    let mut byte = [0];
    let still_open = waiting.try_read(&mut byte).unwrap_err();
    assert_eq!(still_open.kind(), io::ErrorKind::WouldBlock);
    waiting.shutdown().await.unwrap();
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_sent_at_once_are_answered_in_order_and_unread_answers_end_them() {
    let served = Served::new(8, WAIT).await;
    let mut stream = served.connect().await;
    stream.write_all(&b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".repeat(3)).await.unwrap();
    for _ in 0..3 {
        assert_eq!(status(&mut stream).await, "HTTP/1.1 200 OK");
        let mut rest = vec![0; 1];
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n\r\nok") {
            stream.read_exact(&mut rest).await.unwrap();
            seen.extend_from_slice(&rest);
        }
    }
    // Asks for ever and reads nothing: written until the other side takes no more and closes.
    let many = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1000);
    let flood = async { while stream.write_all(&many).await.is_ok() {} };
    timeout(LONG, flood).await.expect("the connection is closed");
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_above_its_bound_is_refused() {
    let served = Served::new(8, LONG).await;
    let long = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(128 * 1024));
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(200));
    for head in [long, many] {
        let mut stream = served.connect().await;
        // It may be closed before all of it is taken.
        let _ = stream.write_all(head.as_bytes()).await;
        let mut line = [0; 12];
        if timeout(LONG, stream.read_exact(&mut line)).await.expect("it answers").is_ok() {
            assert_eq!(&line, b"HTTP/1.1 431");
        }
    }
    let mut asked = served.ask("/").await;
    assert_eq!(status(&mut asked).await, "HTTP/1.1 200 OK");
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_taken_back_at_once_end_their_connection() {
    let served = Served::new(8, LONG).await;
    let (mut client, mut driver) = served.http2().await;
    let flood = async {
        // Dropping an answer that has not come takes its stream back.
        while let Ok(ready) = client.clone().ready().await {
            client = ready;
            if client.send_request(request("/never"), true).is_err() {
                return;
            }
        }
    };
    timeout(LONG, flood).await.expect("it is not served for ever");
    timeout(LONG, driver.join_next()).await.expect("the connection is closed");
    let mut asked = served.ask("/").await;
    assert_eq!(status(&mut asked).await, "HTTP/1.1 200 OK");
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_service_ends_silent_connections_at_once() {
    let served = Served::new(8, LONG).await;
    let mut silent = served.connect().await;
    let mut asked = served.ask("/").await;
    assert_eq!(status(&mut asked).await, "HTTP/1.1 200 OK");
    served.end().await;
    closed(&mut silent).await;
    closed(&mut asked).await;
}
