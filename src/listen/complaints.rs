//! Lines of the log that strangers can cause: some, and then how many more there were.
//!
//! A port that others reach tells whom it refused. One connection makes tens of thousands of such requests
//! a second, and a log that holds nothing else helps nobody.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::access::Bucket;

/// Lines in a row, and in each [`PERIOD`].
const LINES_MAX: u32 = 10;
const PERIOD: Duration = Duration::from_secs(60);

/// How many lines there may still be. All clones are one count.
#[derive(Clone, Debug)]
pub struct Complaints(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    lines: Bucket,
    unsaid: u64,
}

impl Default for Complaints {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { lines: Bucket::new(LINES_MAX, PERIOD), unsaid: 0 })))
    }
}

impl Complaints {
    /// Whether this one is told, with how many were not since the last that was.
    #[must_use]
    pub fn tell(&self) -> Option<u64> {
        self.tell_at(Instant::now())
    }

    fn tell_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.lines.take(now).is_ok() {
            return Some(std::mem::take(&mut state.unsaid));
        }
        state.unsaid = state.unsaid.saturating_add(1);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_some_lines_and_a_count() {
        let (complaints, now) = (Complaints::default(), Instant::now());
        let told: Vec<u64> = (0..1000).filter_map(|_| complaints.tell_at(now)).collect();
        assert_eq!(told, [0; LINES_MAX as usize]);
        assert_eq!(complaints.tell_at(now + PERIOD / LINES_MAX), Some(1000 - u64::from(LINES_MAX)));
    }
}
