//! What unbound sandboxes of an image are worth, by the claims that came lately and what a start takes. Pure.
//!
//! Only *fresh* claims count: those that no idle sandbox of their own binding could serve.
//!
//! - Their **rate** decays with time. The k-th sandbox of a steady stream is used as often as k-1 others are
//!   asked for while one is started, which is a tail of Poisson's distribution.
//! - Their **backlog** is that of a queue whose servers start a sandbox each, on half of the cores: its height is the
//!   stock with which none of them would have waited, and never more than may be kept. The greatest one is
//!   remembered and halves with [`PEAK_HALF_LIFE`]. A burst shows only as much of itself as is let in at once, so a pool that could serve
//!   more of it the next time sees, and keeps, more.
//!
//! Worth is in seconds of waiting that are saved for each second that a place is held; [`HOLD_PRICE`] is what
//! it has to exceed. So cheap starts, rare images and bursts of long ago keep nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::words::{Bounds, ImageKey};

/// In which time a claim's part of the rate falls to a third.
const RATE_MEMORY: Duration = Duration::from_secs(120);
/// In which time the greatest backlog falls to a half; a burst is expected again about that often.
const PEAK_HALF_LIFE: Duration = Duration::from_secs(300);
/// What a start takes before any was seen.
const START_GUESS: Duration = Duration::from_millis(500);
/// What an end takes before any was seen.
const STOP_GUESS: Duration = Duration::from_millis(100);
/// Least that a start is believed to take: rates are divided by it.
const START_LEAST: Duration = Duration::from_millis(1);
/// Part that the newest duration has of what is believed.
const NEWEST_PART: f64 = 0.25;
/// What holding a place costs, in seconds of starts and ends for each second: an idle sandbox is some 5 MiB,
/// and a second of creation is worth 20 minutes of that.
pub const HOLD_PRICE: f64 = 1.0 / 1200.0;
/// Images whose demand is remembered; the one that was claimed longest ago is forgotten.
const IMAGES_MAX: usize = 64;
/// Unbound sandboxes of one image that are ever reckoned with.
const STOCK_MAX: usize = 256;

/// What came for one image.
#[derive(Clone, Copy, Debug)]
struct Demand {
    /// When the others were reckoned.
    at: Duration,
    /// Fresh claims, per second.
    rate: f64,
    backlog: f64,
    peak: f64,
    /// What a start takes, in seconds.
    start: f64,
}

impl Demand {
    fn new(now: Duration) -> Self {
        Self { at: now, rate: 0.0, backlog: 0.0, peak: 0.0, start: START_GUESS.as_secs_f64() }
    }

    /// The same at `now`, where so many are started at once.
    fn at(self, now: Duration, servers: f64) -> Self {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        Self {
            at: now,
            rate: self.rate * (-passed / RATE_MEMORY.as_secs_f64()).exp(),
            backlog: (self.backlog - passed * servers / self.start).max(0.0),
            peak: self.peak * (-passed / PEAK_HALF_LIFE.as_secs_f64()).exp2(),
            start: self.start,
        }
    }

    fn with_claim(self, backlog_max: f64) -> Self {
        let backlog = (self.backlog + 1.0).min(backlog_max);
        let rate = self.rate + 1.0 / RATE_MEMORY.as_secs_f64();
        Self { rate, backlog, peak: self.peak.max(backlog), ..self }
    }

    /// What each further unbound sandbox is worth, the first first; never more than the one before.
    fn worths(self) -> impl Iterator<Item = f64> {
        let Self { rate, peak, start, .. } = self;
        let meanwhile = rate * start;
        let (mut exactly, mut at_least) = ((-meanwhile).exp(), 1.0_f64);
        (0..STOCK_MAX).scan(0.0, move |before, _| {
            let nth = *before;
            *before += 1.0;
            let steady = rate * at_least.max(0.0);
            at_least -= exactly;
            exactly *= meanwhile / (nth + 1.0);
            // All that stand behind it in the backlog wait one start less.
            let burst = (peak - nth).max(0.0) / PEAK_HALF_LIFE.as_secs_f64();
            Some(start * steady.max(burst))
        })
    }
}

/// What came for each image.
#[derive(Clone, Debug)]
pub struct Demands {
    of: BTreeMap<ImageKey, Demand>,
    /// What an end takes, in seconds.
    stop: f64,
    /// Starts at once.
    servers: f64,
    /// What a backlog may come to.
    backlog_max: f64,
}

impl Demands {
    /// Nothing came, where `bounds` say what is started at once and what may be kept.
    pub fn new(bounds: &Bounds) -> Self {
        Self {
            of: BTreeMap::new(),
            stop: STOP_GUESS.as_secs_f64(),
            // The jobs that come with the claims have the other half of the cores: a burst that starts one by one
            // beside them must not look as if it had been served.
            servers: bounds.starting_max.min(bounds.cores / 2).max(1) as f64,
            backlog_max: bounds.stock_max.min(STOCK_MAX) as f64,
        }
    }

