//! How many jobs are before one that waits, and how much work they are, if nothing more comes.
//!
//! Which class a job stands in is told by its age if it is the first of its tenant and class, and by
//! the class that it came with if not, so those of a tenant that are in a class are a range of its
//! keys. Of another tenant in the same class, as many go before as it can be given while its tag is
//! below the job's own: between its first and its last, one for each mean charge. That is a straight
//! line for each tenant, and the sum over all of them is looked up in their sorted ends.
//!
//! So a place is told in O(log n) from a forecast, and a forecast costs O(t log n) for t tenants. It
//! is off by at most half a job for each other tenant of the class where a tenant's jobs are charged
//! alike, and by the spread of their charges where they are not; a tenant's own jobs are counted
//! exactly, but for one that has risen. What rises later, what is held or fits nowhere, it does not know.

use std::time::Instant;

use super::line::Key;
use super::ranked::Sum;
use super::ready::{Order, ReadyQueue};
use super::share::{Tag, Tenant};
use crate::access::Priority;

const CLASSES: usize = Priority::ALL.len();

/// A job that waits, or will again.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// Whose.
    pub tenant: &'a str,
    /// Its class when it came.
    pub priority: Priority,
    /// Its place in the order in which jobs came.
    pub order: Order,
    /// When it came.
    pub arrived: Instant,
    /// What it is expected to take, in microseconds of a slot; 0: not known.
    pub cost_us: u64,
}

/// What is before a job.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ahead {
    /// Jobs.
    pub jobs: usize,
    /// What they are expected to take, in microseconds of a slot.
    pub work_us: u64,
}

/// Straight lines, added up.
#[derive(Clone, Copy, Default, Debug)]
struct Lines {
    jobs_per_tag: f64,
    jobs_offset: f64,
    work_per_tag: f64,
    work_offset: f64,
    /// Of those that have ended.
    jobs: f64,
    work: f64,
}

/// A tenant in a class.
#[derive(Clone, Copy, Debug)]
struct Run {
    start: Tag,
    head: Key,
    /// Virtual time that one of its jobs takes.
    each: f64,
    sum: Sum,
}

/// The tenants of one class, by their tags.
#[derive(Default, Debug)]
struct Ranks {
    all: Sum,
    base: Tag,
    starts: Vec<((Tag, Key), Lines)>,
    ends: Vec<(f64, Lines)>,
}

/// How the queue stood.
#[derive(Default, Debug)]
pub struct Forecast {
    classes: [Ranks; CLASSES],
}

impl ReadyQueue {
    /// A forecast from how it stands.
    #[must_use]
    pub fn forecast(&self) -> Forecast {
        let mut forecast = Forecast::default();
        for class in Priority::ALL {
            let runs = self.tenants.values().filter_map(|tenant| self.run(tenant, class)).collect();
            forecast.classes[class.index()] = Ranks::new(runs);
        }
        forecast
    }

    /// What is before this job by a forecast, whether it is ready or comes back later.
    #[must_use]
    pub fn ahead(&self, forecast: &Forecast, standing: Standing<'_>) -> Ahead {
        let Standing { tenant, priority, order, arrived, cost_us } = standing;
        let key = self.key(order, arrived, cost_us);
        let tenant = self.by_name.get(tenant).and_then(|id| self.tenants.get(id));
        let class = match tenant {
            // Only what is first of its class has risen.
            Some(tenant) if tenant.waiting[priority.index()].before(key).count == 0 => {
                self.class_of(tenant, priority, key)
            }
            _ => priority,
        };
        let above = forecast.classes[class.index() + 1..].iter().fold(Sum::default(), |sum, ranks| sum.plus(ranks.all));
        let ranks = &forecast.classes[class.index()];
        let Some(tenant) = tenant else {
            return Ahead { jobs: above.count + ranks.all.count, work_us: above.weight + ranks.all.weight };
        };
        let (own_above, own) = self.own_before(tenant, class, key);
        let run = self.run(tenant, class);
        let each = run.map_or(0.0, |run| run.each);
        let start = self.start(tenant, class) + whole(own.count as f64 * each);
        let at = start.saturating_add(self.later(tenant, cost_us));
        let (mut jobs, mut work) = ranks.before(at, key);
        if let Some(run) = run {
            // Its own are among the sum, and were counted exactly.
            let (own_jobs, own_work) = run.before(at);
            (jobs, work) = (jobs - own_jobs, work - own_work);
        }
        let others_above = above.minus(own_above);
        let (jobs, work) = (usize::try_from(whole(jobs.round())).unwrap_or(usize::MAX), whole(work));
        Ahead {
            jobs: own_above.count + own.count + others_above.count + jobs,
            work_us: own_above
                .weight
                .saturating_add(own.weight)
                .saturating_add(others_above.weight)
                .saturating_add(work),
        }
    }

