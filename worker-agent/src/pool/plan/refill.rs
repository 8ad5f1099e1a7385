//! Which sandboxes are started, and when: for claims at once, for stock when a core is idle. Pure.
//!
//! A core counts as used while a job holds a sandbox, also one that sleeps: what jobs do is not seen here. So the stock
//! that an operator asked for has one start at a time whatever cores seem to do; demand's own waits.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::words::{Action, ImageKey};
use super::{Entry, Phase, Plan};

/// What the pool wants of one image, and why.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Wanted {
    /// Unbound sandboxes that wait.
    pub warm: usize,
    /// As many as there should be.
    pub wanted: usize,
    /// Claims that no idle sandbox of their binding could serve, per second, as of late.
    pub fresh_rate: f64,
}

/// For so long a removal counts as work, and as a place on its way: one that hangs sleeps between its tries. An engine
/// under load takes seconds, and what is slow there must not have still more removed.
const LEAVING_MAX: Duration = Duration::from_secs(15);

impl Plan {
    /// Starts, for claims that wait, what is not on its way; the oldest claim first.
    pub(super) fn start_for_claims(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let mut coming: BTreeMap<ImageKey, usize> = BTreeMap::new();
        for entry in self.sandboxes.values().filter(|e| e.phase == Phase::Starting) {
            *coming.entry(entry.image.clone()).or_default() += 1;
        }
        let mut leaving = self.leaving();
        let images: Vec<ImageKey> = self.waiting.iter().map(|w| w.image.clone()).collect();
        for image in images {
            if let Some(left) = coming.get_mut(&image).filter(|left| **left > 0) {
                *left -= 1;
            } else if self.starting() >= self.starting_limit() {
                return;
            } else if self.has_place() {
                self.open(now, image, actions);
            } else if leaving > 0 {
                leaving -= 1;
            } else if self.starting() + self.leaving() >= self.starting_limit() {
                // Its start could not follow.
                return;
            } else if !self.evict(now, &image, None, actions) {
                return;
            }
        }
    }

    /// Keeps unbound ones ready, while a core is idle: those that save most first. A start for a claim goes
    /// before one for stock; what an operator asked for has one start in any case.
    pub(super) fn restock(&mut self, now: Duration, actions: &mut Vec<Action>) {
        if self.waiting.iter().any(|w| !self.is_resting(now, &w.image)) {
            return;
        }
        while self.starting() < self.bounds.starting_max
            && let Some((worth, image)) = self.most_missed(now)
        {
            let is_asked = worth.is_infinite();
            if self.idle_cores() == 0 && !(is_asked && self.starting() == 0) {
                return;
            }
            let has_room = is_asked || self.more_than_asked(&self.ready()) < self.bounds.stock_max;
            if has_room && self.has_place() {
                self.open(now, image, actions);
                continue;
            }
            if self.leaving() == 0 && has_room {
                self.evict(now, &image, Some(worth), actions);
            } else if self.leaving() == 0 {
                self.exchange(now, &image, worth, actions);
            }
            return;
        }
    }

    /// The image of which another unbound sandbox saves most, and how much; of equal ones the first by name.
    fn most_missed(&self, now: Duration) -> Option<(f64, ImageKey)> {
        let mut most: Option<(f64, &ImageKey)> = None;
        let ready = self.ready();
        for image in self.stocked() {
            let ready = ready.get(image).copied().unwrap_or(0);
            if ready < self.wanted(now, image) && !self.is_resting(now, image) {
                let worth = self.worth(now, image, ready);
                if most.is_none_or(|(most, _)| worth > most) {
                    most = Some((worth, image));
                }
            }
        }
        most.map(|(worth, image)| (worth, image.clone()))
    }

    /// Images of which unbound sandboxes may be kept, each once.
    fn stocked(&self) -> impl Iterator<Item = &ImageKey> {
        let asked = self.stock.values().map(|(image, _)| image);
        asked.chain(self.demands.images().filter(|image| !self.stock.contains_key(&image.name)))
    }

    /// As many unbound ones of the image as an operator asked for.
    fn asked(&self, image: &ImageKey) -> usize {
        self.stock.get(&image.name).filter(|(current, _)| current == image).map_or(0, |(_, target)| *target)
    }

