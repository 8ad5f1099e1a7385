//! The runs of one program: mean and variance of their logarithms, the older the less.

use super::MEASURES;

/// Runs after which an older one counts less. After a change of behaviour the old one counts
/// (1 - 1/8)^20 = 7% when 20 runs have come.
pub(super) const RUNS_MAX: u32 = 8;

/// What is known of a program.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Program {
    /// Of the logarithms (base 2).
    pub(super) mean: [f32; MEASURES],
    /// Of the logarithms, about the mean.
    pub(super) variance: [f32; MEASURES],
    /// Runs in all.
    pub(super) runs: u32,
    /// When it last ran.
    pub(super) seen: u64,
}

impl Program {
    /// Runs that it is worth.
    pub(super) fn weight(&self) -> f64 {
        f64::from(self.runs.min(RUNS_MAX))
    }

    #[expect(clippy::cast_possible_truncation, reason = "32 bits hold a logarithm to a millionth")]
    pub(super) fn learn(&mut self, logs: [f64; MEASURES], now: u64) {
        self.runs = self.runs.saturating_add(1);
        self.seen = now;
        let step = 1.0 / self.weight();
        for ((mean, variance), log) in self.mean.iter_mut().zip(&mut self.variance).zip(logs) {
            // West 1979, with a step that stops falling.
            let away = log - f64::from(*mean);
            *mean = (f64::from(*mean) + step * away) as f32;
            *variance = ((1.0 - step) * (f64::from(*variance) + step * away * away)) as f32;
        }
    }
}
