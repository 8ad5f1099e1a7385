//! Many clients that watch one job: what an event costs for each of them.

use std::time::Duration;

use enclos_protocol::agent_link::{FromMaster, Hello};
use tokio::io::AsyncBufReadExt as _;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use super::client::Client;
use super::seen::Seen;
use super::{Outcome, SAID};
use crate::overload::agents::fake_agent::{FakeAgent, hello, report};
use crate::processes::{Master, TOKEN};

/// Pieces of output that the job writes, one by one.
const PIECES: u32 = 200;
/// From one to the next.
const PACE: Duration = Duration::from_millis(5);
/// Longest that all of it may take.
const WAIT: Duration = Duration::from_secs(120);

pub async fn measure(master: &Master, watchers: u32) -> Outcome<()> {
    let mut agent = FakeAgent::connect(&master.link(), TOKEN, Hello { ..hello("watched") }).await?;
    let submission = r#"{"language":"python","source":"print(0)"}"#;
    let (_, job) = Client::connect(&master.address()).await?.post("/v1/jobs", submission).await?;
    let id = job["id"].as_str().ok_or("a job without an id")?.to_owned();
    let attempt = loop {
        match agent.next().await {
            Some(FromMaster::Dispatch { attempt, .. }) => break attempt,
            Some(_) => {}
            None => return Err("the master closed the connection".into()),
        }
    };
    agent.started(attempt).await;
    let mut watching = JoinSet::new();
    for _ in 0..watchers {
        let mut events = Client::connect(&master.address()).await?.watch(&format!("/v1/jobs/{id}/events")).await?;
        watching.spawn(async move {
            let (mut line, mut said, mut pieces) = (String::new(), 0, 0);
            while events.read_line(&mut line).await? > 0 && !line.starts_with("event: finished") {
                if line.starts_with("event: output") {
                    pieces += 1;
                }
                // Each piece is the same text, and JSON writes its end of line with two characters.
                said += line.matches(r"hello\n").count() * SAID.len();
                line.clear();
            }
            Ok::<_, std::io::Error>((said, pieces))
        });
    }
    let before = Seen::of(master).await?;
    let mut clock = interval(PACE);
    for piece in 0..PIECES {
        clock.tick().await;
        agent.output(attempt, u64::from(piece) * SAID.len() as u64, SAID.as_bytes()).await;
    }
    agent.finish(attempt, report(enclos_protocol::outcome::Outcome::Ok, u64::from(PIECES) * SAID.len() as u64)).await;
    let mut events = 0;
    while let Some(watched) = timeout(WAIT, watching.join_next()).await? {
        let (said, pieces) = watched??;
        if said != PIECES as usize * SAID.len() {
            return Err(format!("a watcher saw {said} bytes").into());
        }
        events += pieces;
    }
    let seen = Seen::of(master).await?.since(&before);
    println!(
        "{watchers} clients watched one job: {events} events of output, {:.1} CPU µs each; all saw all of it.",
        seen.cpu_us / f64::from(events)
    );
    Ok(())
}
