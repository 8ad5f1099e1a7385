//! How much may wait, and who is refused first when it fills.
//!
//! A place is reserved before a job is stored, so that requests which come at
//! once cannot pass the bound together. A job that comes back from an agent is
//! never refused: it was promised.
//!
//! ```text
//! 0 ─────────────────────────── SHED ────────────── NORMAL ── bound
//!   everybody                    │ no low priority    │ high
//!                                │ no tenant with more│ priority
//!                                │ than its part      │ only
//! ```
//!
//! Both marks are parts of both bounds, jobs and bytes. Where the queue empties, refusals end by
//! themselves: nothing but what waits now decides.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::drain::Drain;
use crate::access::Priority;
use crate::config::QueueBounds;

/// From this part of a bound on, in thousandths, jobs of low priority are refused, and those of
/// tenants that have more than an equal part of the queue.
pub const SHED_PERMILLE: u64 = 800;
/// From this part of a bound on, in thousandths, only jobs of high priority have a place.
pub const NORMAL_PERMILLE: u64 = 950;
/// Shortest advice to come back.
const RETRY_MIN: Duration = Duration::from_secs(1);
/// Longest advice to come back; also where nothing has left yet.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// A refused client is asked to come back when this part of what waits has left, so that not all
/// come back for the first place.
const RETRY_PART: usize = 10;

/// Which rule refused a job.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Shed {
    /// As many jobs or bytes wait as may.
    Full,
    /// The queue is nearly full: its rest is for high priority.
    Normal,
    /// The queue is filling: low priority is refused first.
    Low,
    /// The queue is filling, and this tenant has more than an equal part of it.
    Share,
    /// As many jobs of the tenant wait as its quota allows.
    Tenant,
}

impl Shed {
    /// Its name, as clients read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "queue_full",
            Self::Normal => "queue_nearly_full",
            Self::Low => "low_priority",
            Self::Share => "tenant_share",
            Self::Tenant => "tenant_queued_jobs",
        }
    }
}

/// There is no place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overloaded {
    /// By which rule.
    pub rule: Shed,
    /// Jobs that wait; of the tenant, where the rule is about its own.
    pub length: usize,
    /// Jobs that may wait by this rule.
    pub bound: usize,
    /// When a place is likely to be free for this caller, from the measured drain rate.
    pub retry_after: Duration,
}

impl Overloaded {
    /// The bound is the tenant's own quota.
    #[must_use]
    pub fn of_tenant(&self) -> bool {
        self.rule == Shed::Tenant
    }
}

/// A place that is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Whose job.
    pub tenant: Arc<str>,
    /// So many of the tenant may wait.
    pub tenant_max: Option<u64>,
    /// Bytes of its input.
    pub bytes: u64,
    /// How urgent it is.
    pub priority: Priority,
}

/// What waits, counted.
#[derive(Debug)]
pub struct Backlog {
    bounds: QueueBounds,
    jobs: usize,
    bytes: u64,
    /// Jobs by tenant; only those that have any.
    tenants: HashMap<Arc<str>, usize>,
    drain: Drain,
}

impl Backlog {
    /// An empty backlog.
    #[must_use]
    pub fn new(bounds: QueueBounds) -> Self {
        Self { bounds, jobs: 0, bytes: 0, tenants: HashMap::new(), drain: Drain::default() }
    }

    /// Takes a place for a new job.
    ///
    /// # Errors
    /// [`Overloaded`] where there is none.
    pub fn reserve(&mut self, wanted: &Wanted, now: Instant) -> Result<(), Overloaded> {
        self.look(wanted, now)?;
        self.enter(&wanted.tenant, wanted.bytes);
        Ok(())
    }

