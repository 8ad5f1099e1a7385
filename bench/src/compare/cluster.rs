//! A cluster of our own for a part of the comparison, and a client of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::Outcome;
use super::programs::Program;
use super::stage::Stage;
use super::ways::Way;
use crate::processes::{LOOK_EVERY, READY_WAIT, free_port};

/// Longest that a request waits for the end of its job before it asks again.
const ASKED_MS: u32 = 60_000;
/// Longest that a job may take with its wait.
const JOB_WAIT: Duration = Duration::from_secs(120);
/// Longest until the pool is as it was.
const SETTLE_WAIT: Duration = Duration::from_secs(60);

/// A client with its connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    url: String,
}

/// A job that has ended, and how long its client waited for that.
#[derive(Debug)]
pub struct Answer {
    pub job: Value,
    pub elapsed: Duration,
}

impl Answer {
    /// Processor time of its steps in microseconds, as their cells' cgroups counted it (to the millisecond).
    pub fn steps_us(&self) -> u64 {
        let of = |step: &str| self.job[step]["cpu_ms"].as_u64().unwrap_or(0);
        let compiled = if self.job["compile"]["cached"] == true { 0 } else { of("compile") };
        (compiled + of("run")) * 1000
    }
}

impl Client {
    /// Runs a job of any kind to its end.
    ///
    /// # Errors
    /// It is refused, or does not end.
    pub async fn job(&self, submission: &Value) -> Outcome<Answer> {
        let begun = Instant::now();
        let url = format!("{}/v1/jobs", self.url);
        let sent = self.http.post(format!("{url}?wait_ms={ASKED_MS}")).json(submission).send().await?;
        if !sent.status().is_success() {
            return Err(format!("a job is answered {}: {}", sent.status(), sent.text().await?).into());
        }
        let mut job: Value = sent.json().await?;
        while job["state"] != "finished" {
            let id = job["id"].as_str().ok_or("a job without an id")?;
            job = self.http.get(format!("{url}/{id}?wait_ms={ASKED_MS}")).send().await?.json().await?;
        }
        Ok(Answer { job, elapsed: begun.elapsed() })
    }

    /// Runs a program in one of our ways, for a scope where one is given, and checks what it said and how.
    ///
    /// # Errors
    /// The answer is wrong, or the job did not run in that way.
    pub async fn run(&self, way: Way, program: &Program, scope: Option<String>) -> Outcome<Answer> {
        let mut submission = program.submission(way != Way::Cached);
        if way == Way::Never {
            submission["reuse"] = json!("never");
        }
        if let Some(scope) = scope {
            submission["scope"] = json!(scope);
        }
        let answer = self.job(&submission).await?;
        let said = answer.job["run"]["stdout"].as_str().ok_or_else(|| format!("{}: {}", program.name, answer.job))?;
        program.check(way.name(), said.as_bytes())?;
        let wrong = |what: &str| format!("{} by {}: {what}: {}", program.name, way.name(), answer.job);
        if answer.job["outcome"] != "ok" {
            return Err(wrong("it did not end well").into());
        }
        if way == Way::Never && answer.job["reuse"] != "never" {
            return Err(wrong("its sandbox was not its own").into());
        }
        let is_cached = answer.job["compile"]["cached"] == true;
        if is_cached != (way == Way::Cached) {
            return Err(wrong(if is_cached { "it was not compiled" } else { "it was compiled anew" }).into());
        }
        Ok(answer)
    }

    async fn agents(&self) -> Outcome<Vec<Value>> {
        let asked = self.http.get(format!("{}/v1/agents", self.url)).send().await?.error_for_status()?;
        let mut answer: Value = asked.json().await?;
        match answer["agents"].take() {
            Value::Array(agents) => Ok(agents),
            other => Err(format!("no list of agents: {other}").into()),
        }
    }
}

/// One agent to be.
#[derive(Clone, Debug, Default)]
pub struct AgentPlan {
    /// Cores that it may use and gives to its jobs, one by one.
    pub cores: Option<&'static str>,
    pub languages: &'static str,
    /// Sandboxes that are ready before anything is measured.
    pub warm: usize,
    /// Sandboxes to keep ready for each image.
    pub warm_each: usize,
    pub flags: &'static [&'static str],
}

/// Sandboxes of a cluster since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sandboxes {
    pub made: u64,
    /// Those of them that wait for a first job.
    pub unused: u64,
    /// Idle ones whose place another needed.
    pub evicted: u64,
}

/// A master and its agents.
pub struct Cluster {
    pub client: Client,
    /// Process of the master.
    pub master: u32,
    /// Processes of the agents.
    pub agents: Vec<u32>,
    /// Names of the agents, by which their cgroups are named.
    pub names: Vec<String>,
    master_name: String,
    link: String,
    warm: usize,
}

