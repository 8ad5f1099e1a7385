//! What came of each program, as it is kept for `docs/HOSTILE.md`.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::programs::Program;

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
