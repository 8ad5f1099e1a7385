//! Percentiles of a series of times.

use std::time::Duration;

/// Times of one series, sorted.
#[derive(Debug)]
pub struct Series(Vec<Duration>);

impl Series {
    /// Takes the times in any order.
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// The time that `percent` of the series do not exceed (nearest rank).
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }
}

/// Milliseconds with two decimals.
pub fn ms(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}

/// How many times `base` fits into `time`.
pub fn ratio(time: Duration, base: Duration) -> String {
    format!("{:.2}x", time.as_secs_f64() / base.as_secs_f64().max(f64::EPSILON))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_members_of_the_series() {
        let series = Series::of((1..=100).rev().map(Duration::from_millis).collect());
        assert_eq!(series.percentile(50), Duration::from_millis(50));
        assert_eq!(series.percentile(99), Duration::from_millis(99));
        assert_eq!(Series::of(vec![Duration::from_millis(7)]).percentile(50), Duration::from_millis(7));
    }
}
