//! In which idle sandboxes a forerunner waits, and when it is started. Pure.
//!
//! Only while a core is idle and nobody waits for a sandbox, one after the other; first in those whose binding is known
//! to come again, then in those that were used or made last. It pays where the next job comes after it is ready: for
//! who comes more often than that, nothing is begun, nor for anybody while claims of the image do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::words::Action;
use super::{Entry, Phase, Plan};

/// How long a sandbox is idle before one is started in it.
const QUIET: Duration = Duration::from_millis(100);
/// Who is expected within so many seconds comes before it is ready, or soon after.
const GAP_MIN: f64 = 1.0;
/// How long a sandbox of such a one is idle before it is believed that they have gone.
const QUIET_OF_FREQUENT: Duration = Duration::from_secs(2);
/// From one start until the next: for so long it counts as using its core.
const PAUSE: Duration = Duration::from_millis(500);
/// How long one takes to be ready, generously; until then its sandbox is the last that a claim gets.
const START: Duration = Duration::from_secs(1);
/// How long one waits at least before it ends for another sandbox that was used since.
const HELD_MIN: Duration = Duration::from_secs(30);
/// Least pause until the next look.
const TICK_MIN: Duration = Duration::from_millis(10);

/// Which images have one, and how many may wait.
#[derive(Clone, Debug, Default)]
pub struct Forerunners {
    /// Names of images.
    pub images: BTreeSet<String>,
    /// In all sandboxes together.
    pub max: usize,
    last: Option<Duration>,
    /// The last claim of each image.
    claims: BTreeMap<String, Duration>,
}

impl Plan {
    /// The same pool with so many forerunners, in sandboxes of these images.
    #[must_use]
    pub fn with_forerunners(mut self, images: BTreeSet<String>, max: usize) -> Self {
        self.forerunners = Forerunners { images, max, ..Forerunners::default() };
        self
    }

    /// Notes a claim of this image.
    pub(super) fn claimed(&mut self, now: Duration, image: &str) {
        if self.forerunners.images.contains(image) {
            self.forerunners.claims.insert(image.to_owned(), now);
        }
    }

    /// Where in the row of sandboxes that a claim could have one stands by its forerunner.
    pub(super) fn standing(&self, entry: &Entry) -> u8 {
        match entry.ahead_since {
            Some(since) if since + START <= self.now => 0,
            None => 1,
            Some(_) => 2,
        }
    }

    /// Starts one, where that is due.
    pub(super) fn send_ahead(&mut self, now: Duration, actions: &mut Vec<Action>) {
        if self.ahead_due().is_none_or(|due| now < due) {
            return;
        }
        let due = self.without().filter(|(_, entry)| self.due(entry) <= now);
        let Some(number) = due.max_by_key(|(_, entry)| rank(entry)).map(|(number, _)| number) else { return };
        let oldest = self.oldest().filter(|_| self.is_full()).map(|(number, _)| number);
        if let Some(entry) = oldest.and_then(|oldest| self.sandboxes.get_mut(&oldest)) {
            entry.ahead_since = None;
        }
        actions.extend(oldest.map(Action::Recall));
        if let Some(entry) = self.sandboxes.get_mut(&number) {
            entry.ahead_since = Some(now);
            actions.push(Action::SendAhead(number, entry.image.clone()));
        }
        self.forerunners.last = Some(now);
    }

    /// When the next is started, as far as that is known now: a job that ends is looked at then.
    pub(super) fn ahead_due(&self) -> Option<Duration> {
        if self.forerunners.max == 0 || self.idle_cores() == 0 || !self.waiting.is_empty() {
            return None;
        }
        let first = self.without().map(|(_, entry)| self.due(entry)).min()?;
        let place = if self.is_full() {
            self.oldest().map(|(_, entry)| entry.ahead_since.unwrap_or_default().max(entry.since) + HELD_MIN)
        } else {
            None
        };
        let turn = self.forerunners.last.map(|last| last + PAUSE);
        [Some(first), place, turn].into_iter().flatten().max()
    }

    /// The same for who waits until then.
    pub(super) fn ahead_tick(&self) -> Option<Duration> {
        self.ahead_due().map(|due| due.max(self.now + TICK_MIN))
    }

    fn is_full(&self) -> bool {
        self.with().count() >= self.forerunners.max
    }

