//! What an agent finds when it joins, or why it may not.

use enclos_protocol::agent_link::LoadReport;

use crate::metrics::{Wear, engine_since};
use crate::scheduler::event::SessionId;

/// What one process of an agent counted between two of its reports. A count that fell is an agent's
/// mistake and counts nothing.
pub(super) fn wear_since(before: &LoadReport, now: &LoadReport) -> Option<Wear> {
    let wear = Wear {
        unclean_jobs: now.unclean_jobs.saturating_sub(before.unclean_jobs),
        sandboxes_closed: now.sandboxes_closed.zip(&before.sandboxes_closed, u64::saturating_sub),
        engine: engine_since(&before.engine, &now.engine),
    };
    (wear != Wear::default()).then_some(wear)
}

/// Why an agent may not join.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::scheduler) enum JoinRefusal {
    NameInUse,
    TooMany,
}

impl JoinRefusal {
    pub(in crate::scheduler) fn reason(self) -> &'static str {
        match self {
            Self::NameInUse => "another agent of this name is connected; give each agent a name of its own",
            Self::TooMany => "the master knows as many agents as it may",
        }
    }
}

/// An agent that joined: what was there before it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::scheduler) struct Before {
    /// What the same process counted while it was away. A process that was not known counts from
    /// here on: what it did before, it did for another process of the master, or there is nothing.
    pub wear: Option<Wear>,
    /// A connection that it replaces.
    pub session: Option<SessionId>,
    /// It is another process than the one known under this name.
    pub restarted: bool,
}
