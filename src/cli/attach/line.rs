//! The connection to a job: frames in, through broken connections; frames out, by a task of its own.

use std::time::Duration;

use enclos_tls::client::Dialled;
use enclos_tls::trouble;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Bytes, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::cli::client::{Client, query_escaped};
use crate::cli::events::Event;
use crate::cli::exit::CliError;

/// Largest frame of a master, in bytes: one chunk of output with every byte escaped, and room.
const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// Frames that wait to be sent.
const OUTGOING_MAX: usize = 4;
/// Connections in a row that may bring nothing before it is given up.
const RETRIES_MAX: u32 = 6;
/// Pause before the first new connection; doubled for each further one.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// Longest silence of the master; it sends a ping every 15 s.
const SILENCE_MAX: Duration = Duration::from_secs(45);

type Socket = WebSocketStream<Dialled>;

/// What came.
#[derive(Debug)]
pub(super) enum Came {
    /// An event of the job.
    Event(Event),
    /// How far its live input is.
    Stdin(String),
    /// What we said was not taken.
    Refused {
        /// Stable name.
        code: String,
        /// For a person.
        detail: String,
    },
    /// There is a connection.
    Connected {
        /// Where frames for the master go.
        outgoing: mpsc::Sender<Message>,
        /// One before it broke: what was on its way to the program may be lost.
        again: bool,
    },
    /// The job had ended before, and all of it was seen.
    Over,
}

/// A connection.
struct Connected {
    incoming: SplitStream<Socket>,
    _writer: JoinSet<()>,
}

/// The connection to one job.
pub(super) struct Line {
    client: Client,
    job: String,
    cursor: String,
    connected: Option<Connected>,
    began: bool,
    failures: u32,
}

impl Line {
    /// To a job, from its beginning.
    pub(super) fn of(client: &Client, job: &str) -> Self {
        let (client, job) = (client.clone(), job.to_owned());
        Self { client, job, cursor: String::new(), connected: None, began: false, failures: 0 }
    }

    /// What comes next. Not to be dropped half way: a pause or a new connection would begin again.
    ///
    /// # Errors
    /// [`CliError`] when the master stays away, or what answers is none.
    pub(super) async fn next(&mut self) -> Result<Came, CliError> {
        loop {
            let Some(connected) = &mut self.connected else {
                let outgoing = self.connect().await?;
                return Ok(Came::Connected { outgoing, again: std::mem::replace(&mut self.began, true) });
            };
            match timeout(SILENCE_MAX, connected.incoming.next()).await {
                Ok(Some(Ok(Message::Text(text)))) => {
                    self.failures = 0;
                    let frame = serde_json::from_str(&text).map_err(|_| self.strange(&"a frame is not JSON"))?;
                    if let Some(came) = self.came(frame) {
                        return Ok(came);
                    }
                }
                Ok(Some(Ok(Message::Close(Some(CloseFrame { code, .. }))))) if u16::from(code) == 1000 => {
                    return Ok(Came::Over);
                }
                Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) | Err(_) => {
                    self.connected = None;
                    self.failed(&"the connection to the job breaks again and again")?;
                }
                Ok(Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_)))) => {}
            }
        }
    }

    fn came(&mut self, mut frame: Value) -> Option<Came> {
        let kind = frame["type"].as_str()?.to_owned();
        let data = frame["data"].take();
        let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
        Some(match kind.as_str() {
            "stdin" => Came::Stdin(text("stage")),
            "error" => Came::Refused { code: text("code"), detail: text("detail") },
            _ => {
                let id = frame["cursor"].as_str().map(str::to_owned);
                if let Some(id) = &id {
                    self.cursor.clone_from(id);
                }
                Came::Event(Event { id, kind, data })
            }
        })
    }

    fn failed(&mut self, what: &dyn std::fmt::Display) -> Result<(), CliError> {
        self.failures += 1;
        if self.failures > RETRIES_MAX { Err(self.strange(what)) } else { Ok(()) }
    }

    async fn connect(&mut self) -> Result<mpsc::Sender<Message>, CliError> {
        let url = self.client.url().replacen("http", "ws", 1);
        let url = format!("{url}/v1/jobs/{}/attach?after={}", self.job, query_escaped(&self.cursor));
        let mut limits = WebSocketConfig::default();
        limits.max_message_size = Some(FRAME_BYTES_MAX);
        limits.max_frame_size = Some(FRAME_BYTES_MAX);
        loop {
            if self.failures > 0 {
                tokio::time::sleep(RETRY_PAUSE * 2u32.saturating_pow(self.failures - 1)).await;
            }
            let stream = match self.client.dial().await {
                Ok(stream) => stream,
                Err(error) => {
                    if let Some(what) = trouble::find(&error).and_then(trouble::advice) {
                        return Err(CliError::Untrusted { url: self.client.url().to_owned(), what });
                    }
                    self.failed(&error)?;
                    continue;
                }
            };
            match client_async_with_config(self.opening(&url)?, stream, Some(limits)).await {
                Ok((socket, _)) => {
                    let (sink, incoming) = socket.split();
                    let (outgoing, waiting) = mpsc::channel(OUTGOING_MAX);
                    let mut writer = JoinSet::new();
                    writer.spawn(write(sink, waiting));
                    self.connected = Some(Connected { incoming, _writer: writer });
                    return Ok(outgoing);
                }
                Err(tungstenite::Error::Http(response)) => {
                    let problem = response.body().as_deref().map(serde_json::from_slice::<Value>);
                    return Err(match problem {
                        Some(Ok(problem)) if problem["code"].is_string() => {
                            CliError::Refused(crate::cli::client::problem_line(&problem))
                        }
                        _ => self.strange(&format!("status {}", response.status())),
                    });
                }
                Err(error) => self.failed(&error)?,
            }
        }
    }

    /// What asks the master for the connection, with the key where there is one.
    fn opening(&self, url: &str) -> Result<Request, CliError> {
        let mut request = url.into_client_request().map_err(|e| self.strange(&e))?;
        if let Some(authorization) = self.client.authorization() {
            request.headers_mut().insert("authorization", authorization.clone());
        }
        Ok(request)
    }

    fn strange(&self, what: &dyn std::fmt::Display) -> CliError {
        CliError::NotAMaster { url: self.client.url().to_owned(), what: what.to_string() }
    }
}

/// Ends with the connection; what fails is seen by who reads.
async fn write(mut sink: SplitSink<Socket, Message>, mut waiting: mpsc::Receiver<Message>) {
    while let Some(message) = waiting.recv().await {
        if sink.send(message).await.is_err() {
            return;
        }
    }
}

/// Bytes of standard input as a frame.
pub(super) fn stdin(bytes: Vec<u8>) -> Message {
    Message::Binary(Bytes::from(bytes))
}

/// A request as a frame.
pub(super) fn request(request: &Value) -> Message {
    Message::text(request.to_string())
}
