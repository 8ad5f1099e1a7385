//! How long to wait before dialling again: doubling, with jitter. Pure but for the dice.

use std::time::Duration;

/// First pause.
const FIRST: Duration = Duration::from_millis(100);
/// Longest pause: a master that restarts should see its agents within one lease.
const LONGEST: Duration = Duration::from_secs(3);

/// Counts failures in a row.
#[derive(Default, Debug)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next pause for a roll of the dice between 0 and 1: half of it fixed, half by chance, so that
    /// many agents do not come back at once.
    pub fn next(&mut self, roll: f64) -> Duration {
        let ceiling = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        ceiling.mul_f64(0.5 + roll.clamp(0.0, 1.0) / 2.0)
    }

    /// It worked.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next(1.0), FIRST);
        assert_eq!(backoff.next(0.0), FIRST);
        for _ in 0..1000 {
            assert!(backoff.next(1.0) <= LONGEST);
        }
        backoff.reset();
        assert_eq!(backoff.next(1.0), FIRST);
    }
}
