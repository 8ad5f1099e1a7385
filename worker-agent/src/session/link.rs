//! One connection to the master: dialled, greeted, read, and written by a task of its own.
//!
//! ```text
//!  session ── control (bounded) ──▶ ┌────────┐
//!          ── data (bounded) ─────▶ │ writer │ ──▶ WebSocket ──▶ session (read half)
//!                                   └────────┘ control first
//! ```
//!
//! The writer keeps a slow master from stopping the session's clocks. A full
//! control queue means that the master does not read: the connection is given up.

use std::io;
use std::time::Duration;

use enclos_protocol::agent_link::{FromAgent, FromMaster, Hello, LINK_VERSION, LINK_VERSION_MIN, Welcome};
use enclos_protocol::frame::{self, FRAME_BYTES_MAX, FrameError};
use enclos_protocol::join::LinkRefusal;
use enclos_tls::client::Dialled;
use enclos_tls::trouble;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header::AUTHORIZATION};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::member::Access;

/// Longest to be connected and upgraded.
const DIAL_WAIT: Duration = Duration::from_secs(10);
/// Longest from `Hello` to `Welcome`.
const WELCOME_WAIT: Duration = Duration::from_secs(10);
/// Longest for one message to leave.
const WRITE_WAIT: Duration = Duration::from_secs(10);
/// Control messages that may wait.
const CONTROL_MAX: usize = 64;
/// Characters of what a master says that are logged.
const TEXT_CHARS_MAX: usize = 300;
/// Data messages that may wait; more would only age in memory.
const DATA_MAX: usize = 4;

type Socket = WebSocketStream<Dialled>;
type Sink = SplitSink<Socket, Message>;

