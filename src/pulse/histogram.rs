//! Durations of the last minute, by size: buckets a quarter of an octave wide.

use std::time::Duration;

/// Smallest power of two that is told apart, in microseconds.
const FIRST_OCTAVE: u32 = 6;
/// Powers of two from there: up to nineteen hours.
const OCTAVES: u32 = 30;
/// Buckets of one power of two.
const PARTS: u32 = 4;
const BUCKETS: usize = (OCTAVES * PARTS) as usize;
/// Spans that are kept, the one that is going on among them.
const SPANS: usize = 7;

/// Two quantiles, in milliseconds, as near as a bucket is wide: an eighth.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Quantiles {
    /// Half take no longer.
    pub p50_ms: f64,
    /// All but one of a hundred take no longer.
    pub p99_ms: f64,
}

/// Durations, counted by size.
#[derive(Clone, Debug)]
pub(super) struct Histogram([u32; BUCKETS]);

impl Default for Histogram {
    fn default() -> Self {
        Self([0; BUCKETS])
    }
}

impl Histogram {
    fn add(&mut self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).max(1 << FIRST_OCTAVE);
        let octave = us.ilog2();
        let part = u32::try_from((us >> (octave - 2)) & 3).unwrap_or(0);
        let bucket = ((octave - FIRST_OCTAVE) * PARTS + part) as usize;
        let count = &mut self.0[bucket.min(BUCKETS - 1)];
        *count = count.saturating_add(1);
    }

    fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(count, more)| *count = count.saturating_add(*more));
    }

    fn quantiles(&self) -> Option<Quantiles> {
        let total: u64 = self.0.iter().map(|count| u64::from(*count)).sum();
        let at = |permille: u64| {
            let rank = (total * permille).div_ceil(1000);
            let mut seen = 0;
            let found = self.0.iter().position(|count| {
                seen += u64::from(*count);
                seen >= rank
            });
            middle_ms(found.unwrap_or_default())
        };
        (total > 0).then(|| Quantiles { p50_ms: at(500), p99_ms: at(990) })
    }
}

/// The middle of a bucket, in milliseconds and tenths of them.
fn middle_ms(bucket: usize) -> f64 {
    let (octave, part) = (bucket / PARTS as usize, bucket % PARTS as usize);
    let quarter = (1_u64 << (FIRST_OCTAVE as usize + octave)) as f64 / f64::from(PARTS);
    let us = quarter * (PARTS as f64 + part as f64 + 0.5);
    (us / 100.0).round() / 10.0
}

/// Histograms of the last spans, each by its number.
#[derive(Clone, Debug, Default)]
pub(super) struct Window(Vec<(u64, Histogram)>);

impl Window {
    /// Counts a duration in this span, which is none of before the last.
    pub(super) fn add(&mut self, span: u64, duration: Duration) {
        if self.0.last().is_none_or(|(last, _)| *last < span) {
            self.forget(span);
            self.0.push((span, Histogram::default()));
        }
        if let Some((_, histogram)) = self.0.last_mut() {
            histogram.add(duration);
        }
    }

    /// Of all that is not older than a minute.
    pub(super) fn quantiles(&self, span: u64) -> Option<Quantiles> {
        let mut all = Histogram::default();
        self.0.iter().filter(|(of, _)| is_kept(*of, span)).for_each(|(_, histogram)| all.merge(histogram));
        all.quantiles()
    }

    /// Of one span.
    pub(super) fn quantiles_of(&self, span: u64) -> Option<Quantiles> {
        self.0.iter().find(|(of, _)| *of == span)?.1.quantiles()
    }

    fn forget(&mut self, span: u64) {
        self.0.retain(|(of, _)| is_kept(*of, span));
    }
}

fn is_kept(of: u64, now: u64) -> bool {
    now.saturating_sub(of) < SPANS as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_as_near_as_a_bucket_is_wide() {
        let mut window = Window::default();
        for ms in 1..=1000 {
            window.add(0, Duration::from_millis(ms));
        }
        let Quantiles { p50_ms, p99_ms } = window.quantiles(0).unwrap();
        assert!((437.0..=563.0).contains(&p50_ms), "{p50_ms}");
        assert!((866.0..=1114.0).contains(&p99_ms), "{p99_ms}");
        assert_eq!(Window::default().quantiles(0), None);
    }

    #[test]
    fn no_duration_is_too_short_or_too_long_to_be_counted() {
        let mut window = Window::default();
        window.add(0, Duration::ZERO);
        assert!(window.quantiles(0).unwrap().p50_ms <= 0.1);
        let mut window = Window::default();
        window.add(0, Duration::MAX);
        assert!(window.quantiles(0).unwrap().p50_ms > 10_000_000.0);
    }

    #[test]
    fn what_is_older_than_a_minute_counts_no_more_and_is_not_kept() {
        let mut window = Window::default();
        window.add(0, Duration::from_secs(100));
        assert!(window.quantiles(6).is_some() && window.quantiles(7).is_none());
        for span in 1..100 {
            window.add(span, Duration::from_millis(1));
        }
        assert!(window.0.len() <= SPANS && window.quantiles(99).unwrap().p99_ms < 2.0);
    }
}