    /// As many as there should be.
    pub(super) fn wanted(&self, now: Duration, image: &ImageKey) -> usize {
        let asked = self.asked(image);
        asked.max(self.demands.wanted(now, image).min(asked + self.bounds.stock_max))
    }

    /// Unbound ones that wait or are on their way.
    fn ready(&self) -> BTreeMap<&ImageKey, usize> {
        let mut ready = BTreeMap::new();
        for entry in self.sandboxes.values().filter(|e| e.is_ready()) {
            *ready.entry(&entry.image).or_default() += 1;
        }
        ready
    }

    /// Of `ready`, those that only demand asked for.
    fn more_than_asked(&self, ready: &BTreeMap<&ImageKey, usize>) -> usize {
        ready.iter().map(|(image, count)| count.saturating_sub(self.asked(image))).sum()
    }

    /// Images of which there are more unbound ones than an operator asked for.
    pub(super) fn beyond_asked(&self) -> impl Iterator<Item = &ImageKey> {
        self.ready().into_iter().filter(|(image, count)| *count > self.asked(image)).map(|(image, _)| image)
    }

    pub(super) fn has_more_than_asked(&self) -> bool {
        self.beyond_asked().next().is_some()
    }

    /// What the unbound sandbox with so many others before it saves.
    fn worth(&self, now: Duration, image: &ImageKey, others: usize) -> f64 {
        // An operator's word is not weighed.
        if others < self.asked(image) { f64::INFINITY } else { self.demands.worth(now, image, others) }
    }

    /// What the last of an image's unbound ones saves.
    pub(super) fn worth_of_last(&self, now: Duration, image: &ImageKey) -> f64 {
        let ready = self.count(|e| e.image == *image && e.is_ready());
        self.worth(now, image, ready.saturating_sub(1))
    }

    /// Starts another, where there is a place.
    fn open(&mut self, now: Duration, image: ImageKey, actions: &mut Vec<Action>) {
        let number = self.next_number;
        self.next_number += 1;
        self.sandboxes.insert(number, Entry::starting(image.clone(), now));
        actions.push(Action::Open(number, image));
    }

    pub(super) fn is_resting(&self, now: Duration, image: &ImageKey) -> bool {
        self.retry_at.get(image).is_some_and(|at| now < *at)
    }

    /// Closing ones still hold memory and a container, so a place is free only when they are gone.
    fn has_place(&self) -> bool {
        self.sandboxes.len() < self.bounds.sandboxes_max
    }

    /// Cores that have neither a job nor a start nor an end.
    pub(super) fn idle_cores(&self) -> usize {
        self.bounds.cores.saturating_sub(self.busy() + self.starting() + self.leaving())
    }

    /// Removals that are under way and do not hang, as of the last input.
    pub(super) fn leaving(&self) -> usize {
        self.count(|e| e.phase == Phase::Closing && self.now < e.since + LEAVING_MAX)
    }

    /// When the next removal is seen to hang.
    pub(super) fn next_hang(&self) -> Option<Duration> {
        let closing = self.sandboxes.values().filter(|e| e.phase == Phase::Closing);
        closing.map(|e| e.since + LEAVING_MAX).filter(|at| *at > self.now).min()
    }

    /// As many starts at once as there are cores without jobs, and one in any case.
    fn starting_limit(&self) -> usize {
        self.bounds.cores.saturating_sub(self.busy()).clamp(1, self.bounds.starting_max)
    }

    fn busy(&self) -> usize {
        self.count(|e| matches!(e.phase, Phase::Busy { .. }))
    }

    fn starting(&self) -> usize {
        self.count(|e| e.phase == Phase::Starting)
    }

    /// What is kept unbound, by name of image; at `now`.
    #[must_use]
    pub fn stock(&self, now: Duration) -> BTreeMap<String, Wanted> {
        let mut warm: BTreeMap<&ImageKey, usize> = BTreeMap::new();
        for entry in self.sandboxes.values().filter(|e| e.phase == Phase::Idle && e.binding.is_none()) {
            *warm.entry(&entry.image).or_default() += 1;
        }
        let of = |image: &ImageKey| Wanted {
            warm: warm.get(image).copied().unwrap_or(0),
            wanted: self.wanted(now, image),
            fresh_rate: self.demands.rate(now, image),
        };
        self.stocked().map(|image| (image.name.clone(), of(image))).collect()
    }
}