    /// Whether there is a place for a new job, which is not taken.
    ///
    /// # Errors
    /// As [`Self::reserve`].
    pub fn look(&self, wanted: &Wanted, now: Instant) -> Result<(), Overloaded> {
        match self.refused_by(wanted) {
            Some((rule, length, bound)) => {
                Err(Overloaded { rule, length, bound, retry_after: self.retry_after(length, bound, now) })
            }
            None => Ok(()),
        }
    }

    /// The first rule that has no place, with the length and the bound that it goes by.
    fn refused_by(&self, wanted: &Wanted) -> Option<(Shed, usize, usize)> {
        let own = self.of(&wanted.tenant);
        if let Some(max) = wanted.tenant_max
            && own as u64 >= max
        {
            return Some((Shed::Tenant, own, usize::try_from(max).unwrap_or(usize::MAX)));
        }
        let jobs_max = self.bounds.jobs_max;
        if !self.fits(1000, wanted.bytes) {
            return Some((Shed::Full, self.jobs, jobs_max));
        }
        if wanted.priority < Priority::High && !self.fits(NORMAL_PERMILLE, wanted.bytes) {
            return Some((Shed::Normal, self.jobs, part(jobs_max, NORMAL_PERMILLE)));
        }
        if self.fits(SHED_PERMILLE, wanted.bytes) {
            return None;
        }
        if wanted.priority == Priority::Low {
            return Some((Shed::Low, self.jobs, part(jobs_max, SHED_PERMILLE)));
        }
        let others = self.tenants.len() - usize::from(own > 0);
        let share = jobs_max / (others + 1);
        (others > 0 && own >= share.max(1)).then_some((Shed::Share, own, share.max(1)))
    }

    /// Whether one more job of so many bytes stays within this part of both bounds.
    fn fits(&self, permille: u64, bytes: u64) -> bool {
        let QueueBounds { jobs_max, bytes_max } = self.bounds;
        let bytes_max = (u128::from(bytes_max) * u128::from(permille)).div_ceil(1000);
        self.jobs < part(jobs_max, permille)
            // A lone job always fits: its size was bounded at admission.
            && (self.jobs == 0 || u128::from(self.bytes.saturating_add(bytes)) <= bytes_max)
    }

