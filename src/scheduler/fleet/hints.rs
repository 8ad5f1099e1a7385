//! Who was last given a job with a compile step that it may remember.
//!
//! What agents say that they remember is theirs alone, and a thousand keys of each of ten thousand
//! agents are too much to look through. This names one agent for a key; whether it remembers is then
//! asked of what it said.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

/// Keys that are remembered; the oldest are forgotten.
const KEYS_MAX: usize = 65_536;

#[derive(Default, Debug)]
pub(super) struct Hints {
    last: HashMap<u64, (usize, Instant)>,
    order: VecDeque<u64>,
}

impl Hints {
    /// A job with this compile step was given to the agent at this place.
    pub(super) fn given(&mut self, key: u64, place: usize, now: Instant) {
        if self.last.insert(key, (place, now)).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > KEYS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.last.remove(&oldest);
        }
    }

    /// Where a job with this compile step was last given, and when.
    pub(super) fn last(&self, key: u64) -> Option<(usize, Instant)> {
        self.last.get(&key).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_key_is_forgotten_and_the_newest_place_is_known() {
        let (mut hints, now) = (Hints::default(), Instant::now());
        for key in 0..=KEYS_MAX as u64 {
            hints.given(key, 1, now);
            hints.given(key, 2, now);
        }
        assert_eq!(hints.last(0), None);
        assert_eq!(hints.last(1), Some((2, now)));
        assert_eq!(hints.order.len(), hints.last.len());
    }
}
