//! An agent that answers every job at once, without running it: for programs that test the API from outside.
//!
//! Arguments: the address of the agents' port, and the agent's name. The join token comes from `ENCLOS_JOIN_TOKEN`.

#[expect(dead_code, reason = "the tests of the master use more of it")]
#[path = "fake_agent.rs"]
mod fake_agent;

use std::time::Duration;

use enclos_protocol::agent_link::{FromAgent, FromMaster, Hello};
use enclos_protocol::cases::Verdict;
use enclos_protocol::ids::AttemptId;
use enclos_protocol::job::{Isolation, JobSpec};
use enclos_protocol::outcome::Outcome;
use fake_agent::{FakeAgent, hello, load, report};

/// Pause between two tries to connect.
const RETRY_EVERY: Duration = Duration::from_millis(100);
/// Tries before it gives up.
const RETRIES_MAX: usize = 100;
/// Outputs of the jobs, in turn: text, none, and bytes that are no text.
const OUTPUTS: [&[u8]; 3] = [b"42\n", b"", b"\xff\x00"];
/// How jobs end, in turn.
const OUTCOMES: [Outcome; 4] = [Outcome::Ok, Outcome::RuntimeError, Outcome::TimeLimit, Outcome::InternalError];

async fn answer(agent: &mut FakeAgent, attempt: AttemptId, spec: &JobSpec, count: usize) {
    let output = OUTPUTS[count % OUTPUTS.len()];
    let mut report = report(OUTCOMES[count % OUTCOMES.len()], output.len() as u64);
    if let Some(plan) = &spec.cases {
        // A case may have a limit of its own, which stands in its input alone.
        for number in 0..plan.count {
            agent.run_case(attempt, number, b"", Verdict::WrongAnswer).await;
        }
        (report.outcome, report.run) = (Outcome::Ok, None);
    } else {
        agent.started(attempt).await;
        let reported = usize::try_from(spec.run_limits.report_bytes).unwrap_or(usize::MAX).min(output.len());
        agent.output(attempt, 0, &output[..reported]).await;
    }
    agent.finish(attempt, report).await;
}

/// Answers until the master closes (`false`) or has the agent drained (`true`).
async fn serve(mut agent: FakeAgent, count: &mut usize) -> bool {
    let mut clock = tokio::time::interval(Duration::from_secs(1));
    let mut sequence = 0;
    loop {
        // Cancel-safe: a message is taken whole or not at all.
        tokio::select! {
            _ = clock.tick() => {
                sequence += 1;
                let beat = FromAgent::Heartbeat { sequence, load: load() };
                if agent.send(beat).await.is_err() {
                    return false;
                }
            }
            message = agent.next() => match message {
                Some(FromMaster::Dispatch { attempt, spec, .. }) => {
                    answer(&mut agent, attempt, &spec, *count).await;
                    *count += 1;
                }
                Some(FromMaster::Drain) => return true,
                Some(_) => {}
                None => return false,
            },
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, name] = arguments.as_slice() else { panic!("the arguments are an address and a name") };
    let token = std::env::var("ENCLOS_JOIN_TOKEN").expect("ENCLOS_JOIN_TOKEN is set");
    let (mut count, mut refused) = (0, 0);
    let mut clock = tokio::time::interval(RETRY_EVERY);
    while refused < RETRIES_MAX {
        clock.tick().await;
        // Whatever isolation a job asks for, it is not left waiting.
        let hello = Hello { isolation: Isolation::Gvisor, ..hello(name) };
        // Refused while the master still has its connection of before.
        let Ok(agent) = FakeAgent::connect(address, &token, hello).await else {
            refused += 1;
            continue;
        };
        refused = 0;
        // Drained, it comes back as one that was started anew: or else nobody answered any more.
        if !serve(agent, &mut count).await {
            return;
        }
    }
    panic!("the master does not take the agent");
}
