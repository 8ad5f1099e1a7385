//! `enclos attach` and `enclos run --interactive`: the terminal becomes the program's.
//!
//! ```text
//! keyboard (a thread) ─▶ ┌──────────┐ ─▶ frames ─▶ program
//! Ctrl-C: INT; again: cancel ─▶ │ converse │
//! screen ◀────────────── └──────────┘ ◀─ events ◀─ program
//! ```
//!
//! What is typed is read only as the master takes it, so the program that does not read makes the
//! keyboard wait, and nothing else.

mod line;

use std::io::Read as _;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::Message;

use self::line::{Came, Line};
use super::client::Client;
use super::exit::{self, CliError};
use super::run::{Show as _, TURN, View};
use super::service_error;
use super::show;
use super::terminal::{Terminal, harmless_line, tell};

/// Bytes of one piece that is typed or piped in.
const PIECE_BYTES: usize = 16 * 1024;
/// Pieces between the thread that reads and the one that sends.
const PIECES_MAX: usize = 2;
/// Frames between the task that reads and the one that writes.
const FRAMES_MAX: usize = 64;
/// Two Ctrl-C within this cancel the job.
const TWICE: Duration = Duration::from_secs(2);

/// Runs `enclos attach`.
///
/// # Errors
/// [`CliError`] when there is no such job or no master.
pub async fn attach(client: &Client, id: &str, terminal: Terminal) -> Result<ExitCode, CliError> {
    let id = show::whole_id(client, id).await?;
    converse(client, &id, false, terminal).await
}

/// Submits a job with live standard input, and converses with it.
///
/// # Errors
/// As [`attach`].
pub(super) async fn run(client: &Client, submission: &Value, terminal: Terminal) -> Result<ExitCode, CliError> {
    let job = client.post("/v1/jobs", submission).await?;
    let id = job["id"].as_str().unwrap_or_default();
    let ended = converse(client, id, true, terminal).await;
    // Nobody reads on: nobody needs the rest.
    if let Err(CliError::Output(_)) = ended {
        let _ = client.cancel(id).await;
    }
    ended
}

/// One conversation.
struct Conversation<'a> {
    client: &'a Client,
    id: &'a str,
    outgoing: Option<mpsc::Sender<Message>>,
    /// What is to be sent next.
    next: Option<Message>,
    typed: Option<mpsc::Receiver<Vec<u8>>>,
    /// The job is ours.
    own: bool,
    /// Its input is live.
    live: bool,
    /// The program may be spoken to.
    speaks: bool,
    interrupted: Option<Instant>,
    cancelled: bool,
}

