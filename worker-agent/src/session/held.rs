//! The attempts that run here: who may end or feed each, and what was promised to it. Pure.

use std::collections::BTreeMap;

use enclos_images::Catalogue;
use enclos_protocol::agent_link::Capacity;
use enclos_protocol::ids::AttemptId;
use enclos_protocol::job::JobSpec;

use crate::live::{Feed, Received};
use crate::stop::{Cause, Stopper};

/// What a running job may use at most: the larger of its steps, which never run together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Promise {
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub pids: u32,
}

impl Promise {
    /// What `spec` asks for; a compile step counts only where the language has one.
    #[must_use]
    pub fn of(spec: &JobSpec, catalogue: &Catalogue) -> Self {
        let compiles = catalogue.by_id(&spec.language).is_some_and(|l| l.compile.is_some());
        let (run, compile) = (spec.run_limits, spec.compile_limits);
        Self {
            memory_bytes: run.memory_bytes.max(if compiles { compile.memory_bytes } else { 0 }),
            pids: run.pids.max(if compiles { compile.pids } else { 0 }),
        }
    }
}

/// Attempts that have not ended.
#[derive(Default, Debug)]
pub struct Held {
    running: BTreeMap<AttemptId, (Stopper, Feed, Promise)>,
}

impl Held {
    /// Whether one more job with this promise stays within what is offered.
    #[must_use]
    pub fn has_room(&self, promise: Promise, capacity: &Capacity) -> bool {
        let slots = u64::from(capacity.slots);
        let promised = self.promised();
        (self.running.len() as u64) < slots
            && promised.memory_bytes.saturating_add(promise.memory_bytes) <= capacity.memory_bytes
            && promised.pids.saturating_add(promise.pids) <= capacity.pids
    }

    /// Promises of all together.
    #[must_use]
    pub fn promised(&self) -> Promise {
        self.running.values().fold(Promise::default(), |sum, (_, _, one)| Promise {
            memory_bytes: sum.memory_bytes.saturating_add(one.memory_bytes),
            pids: sum.pids.saturating_add(one.pids),
        })
    }

    /// An attempt begins.
    pub fn begin(&mut self, attempt: AttemptId, stopper: Stopper, feed: Feed, promise: Promise) {
        self.running.insert(attempt, (stopper, feed, promise));
    }

    /// An attempt ended.
    pub fn end(&mut self, attempt: AttemptId) {
        self.running.remove(&attempt);
    }

    /// Asks an attempt to end.
    pub fn stop(&self, attempt: AttemptId, cause: Cause) {
        if let Some((stopper, _, _)) = self.running.get(&attempt) {
            stopper.stop(cause);
        }
    }

    /// Live standard input of an attempt; how much of it came. One that has ended takes none, and one
    /// whose input does not fit ends: over another connection the same would come again.
    pub fn stdin(&self, attempt: AttemptId, offset: u64, bytes: &[u8], last: bool) -> Option<Received> {
        let (stopper, feed, _) = self.running.get(&attempt)?;
        feed.stdin(offset, bytes, last).map_err(|_| stopper.stop(Cause::OutOfWindow)).ok()
    }

    /// Where an attempt's signals go, while it runs.
    #[must_use]
    pub fn feed(&self, attempt: AttemptId) -> Option<&Feed> {
        self.running.get(&attempt).map(|(_, feed, _)| feed)
    }

    /// Asks all to end.
    pub fn stop_all(&self, cause: Cause) {
        for (stopper, _, _) in self.running.values() {
            stopper.stop(cause);
        }
    }

    /// Whether this one runs.
    #[must_use]
    pub fn contains(&self, attempt: AttemptId) -> bool {
        self.running.contains_key(&attempt)
    }

    /// Which run.
    pub fn ids(&self) -> impl Iterator<Item = AttemptId> {
        self.running.keys().copied()
    }

    /// How many run.
    #[must_use]
    pub fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether none runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use enclos_protocol::ids::{FencingToken, JobId};

    use super::*;
    use crate::live;

    #[test]
    fn promises_never_pass_the_offer() {
        let capacity = Capacity { cpu_millis: 1, memory_bytes: 100, pids: 10, slots: 3 };
        let mut held = Held::default();
        let small = Promise { memory_bytes: 40, pids: 3 };
        for counter in 0..2 {
            assert!(held.has_room(small, &capacity));
            let token = FencingToken { epoch: 1, counter };
            held.begin(
                AttemptId { job: JobId::from_bytes([0; 16]), token },
                crate::stop::pair().0,
                live::pair().0,
                small,
            );
        }
        assert!(!held.has_room(small, &capacity), "memory");
        assert!(!held.has_room(Promise { memory_bytes: 1, pids: 5 }, &capacity), "pids");
        assert!(!held.has_room(Promise { memory_bytes: u64::MAX, pids: 0 }, &capacity), "no overflow");
        assert!(held.has_room(Promise { memory_bytes: 20, pids: 4 }, &capacity));
    }
}
