//! What waits, by whose it is, in which language and how urgent: how many, and since when.
//!
//! Kept as jobs come and leave, so a look costs as much as there are groups, however many jobs wait:
//! a walk over a million jobs each second would cost the scheduler more than all its decisions.
//! Ages are kept in ticks, so that a group takes as much as its oldest job is old, not as it is long.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ready::micros;
use super::standing::CLOCK_BEGINS_US;
use crate::access::Priority;

/// How exactly it is known since when the oldest job of a group waits.
pub const TICK: Duration = Duration::from_millis(100);

/// Some jobs that wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Waits {
    /// How many.
    pub jobs: usize,
    /// How long ago the oldest of them came, less than a [`TICK`] more than it is.
    pub oldest: Duration,
}

impl Waits {
    fn and(&mut self, other: Self) {
        self.jobs += other.jobs;
        self.oldest = self.oldest.max(other.oldest);
    }
}

/// Jobs of one tenant, language and class that wait.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// Whose.
    pub tenant: Arc<str>,
    /// Id of the language.
    pub language: Arc<str>,
    /// The class with which they came.
    pub priority: Priority,
    /// They.
    pub waits: Waits,
}

/// What waits at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Survey {
    /// The longest groups, the longest first.
    pub groups: Vec<Group>,
    /// All other groups together; none where there are no others.
    pub other: Waits,
    /// All of it by language and class, in their order: as many at most as there are languages, times three.
    pub classes: BTreeMap<Kind, Waits>,
}

/// Language and class.
type Kind = (Arc<str>, Priority);

/// The counts.
#[derive(Debug)]
pub struct Counts {
    begun: Instant,
    tenants: HashMap<Arc<str>, HashMap<Kind, Ages>>,
}

/// Jobs by the tick in which they came.
#[derive(Debug, Default)]
struct Ages {
    jobs: usize,
    ticks: BTreeMap<u64, usize>,
}

impl Counts {
    /// Of an empty queue.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { begun: now, tenants: HashMap::new() }
    }

    /// A job waits that came then.
    pub fn enter(&mut self, tenant: &Arc<str>, language: &Arc<str>, priority: Priority, arrived: Instant) {
        let tick = self.tick(arrived);
        let groups = self.tenants.entry(Arc::clone(tenant)).or_default();
        let ages = groups.entry((Arc::clone(language), priority)).or_default();
        ages.jobs += 1;
        *ages.ticks.entry(tick).or_default() += 1;
    }

    /// It waits no more.
    pub fn leave(&mut self, tenant: &Arc<str>, language: &Arc<str>, priority: Priority, arrived: Instant) {
        let tick = self.tick(arrived);
        let Some(groups) = self.tenants.get_mut(tenant) else { return };
        let of = (Arc::clone(language), priority);
        let Some(ages) = groups.get_mut(&of) else { return };
        let Some(jobs) = ages.ticks.get_mut(&tick) else { return };
        *jobs -= 1;
        if *jobs == 0 {
            ages.ticks.remove(&tick);
        }
        ages.jobs -= 1;
        if ages.jobs == 0 {
            groups.remove(&of);
        }
        if groups.is_empty() {
            self.tenants.remove(tenant);
        }
    }

    /// What waits now, of one tenant or of all; so many groups of it one by one.
    #[must_use]
    pub fn survey(&self, of: Option<&str>, groups_max: usize, now: Instant) -> Survey {
        let now = self.tick(now);
        let mut groups = Vec::new();
        let mut classes: BTreeMap<_, Waits> = BTreeMap::new();
        let tenants = self.tenants.iter().filter(|(tenant, _)| of.is_none_or(|of| of == &***tenant));
        for (tenant, own) in tenants {
            for ((language, priority), ages) in own {
                let waits = ages.waits(now);
                classes.entry((Arc::clone(language), *priority)).or_default().and(waits);
                groups.push((tenant, language, *priority, waits));
            }
        }
        groups.sort_unstable_by_key(|(tenant, language, priority, waits)| {
            (Reverse(waits.jobs), *tenant, *language, *priority)
        });
        let mut other = Waits::default();
        groups.iter().skip(groups_max).for_each(|(.., waits)| other.and(*waits));
        groups.truncate(groups_max);
        let own = |(tenant, language, priority, waits): (&Arc<str>, &Arc<str>, Priority, Waits)| Group {
            tenant: Arc::clone(tenant),
            language: Arc::clone(language),
            priority,
            waits,
        };
        Survey { groups: groups.into_iter().map(own).collect(), other, classes }
    }

    fn tick(&self, at: Instant) -> u64 {
        let since = micros(at.saturating_duration_since(self.begun));
        let until = micros(self.begun.saturating_duration_since(at));
        CLOCK_BEGINS_US.saturating_add(since).saturating_sub(until) / micros(TICK)
    }
}

