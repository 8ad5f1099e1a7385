//! What is submitted, when, and how long it truly takes: drawn anew from the seed for each policy,
//! so that a million jobs are never held and every policy meets the very same.

use std::time::Duration;

use clap::ValueEnum;

use crate::chance::Chance;

/// Sources that a tenant submits again and again.
pub const SOURCES_PER_TENANT: u64 = 20;
/// Jobs of a source that was never seen before, of a hundred.
const UNSEEN_PERCENT: u64 = 30;
/// Deviation of the logarithms of sources' times.
const BETWEEN_SIGMA: f64 = 1.5;
/// Median of a lognormal source's time, in seconds.
const MEDIAN_S: f64 = 0.3;
/// Exponent, least and most of a Pareto source's time, in seconds.
const PARETO: (f64, f64, f64) = (1.2, 0.05, 100.0);
/// Shortest and longest that any job takes, in seconds: what an agent needs at least, and the
/// limit that ends it.
pub const SERVICE_S: (f64, f64) = (0.001, 120.0);
/// Languages.
pub const LANGUAGES: [&str; 4] = ["c", "cpp", "java", "python"];
/// Tenants, the first with the most jobs (Zipf, exponent 1).
const TENANTS: u16 = 100;
/// Tenants of `flood`, the first of which floods.
pub const FLOOD_TENANTS: u16 = 10;
/// What the flooding tenant offers, in parts of the whole cluster; and what each other offers of its share.
const FLOOD_OFFERED: (f64, f64) = (2.0, 0.8);
/// What part of the time is a burst.
const BURST_PART: f64 = 0.25;
/// How long a burst is, in mean times of a job.
const BURST_LENGTH: f64 = 5.0;

/// Which jobs come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Kind {
    /// One tenant, exponential gaps and times: what queueing theory knows
    Exponential,
    /// One tenant, exponential gaps, lognormal times
    Lone,
    /// Many tenants, exponential gaps, lognormal times
    Lognormal,
    /// Many tenants, exponential gaps, times of a bounded Pareto distribution
    Pareto,
    /// As `lognormal`, in bursts (a Markov-modulated process)
    Bursty,
    /// One tenant, lognormal times, in the same bursts
    LoneBursty,
    /// As `lognormal`, ten tenants, one of which offers twice what the cluster can take
    Flood,
}

impl Kind {
    /// Tenants whose jobs come.
    pub fn tenants(self) -> u16 {
        match self {
            Self::Exponential | Self::Lone | Self::LoneBursty => 1,
            Self::Flood => FLOOD_TENANTS,
            Self::Lognormal | Self::Pareto | Self::Bursty => TENANTS,
        }
    }

    /// Its name, as it is given.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// One job.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Work {
    /// Counts from 0.
    pub number: u32,
    /// When it comes, since the start.
    pub at: Duration,
    /// How long it takes where it is run.
    pub service: Duration,
    /// Whose it is.
    pub tenant: u16,
    /// Index in [`LANGUAGES`].
    pub language: usize,
    /// Digest of its source.
    pub source: u64,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Offered {
    /// Which jobs.
    pub kind: Kind,
    /// How many.
    pub jobs: u32,
    /// Part of the cluster's time that they need together (for `flood`: without the flooding tenant's).
    pub utilisation: f64,
    /// Jobs that the cluster runs at once.
    pub slots: u32,
    /// Deviation of the logarithms of one source's times.
    pub within_sigma: f64,
    /// How much faster jobs come in a burst than on the average; below [`BURST_MAX`].
    pub burst: f64,
    /// Decides all of it.
    pub seed: u64,
    /// Whose jobs are there; each comes as it would with all others.
    pub whose: Whose,
}

/// Beyond it nothing would come between bursts.
pub const BURST_MAX: f64 = 1.0 / BURST_PART;

/// Tenants whose jobs are there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whose {
    /// All.
    All,
    /// All but the first, who floods.
    ButTheFirst,
    /// One.
    Only(u16),
}

impl Whose {
    fn holds(self, tenant: u16) -> bool {
        match self {
            Self::All => true,
            Self::ButTheFirst => tenant != 0,
            Self::Only(one) => tenant == one,
        }
    }
}

