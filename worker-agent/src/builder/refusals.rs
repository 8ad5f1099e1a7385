//! What installers refused a moment ago: who asks again soon has the same answer, and no builder. Pure.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Refusal;
use super::key::Key;

/// How long a refusal is remembered: an index may have the package soon.
pub(super) const REMEMBERED: Duration = Duration::from_secs(60);
/// Refusals that are remembered; each has a log of up to 64 KiB.
const REFUSALS_MAX: usize = 64;

/// The refusals that are remembered, oldest first.
#[derive(Default)]
pub(super) struct Refusals(VecDeque<(Instant, Key, Arc<Refusal>)>);

impl Refusals {
    /// What was said of `key`, if that was a moment ago.
    pub(super) fn find(&mut self, key: &Key, now: Instant) -> Option<Arc<Refusal>> {
        while self.0.front().is_some_and(|(at, ..)| *at + REMEMBERED <= now) {
            self.0.pop_front();
        }
        self.0.iter().find(|(_, of, _)| of == key).map(|(.., refusal)| Arc::clone(refusal))
    }

    /// Remembers one, in place of the oldest where there are too many.
    pub(super) fn put(&mut self, key: Key, refusal: Arc<Refusal>, now: Instant) {
        self.0.retain(|(_, of, _)| *of != key);
        if self.0.len() >= REFUSALS_MAX {
            self.0.pop_front();
        }
        self.0.push_back((now, key, refusal));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> Key {
        Key::parse(&format!("{n:064x}")).unwrap()
    }

    fn refusal() -> Arc<Refusal> {
        let problem = "no such package".to_owned();
        Arc::new(Refusal { problem, log: Vec::new(), exit: None, wall_us: 0, cpu_us: 0, memory_peak_bytes: 0 })
    }

    #[test]
    fn a_refusal_is_remembered_for_a_while_and_the_oldest_makes_room() {
        let (mut refusals, begun) = (Refusals::default(), Instant::now());
        refusals.put(key(0), refusal(), begun);
        assert!(refusals.find(&key(0), begun + REMEMBERED - Duration::from_millis(1)).is_some());
        assert!(refusals.find(&key(1), begun).is_none());
        assert!(refusals.find(&key(0), begun + REMEMBERED).is_none());
        for number in 0..=REFUSALS_MAX {
            refusals.put(key(number), refusal(), begun);
        }
        refusals.put(key(1), refusal(), begun);
        assert!(refusals.find(&key(0), begun).is_none());
        assert!((1..=REFUSALS_MAX).all(|number| refusals.find(&key(number), begun).is_some()));
    }
}
