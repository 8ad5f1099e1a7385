//! What comes to the agent: drawn from the seed, the same for every policy.

use std::time::Duration;

use enclos_protocol::job::Reuse;

use crate::chance::Chance;

/// When the first job comes, in seconds: stock that is kept from the start is there by then.
const FIRST_S: f64 = 10.0;
/// Mean processor time of a job, in seconds: between Python's hello and C's.
const WORK_S: f64 = 0.06;
/// Scopes of `scopes`, and of `bursts`.
const SCOPES: u32 = 1000;
/// Jobs of one burst.
const BURST: usize = 50;
/// Mean time between two bursts, in seconds.
const BETWEEN_BURSTS_S: f64 = 120.0;
/// Languages of `languages`, each an image.
const LANGUAGES: u32 = 20;
/// Tenants where there are some.
const TENANTS: u32 = 10;
/// Failing jobs, of a hundred.
const FAILING_PERCENT: u64 = 30;

/// Which jobs come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// One tenant, ten jobs a second.
    Steady,
    /// Nothing for two minutes, then 50 jobs of 50 of 1,000 scopes at once.
    Bursts,
    /// 20 languages, a few of them nearly always, ten tenants; a job a second.
    Languages,
    /// 1,000 scopes, some much more often than others; a job a second.
    Scopes,
    /// 1,000 scopes, each as often as any other; a job a second.
    EvenScopes,
    /// Ten tenants, four jobs a second, of which 30 % fail and leave nothing.
    Failing,
    /// The same, and each that fails costs its sandbox.
    Unfit,
    /// Ten tenants who trust no sandbox twice; a job a second.
    SingleUse,
}

impl Kind {
    /// All.
    pub const ALL: [Self; 8] = [
        Self::Steady,
        Self::Bursts,
        Self::Languages,
        Self::Scopes,
        Self::EvenScopes,
        Self::Failing,
        Self::Unfit,
        Self::SingleUse,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Bursts => "bursts",
            Self::Languages => "languages",
            Self::Scopes => "scopes, Zipf",
            Self::EvenScopes => "scopes, even",
            Self::Failing => "30% failing",
            Self::Unfit => "30% unfit",
            Self::SingleUse => "single use",
        }
    }

    /// Images that are made at the start.
    pub fn images(self) -> u32 {
        if self == Self::Languages { LANGUAGES } else { 1 }
    }

    fn per_second(self) -> f64 {
        match self {
            Self::Steady => 10.0,
            Self::Failing | Self::Unfit => 4.0,
            Self::Bursts | Self::Languages | Self::Scopes | Self::EvenScopes | Self::SingleUse => 1.0,
        }
    }

    /// `count` jobs in the order in which they come.
    pub fn jobs(self, count: usize, seed: u64) -> Vec<Job> {
        let mut chance = Chance(seed);
        let mut at = FIRST_S;
        let draw = |n: usize| {
            match self {
                Self::Bursts if n > 0 && n.is_multiple_of(BURST) => at += BETWEEN_BURSTS_S * chance.exponential(),
                Self::Bursts => {}
                _ => at += chance.exponential() / self.per_second(),
            }
            let scope = match self {
                Self::Steady => 0,
                Self::Bursts | Self::EvenScopes => below(&mut chance, SCOPES),
                Self::Scopes => zipf(&mut chance, SCOPES),
                Self::Languages | Self::Failing | Self::Unfit | Self::SingleUse => below(&mut chance, TENANTS),
            };
            Job {
                at,
                work: WORK_S * chance.exponential(),
                image: if self == Self::Languages { zipf(&mut chance, LANGUAGES) } else { 0 },
                scope,
                reuse: if self == Self::SingleUse { Reuse::Never } else { Reuse::Tenant },
                unfit: chance.below(100) < FAILING_PERCENT && self == Self::Unfit,
            }
        };
        (0..count).map(draw).collect()
    }
}

/// One job.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Job {
    /// When it comes, in seconds.
    pub at: f64,
    /// Processor time, in seconds.
    pub work: f64,
    /// Of which image it is.
    pub image: u32,
    /// Whose it is.
    pub scope: u32,
    /// Whether its sandbox may serve others.
    pub reuse: Reuse,
    /// Its sandbox may not, after it.
    pub unfit: bool,
}

/// A moment as the plan counts them.
pub fn duration(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn below(chance: &mut Chance, count: u32) -> u32 {
    u32::try_from(chance.below(count.into())).expect("it is below a number of 32 bits")
}

/// One of `count`, the n-th with a chance of 1/n (Zipf, exponent 1), by the inverse of the integral.
fn zipf(chance: &mut Chance, count: u32) -> u32 {
    let drawn = (f64::from(count) + 1.0).powf(chance.unit());
    (1..=count).take_while(|n| f64::from(*n) <= drawn).last().unwrap_or(1) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_come_in_order_and_the_same_again() {
        for kind in Kind::ALL {
            let jobs = kind.jobs(500, 3);
            assert!(jobs.is_sorted_by_key(|job| duration(job.at)), "{kind:?}");
            assert_eq!(jobs, kind.jobs(500, 3));
            assert!(jobs.iter().all(|job| job.image < kind.images() && job.scope < SCOPES));
        }
    }

    #[test]
    fn the_first_of_many_comes_most_often() {
        let mut chance = Chance(5);
        let drawn: Vec<u32> = (0..10_000).map(|_| zipf(&mut chance, 20)).collect();
        let count = |which: u32| drawn.iter().filter(|n| **n == which).count();
        assert!(count(0) > 2 * count(2) && count(2) > count(19) && count(19) > 0);
    }
}
