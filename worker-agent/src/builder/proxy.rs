//! The proxy of an installation: serves one connection of it, through the gate.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::time::timeout;

use super::gate::{Closed, Gate, Way};
use super::head::{self, HEAD_BYTES_MAX, NotAsked};

/// Longest that a request's head may take to come.
const HEAD_WAIT: Duration = Duration::from_secs(30);
/// Longest that a host may send nothing, or that either end may take nothing.
const IDLE_MAX: Duration = Duration::from_secs(120);
/// Bytes moved at once.
const CHUNK_BYTES: usize = 32 * 1024;

/// Why a connection ended early. Nobody but a log is told.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxyError {
    #[error("the request is not served")]
    Head(#[from] NotAsked),
    #[error("the request's head is too large, or did not come")]
    NoHead,
    #[error("the host is not reached")]
    Closed(#[from] Closed),
    #[error("nothing moved for too long")]
    Idle,
    #[error("the connection broke")]
    Broken(#[from] io::Error),
}

/// Serves one connection to its end.
pub(super) async fn serve(
    mut client: impl AsyncRead + AsyncWrite + Send + Unpin,
    gate: &Gate,
) -> Result<(), ProxyError> {
    let served = serve_request(&mut client, gate).await;
    if let Err(error) = &served
        && let Some(status) = status_of(error)
    {
        let text = format!("{error}\n");
        let length = text.len();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}");
        client.write_all(answer.as_bytes()).await?;
    }
    client.shutdown().await?;
    served
}

/// What is answered, as long as nothing was.
fn status_of(error: &ProxyError) -> Option<&'static str> {
    match error {
        ProxyError::Head(_) | ProxyError::NoHead => Some("400 Bad Request"),
        ProxyError::Closed(Closed::Forbidden) => Some("403 Forbidden"),
        ProxyError::Closed(Closed::Unreachable) => Some("502 Bad Gateway"),
        ProxyError::Closed(Closed::Exhausted) | ProxyError::Idle | ProxyError::Broken(_) => None,
    }
}

async fn serve_request(
    client: &mut (impl AsyncRead + AsyncWrite + Send + Unpin),
    gate: &Gate,
) -> Result<(), ProxyError> {
    let (bytes, end) = timeout(HEAD_WAIT, read_head(client)).await.map_err(|_| ProxyError::NoHead)??;
    let asked = head::parse(&bytes[..end])?;
    let mut server = gate.connect(&asked.host, asked.port).await?;
    match asked.way {
        head::Way::Tunnel => {
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
            gate.count(Way::Out, bytes.len() - end)?;
            server.write_all(&bytes[end..]).await?;
            let (client_in, client_out) = split(client);
            let (server_in, server_out) = server.into_split();
            let out = copy(client_in, server_out, gate, Way::Out);
            let back = copy(server_in, client_out, gate, Way::In);
            // Cancel-safe: with the host's end all is said, and a failure either way ends both.
            tokio::select! {
                ended = back => ended?,
                Err(error) = out => return Err(error),
            }
        }
        head::Way::Fetch(sent) => {
            gate.count(Way::Out, sent.len())?;
            server.write_all(&sent).await?;
            copy(server, client, gate, Way::In).await?;
        }
    }
    Ok(())
}

async fn read_head(client: &mut (impl AsyncRead + Unpin)) -> Result<(Vec<u8>, usize), ProxyError> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = head::end_of(&bytes) {
            return Ok((bytes, end));
        }
        if bytes.len() > HEAD_BYTES_MAX || client.read_buf(&mut bytes).await? == 0 {
            return Err(ProxyError::NoHead);
        }
    }
}

/// Moves bytes until `from` ends, and tells `to` that it did.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    gate: &Gate,
    way: Way,
) -> Result<(), ProxyError> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let count = match way {
            Way::In => timeout(IDLE_MAX, from.read(&mut buffer)).await.map_err(|_| ProxyError::Idle)??,
            // While a large file comes, the installer has nothing to say.
            Way::Out => from.read(&mut buffer).await?,
        };
        if count == 0 {
            to.shutdown().await?;
            return Ok(());
        }
        gate.count(way, count)?;
        timeout(IDLE_MAX, to.write_all(&buffer[..count])).await.map_err(|_| ProxyError::Idle)??;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::duplex;
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;

    use super::super::gate::Place;
    use super::*;

    /// A server that answers one connection with what it was sent, in upper case, and closes.
    async fn shouting(tasks: &mut JoinSet<()>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tasks.spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = vec![0; 4096];
            let count = stream.read(&mut buffer).await.unwrap();
            stream.write_all(&buffer[..count].to_ascii_uppercase()).await.unwrap();
        });
        port
    }

    /// What `request` is answered through a gate to `port` alone.
    async fn answer(request: &str, port: u16, received_max: u64) -> (String, Arc<Gate>) {
        let place = Place { host: "127.0.0.1".into(), port: Some(port), private: true };
        let gate = Arc::new(Gate::new(vec![place], received_max));
        let (mut ours, theirs) = duplex(4096);
        let (told, ()) = tokio::join!(
            async {
                ours.write_all(request.as_bytes()).await.unwrap();
                let mut told = String::new();
                ours.read_to_string(&mut told).await.unwrap();
                told
            },
            async { drop(serve(theirs, &gate).await) }
        );
        (told, gate)
    }

    #[tokio::test]
    async fn a_tunnel_carries_bytes_both_ways() {
        let mut tasks = JoinSet::new();
        let port = shouting(&mut tasks).await;
        let (told, gate) = answer(&format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\nhello"), port, 100).await;
        assert_eq!(told, "HTTP/1.1 200 Connection established\r\n\r\nHELLO");
        assert_eq!((gate.traffic().sent, gate.traffic().received), (5, 5));
    }

    #[tokio::test]
    async fn a_fetch_brings_the_answer_back() {
        let mut tasks = JoinSet::new();
        let port = shouting(&mut tasks).await;
        let (told, _) = answer(&format!("GET http://127.0.0.1:{port}/x HTTP/1.1\r\n\r\n"), port, 1000).await;
        assert_eq!(told, format!("GET /X HTTP/1.1\r\nHOST: 127.0.0.1:{port}\r\nCONNECTION: CLOSE\r\n\r\n"));
    }

    #[tokio::test]
    async fn an_answer_above_the_bound_is_cut_off() {
        let mut tasks = JoinSet::new();
        let port = shouting(&mut tasks).await;
        let (told, gate) = answer(&format!("GET http://127.0.0.1:{port}/x HTTP/1.1\r\n\r\n"), port, 10).await;
        assert_eq!(told, "");
        assert!(gate.traffic().exhausted);
    }

    #[tokio::test]
    async fn a_host_that_is_not_the_indexs_is_refused() {
        for target in ["127.0.0.1:1", "pypi.org:443", "169.254.169.254:80"] {
            let (told, _) = answer(&format!("CONNECT {target} HTTP/1.1\r\n\r\n"), 2, 100).await;
            assert!(told.starts_with("HTTP/1.1 403 "), "{told}");
        }
        let (told, _) = answer("nonsense\r\n\r\n", 2, 100).await;
        assert!(told.starts_with("HTTP/1.1 400 "), "{told}");
    }
}
