//! What is counted: events, durations, and events by a label.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use enclos_protocol::measured::{DURATION_BOUNDS_US, Durations};

/// A count that only grows.
#[derive(Default, Debug)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// `n` more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// How many so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Durations, counted by size: the classes of [`DURATION_BOUNDS_US`].
#[derive(Default, Debug)]
pub struct Histogram {
    buckets: [AtomicU64; DURATION_BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    /// Counts one duration.
    pub fn observe(&self, duration: Duration) {
        self.observe_us(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// Counts one duration, in microseconds.
    pub fn observe_us(&self, us: u64) {
        let bucket = DURATION_BOUNDS_US.partition_point(|bound| *bound < us);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// Counts what another has counted.
    pub fn add(&self, durations: &Durations) {
        for (bucket, count) in self.buckets.iter().zip(&durations.counts) {
            bucket.fetch_add(*count, Ordering::Relaxed);
        }
        self.sum_us.fetch_add(durations.sum_us, Ordering::Relaxed);
    }

    /// What it counted: classes, and the sum.
    pub(super) fn read(&self) -> ([u64; DURATION_BOUNDS_US.len() + 1], Duration) {
        let counts = std::array::from_fn(|class| self.buckets[class].load(Ordering::Relaxed));
        (counts, Duration::from_micros(self.sum_us.load(Ordering::Relaxed)))
    }
}

/// Counts by a word of the program's own text: no client's word is one, so they are bounded.
#[derive(Default, Debug)]
pub struct Labelled(Mutex<BTreeMap<&'static str, u64>>);

impl Labelled {
    /// Has counts of these from the start, so that their first increment is seen as one.
    pub fn begin(&self, labels: impl IntoIterator<Item = &'static str>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for label in labels {
            counts.entry(label).or_default();
        }
    }

    /// One more.
    pub fn increment(&self, label: &'static str) {
        self.add(label, 1);
    }

    /// `n` more.
    pub fn add(&self, label: &'static str, n: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(label).or_default() += n;
    }

    /// Every label with its count, in their order.
    #[must_use]
    pub fn values(&self) -> Vec<(&'static str, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(label, n)| (*label, *n)).collect()
    }
}
