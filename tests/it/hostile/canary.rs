//! What shows that a program harmed nobody: the next jobs are right, and everything is back at base.
//!
//! The engine and the kernel are asked, never Enclos: processes, containers,
//! cgroups, descriptors, memory and disk. How many sandboxes wait in stock is
//! the pool's affair and changes with time, so what each of them costs is counted with it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::{Cluster, look_until, source};
use crate::engine;
use crate::host::{bytes_below, children_of, descriptors, free_bytes, resident_bytes};
use crate::programs::{Setting, shortened};

/// Longest that everything may take to be back at base: containers are removed and made anew meanwhile.
const REST_WAIT: Duration = Duration::from_secs(30);
/// Languages whose images an agent of the suite keeps in stock: C and C++ share one.
const IMAGES: usize = 3;
/// Host tasks that an idle gVisor sandbox has at most: its kernel's own threads.
const GVISOR_TASKS_MAX: usize = 120;
/// Descriptors that come and go with connections to the engine and to the clients.
const DESCRIPTORS_SLACK: usize = 8;
/// Memory by which an agent may grow over a whole run.
const AGENT_GROWTH_BYTES_MAX: u64 = 64 << 20;
/// What a program and its canaries may add to the master's data and to the logs.
const DATA_BYTES_MAX: u64 = 16 << 20;
/// What all containers may have written to their layers: their roots are read-only.
const LAYERS_BYTES_MAX: u64 = 64 << 10;
/// Space that may be gone from the engine's disk after one program. Other programs of the machine
/// write there too, so this only finds what fills a disk.
const DISK_BYTES_MAX: u64 = 2 << 30;

/// The state before the first program, and the cluster that it is of.
pub struct Canary<'a> {
    cluster: &'a Cluster,
    setting: Setting,
    disk: PathBuf,
    base: Base,
    /// Groups of sandboxes that were found to be left behind, and told: each is told once.
    groups_left: usize,
    runs: usize,
}

struct Base {
    agent_descriptors_without_sandboxes: usize,
    master_descriptors: usize,
    agent_bytes: u64,
    data_bytes: u64,
    disk_free_bytes: u64,
}

impl<'a> Canary<'a> {
    /// Warms the cluster, waits until it rests, and notes how it is then.
    pub async fn new(cluster: &'a Cluster, setting: Setting) -> Self {
        let disk = engine::data_root().await;
        let base = Base {
            agent_descriptors_without_sandboxes: 0,
            master_descriptors: 0,
            agent_bytes: 0,
            data_bytes: 0,
            disk_free_bytes: 0,
        };
        let mut canary = Self { cluster, setting, disk, base, groups_left: 0, runs: 0 };
        for language in [Language::C, Language::Python] {
            let problem = canary.clean_job(language).await;
            assert_eq!(problem, None, "a clean job is right before all others\n{}", cluster.logs());
        }
        let rest = canary.rest().await;
        assert!(rest.is_ok(), "the cluster rests before the first program: {rest:?}\n{}", cluster.logs());
        canary.base = canary.look().await;
        canary
    }

    fn agent(&self) -> &str {
        &self.cluster.agents[0].name
    }

    /// What is not as it was before; nothing when all is well.
    pub async fn check(&mut self) -> Vec<String> {
        let mut problems = Vec::new();
        self.runs += 1;
        for language in self.languages() {
            problems.extend(self.clean_job(language).await);
        }
        if let Err(unrest) = self.rest().await {
            problems.push(format!("not at base after {REST_WAIT:?}: {unrest}"));
            let (sandboxes, _) = engine::sandbox_and_cell_groups_of(self.agent());
            let containers = engine::states_of(self.agent()).await.len();
            self.groups_left = sandboxes.saturating_sub(containers);
        }
        problems.extend(self.grown().await);
        problems
    }

    /// A clean job of each language where that is cheap; in turn where each costs a container.
    fn languages(&self) -> Vec<Language> {
        let both = [Language::C, Language::Python];
        match self.setting {
            Setting::Tenant => both.to_vec(),
            Setting::Never | Setting::Plain | Setting::Gvisor => vec![both[self.runs % both.len()]],
        }
    }

    async fn clean_job(&self, language: Language) -> Option<String> {
        let job = self.cluster.run(&language.submission()).await;
        let right = job["outcome"] == "ok" && job["run"]["stdout"] == "clean\n" && job["attempts"] == 1;
        (!right).then(|| format!("the next job is not right: {}", shortened(&job)))
    }

