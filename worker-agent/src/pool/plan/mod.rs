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
//!
//! How many there are follows demand: `demand` says what another unbound one would save, `habits` when a binding
//! comes again, `keep` what is held for that and what goes, `refill` what is started and when; `ahead`, in which a
//! forerunner waits.

mod ahead;
mod demand;
mod habits;
mod keep;
mod refill;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use enclos_protocol::ids::Binding;
use enclos_protocol::job::Reuse;

use super::words::{Action, After, Bounds, ImageKey, Input, Reason, Ticket};
use ahead::Forerunners;
use demand::Demands;
pub use demand::HOLD_PRICE;
use habits::Habits;
pub use refill::Wanted;

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
    /// What lies between two uses of it, in seconds, as far as that is known.
    gap: Option<f64>,
    ahead_since: Option<Duration>,
}

impl Entry {
    fn starting(image: ImageKey, now: Duration) -> Self {
        let (phase, ahead_since) = (Phase::Starting, None);
        Self { image, binding: None, phase, jobs: 0, born: now, since: now, gap: None, ahead_since }
    }

    /// Unbound, and there for the next claim or on its way.
    fn is_ready(&self) -> bool {
        self.binding.is_none() && matches!(self.phase, Phase::Starting | Phase::Idle)
    }
}

#[derive(Clone, Debug)]
struct Waiting {
    ticket: Ticket,
    image: ImageKey,
    binding: Binding,
    reuse: Reuse,
    gap: Option<f64>,
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
    demands: Demands,
    habits: Habits,
    forerunners: Forerunners,
    /// Of the last input.
    now: Duration,
    ending: bool,
}

impl Plan {
    /// An empty pool.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            next_number: bounds.first_number,
            habits: Habits::new(bounds.bindings_max),
            forerunners: Forerunners::default(),
            sandboxes: BTreeMap::new(),
            waiting: VecDeque::new(),
            stock: BTreeMap::new(),
            retry_at: BTreeMap::new(),
            demands: Demands::new(&bounds),
            bounds,
            now: Duration::ZERO,
            ending: false,
        }
    }

    /// Takes `input` at `now`; gives what is to be done, in order.
    #[must_use]
    pub fn apply(&mut self, now: Duration, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        self.now = now;
        self.retry_at.retain(|_, at| now < *at);
        match input {
            Input::Claim { ticket, .. } if self.ending => actions.push(Action::Refuse(ticket)),
            Input::Claim { ticket, image, binding, reuse } => {
                self.claimed(now, &image.name);
                // Nothing is kept for who comes once.
                let gap = (reuse == Reuse::Tenant)
                    .then(|| self.habits.came(now, &image, &binding, self.gap_max(&image)))
                    .flatten();
                let waiting = Waiting { ticket, image, binding, reuse, gap };
                // What is installed for one binding would wait for it alone, and hold its image.
                if self.bound_to(&waiting).is_none() && !waiting.image.is_derived() {
                    self.demands.came(now, &waiting.image);
                }
                self.waiting.push_back(waiting);
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
                    self.close(now, number, Reason::Lost, &mut actions);
                }
            }
            Input::Closed(number) => {
                if let Some(entry) = self.sandboxes.remove(&number) {
                    self.demands.stopped(now.saturating_sub(entry.since));
                }
            }
            Input::Tick => {}
            Input::Shutdown => {
                self.ending = true;
                actions.extend(self.waiting.drain(..).map(|w| Action::Refuse(w.ticket)));
            }
        }
        self.retire(now, &mut actions);
        if !self.ending {
            self.serve(now, &mut actions);
            self.start_for_claims(now, &mut actions);
            self.trim(now, &mut actions);
            self.restock(now, &mut actions);
            self.send_ahead(now, &mut actions);
        }
        actions
    }

    fn opened(&mut self, now: Duration, number: u64, actions: &mut Vec<Action>) {
        let Some(entry) = self.sandboxes.get_mut(&number) else { return };
        entry.phase = Phase::Idle;
        entry.since = now;
        self.demands.started(&entry.image, now.saturating_sub(entry.born));
        self.retry_at.remove(&entry.image);
        if self.ending {
            self.close(now, number, Reason::Shutdown, actions);
        }
    }

    fn open_failed(&mut self, now: Duration, number: u64, actions: &mut Vec<Action>) {
        let Some(entry) = self.sandboxes.get_mut(&number) else { return };
        // Its remains are destroyed like a sandbox that was: it counts until it is gone.
        entry.phase = Phase::Closing;
        entry.since = now;
        let image = entry.image.clone();
        self.retry_at.insert(image.clone(), now + self.bounds.retry_after);
        self.demands.failed(&image);
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
            self.close(now, number, reason, actions);
        }
    }

    fn close(&mut self, now: Duration, number: u64, reason: Reason, actions: &mut Vec<Action>) {
        if let Some(entry) = self.sandboxes.get_mut(&number) {
            entry.phase = Phase::Closing;
            entry.since = now;
            actions.push(Action::Close(number, reason));
        }
    }

    /// Gives idle sandboxes to claims, oldest claim first.
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
    }

    /// The sandbox for a claim: one of its binding, else an unbound one, where a forerunner waits before others.
    fn fitting(&self, waiting: &Waiting) -> Option<u64> {
        let unbound = || self.idle_of(waiting).filter(|(_, e)| e.binding.is_none());
        let unbound = || unbound().min_by_key(|(n, e)| (self.standing(e), *n)).map(|(n, _)| n);
        self.bound_to(waiting).or_else(unbound)
    }

    /// The idle sandbox of a claim's binding that was used last: its pages are warm.
    fn bound_to(&self, waiting: &Waiting) -> Option<u64> {
        let bound = self.idle_of(waiting).filter(|(_, e)| e.binding.as_ref() == Some(&waiting.binding));
        let last = bound.max_by_key(|(_, e)| e.since).map(|(n, _)| n);
        last.filter(|_| waiting.reuse == Reuse::Tenant)
    }

    fn idle_of<'a>(&'a self, waiting: &'a Waiting) -> impl Iterator<Item = (u64, &'a Entry)> {
        let idle = self.sandboxes.iter().filter(|(_, e)| e.phase == Phase::Idle && e.image == waiting.image);
        idle.map(|(number, entry)| (*number, entry))
    }

    fn assign(&mut self, now: Duration, number: u64, waiting: &Waiting, actions: &mut Vec<Action>) {
        // Of those of one binding the last used goes first: this one is used when so many are at once.
        let is_beside = |e: &Entry| {
            e.image == waiting.image
                && e.binding.as_ref() == Some(&waiting.binding)
                && matches!(e.phase, Phase::Busy { .. })
        };
        let rank = waiting.gap.map_or(1, |_| 1 + self.count(is_beside));
        let entry = self.sandboxes.get_mut(&number).expect("a fitting sandbox is in the plan");
        entry.binding = Some(waiting.binding.clone());
        entry.jobs += 1;
        entry.since = now;
        entry.ahead_since = None;
        entry.gap = waiting.gap.map(|gap| gap * rank as f64);
        entry.phase = Phase::Busy { single_use: waiting.reuse == Reuse::Never };
        actions.push(Action::Assign(number, waiting.ticket));
    }

    fn count(&self, which: impl Fn(&Entry) -> bool) -> usize {
        self.sandboxes.values().filter(|e| which(e)).count()
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
mod adaptive_tests;
#[cfg(test)]
mod bounded_tests;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