    /// A tenant's jobs in a class; `None` where it has none.
    fn run(&self, tenant: &Tenant, class: Priority) -> Option<Run> {
        let sum = Priority::ALL.iter().fold(Sum::default(), |sum, priority| {
            let above = self.at_least(tenant, *priority, class.index() + 1);
            sum.plus(self.at_least(tenant, *priority, class.index()).minus(above))
        });
        if sum.count == 0 {
            return None;
        }
        let rank = tenant.flows[class.index()].rank;
        let start = rank.map_or_else(|| self.start(tenant, class), |rank| rank.tag);
        let head = rank.map_or_else(|| self.first_in(tenant, class), |rank| rank.head);
        let each = (sum.weight as f64 / sum.count as f64 / f64::from(tenant.weight)).max(1.0);
        Some(Run { start, head, each, sum })
    }

    /// From where on a tenant is charged in a class.
    fn start(&self, tenant: &Tenant, class: Priority) -> Tag {
        let flow = &tenant.flows[class.index()];
        if flow.rank.is_some() { flow.tag } else { flow.tag.max(self.classes[class.index()].virtual_time) }
    }

    /// A tenant's jobs that came with this priority and stand in a class with this index or above.
    fn at_least(&self, tenant: &Tenant, priority: Priority, class: usize) -> Sum {
        let waiting = &tenant.waiting[priority.index()];
        match class.checked_sub(priority.index()) {
            None | Some(0) => waiting.all(),
            Some(_) if class >= CLASSES => Sum::default(),
            Some(classes) => waiting.before(self.risen(tenant, priority, classes)),
        }
    }

    /// Jobs before this key have risen by so many classes: the first, if any. When it goes, the
    /// others fall back.
    fn risen(&self, tenant: &Tenant, priority: Priority, classes: usize) -> Key {
        let none = Key { due: 0, order: 0 };
        let Some(first) = tenant.waiting[priority.index()].first_from(none) else { return none };
        let since = first.due.max(tenant.turns[priority.index()]);
        let has_risen = self.now_us().saturating_sub(since) >= (classes as u64).saturating_mul(self.ageing_us());
        if has_risen { Key { due: first.due, order: first.order + 1 } } else { none }
    }

    /// The first of a tenant's jobs in a class, where the first of its line is above that.
    fn first_in(&self, tenant: &Tenant, class: Priority) -> Key {
        let of = |priority: &Priority| {
            let classes = class.index().checked_sub(priority.index())?;
            let above = class.index() + 1 < CLASSES;
            let from = if above { self.risen(tenant, *priority, classes + 1) } else { Key { due: 0, order: 0 } };
            tenant.waiting[priority.index()].first_from(from)
        };
        let none = Key { due: u64::MAX, order: 0 };
        Priority::ALL.iter().filter_map(of).min().unwrap_or(none)
    }

    /// A tenant's jobs above a class, and those before a key in it.
    fn own_before(&self, tenant: &Tenant, class: Priority, key: Key) -> (Sum, Sum) {
        let (mut above, mut own) = (Sum::default(), Sum::default());
        for priority in Priority::ALL {
            let higher = self.at_least(tenant, priority, class.index() + 1);
            let here = self.at_least(tenant, priority, class.index());
            let before = tenant.waiting[priority.index()].before(key);
            let before = if before.count < here.count { before } else { here };
            above = above.plus(higher);
            own = own.plus(before.minus(if before.count > higher.count { higher } else { before }));
        }
        (above, own)
    }
}

