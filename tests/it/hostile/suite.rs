//! Runs programs one after the other on each of a few clusters, with a canary after each.
//!
//! A cluster has one slot, so whoever harmed something is known by name.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::canary::Canary;
use super::lateness::{Lateness, Percentiles, ms_after_limit};
use super::record::Entry;
use crate::cluster::Cluster;
use crate::programs::{Program, Setting, shortened};

/// Clusters that share the programs: the machine's cores, where it has two.
const LANES: usize = 2;
/// Harmed so often, a cluster shows nothing more.
const HARMS_MAX: usize = 10;

/// Every program that was run, in the order of their ends, and what was wrong.
pub struct Outcome {
    /// Real results.
    pub entries: Vec<Entry>,
    /// One text for each program that is not right.
    pub failures: Vec<String>,
}

impl Outcome {
    /// Fails with all of them, and where the answers came too late on the whole.
    pub fn assert_right(&self, setting: Setting) {
        let percentiles = Percentiles::of(self.entries.iter().filter_map(|e| e.ms_after_limit));
        println!("{} programs; after a time limit: {percentiles}", self.entries.len());
        let failed = self.failures.len();
        assert!(failed == 0, "{failed} of {} programs:\n{}", self.entries.len(), self.failures.join("\n"));
        percentiles.assert_soon(setting);
    }
}

/// Arguments of an agent under `setting`.
fn agent_args(setting: Setting) -> Vec<&'static str> {
    // What waits is tasks of an idle sandbox.
    let mut args = vec!["--slots", "1", "--warm", "1", "--forerunners", "0"];
    args.extend(match setting {
        Setting::Tenant => ["--reuse", "tenant"],
        Setting::Never => ["--reuse", "never"],
        Setting::Plain => ["--cells", "plain"],
        Setting::Gvisor => ["--isolation", "gvisor"],
    });
    args
}

/// Runs `programs` in their order under `setting`.
pub async fn run(programs: &[&Program], setting: Setting) -> Outcome {
    let next = AtomicUsize::new(0);
    let outcome = Mutex::new(Outcome { entries: Vec::new(), failures: Vec::new() });
    let lanes = (0..LANES.min(programs.len())).map(|_| lane(programs, &next, &outcome, setting));
    futures::future::join_all(lanes).await;
    outcome.into_inner().expect("no lane panicked while it held it")
}

async fn lane(programs: &[&Program], next: &AtomicUsize, outcome: &Mutex<Outcome>, setting: Setting) {
    let cluster = Cluster::with_agents(&[&agent_args(setting)]).await;
    let languages = cluster.get("/v1/languages").await;
    let mut canary = Canary::new(&cluster, setting).await;
    let mut harms = 0;
    while let Some(program) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
        let (entry, mut wrong) = attempt(&cluster, &languages, program, setting).await;
        let harm = canary.check().await;
        harms += harm.len();
        if !harm.is_empty() {
            let _infallible = write!(wrong, "\n  HARM: {}\n{}", harm.join("\n  HARM: "), cluster.logs());
        }
        let mut outcome = outcome.lock().expect("no lane panicked while it held it");
        println!("{} {entry}", if wrong.is_empty() { "  ok" } else { "FAIL" });
        if !wrong.is_empty() {
            println!("{wrong}");
            outcome.failures.push(format!("{} ({}): {wrong}", program.name(), program.description().purpose()));
        }
        outcome.entries.push(entry);
        if harms >= HARMS_MAX {
            outcome.failures.push("given up: the agent was harmed too often".to_owned());
            break;
        }
    }
    cluster.shutdown().await;
}

/// Runs one; the result, and what is wrong with it.
async fn attempt(cluster: &Cluster, languages: &Value, program: &Program, setting: Setting) -> (Entry, String) {
    let extra = match setting {
        Setting::Gvisor => json!({ "isolation": "gvisor" }),
        Setting::Tenant | Setting::Never | Setting::Plain => json!({}),
    };
    let (job, wrong) = program.run(cluster, &extra).await;
    let mut wrong = wrong.unwrap_or_default();
    let submission = program.submission(&extra);
    let after = ms_after_limit(&job, &submission, languages);
    if !job.is_null() {
        let lateness =
            Lateness { ms_after_limit: after.unwrap_or(0), ms_around: job["timing"]["dispatch_ms"].as_u64() };
        if let Some(late) = lateness.too_late(setting) {
            let _infallible = write!(wrong, "\n  LATE: {late}; the job: {}", shortened(&job));
        }
        if job["attempts"] != 1 {
            let attempts = &job["attempts"];
            let _infallible = write!(wrong, "\n  {attempts} attempts: {}\n{}", shortened(&job), cluster.logs());
        }
    }
    (Entry::of(program, &job, after), wrong)
}
