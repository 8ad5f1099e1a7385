//! Which idle sandboxes stay, and which go when others need their places. Pure.
//!
//! A place is held for what it is expected to save: of a bound sandbox, what it saves its binding at each claim
//! over the time until the next, which is never believed to be nearer than the last is away; of an unbound one,
//! what `demand` says, and of one that an operator asked for more than of any. What saves less than a place costs goes when a core is idle; what saves least goes first
//! when somebody needs its place. What nobody may wait for any longer goes though no core is idle, one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::words::{Action, ImageKey, Reason};
use super::demand::HOLD_PRICE;
use super::{Entry, Phase, Plan};

/// How long an unbound sandbox that is one too many waits for a claim all the same. Claims take the oldest, so
/// one that waits for so long was not needed; what is expected moves up and down by one meanwhile.
const SURPLUS_IDLE_MIN: Duration = Duration::from_secs(60);
/// After which time who came once is expected at the earliest.
const FIRST_GAP: Duration = Duration::from_secs(30);
/// How long a sandbox of an image with installed packages waits at most: the image cannot be removed meanwhile.
const DERIVED_IDLE_MAX: Duration = Duration::from_secs(60);
/// How often unbound sandboxes that only demand asked for are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// Least pause until the next look.
const TICK_MIN: Duration = Duration::from_secs(1);
/// A place is taken from a sandbox only for what is worth this many times as much: the change costs a start.
const CHANGE_GAIN: f64 = 2.0;
/// A pause counts as no longer than so many times the one after which a sandbox would not be held.
const GAP_MAX: f64 = 2.0;

impl Plan {
    /// Seconds of waiting and creation that are saved when an idle bound sandbox is used again, as far as that is
    /// to be expected.
    fn expected_of(&self, entry: &Entry) -> f64 {
        let likely = if entry.gap.is_some() { 1.0 } else { self.habits.returns() };
        likely * self.demands.saved_by_bound(&entry.image)
    }

    /// The same for each second that it is held.
    fn worth_of_bound(&self, now: Duration, entry: &Entry) -> f64 {
        let silent = now.saturating_sub(entry.since).as_secs_f64();
        self.expected_of(entry) / entry.gap.unwrap_or(FIRST_GAP.as_secs_f64()).max(silent)
    }

    /// Longest pause between two claims that is reckoned with, in seconds.
    pub(super) fn gap_max(&self, image: &ImageKey) -> f64 {
        GAP_MAX * self.demands.saved_by_bound(image) / HOLD_PRICE
    }

    /// How long a bound sandbox waits at most, whatever it is worth.
    fn patience_max(&self, entry: &Entry) -> Duration {
        if entry.image.is_derived() { DERIVED_IDLE_MAX } else { self.bounds.bound_idle_max }
    }

    /// How long a bound sandbox waits for its binding; nothing at all where the next claim is too far away.
    fn patience(&self, entry: &Entry) -> Duration {
        let held = self.expected_of(entry) / HOLD_PRICE;
        let pays = entry.gap.is_none_or(|gap| gap <= held);
        if pays { Duration::from_secs_f64(held).min(self.patience_max(entry)) } else { Duration::ZERO }
    }

    /// Closes idle ones that may serve nobody any more.
    pub(super) fn retire(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let over = |entry: &Entry| {
            if entry.phase != Phase::Idle {
                None
            } else if self.ending {
                Some(Reason::Shutdown)
            } else if now >= entry.born + self.bounds.age_max {
                Some(Reason::AgeMax)
            } else {
                (entry.binding.is_none() && self.is_stale(&entry.image)).then_some(Reason::Idle)
            }
        };
        let due: Vec<_> = self.sandboxes.iter().filter_map(|(n, e)| over(e).map(|r| (*n, r))).collect();
        for (number, reason) in due {
            self.close(now, number, reason, actions);
        }
    }

    /// Closes idle ones that are not worth their places, no more at once than cores are idle; and one after the
    /// other, whatever cores do, those that waited for as long as one may.
    pub(super) fn trim(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let idle = self.idle_cores();
        if idle == 0 && self.leaving() > 0 {
            return;
        }
        let bound = self.sandboxes.iter().filter(|(_, e)| e.phase == Phase::Idle && e.binding.is_some());
        let is_over = |e: &Entry| now >= e.since + if idle > 0 { self.patience(e) } else { self.patience_max(e) };
        let tired = bound.filter(|(_, e)| is_over(e)).map(|(number, _)| *number);
        let surplus = if idle > 0 { self.surplus(now) } else { BTreeMap::new() };
        let unused = surplus.iter().filter(|(_, since)| now >= **since + SURPLUS_IDLE_MIN).map(|(number, _)| *number);
        for number in tired.chain(unused).take(idle.max(1)).collect::<Vec<_>>() {
            self.close(now, number, Reason::Idle, actions);
        }
    }

