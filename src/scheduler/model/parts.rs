//! What the model's world is made of: small demands and capacities, so that they meet often.

use std::sync::Arc;
use std::time::Duration;

use enclos_protocol::agent_link::{ImageState, LoadReport, OfferedLanguage};
use enclos_protocol::job::{Isolation, JobReport};
use enclos_protocol::outcome::Outcome;

use super::LEASE;
use crate::queue::{Demand, Room};
use crate::scheduler::{Policy, RunningBounds};

pub(super) fn policy(epoch: u64) -> Policy {
    Policy::new(epoch, LEASE, Duration::from_secs(1))
}

/// How many of them, at first.
pub(super) const BOUND: u64 = 4;

pub(super) fn bounds(max: u64) -> RunningBounds {
    RunningBounds { default: None, tenants: [(TENANTS[0].into(), Some(max))].into(), ..RunningBounds::default() }
}

/// The first of them may have few jobs at agents at once.
pub(super) const TENANTS: [&str; 2] = ["bounded", "free"];

pub(super) fn capacity(agent: usize) -> Room {
    Room { memory_bytes: 4 + agent as u64, cpu_millis: 3000, pids: 100, slots: 3 }
}

pub(super) fn demand(n: u8) -> Arc<Demand> {
    Arc::new(Demand {
        tenant: TENANTS[usize::from(n / 4 % 2)].into(),
        language: Arc::from(if n.is_multiple_of(2) { "c" } else { "java" }),
        companion: None,
        interactive: false,
        isolation: Isolation::Runc,
        installs: n % 8 == 6,
        live_stdin: n % 8 == 5,
        room: Room { memory_bytes: 1 + u64::from(n % 4), cpu_millis: 1000, pids: 10, slots: 1 },
        report_bytes: 100,
    })
}

pub(super) fn report() -> JobReport {
    crate::testing::report(Outcome::Ok)
}

pub(super) fn load() -> LoadReport {
    let language =
        |id: &str| OfferedLanguage { id: id.into(), version: String::new(), image: ImageState::Ready, warm: 1 };
    LoadReport { languages: vec![language("c"), language("java")], ..LoadReport::default() }
}
