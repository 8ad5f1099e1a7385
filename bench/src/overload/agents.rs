//! Agents that run nothing: they take as long as a job would, and answer.

#[expect(dead_code, reason = "the tests of the master use more of it")]
#[path = "../../../tests/support/fake_agent.rs"]
pub mod fake_agent;

use std::time::Duration;

use enclos_protocol::agent_link::{Capacity, FromAgent, FromMaster};
use enclos_protocol::outcome::Outcome as Ended;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use self::fake_agent::{FakeAgent, hello, load, report};
use super::Outcome;
use crate::processes::TOKEN;

/// How often an agent says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// More than a job of a plain submission asks for, for each slot.
const SLOT_MEMORY_BYTES: u64 = 4 << 30;
const SLOT_PIDS: u32 = 1024;

/// What an agent does with a job.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// How long it takes.
    pub job_time: Duration,
    /// What the job writes to its standard output.
    pub said: &'static str,
}

/// Answers until `over`; how many jobs it had.
pub async fn serve(
    link: String,
    name: String,
    slots: u32,
    Work { job_time, said }: Work,
    over: CancellationToken,
) -> Outcome<u64> {
    let capacity = Capacity {
        cpu_millis: 1000 * slots,
        memory_bytes: SLOT_MEMORY_BYTES * u64::from(slots),
        pids: SLOT_PIDS * slots,
        slots,
    };
    let mut agent =
        FakeAgent::connect(&link, TOKEN, enclos_protocol::agent_link::Hello { capacity, ..hello(&name) }).await?;
    let (mut clock, mut sequence, mut answered) = (tokio::time::interval(HEARTBEAT), 0, 0);
    let mut running = FuturesUnordered::new();
    loop {
        // Every arm is cancel-safe: a message is taken whole or not at all, and jobs stay in their set.
        tokio::select! {
            () = over.cancelled() => return Ok(answered),
            _ = clock.tick() => {
                sequence += 1;
                agent.send(FromAgent::Heartbeat { sequence, load: load() }).await?;
            }
            Some(attempt) = running.next() => {
                agent.answer(attempt, said.as_bytes(), report(Ended::Ok, said.len() as u64)).await?;
                answered += 1;
            }
            message = agent.next() => match message {
                // What is ready at once leaves at once, as of a real agent.
                Some(FromMaster::Dispatch { attempt, .. }) if job_time.is_zero() => {
                    agent.answer(attempt, said.as_bytes(), report(Ended::Ok, said.len() as u64)).await?;
                    answered += 1;
                }
                Some(FromMaster::Dispatch { attempt, .. }) => {
                    agent.started(attempt).await;
                    running.push(async move {
                        tokio::time::sleep(job_time).await;
                        attempt
                    });
                }
                Some(_) => {}
                None => return Err(format!("the master closed the connection of {name}").into()),
            },
        }
    }
}