    /// Waits until nothing of any step is left; else what there is.
    async fn rest(&self) -> Result<(), String> {
        let mut last = String::new();
        let rested = look_until(REST_WAIT, || async { self.unrest().await.is_none().then_some(()) }).await;
        if rested.is_none() {
            last = self.unrest().await.unwrap_or_default();
        }
        if last.is_empty() { Ok(()) } else { Err(last) }
    }

    async fn unrest(&self) -> Option<String> {
        let containers = engine::states_of(self.agent()).await;
        let (sandboxes, cells) = engine::sandbox_and_cell_groups_of(self.agent());
        let tasks = engine::tasks_of(self.agent());
        let count = containers.len();
        let as_planned = match self.setting {
            // The stock, and at most one bound sandbox for each image.
            Setting::Tenant => (IMAGES..=2 * IMAGES).contains(&count),
            Setting::Never | Setting::Plain | Setting::Gvisor => count == IMAGES,
        };
        let calm = match self.setting {
            Setting::Gvisor => tasks <= GVISOR_TASKS_MAX * count && cells.is_empty(),
            // The supervisor alone.
            Setting::Plain => tasks == count && cells.is_empty(),
            // And the first process of the cell that waits.
            Setting::Tenant | Setting::Never => tasks == 2 * count && one_waits_in_each(&cells, count),
        };
        let running = containers.iter().all(|state| state == "running");
        let rests = as_planned && calm && running && sandboxes == count + self.groups_left;
        let told = || format!("{tasks} tasks, {sandboxes} sandbox groups, cells {cells:?}, {containers:?}");
        (!rests).then(told)
    }

    async fn look(&self) -> Base {
        let agent = self.cluster.agents[0].pid();
        let sandboxes = engine::states_of(self.agent()).await.len();
        Base {
            agent_descriptors_without_sandboxes: descriptors(agent).saturating_sub(sandboxes),
            master_descriptors: descriptors(self.cluster.master_pid()),
            agent_bytes: resident_bytes(agent),
            data_bytes: bytes_below(self.cluster.data()),
            disk_free_bytes: free_bytes(&self.disk).await,
        }
    }

    /// What is more than it was. What only grows with the answers kept is counted from the last look.
    async fn grown(&mut self) -> Vec<String> {
        let now = self.look().await;
        let children = children_of(self.cluster.agents[0].pid());
        let mut problems = Vec::new();
        let mut hold = |what: &str, is: u64, most: u64| {
            if is > most {
                problems.push(format!("{what}: {is}, at most {most}"));
            }
        };
        let base = &self.base;
        let slack = |count: usize| (count + DESCRIPTORS_SLACK) as u64;
        let agent = now.agent_descriptors_without_sandboxes as u64;
        hold("descriptors of the agent", agent, slack(base.agent_descriptors_without_sandboxes));
        hold("descriptors of the master", now.master_descriptors as u64, slack(base.master_descriptors));
        hold("memory of the agent", now.agent_bytes, base.agent_bytes + AGENT_GROWTH_BYTES_MAX);
        hold("data and logs", now.data_bytes, base.data_bytes + DATA_BYTES_MAX);
        hold("gone from the engine's disk", base.disk_free_bytes.saturating_sub(now.disk_free_bytes), DISK_BYTES_MAX);
        hold("children of the agent", children as u64, 0);
        let written = engine::written_bytes_of(self.cluster.agents[0].name.as_str()).await;
        hold("in the layers of the containers", written.unsigned_abs(), LAYERS_BYTES_MAX);
        self.base.data_bytes = now.data_bytes;
        self.base.disk_free_bytes = now.disk_free_bytes;
        problems
    }
}

/// Whether each of so many sandboxes has one group for its next cell in each hierarchy, and nobody in it.
fn one_waits_in_each(cells: &[PathBuf], sandboxes: usize) -> bool {
    let of: BTreeSet<_> = cells.iter().filter_map(|cell| cell.parent()).collect();
    let names: BTreeSet<_> = of.iter().filter_map(|sandbox| sandbox.file_name()).collect();
    let is_empty = |cell: &PathBuf| std::fs::read(cell.join("cgroup.procs")).is_ok_and(|list| list.is_empty());
    of.len() == cells.len() && names.len() == sandboxes && cells.iter().all(is_empty)
}

#[derive(Clone, Copy)]
enum Language {
    C,
    Python,
}

impl Language {
    fn submission(self) -> Value {
        let mut submission = match self {
            Self::C => source("c", "#include <stdio.h>\nint main(void) { puts(\"clean\"); return 0; }"),
            Self::Python => source("python", "print('clean')"),
        };
        // Both cores may be busy with what other tests do.
        submission["limits"] = json!({ "compile": { "wall_ms": 60_000 } });
        submission
    }
}
