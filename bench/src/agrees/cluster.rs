//! A master and two real agents, and jobs that sleep for a known time.

use std::process::Stdio;
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep_until};

use super::Outcome;
use crate::processes::{Master, TOKEN, TOKEN_VARIABLE, program, terminate, wait_until};
use crate::sim::Work;

/// Agents.
pub const AGENTS: usize = 2;
/// Jobs that each runs at once.
pub const SLOTS: u32 = 2;
/// Jobs that are on their way at once; more would wait here and not at the master.
const IN_FLIGHT_MAX: usize = 1000;
/// Longest that one job may take with its wait.
const JOB_WAIT: Duration = Duration::from_secs(300);
const ASKED_MS: u64 = 60_000;

/// The processes.
pub struct Cluster {
    master: Master,
    agents: Vec<(String, Child)>,
    http: reqwest::Client,
}

impl Cluster {
    /// Starts all of it; every agent is connected when this returns.
    pub async fn start(prediction: bool) -> Outcome<Self> {
        let word = if prediction { "on" } else { "off" };
        let master = Master::start(&format!("agrees-{word}"), &["--prediction".to_owned(), word.to_owned()]).await?;
        let mut agents = Vec::new();
        for number in 1..=AGENTS {
            let name = format!("agrees-{}-{number}", std::process::id());
            let child = Command::new(program("enclos-agent")?)
                .args(["--master", &format!("http://{}", master.link()), "--name", &name])
                .args(["--slots", &SLOTS.to_string(), "--languages", "python", "--warm", "1"])
                .env(TOKEN_VARIABLE, TOKEN)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()?;
            agents.push((name, child));
        }
        let cluster = Self { master, agents, http: enclos_tls::client::http(None).timeout(JOB_WAIT).build()? };
        wait_until("every agent is connected", || async {
            cluster.master.connected().await.is_ok_and(|n| n == AGENTS)
        })
        .await?;
        Ok(cluster)
    }

    /// Submits each job when it is due, from now on; from when it was due to its end, in their order.
    pub async fn run(&self, works: &[Work]) -> Outcome<Vec<Duration>> {
        let begun = Instant::now();
        let jobs = futures::stream::iter(works).map(|work| async move {
            let due = begun + work.at;
            sleep_until(due).await;
            self.job(work).await?;
            Outcome::Ok(due.elapsed())
        });
        let mut ended = jobs.buffered(IN_FLIGHT_MAX);
        let mut times = Vec::with_capacity(works.len());
        while let Some(time) = ended.next().await {
            times.push(time?);
        }
        Ok(times)
    }

    /// How long one job after the other takes, with its way there and back.
    pub async fn run_alone(&self, work: &Work) -> Outcome<Duration> {
        let begun = Instant::now();
        self.job(work).await?;
        Ok(begun.elapsed())
    }

    /// Its times differ by its source alone, by which the master knows it again.
    async fn job(&self, work: &Work) -> Outcome<()> {
        let (source, seconds) = (work.source, work.service.as_secs_f64());
        let program = format!("import time\ntime.sleep({seconds:.6})\nprint({source})");
        let submission = json!({ "language": "python", "source": program });
        let url = format!("{}/v1/jobs", self.master.url());
        let post = self.http.post(format!("{url}?wait_ms={ASKED_MS}")).json(&submission);
        let mut job: Value = post.send().await?.error_for_status()?.json().await?;
        while job["state"] != "finished" {
            let id = job["id"].as_str().ok_or("a job without an id")?;
            let get = self.http.get(format!("{url}/{id}?wait_ms={ASKED_MS}"));
            job = get.send().await?.error_for_status()?.json().await?;
        }
        if job["outcome"] == "ok" && job["run"]["stdout"] == format!("{source}\n") {
            Ok(())
        } else {
            Err(format!("it ended wrong: {job:#}").into())
        }
    }

    /// Ends all of it as an operator would.
    pub async fn end(self) -> Outcome<()> {
        for (name, child) in self.agents {
            terminate(Some(child), &name).await?;
        }
        self.master.end().await
    }
}
