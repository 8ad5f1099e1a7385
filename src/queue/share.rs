//! What each tenant has had of the fleet, in virtual time.
//!
//! Fair queuing by start tags (Goyal, Vin and Cheng, SIGCOMM 1996): a tenant's tag says how much it
//! was given, divided by its weight; the tenant with the least goes first. A tenant that begins to
//! wait starts at the virtual time, which is the tag of who went last, so nobody saves up by being idle.
//! There is one virtual time in each class, since a class that waits must not move the others'.
//!
//! A job is charged when it goes, by what is expected: of itself where that is known, or what its
//! tenant's jobs took lately. When it ends, the charge is made right. So while tenants wait, what any
//! two of them were charged for their weight differs by at most one largest charge of each, beside
//! what was not yet made right.

use std::collections::BTreeSet;

use super::line::{Key, LineId};
use super::ranked::Ranked;
use super::shapes::Shapes;
use super::sorted::Sorted;
use crate::access::{Priority, WEIGHT_MAX};

/// Virtual time: microseconds of a slot, for weight 1.
pub(super) type Tag = u64;

/// What a tenant is charged that was never seen: one second of a slot.
const FIRST_CHARGE_US: u64 = 1_000_000;
/// Smallest charge, so that jobs which take nothing are not free.
const CHARGE_MIN_US: u64 = 1000;
/// Largest charge, and largest actual cost that is believed: a day of a slot.
pub(super) const CHARGE_MAX_US: u64 = 86_400 * 1_000_000;
/// Virtual time by which a tenant may lie behind at most when it goes: one that had to wait for room
/// catches up by so much and no more, or it would shut out the others for as long as it had waited.
const BEHIND_MAX_US: Tag = 60_000_000;
/// Weight of a new measurement in what a tenant's jobs took lately: one in so many.
const MEAN_OF: u64 = 8;

/// What was charged for a job that went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Charge {
    pub(super) tenant: super::line::TenantId,
    pub(super) class: Priority,
    pub(super) amount_us: u64,
}

impl Charge {
    /// Microseconds of a slot.
    #[must_use]
    pub fn amount_us(&self) -> u64 {
        self.amount_us
    }
}

/// A tenant's place among the others of a class: it goes before those with a greater one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Rank {
    pub(super) tag: Tag,
    pub(super) head: Key,
    pub(super) tenant: super::line::TenantId,
}

/// A tenant's lines in one class.
#[derive(Default, Debug)]
pub(super) struct Flow {
    pub(super) tag: Tag,
    /// Heads of its offered lines.
    pub(super) heads: Sorted<(Key, LineId)>,
    /// As it stands in the class, and with which shapes.
    pub(super) rank: Option<Rank>,
    pub(super) shapes: Shapes,
}

/// One class.
#[derive(Default, Debug)]
pub(super) struct Class {
    pub(super) ranks: Sorted<Rank>,
    pub(super) virtual_time: Tag,
}

/// What is known of a tenant.
#[derive(Debug)]
pub(super) struct Tenant {
    pub(super) weight: u32,
    pub(super) flows: [Flow; Priority::ALL.len()],
    /// When a job last went that came with each class, by the queue's clock; 0: none did.
    pub(super) turns: [u64; Priority::ALL.len()],
    /// Its jobs that wait, by the class that they came with.
    pub(super) waiting: [Ranked; Priority::ALL.len()],
    /// Its lines that have risen, by the class that they came with.
    pub(super) risen: [BTreeSet<LineId>; Priority::ALL.len()],
    /// Heads of its lines that are held.
    pub(super) held: BTreeSet<(Key, LineId)>,
    /// What its jobs took lately, in microseconds of a slot.
    pub(super) mean_us: u64,
}

impl Tenant {
    pub(super) fn new(weight: u32) -> Self {
        Self {
            weight: weight.clamp(1, WEIGHT_MAX),
            flows: Default::default(),
            turns: Default::default(),
            waiting: Default::default(),
            risen: Default::default(),
            held: BTreeSet::new(),
            mean_us: FIRST_CHARGE_US,
        }
    }

    /// None of its jobs wait.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.iter().all(|ranked| ranked.all().count == 0)
    }

    /// What is charged for a job that is expected to take so much; 0: not known.
    pub(super) fn charge_for(&self, cost_us: u64) -> u64 {
        let cost = if cost_us == 0 { self.mean_us } else { cost_us };
        cost.clamp(CHARGE_MIN_US, CHARGE_MAX_US)
    }

    /// What an amount is in virtual time.
    pub(super) fn weighed(&self, amount_us: u64) -> Tag {
        amount_us / u64::from(self.weight)
    }

    /// Begins to wait in a class.
    pub(super) fn begin(&mut self, class: Priority, virtual_time: Tag) {
        let flow = &mut self.flows[class.index()];
        flow.tag = flow.tag.max(virtual_time);
    }

    /// A job goes; the class's virtual time is not before its start.
    pub(super) fn go(&mut self, class: Priority, amount_us: u64, virtual_time: &mut Tag) {
        let weighed = self.weighed(amount_us).max(1);
        let flow = &mut self.flows[class.index()];
        let start = flow.tag.max(virtual_time.saturating_sub(BEHIND_MAX_US));
        *virtual_time = (*virtual_time).max(start);
        flow.tag = start.saturating_add(weighed);
    }

    /// A charge was `charged_us`, and it took `actual_us`.
    pub(super) fn make_right(&mut self, class: Priority, charged_us: u64, actual_us: u64) {
        let actual = actual_us.clamp(CHARGE_MIN_US, CHARGE_MAX_US);
        let (more, less) = (actual.saturating_sub(charged_us), charged_us.saturating_sub(actual));
        let (more, less) = (self.weighed(more), self.weighed(less));
        let flow = &mut self.flows[class.index()];
        flow.tag = flow.tag.saturating_add(more).saturating_sub(less);
    }

    /// One of its jobs took so much.
    pub(super) fn learn(&mut self, actual_us: u64) {
        let actual = actual_us.clamp(CHARGE_MIN_US, CHARGE_MAX_US);
        self.mean_us = self.mean_us - self.mean_us / MEAN_OF + actual / MEAN_OF;
    }
}