async fn converse(client: &Client, id: &str, own: bool, terminal: Terminal) -> Result<ExitCode, CliError> {
    let mut view = View::new(terminal);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(service_error("signals cannot be heard"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(service_error("signals cannot be heard"))?;
    let mut turns = interval(TURN);
    turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (sender, mut receiver) = mpsc::channel(FRAMES_MAX);
    let mut reader = JoinSet::new();
    reader.spawn(read(Line::of(client, id), sender));
    let mut talk = Conversation {
        client,
        id,
        outgoing: None,
        next: None,
        typed: None,
        own,
        live: false,
        speaks: false,
        interrupted: None,
        cancelled: false,
    };
    let finished = loop {
        // Cancel-safe: channels, signals and timers keep what they have; a place that is let go is free again.
        tokio::select! {
            came = receiver.recv() => {
                match came.unwrap_or_else(|| Err(CliError::Service("the conversation ended too early".into())))? {
                    Came::Event(event) => {
                        if let Some(job) = view.take(&event).await.map_err(CliError::Output)? {
                            break job;
                        }
                    }
                    Came::Over => break client.get(&format!("/v1/jobs/{id}")).await?,
                    other => talk.take(other),
                }
            }
            Some(piece) = typed(&mut talk.typed), if talk.speaks && talk.next.is_none() => {
                let end = || line::request(&json!({ "type": "end" }));
                talk.next = Some(if piece.is_empty() { end() } else { line::stdin(piece) });
            }
            Some(place) = place(talk.outgoing.clone()), if talk.next.is_some() => {
                if let Some(message) = talk.next.take() {
                    place.send(message);
                }
            }
            _ = interrupt.recv() => talk.interrupt().await?,
            _ = terminate.recv() => talk.cancel().await?,
            _ = turns.tick() => view.turn(),
        }
    };
    reader.shutdown().await;
    view.end(client, &finished).await?;
    Ok(exit::code(exit::of_job(&finished)))
}

async fn read(mut line: Line, frames: mpsc::Sender<Result<Came, CliError>>) {
    loop {
        let came = line.next().await;
        let last = matches!(came, Err(_) | Ok(Came::Over));
        if frames.send(came).await.is_err() || last {
            return;
        }
    }
}

impl Conversation<'_> {
    fn take(&mut self, came: Came) {
        match came {
            Came::Connected { outgoing, again } => {
                self.outgoing = Some(outgoing);
                if again {
                    tell("enclos: connected again; what was typed last may not have arrived");
                }
            }
            Came::Stdin(stage) => {
                self.live = true;
                self.speaks = matches!(stage.as_str(), "waiting" | "open");
                if self.speaks && self.typed.is_none() {
                    self.typed = Some(keyboard());
                }
            }
            Came::Refused { code, detail } => {
                self.speaks &= !matches!(code.as_str(), "stdin_ended" | "stdin_closed" | "stdin_in_use" | "not_live");
                // Who reads no more is mostly just done.
                if code != "stdin_closed" {
                    tell(&format!("enclos: {}", harmless_line(&detail)));
                }
            }
            Came::Event(_) | Came::Over => {}
        }
    }

    /// Ctrl-C: the program gets `SIGINT`; twice, the job is cancelled. Who only watches leaves.
    async fn interrupt(&mut self) -> Result<(), CliError> {
        match (self.live, self.own) {
            (true, _) => {}
            (false, true) => return self.cancel().await,
            (false, false) => std::process::exit(exit::INTERRUPTED),
        }
        let twice = self.interrupted.replace(Instant::now()).is_some_and(|at| at.elapsed() < TWICE);
        let message = line::request(&json!({ "type": "signal", "signal": "INT" }));
        let sent = self.outgoing.as_ref().is_some_and(|outgoing| outgoing.try_send(message).is_ok());
        match (twice, sent) {
            (true, _) => self.cancel().await,
            (false, true) => Ok(()),
            (false, false) => {
                tell("enclos: the program does not take what was typed; Ctrl-C again cancels the job");
                Ok(())
            }
        }
    }

    /// Cancels the job; asked again, leaves it to the master.
    async fn cancel(&mut self) -> Result<(), CliError> {
        if std::mem::replace(&mut self.cancelled, true) {
            std::process::exit(exit::INTERRUPTED);
        }
        self.client.cancel(self.id).await.map(|_| ())
    }
}

/// Reads our standard input, piece by piece; an empty one is its end.
///
/// On a thread that nobody joins: a read of a terminal cannot be broken off, and it must not keep
/// this process from ending. It ends with the process, or when nobody takes its pieces.
fn keyboard() -> mpsc::Receiver<Vec<u8>> {
    let (pieces, typed) = mpsc::channel(PIECES_MAX);
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        loop {
            let mut piece = vec![0; PIECE_BYTES];
            // What cannot be read is at its end.
            let count = stdin.read(&mut piece).unwrap_or(0);
            piece.truncate(count);
            if pieces.blocking_send(piece).is_err() || count == 0 {
                return;
            }
        }
    });
    typed
}

async fn typed(typed: &mut Option<mpsc::Receiver<Vec<u8>>>) -> Option<Vec<u8>> {
    typed.as_mut()?.recv().await
}

async fn place(outgoing: Option<mpsc::Sender<Message>>) -> Option<mpsc::OwnedPermit<Message>> {
    outgoing?.reserve_owned().await.ok()
}
