//! Jobs whose sandbox dies under them, and what else may not come to harm by it.
//!
//! The blows come from outside of Enclos: signals from the host, and the engine
//! asked behind the agent's back. A program that found a way to do the same
//! would look no different to the agent.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::cluster::{Cluster, JOB_WAIT, look_until, signal, source};
use crate::engine::{self, Blow};
use crate::host;

/// Attempts that a job has before it is given up.
const ATTEMPTS_MAX: usize = 3;
/// How long a victim runs where nobody ends it.
const VICTIM_WALL_MS: u64 = 60_000;
/// The same where it has to end well at last, and where it is to meet its limit.
const SHORT_WALL_MS: u64 = 3_000;
/// Longest from a blow that cannot be noticed (a frozen container) to the end of the attempt: the
/// step's own limit and the agent's patience beyond it.
const FROZEN_WAIT: Duration = Duration::from_secs(45);

/// Where a blow falls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Target {
    /// The sandbox's init.
    Supervisor,
    /// The cell's init.
    FirstProcess,
    /// The container as the engine knows it.
    Container(Blow),
}

/// A job with a name that the host can see.
struct Victim {
    id: String,
    name: String,
    seen: BTreeSet<u32>,
}

impl Victim {
    async fn start(cluster: &Cluster, sleep_s: u64, wall_ms: u64) -> Self {
        let name = format!("victim-{:016x}", rand::random::<u64>());
        let mut submission = source("python", &format!("import time\ntime.sleep({sleep_s})\nprint('done')"));
        submission["run"] = json!({ "args": [name] });
        submission["limits"] = json!({ "run": { "wall_ms": wall_ms } });
        // Its sandbox is not one that the jobs beside it come to next.
        submission["scope"] = json!("victim");
        let id = cluster.submit(&submission).await;
        Self { id, name, seen: BTreeSet::new() }
    }

    /// Waits until its program runs in a new attempt; the program's process.
    async fn runs(&mut self, cluster: &Cluster) -> u32 {
        let look = || async {
            let job = cluster.get(&format!("/v1/jobs/{}", self.id)).await;
            assert_ne!(job["state"], "finished", "it ended before its time: {job:#}");
            host::process_with(&self.name).filter(|pid| !self.seen.contains(pid))
        };
        let found = look_until(JOB_WAIT, look).await;
        let pid = found.unwrap_or_else(|| panic!("the victim does not run\n{}", cluster.logs()));
        self.seen.insert(pid);
        pid
    }

    async fn strike(&mut self, cluster: &Cluster, target: Target) {
        let program = self.runs(cluster).await;
        let parent = |pid: u32| host::parent_of(pid).expect("it runs, and so does who started it");
        let first = parent(program);
        match target {
            Target::FirstProcess => signal(first, "-KILL").await,
            Target::Supervisor => signal(parent(first), "-KILL").await,
            Target::Container(blow) => {
                let container = host::container_of(program).expect("it is in a container");
                engine::strike(&container, blow).await;
            }
        }
    }
}

async fn cluster() -> Cluster {
    Cluster::with_agents(&[&["--slots", "2", "--languages", "python", "--warm", "1"]]).await
}

/// Runs small jobs one after the other until `ended` is done; every one must be right at once.
async fn beside<T>(cluster: &Cluster, ended: impl Future<Output = T>) -> T {
    let mut ended = std::pin::pin!(ended);
    let mut n = 0;
    loop {
        let submission = source("python", &format!("print({n} * {n})"));
        let mut small = std::pin::pin!(cluster.run(&submission));
        // Both are polled to their ends: neither is dropped half way.
        let done = tokio::select! {
            done = &mut ended => Some(done),
            job = &mut small => {
                right(&job, n);
                None
            }
        };
        if let Some(done) = done {
            right(&small.await, n);
            assert!(n > 0, "some jobs ran beside it");
            return done;
        }
        n += 1;
    }
}

fn right(job: &Value, n: usize) {
    let stdout = format!("{}\n", n * n);
    let right = job["outcome"] == "ok" && job["run"]["stdout"] == stdout && job["attempts"] == 1;
    assert!(right, "a job beside the victim is right at the first attempt: {job:#}");
}

async fn goes_on(cluster: Cluster) {
    let listed = cluster.agent(&cluster.agents[0].name).await;
    assert_eq!(listed["state"], "connected", "{listed:#}\n{}", cluster.logs());
    right(&cluster.run(&source("python", "print(7 * 7)")).await, 7);
    cluster.shutdown().await;
}

/// Three blows: the job is given up with its history.
async fn is_given_up(target: Target) {
    let cluster = cluster().await;
    let mut victim = Victim::start(&cluster, VICTIM_WALL_MS, VICTIM_WALL_MS).await;
    let job = beside(&cluster, async {
        for _ in 0..ATTEMPTS_MAX {
            victim.strike(&cluster, target).await;
        }
        cluster.finished(&victim.id).await
    })
    .await;
    assert_eq!(job["outcome"], "internal_error", "never the program's fault: {job:#}\n{}", cluster.logs());
    assert_eq!(job["attempts"], ATTEMPTS_MAX, "{job:#}");
    let message = job["message"].as_str().unwrap_or_default();
    let history = message.strip_prefix("given up after 3 attempts: ").unwrap_or_default();
    assert_eq!(history.split("; ").count(), ATTEMPTS_MAX, "each attempt's end is told: {message}");
    goes_on(cluster).await;
}

/// One blow: the second attempt is like any.
async fn is_tried_again(target: Target) {
    let cluster = cluster().await;
    let mut victim = Victim::start(&cluster, SHORT_WALL_MS / 1000, VICTIM_WALL_MS).await;
    let job = beside(&cluster, async {
        victim.strike(&cluster, target).await;
        cluster.finished(&victim.id).await
    })
    .await;
    assert_eq!(job["outcome"], "ok", "{job:#}\n{}", cluster.logs());
    assert_eq!((&job["run"]["stdout"], &job["attempts"]), (&json!("done\n"), &json!(2)), "{job:#}");
    goes_on(cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_supervisor_is_killed_three_times_is_given_up_with_its_history() {
    is_given_up(Target::Supervisor).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_first_process_is_killed_three_times_is_given_up_with_its_history() {
    is_given_up(Target::FirstProcess).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_container_is_killed_is_tried_again() {
    is_tried_again(Target::Container(Blow::Kill)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_container_is_removed_is_tried_again() {
    is_tried_again(Target::Container(Blow::Remove)).await;
}

/// Nothing tells of it: neither the stream ends nor an answer comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_container_holds_its_job_no_longer_than_its_deadline() {
    let cluster = cluster().await;
    let mut victim = Victim::start(&cluster, VICTIM_WALL_MS, SHORT_WALL_MS).await;
    let begun = Instant::now();
    let job = beside(&cluster, async {
        victim.strike(&cluster, Target::Container(Blow::Pause)).await;
        timeout(FROZEN_WAIT, cluster.finished(&victim.id)).await
    })
    .await;
    let job = job.unwrap_or_else(|_| panic!("not after {:?}\n{}", begun.elapsed(), cluster.logs()));
    assert_eq!((&job["outcome"], &job["attempts"]), (&json!("time_limit"), &json!(2)), "{job:#}");
    goes_on(cluster).await;
}
