//! What came of each program, as it is kept for `docs/HOSTILE.md`.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::suite::Outcome;
use crate::engine;
use crate::programs::{Program, Setting};

/// A whole run of the suite under one setting.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Day on which it ended, UTC.
    pub date: String,
    /// Cores, kernel and engine.
    pub machine: String,
    /// Times that every program was run.
    pub rounds: u32,
    /// What the order was shuffled with.
    pub seed: u64,
    /// Programs in the order of their ends.
    pub entries: Vec<Entry>,
}

impl Record {
    /// Of a run that just ended.
    pub async fn new(rounds: u32, seed: u64, outcome: &Outcome) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let machine = format!("{cores} cores, Linux {}, {}", release.trim(), engine::about().await);
        let date = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC).date().to_string();
        Self { date, machine, rounds, seed, entries: outcome.entries.clone() }
    }

    /// Keeps it for the page. Only a whole run is kept, and only one in which all went right.
    pub fn keep(&self, setting: Setting) {
        let path = place(setting);
        let folder = path.parent().expect("it is in a folder");
        std::fs::create_dir_all(folder).expect("the folder of results can be made");
        let text = serde_json::to_string_pretty(self).expect("results are plain data");
        std::fs::write(&path, text).expect("the results can be written");
        println!("kept in {}", path.display());
    }

    /// The last that was kept for `setting`.
    pub fn kept(setting: Setting) -> Option<Self> {
        let text = std::fs::read_to_string(place(setting)).ok()?;
        Some(serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", place(setting).display())))
    }
}

/// `target/hostile/<level>-<policy>.json`, beside the programs under test.
fn place(setting: Setting) -> PathBuf {
    let name = match setting {
        Setting::Tenant => "runc-tenant",
        Setting::Never => "runc-never",
        Setting::Plain => "plain-never",
        Setting::Gvisor => "gvisor-never",
    };
    let target = crate::cluster::program("enclos").ancestors().nth(2).expect("it is in target/<profile>").to_owned();
    target.join("hostile").join(format!("{name}.json"))
}

/// One run of one program.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Where it stands below `tests/programs/hostile`.
    pub name: String,
    /// What it came to: an outcome, or `refused` for a submission that was not admitted.
    pub outcome: String,
    /// Which time limit, if one.
    pub limit: Option<String>,
    /// Time on the clock of its last step.
    pub wall_ms: u64,
    /// Beyond the time limit that ended it.
    pub ms_after_limit: Option<u64>,
}

impl Entry {
    /// What `job` came to; null: it was refused.
    pub fn of(program: &Program, job: &Value, ms_after_limit: Option<u64>) -> Self {
        let last = if job["run"].is_object() { &job["run"] } else { &job["compile"] };
        Self {
            name: program.name().to_owned(),
            outcome: job["outcome"].as_str().unwrap_or("refused").to_owned(),
            limit: last["limit"].as_str().map(str::to_owned),
            wall_ms: last["wall_ms"].as_u64().unwrap_or(0),
            ms_after_limit,
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.outcome)?;
        if let Some(limit) = &self.limit {
            write!(f, " ({limit})")?;
        }
        write!(f, ", {} ms", self.wall_ms)?;
        match self.ms_after_limit {
            Some(ms) => write!(f, ", {ms} ms after the limit"),
            None => Ok(()),
        }
    }
}
