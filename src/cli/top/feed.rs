//! What the master says, over connections that may break.

use std::time::Duration;

use reqwest::Response;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::seen::{Hour, Seen};
use crate::cli::client::Client;
use crate::cli::events::Parser;

/// Longest silence of the master, which gives a sign of life each two seconds.
const SILENCE_MAX: Duration = Duration::from_secs(8);
/// How often the history is read anew: a step of it.
const HOUR_EVERY: Duration = Duration::from_secs(10);
/// Pause before the first new connection; doubled for each further one,
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// up to this.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What there is to show.
#[derive(Clone, Debug)]
pub enum Update {
    /// How it goes.
    Seen(Box<Seen>),
    /// How it went.
    Hour(Hour),
    /// The master is there, and nothing has changed.
    Alive,
    /// It does not answer; it is tried again.
    Lost(String),
}

/// Follows the master until `stop`, or until nobody looks any more.
pub async fn run(client: Client, updates: Sender<Update>, stop: CancellationToken) {
    // What is dropped at a stop is a connection or a pause.
    stop.run_until_cancelled(follow(client, updates)).await;
}

async fn follow(client: Client, updates: Sender<Update>) {
    let mut pause = PAUSE_MIN;
    loop {
        let why = match client.open("/v1/stats/events").await {
            Ok(response) => {
                let why = read(&client, response, &updates, &mut pause).await;
                "the connection broke: ".to_owned() + why
            }
            Err(error) => error.to_string(),
        };
        if updates.send(Update::Lost(why)).await.is_err() {
            return;
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Reads one connection to its end; why it ended.
async fn read(client: &Client, mut response: Response, updates: &Sender<Update>, pause: &mut Duration) -> &'static str {
    let (mut parser, mut hour_at) = (Parser::default(), None::<Instant>);
    loop {
        match timeout(SILENCE_MAX, response.chunk()).await {
            Ok(Ok(Some(bytes))) => parser.feed(&bytes),
            Ok(Ok(None)) => return "the master has ended it",
            Ok(Err(_)) => return "it was cut",
            Err(_) => return "the master is silent",
        }
        loop {
            let update = match parser.next() {
                Ok(Some(event)) if event.kind == "stats" => Update::Seen(Box::new(Seen::of(&event.data))),
                Ok(Some(_)) => Update::Alive,
                Ok(None) => break,
                Err(_) => return "what came is no event stream",
            };
            *pause = PAUSE_MIN;
            if updates.send(update).await.is_err() {
                return "nobody looks any more";
            }
        }
        if hour_at.is_none_or(|at| at.elapsed() >= HOUR_EVERY) {
            hour_at = Some(Instant::now());
            // Where it cannot be had, the one of before stands.
            if let Ok(Ok(history)) = timeout(SILENCE_MAX, client.get("/v1/stats/history")).await {
                let _ = updates.send(Update::Hour(Hour::of(&history))).await;
            }
        }
    }
}
