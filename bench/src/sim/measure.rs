//! What a run came to: waits, slowdowns, fairness, use, and the rate of decisions.
//!
//! The slowdown of a job is the time from its coming to its end, divided by how long it takes where
//! it is run; a job that takes less than [`SLOWDOWN_FLOOR`] counts as one that takes as long as that
//! (bounded slowdown, Feitelson and Rudolph 1998), or the shortest would be all that is seen.

use std::time::Duration;

/// Jobs shorter than this count as this long in slowdowns.
pub const SLOWDOWN_FLOOR: Duration = Duration::from_millis(10);

/// What was seen of jobs, two numbers of four bytes for each.
pub struct Seen {
    warm_up: u32,
    slots: u32,
    waits_s: Vec<f32>,
    slowdowns: Vec<f32>,
    /// By tenant: jobs and the sum of their slowdowns.
    tenants: Vec<(u64, f64)>,
    /// Waits of every tenant but the first.
    others_waits_s: Vec<f32>,
    busy: Duration,
    arrivals_end: Option<Duration>,
    given_up: u64,
    wasted: u64,
}

/// What a run came to.
#[derive(Clone, PartialEq, Debug)]
pub struct Figures {
    /// Jobs that are counted.
    pub jobs: usize,
    /// Of all tenants, sorted, in seconds.
    pub waits_s: Vec<f32>,
    /// Of every tenant but the first, sorted, in seconds.
    pub others_waits_s: Vec<f32>,
    /// Sorted.
    pub slowdowns: Vec<f32>,
    /// Mean slowdown of each tenant that has jobs.
    pub tenants: Vec<f32>,
    /// Jain's index of the tenants' mean slowdowns: 1 is equal, 1/n is all for one.
    pub jain: f64,
    /// Used part of the cluster's time until the last arrival.
    pub utilisation: f64,
    /// Jobs that ended without an answer.
    pub given_up: u64,
    /// Attempts that came to nothing.
    pub wasted: u64,
    /// Jobs given out.
    pub decisions: u64,
    /// What the policy took for all it heard, by the real clock: the only part that two runs differ in.
    pub spent: Duration,
}

impl Seen {
    /// Of all jobs but the first `warm_up`, on so many slots.
    pub fn new(warm_up: u32, slots: u32) -> Self {
        Self {
            warm_up,
            slots,
            waits_s: Vec::new(),
            slowdowns: Vec::new(),
            tenants: Vec::new(),
            others_waits_s: Vec::new(),
            busy: Duration::ZERO,
            arrivals_end: None,
            given_up: 0,
            wasted: 0,
        }
    }

    /// A job ended.
    pub fn ended(&mut self, job: u32, tenant: u16, sojourn: Duration, service: Duration, given_up: bool) {
        if given_up {
            self.given_up += 1;
            return;
        }
        if job < self.warm_up {
            return;
        }
        let wait_s = sojourn.saturating_sub(service).as_secs_f32();
        let base = service.max(SLOWDOWN_FLOOR);
        let slowdown = sojourn.max(base).as_secs_f32() / base.as_secs_f32();
        self.waits_s.push(wait_s);
        self.slowdowns.push(slowdown);
        let tenant = usize::from(tenant);
        if tenant > 0 {
            self.others_waits_s.push(wait_s);
        }
        if self.tenants.len() <= tenant {
            self.tenants.resize(tenant + 1, (0, 0.0));
        }
        self.tenants[tenant].0 += 1;
        self.tenants[tenant].1 += f64::from(slowdown);
    }

    /// An attempt came to nothing.
    pub fn wasted(&mut self) {
        self.wasted += 1;
    }

    /// A slot was used for so long, until `at`.
    pub fn busy(&mut self, time: Duration, at: Duration) {
        // What was begun before the last arrival and ends after it counts in part.
        let beyond = self.arrivals_end.map_or(Duration::ZERO, |end| at.saturating_sub(end));
        self.busy += time.saturating_sub(beyond);
    }

    /// No more jobs come.
    pub fn arrivals_ended(&mut self, at: Duration) {
        self.arrivals_end = Some(at);
    }

