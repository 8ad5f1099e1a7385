//! The programs under `tests/programs`: read, submitted, and held against what their files say.

mod compare;
mod description;
mod submission;

use std::path::{Path, PathBuf};

use futures::StreamExt as _;
use serde_json::Value;

use crate::cluster::Cluster;
pub use compare::shortened;
pub use description::{Description, Deviation, Setting};

/// Programs submitted at once.
const CONCURRENCY: usize = 4;

/// One program and what it must come to.
pub struct Program {
    name: String,
    description: Description,
    deviation: Option<Deviation>,
    folder: PathBuf,
}

/// Every program below `tests/programs/<group>`, by name, as it must behave by default.
pub fn load(group: &str) -> Vec<Program> {
    load_for(group, Setting::Tenant, |_| true)
}

/// The programs below `tests/programs/<group>` whose names are `wanted`, as they must behave under `setting`.
pub fn load_for(group: &str, setting: Setting, wanted: impl Fn(&str) -> bool) -> Vec<Program> {
    let root = root().join(group);
    let mut found = Vec::new();
    for folder in folders_below(&root) {
        let name = folder.strip_prefix(&root).expect("it is below").display().to_string();
        if !wanted(&name) {
            continue;
        }
        let text = std::fs::read_to_string(folder.join("program.toml")).expect("program.toml can be read");
        let (description, deviation) = description::read(&text, setting, &folder);
        found.push(Program { name, description, deviation, folder });
    }
    assert!(!found.is_empty(), "no such program below {}", root.display());
    found
}

/// Names of the programs below `tests/programs/<group>`.
pub fn names(group: &str) -> Vec<String> {
    let root = root().join(group);
    let name = |folder: &PathBuf| folder.strip_prefix(&root).expect("it is below").display().to_string();
    folders_below(&root).iter().map(name).collect()
}

/// Where all of them are.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs")
}

fn folders_below(root: &Path) -> Vec<PathBuf> {
    if root.join("program.toml").is_file() {
        return vec![root.to_owned()];
    }
    sorted_entries(root).iter().filter(|p| p.is_dir()).flat_map(|f| folders_below(f)).collect()
}

fn sorted_entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|e| e.expect("it can be read").path()).collect();
    paths.sort();
    paths
}

/// Runs all of them, some at once, and fails with the list of those that came to something else.
pub async fn check_all(cluster: &Cluster, programs: &[Program], extra: &Value) {
    let results = futures::stream::iter(programs)
        .map(|program| program.check(cluster, extra))
        .buffer_unordered(CONCURRENCY)
        .collect::<Vec<_>>()
        .await;
    let failures: Vec<String> = results.into_iter().flatten().collect();
    fail_with(&failures, programs.len(), cluster);
}

/// Fails with the differences, if there are any.
pub fn fail_with(failures: &[String], programs: usize, cluster: &Cluster) {
    let text = || format!("{}\n{}", failures.join("\n"), cluster.logs());
    assert!(failures.is_empty(), "{} of {programs} programs:\n{}", failures.len(), text());
}

impl Program {
    /// Runs it; what is not as expected, if anything, in one line with the job for who looks into it.
    pub async fn check(&self, cluster: &Cluster, extra: &Value) -> Option<String> {
        let (_, wrong) = self.run(cluster, extra).await;
        wrong.map(|wrong| format!("{}: {wrong}", self.name))
    }

    /// Runs it; the finished job (null where the submission had to be refused), and what is not as expected.
    pub async fn run(&self, cluster: &Cluster, extra: &Value) -> (Value, Option<String>) {
        let (status, answer) = cluster.post(&self.submission(extra)).await;
        if let Some(refused) = &self.description.refused {
            let right = status == refused.status && answer["code"] == refused.code;
            return (Value::Null, (!right).then(|| format!("not refused so: {status} {answer:#}")));
        }
        let Some(id) = answer["id"].as_str().filter(|_| status == 201) else {
            return (Value::Null, Some(format!("not admitted: {status} {answer:#}")));
        };
        let job = cluster.finished(id).await;
        let told = self.wrong_with(&job);
        (job, told)
    }

    /// What of its finished job is not as expected, in one line with the job for who looks into it.
    pub fn wrong_with(&self, job: &Value) -> Option<String> {
        let wrong = self.differences(job);
        (!wrong.is_empty()).then(|| format!("{}; the job: {}", wrong.join("; "), shortened(job)))
    }

    /// One that is told in `file` and not by a folder of its own: `text` is its program.toml, with all that is sent.
    pub fn told_in(file: &Path, name: &str, text: &str) -> Self {
        let (description, deviation) = description::read(text, Setting::Tenant, file);
        Self { name: name.to_owned(), description, deviation, folder: file.to_owned() }
    }

    /// Where it stands in its group.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its file says, for the setting that it was loaded for.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// How it deviates there, if it does.
    pub fn deviation(&self) -> Option<&Deviation> {
        self.deviation.as_ref()
    }
}
