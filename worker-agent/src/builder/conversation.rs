//! One installation with a builder, over its container's streams: from its first word to its last file.
//!
//! ```text
//! meet ─▶ Builder ─ install ─▶ Ended (exit, output) ─ leave ─▶ tar of what it left
//! ```

use std::sync::Arc;
use std::time::Duration;

use enclos_protocol::frame::{self, CHUNK_BYTES_MAX, Decoder, FrameError};
use enclos_protocol::install_link::{FromBuilder, INSTALL_VERSION, InstallRequest, ToBuilder};
use enclos_protocol::job::Stream;
use enclos_protocol::outcome::Exit;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use serde_bytes::ByteBuf;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::bytes::Bytes;

use super::gate::Gate;
use super::layer::{Layer, LayerError};
use super::relay::{Relay, Violation};
use crate::engine::{EngineError, Piece, Wires};

/// Longest from the container's start until its builder speaks; gVisor needs seconds.
const READY_WAIT: Duration = Duration::from_secs(30);
/// Longest that an installer may take.
pub(super) const INSTALL_TIME_MAX: Duration = Duration::from_secs(300);
/// Longest that what it left may take to come.
const LEAVE_TIME_MAX: Duration = Duration::from_secs(300);
/// Messages on their way to a builder.
const MESSAGES_MAX: usize = 64;
/// Longest text that is taken from a builder's words, in characters.
const TEXT_CHARS_MAX: usize = 300;

