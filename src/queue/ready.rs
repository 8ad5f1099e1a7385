//! Jobs that could run now, in fair order; those with equal demands share a line.
//!
//! ```text
//! class high   ─ tenants by what they had ─ each: heads of its lines, by key
//! class normal ─ …                              │  line: jobs with equal demands and priority, by key
//! class low    ─ …                              ▼
//!                           place: offered (in a class) · aside (nobody could run it) · held (tenant's bound)
//! ```
//!
//! Classes come first; a line rises by one class whenever its head has waited for the ageing span
//! once more without a turn for its tenant and class, and falls back at that turn. So every tenant's
//! class stands in the highest within two spans and what may overtake its first job, and a tenant that
//! floods, and so has turns all the time, never rises above the others with what it has waiting. Turns
//! are not stored: after a restart the first of each that is old enough has risen. Within a class
//! tenants have their shares (`share`), and within a tenant the key decides: first come first served or,
//! where it is known what jobs take, the shorter first within a bound.
//!
//! Only the head of each line is offered: where it finds no agent, nobody behind it in the line
//! would. So a pass over a queue of ten thousand equal jobs looks at one. Lines whose jobs need the same
//! of an agent have one shape (`shapes`), and the next that has one of some shapes is found without a
//! look at those before it that have others. A line that no agent could run, whatever room it had, can
//! be set aside until one could, so that such lines never stand in others' way. A line whose tenant has as many jobs at agents as it may is held likewise, until it has fewer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use enclos_protocol::ids::JobId;

use super::demand::Demand;
use super::line::{Key, Line, LineId, Member, Place, TenantId};
use super::shapes;
use super::share::{Charge, Class, Tenant};
use super::standing::CLOCK_BEGINS_US;
use crate::access::Priority;

/// A job's place in the order in which jobs came; it keeps it when it comes back.
pub type Order = u64;

/// Lines that rise at one time at most; the others follow at the next.
const RISING_MAX: usize = 1024;
/// Tenants that are remembered while none of their jobs wait.
pub(super) const TENANTS_REMEMBERED: usize = 16_384;

/// Rules of the order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// A line rises by one class every so long that none of its tenant's jobs of its class went.
    pub ageing: Duration,
    /// A job may be overtaken by what came so many times its expected duration after it.
    pub shortness: u32,
    /// And by nothing that came so long after it.
    pub overtaken_max: Duration,
}

impl Rules {
    /// By how much later a job stands that is expected to take so much, in microseconds.
    pub(super) fn later(&self, cost_us: u64) -> u64 {
        cost_us.saturating_mul(self.shortness.into()).min(micros(self.overtaken_max))
    }
}

/// A job that begins to wait, or waits again.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The job.
    pub job: JobId,
    /// Its place in the order in which jobs came, which no other has.
    pub order: Order,
    /// When it came.
    pub arrived: Instant,
    /// Its class when it came.
    pub priority: Priority,
    /// What it needs.
    pub demand: Arc<Demand>,
    /// What it is expected to take, in microseconds of a slot; 0: not known.
    pub cost_us: u64,
}

/// Where a job stands in the queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ticket {
    pub(super) line: LineId,
    pub(super) key: Key,
}

/// The ready jobs.
#[derive(Debug)]
pub struct ReadyQueue {
    pub(super) rules: Rules,
    pub(super) begun: Instant,
    pub(super) now: u64,
    pub(super) lines: HashMap<LineId, Line>,
    pub(super) by_demand: HashMap<(Priority, Arc<Demand>), LineId>,
    pub(super) shapes: shapes::Table,
    pub(super) offered: BTreeSet<LineId>,
    pub(super) aside: BTreeSet<LineId>,
    /// Tenants that have lines which are held.
    pub(super) held: BTreeSet<TenantId>,
    pub(super) rising: BTreeSet<(u64, LineId)>,
    pub(super) classes: [Class; Priority::ALL.len()],
    pub(super) tenants: BTreeMap<TenantId, Tenant>,
    pub(super) by_name: HashMap<Arc<str>, TenantId>,
    pub(super) weights: HashMap<Arc<str>, u32>,
    pub(super) forget_at: usize,
    pub(super) next_line: u64,
    pub(super) next_tenant: u64,
    pub(super) len: usize,
}

impl ReadyQueue {
    /// An empty queue whose time is `now`.
    #[must_use]
    pub fn new(rules: Rules, weights: HashMap<Arc<str>, u32>, now: Instant) -> Self {
        Self {
            rules,
            begun: now,
            now: CLOCK_BEGINS_US,
            lines: HashMap::new(),
            by_demand: HashMap::new(),
            shapes: shapes::Table::default(),
            offered: BTreeSet::new(),
            aside: BTreeSet::new(),
            held: BTreeSet::new(),
            rising: BTreeSet::new(),
            classes: Default::default(),
            tenants: BTreeMap::new(),
            by_name: HashMap::new(),
            weights,
            forget_at: TENANTS_REMEMBERED,
            next_line: 0,
            next_tenant: 0,
            len: 0,
        }
    }

    /// Time passed: lines rise whose heads have waited for long enough.
    pub fn advance(&mut self, now: Instant) {
        self.now = self.now.max(self.clock(now));
        for _ in 0..RISING_MAX {
            let Some((_, id)) = self.rising.first().copied().filter(|(at, _)| *at <= self.now) else { return };
            self.relist(id);
        }
    }

