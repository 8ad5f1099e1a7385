//! As much HTTP as the master's answers need, on a connection that is kept: a client of many parts would take
//! more of the machine than the master that it measures.

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::Outcome;

/// Largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// One connection.
pub struct Client {
    stream: BufReader<TcpStream>,
    address: String,
    line: String,
}

impl Client {
    /// Dials `address`, a host and a port.
    pub async fn connect(address: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), address: address.to_owned(), line: String::new() })
    }

    /// Status and JSON that `body` is answered with at `path`.
    pub async fn post(&mut self, path: &str, body: &str) -> Outcome<(u16, Value)> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).await?;
        let (status, length) = self.head().await?;
        let length = length.filter(|length| *length <= ANSWER_BYTES_MAX).ok_or("an answer without a length")?;
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).await?;
        Ok((status, serde_json::from_slice(&answer)?))
    }

    /// Begins to read a stream of events; from here on it is all that comes.
    pub async fn watch(mut self, path: &str) -> Outcome<BufReader<TcpStream>> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.address);
        self.stream.get_mut().write_all(request.as_bytes()).await?;
        match self.head().await? {
            (200, None) => Ok(self.stream),
            (status, _) => Err(format!("{path} answers {status}").into()),
        }
    }

    /// The status, and how long the body is.
    async fn head(&mut self) -> Outcome<(u16, Option<usize>)> {
        self.next_line().await?;
        let status = self.line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no HTTP")?;
        let mut length = None;
        loop {
            self.next_line().await?;
            if self.line.trim_end().is_empty() {
                return Ok((status, length));
            }
            if let Some((name, value)) = self.line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = Some(value.trim().parse()?);
            }
        }
    }

    async fn next_line(&mut self) -> Outcome<()> {
        self.line.clear();
        if self.stream.read_line(&mut self.line).await? == 0 {
            return Err("the master closed the connection".into());
        }
        Ok(())
    }
}