    /// A fresh claim came.
    pub fn came(&mut self, now: Duration, image: &ImageKey) {
        if !self.of.contains_key(image)
            && self.of.len() >= IMAGES_MAX
            && let Some(oldest) = self.of.iter().min_by_key(|(_, demand)| demand.at).map(|(image, _)| image.clone())
        {
            self.of.remove(&oldest);
        }
        let demand = self.of.entry(image.clone()).or_insert_with(|| Demand::new(now));
        *demand = demand.at(now, self.servers).with_claim(self.backlog_max);
    }

    /// A start took so long.
    pub fn started(&mut self, image: &ImageKey, took: Duration) {
        if let Some(demand) = self.of.get_mut(image) {
            demand.start += (took.max(START_LEAST).as_secs_f64() - demand.start) * NEWEST_PART;
        }
    }

    /// One could not be started: it is not tried again for stock until somebody asks.
    pub fn failed(&mut self, image: &ImageKey) {
        self.of.remove(image);
    }

    /// An end took so long.
    pub fn stopped(&mut self, took: Duration) {
        self.stop += (took.as_secs_f64() - self.stop) * NEWEST_PART;
    }

    /// Images for which something came.
    pub fn images(&self) -> impl Iterator<Item = &ImageKey> {
        self.of.keys()
    }

    /// What a start of the image takes, in seconds.
    pub fn start(&self, image: &ImageKey) -> f64 {
        self.of.get(image).map_or(START_GUESS.as_secs_f64(), |demand| demand.start)
    }

    /// What a bound sandbox saves its binding each time that it is used: the wait, and the work of making and
    /// destroying another, in seconds.
    pub fn saved_by_bound(&self, image: &ImageKey) -> f64 {
        2.0 * self.start(image) + self.stop
    }

    /// Fresh claims of the image at `now`, per second.
    pub fn rate(&self, now: Duration, image: &ImageKey) -> f64 {
        self.of.get(image).map_or(0.0, |demand| demand.at(now, self.servers).rate)
    }

    /// What the unbound sandbox with so many others before it is worth at `now`.
    pub fn worth(&self, now: Duration, image: &ImageKey, others: usize) -> f64 {
        self.of.get(image).and_then(|demand| demand.at(now, self.servers).worths().nth(others)).unwrap_or(0.0)
    }

    /// How many unbound ones are worth their places at `now`.
    pub fn wanted(&self, now: Duration, image: &ImageKey) -> usize {
        let worths = self.of.get(image).map(|demand| demand.at(now, self.servers).worths());
        worths.map_or(0, |worths| worths.take_while(|worth| *worth >= HOLD_PRICE).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::plan::tests as plan_tests;

    const BOUNDS: Bounds = Bounds { stock_max: STOCK_MAX, starting_max: 1, ..plan_tests::BOUNDS };

    fn image(name: &str) -> ImageKey {
        ImageKey { name: name.into(), reference: name.into() }
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// So many claims at `now`.
    fn came(count: usize, now: Duration) -> Demands {
        let mut demands = Demands::new(&BOUNDS);
        (0..count).for_each(|_| demands.came(now, &image("a")));
        demands
    }

    #[test]
    fn no_further_sandbox_is_worth_more_than_the_one_before() {
        for count in [1, 3, 50] {
            for later in [0, 10, 200] {
                let demand = came(count, s(1)).of[&image("a")].at(s(1 + later), 1.0);
                let worths: Vec<f64> = demand.worths().collect();
                assert!(worths.is_sorted_by(|a, b| a >= b), "{worths:?}");
                assert!(worths.iter().all(|worth| worth.is_finite() && *worth >= 0.0));
            }
        }
    }

    #[test]
    fn a_burst_is_remembered_and_then_forgotten() {
        let demands = came(50, s(1));
        let wanted = |later: u64| demands.wanted(s(1 + later), &image("a"));
        assert!((45..=50).contains(&wanted(0)), "{}", wanted(0));
        assert!((20..=25).contains(&wanted(300)), "{}", wanted(300));
        assert_eq!(wanted(3600), 0);
    }

    #[test]
    fn what_starts_at_once_is_not_kept() {
        let mut demands = came(3, s(1));
        assert!(demands.wanted(s(1), &image("a")) > 0);
        (0..40).for_each(|_| demands.started(&image("a"), Duration::ZERO));
        assert_eq!(demands.wanted(s(1), &image("a")), 0);
    }

    #[test]
    fn no_more_images_are_remembered_than_may_be() {
        let mut demands = Demands::new(&BOUNDS);
        for n in 0..200 {
            demands.came(s(n), &image(&n.to_string()));
        }
        assert_eq!(demands.of.len(), IMAGES_MAX);
        assert!(demands.rate(s(200), &image("199")) > 0.0 && demands.rate(s(200), &image("0")) == 0.0);
    }
}