    /// A job that was admitted before waits (again).
    pub fn enter(&mut self, tenant: &Arc<str>, bytes: u64) {
        *self.tenants.entry(Arc::clone(tenant)).or_default() += 1;
        self.jobs += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// A reservation that came to nothing is given back.
    pub fn release(&mut self, tenant: &Arc<str>, bytes: u64) {
        if let Some(jobs) = self.tenants.get_mut(tenant) {
            *jobs -= 1;
            if *jobs == 0 {
                self.tenants.remove(tenant);
            }
        }
        self.jobs = self.jobs.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// A job left for an agent, or was cancelled.
    pub fn depart(&mut self, tenant: &Arc<str>, bytes: u64, now: Instant) {
        self.release(tenant, bytes);
        self.drain.depart(now);
    }

    /// Jobs of a tenant that wait.
    #[must_use]
    pub fn of(&self, tenant: &str) -> usize {
        self.tenants.get(tenant).copied().unwrap_or(0)
    }

    /// Jobs that wait, by tenant.
    #[must_use]
    pub fn by_tenant(&self) -> HashMap<Arc<str>, usize> {
        self.tenants.clone()
    }

    /// How long until `jobs` more have left; `None` where nothing left lately.
    #[must_use]
    pub fn time_for(&self, jobs: usize, now: Instant) -> Option<Duration> {
        self.drain.time_for(jobs, now)
    }

    /// Until as many of the `length` that a rule counts have left as are beyond its `bound`. Of a
    /// tenant's own, one leaves for each so many of all.
    fn retry_after(&self, length: usize, bound: usize, now: Instant) -> Duration {
        let beyond = (length + 1).saturating_sub(bound).max(length / RETRY_PART).max(1);
        let of_all = beyond.saturating_mul(self.jobs).checked_div(length).unwrap_or(beyond).max(beyond);
        self.time_for(of_all, now).unwrap_or(RETRY_MAX).clamp(RETRY_MIN, RETRY_MAX)
    }
}

/// A part of a bound, rounded up, so that a small bound loses nothing.
fn part(bound: usize, permille: u64) -> usize {
    let part = (bound as u128 * u128::from(permille)).div_ceil(1000);
    usize::try_from(part).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tenant() -> Arc<str> {
        "t".into()
    }

    fn wanted(tenant: &str, bytes: u64) -> Wanted {
        Wanted { tenant: tenant.into(), tenant_max: None, bytes, priority: Priority::Normal }
    }

    fn backlog(jobs_max: usize, bytes_max: u64) -> Backlog {
        Backlog::new(QueueBounds { jobs_max, bytes_max })
    }

    /// How many of these get a place, one after the other, and by which rule the next is refused.
    fn fill(backlog: &mut Backlog, wanted: &Wanted) -> (usize, Overloaded) {
        let now = Instant::now();
        for n in 0.. {
            if let Err(refused) = backlog.reserve(wanted, now) {
                return (n, refused);
            }
        }
        unreachable!("a backlog is bounded")
    }

    #[test]
    fn a_tenant_at_its_bound_takes_no_place_of_another() {
        let (mut backlog, now) = (backlog(20, 1000), Instant::now());
        let own = Wanted { tenant_max: Some(2), ..wanted("t", 1) };
        let (taken, refused) = fill(&mut backlog, &own);
        assert_eq!((taken, refused.length, refused.bound, refused.rule), (2, 2, 2, Shed::Tenant));
        backlog.reserve(&wanted("other", 1), now).unwrap();
        backlog.depart(&tenant(), 1, now);
        backlog.reserve(&own, now).unwrap();
        // Who comes back was promised; it counts all the same.
        backlog.enter(&tenant(), 1);
        assert_eq!((backlog.of("t"), backlog.of("other"), backlog.of("nobody")), (3, 1, 0));
    }

    #[test]
    fn a_full_queue_says_its_length_bound_and_when_to_come_back() {
        let (mut backlog, start) = (backlog(20, 1000), Instant::now());
        let high = Wanted { priority: Priority::High, ..wanted("t", 1) };
        for n in 0..20 {
            backlog.reserve(&high, start).unwrap();
            backlog.depart(&tenant(), 1, start + Duration::from_secs(2 * n));
        }
        fill(&mut backlog, &high);
        // One left every two seconds, and two are the tenth part.
        let refused = backlog.reserve(&high, start + Duration::from_secs(40)).unwrap_err();
        let retry_after = Duration::from_secs(4);
        assert_eq!(refused, Overloaded { rule: Shed::Full, length: 20, bound: 20, retry_after });
    }

    #[test]
    fn a_tenant_waits_for_its_own_jobs_to_leave_among_all_others() {
        let (mut backlog, start) = (backlog(1000, 1000), Instant::now());
        for n in 0..10 {
            backlog.enter(&tenant(), 1);
            backlog.depart(&tenant(), 1, start + Duration::from_secs(n));
        }
        (0..18).for_each(|_| backlog.enter(&"other".into(), 1));
        (0..2).for_each(|_| backlog.enter(&tenant(), 1));
        let own = Wanted { tenant_max: Some(2), ..wanted("t", 1) };
        // One a second leaves, and each tenth is its own.
        let refused = backlog.reserve(&own, start + Duration::from_secs(10)).unwrap_err();
        assert_eq!(refused.retry_after, Duration::from_secs(10));
    }

    #[test]
    fn bytes_are_bounded_too_and_a_lone_job_always_fits() {
        let (mut backlog, now) = (backlog(20, 100), Instant::now());
        backlog.reserve(&wanted("t", 200), now).unwrap();
        assert_eq!(backlog.reserve(&wanted("t", 1), now).unwrap_err().retry_after, RETRY_MAX);
        backlog.release(&tenant(), 200);
        backlog.reserve(&wanted("t", 60), now).unwrap();
        backlog.reserve(&wanted("t", 35), now).unwrap();
        assert_eq!(backlog.reserve(&wanted("t", 1), now).unwrap_err().rule, Shed::Normal);
        let high = |bytes| Wanted { priority: Priority::High, ..wanted("t", bytes) };
        assert_eq!(backlog.reserve(&high(6), now).unwrap_err().rule, Shed::Full);
        backlog.reserve(&high(5), now).unwrap();
    }

    #[test]
    fn low_priority_is_refused_first_and_the_last_places_are_for_the_urgent() {
        let mut backlog = backlog(100, 1000);
        let of = |priority| Wanted { priority, ..wanted("t", 1) };
        let (low, refused) = fill(&mut backlog, &of(Priority::Low));
        assert_eq!((low, refused.rule, refused.bound), (80, Shed::Low, 80));
        let (normal, refused) = fill(&mut backlog, &of(Priority::Normal));
        assert_eq!((normal, refused.rule, refused.bound), (15, Shed::Normal, 95));
        let (high, refused) = fill(&mut backlog, &of(Priority::High));
        assert_eq!((high, refused.rule, refused.bound), (5, Shed::Full, 100));
    }

    #[test]
    fn who_floods_is_refused_while_others_still_have_places() {
        let mut backlog = backlog(100, 1000);
        backlog.reserve(&wanted("quiet", 1), Instant::now()).unwrap();
        let (flood, refused) = fill(&mut backlog, &wanted("flood", 1));
        assert_eq!((flood, refused.rule, refused.length, refused.bound), (79, Shed::Share, 79, 50));
        let (quiet, refused) = fill(&mut backlog, &wanted("quiet", 1));
        assert_eq!((quiet, refused.rule), (15, Shed::Normal));
    }

    #[test]
    fn a_lone_tenant_may_have_the_whole_queue() {
        assert_eq!(fill(&mut backlog(100, 1000), &wanted("t", 1)).0, 95);
    }

    #[test]
    fn a_job_that_comes_back_is_never_refused() {
        let (mut backlog, now) = (backlog(1, 100), Instant::now());
        backlog.reserve(&wanted("t", 1), now).unwrap();
        backlog.enter(&tenant(), 1);
        assert!(backlog.reserve(&wanted("t", 1), now).is_err());
        backlog.depart(&tenant(), 1, now);
        backlog.depart(&tenant(), 1, now);
        assert!(backlog.reserve(&wanted("t", 1), now).is_ok());
    }

    proptest! {
        #[test]
        fn refusals_end_by_themselves_and_no_bound_is_passed(
            asks in prop::collection::vec((0u8..4, 0u64..40, 0usize..3), 1..200),
            jobs_max in 1usize..40,
        ) {
            let (mut backlog, now) = (backlog(jobs_max, 400), Instant::now());
            let mut taken = Vec::new();
            for (tenant, bytes, class) in asks {
                let wanted = Wanted { priority: Priority::ALL[class], ..wanted(&tenant.to_string(), bytes) };
                match backlog.reserve(&wanted, now) {
                    Ok(()) => taken.push(wanted),
                    Err(refused) => {
                        prop_assert!(refused.length >= refused.bound || backlog.bytes + bytes > 320);
                        prop_assert!((RETRY_MIN..=RETRY_MAX).contains(&refused.retry_after));
                    }
                }
                prop_assert!(backlog.jobs <= jobs_max && (backlog.jobs == 1 || backlog.bytes <= 400));
            }
            for wanted in taken {
                backlog.depart(&wanted.tenant, wanted.bytes, now);
            }
            let low = Wanted { priority: Priority::Low, ..wanted("t", 1) };
            prop_assert!(backlog.reserve(&low, now).is_ok());
        }
    }
}
