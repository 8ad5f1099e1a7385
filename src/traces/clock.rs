//! The calendar's time of monotonic instants.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Both clocks at one moment. Times of one trace come from the monotonic one alone, so that a calendar that is
/// set back makes no span that ends before it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    instant: Instant,
    since_1970: Duration,
}

impl Clock {
    pub(super) fn new() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { instant: Instant::now(), since_1970 }
    }

    /// Nanoseconds since 1970.
    pub(super) fn nanos(&self, at: Instant) -> u64 {
        let later = self.since_1970 + at.saturating_duration_since(self.instant);
        let time = later.saturating_sub(self.instant.saturating_duration_since(at));
        u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
    }
}
