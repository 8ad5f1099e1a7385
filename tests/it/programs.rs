//! The programs under `tests/programs`: read, submitted, and held against what their files say.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::StreamExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::cluster::Cluster;

/// Programs submitted at once.
const CONCURRENCY: usize = 4;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    #[serde(rename = "about")]
    _about: String,
    language: String,
    entry: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    compile_args: Vec<String>,
    outcome: OneOrMore,
    limit: Option<String>,
    exit_code: Option<i64>,
    signal: Option<String>,
    stdout_sha256: Option<String>,
    stdout_contains: Option<String>,
    stderr_contains: Option<String>,
    compile_stderr_contains: Option<String>,
    /// The run's CPU time is at least this, in milliseconds: what a program hides is counted too.
    cpu_ms_min: Option<u64>,
    limits: Option<Value>,
}

/// One outcome, or several where the moment decides which limit is met first.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn holds(&self, outcome: &Value) -> bool {
        match self {
            Self::One(only) => outcome == only,
            Self::More(all) => all.iter().any(|one| outcome == one),
        }
    }
}

/// Hard bound on how long after its wall limit a program may still be there, in milliseconds.
const OVERSHOOT_MS_MAX: u64 = 2000;

/// One program and what it must come to.
pub struct Program {
    name: String,
    expectation: Expectation,
    folder: PathBuf,
}

/// Every program below `tests/programs/<group>`, by name.
pub fn load(group: &str) -> Vec<Program> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(group);
    let mut found = Vec::new();
    for folder in folders_below(&root) {
        let text = std::fs::read_to_string(folder.join("program.toml")).expect("program.toml can be read");
        let expectation = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let name = folder.strip_prefix(&root).expect("it is below").display().to_string();
        found.push(Program { name, expectation, folder });
    }
    assert!(!found.is_empty(), "no program below {}", root.display());
    found
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
    /// Runs it; what is not as expected, if anything.
    pub async fn check(&self, cluster: &Cluster, extra: &Value) -> Option<String> {
        let job = cluster.run(&self.submission(extra)).await;
        self.differences(&job)
    }

    /// Where it stands in its group.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a client would send.
    pub fn submission(&self, extra: &Value) -> Value {
        let mut files = Vec::new();
        let root = self.folder.join("files");
        collect_files(&root, &root, &mut files);
        let mut submission = json!({
            "language": self.expectation.language,
            "entry": self.expectation.entry,
            "files": files,
            "run": { "args": self.expectation.args },
        });
        if !self.expectation.compile_args.is_empty() {
            submission["compile"] = json!({ "args": self.expectation.compile_args });
        }
        if let Ok(stdin) = std::fs::read(self.folder.join("stdin")) {
            submission["stdin_base64"] = json!(BASE64.encode(stdin));
        }
        if let Some(limits) = &self.expectation.limits {
            submission["limits"] = limits.clone();
        }
        for (key, value) in extra.as_object().into_iter().flatten() {
            submission[key] = value.clone();
        }
        submission
    }

    /// What is not as expected, in one line, with the job for who looks into it.
    fn differences(&self, job: &Value) -> Option<String> {
        let want = &self.expectation;
        let mut wrong = Vec::new();
        let mut hold = |what: &str, holds: bool| {
            if !holds {
                wrong.push(what.to_owned());
            }
        };
        hold("outcome", want.outcome.holds(&job["outcome"]));
        hold("limit", want.limit.as_ref().is_none_or(|name| job["run"]["limit"] == **name));
        hold("exit_code", want.exit_code.is_none_or(|code| job["run"]["exit_code"] == code));
        hold("signal", want.signal.as_ref().is_none_or(|name| job["run"]["signal"] == **name));
        let stdout = bytes_of(&job["run"], "stdout");
        if let Ok(expected) = std::fs::read(self.folder.join("stdout")) {
            hold("stdout", stdout == expected);
        }
        let sha256 = || hex::encode(Sha256::digest(&stdout));
        hold("stdout_sha256", want.stdout_sha256.as_ref().is_none_or(|hash| *hash == sha256()));
        let text = || String::from_utf8_lossy(&stdout).into_owned();
        hold("stdout_contains", want.stdout_contains.as_ref().is_none_or(|t| text().contains(t.as_str())));
        hold("cpu_ms", want.cpu_ms_min.is_none_or(|min| job["run"]["cpu_ms"].as_u64().is_some_and(|cpu| cpu >= min)));
        hold("wall_ms", self.ended_in_time(&job["run"]));
        let contains = |step: &str, text: &Option<String>| {
            text.as_ref().is_none_or(|t| String::from_utf8_lossy(&bytes_of(&job[step], "stderr")).contains(t.as_str()))
        };
        hold("stderr", contains("run", &want.stderr_contains));
        hold("compile stderr", contains("compile", &want.compile_stderr_contains));
        let shown: String = format!("{job:#}").chars().take(3000).collect();
        (!wrong.is_empty()).then(|| format!("{}: wrong {}; the job: {shown}", self.name, wrong.join(", ")))
    }
}

impl Program {
    fn ended_in_time(&self, run: &Value) -> bool {
        let limit = self.expectation.limits.as_ref().and_then(|l| l["run"]["wall_ms"].as_u64());
        limit.is_none_or(|ms| run["wall_ms"].as_u64().is_none_or(|wall| wall <= ms + OVERSHOOT_MS_MAX))
    }
}

fn collect_files(root: &Path, folder: &Path, files: &mut Vec<Value>) {
    for path in sorted_entries(folder) {
        if path.is_dir() {
            collect_files(root, &path, files);
        } else {
            let name = path.strip_prefix(root).expect("it is below").to_str().expect("names are UTF-8");
            let content = std::fs::read(&path).expect("it can be read");
            files.push(json!({ "path": name, "content_base64": BASE64.encode(content) }));
        }
    }
}

/// The bytes of `stream` as the answer carries them: text, or base64.
pub fn bytes_of(step: &Value, stream: &str) -> Vec<u8> {
    match (step[stream].as_str(), step[format!("{stream}_base64")].as_str()) {
        (Some(text), None) => text.as_bytes().to_vec(),
        (None, Some(encoded)) => BASE64.decode(encoded).expect("base64 is valid"),
        (None, None) => Vec::new(),
        (Some(_), Some(_)) => panic!("both {stream} and {stream}_base64 are given"),
    }
}
