//! Who has a job. The store hears of it later, or not at all where the job has ended before.

use enclos_protocol::ids::AgentName;

use crate::store::{Prediction, UnixTime};

/// Who has a job, and since when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Its agent.
    pub agent: AgentName,
    /// Since when.
    pub started: UnixTime,
    /// Attempts that count, with this one.
    pub attempts: u32,
    /// What the job is expected to use.
    pub expected: Option<Prediction>,
}

#[cfg(test)]
impl Holder {
    /// Who has a job for the first time.
    pub fn first(agent: &AgentName) -> Self {
        Self { agent: agent.clone(), started: UnixTime(1), attempts: 1, expected: None }
    }
}
