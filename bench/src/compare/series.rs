//! Series of one run beside each other: percentiles, and how sure a ratio is.
//!
//! A ratio of two medians says nothing without its spread, and times of programs are not normal: one that met a
//! timer of the kernel is twice as long. So the interval is by the bootstrap, which asks for no distribution: each run
//! of both series is drawn anew from itself, with replacement, and the ratio of the medians taken; the middle 95%
//! of many such ratios are the interval. It is drawn within runs, as the machine is not the same in all of them.

use std::time::Duration;

use crate::chance::Chance;

/// Ratios that are drawn for an interval.
const DRAWS: usize = 1000;
/// Thousandths of them on either side that the interval leaves out.
const LEFT_OUT: usize = 25;

/// Milliseconds of one series, by the run in which they were taken.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<Vec<f64>>);

/// A figure and the bounds of its 95% confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

impl Estimate {
    /// A figure of which nothing but itself is known.
    pub fn exact(value: f64) -> Self {
        Self { value, low: value, high: value }
    }
}

impl Samples {
    /// Adds a time to the run of this number, counted from 0.
    pub fn push(&mut self, run: usize, time: Duration) {
        if self.0.len() <= run {
            self.0.resize(run + 1, Vec::new());
        }
        self.0[run].push(time.as_secs_f64() * 1000.0);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// Milliseconds that `percent` of all do not exceed; `None` of an empty series.
    pub fn percentile(&self, percent: usize) -> Option<f64> {
        percentile(self.all(), percent)
    }

    /// All of them, in the order in which they were taken.
    pub fn all(&self) -> Vec<f64> {
        self.0.iter().flatten().copied().collect()
    }

    /// How many times that percentile of `base` fits into this one's; `None` where either is empty.
    pub fn ratio_to(&self, base: &Self, percent: usize) -> Option<Estimate> {
        self.against(base, |ours, base| Some(percentile(ours, percent)? / percentile(base, percent)?))
    }

    /// How many milliseconds that percentile is beyond that of `base`; `None` where either is empty.
    pub fn beyond(&self, base: &Self, percent: usize) -> Option<Estimate> {
        self.against(base, |ours, base| Some(percentile(ours, percent)? - percentile(base, percent)?))
    }

    /// That percentile, and how sure it is.
    pub fn estimate(&self, percent: usize) -> Option<Estimate> {
        self.against(&Self::default(), |ours, _| percentile(ours, percent))
    }

    fn against(&self, base: &Self, of: impl Fn(Vec<f64>, Vec<f64>) -> Option<f64>) -> Option<Estimate> {
        let value = of(self.all(), base.all())?;
        let mut chance = Chance::of(1, 1);
        let redrawn = |_| {
            let (ours, base) = (self.redrawn(&mut chance), base.redrawn(&mut chance));
            of(ours, base)
        };
        let mut drawn: Vec<f64> = (0..DRAWS).filter_map(redrawn).collect();
        drawn.sort_unstable_by(f64::total_cmp);
        let at = |thousandths: usize| drawn.get(drawn.len().saturating_sub(1) * thousandths / 1000).copied();
        Some(Estimate { value, low: at(LEFT_OUT)?, high: at(1000 - LEFT_OUT)? })
    }

    /// As many of each run, drawn from it with replacement.
    fn redrawn(&self, chance: &mut Chance) -> Vec<f64> {
        self.0.iter().flat_map(|run| (0..run.len()).map(|_| run[chance.index(run.len())]).collect::<Vec<_>>()).collect()
    }
}

/// Nearest rank.
fn percentile(mut values: Vec<f64>, percent: usize) -> Option<f64> {
    let rank = (values.len() * percent).div_ceil(100).max(1);
    if rank > values.len() {
        return None;
    }
    Some(*values.select_nth_unstable_by(rank - 1, f64::total_cmp).1)
}

/// The middle one, the least and the greatest; `None` of nothing.
pub fn spread(values: &[f64]) -> Option<Estimate> {
    let least = values.iter().copied().min_by(f64::total_cmp)?;
    let greatest = values.iter().copied().max_by(f64::total_cmp)?;
    Some(Estimate { value: percentile(values.to_vec(), 50)?, low: least, high: greatest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(runs: &[&[u64]]) -> Samples {
        let mut samples = Samples::default();
        for (number, run) in runs.iter().enumerate() {
            for &time in *run {
                samples.push(number, Duration::from_millis(time));
            }
        }
        samples
    }

    #[test]
    fn percentiles_are_members_of_the_series_whatever_its_order() {
        let all = samples(&[&[5, 1, 4], &[3, 2]]);
        assert_eq!(all.count(), 5);
        assert_eq!(all.percentile(50), Some(3.0));
        assert_eq!(all.percentile(99), Some(5.0));
        assert_eq!(all.percentile(1), Some(1.0));
        assert_eq!(Samples::default().percentile(50), None);
    }

    #[test]
    fn the_interval_of_series_that_never_vary_is_a_point() {
        let ratio = samples(&[&[30; 5], &[30; 5]]).ratio_to(&samples(&[&[20; 9]]), 50).unwrap();
        assert_eq!(ratio, Estimate { value: 1.5, low: 1.5, high: 1.5 });
    }

    #[test]
    fn the_interval_holds_the_ratio_and_is_narrower_with_more_samples() {
        let of = |length: usize, base: u64| {
            let mut chance = Chance::of(7, base);
            let mut samples = Samples::default();
            for n in 0..length {
                samples.push(n % 3, Duration::from_micros(base * 1000 + chance.below(base * 500)));
            }
            samples
        };
        let ratio = |length| of(length, 40).ratio_to(&of(length, 20), 50).unwrap();
        let (few, many) = (ratio(12), ratio(600));
        assert!(few.low <= few.value && few.value <= few.high, "{few:?}");
        assert!(many.low <= 2.0 && 2.0 <= many.high, "{many:?}");
        assert!(many.high - many.low < few.high - few.low, "{few:?} {many:?}");
    }

    #[test]
    fn a_difference_and_a_percentile_have_intervals_too() {
        let (ours, base) = (samples(&[&[30, 31, 32, 33, 34]]), samples(&[&[20; 9]]));
        let beyond = ours.beyond(&base, 50).unwrap();
        assert!(beyond.low >= 10.0 && beyond.value == 12.0 && beyond.high <= 14.0, "{beyond:?}");
        assert_eq!(base.estimate(50), Some(Estimate::exact(20.0)));
        assert_eq!(Samples::default().estimate(50), None);
    }

    #[test]
    fn a_ratio_to_nothing_is_none() {
        assert_eq!(samples(&[&[1]]).ratio_to(&Samples::default(), 50), None);
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some(Estimate { value: 2.0, low: 1.0, high: 3.0 }));
    }
}
