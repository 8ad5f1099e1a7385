//! Which sandboxes there are, for whom, and when they go: state + input + now → actions. Pure.
//!
//! ```text
//!            Open            opened             Assign
//!  (nothing) ────▶ starting ───────▶ idle ─────────────────▶ busy
//!                      │              │ ▲  unbound, or bound   │
//!                      │ failed       │ └──── came back clean ─┤
//!                      ▼              ▼ Close                  │ used up, not clean, broken
//!                  (nothing) ◀──── closing ◀───────────────────┘
//! ```
//!
//! A sandbox is bound for life by its first assignment. Time is the duration
//! since the agent's start, so that tests and simulations need no clock.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use enclos_protocol::ids::Binding;
use enclos_protocol::job::Reuse;

use super::words::{Action, After, Bounds, ImageKey, Input, Reason, Ticket};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Starting,
    Idle,
    Busy { single_use: bool },
    Closing,
}

#[derive(Clone, Debug)]
struct Entry {
    image: ImageKey,
    binding: Option<Binding>,
    phase: Phase,
    jobs: u32,
    born: Duration,
    since: Duration,
}

#[derive(Clone, Debug)]
struct Waiting {
    ticket: Ticket,
    image: ImageKey,
    binding: Binding,
    reuse: Reuse,
}

/// The state of the pool.
#[derive(Clone, Debug)]
pub struct Plan {
    bounds: Bounds,
    next_number: u64,
    sandboxes: BTreeMap<u64, Entry>,
    waiting: VecDeque<Waiting>,
    stock: BTreeMap<String, (ImageKey, usize)>,
    retry_at: BTreeMap<ImageKey, Duration>,
    ending: bool,
}

