//! How much may wait, and how fast it leaves.
//!
//! A place is reserved before a job is stored, so that requests which come at
//! once cannot pass the bound together. A job that comes back from an agent is
//! never refused: it was promised.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::QueueBounds;

/// Span over which the drain rate is measured.
const RATE_SPAN: Duration = Duration::from_secs(60);
/// Departures that are remembered; more in the span only make the measure shorter.
const DEPARTURES_MAX: usize = 4096;
/// Shortest advice to come back.
const RETRY_MIN: Duration = Duration::from_secs(1);
/// Longest advice to come back; also where nothing has left yet.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// A refused client is asked to come back when this part of the queue has left.
const RETRY_PART: usize = 10;

/// There is no place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overloaded {
    /// Jobs that wait; of the tenant, where it is at its own bound.
    pub length: usize,
    /// Jobs that may wait.
    pub bound: usize,
    /// The bound is the tenant's own.
    pub of_tenant: bool,
    /// When to come back, from the measured drain rate.
    pub retry_after: Duration,
}

/// What waits, counted.
#[derive(Debug)]
pub struct Backlog {
    bounds: QueueBounds,
    jobs: usize,
    bytes: u64,
    /// Jobs by tenant; only those that have any.
    tenants: HashMap<Arc<str>, usize>,
    departures: VecDeque<Instant>,
}

impl Backlog {
    /// An empty backlog.
    #[must_use]
    pub fn new(bounds: QueueBounds) -> Self {
        Self { bounds, jobs: 0, bytes: 0, tenants: HashMap::new(), departures: VecDeque::new() }
    }

    /// Takes a place for a new job of `bytes`, of a tenant that may have `tenant_max` of them.
    ///
    /// # Errors
    /// [`Overloaded`] where there is none.
    pub fn reserve(
        &mut self,
        tenant: &Arc<str>,
        tenant_max: Option<u64>,
        bytes: u64,
        now: Instant,
    ) -> Result<(), Overloaded> {
        let own = self.of(tenant);
        if let Some(max) = tenant_max
            && own as u64 >= max
        {
            let bound = usize::try_from(max).unwrap_or(usize::MAX);
            return Err(Overloaded { length: own, bound, of_tenant: true, retry_after: self.retry_after(own, now) });
        }
        let fits = self.jobs < self.bounds.jobs_max
            // A lone job always fits: its size was bounded at admission.
            && (self.jobs == 0 || self.bytes.saturating_add(bytes) <= self.bounds.bytes_max);
        if !fits {
            let retry_after = self.retry_after(self.jobs, now);
            return Err(Overloaded { length: self.jobs, bound: self.bounds.jobs_max, of_tenant: false, retry_after });
        }
        self.enter(tenant, bytes);
        Ok(())
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
        if self.departures.len() == DEPARTURES_MAX {
            self.departures.pop_front();
        }
        self.departures.push_back(now);
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
        let lately = self.departures.iter().filter(|d| now.saturating_duration_since(**d) <= RATE_SPAN);
        let first = lately.clone().next()?;
        let count = u32::try_from(lately.count()).ok()?;
        let each = now.saturating_duration_since(*first).checked_div(count)?;
        Some(each.saturating_mul(u32::try_from(jobs).unwrap_or(u32::MAX)))
    }

    fn retry_after(&self, jobs: usize, now: Instant) -> Duration {
        let part = (jobs / RETRY_PART).max(1);
        self.time_for(part, now).unwrap_or(RETRY_MAX).clamp(RETRY_MIN, RETRY_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> Arc<str> {
        "t".into()
    }

    #[test]
    fn a_tenant_at_its_bound_takes_no_place_of_another() {
        let (mut backlog, now, other) = (backlog(20, 1000), Instant::now(), Arc::from("other"));
        for _ in 0..2 {
            backlog.reserve(&tenant(), Some(2), 1, now).unwrap();
        }
        let refused = backlog.reserve(&tenant(), Some(2), 1, now).unwrap_err();
        assert_eq!((refused.length, refused.bound, refused.of_tenant), (2, 2, true));
        backlog.reserve(&other, Some(2), 1, now).unwrap();
        backlog.depart(&tenant(), 1, now);
        backlog.reserve(&tenant(), Some(2), 1, now).unwrap();
        // Who comes back was promised; it counts all the same.
        backlog.enter(&tenant(), 1);
        assert_eq!((backlog.of("t"), backlog.of("other"), backlog.of("nobody")), (3, 1, 0));
    }

    fn backlog(jobs_max: usize, bytes_max: u64) -> Backlog {
        Backlog::new(QueueBounds { jobs_max, bytes_max })
    }

    #[test]
    fn a_full_queue_says_its_length_bound_and_when_to_come_back() {
        let (mut backlog, start) = (backlog(20, 1000), Instant::now());
        for n in 0..20 {
            backlog.reserve(&tenant(), None, 1, start).unwrap();
            backlog.depart(&tenant(), 1, start + Duration::from_secs(2 * n));
        }
        for _ in 0..20 {
            backlog.reserve(&tenant(), None, 1, start).unwrap();
        }
        // One left every two seconds, and two are the tenth part.
        let refused = backlog.reserve(&tenant(), None, 1, start + Duration::from_secs(40)).unwrap_err();
        assert_eq!(
            refused,
            Overloaded { length: 20, bound: 20, of_tenant: false, retry_after: Duration::from_secs(4) }
        );
    }

    #[test]
    fn bytes_are_bounded_too_and_a_lone_job_always_fits() {
        let (mut backlog, now) = (backlog(20, 100), Instant::now());
        backlog.reserve(&tenant(), None, 200, now).unwrap();
        assert_eq!(backlog.reserve(&tenant(), None, 1, now).unwrap_err().retry_after, RETRY_MAX);
        backlog.release(&tenant(), 200);
        backlog.reserve(&tenant(), None, 60, now).unwrap();
        backlog.reserve(&tenant(), None, 40, now).unwrap();
        assert!(backlog.reserve(&tenant(), None, 1, now).is_err());
    }

    #[test]
    fn a_job_that_comes_back_is_never_refused() {
        let (mut backlog, now) = (backlog(1, 100), Instant::now());
        backlog.reserve(&tenant(), None, 1, now).unwrap();
        backlog.enter(&tenant(), 1);
        assert!(backlog.reserve(&tenant(), None, 1, now).is_err());
        backlog.depart(&tenant(), 1, now);
        backlog.depart(&tenant(), 1, now);
        assert!(backlog.reserve(&tenant(), None, 1, now).is_ok());
    }
}
