//! To one agent: messages in the order the scheduler sent them, jobs' bytes read meanwhile.
//!
//! ```text
//! scheduler ─▶ Renew ──────────────────────────────────▶ sent at once
//!          └─▶ others ─▶ in order; a dispatch is read ──▶ sent when its turn comes
//! ```
//!
//! A lease must not end because a job's bytes are slow to read, so renewals
//! pass by. All else keeps its order: a cancel never comes before its job. Live standard input is
//! taken from where it is held ([`Supplies`]); no agent has room for it before its program runs.

use axum::extract::ws::{Message, WebSocket};
use enclos_protocol::agent_link::{FromMaster, INLINE_INPUT_BYTES_MAX, InputSource, ReturnReason};
use enclos_protocol::dispatch::encode_inline;
use enclos_protocol::frame::{self, FrameError};
use enclos_protocol::ids::AttemptId;
use enclos_protocol::job::JobSpec;
use futures::future::{Either, Ready, ready};
use futures::stream::{FuturesOrdered, SplitSink};
use futures::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Link;
use super::session::SessionError;
use super::supplies::{Next, Supplies};
use crate::scheduler::{Event, SessionId, ToSession};
use crate::store::{FreshWork, StoreError, Work};

/// Answers to pings that may wait.
pub(super) const PONGS_MAX: usize = 4;
/// Messages that are being made ready, jobs' bytes among them; the others wait in the queue.
const IN_MAKING_MAX: usize = 16;

/// A message, made ready; `None`: there is nothing to send after all.
type Made = Option<Vec<u8>>;

/// What is to be done next.
enum Step {
    Made(Result<Made, FrameError>),
    Supply(Next),
    Pong(Message),
    Told(Option<ToSession>),
    /// Nothing, but what was written is to leave.
    Flush,
}

pub(super) async fn write(
    link: &Link,
    session: SessionId,
    sink: &mut SplitSink<WebSocket, Message>,
    mut messages: mpsc::Receiver<ToSession>,
    mut pongs: mpsc::Receiver<Message>,
) -> Result<(), SessionError> {
    let mut making = FuturesOrdered::new();
    let mut supplies = Supplies::new(link.attach_idle);
    let mut unsent = false;
    loop {
        // Cancel-safe: receiving and polling the made ones lose nothing when another arm wins.
        let ready = async {
            tokio::select! {
                Some(made) = making.next() => Step::Made(made),
                next = supplies.next() => Step::Supply(next),
                Some(pong) = pongs.recv() => Step::Pong(pong),
                message = messages.recv(), if making.len() < IN_MAKING_MAX => Step::Told(message),
            }
        };
        // What is ready at once leaves in one write; nothing waits for what may come.
        let step = tokio::select! {
            biased;
            step = ready => step,
            () = std::future::ready(()), if unsent => Step::Flush,
        };
        unsent = !matches!(step, Step::Flush);
        match step {
            Step::Flush => within(link, sink.flush()).await?,
            Step::Made(made) => {
                if let Some(body) = made? {
                    within(link, sink.feed(Message::Binary(body.into()))).await?;
                }
            }
            // The scheduler hears of it before the agent does: a job that was given input is not run again.
            Step::Supply(Next { attempt, message, first }) => {
                if first {
                    link.scheduler.tell(Event::Fed(attempt)).await.map_err(|_| SessionError::Ending)?;
                }
                within(link, sink.feed(Message::Binary(frame::encode_body(&message)?.into()))).await?;
            }
            Step::Pong(pong) => within(link, sink.feed(pong)).await?,
            Step::Told(Some(ToSession::Message(renew @ FromMaster::Renew { .. }))) => {
                within(link, sink.send(Message::Binary(frame::encode_body(&renew)?.into()))).await?;
            }
            Step::Told(Some(ToSession::Message(message))) => {
                if let FromMaster::Welcome(welcome) = &message {
                    welcome.keep.iter().for_each(|kept| supplies.take_up(&link.progress, *kept));
                }
                making.push_back(Either::Left(ready_made(&message)));
            }
            Step::Told(Some(ToSession::Dispatch(attempt))) => {
                supplies.take_up(&link.progress, attempt);
                making.push_back(Either::Right(dispatch(link, session, attempt)));
            }
            Step::Told(Some(ToSession::Close(reason))) => return Err(SessionError::Closed(reason)),
            Step::Told(None) => return Err(SessionError::Closed("the scheduler let the connection go")),
        }
    }
}

fn ready_made(message: &FromMaster) -> Ready<Result<Made, FrameError>> {
    ready(frame::encode_body(message).map(Some))
}

async fn within(link: &Link, writing: impl Future<Output = Result<(), axum::Error>>) -> Result<(), SessionError> {
    timeout(link.silence_max, writing).await.map_err(|_| SessionError::Stuck)?.map_err(SessionError::Lost)
}

/// The message that gives an attempt's job to the agent. A job that cannot be read or written goes
/// back to the scheduler as a failed attempt: never silently.
async fn dispatch(link: &Link, session: SessionId, attempt: AttemptId) -> Result<Made, FrameError> {
    if let Some(FreshWork { spec, input }) = link.store.take_fresh(attempt.job) {
        match encode_inline(attempt, &spec, &input) {
            // With its description it is too large for one message: it is fetched.
            Err(FrameError::TooLarge(_)) => {}
            made => return made.map(Some),
        }
    }
    let problem = match work(link, attempt).await {
        Ok(Some((spec, size_bytes, input))) => match encoded(attempt, spec, size_bytes, input.as_deref()) {
            Ok(body) => return Ok(Some(body)),
            Err(error) => format!("the job cannot be sent: {error}"),
        },
        // It ended meanwhile; the scheduler knows.
        Ok(None) => return Ok(None),
        Err(error) => {
            tracing::error!(job = %attempt.job, error = &error as &dyn std::error::Error, "a job could not be read");
            "the master could not read the job".to_owned()
        }
    };
    let reason = ReturnReason::failed(problem);
    // If the scheduler has ended, so does this session.
    let _ = link.scheduler.tell(Event::Returned { session, attempt, reason }).await;
    Ok(None)
}

/// The job, the size of its input, and the input where it is small.
async fn work(link: &Link, attempt: AttemptId) -> Result<Option<(JobSpec, u64, Option<Vec<u8>>)>, StoreError> {
    let Some(work) = link.store.work(attempt.job).await? else { return Ok(None) };
    let Work { spec, input_bytes: size_bytes } = work;
    if size_bytes > INLINE_INPUT_BYTES_MAX as u64 {
        return Ok(Some((spec, size_bytes, None)));
    }
    Ok(link.store.input(attempt.job).await?.map(|input| (spec, input.len() as u64, Some(input))))
}

/// Small inputs inside the message, others to be fetched; also where many small files make a
/// message that is too large.
fn encoded(attempt: AttemptId, spec: JobSpec, size_bytes: u64, input: Option<&[u8]>) -> Result<Vec<u8>, FrameError> {
    let mut message = FromMaster::Dispatch { attempt, spec: Box::new(spec), input: InputSource::Fetch { size_bytes } };
    if let Some(input) = input {
        let inline = frame::decode_body(input)?;
        if let FromMaster::Dispatch { input, .. } = &mut message {
            *input = InputSource::Inline(inline);
        }
        match frame::encode_body(&message) {
            Err(FrameError::TooLarge(_)) => {}
            other => return other,
        }
        if let FromMaster::Dispatch { input, .. } = &mut message {
            *input = InputSource::Fetch { size_bytes };
        }
    }
    frame::encode_body(&message)
}
