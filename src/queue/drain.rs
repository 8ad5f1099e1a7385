//! How fast jobs leave.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Span over which the drain rate is measured.
const RATE_SPAN: Duration = Duration::from_secs(60);
/// Departures that are remembered; more in the span only make the measure shorter.
const DEPARTURES_MAX: usize = 4096;

/// When jobs left lately.
#[derive(Default, Debug)]
pub(super) struct Drain {
    departures: VecDeque<Instant>,
}

impl Drain {
    /// One left.
    pub(super) fn depart(&mut self, now: Instant) {
        if self.departures.len() == DEPARTURES_MAX {
            self.departures.pop_front();
        }
        self.departures.push_back(now);
    }

    /// How long until `jobs` more have left; `None` where nothing left lately.
    pub(super) fn time_for(&self, jobs: usize, now: Instant) -> Option<Duration> {
        let recent = |left: &Instant| now.saturating_duration_since(*left) <= RATE_SPAN;
        // Departures come in order, so the recent ones are the last.
        let old = self.departures.partition_point(|left| !recent(left));
        let first = self.departures.get(old)?;
        let count = u32::try_from(self.departures.len() - old).ok()?;
        let each = now.saturating_duration_since(*first).checked_div(count)?;
        Some(each.saturating_mul(u32::try_from(jobs).unwrap_or(u32::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_left_long_ago_says_nothing_of_the_rate() {
        let (mut drain, start) = (Drain::default(), Instant::now());
        assert_eq!(drain.time_for(1, start), None);
        for n in 0..10 {
            drain.depart(start + Duration::from_secs(n));
        }
        assert_eq!(drain.time_for(5, start + Duration::from_secs(10)), Some(Duration::from_secs(5)));
        assert_eq!(drain.time_for(5, start + Duration::from_secs(100)), None);
    }
}
