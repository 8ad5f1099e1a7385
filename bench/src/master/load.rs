//! Single submissions, each answer checked: as fast as so many connections get answers, or at a rate.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep_until;

use super::client::Client;
use super::{Outcome, SAID};
use crate::stats::Series;

/// How submissions come, and what their client asks for.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub connections: u32,
    pub time: Duration,
    /// Submissions in a second; `None`: each connection sends its next when the last is answered.
    pub rate: Option<f64>,
    /// The answer is the finished job.
    pub waits: bool,
}

/// What came of them.
#[derive(Default)]
pub struct Answers {
    pub ids: Vec<String>,
    times: Vec<Duration>,
    pub took: Duration,
}

impl Answers {
    pub fn series(&mut self) -> Series {
        Series::of(std::mem::take(&mut self.times))
    }

    pub fn per_second(&self) -> f64 {
        self.ids.len() as f64 / self.took.as_secs_f64()
    }
}

/// Offers it to the master at `address`.
pub async fn offer(address: &str, load: Load) -> Outcome<Answers> {
    let mut connections = JoinSet::new();
    let begun = Instant::now();
    for number in 0..load.connections {
        let client = Client::connect(address).await?;
        connections.spawn(one(client, load, number, begun));
    }
    let mut all = Answers::default();
    while let Some(answers) = connections.join_next().await {
        let Answers { ids, times, .. } = answers??;
        all.ids.extend(ids);
        all.times.extend(times);
    }
    all.took = begun.elapsed();
    Ok(all)
}

/// Of one connection: with a rate, every so-manieth submission is its.
async fn one(mut client: Client, load: Load, number: u32, begun: Instant) -> Outcome<Answers> {
    let path = if load.waits { "/v1/jobs?wait_ms=60000" } else { "/v1/jobs" };
    let mut answers = Answers::default();
    for turn in 0_u32.. {
        let mut from = Instant::now();
        if let Some(rate) = load.rate {
            let due = begun
                + Duration::from_secs_f64((f64::from(number) + f64::from(turn) * f64::from(load.connections)) / rate);
            // One that cannot go out in time counts from when it was due; what a timer is late by is not the master's.
            if from < due {
                sleep_until(due.into()).await;
                from = Instant::now();
            } else {
                from = due;
            }
        }
        if begun.elapsed() >= load.time {
            break;
        }
        let body = format!(r#"{{"language":"python","source":"print({})"}}"#, number * 7919 + turn % PROGRAMS);
        let (status, job) = client.post(path, &body).await?;
        answers.times.push(from.elapsed());
        let is_right = if load.waits {
            status == 200 && job["outcome"] == "ok" && job["run"]["stdout"] == SAID
        } else {
            status == 201 && ["queued", "running", "finished"].iter().any(|state| job["state"] == *state)
        };
        match job["id"].as_str() {
            Some(id) if is_right => answers.ids.push(id.to_owned()),
            _ => return Err(format!("answered {status}: {job:#}").into()),
        }
    }
    Ok(answers)
}

/// Programs that each connection submits in turn.
const PROGRAMS: u32 = 50;
