//! A histogram with bins of equal ratio, whose weights fade.

use super::MEASURES;

/// Bins of each measure.
pub(super) const BINS: usize = 96;
/// Bins of a factor of two.
const PER_OCTAVE: f64 = 4.0;
/// Where the first bin of each measure begins, as a logarithm: 256 µs, and 256 KiB. The last ends
/// 24 octaves above: at 71 minutes, and 4 TiB.
const FLOOR: [f64; MEASURES] = [8.0, 8.0, 18.0];
/// One run.
pub(super) const UNIT: u32 = 128;
/// Runs that all bins together hold: from half to all of them are there, the older the less.
const RUNS_MAX: u32 = 256;

/// The bin of a logarithm.
#[expect(clippy::cast_possible_truncation, reason = "clamped to the bins first")]
pub(super) fn bin(measure: usize, log: f64) -> usize {
    ((log - FLOOR[measure]) * PER_OCTAVE).clamp(0.0, (BINS - 1) as f64) as usize
}

/// The logarithm at a place in the bins; whole numbers are their borders.
pub(super) fn log_at(measure: usize, place: f64) -> f64 {
    FLOOR[measure] + place / PER_OCTAVE
}

/// How a measure is spread.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Histogram {
    /// In [`UNIT`]s of a run: all together at most [`RUNS_MAX`] of them, which 16 bits hold.
    pub(super) bins: [u16; BINS],
}

impl Default for Histogram {
    fn default() -> Self {
        Self { bins: [0; BINS] }
    }
}

impl Histogram {
    pub(super) fn total(&self) -> u32 {
        self.bins.iter().map(|bin| u32::from(*bin)).sum()
    }

    /// Adds a run of this weight, in units of [`UNIT`]. Where it is full, all is halved first: scaled
    /// by a little each time, the tails would be rounded away.
    pub(super) fn add(&mut self, bin: usize, weight: u32) {
        let weight = weight.clamp(1, UNIT);
        if self.total() + weight > RUNS_MAX * UNIT {
            self.scale(1, 2);
        }
        self.bins[bin] += u16::try_from(weight).expect("it is at most a unit");
    }

    /// Scaled by `part / whole`, rounded down: what has nearly faded is gone.
    fn scale(&mut self, part: u32, whole: u32) {
        for bin in &mut self.bins {
            *bin = u16::try_from(u32::from(*bin) * part / whole).expect("it becomes no greater");
        }
    }

    /// What it weighs bin for bin where all together may weigh so many runs.
    pub(super) fn within(&self, runs: u32) -> Self {
        let (total, bound) = (self.total(), runs.min(RUNS_MAX) * UNIT);
        let mut scaled = self.clone();
        if total > bound {
            scaled.scale(bound, total);
        }
        scaled
    }
}
