//! How a conversation ends: its close codes, and the last frames brought to their reader.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use tokio::time::timeout;

/// Longest for the close to be sent, and for the client to answer it.
const FAREWELL_MAX: Duration = Duration::from_secs(2);
/// The client does not read, or does not answer pings (beside HTTP's 408).
pub(in crate::http) const TOO_SLOW: u16 = 4408;
/// The client's key has ended (beside HTTP's 401).
pub(in crate::http) const KEY_ENDED: u16 = 4401;

/// Why a conversation ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Farewell {
    /// The job has ended, and all was sent.
    Finished,
    /// The client left.
    Gone,
    /// The service ends.
    Ending,
    /// The service failed.
    Failed,
    /// A frame that is not of this protocol.
    Invalid,
    /// A frame that is too large.
    TooLarge,
    /// The client takes nothing.
    Slow,
    /// The client does not answer.
    Silent,
    /// The client's key does not work any more.
    KeyEnded,
}

impl Farewell {
    fn close(self) -> Option<(u16, &'static str)> {
        Some(match self {
            Self::Finished => (close_code::NORMAL, "the job has ended"),
            Self::Gone => return None,
            Self::Ending => (close_code::AWAY, "the service ends; come back with the last cursor"),
            Self::Failed => (close_code::ERROR, "the service failed; come back with the last cursor"),
            Self::Invalid => (close_code::INVALID, "send bytes, or a stdin, end or signal in JSON"),
            Self::TooLarge => (close_code::SIZE, "a frame has at most 65536 bytes"),
            Self::Slow => (TOO_SLOW, "what was sent was not read; come back with the last cursor"),
            Self::KeyEnded => (KEY_ENDED, "the key was revoked or has expired"),
            Self::Silent => (TOO_SLOW, "pings were not answered; come back with the last cursor"),
        })
    }
}

/// Says it, and waits as [`close`] does.
pub(super) async fn say(
    farewell: Farewell,
    sink: &mut SplitSink<WebSocket, Message>,
    stream: &mut SplitStream<WebSocket>,
) {
    if let Some((code, reason)) = farewell.close() {
        close(code, reason, sink, stream).await;
    }
}

/// Closes, and waits (bounded) until the client has heard: to close while something that the client
/// sent is unread would make its system drop what it has not read of ours.
pub(in crate::http) async fn close(
    code: u16,
    reason: &'static str,
    sink: &mut SplitSink<WebSocket, Message>,
    stream: &mut SplitStream<WebSocket>,
) {
    let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
    let said = timeout(FAREWELL_MAX, sink.send(close)).await;
    if matches!(said, Ok(Ok(()))) {
        let _ = timeout(FAREWELL_MAX, async { while let Some(Ok(_)) = stream.next().await {} }).await;
    }
}
