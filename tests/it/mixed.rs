//! Hostile and ordinary jobs in one queue, in random order: nobody ordinary notices.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::host;
use crate::programs::{self, Program, shortened};

/// The number that the order is made from, to see the same order again.
const SEED: &str = "ENCLOS_MIXED_SEED";
/// Jobs in flight: more than there are slots, so that they queue.
const IN_FLIGHT: usize = 8;
/// Scopes that the jobs are of: some meet in one sandbox, and sandboxes are given up for others.
const SCOPES: usize = 4;
/// What the agent may remember of compile steps: less than these jobs bring, so that it is full soon.
const COMPILE_CACHE_BYTES: u64 = 4 << 20;
/// Memory by which the agent may grow while the second half runs, of the same programs as the first.
const AGENT_GROWTH_BYTES_MAX: u64 = 16 << 20;
/// The same of the first half: what the largest trees took, which glibc's arenas do not give back (mallopt(3),
/// `M_MMAP_THRESHOLD` and `M_TRIM_THRESHOLD` rise to 32 and 64 MiB with what was freed).
const ARENAS_BYTES_MAX: u64 = 64 << 20;
/// What the master may keep of a job at most, on the whole: outputs are bounded by what is reported.
const DATA_BYTES_PER_JOB_MAX: u64 = 256 << 10;
/// A hostile program that takes longer than this by itself has tests of its own.
const HOSTILE_WALL_MS_MAX: u64 = 5_000;

/// One of the many.
struct Mixed<'a> {
    program: &'a Program,
    is_hostile: bool,
    scope: String,
}

impl Mixed<'_> {
    /// What is wrong with how it went.
    async fn run(&self, cluster: &Cluster) -> Option<String> {
        let extra = json!({ "scope": self.scope });
        if !self.is_hostile {
            return self.program.check(cluster, &patient(extra)).await;
        }
        // Beside others its limits are met in another order; that it is held is what counts here.
        let (job, wrong) = self.program.run(cluster, &extra).await;
        if job.is_null() {
            return wrong.map(|wrong| format!("{}: {wrong}", self.program.name()));
        }
        let held = job["outcome"] != "internal_error" && job["attempts"] == 1;
        (!held).then(|| format!("{}: not held: {}", self.program.name(), shortened(&job)))
    }
}

/// Compilers and runtimes share two cores with whatever hostile programs burn.
fn patient(mut extra: Value) -> Value {
    extra["limits"] = json!({
        "compile": { "wall_ms": 120_000, "cpu_ms": 60_000 },
        "run": { "wall_ms": 120_000, "cpu_ms": 60_000 },
    });
    extra
}

fn ordinary() -> Vec<Program> {
    // Programs that say how long they take say so for a machine that is theirs.
    let mut programs = programs::load("ordinary");
    programs.retain(|p| p.description().limits.is_none());
    programs
}

/// All that are soon over, or the quick ones alone.
fn hostile(kind: Kind) -> Vec<Program> {
    let mut programs = programs::load("hostile");
    let wall_ms = |p: &Program| p.description().limits.as_ref().and_then(|l| l["run"]["wall_ms"].as_u64());
    programs.retain(|p| match kind {
        Kind::Quick => p.description().quick,
        Kind::All => wall_ms(p).is_some_and(|ms| ms <= HOSTILE_WALL_MS_MAX),
    });
    programs
}

/// Which hostile programs.
#[derive(Clone, Copy)]
enum Kind {
    Quick,
    All,
}

/// `count` of each kind, shuffled by `order`; every program comes up before one comes up again.
fn mix<'a>(ordinary: &'a [Program], hostile: &'a [Program], count: usize, order: &mut StdRng) -> Vec<Mixed<'a>> {
    let mut all = Vec::new();
    for (programs, is_hostile) in [(ordinary, false), (hostile, true)] {
        let mut shuffled: Vec<&Program> = programs.iter().collect();
        shuffled.shuffle(order);
        for program in shuffled.iter().cycle().take(count) {
            let scope = format!("scope-{}", order.random_range(0..SCOPES));
            all.push(Mixed { program, is_hostile, scope });
        }
    }
    all.shuffle(order);
    all
}

async fn run_all(cluster: &Cluster, jobs: &[Mixed<'_>]) -> Vec<String> {
    let done = AtomicUsize::new(0);
    let results = futures::stream::iter(jobs).map(|job| async {
        let wrong = job.run(cluster).await;
        let n = done.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(wrong) = &wrong {
            println!("FAIL {n} of {}: {wrong}", jobs.len());
        } else if n.is_multiple_of(100) {
            let bytes = host::resident_bytes(cluster.agents[0].pid());
            println!("  ok {n} of {}, the agent has {bytes} bytes", jobs.len());
        }
        wrong
    });
    results.buffer_unordered(IN_FLIGHT).filter_map(std::future::ready).collect().await
}

async fn nobody_ordinary_notices(count: usize, kind: Kind) {
    let seed = std::env::var(SEED).ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
    println!("order: {SEED}={seed}");
    let mut order = StdRng::seed_from_u64(seed);
    let (ordinary, hostile) = (ordinary(), hostile(kind));
    let jobs = mix(&ordinary, &hostile, count, &mut order);
    let cache = COMPILE_CACHE_BYTES.to_string();
    let cluster = Cluster::with_agents(&[&["--slots", "2", "--compile-cache-bytes", &cache]]).await;
    let agent = cluster.agents[0].pid();
    // Warm: every image was used, and connections are there.
    let warming = mix(&ordinary, &hostile[..1], IN_FLIGHT, &mut order);
    let mut failures = run_all(&cluster, &warming).await;
    let mut grown = Vec::new();
    for half in jobs.chunks(jobs.len().div_ceil(2)) {
        let base = host::resident_bytes(agent);
        failures.extend(run_all(&cluster, half).await);
        grown.push(host::resident_bytes(agent).saturating_sub(base));
    }
    programs::fail_with(&failures, jobs.len(), &cluster);
    let kept = host::bytes_below(cluster.data());
    println!("the agent's memory grew by {grown:?} bytes, master and logs keep {kept} bytes");
    let bounds = [COMPILE_CACHE_BYTES + ARENAS_BYTES_MAX, AGENT_GROWTH_BYTES_MAX];
    assert!(grown.iter().zip(bounds).all(|(grown, bound)| *grown <= bound), "the agent's memory grew by {grown:?}");
    let jobs_in_all = (jobs.len() + warming.len()) as u64;
    assert!(kept <= DATA_BYTES_PER_JOB_MAX * jobs_in_all, "{kept} bytes are kept of {jobs_in_all} jobs");
    let unclean = cluster.agent(&cluster.agents[0].name).await["unclean_jobs"].clone();
    assert_eq!(unclean, 0, "no job left anything in its sandbox\n{}", cluster.logs());
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_ordinary_jobs_among_forty_hostile_ones_are_right() {
    nobody_ordinary_notices(40, Kind::Quick).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "two thousand jobs: many minutes"]
async fn a_thousand_ordinary_jobs_among_a_thousand_hostile_ones_are_right() {
    nobody_ordinary_notices(1000, Kind::All).await;
}
