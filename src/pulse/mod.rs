//! The last hour: how many jobs came, went and were refused, how long they waited and ran; of all, and of
//! each tenant.
//!
//! ```text
//! admission ─ accepted, refused ─┐            ┌─ rates of ten seconds, quantiles of a minute
//! scheduler ─ dispatched, ended ─┼─▶ Book ────┼─ outcomes and refusals of the hour
//! feed ────── how many there are ┘ (bounded)  └─ history: 360 steps of ten seconds
//! ```
//!
//! In memory and of a fixed size: a restart begins anew, and Prometheus is for more than an hour. [`Book`]
//! is pure; [`Pulse`] is the clock and the lock around it.

mod histogram;
mod series;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use enclos_protocol::outcome::Outcome;

pub use histogram::Quantiles;
use series::{Event, Series};

/// Length of a step of the history, in seconds.
pub const STEP_SECONDS: u64 = 10;
/// Steps of the history: an hour.
pub const STEPS: usize = 360;
/// Tenants of which an hour is kept; of more, the one that was quiet longest is forgotten.
const TENANTS_MAX: usize = 512;

/// In a second, over the last ten.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Rates {
    /// Jobs that came.
    pub accepted: f64,
    /// Jobs that ended.
    pub ended: f64,
    /// Submissions that were refused.
    pub refused: f64,
}

/// How it goes.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Vital {
    /// How fast.
    pub rates: Rates,
    /// From admission to an agent, in the last minute.
    pub waits: Option<Quantiles>,
    /// Compiling and running, in the last minute.
    pub runs: Option<Quantiles>,
    /// Jobs that ended in the last hour; those that came to nothing are left out.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Submissions that were refused in the last hour, by code.
    pub refusals: BTreeMap<&'static str, u64>,
}

/// How many there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Levels {
    /// Jobs that wait.
    pub queued: u32,
    /// Jobs at agents.
    pub running: u32,
    /// Jobs that all connected agents together take; not known of a tenant.
    pub capacity: Option<u32>,
    /// Agents that are connected; not known of a tenant.
    pub agents: Option<u32>,
}

/// One step of the history; what is not known is `None`.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Point {
    /// How many there were at its end.
    pub levels: Option<Levels>,
    /// Jobs that came, ended, and submissions that were refused; `None`: there was no master.
    pub counts: Option<[u32; 3]>,
    /// How long jobs had waited that went in it.
    pub waits: Option<Quantiles>,
}

/// The hour of all and of each tenant.
#[derive(Debug, Default)]
pub struct Book {
    all: Series,
    tenants: HashMap<Arc<str>, Series>,
}

impl Book {
    fn count(&mut self, tenant: &str, event: Event, second: u64) {
        self.all.count(event, second);
        self.of(tenant, second).count(event, second);
    }

    fn of(&mut self, tenant: &str, second: u64) -> &mut Series {
        if !self.tenants.contains_key(tenant) {
            if self.tenants.len() >= TENANTS_MAX {
                let quiet = self.tenants.iter().min_by_key(|(_, series)| series.last());
                if let Some(quiet) = quiet.map(|(tenant, _)| Arc::clone(tenant)) {
                    self.tenants.remove(&quiet);
                }
            }
            let mut series = Series::default();
            series.level(Levels::default(), second);
            self.tenants.insert(tenant.into(), series);
        }
        self.tenants.get_mut(tenant).expect("it was just made")
    }

    fn find(&self, tenant: Option<&str>) -> Option<&Series> {
        match tenant {
            None => Some(&self.all),
            Some(tenant) => self.tenants.get(tenant),
        }
    }

    fn vital(&self, tenant: Option<&str>, second: u64) -> Vital {
        self.find(tenant).map(|series| series.vital(second)).unwrap_or_default()
    }

    /// The last whole steps, the newest last, for a book that began at second 0.
    fn history(&self, tenant: Option<&str>, second: u64) -> Vec<Point> {
        let now = second / STEP_SECONDS;
        let series = self.find(tenant);
        let point = |back: u64| {
            let Some(number) = now.checked_sub(back) else { return Point::default() };
            match series.and_then(|series| series.step(number)) {
                Some(step) => Point {
                    levels: step.levels,
                    counts: Some([step.accepted, step.ended, step.refused]),
                    waits: step.waits,
                },
                // Nothing happened since the book began, or until it is read.
                None => Point { counts: Some([0; 3]), ..Point::default() },
            }
        };
        (1..=STEPS as u64).rev().map(point).collect()
    }
}

/// The book, its clock and its lock.
#[derive(Debug)]
pub struct Pulse {
    begun: Instant,
    book: Mutex<Book>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { begun: Instant::now(), book: Mutex::default() }
    }
}

impl Pulse {
    /// A job was kept.
    pub fn accepted(&self, tenant: &str) {
        self.count(tenant, Event::Accepted);
    }

    /// A submission was refused.
    pub fn refused(&self, tenant: &str, code: &'static str) {
        self.count(tenant, Event::Refused(code));
    }

    /// A job was given to an agent after so long.
    pub fn dispatched(&self, tenant: &str, waited: Duration) {
        self.count(tenant, Event::Dispatched(waited));
    }

    /// A job ended; `ran`: what its steps took, where it ran.
    pub fn ended(&self, tenant: &str, outcome: Outcome, ran: Option<Duration>) {
        self.count(tenant, Event::Ended(outcome, ran));
    }