/// Which step of a conversation failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum TalkError {
    #[error("the engine failed the builder")]
    Engine(#[from] EngineError),
    #[error("the builder did not answer in time while it should {0}")]
    Late(&'static str),
    /// It took longer than an installer may.
    #[error("the installer took longer than {} s", INSTALL_TIME_MAX.as_secs())]
    Slow,
    #[error("the builder ended while it should {0}")]
    Gone(&'static str),
    #[error("the builder's words are not understood")]
    Frame(#[from] FrameError),
    #[error("the builder spoke out of turn while it should {0}")]
    OutOfTurn(&'static str),
    #[error("the builder breaks its bounds")]
    Violation(#[from] Violation),
    #[error("the builder speaks version {0}, this agent {INSTALL_VERSION}")]
    Version(u16),
    #[error("the builder cannot go on: {0}")]
    Fault(String),
    /// What the installer left is more, or other, than it may leave.
    #[error("what was installed cannot be used: {0}")]
    Layer(#[from] LayerError),
    #[error("nobody takes what was installed")]
    Untaken,
}

/// How an installer ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Ended {
    pub exit: Exit,
    pub wall_us: u64,
    pub cpu_us: u64,
    pub memory_peak_bytes: u64,
    /// What it wrote, each up to `report_bytes`.
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// The agent's end of a builder.
pub(super) struct Builder {
    output: BoxStream<'static, Result<Piece, EngineError>>,
    decoder: Decoder,
    to_builder: mpsc::Sender<ToBuilder>,
    /// Writes what is on its way; ends with the builder.
    writer: JoinSet<()>,
}

impl Builder {
    /// Waits until the builder speaks.
    pub(super) async fn meet(wires: Wires) -> Result<Self, TalkError> {
        let (to_builder, messages) = mpsc::channel(MESSAGES_MAX);
        let mut writer = JoinSet::new();
        writer.spawn(write(wires.input, messages));
        let mut builder = Self { output: wires.output, decoder: Decoder::default(), to_builder, writer };
        match builder.hear(Instant::now() + READY_WAIT, "get ready").await? {
            FromBuilder::Ready { version: INSTALL_VERSION } => Ok(builder),
            FromBuilder::Ready { version } => Err(TalkError::Version(version)),
            other => Err(out_of_turn(other, "get ready")),
        }
    }

    /// Runs the installer, whose connections go through `gate`.
    pub(super) async fn install(
        &mut self,
        request: InstallRequest,
        authorities: &[u8],
        gate: &Arc<Gate>,
    ) -> Result<Ended, TalkError> {
        let doing = "install";
        let report_bytes = usize::try_from(request.report_bytes).unwrap_or(usize::MAX);
        for chunk in authorities.chunks(CHUNK_BYTES_MAX) {
            self.say(ToBuilder::Authorities(ByteBuf::from(chunk))).await?;
        }
        self.say(ToBuilder::Begin(Box::new(request))).await?;
        let deadline = Instant::now() + INSTALL_TIME_MAX;
        let mut relay = Relay::new(Arc::clone(gate), self.to_builder.clone());
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let ended = loop {
            let message = tokio::select! {
                // Cancel-safe: what has arrived stays in the decoder.
                message = self.hear(deadline, doing) => message.map_err(|e| match e {
                    TalkError::Late(_) => TalkError::Slow,
                    other => other,
                })?,
                // Cancel-safe, as it says.
                () = relay.forget_ended() => continue,
            };
            match message {
                FromBuilder::Open { connection } => relay.open(connection)?,
                FromBuilder::Bytes { connection, bytes } => relay.bytes(connection, bytes)?,
                FromBuilder::End { connection, closed } => relay.end(connection, closed),
                FromBuilder::Credit { connection, bytes } => relay.credit(connection, bytes),
                FromBuilder::Output { stream, bytes } => {
                    let kept = if stream == Stream::Stdout { &mut stdout } else { &mut stderr };
                    if kept.len() + bytes.len() > report_bytes {
                        return Err(TalkError::OutOfTurn("keep its output within its bound"));
                    }
                    kept.extend_from_slice(&bytes);
                }
                FromBuilder::Done { exit, wall_us, cpu_us, memory_peak_bytes } => {
                    break (exit, wall_us, cpu_us, memory_peak_bytes);
                }
                other => return Err(out_of_turn(other, doing)),
            }
        };
        relay.shutdown().await;
        let (exit, wall_us, cpu_us, memory_peak_bytes) = ended;
        Ok(Ended { exit, wall_us, cpu_us, memory_peak_bytes, stdout, stderr })
    }

    /// Sends what the installer left to `taker`, as the context of an image; `None` is its end.
    pub(super) async fn leave(
        &mut self,
        (mut layer, first): (Layer, Vec<u8>),
        taker: &mpsc::Sender<Option<Bytes>>,
    ) -> Result<(), TalkError> {
        let doing = "send what was installed";
        let deadline = Instant::now() + LEAVE_TIME_MAX;
        let give = async |bytes: Option<Vec<u8>>| {
            let taken = timeout_at(deadline, taker.send(bytes.map(Bytes::from))).await;
            taken.map_err(|_| TalkError::Late(doing))?.map_err(|_| TalkError::Untaken)
        };
        give(Some(first)).await?;
        self.say(ToBuilder::Leave).await?;
        loop {
            match self.hear(deadline, doing).await? {
                FromBuilder::File { path, executable, size_bytes, modified_unix_s } => {
                    give(Some(layer.file(&path, executable, size_bytes, modified_unix_s)?)).await?;
                }
                FromBuilder::Content(bytes) => {
                    layer.content(&bytes)?;
                    give(Some(bytes.into_vec())).await?;
                }
                FromBuilder::Ended => {
                    give(Some(layer.end()?)).await?;
                    return give(None).await;
                }
                other => return Err(out_of_turn(other, doing)),
            }
        }
    }

    async fn say(&mut self, message: ToBuilder) -> Result<(), TalkError> {
        self.to_builder.send(message).await.map_err(|_| TalkError::Gone("take a message"))
    }

    /// The next message, before `deadline`. Cancel-safe: what has arrived stays in the decoder.
    async fn hear(&mut self, deadline: Instant, doing: &'static str) -> Result<FromBuilder, TalkError> {
        loop {
            if let Some(message) = self.decoder.take::<FromBuilder>()? {
                return Ok(message);
            }
            let piece = timeout_at(deadline, self.output.next()).await.map_err(|_| TalkError::Late(doing))?;
            match piece {
                None | Some(Ok(Piece::Closed)) => return Err(TalkError::Gone(doing)),
                Some(Err(error)) => return Err(TalkError::Engine(error)),
                Some(Ok(Piece::Frames(bytes))) => self.decoder.feed(&bytes),
                Some(Ok(Piece::Log(bytes))) => {
                    tracing::debug!(text = %String::from_utf8_lossy(&bytes).escape_debug(), "builder wrote to its log");
                }
            }
        }
    }

    /// Ends it: with its standard input the builder ends, too.
    pub(super) async fn close(mut self) {
        self.writer.shutdown().await;
    }
}

/// Writes each message whole, until the builder takes no more or nobody sends any.
async fn write(mut input: std::pin::Pin<Box<dyn AsyncWrite + Send>>, mut messages: mpsc::Receiver<ToBuilder>) {
    while let Some(message) = messages.recv().await {
        let Ok(bytes) = frame::encode(&message) else {
            tracing::error!("message to a builder cannot be encoded");
            return;
        };
        if input.write_all(&bytes).await.is_err() || input.flush().await.is_err() {
            return;
        }
    }
}

fn out_of_turn(message: FromBuilder, doing: &'static str) -> TalkError {
    match message {
        FromBuilder::Fault { message } => {
            TalkError::Fault(message.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect())
        }
        _ => TalkError::OutOfTurn(doing),
    }
}

#[cfg(test)]
#[path = "conversation_tests.rs"]
mod tests;
