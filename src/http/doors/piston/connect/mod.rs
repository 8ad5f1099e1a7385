//! `GET connect`: a WebSocket on which one program is run and spoken with.
//!
//! ```text
//! client ─ init (bounded in size and time) ─▶ the submission with live input ─ claim ─▶ job
//! client ─ data, eof, signal ─▶ hear ─▶ live input (`progress::Stdin`): a window at most, then it waits
//! client ◀─ runtime, stage, data, exit ◀─ tell ◀─ script ◀─ follow
//! ```
//!
//! The job is the connection's: it is cancelled when that ends before it. Beyond Piston's protocol there
//! is `eof`, which ends the input; and `exit` says all that an answer of `execute` does.

mod hear;
mod script;
mod tell;

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use futures::StreamExt as _;
use futures::stream::{SplitSink, SplitStream};
use tokio::time::timeout;

use self::hear::{Hearing, Kind};
use self::script::{Frame, Script};
use self::tell::Telling;
use super::super::claim::Claim;
use super::execute::{Translated, translate};
use super::follow::{self, Follow};
use super::said;
use super::submission::Input;
use crate::admission::Refusal;
use crate::gate::Caller;
use crate::http::attach::farewell::{self, KEY_ENDED, TOO_SLOW};
use crate::http::{Api, error};

/// Largest frame of a client that is looked at, in bytes: sources go in the first.
const FRAME_BYTES_MAX: usize = 256 * 1024;
/// Largest that is read at all; what is larger breaks the connection.
const READ_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;
/// Longest that a client may take to say what it wants.
const INIT_MAX: Duration = Duration::from_secs(5);

type Sink = SplitSink<WebSocket, Message>;
type Source = SplitStream<WebSocket>;

/// Why a connection ends. The codes up to 4005 and 4999 are Piston's.
#[derive(Debug)]
enum Close {
    /// The client left.
    Gone,
    /// The job has ended, and all was told.
    Completed,
    AlreadyInitialized,
    InitTimeout,
    NotInitialized,
    NotStdin,
    InvalidSignal,
    /// The client is told why before.
    Notified(String),
    /// It takes nothing, or does not answer.
    Slow,
    KeyEnded,
    /// The service ends.
    Ending,
}

impl From<Refusal> for Close {
    fn from(refusal: Refusal) -> Self {
        Self::Notified(said(&refusal).1)
    }
}

impl Close {
    async fn say(self, sink: &mut Sink, stream: &mut Source, client_wait: Duration) {
        let (code, reason) = match self {
            Self::Gone => return,
            Self::Completed => (4999, "Job Completed"),
            Self::AlreadyInitialized => (4000, "Already Initialized"),
            Self::InitTimeout => (4001, "Initialization Timeout"),
            Self::NotInitialized => (4003, "Not yet initialized"),
            Self::NotStdin => (4004, "Can only write to stdin"),
            Self::InvalidSignal => (4005, "Invalid signal"),
            Self::Notified(message) => {
                if tell::send(&Frame::Error { message }, sink, client_wait).await.is_err() {
                    return;
                }
                (4002, "Notified Error")
            }
            Self::Slow => (TOO_SLOW, "what was sent was not read, or pings were not answered"),
            Self::KeyEnded => (KEY_ENDED, "the key was revoked or has expired"),
            Self::Ending => (close_code::AWAY, "the service ends"),
        };
        farewell::close(code, reason, sink, stream).await;
    }
}

pub(super) async fn connect(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    let upgrade = upgrade.map_err(|_| error::upgrade_required())?;
    let place = api.room.watcher(&caller)?;
    // The upgrade runs this in a task of hyper's; it is counted from here on, so that shutdown waits.
    let counted = api.conversations.token();
    let upgrade = upgrade.max_message_size(READ_BYTES_MAX).max_frame_size(READ_BYTES_MAX).write_buffer_size(0);
    Ok(upgrade.on_upgrade(async move |socket| {
        let (mut sink, mut stream) = socket.split();
        let ended = converse(&api, &caller, &mut sink, &mut stream);
        let close = tokio::select! {
            close = ended => close,
            () = caller.ended.cancelled() => Close::KeyEnded,
            () = api.shutdown.cancelled() => Close::Ending,
        };
        close.say(&mut sink, &mut stream, api.client_wait).await;
        drop((place, counted));
    }))
}

async fn converse(api: &Arc<Api>, caller: &Caller, sink: &mut Sink, stream: &mut Source) -> Close {
    let began = async {
        let init = timeout(INIT_MAX, init(stream)).await.map_err(|_| Close::InitTimeout)??;
        begin(api, caller, init).await
    };
    let (claim, translated) = match began.await {
        Ok(began) => began,
        Err(close) => return close,
    };
    let live = follow::live(api, caller, &claim);
    let stdin = live.as_ref().and_then(|live| live.stdin().cloned());
    let compiles = api.catalogue.by_id(&translated.language).is_some_and(|language| language.compile.is_some());
    let telling =
        Telling { api, caller, job: claim.job, follow: Follow::new(live.as_ref()), script: Script::new(compiles) };
    let runtime = Frame::Runtime { language: translated.language, version: translated.version };
    // Each half touches its own side only; when one ends, the conversation does.
    let close = tokio::select! {
        close = Hearing::new(stdin).hear(stream) => close,
        close = telling.tell(runtime, sink) => close,
    };
    if matches!(close, Close::Completed) {
        claim.release();
    }
    close
}

/// The first frame that is one.
async fn init(stream: &mut Source) -> Result<Bytes, Close> {
    loop {
        let bytes = hear::next(stream).await?;
        match hear::kind(&bytes)? {
            Kind::Init => return Ok(bytes),
            Kind::Data | Kind::Eof | Kind::Signal => return Err(Close::NotInitialized),
            Kind::Other => {}
        }
    }
}

async fn begin(api: &Arc<Api>, caller: &Caller, init: Bytes) -> Result<(Claim, Translated), Close> {
    let memory = api.bodies.room(caller, init.len()).await?;
    let mut translated = translate(api, init, Input::Live).await?;
    let submission = std::mem::take(&mut translated.submission);
    let claim = Claim::take(api, caller, submission, memory).await?;
    Ok((claim, translated))
}