    /// So many there are now, of a tenant that had something going on in the last hour, or of all.
    pub fn level(&self, tenant: Option<&str>, levels: Levels) {
        let second = self.second();
        let mut book = self.lock();
        match tenant {
            None => book.all.level(levels, second),
            Some(tenant) => book.of(tenant, second).level(levels, second),
        }
    }

    /// How it goes, of one tenant or of all.
    #[must_use]
    pub fn vital(&self, tenant: Option<&str>) -> Vital {
        self.lock().vital(tenant, self.second())
    }

    /// The last hour by steps, the newest last, and how long ago that ended.
    #[must_use]
    pub fn history(&self, tenant: Option<&str>) -> (Vec<Point>, Duration) {
        let since = self.begun.elapsed();
        let ended = Duration::from_secs(since.as_secs() / STEP_SECONDS * STEP_SECONDS);
        (self.lock().history(tenant, since.as_secs()), since - ended)
    }

    fn count(&self, tenant: &str, event: Event) {
        let second = self.second();
        self.lock().count(tenant, event, second);
    }

    fn second(&self) -> u64 {
        self.begun.elapsed().as_secs()
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn rates_are_of_the_last_ten_seconds_and_end_with_them() {
        let mut book = Book::default();
        for second in 0..10 {
            (0..second).for_each(|_| book.count("a", Event::Accepted, second));
            book.count("b", Event::Refused("overloaded"), second);
        }
        let rates = book.vital(None, 10).rates;
        assert_eq!((rates.accepted, rates.ended, rates.refused), (4.5, 0.0, 1.0));
        assert_eq!(book.vital(Some("a"), 10).rates.refused, 0.0);
        let after = book.vital(None, 20).rates;
        assert!(after == Rates::default() && after.accepted.is_sign_positive(), "{after:?}");
    }

    #[test]
    fn a_tenant_sees_its_own_and_all_is_the_sum() {
        let mut book = Book::default();
        book.count("a", Event::Ended(Outcome::Ok, Some(2 * MS)), 1);
        book.count("b", Event::Ended(Outcome::TimeLimit, None), 1);
        book.count("b", Event::Dispatched(100 * MS), 1);
        let (all, a, b) = (book.vital(None, 2), book.vital(Some("a"), 2), book.vital(Some("b"), 2));
        assert_eq!(all.outcomes, BTreeMap::from([("ok", 1), ("time_limit", 1)]));
        assert_eq!((a.outcomes, b.outcomes), (BTreeMap::from([("ok", 1)]), BTreeMap::from([("time_limit", 1)])));
        assert!(a.waits.is_none() && b.runs.is_none() && all.waits == b.waits && all.runs == a.runs);
        assert_eq!(book.vital(Some("nobody"), 2), Vital::default());
    }

    #[test]
    fn an_hour_later_nothing_of_it_counts() {
        let mut book = Book::default();
        book.count("a", Event::Refused("overloaded"), 5);
        let last = 5 + STEP_SECONDS * (STEPS as u64 - 1);
        assert_eq!(book.vital(None, last).refusals, BTreeMap::from([("overloaded", 1)]));
        assert!(book.vital(None, last + STEP_SECONDS).refusals.is_empty());
        book.count("a", Event::Accepted, last + 100 * STEP_SECONDS);
        assert!(book.vital(None, last + 100 * STEP_SECONDS).refusals.is_empty());
    }

    #[test]
    fn the_history_has_what_was_and_says_what_is_not_known() {
        let mut book = Book::default();
        let levels = Levels { queued: 3, running: 1, capacity: Some(4), agents: Some(2) };
        book.all.level(levels, 9);
        book.count("a", Event::Accepted, 12);
        book.count("a", Event::Dispatched(50 * MS), 12);
        let history = book.history(None, 31);
        assert_eq!(history.len(), STEPS);
        let [before, first, second, third] = [4, 3, 2, 1].map(|back| history[STEPS - back]);
        assert_eq!(before, Point::default(), "there was no master");
        assert_eq!((first.levels, first.counts), (Some(levels), Some([0, 0, 0])));
        assert_eq!((second.levels, second.counts), (None, Some([1, 0, 0])));
        assert_eq!((third.levels, third.counts), (None, Some([0, 0, 0])));
    }

    #[test]
    fn how_long_jobs_waited_stays_with_the_step_in_which_they_went() {
        let mut book = Book::default();
        book.count("a", Event::Dispatched(50 * MS), 2);
        (1..30).for_each(|step| book.count("a", Event::Accepted, step * STEP_SECONDS));
        let history = book.history(Some("a"), 300);
        let waits = history[STEPS - 30].waits.unwrap();
        assert!((43.0..57.0).contains(&waits.p50_ms), "{waits:?}");
        assert_eq!(history.iter().filter(|point| point.waits.is_some()).count(), 1);
    }

    #[test]
    fn the_book_is_bounded_whatever_comes() {
        let mut book = Book::default();
        for second in 0..4000 {
            book.count(&format!("t{second}"), Event::Accepted, second);
            book.count("steady", Event::Accepted, second);
        }
        assert_eq!(book.tenants.len(), TENANTS_MAX);
        let steady = book.vital(Some("steady"), 4000).rates.accepted;
        assert!((steady - 1.0).abs() < f64::EPSILON, "who has something going on is not forgotten");
        let known = (0..4000 / STEP_SECONDS).filter(|number| book.all.step(*number).is_some()).count();
        assert!(known <= STEPS + 1);
    }
}
