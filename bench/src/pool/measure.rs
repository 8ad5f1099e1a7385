//! What was seen of one policy, and what it comes to.

use enclos_agent::pool::plan::HOLD_PRICE;

use super::world::{START_S, STOP_S};

/// What was seen.
#[derive(Default)]
pub struct Seen {
    /// From each claim until there was a sandbox, in seconds.
    pub waits: Vec<f64>,
    /// What each job took beyond its own processor time, in seconds.
    pub lost: Vec<f64>,
    /// Claims that did not wait.
    pub hits: u64,
    /// Sandboxes.
    pub started: u64,
    pub stopped: u64,
    /// Sandboxes times seconds.
    pub held_s: f64,
}

/// What it comes to, for each job where not otherwise said.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Figures {
    /// Part of claims that did not wait.
    pub hits: f64,
    /// Waits for a sandbox, in ms: p50, p95, p99.
    pub waits_ms: [f64; 3],
    /// Containers made.
    pub started: f64,
    /// Processor time of making and removing them, in ms.
    pub creation_ms: f64,
    /// What a job took beyond its own processor time, in ms.
    pub lost_ms: f64,
    /// Sandboxes times seconds.
    pub held_s: f64,
}

impl Figures {
    pub fn of(seen: Seen) -> Self {
        let Seen { mut waits, lost, hits, started, stopped, held_s } = seen;
        waits.sort_by(f64::total_cmp);
        let jobs = waits.len().max(1) as f64;
        let at = |percent: usize| waits.get((waits.len() * percent).div_ceil(100).max(1) - 1).copied().unwrap_or(0.0);
        Self {
            hits: hits as f64 / jobs,
            waits_ms: [50, 95, 99].map(|percent| at(percent) * 1e3),
            started: started as f64 / jobs,
            creation_ms: (started as f64 * START_S + stopped as f64 * STOP_S) / jobs * 1e3,
            lost_ms: lost.iter().sum::<f64>() / jobs * 1e3,
            held_s: held_s / jobs,
        }
    }

    /// Time that jobs lose, processor time of creation, and places at the price that the plan itself reckons with; in
    /// ms for each job.
    pub fn cost_ms(&self) -> f64 {
        self.lost_ms + self.creation_ms + self.held_s * HOLD_PRICE * 1e3
    }
}
