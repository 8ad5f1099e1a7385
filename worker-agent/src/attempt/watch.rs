//! What an attempt's time goes to.

use enclos_protocol::measured::{Claims, LAPS_CASES_MAX, Lap, Laps};
use tokio::time::Instant;

/// Takes the laps of one attempt.
pub(super) struct Watch {
    arrived: Instant,
    laps: Laps,
}

impl Default for Watch {
    fn default() -> Self {
        Self::new(Instant::now())
    }
}

impl Watch {
    /// Counts from `arrived`.
    pub(super) fn new(arrived: Instant) -> Self {
        Self { arrived, laps: Laps::default() }
    }

    /// A lap that began then is over; when the next begins.
    pub(super) fn lap(&mut self, begun: Instant, of: impl FnOnce(&mut Laps) -> &mut Option<Lap>) -> Instant {
        let now = Instant::now();
        *of(&mut self.laps) = Some(self.between(begun, now));
        now
    }

    /// A case that began then is over.
    pub(super) fn case(&mut self, begun: Instant) {
        if self.laps.cases.len() < LAPS_CASES_MAX {
            self.laps.cases.push(self.between(begun, Instant::now()));
        }
    }

    /// So many sandboxes were taken.
    pub(super) fn claimed(&mut self, claims: Claims) {
        self.laps.claims = self.laps.claims.and(claims);
    }

    /// All laps, and the attempt is over.
    pub(super) fn whole(self) -> Laps {
        let whole_us = self.us(Instant::now());
        Laps { whole_us, ..self.laps }
    }

    fn between(&self, from: Instant, to: Instant) -> Lap {
        Lap { from_us: self.us(from), to_us: self.us(to) }
    }

    fn us(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.arrived).as_micros()).unwrap_or(u64::MAX)
    }
}