/// The jobs, in the order in which they come.
#[derive(Clone)]
pub struct Workload {
    offered: Offered,
    marks: Chance,
    gaps: Chance,
    /// Cumulated parts of the tenants.
    tenants: Vec<f64>,
    /// Mean gap, in seconds.
    gap_s: f64,
    mean_s: f64,
    number: u32,
    at_s: f64,
    /// Left of the phase of a burst, in seconds, and whether it is one.
    phase: (f64, bool),
}

impl Workload {
    /// The gaps are such that the times of all jobs together are the wanted part of the cluster's.
    pub fn new(offered: Offered) -> Self {
        let seed = offered.seed;
        let weights: Vec<f64> = match offered.kind {
            Kind::Flood => {
                let (flood, each) = FLOOD_OFFERED;
                let share = each / f64::from(FLOOD_TENANTS);
                (0..FLOOD_TENANTS).map(|tenant| if tenant == 0 { flood } else { share }).collect()
            }
            kind => (1..=kind.tenants()).map(|rank| 1.0 / f64::from(rank)).collect(),
        };
        let sum: f64 = weights.iter().sum();
        let tenants = weights.iter().scan(0.0, |before, weight| {
            *before += weight / sum;
            Some(*before)
        });
        let mut workload = Self {
            offered,
            marks: Chance::of(seed, 1),
            gaps: Chance::of(seed, 2),
            tenants: tenants.collect(),
            gap_s: 0.0,
            mean_s: 1.0,
            number: 0,
            at_s: 0.0,
            phase: (0.0, true),
        };
        let mut times = workload.clone();
        let total: f64 = (0..offered.jobs).map(|_| times.mark().3).sum();
        workload.mean_s = total / f64::from(offered.jobs.max(1));
        let utilisation = if offered.kind == Kind::Flood { sum } else { offered.utilisation };
        workload.gap_s = workload.mean_s / (utilisation * f64::from(offered.slots));
        workload
    }

    /// Mean time of a job.
    pub fn mean(&self) -> Duration {
        Duration::from_secs_f64(self.mean_s)
    }

    /// For each tenant what it offers of the cluster's time, in parts of what the greatest does, from 1 to `most`.
    pub fn weights(self, most: u32) -> Vec<u32> {
        let mut offered_s = vec![0.0_f64; self.tenants.len()];
        self.for_each(|work| offered_s[usize::from(work.tenant)] += work.service.as_secs_f64());
        let greatest = offered_s.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let part = |offered_s: &f64| (1..most).rev().find(|n| f64::from(*n) <= offered_s / greatest * f64::from(most));
        offered_s
            .iter()
            .map(|offered_s| if *offered_s >= greatest { most } else { part(offered_s).unwrap_or(1) })
            .collect()
    }

    /// Tenant, language, source and seconds of the next job.
    fn mark(&mut self) -> (u16, usize, u64, f64) {
        let chance = &mut self.marks;
        let drawn = chance.unit();
        let tenant = self.tenants.partition_point(|part| *part < drawn).min(self.tenants.len() - 1);
        let tenant = u16::try_from(tenant).unwrap_or(0);
        let kind = self.offered.kind;
        if kind == Kind::Exponential {
            return (tenant, 0, chance.number(), chance.exponential() * MEDIAN_S);
        }
        let is_new = chance.below(100) < UNSEEN_PERCENT;
        let known = u64::from(tenant) * SOURCES_PER_TENANT + chance.below(SOURCES_PER_TENANT);
        let source = if is_new { chance.number() | 1 << 63 } else { known };
        // What belongs to a source is drawn from the source: nothing has to be remembered. Under a flood
        // every tenant's sources are alike, or some would offer more than their share.
        let alike = if kind == Kind::Flood && !is_new { source % SOURCES_PER_TENANT } else { source };
        let mut own = Chance::of(self.offered.seed ^ alike, 3);
        let language = own.index(LANGUAGES.len());
        let base_s = match kind {
            Kind::Pareto => own.pareto(PARETO.0, PARETO.1, PARETO.2),
            _ => MEDIAN_S * (BETWEEN_SIGMA * own.normal()).exp(),
        };
        let service_s = base_s * (self.offered.within_sigma * chance.normal()).exp();
        (tenant, language, source, service_s.clamp(SERVICE_S.0, SERVICE_S.1))
    }