impl Plan {
    /// An empty pool.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            next_number: bounds.first_number,
            bounds,
            sandboxes: BTreeMap::new(),
            waiting: VecDeque::new(),
            stock: BTreeMap::new(),
            retry_at: BTreeMap::new(),
            ending: false,
        }
    }

    /// Takes `input` at `now`; gives what is to be done, in order.
    #[must_use]
    pub fn apply(&mut self, now: Duration, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        match input {
            Input::Claim { ticket, .. } if self.ending => actions.push(Action::Refuse(ticket)),
            Input::Claim { ticket, image, binding, reuse } => {
                self.waiting.push_back(Waiting { ticket, image, binding, reuse });
            }
            Input::Withdraw(ticket) => self.waiting.retain(|w| w.ticket != ticket),
            Input::Stock { image, target } => {
                self.stock.insert(image.name.clone(), (image, target));
            }
            Input::Opened(number) => self.opened(now, number, &mut actions),
            Input::OpenFailed(number) => self.open_failed(now, number, &mut actions),
            Input::Returned(number, after) => self.returned(now, number, after, &mut actions),
            Input::Lost(number) => {
                if self.sandboxes.get(&number).is_some_and(|e| e.phase == Phase::Idle) {
                    self.close(number, Reason::Lost, &mut actions);
                }
            }
            Input::Closed(number) => {
                self.sandboxes.remove(&number);
            }
            Input::Tick => {}
            Input::Shutdown => {
                self.ending = true;
                actions.extend(self.waiting.drain(..).map(|w| Action::Refuse(w.ticket)));
            }
        }
        self.expire(now, &mut actions);
        if !self.ending {
            self.serve(now, &mut actions);
            self.restock(now, &mut actions);
        }
        actions
    }

    fn opened(&mut self, now: Duration, number: u64, actions: &mut Vec<Action>) {
        let Some(entry) = self.sandboxes.get_mut(&number) else { return };
        entry.phase = Phase::Idle;
        entry.since = now;
        self.retry_at.remove(&entry.image.clone());
        if self.ending {
            self.close(number, Reason::Shutdown, actions);
        }
    }

    fn open_failed(&mut self, now: Duration, number: u64, actions: &mut Vec<Action>) {
        let Some(entry) = self.sandboxes.get_mut(&number) else { return };
        // Its remains are destroyed like a sandbox that was: it counts until it is gone.
        entry.phase = Phase::Closing;
        let image = entry.image.clone();
        self.retry_at.insert(image.clone(), now + self.bounds.retry_after);
        // One failure answers one claim: the others may be luckier, and a broken image ends them one by one.
        if let Some(index) = self.waiting.iter().position(|w| w.image == image)
            && let Some(waiting) = self.waiting.remove(index)
        {
            actions.push(Action::Refuse(waiting.ticket));
        }
    }

    fn returned(&mut self, now: Duration, number: u64, after: After, actions: &mut Vec<Action>) {
        let Some(entry) = self.sandboxes.get_mut(&number) else { return };
        let Phase::Busy { single_use } = entry.phase else { return };
        entry.phase = Phase::Idle;
        entry.since = now;
        let reason = if after == After::Unfit {
            Some(Reason::Unfit)
        } else if single_use {
            Some(Reason::SingleUse)
        } else if entry.jobs >= self.bounds.jobs_max {
            Some(Reason::JobsMax)
        } else {
            None
        };
        if let Some(reason) = reason {
            self.close(number, reason, actions);
        }
    }

    fn close(&mut self, number: u64, reason: Reason, actions: &mut Vec<Action>) {
        if let Some(entry) = self.sandboxes.get_mut(&number) {
            entry.phase = Phase::Closing;
            actions.push(Action::Close(number, reason));
        }
    }

    /// Closes idle ones whose time is over.
    fn expire(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let over = |entry: &Entry| {
            if entry.phase != Phase::Idle {
                None
            } else if self.ending {
                Some(Reason::Shutdown)
            } else if now >= entry.born + self.bounds.age_max {
                Some(Reason::AgeMax)
            } else {
                let unwanted = match entry.binding {
                    Some(_) => now >= entry.since + self.bounds.bound_idle_max,
                    None => self.is_stale(&entry.image),
                };
                unwanted.then_some(Reason::Idle)
            }
        };
        let due: Vec<_> = self.sandboxes.iter().filter_map(|(n, e)| over(e).map(|r| (*n, r))).collect();
        for (number, reason) in due {
            self.close(number, reason, actions);
        }
    }

    /// An older content of an image that is stocked by now.
    fn is_stale(&self, image: &ImageKey) -> bool {
        self.stock.get(&image.name).is_some_and(|(current, _)| current != image)
            && !self.waiting.iter().any(|w| w.image == *image)
    }

    /// Gives idle sandboxes to claims, oldest claim first, and starts what is missing.
    fn serve(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let mut index = 0;
        while let Some(waiting) = self.waiting.get(index) {
            match self.fitting(waiting) {
                Some(number) => {
                    let waiting = self.waiting.remove(index).expect("the index was just read");
                    self.assign(now, number, &waiting, actions);
                }
                None => index += 1,
            }
        }
        let mut wanted: BTreeMap<ImageKey, usize> = BTreeMap::new();
        for waiting in &self.waiting {
            *wanted.entry(waiting.image.clone()).or_default() += 1;
        }
        for (image, count) in wanted {
            let missing = count.saturating_sub(self.count(|e| e.image == image && e.phase == Phase::Starting));
            for _ in 0..missing {
                if self.is_full() && !self.evict(&image, actions) {
                    break;
                }
                if !self.open(now, image.clone(), actions) {
                    break;
                }
            }
        }
    }

    /// The sandbox for a claim: one bound to the same binding and used last (its pages are warm), else an unbound one.
    fn fitting(&self, waiting: &Waiting) -> Option<u64> {
        let idle = || self.sandboxes.iter().filter(|(_, e)| e.phase == Phase::Idle && e.image == waiting.image);
        let bound =
            idle().filter(|(_, e)| waiting.reuse == Reuse::Tenant && e.binding.as_ref() == Some(&waiting.binding));
        let unbound = || idle().find(|(_, e)| e.binding.is_none());
        bound.max_by_key(|(_, e)| e.since).or_else(unbound).map(|(n, _)| *n)
    }

    fn assign(&mut self, now: Duration, number: u64, waiting: &Waiting, actions: &mut Vec<Action>) {
        let entry = self.sandboxes.get_mut(&number).expect("a fitting sandbox is in the plan");
        entry.binding = Some(waiting.binding.clone());
        entry.jobs += 1;
        entry.since = now;
        entry.phase = Phase::Busy { single_use: waiting.reuse == Reuse::Never };
        actions.push(Action::Assign(number, waiting.ticket));
    }

    /// Closes the idle sandbox that is missed least to make room for `image`: bound ones by how long
    /// they wait, then stock of other images. `true` when one was closed, or one is on its way out.
    fn evict(&mut self, image: &ImageKey, actions: &mut Vec<Action>) -> bool {
        let idle = self.sandboxes.iter().filter(|(_, e)| e.phase == Phase::Idle);
        let candidates = idle.filter(|(_, e)| e.binding.is_some() || e.image != *image);
        let least = candidates.min_by_key(|(_, e)| (e.binding.is_none(), e.since)).map(|(n, _)| *n);
        match least {
            Some(number) => {
                self.close(number, Reason::Evicted, actions);
                true
            }
            None => false,
        }
    }

    /// Keeps as many unbound ones ready as asked for, without taking anyone's place.
    fn restock(&mut self, now: Duration, actions: &mut Vec<Action>) {
        // A start for a claim goes before one for stock.
        if self.waiting.iter().any(|w| !self.is_resting(now, &w.image)) {
            return;
        }
        for (image, target) in self.stock.values().cloned().collect::<Vec<_>>() {
            if self.is_resting(now, &image) {
                continue;
            }
            let ready = self
                .count(|e| e.image == image && e.binding.is_none() && matches!(e.phase, Phase::Starting | Phase::Idle));
            for _ in ready..target {
                if self.is_full() || !self.open(now, image.clone(), actions) {
                    break;
                }
            }
        }
    }

    fn is_resting(&self, now: Duration, image: &ImageKey) -> bool {
        self.retry_at.get(image).is_some_and(|at| now < *at)
    }

    fn open(&mut self, now: Duration, image: ImageKey, actions: &mut Vec<Action>) -> bool {
        // Closing ones still hold memory and a container, so a place is free only when they are gone.
        if self.count(|e| e.phase == Phase::Starting) >= self.bounds.starting_max
            || self.sandboxes.len() >= self.bounds.sandboxes_max
        {
            return false;
        }
        let number = self.next_number;
        self.next_number += 1;
        let entry =
            Entry { image: image.clone(), binding: None, phase: Phase::Starting, jobs: 0, born: now, since: now };
        self.sandboxes.insert(number, entry);
        actions.push(Action::Open(number, image));
        true
    }

    /// No place, and none that is about to be free.
    fn is_full(&self) -> bool {
        self.count(|e| e.phase != Phase::Closing) >= self.bounds.sandboxes_max
    }

    fn count(&self, which: impl Fn(&Entry) -> bool) -> usize {
        self.sandboxes.values().filter(|e| which(e)).count()
    }

    /// When [`Input::Tick`] is due next.
    #[must_use]
    pub fn next_tick(&self) -> Option<Duration> {
        let idle = self.sandboxes.values().filter(|e| e.phase == Phase::Idle);
        let ends = idle.map(|e| {
            let age = e.born + self.bounds.age_max;
            if e.binding.is_some() { age.min(e.since + self.bounds.bound_idle_max) } else { age }
        });
        ends.chain(self.retry_at.values().copied()).min()
    }

    /// Forgets pauses that are over; [`Plan::next_tick`] would name them for ever.
    pub fn forget_pauses(&mut self, now: Duration) {
        self.retry_at.retain(|_, at| now < *at);
    }

    /// Sandboxes of any phase.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sandboxes.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sandboxes.is_empty()
    }

    /// Whether it has its first job.
    #[must_use]
    pub fn is_new(&self, number: u64) -> bool {
        self.sandboxes.get(&number).is_some_and(|entry| entry.jobs <= 1)
    }

    /// Unbound idle ones by name of image.
    #[must_use]
    pub fn warm(&self) -> BTreeMap<String, u32> {
        let mut warm = BTreeMap::new();
        for entry in self.sandboxes.values().filter(|e| e.phase == Phase::Idle && e.binding.is_none()) {
            *warm.entry(entry.image.name.clone()).or_default() += 1;
        }
        warm
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