    fn with(&self) -> impl Iterator<Item = (u64, &Entry)> {
        let idle = self.sandboxes.iter().filter(|(_, entry)| entry.phase == Phase::Idle);
        idle.filter(|(_, entry)| entry.ahead_since.is_some()).map(|(number, entry)| (*number, entry))
    }

    /// The one that is least likely to be used.
    fn oldest(&self) -> Option<(u64, &Entry)> {
        self.with().min_by_key(|(number, entry)| (rank(entry), *number))
    }

    /// Idle sandboxes in which one could be started: where as many wait as may, those that are likelier to use it.
    fn without(&self) -> impl Iterator<Item = (u64, &Entry)> {
        let after = self.oldest().filter(|_| self.is_full()).map(|(_, entry)| rank(entry));
        let idle = self.sandboxes.iter().filter(|(_, entry)| entry.phase == Phase::Idle && entry.ahead_since.is_none());
        let of_images = idle.filter(|(_, entry)| self.forerunners.images.contains(&entry.image.name));
        let newer = of_images.filter(move |(_, entry)| after.is_none_or(|after| rank(entry) > after));
        newer.map(|(number, entry)| (*number, entry))
    }

    fn due(&self, entry: &Entry) -> Duration {
        match entry.gap {
            Some(gap) if gap < GAP_MIN => entry.since + QUIET_OF_FREQUENT,
            Some(_) => entry.since + QUIET,
            // Whose the next claim is nobody knows, but how long none came.
            None => {
                let last = self.forerunners.claims.get(&entry.image.name);
                (entry.since + QUIET).max(last.map_or(Duration::ZERO, |last| *last + START))
            }
        }
    }
}

/// How likely it is used soon.
fn rank(entry: &Entry) -> (bool, Duration) {
    (entry.gap.is_some(), entry.since)
}

#[cfg(test)]
mod tests {
    use enclos_protocol::job::Reuse;

    use super::super::super::words::{After, Bounds, Input, Ticket};
    use super::super::tests::{BOUNDS, claim, image, s};
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn plan(max: usize, bounds: Bounds) -> Plan {
        Plan::new(bounds).with_forerunners(["java".to_owned()].into(), max)
    }

    /// A job of `tenant` from `at` on, in sandbox `number` that is idle or is opened for it.
    fn job(plan: &mut Plan, at: Duration, number: u64, tenant: &str) {
        let _ = plan.apply(at, claim(number, "java", tenant, Reuse::Tenant));
        if plan.sandboxes.get(&number).is_some_and(|entry| entry.phase == Phase::Starting) {
            let _ = plan.apply(at, Input::Opened(number));
        }
        assert_eq!(plan.sandboxes[&number].phase, Phase::Busy { single_use: false });
        let _ = plan.apply(at + MS, Input::Returned(number, After::Clean));
    }

    #[test]
    fn one_is_started_in_a_sandbox_that_is_quiet_and_gone_with_its_next_job() {
        let mut plan = plan(1, BOUNDS);
        job(&mut plan, s(0), 1, "a");
        let due = plan.next_tick().unwrap();
        assert_eq!(due, START, "as long as none came");
        assert_eq!(plan.apply(due - MS, Input::Tick), []);
        assert_eq!(plan.apply(due, Input::Tick), [Action::SendAhead(1, image("java"))]);
        assert_eq!(plan.apply(due + s(2), Input::Tick), [], "one is enough");
        let actions = plan.apply(s(4), claim(2, "java", "a", Reuse::Tenant));
        assert_eq!(actions, [Action::Assign(1, Ticket(2))]);
        let _ = plan.apply(s(5), Input::Returned(1, After::Clean));
        assert_eq!(plan.apply(s(5) + QUIET, Input::Tick), [Action::SendAhead(1, image("java"))]);
    }

    #[test]
    fn none_is_started_where_there_is_none_or_against_a_job_or_a_claim() {
        let mut other = plan(1, BOUNDS);
        let _ = other.apply(s(0), Input::Stock { image: image("py"), target: 1 });
        let _ = other.apply(s(1), Input::Opened(1));
        assert_eq!(other.apply(s(9), Input::Tick), []);
        let mut busy = plan(1, Bounds { cores: 1, ..BOUNDS });
        job(&mut busy, s(0), 1, "a");
        let _ = busy.apply(s(0) + 2 * MS, claim(7, "py", "b", Reuse::Tenant));
        let _ = busy.apply(s(0) + 3 * MS, Input::Opened(2));
        assert_eq!(busy.apply(s(3), Input::Tick), [], "the core has a job");
        assert_eq!(busy.apply(s(4), Input::Returned(2, After::Clean)), [Action::SendAhead(1, image("java"))]);
    }