/// Which step of a connection failed.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The token cannot stand in a header.
    #[error("the join token cannot be sent")]
    Token,
    /// The master is not the one that this agent joined.
    #[error("the master was not trusted: {0}")]
    Untrusted(&'static str),
    /// The address.
    #[error("the master's address is not one")]
    Address(#[source] tungstenite::Error),
    /// The master refused what this agent has shown; the text begins with a stable code.
    #[error("the master refused this agent: {0}")]
    Refused(String),
    /// It could not be reached.
    #[error("the master could not be reached")]
    Dial(#[source] io::Error),
    /// It speaks no link.
    #[error("the master did not take up the link")]
    Upgrade(#[source] tungstenite::Error),
    /// It took too long.
    #[error("the master did not answer within {0:?}")]
    Late(Duration),
    /// The connection failed.
    #[error("the connection broke")]
    Broken(#[source] tungstenite::Error),
    /// The connection ended.
    #[error("the master closed the connection")]
    Closed,
    /// It said why.
    #[error("the master closed the connection: {0}")]
    Dismissed(String),
    /// Words that are not understood.
    #[error("the master's words are not understood")]
    Frame(#[from] FrameError),
    /// Not a welcome.
    #[error("the master did not begin with a welcome")]
    NotWelcome,
    /// Versions.
    #[error("the master speaks version {0} of the link, this agent {LINK_VERSION_MIN} to {LINK_VERSION}")]
    Version(u16),
    /// The master does not read.
    #[error("the master takes no messages")]
    Stalled,
}

/// A connection that was welcomed.
pub struct Link {
    incoming: SplitStream<Socket>,
    control: mpsc::Sender<FromAgent>,
    data: mpsc::Sender<FromAgent>,
    /// Ends with its half of the connection.
    writer: JoinSet<Result<Sink, LinkError>>,
}

/// A connection and what the master said first.
pub struct Greeted {
    /// The connection.
    pub link: Link,
    /// The master's words.
    pub welcome: Welcome,
    /// When `Hello` was sent; the first lease counts from there.
    pub hello_sent: Instant,
}

impl Link {
    /// Dials the master, presents what lets this agent in, and greets.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn open(access: &Access, hello: Hello) -> Result<Greeted, LinkError> {
        let mut request = access.link_url().into_client_request().map_err(LinkError::Address)?;
        if let Some(token) = access.bearer() {
            let bearer = HeaderValue::from_str(&format!("Bearer {}", token.reveal()));
            let mut bearer = bearer.map_err(|_| LinkError::Token)?;
            bearer.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, bearer);
        }
        let mut limits = WebSocketConfig::default();
        limits.max_message_size = Some(FRAME_BYTES_MAX);
        limits.max_frame_size = Some(FRAME_BYTES_MAX);
        let dialled = timeout(DIAL_WAIT, async {
            let stream = access.dial().await.map_err(|e| of_tls(&e).unwrap_or(LinkError::Dial(e)))?;
            client_async_with_config(request, stream, Some(limits)).await.map_err(not_upgraded)
        });
        let (socket, _) = dialled.await.map_err(|_| LinkError::Late(DIAL_WAIT))??;
        let (mut sink, mut incoming) = socket.split();
        let hello_sent = Instant::now();
        let hello = frame::encode_body(&FromAgent::Hello(Box::new(hello)))?;
        sink.send(Message::Binary(hello.into())).await.map_err(broken)?;
        let first = timeout(WELCOME_WAIT, next(&mut incoming)).await.map_err(|_| LinkError::Late(WELCOME_WAIT))??;
        let FromMaster::Welcome(welcome) = first else { return Err(LinkError::NotWelcome) };
        if !(LINK_VERSION_MIN..=LINK_VERSION).contains(&welcome.version) {
            return Err(LinkError::Version(welcome.version));
        }
        let (control, control_queue) = mpsc::channel(CONTROL_MAX);
        let (data, data_queue) = mpsc::channel(DATA_MAX);
        let mut writer = JoinSet::new();
        writer.spawn(write(sink, control_queue, data_queue));
        Ok(Greeted { link: Self { incoming, control, data, writer }, welcome, hello_sent })
    }

    /// The next message. Cancel-safe.
    ///
    /// # Errors
    /// [`LinkError`]; the connection is over then.
    pub async fn receive(&mut self) -> Result<FromMaster, LinkError> {
        tokio::select! {
            message = next(&mut self.incoming) => message,
            // The writer ends only with the connection, or when the link is closed.
            ended = self.writer.join_next() => match ended {
                Some(Ok(Err(error))) => Err(error),
                _ => Err(LinkError::Closed),
            },
        }
    }

    /// Queues a message that goes before all data.
    ///
    /// # Errors
    /// [`LinkError::Stalled`] when the queue is full.
    pub fn control(&self, message: FromAgent) -> Result<(), LinkError> {
        self.control.try_send(message).map_err(|_| LinkError::Stalled)
    }

    /// The data queue: a place is to be had in it before the message is chosen.
    #[must_use]
    pub fn data(&self) -> mpsc::Sender<FromAgent> {
        self.data.clone()
    }

    /// Lets what is queued leave, then closes the connection; `reason`: what the master is to know.
    pub async fn close(mut self, reason: &'static str) {
        drop(self.control);
        drop(self.data);
        let farewell = async {
            // The other side may be gone already, and then there is nothing to close.
            let Some(Ok(Ok(mut sink))) = self.writer.join_next().await else { return };
            let frame = CloseFrame { code: CloseCode::Normal, reason: reason.into() };
            if sink.send(Message::Close(Some(frame))).await.is_ok() {
                let _ = sink.close().await;
            }
        };
        let _ = timeout(WRITE_WAIT, farewell).await;
    }
}

/// What TLS did not like, on either side. Over TLS 1.3 the master's alert comes with its first answer.
fn of_tls(error: &(dyn std::error::Error + 'static)) -> Option<LinkError> {
    let found = trouble::find(error)?;
    let refused = |code: &str| LinkError::Refused(format!("{code}: it did not take this agent's certificate"));
    trouble::advice(found).map(LinkError::Untrusted).or_else(|| trouble::refused(found).map(refused))
}

fn broken(error: tungstenite::Error) -> LinkError {
    of_tls(&error).unwrap_or(LinkError::Broken(error))
}

fn not_upgraded(error: tungstenite::Error) -> LinkError {
    if let tungstenite::Error::Http(response) = &error {
        let refusal = response.body().as_deref().and_then(|body| serde_json::from_slice::<LinkRefusal>(body).ok());
        if let Some(LinkRefusal { code, detail }) = refusal {
            return LinkError::Refused(printable(&format!("{}: {detail}", code.as_str())));
        }
        if response.status() == StatusCode::UNAUTHORIZED {
            return LinkError::Refused("join_token: the join token is missing or wrong".to_owned());
        }
    }
    of_tls(&error).unwrap_or(LinkError::Upgrade(error))
}

/// Text of a master as it may stand in a log: short, without controls.
fn printable(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

async fn next(incoming: &mut SplitStream<Socket>) -> Result<FromMaster, LinkError> {
    loop {
        match incoming.next().await {
            Some(Ok(Message::Close(Some(frame)))) if !frame.reason.is_empty() => {
                let reason = printable(&frame.reason);
                let refused = reason.starts_with("certificate_");
                return Err(if refused { LinkError::Refused(reason) } else { LinkError::Dismissed(reason) });
            }
            None | Some(Ok(Message::Close(_))) => return Err(LinkError::Closed),
            Some(Err(error)) => return Err(broken(error)),
            Some(Ok(Message::Binary(body))) => return Ok(frame::decode_body(&body)?),
            // Pings are answered by the library with the next write; text is not part of the protocol.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Text(_) | Message::Frame(_))) => {}
        }
    }
}

async fn write(
    mut sink: Sink,
    mut control: mpsc::Receiver<FromAgent>,
    mut data: mpsc::Receiver<FromAgent>,
) -> Result<Sink, LinkError> {
    let mut unsent = false;
    loop {
        // Cancel-safe: a message is taken out only when it is delivered, and what was fed waits in the sink.
        let message = tokio::select! {
            biased;
            Some(message) = control.recv() => message,
            Some(message) = data.recv() => message,
            // What is ready at once leaves in one write; nothing waits for what may come.
            sent = timeout(WRITE_WAIT, sink.flush()), if unsent => {
                sent.map_err(|_| LinkError::Stalled)?.map_err(LinkError::Broken)?;
                unsent = false;
                continue;
            }
            else => break,
        };
        let body = frame::encode_body(&message)?;
        let fed = timeout(WRITE_WAIT, sink.feed(Message::Binary(body.into()))).await;
        fed.map_err(|_| LinkError::Stalled)?.map_err(LinkError::Broken)?;
        unsent = true;
    }
    Ok(sink)
}