    /// All of it.
    pub fn figures(mut self, spent: Duration, decisions: u64) -> Figures {
        let span = self.arrivals_end.unwrap_or_default().as_secs_f64() * f64::from(self.slots);
        let means: Vec<f64> =
            self.tenants.iter().filter(|(jobs, _)| *jobs > 0).map(|(jobs, sum)| sum / *jobs as f64).collect();
        for series in [&mut self.waits_s, &mut self.others_waits_s, &mut self.slowdowns] {
            series.sort_unstable_by(f32::total_cmp);
        }
        Figures {
            jobs: self.slowdowns.len(),
            jain: jain(&means),
            tenants: means.iter().map(|mean| narrow(*mean)).collect(),
            waits_s: self.waits_s,
            others_waits_s: self.others_waits_s,
            slowdowns: self.slowdowns,
            utilisation: self.busy.as_secs_f64() / span.max(f64::MIN_POSITIVE),
            given_up: self.given_up,
            wasted: self.wasted,
            decisions,
            spent,
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a mean of such numbers is one")]
fn narrow(mean: f64) -> f32 {
    mean as f32
}

/// Jain's index of fairness; 1 of nothing.
fn jain(values: &[f64]) -> f64 {
    let sum: f64 = values.iter().sum();
    let squares: f64 = values.iter().map(|value| value * value).sum();
    if squares == 0.0 { 1.0 } else { sum * sum / (values.len() as f64 * squares) }
}

/// The value that this part of a sorted series does not exceed (nearest rank); 0 of nothing.
pub fn quantile(sorted: &[f32], part: f64) -> f32 {
    let below = (1.0 - part) * sorted.len() as f64;
    // Counted from the greatest: exact where the part is close to 1.
    let from_last = Duration::from_secs_f64(below.max(0.0)).as_secs();
    let index = sorted.len().saturating_sub(1 + usize::try_from(from_last).unwrap_or(usize::MAX));
    sorted.get(index).copied().unwrap_or(0.0)
}

/// The mean of a series; 0 of nothing.
pub fn mean(series: &[f32]) -> f64 {
    series.iter().map(|value| f64::from(*value)).sum::<f64>() / series.len().max(1) as f64
}

impl Figures {
    /// Columns of [`Figures::row`].
    pub const HEAD: &'static str = "| | wait ms mean | p50 | p99 | p99.9 | longest s | slowdown p50 | p99 | p99.9 | Jain | used | given up | attempts lost | decisions/s |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|";

    /// One row of the table.
    pub fn row(&self, name: &str) -> String {
        let wait = |part| quantile(&self.waits_s, part) * 1000.0;
        let slow = |part| quantile(&self.slowdowns, part);
        format!(
            "| {name} | {:.1} | {:.1} | {:.0} | {:.0} | {:.1} | {:.2} | {:.2} | {:.1} | {:.3} | {:.3} | {} | {} | {:.0} |",
            mean(&self.waits_s) * 1000.0,
            wait(0.5),
            wait(0.99),
            wait(0.999),
            quantile(&self.waits_s, 1.0),
            slow(0.5),
            slow(0.99),
            slow(0.999),
            self.jain,
            self.utilisation,
            self.given_up,
            self.wasted,
            self.decisions as f64 / self.spent.as_secs_f64().max(f64::MIN_POSITIVE),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_members_of_the_series() {
        let series: Vec<f32> = (1..=1000u16).map(f32::from).collect();
        assert_eq!(quantile(&series, 0.5), 500.0);
        assert_eq!(quantile(&series, 0.999), 999.0);
        assert_eq!(quantile(&series, 1.0), 1000.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }

    #[test]
    fn jains_index_is_one_of_equals_and_a_part_where_one_has_all() {
        assert!((jain(&[3.0, 3.0, 3.0]) - 1.0).abs() < 1e-9);
        assert!((jain(&[1.0, 0.0, 0.0, 0.0]) - 0.25).abs() < 1e-9);
    }

    #[test]
    fn a_tiny_job_counts_as_one_of_the_floor() {
        let mut seen = Seen::new(0, 1);
        seen.ended(0, 0, Duration::from_millis(21), Duration::from_millis(1), false);
        let figures = seen.figures(Duration::ZERO, 0);
        assert!((figures.slowdowns[0] - 2.1).abs() < 1e-4, "{:?}", figures.slowdowns);
        assert!((figures.waits_s[0] - 0.02).abs() < 1e-6);
    }
}