    #[test]
    fn for_who_comes_all_the_time_none_is_started_until_they_stay_away() {
        let mut plan = plan(1, BOUNDS);
        for n in 0..4 {
            job(&mut plan, 200 * MS * n, 1, "a");
        }
        let last = 601 * MS;
        assert_eq!(plan.apply(last + QUIET, Input::Tick), []);
        assert_eq!(plan.apply(last + QUIET_OF_FREQUENT, Input::Tick), [Action::SendAhead(1, image("java"))]);
    }

    #[test]
    fn no_more_wait_than_may_and_those_that_were_used_last() {
        let mut plan = plan(1, BOUNDS);
        job(&mut plan, s(0), 1, "a");
        assert_eq!(plan.apply(s(1), Input::Tick), [Action::SendAhead(1, image("java"))]);
        job(&mut plan, s(5), 2, "b");
        assert_eq!(plan.apply(s(6), Input::Tick), []);
        let moved = [Action::Recall(1), Action::SendAhead(2, image("java"))];
        assert_eq!(plan.apply(s(1) + HELD_MIN - MS, Input::Tick), []);
        assert_eq!(plan.apply(s(1) + HELD_MIN, Input::Tick), moved, "nobody came for so long");
        assert_eq!(plan.apply(s(50), Input::Tick), [], "and it is not taken back");
    }

    #[test]
    fn who_is_known_to_come_again_goes_before_who_may_come() {
        let mut plan = plan(1, BOUNDS);
        job(&mut plan, s(0), 1, "a");
        job(&mut plan, s(3), 1, "a");
        let _ = plan.apply(s(3) + 2 * MS, Input::Stock { image: image("java"), target: 1 });
        let _ = plan.apply(s(3) + 3 * MS, Input::Opened(2));
        assert_eq!(plan.apply(s(4), Input::Tick), [Action::SendAhead(1, image("java"))]);
        assert_eq!(plan.apply(s(50), Input::Tick), [], "nor is it taken back");
    }

    #[test]
    fn a_claim_gets_the_sandbox_in_which_one_waits() {
        let mut plan = plan(1, BOUNDS);
        let _ = plan.apply(s(0), Input::Stock { image: image("java"), target: 2 });
        let _ = plan.apply(s(1), Input::Opened(1));
        let _ = plan.apply(s(1), Input::Opened(2));
        let sent = plan.apply(s(3), Input::Tick);
        assert_eq!(sent, [Action::SendAhead(2, image("java"))]);
        let actions = plan.apply(s(4), claim(1, "java", "a", Reuse::Never));
        assert_eq!(actions.first(), Some(&Action::Assign(2, Ticket(1))));
    }

    #[test]
    fn one_that_is_not_ready_is_avoided_and_none_begun_while_claims_of_its_image_come() {
        let mut plan = plan(1, BOUNDS);
        let _ = plan.apply(s(0), Input::Stock { image: image("java"), target: 2 });
        let _ = plan.apply(s(1), Input::Opened(1));
        let _ = plan.apply(s(1), Input::Opened(2));
        assert_eq!(plan.apply(s(3), Input::Tick), [Action::SendAhead(2, image("java"))]);
        let actions = plan.apply(s(3) + 100 * MS, claim(1, "java", "a", Reuse::Never));
        assert_eq!(actions.first(), Some(&Action::Assign(1, Ticket(1))));
        let mut plan = Plan::new(BOUNDS).with_forerunners(["java".to_owned()].into(), 1);
        let _ = plan.apply(s(0), Input::Stock { image: image("java"), target: 2 });
        for number in 1..=2 {
            let _ = plan.apply(MS, Input::Opened(number));
        }
        for n in 0..6u32 {
            let actions = plan.apply(300 * MS * n + 2 * MS, claim(u64::from(n), "java", "a", Reuse::Tenant));
            assert!(!actions.iter().any(|action| matches!(action, Action::SendAhead(..))), "{actions:?}");
            let number = u64::from(n % 2) + 1;
            let _ = plan.apply(300 * MS * n + 3 * MS, Input::Returned(number, After::Clean));
        }
    }
}