impl Cluster {
    /// Starts a master alone.
    ///
    /// # Errors
    /// It does not come up.
    pub async fn master(stage: &Stage, name: &str) -> Outcome<Self> {
        let (port, link) = (free_port()?, format!("127.0.0.1:{}", free_port()?));
        let master_name = format!("{name}-master");
        let data = stage.work.join(format!("{name}-data"));
        let bind = format!("127.0.0.1:{port}");
        let flags = ["master", "--bind", &bind, "--link-bind", &link, "--data-dir", &data.to_string_lossy()];
        let master = stage.spawn(&master_name, "enclos", None, &flags.map(str::to_owned)).await?;
        let client =
            Client { http: enclos_tls::client::http(None).timeout(JOB_WAIT).build()?, url: format!("http://{bind}") };
        let cluster = Self { client, master, agents: Vec::new(), names: Vec::new(), master_name, link, warm: 0 };
        let health = format!("{}/healthz", cluster.client.url);
        let answers = async || cluster.client.http.get(&health).send().await.is_ok_and(|r| r.status() == 200);
        if until(READY_WAIT, answers).await {
            Ok(cluster)
        } else {
            Err(format!("the master does not answer: {}", stage.log(&cluster.master_name)).into())
        }
    }

    /// Starts an agent; it need not be ready when this returns.
    ///
    /// # Errors
    /// It cannot be started.
    pub async fn add(&mut self, stage: &Stage, plan: &AgentPlan) -> Outcome<()> {
        // The port tells clusters of one run apart: an agent's cgroups may be gone later than its process.
        let port = self.link.rsplit(':').next().unwrap_or_default();
        let name = format!("compare-{port}-{}", self.names.len() + 1);
        let (master, warm) = (format!("http://{}", self.link), plan.warm_each.to_string());
        let mut flags = vec!["--master", &master, "--name", &name, "--languages", plan.languages, "--warm", &warm];
        flags.extend(plan.flags);
        if plan.cores.is_some() {
            flags.push("--pin-cores");
        }
        let flags: Vec<String> = flags.into_iter().map(str::to_owned).collect();
        self.agents.push(stage.spawn(&name, "enclos-agent", plan.cores, &flags).await?);
        self.names.push(name);
        self.warm += plan.warm;
        Ok(())
    }

    /// Starts a master and agents; all are ready, with their sandboxes, when this returns.
    ///
    /// # Errors
    /// Something does not come up in time; says what it wrote.
    pub async fn start(stage: &Stage, name: &str, plans: &[AgentPlan]) -> Outcome<Self> {
        let mut cluster = Self::master(stage, name).await?;
        for plan in plans {
            cluster.add(stage, plan).await?;
        }
        let ready = async || cluster.is_settled(plans.len()).await;
        if until(READY_WAIT, ready).await {
            return Ok(cluster);
        }
        let logs: Vec<String> = cluster.names.iter().map(|name| stage.log(name)).collect();
        Err(format!("the agents are not ready: {}", logs.join("\n")).into())
    }

    /// All agents are there, nothing runs, and as many sandboxes wait as were asked for.
    async fn is_settled(&self, agents: usize) -> bool {
        let Ok(listed) = self.client.agents().await else { return false };
        let warm: u64 = listed.iter().flat_map(stock).map(|image| number(image, "warm")).sum();
        let connected = listed.iter().filter(|agent| agent["state"] == "connected").count();
        connected == agents && listed.iter().all(|agent| number(agent, "running") == 0) && warm >= self.warm as u64
    }

    /// Nothing runs, and of each image as many sandboxes wait as the pool wants by now.
    pub async fn is_stocked(&self) -> bool {
        let Ok(listed) = self.client.agents().await else { return false };
        let has_all = |image: &Value| number(image, "warm") >= number(image, "wanted");
        listed.iter().all(|agent| number(agent, "running") == 0 && stock(agent).iter().all(has_all))
    }

    /// Waits until the pool is as it was before and the machine quiet, so that what one job left to do is not in the next
    /// one's time.
    ///
    /// # Errors
    /// It does not get there.
    pub async fn settle(&self) -> Outcome<()> {
        let settled = async || self.is_settled(self.names.len()).await;
        if !until(SETTLE_WAIT, settled).await {
            return Err("the pool does not fill again".into());
        }
        super::quiet::wait(self).await;
        Ok(())
    }

    /// How many sandboxes there were, as the agents last said.
    ///
    /// # Errors
    /// The master does not answer.
    pub async fn sandboxes(&self) -> Outcome<Sandboxes> {
        let listed = self.client.agents().await?;
        let closed = |agent: &Value| agent["sandboxes_closed"].as_object().cloned().unwrap_or_default();
        let all =
            |agent: &Value| closed(agent).values().filter_map(Value::as_u64).sum::<u64>() + number(agent, "sandboxes");
        Ok(Sandboxes {
            made: listed.iter().map(all).sum(),
            unused: listed.iter().flat_map(stock).map(|image| number(image, "warm")).sum(),
            evicted: listed.iter().map(|agent| number(&agent["sandboxes_closed"], "evicted")).sum(),
        })
    }

    /// Ends the agents, then the master.
    ///
    /// # Errors
    /// One does not end well.
    pub async fn end(self, stage: &Stage) -> Outcome<()> {
        for name in &self.names {
            stage.end_child(name).await?;
        }
        stage.end_child(&self.master_name).await
    }
}

/// What an agent says of each image that it keeps sandboxes of.
fn stock(agent: &Value) -> &[Value] {
    agent["stock"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn number(of: &Value, field: &str) -> u64 {
    of[field].as_u64().unwrap_or(0)
}

/// Looks again and again; whether it became so in time.
async fn until(longest: Duration, look: impl AsyncFn() -> bool) -> bool {
    let deadline = Instant::now() + longest;
    while !look().await {
        if Instant::now() >= deadline {
            return false;
        }
        sleep(LOOK_EVERY).await;
    }
    true
}