    /// An older content of an image that is stocked by now.
    fn is_stale(&self, image: &ImageKey) -> bool {
        self.stock.get(&image.name).is_some_and(|(current, _)| current != image)
            && !self.waiting.iter().any(|w| w.image == *image)
    }

    /// Unbound idle ones beyond what their image wants, those that wait longest.
    fn surplus(&self, now: Duration) -> BTreeMap<u64, Duration> {
        let mut unbound: BTreeMap<&ImageKey, Vec<(Duration, u64)>> = BTreeMap::new();
        for (number, entry) in self.sandboxes.iter().filter(|(_, e)| e.phase == Phase::Idle && e.binding.is_none()) {
            unbound.entry(&entry.image).or_default().push((entry.since, *number));
        }
        let beyond = unbound.into_iter().flat_map(|(image, mut all)| {
            all.sort_unstable();
            let count = all.len().saturating_sub(self.wanted(now, image));
            all.into_iter().take(count)
        });
        beyond.map(|(since, number)| (number, since)).collect()
    }

    /// Closes the idle sandbox that saves least to make room for `image`, for a claim or, where `worth` is said,
    /// for stock that saves so much. `true` when one was closed.
    pub(super) fn evict(
        &mut self,
        now: Duration,
        image: &ImageKey,
        worth: Option<f64>,
        actions: &mut Vec<Action>,
    ) -> bool {
        let mut last_of: BTreeMap<&ImageKey, f64> = BTreeMap::new();
        let mut least: Option<(f64, Duration, u64)> = None;
        for (number, entry) in self.sandboxes.iter().filter(|(_, e)| e.phase == Phase::Idle) {
            let saves = match &entry.binding {
                Some(_) => self.worth_of_bound(now, entry),
                None if entry.image == *image => continue,
                None => *last_of.entry(&entry.image).or_insert_with(|| self.worth_of_last(now, &entry.image)),
            };
            let is_less = least.is_none_or(|(least, since, _)| (saves, entry.since) < (least, since));
            if is_less {
                least = Some((saves, entry.since, *number));
            }
        }
        let enough = worth.map_or(f64::INFINITY, |worth| worth / CHANGE_GAIN);
        match least {
            Some((saves, _, number)) if worth.is_none() || saves < enough => {
                self.close(now, number, Reason::Evicted, actions);
                true
            }
            _ => false,
        }
    }

    /// Closes the unbound sandbox of demand that saves least, for one of `image` that saves `worth`: all together
    /// there are as many as may be.
    pub(super) fn exchange(&mut self, now: Duration, image: &ImageKey, worth: f64, actions: &mut Vec<Action>) {
        let images: BTreeSet<&ImageKey> = self.beyond_asked().filter(|other| *other != image).collect();
        let lasts = images.into_iter().map(|other| (self.worth_of_last(now, other), other));
        let idle_of = |other: &ImageKey| {
            let unbound = |e: &Entry| e.phase == Phase::Idle && e.binding.is_none() && e.image == *other;
            self.sandboxes.iter().find(|(_, e)| unbound(e)).map(|(number, _)| *number)
        };
        let idle = lasts.filter_map(|(saves, other)| idle_of(other).map(|number| (saves, number)));
        if let Some((saves, number)) = idle.min_by(|a, b| a.0.total_cmp(&b.0))
            && saves < worth / CHANGE_GAIN
        {
            self.close(now, number, Reason::Evicted, actions);
        }
    }

    /// When [`Input::Tick`](super::Input::Tick) is due next.
    #[must_use]
    pub fn next_tick(&self) -> Option<Duration> {
        let waits = self.idle_cores() == 0;
        let surplus = self.surplus(self.now);
        let ends = self.sandboxes.iter().filter(|(_, e)| e.phase == Phase::Idle).map(|(number, e)| {
            let age = e.born + self.bounds.age_max;
            // What waits for an idle core is looked at when a job ends.
            let idle = match e.binding {
                Some(_) if waits => Some(e.since + self.patience_max(e)),
                None if waits => None,
                Some(_) => Some(e.since + self.patience(e)),
                None => surplus.get(number).map(|since| *since + SURPLUS_IDLE_MIN),
            };
            idle.map_or(age, |idle| age.min(idle))
        });
        let more = self.has_more_than_asked().then(|| self.now + LOOK_AGAIN);
        // Whoever waits for a place finds another when a removal hangs.
        let hang = (!self.waiting.is_empty()).then(|| self.next_hang()).flatten();
        let next = ends.chain(self.retry_at.values().copied()).chain(more).chain(hang).min();
        let next = next.map(|next| next.max(self.now + TICK_MIN));
        next.into_iter().chain(self.ahead_tick()).min()
    }
}