    fn gap(&mut self) -> f64 {
        if !matches!(self.offered.kind, Kind::Bursty | Kind::LoneBursty) {
            return self.gaps.exponential() * self.gap_s;
        }
        let (faster, part) = (self.offered.burst, BURST_PART);
        let slower = (1.0 - faster * part) / (1.0 - part);
        let mut passed = 0.0;
        loop {
            let rate = if self.phase.1 { faster } else { slower };
            let gap = self.gaps.exponential() * self.gap_s / rate;
            if gap <= self.phase.0 {
                self.phase.0 -= gap;
                return passed + gap;
            }
            // The gap begins anew in the next phase: an exponential one remembers nothing.
            passed += self.phase.0;
            let is_burst = !self.phase.1;
            let length = if is_burst { BURST_LENGTH } else { BURST_LENGTH * (1.0 - part) / part };
            self.phase = (self.gaps.exponential() * length * self.mean_s, is_burst);
        }
    }
}

impl Iterator for Workload {
    type Item = Work;

    fn next(&mut self) -> Option<Work> {
        while self.number < self.offered.jobs {
            self.at_s += self.gap();
            let (tenant, language, source, service_s) = self.mark();
            let number = self.number;
            self.number += 1;
            if !self.offered.whose.holds(tenant) {
                continue;
            }
            let (at, service) = (Duration::from_secs_f64(self.at_s), Duration::from_secs_f64(service_s));
            return Some(Work { number, at, service, tenant, language, source });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(kind: Kind) -> Offered {
        let whose = Whose::All;
        Offered { kind, jobs: 20_000, utilisation: 0.9, slots: 50, within_sigma: 0.5, burst: 2.5, seed: 7, whose }
    }

    #[test]
    fn the_same_seed_brings_the_same_jobs() {
        for kind in Kind::value_variants() {
            let jobs = |seed| Workload::new(Offered { seed, ..offered(*kind) }).take(500).collect::<Vec<_>>();
            assert_eq!(jobs(7), jobs(7));
            assert_ne!(jobs(7), jobs(8));
        }
    }

    #[test]
    fn the_jobs_need_the_wanted_part_of_the_cluster() {
        for kind in [Kind::Exponential, Kind::Lognormal, Kind::Pareto] {
            let jobs: Vec<Work> = Workload::new(offered(kind)).collect();
            let needed: f64 = jobs.iter().map(|job| job.service.as_secs_f64()).sum();
            let part = needed / 50.0 / jobs[jobs.len() - 1].at.as_secs_f64();
            assert!((part - 0.9).abs() < 0.03, "{kind:?}: {part}");
        }
    }

    #[test]
    fn bursts_have_the_same_mean_and_a_greater_spread() {
        let counts = |kind| {
            let workload = Workload::new(offered(kind));
            let (mean, mut counts) = (workload.mean(), vec![0.0_f64; 400]);
            for job in workload {
                let window = job.at.as_nanos() / mean.as_nanos();
                if let Some(count) = usize::try_from(window).ok().and_then(|w| counts.get_mut(w)) {
                    *count += 1.0;
                }
            }
            let mean = counts.iter().sum::<f64>() / counts.len() as f64;
            let spread = counts.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / counts.len() as f64;
            (mean, spread / mean)
        };
        let ((plain, even), (bursty, uneven)) = (counts(Kind::Lognormal), counts(Kind::Bursty));
        assert!((bursty / plain - 1.0).abs() < 0.25, "{plain} {bursty}");
        assert!(even < 1.5 && uneven > 5.0, "{even} {uneven}");
    }

    #[test]
    fn without_the_flood_the_others_jobs_are_the_same() {
        let all: Vec<Work> = Workload::new(offered(Kind::Flood)).filter(|job| job.tenant != 0).collect();
        let alone = Workload::new(Offered { whose: Whose::ButTheFirst, ..offered(Kind::Flood) }).collect::<Vec<_>>();
        assert!(!alone.is_empty() && all == alone);
    }
}
