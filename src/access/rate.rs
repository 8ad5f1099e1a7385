//! So many in a second: a bucket that fills steadily.

use std::time::{Duration, Instant};

/// A bucket of `capacity` tokens that fills in `fill`.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    capacity: u32,
    fill: Duration,
    /// When it is full again; a token is an equal part of `fill`. `None`: it is full.
    full_at: Option<Instant>,
}

impl Bucket {
    /// A full one.
    #[must_use]
    pub fn new(capacity: u32, fill: Duration) -> Self {
        Self { capacity: capacity.max(1), fill, full_at: None }
    }

    /// Whether it is of this size.
    #[must_use]
    pub fn is_of(&self, capacity: u32) -> bool {
        self.capacity == capacity.max(1)
    }

    /// Takes a token.
    ///
    /// # Errors
    /// When there is one again.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        self.look(now)?;
        self.full_at = Some(self.full_at.filter(|at| *at > now).unwrap_or(now) + self.token());
        Ok(())
    }

    /// Whether there is a token.
    ///
    /// # Errors
    /// When there is one again.
    pub fn look(&self, now: Instant) -> Result<(), Duration> {
        let missing = self.full_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let after = missing + self.token();
        if after <= self.fill { Ok(()) } else { Err(after - self.fill) }
    }

    /// Whether nothing is missing.
    #[must_use]
    pub fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|at| at <= now)
    }

    fn token(&self) -> Duration {
        self.fill / self.capacity
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_of_its_size_passes_and_then_one_for_each_token() {
        let (start, mut bucket) = (Instant::now(), Bucket::new(10, Duration::from_secs(1)));
        for _ in 0..10 {
            bucket.take(start).unwrap();
        }
        assert_eq!(bucket.take(start), Err(Duration::from_millis(100)));
        assert!(bucket.take(start + Duration::from_millis(100)).is_ok());
        assert!(bucket.take(start + Duration::from_millis(150)).is_err());
        assert!(bucket.is_full(start + Duration::from_secs(3)));
    }

    proptest! {
        #[test]
        fn never_more_than_size_and_rate_allow(
            capacity in 1u32..50,
            pauses_ms in prop::collection::vec(0u64..200, 1..200),
        ) {
            let (start, mut bucket) = (Instant::now(), Bucket::new(capacity, Duration::from_secs(1)));
            let (mut now, mut taken) = (start, 0u64);
            for pause in pauses_ms {
                now += Duration::from_millis(pause);
                match bucket.take(now) {
                    Ok(()) => taken += 1,
                    Err(wait) => prop_assert!(bucket.look(now + wait).is_ok(), "the advice is right"),
                }
                let elapsed = (now - start).as_secs_f64();
                prop_assert!(taken as f64 <= f64::from(capacity) * (1.0 + elapsed) + 1e-3);
            }
        }
    }
}
