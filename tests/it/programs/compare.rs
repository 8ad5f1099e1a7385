//! A finished job against what the program's file says.

use std::fmt::Display;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Program;
use super::description::Texts;

/// Hard bound on how long after its wall limit a program may still be there, in milliseconds.
const OVERSHOOT_MS_MAX: u64 = 2000;
/// Characters of a text that a failure shows.
const SHOWN_CHARS_MAX: usize = 300;

/// Collects what differs.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    /// Notes that `what` came to `is` unless it holds.
    fn hold(&mut self, what: impl Display, is: impl Display, holds: bool) {
        if !holds {
            self.0.push(format!("{what} is {is}"));
        }
    }

    fn texts(&mut self, stream: &str, bytes: &[u8], contains: Option<&Texts>, excludes: Option<&Texts>) {
        let text = String::from_utf8_lossy(bytes);
        for part in contains.map(Texts::all).unwrap_or_default() {
            self.hold(stream, format_args!("without {part:?}"), text.contains(part));
        }
        for part in excludes.map(Texts::all).unwrap_or_default() {
            self.hold(stream, format_args!("with {part:?}"), !text.contains(part));
        }
    }

    fn bounds(&mut self, step: &Value, name: &str, min: Option<u64>, max: Option<u64>) {
        let figure = step[name].as_u64();
        let within = |f: u64| min.is_none_or(|m| f >= m) && max.is_none_or(|m| f <= m);
        let holds = (min.is_none() && max.is_none()) || figure.is_some_and(within);
        self.hold(format_args!("run.{name}"), &step[name], holds);
    }
}

impl Program {
    /// What is not as the program's file says.
    pub(super) fn differences(&self, job: &Value) -> Vec<String> {
        let want = &self.description;
        let run = &job["run"];
        let mut found = Differences::default();
        found.hold("outcome", &job["outcome"], want.outcome.as_ref().is_none_or(|all| all.holds(&job["outcome"])));
        let compiled = &job["compile"]["outcome"];
        found.hold("compile.outcome", compiled, want.compile_outcome.as_ref().is_none_or(|all| all.holds(compiled)));
        // A compile step that was ended is the job's end: the limit is the one that it met.
        let ended = if run.is_null() { &job["compile"] } else { run };
        found.hold("limit", &ended["limit"], want.limit.as_ref().is_none_or(|name| ended["limit"] == **name));
        found.hold("run.exit_code", &run["exit_code"], want.exit_code.is_none_or(|code| run["exit_code"] == code));
        found.hold("run.signal", &run["signal"], want.signal.as_ref().is_none_or(|name| run["signal"] == **name));
        self.compare_streams(job, &mut found);
        found.bounds(run, "cpu_ms", want.cpu_ms_min, want.cpu_ms_max);
        let overshot = want.limits.as_ref().and_then(|l| l["run"]["wall_ms"].as_u64()).map(|ms| ms + OVERSHOOT_MS_MAX);
        let reached = run["wall_ms"].is_u64();
        found.bounds(run, "wall_ms", None, want.wall_ms_max.or(overshot.filter(|_| reached)));
        found.bounds(run, "memory_peak_bytes", want.memory_peak_bytes_min, want.memory_peak_bytes_max);
        found.0
    }

    fn compare_streams(&self, job: &Value, found: &mut Differences) {
        let want = &self.description;
        let stdout = bytes_of(&job["run"], "stdout");
        let expected = match &want.stdout {
            Some(text) => Some(text.as_bytes().to_vec()),
            None => std::fs::read(self.folder.join("stdout")).ok(),
        };
        found.hold("run.stdout", "another", expected.is_none_or(|bytes| bytes == stdout));
        let sha256 = hex::encode(Sha256::digest(&stdout));
        found.hold("run.stdout", &sha256, want.stdout_sha256.as_ref().is_none_or(|hash| *hash == sha256));
        let length = stdout.len() as u64;
        found.hold("run.stdout's length", length, want.stdout_bytes.is_none_or(|bytes| bytes == length));
        found.texts("run.stdout", &stdout, want.stdout_contains.as_ref(), want.stdout_excludes.as_ref());
        let stderr = bytes_of(&job["run"], "stderr");
        found.texts("run.stderr", &stderr, want.stderr_contains.as_ref(), want.stderr_excludes.as_ref());
        let told = bytes_of(&job["compile"], "stdout");
        found.texts("compile.stdout", &told, want.compile_stdout_contains.as_ref(), None);
        let stderr = bytes_of(&job["compile"], "stderr");
        let (contains, excludes) = (want.compile_stderr_contains.as_ref(), want.compile_stderr_excludes.as_ref());
        found.texts("compile.stderr", &stderr, contains, excludes);
    }
}

/// The bytes of `stream` as the answer carries them: text, or base64.
fn bytes_of(step: &Value, stream: &str) -> Vec<u8> {
    match (step[stream].as_str(), step[format!("{stream}_base64")].as_str()) {
        (Some(text), None) => text.as_bytes().to_vec(),
        (None, Some(encoded)) => BASE64.decode(encoded).expect("base64 is valid"),
        (None, None) => Vec::new(),
        (Some(_), Some(_)) => panic!("both {stream} and {stream}_base64 are given"),
    }
}

/// What a failure shows of a job, in one line: how it ended, with long texts cut.
pub fn shortened(job: &Value) -> Value {
    const SHOWN: [&str; 6] = ["outcome", "message", "compile", "run", "attempts", "timing"];
    let shown = SHOWN.iter().filter(|name| !job[**name].is_null());
    shown.map(|name| ((*name).to_owned(), cut(&job[*name]))).collect()
}

fn cut(value: &Value) -> Value {
    match value {
        Value::String(text) if text.chars().count() > SHOWN_CHARS_MAX => {
            let begin: String = text.chars().take(SHOWN_CHARS_MAX).collect();
            json!(format!("{begin}… ({} bytes)", text.len()))
        }
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), cut(value))).collect(),
        other => other.clone(),
    }
}