    /// Tenants have these weights from now on; who is not named has 1.
    pub fn weigh(&mut self, weights: HashMap<Arc<str>, u32>) {
        self.weights = weights;
        for (name, id) in &self.by_name {
            let weight = self.weights.get(name).copied().unwrap_or(1);
            let tenant = self.tenants.get_mut(id).expect("every name is a tenant's");
            tenant.weight = weight.clamp(1, crate::access::WEIGHT_MAX);
        }
    }

    /// Adds a job.
    pub fn insert(&mut self, waiting: Waiting) -> Ticket {
        let Waiting { job, order, arrived, priority, demand, cost_us } = waiting;
        let key = self.key(order, arrived, cost_us);
        let tenant = self.tenant_of(&demand.tenant);
        let known = self.tenants.get_mut(&tenant).expect("it was just found");
        let charge = known.charge_for(cost_us);
        known.waiting[priority.index()].insert(key, charge);
        self.len += 1;
        let id = match self.by_demand.get(&(priority, Arc::clone(&demand))) {
            Some(id) => *id,
            None => self.begin_line(tenant, priority, demand),
        };
        let line = self.lines.get_mut(&id).expect("it was just found");
        let before = line.head().map(|(head, _)| head);
        line.jobs.insert(key, Member { job, cost_us });
        if before.is_none_or(|head| key < head) {
            self.head_changed(id, before);
        }
        Ticket { line: id, key }
    }

    /// Takes a job out that will not run now.
    pub fn remove(&mut self, ticket: Ticket) -> Option<JobId> {
        let line = self.lines.get_mut(&ticket.line)?;
        let before = line.head().map(|(head, _)| head);
        let member = line.jobs.remove(&ticket.key)?;
        let (tenant, priority) = (line.tenant, line.priority);
        self.tenants.get_mut(&tenant).expect("a line's tenant is known").waiting[priority.index()].remove(ticket.key);
        self.len -= 1;
        if before == Some(ticket.key) {
            self.head_changed(ticket.line, before);
        }
        Some(member.job)
    }

    /// Takes a job out that goes to an agent, and charges its tenant.
    pub fn take(&mut self, ticket: Ticket) -> Option<Charge> {
        let line = self.lines.get(&ticket.line)?;
        let (tenant, priority, cost_us) = (line.tenant, line.priority, line.jobs.get(&ticket.key)?.cost_us);
        let class = match line.place {
            Place::Offered(class) => class,
            Place::Aside | Place::Held => line.priority,
        };
        let known = self.tenants.get_mut(&tenant).expect("a line's tenant is known");
        let amount_us = known.charge_for(cost_us);
        known.go(class, amount_us, &mut self.classes[class.index()].virtual_time);
        self.remove(ticket);
        self.had_turn(tenant, priority);
        self.rank(tenant, class);
        Some(Charge { tenant, class, amount_us })
    }

    /// What was charged for a job is made right; `learn`: it says what its tenant's jobs take.
    pub fn settle(&mut self, charge: Charge, actual_us: u64, learn: bool) {
        let Some(tenant) = self.tenants.get_mut(&charge.tenant) else { return };
        tenant.make_right(charge.class, charge.amount_us, actual_us);
        if learn {
            tenant.learn(actual_us);
        }
        self.rank(charge.tenant, charge.class);
    }

    /// Sets a line aside, or offers it again.
    pub fn set_aside(&mut self, id: LineId, aside: bool) {
        let Some(line) = self.lines.get(&id) else { return };
        match (line.place, aside) {
            (Place::Offered(_), true) => self.move_line(id, Place::Aside),
            (Place::Aside, false) => self.move_line(id, self.offer(id)),
            _ => {}
        }
    }

    /// Holds a line until its tenant's lines are offered again.
    pub fn hold(&mut self, id: LineId) {
        if self.lines.get(&id).is_some_and(|line| matches!(line.place, Place::Offered(_))) {
            self.move_line(id, Place::Held);
        }
    }

    /// Offers a tenant's held lines again, the first by key, at most `lines_max`. Whether some are
    /// still held.
    pub fn let_go(&mut self, tenant: &str, lines_max: usize) -> bool {
        let Some(tenant) = self.by_name.get(tenant).copied() else { return false };
        let first = |queue: &Self| queue.tenants.get(&tenant).and_then(|t| t.held.first().map(|(_, line)| *line));
        for _ in 0..lines_max {
            let Some(id) = first(self) else { break };
            self.move_line(id, self.offer(id));
        }
        first(self).is_some()
    }

    /// Tenants of which lines are held.
    pub fn held_tenants(&self) -> impl Iterator<Item = &Arc<str>> {
        let line = |id: &TenantId| self.tenants.get(id).and_then(|t| t.held.first()).map(|(_, line)| line);
        self.held.iter().filter_map(move |id| Some(&self.lines.get(line(id)?)?.demand.tenant))
    }

    /// How many jobs are ready.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no job is ready.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn begin_line(&mut self, tenant: TenantId, priority: Priority, demand: Arc<Demand>) -> LineId {
        let id = LineId(self.next_line);
        self.next_line += 1;
        self.by_demand.insert((priority, Arc::clone(&demand)), id);
        let (jobs, place, shape) = (BTreeMap::new(), Place::Offered(priority), self.shapes.begin(&demand));
        self.lines.insert(id, Line { tenant, priority, demand, shape, jobs, place, rises: None });
        id
    }
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
