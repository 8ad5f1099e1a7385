//! What an attached client says.

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use enclos_protocol::live::Signal;
use futures::StreamExt as _;
use futures::stream::SplitStream;
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error as NoSignal, StrDeserializer};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::FRAME_BYTES_MAX;
use super::farewell::Farewell;
use crate::http::wire::{AttachError, AttachRequest};
use crate::progress::{Client, Refused, Stage};

/// Longest that nothing may come, answers to pings among it.
pub(in crate::http) const SILENCE_MAX: Duration = Duration::from_secs(45);

/// The half that hears.
pub(super) struct Hearing {
    /// `None`: the job takes no live input.
    pub(super) client: Option<Client>,
    /// What is refused.
    pub(super) notes: mpsc::Sender<AttachError>,
}

impl Hearing {
    /// Hears until the conversation has to end. While a program does not read, nothing more is read
    /// here either, and the client waits. Nor is its silence counted: its answers to pings stand behind
    /// what it said, and one who waits in good faith must not be cut.
    pub(super) async fn hear(mut self, stream: &mut SplitStream<WebSocket>) -> Farewell {
        loop {
            let Ok(next) = timeout(SILENCE_MAX, stream.next()).await else { return Farewell::Silent };
            let refused = match next {
                Some(Ok(Message::Binary(bytes))) if bytes.len() <= FRAME_BYTES_MAX => self.stdin(&bytes).await,
                Some(Ok(Message::Text(text))) if text.len() <= FRAME_BYTES_MAX => match serde_json::from_str(&text) {
                    Ok(request) => self.request(request).await,
                    Err(_) => return Farewell::Invalid,
                },
                Some(Ok(Message::Binary(_) | Message::Text(_))) => return Farewell::TooLarge,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Farewell::Gone,
            };
            if let Err(error) = refused
                && self.notes.send(error).await.is_err()
            {
                return Farewell::Gone;
            }
        }
    }

    async fn request(&mut self, request: AttachRequest) -> Result<(), AttachError> {
        match request {
            AttachRequest::Stdin { text } => self.stdin(text.as_bytes()).await,
            AttachRequest::End {} => self.client()?.end().map_err(refusal),
            AttachRequest::Signal { signal } => {
                let signal = signal_of(&signal).ok_or(UNKNOWN_SIGNAL)?;
                self.client()?.signal(signal).map_err(refusal)
            }
        }
    }

    async fn stdin(&mut self, bytes: &[u8]) -> Result<(), AttachError> {
        self.client()?.say(bytes).await.map_err(refusal)
    }

    fn client(&mut self) -> Result<&mut Client, AttachError> {
        self.client.as_mut().ok_or(NOT_LIVE)
    }
}

const NOT_LIVE: AttachError = AttachError {
    code: "not_live",
    detail: "this job takes no live input: it has ended, or was submitted without 'run.attach'",
};

const UNKNOWN_SIGNAL: AttachError =
    AttachError { code: "unknown_signal", detail: "a signal is HUP, INT, QUIT, KILL, USR1, USR2 or TERM" };

/// By its name, with or without `SIG`.
pub(in crate::http) fn signal_of(name: &str) -> Option<Signal> {
    let name: StrDeserializer<'_, NoSignal> = name.strip_prefix("SIG").unwrap_or(name).into_deserializer();
    Signal::deserialize(name).ok()
}

fn refusal(refused: Refused) -> AttachError {
    let (code, detail) = match refused {
        Refused::InUse => ("stdin_in_use", "another client speaks with the program; you may when it is gone"),
        Refused::NotRunning => ("not_running", "no program runs that could get a signal"),
        Refused::AtItsEnd(Stage::Idle) => ("stdin_ended", "the input was ended because nobody was there for too long"),
        Refused::AtItsEnd(Stage::Closed) => ("stdin_closed", "the program reads no more"),
        Refused::AtItsEnd(Stage::Over) => ("stdin_closed", "the program has ended"),
        Refused::AtItsEnd(_) => ("stdin_ended", "the input was ended by a client"),
    };
    AttachError { code, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_a_closed_list_of_names() {
        assert_eq!((signal_of("INT"), signal_of("SIGUSR1")), (Some(Signal::Int), Some(Signal::Usr1)));
        for other in ["", "int", "STOP", "SIG", "9", "SIGSIGINT"] {
            assert_eq!(signal_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_request_is_one_of_three_and_nothing_beside() {
        let parse = |text: &str| serde_json::from_str::<AttachRequest>(text).ok();
        assert_eq!(parse(r#"{"type":"stdin","text":"é"}"#), Some(AttachRequest::Stdin { text: "é".into() }));
        assert_eq!(parse(r#"{"type":"end"}"#), Some(AttachRequest::End {}));
        for bad in [r#"{"type":"stdin"}"#, r#"{"type":"end","x":1}"#, r#"{"type":"eof"}"#, "[]", "", "{"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