impl Run {
    /// Virtual time of its end, from `base` on.
    fn end(&self, base: Tag) -> f64 {
        (self.start - base) as f64 + self.each * self.sum.count as f64
    }

    /// Its jobs and work that go before a tag that is its own.
    fn before(&self, at: Tag) -> (f64, f64) {
        if at <= self.start {
            return (0.0, 0.0);
        }
        let jobs = ((at - self.start) as f64 / self.each + 0.5).min(self.sum.count as f64);
        (jobs, jobs * self.sum.weight as f64 / self.sum.count as f64)
    }
}

impl Ranks {
    fn new(runs: Vec<Run>) -> Self {
        let base = runs.iter().map(|run| run.start).min().unwrap_or(0);
        let mut ranks = Self { base, ..Self::default() };
        for run in &runs {
            ranks.all = ranks.all.plus(run.sum);
            let (start, mean) = ((run.start - base) as f64, run.sum.weight as f64 / run.sum.count as f64);
            let line = Lines {
                jobs_per_tag: 1.0 / run.each,
                jobs_offset: 0.5 - start / run.each,
                work_per_tag: mean / run.each,
                work_offset: (0.5 - start / run.each) * mean,
                jobs: 0.0,
                work: 0.0,
            };
            ranks.starts.push(((run.start, run.head), line));
            // From half a job before its end on it is as a whole.
            let ended = Lines { jobs: run.sum.count as f64, work: run.sum.weight as f64, ..line.negative() };
            ranks.ends.push((run.end(base) - run.each / 2.0, ended));
        }
        ranks.starts.sort_by_key(|(start, _)| *start);
        ranks.ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        add_up(ranks.starts.iter_mut().map(|(_, lines)| lines));
        add_up(ranks.ends.iter_mut().map(|(_, lines)| lines));
        ranks
    }

    /// Jobs and work of all its tenants that go before a tag; of those that begin just there, the
    /// first of each whose head is before `head`.
    fn before(&self, at: Tag, head: Key) -> (f64, f64) {
        let upto = |(start, first): (Tag, Key)| (start, first) < (at, head);
        let started = self.starts.partition_point(|(start, _)| upto(*start));
        // Those that begin just there count as whole, not as half a job.
        let level = started - self.starts[..started].partition_point(|((start, _), _)| *start < at);
        let from_base = at.saturating_sub(self.base) as f64;
        let ended = self.ends[..].partition_point(|(end, _)| *end < from_base);
        let last = |index: usize| index.checked_sub(1);
        let start = last(started).map_or(Lines::default(), |i| self.starts[i].1);
        let end = last(ended).map_or(Lines::default(), |i| self.ends[i].1);
        let sum = start.plus(end);
        let jobs = sum.jobs_per_tag * from_base + sum.jobs_offset + sum.jobs + 0.5 * level as f64;
        (jobs, sum.work_per_tag * from_base + sum.work_offset + sum.work)
    }
}

impl Lines {
    fn plus(self, other: Self) -> Self {
        Self {
            jobs_per_tag: self.jobs_per_tag + other.jobs_per_tag,
            jobs_offset: self.jobs_offset + other.jobs_offset,
            work_per_tag: self.work_per_tag + other.work_per_tag,
            work_offset: self.work_offset + other.work_offset,
            jobs: self.jobs + other.jobs,
            work: self.work + other.work,
        }
    }

    fn negative(self) -> Self {
        Self {
            jobs_per_tag: -self.jobs_per_tag,
            jobs_offset: -self.jobs_offset,
            work_per_tag: -self.work_per_tag,
            work_offset: -self.work_offset,
            jobs: -self.jobs,
            work: -self.work,
        }
    }
}

/// The whole part of what is not negative but for rounding.
#[expect(clippy::cast_possible_truncation, reason = "what is beyond the largest number becomes that")]
fn whole(number: f64) -> u64 {
    number.max(0.0) as u64
}

fn add_up<'a>(lines: impl Iterator<Item = &'a mut Lines>) {
    let mut sum = Lines::default();
    for line in lines {
        sum = sum.plus(*line);
        *line = sum;
    }
}
