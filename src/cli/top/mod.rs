//! `enclos top`: how it goes with the cluster, as it changes, in a terminal.
//!
//! ```text
//! master ─ stats/events, history ─▶ feed (reconnects) ─▶ bounded channel ─┐
//! keyboard ─ a thread ───────────────────────────────▶ bounded channel ──┼─▶ State (pure) ─▶ draw
//! clock ──────────────────────────────────────────────────────────────────┘        └─▶ drain, on confirmation
//! ```
//!
//! Where standard output is no terminal it is printed once, as plain text.

mod draw;
mod feed;
mod keyboard;
mod once;
mod seen;
mod state;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Map, Value};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::feed::Update;
use self::keyboard::Keyboard;
use self::seen::Seen;
use self::state::{State, Wish};
use super::client::{Client, query_escaped};
use super::exit::CliError;
use super::service_error;
use super::terminal::Terminal;

/// Updates of the master that may wait to be drawn.
const UPDATES_MAX: usize = 8;
/// How often what is shown is drawn anew where nothing happens: it says how old it is.
const DRAWN_EVERY: Duration = Duration::from_secs(1);

/// What is shown.
#[derive(Args, Debug)]
pub struct TopArgs {
    /// Print it once as plain text, as is done where the output is no terminal
    #[arg(long)]
    once: bool,
}

/// Shows it until its user has seen enough.
///
/// # Errors
/// [`CliError`] where the master refuses or is not there at first, or the terminal fails.
pub async fn run(client: &Client, args: &TopArgs, terminal: Terminal) -> Result<ExitCode, CliError> {
    let first = Seen::of(&client.get("/v1/stats").await?);
    if args.once || !terminal.stdout || !std::io::stdin().is_terminal() {
        once::print(&first, terminal);
        return Ok(ExitCode::SUCCESS);
    }
    let mut state = State::new(client.url(), terminal.colours);
    state.seen(first, Instant::now());
    let stop = CancellationToken::new();
    let (updates, coming) = mpsc::channel(UPDATES_MAX);
    let mut feeding = JoinSet::new();
    feeding.spawn(feed::run(client.clone(), updates, stop.clone()));
    let mut screen = ratatui::try_init().map_err(CliError::Output)?;
    let shown = show(client, &mut state, &mut screen, coming).await;
    ratatui::restore();
    stop.cancel();
    while let Some(fed) = feeding.join_next().await {
        fed.map_err(service_error("what the master says could not be followed"))?;
    }
    shown.map(|()| ExitCode::SUCCESS)
}

/// Draws what there is, until somebody has seen enough.
async fn show(
    client: &Client,
    state: &mut State,
    screen: &mut ratatui::DefaultTerminal,
    mut updates: mpsc::Receiver<Update>,
) -> Result<(), CliError> {
    let (mut keyboard, mut keys) = Keyboard::start().map_err(CliError::Output)?;
    let mut clock = interval(DRAWN_EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ended = service_error("signals cannot be heard");
    let mut told_to_end = signal(SignalKind::terminate()).map_err(ended)?;
    loop {
        screen.draw(|frame| draw::draw(frame, state, Instant::now())).map_err(CliError::Output)?;
        // Cancel-safe: receiving and ticking lose nothing when dropped.
        let wish = tokio::select! {
            _ = clock.tick() => None,
            _ = told_to_end.recv() => Some(Wish::Quit),
            Some(update) = updates.recv() => {
                state.update(update, Instant::now());
                None
            }
            key = keys.recv() => match key {
                Some(key) => state.key(key),
                // The terminal is gone.
                None => Some(Wish::Quit),
            },
        };
        match wish {
            None => {}
            Some(Wish::Quit) => break,
            Some(Wish::Drain(name)) => state.told(drain(client, &name).await),
        }
    }
    keyboard.end();
    Ok(())
}

/// What came of it, for a person.
async fn drain(client: &Client, name: &str) -> Result<String, String> {
    let path = format!("/v1/agents/{}/drain", query_escaped(name));
    match client.post(&path, &Value::Object(Map::new())).await {
        Ok(_) => Ok(format!("{name} takes no more jobs; it ends those that it has")),
        Err(error) => Err(error.to_string()),
    }
}
