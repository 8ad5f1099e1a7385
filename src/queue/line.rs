//! Jobs with equal demands and priority, in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use enclos_protocol::ids::JobId;

use super::demand::Demand;
use super::ready::Order;
use super::shapes::Shape;
use crate::access::Priority;

/// Where a job stands among its tenant's: when it came, later by what may overtake it, and its
/// place in the order in which jobs came. It never changes, so a job that comes back finds its place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Key {
    /// In microseconds of the queue's clock.
    pub(super) due: u64,
    pub(super) order: Order,
}

/// A line's number; no two lines ever have the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LineId(pub(super) u64);

/// A tenant's number; no two tenants ever have the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct TenantId(pub(super) u64);

/// Where a line stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// Among those of its tenant, in this class.
    Offered(Priority),
    /// No agent could run it.
    Aside,
    /// Its tenant has as many jobs at agents as it may.
    Held,
}

/// A job in a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) job: JobId,
    /// What it is expected to take, in microseconds of a slot; 0: not known.
    pub(super) cost_us: u64,
}

/// Jobs with equal demands and priority.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) tenant: TenantId,
    pub(super) priority: Priority,
    pub(super) demand: Arc<Demand>,
    pub(super) shape: Shape,
    pub(super) jobs: BTreeMap<Key, Member>,
    pub(super) place: Place,
    /// When its head rises to the next class, where it does.
    pub(super) rises: Option<u64>,
}

impl Line {
    pub(super) fn head(&self) -> Option<(Key, Member)> {
        self.jobs.first_key_value().map(|(key, member)| (*key, *member))
    }
}