impl Ages {
    fn waits(&self, now: u64) -> Waits {
        let first = self.ticks.first_key_value().map_or(now, |(tick, _)| *tick);
        let ticks = u32::try_from(now.saturating_sub(first)).unwrap_or(u32::MAX);
        Waits { jobs: self.jobs, oldest: TICK.saturating_mul(ticks) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn counts(waiting: &[(&str, &str, Priority, u32)]) -> (Counts, Instant) {
        let now = Instant::now();
        let mut counts = Counts::new(now);
        for (tenant, language, priority, seconds) in waiting {
            counts.enter(&(*tenant).into(), &(*language).into(), *priority, now + SECOND * *seconds);
        }
        (counts, now)
    }

    #[test]
    fn the_longest_groups_are_told_one_by_one_and_the_rest_together() {
        use Priority::{High, Low, Normal};
        let (counts, now) = counts(&[
            ("a", "c", Normal, 3),
            ("a", "c", Normal, 1),
            ("a", "java", Normal, 2),
            ("b", "c", High, 0),
            ("b", "c", Low, 4),
        ]);
        let survey = counts.survey(None, 2, now + 10 * SECOND);
        let told: Vec<_> = survey.groups.iter().map(|g| (&*g.tenant, &*g.language, g.priority, g.waits)).collect();
        let waits = |jobs, seconds| Waits { jobs, oldest: SECOND * seconds };
        assert_eq!(told, [("a", "c", Normal, waits(2, 9)), ("a", "java", Normal, waits(1, 8))]);
        assert_eq!(survey.other, waits(2, 10));
        let classes: Vec<_> = survey.classes.iter().map(|((language, class), w)| (&**language, *class, *w)).collect();
        let [low, normal, high] = [(Low, waits(1, 6)), (Normal, waits(2, 9)), (High, waits(1, 10))];
        assert_eq!(
            classes,
            [("c", low.0, low.1), ("c", normal.0, normal.1), ("c", high.0, high.1), ("java", Normal, waits(1, 8))]
        );
    }

    #[test]
    fn a_tenant_sees_its_own_alone() {
        let (counts, now) = counts(&[("a", "c", Priority::Normal, 0), ("b", "java", Priority::Normal, 0)]);
        let survey = counts.survey(Some("b"), 10, now);
        assert_eq!((survey.groups.len(), &*survey.groups[0].tenant, survey.classes.len()), (1, "b", 1));
        assert_eq!(counts.survey(Some("c"), 10, now), Survey::default());
    }

    #[test]
    fn the_oldest_that_is_left_counts_and_what_is_gone_is_not_remembered() {
        let (mut counts, now) = counts(&[("a", "c", Priority::Normal, 0), ("a", "c", Priority::Normal, 5)]);
        counts.leave(&"a".into(), &"c".into(), Priority::Normal, now);
        let left = counts.survey(None, 1, now + 10 * SECOND).groups[0].waits;
        assert_eq!(left, Waits { jobs: 1, oldest: 5 * SECOND });
        counts.leave(&"a".into(), &"c".into(), Priority::Normal, now + 5 * SECOND);
        assert!(counts.tenants.is_empty());
    }

    #[test]
    fn a_job_from_before_the_start_is_as_old_as_it_is() {
        let (mut counts, now) = counts(&[]);
        if let Some(before) = now.checked_sub(SECOND) {
            counts.enter(&"a".into(), &"c".into(), Priority::Low, before);
            assert_eq!(counts.survey(None, 1, now + SECOND).groups[0].waits.oldest, 2 * SECOND);
        }
    }

    #[test]
    fn a_group_takes_as_much_as_it_is_old_and_not_as_it_is_long() {
        let (mut counts, now) = counts(&[]);
        let (tenant, language) = ("a".into(), "c".into());
        for n in 0..100_000 {
            counts.enter(&tenant, &language, Priority::Normal, now + SECOND * n / 10_000);
        }
        let ages = &counts.tenants["a"][&(language, Priority::Normal)];
        assert_eq!((ages.jobs, ages.ticks.len()), (100_000, 100));
    }
}
