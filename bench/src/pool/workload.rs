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

/// Scopes of `sessions`, the jobs of one session, what lies between two of them and between two sessions, on the
/// mean; in seconds.
const SESSION_SCOPES: u32 = 50;
const SESSION_JOBS: u64 = 20;
const BETWEEN_JOBS_S: f64 = 20.0;
const PAUSE_S: f64 = 7200.0;
/// How long a job of `waiting` waits, in seconds.
const WAITING_S: f64 = 8.0;

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
    /// 50 scopes, each with jobs 20 s apart and then a pause of two hours, after one of 20.
    Sessions,
    /// Bursts of one image, and afterwards single use of another, a job each two seconds.
    Change,
    /// Single use: as many jobs as the cores can just bear, and then one each two minutes.
    Rush,
    /// 1,000 scopes, each as often; half of the jobs wait for 8 s while they hold their sandbox.
    Waiting,
}

impl Kind {
    /// All.
    pub const ALL: [Self; 12] = [
        Self::Steady,
        Self::Bursts,
        Self::Languages,
        Self::Scopes,
        Self::EvenScopes,
        Self::Failing,
        Self::Unfit,
        Self::SingleUse,
        Self::Sessions,
        Self::Change,
        Self::Rush,
        Self::Waiting,
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
            Self::Sessions => "sessions",
            Self::Change => "change",
            Self::Rush => "rush",
            Self::Waiting => "waiting",
        }
    }

    /// Images that are made at the start.
    pub fn images(self) -> u32 {
        match self {
            Self::Languages => LANGUAGES,
            Self::Change => 2,
            _ => 1,
        }
    }

    /// Jobs per second; `late`: in the second part.
    fn per_second(self, late: bool) -> f64 {
        match self {
            Self::Steady => 10.0,
            Self::Rush if late => 1.0 / 120.0,
            Self::Rush => 3.2,
            Self::Change | Self::Waiting => 0.5,
            Self::Failing | Self::Unfit => 4.0,
            Self::Bursts | Self::Sessions | Self::Languages | Self::Scopes | Self::EvenScopes | Self::SingleUse => 1.0,
        }
    }

    fn is_single_use(self) -> bool {
        matches!(self, Self::SingleUse | Self::Rush)
    }

    /// `count` jobs in the order in which they come.
    pub fn jobs(self, count: usize, seed: u64) -> Vec<Job> {
        let mut chance = Chance(seed);
        let mut at = FIRST_S;
        // When each scope of `sessions` comes next.
        let scopes = if self == Self::Sessions { SESSION_SCOPES } else { 0 };
        let mut sessions: Vec<f64> = (0..scopes).map(|_| at + PAUSE_S * chance.unit()).collect();
        let draw = |n: usize| {
            let late = match self {
                Self::Change => n >= count / 2,
                Self::Rush => n >= count / 10 * 9,
                _ => false,
            };
            let mut session = 0;
            match self {
                Self::Bursts | Self::Change if !late => {
                    let begins = n > 0 && n.is_multiple_of(BURST);
                    at += if begins { BETWEEN_BURSTS_S * chance.exponential() } else { 0.0 };
                }
                Self::Sessions => (session, at) = next_of(&mut sessions, &mut chance),
                _ => at += chance.exponential() / self.per_second(late),
            }
            let scope = match self {
                Self::Steady => 0,
                Self::Sessions => session,
                Self::Bursts | Self::EvenScopes | Self::Change | Self::Waiting => below(&mut chance, SCOPES),
                Self::Scopes => zipf(&mut chance, SCOPES),
                Self::Languages | Self::Failing | Self::Unfit | Self::SingleUse | Self::Rush => {
                    below(&mut chance, TENANTS)
                }
            };
            Job {
                at,
                work: WORK_S * chance.exponential(),
                image: match self {
                    Self::Languages => zipf(&mut chance, LANGUAGES),
                    _ => u32::from(late && self == Self::Change),
                },
                scope,
                reuse: if self.is_single_use() || (self == Self::Change && late) {
                    Reuse::Never
                } else {
                    Reuse::Tenant
                },
                waits: if self == Self::Waiting && chance.below(2) == 0 { WAITING_S } else { 0.0 },
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
    /// For how long it has its sandbox before it works, in seconds.
    pub waits: f64,
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

/// Which scope comes next, and when.
fn next_of(sessions: &mut [f64], chance: &mut Chance) -> (u32, f64) {
    let first = sessions.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(scope, _)| scope);
    let at = sessions[first];
    let mean = if chance.below(SESSION_JOBS) == 0 { PAUSE_S } else { BETWEEN_JOBS_S };
    sessions[first] += mean * chance.exponential();
    (u32::try_from(first).expect("scopes are few"), at)
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
