//! What a client says.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::ws::Message;
use enclos_protocol::live::Signal;
use futures::StreamExt as _;
use serde::Deserialize;
use tokio::time::timeout;

use super::{Close, FRAME_BYTES_MAX, Source};
use crate::http::attach::hear::{SILENCE_MAX, signal_of};
use crate::progress::{Client, Refused, Stdin};

/// What kind of message it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Init,
    Data,
    /// The end of the input, which Piston knows not.
    Eof,
    Signal,
    /// Piston passes it over.
    Other,
}

#[derive(Deserialize)]
struct Typed {
    #[serde(default)]
    r#type: Option<String>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    stream: Option<String>,
    data: String,
}

#[derive(Deserialize)]
struct Signalled {
    signal: String,
}

/// The kind of a message.
pub(super) fn kind(message: &[u8]) -> Result<Kind, Close> {
    Ok(match read::<Typed>(message, "a message is a JSON object with a 'type'")?.r#type.as_deref() {
        Some("init") => Kind::Init,
        Some("data") => Kind::Data,
        Some("eof") => Kind::Eof,
        Some("signal") => Kind::Signal,
        _ => Kind::Other,
    })
}

fn read<'a, T: Deserialize<'a>>(message: &'a [u8], rule: &str) -> Result<T, Close> {
    // serde would read a message from an array too, by position.
    let is_object = message.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
    let read = serde_json::from_slice(message).ok().filter(|_| is_object);
    read.ok_or_else(|| Close::Notified(rule.to_owned()))
}

/// The next message; text and bytes are the same.
pub(super) async fn next(stream: &mut Source) -> Result<Bytes, Close> {
    loop {
        let bytes = match timeout(SILENCE_MAX, stream.next()).await.map_err(|_| Close::Slow)? {
            Some(Ok(Message::Text(text))) => Bytes::from(text),
            Some(Ok(Message::Binary(bytes))) => bytes,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Close::Gone),
        };
        if bytes.len() > FRAME_BYTES_MAX {
            return Err(Close::Notified(format!("a message has at most {FRAME_BYTES_MAX} bytes")));
        }
        return Ok(bytes);
    }
}

/// The half that hears.
pub(super) struct Hearing {
    /// `None`: the job had ended at once.
    stdin: Option<(Client, Arc<Stdin>)>,
}

impl Hearing {
    pub(super) fn new(stdin: Option<Arc<Stdin>>) -> Self {
        Self { stdin: stdin.map(|stdin| (stdin.attach(), stdin)) }
    }

    /// Hears until the connection has to end. While a program does not read, or does not run yet, nothing
    /// more is read here either, and the client waits.
    pub(super) async fn hear(mut self, stream: &mut Source) -> Close {
        loop {
            let heard = async {
                let message = next(stream).await?;
                self.take(&message).await
            };
            if let Err(close) = heard.await {
                return close;
            }
        }
    }

    async fn take(&mut self, message: &[u8]) -> Result<(), Close> {
        let kind = kind(message)?;
        let Some((client, stdin)) = &mut self.stdin else { return Ok(()) };
        match kind {
            Kind::Init => return Err(Close::AlreadyInitialized),
            Kind::Data => {
                let Data { stream, data } = read(message, "data needs 'stream' and 'data', which is a string")?;
                if stream.as_deref() != Some("stdin") {
                    return Err(Close::NotStdin);
                }
                // What a program does not read any more is passed over, as a pipe does.
                let _ = client.say(data.as_bytes()).await;
            }
            Kind::Eof => {
                let _ = client.end();
            }
            Kind::Signal => {
                let Signalled { signal } = read(message, "signal needs a 'signal', which is a string")?;
                let named = signal.starts_with("SIG").then(|| signal_of(&signal)).flatten();
                deliver(client, stdin, named.ok_or(Close::InvalidSignal)?).await;
            }
            Kind::Other => {}
        }
        Ok(())
    }
}

/// Sends a signal as soon as there is a program that gets it.
async fn deliver(client: &Client, stdin: &Stdin, signal: Signal) {
    let mut changes = stdin.changes();
    while client.signal(signal) == Err(Refused::NotRunning) {
        // Its sender lives in what is held here, so this never fails.
        let _ = changes.changed().await;
    }
}
