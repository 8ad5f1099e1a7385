//! How much is measured: one table of counts for each size of a run.

use std::time::Duration;

use clap::ValueEnum;

/// Size of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Size {
    /// Every part once, so that it is seen to work: its figures mean nothing
    Smallest,
    /// About three minutes
    Quick,
    /// About twenty minutes on two cores
    Full,
}

/// Counts of one run.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Times that each series is begun anew; the confidence interval is over all of them.
    pub runs: usize,
    /// Rounds of a run for a program of the least cost; dearer ones have a part of it.
    pub rounds: usize,
    /// Every so many rounds the ways that cost hundreds of milliseconds have their turn.
    pub slow_every: usize,
    /// Rounds before those that are timed.
    pub warm_up: usize,
    /// One series of a throughput.
    pub load: Duration,
    /// Clients of the throughput series.
    pub clients: &'static [usize],
    /// One open-loop series.
    pub open: Duration,
    /// Whether jobs of many scopes begin when the pool's places are all taken.
    pub fills_places: bool,
    /// Cold starts of each kind.
    pub cold: usize,
    /// First jobs without their files in memory, for each program and way.
    pub uncached: usize,
    /// Starts of a whole agent.
    pub agent_starts: usize,
    /// Jobs of a series whose processor time is told apart.
    pub accounted: usize,
    /// Parts in which they are run.
    pub accounted_runs: usize,
    /// Jobs under gVisor, where it is asked for.
    pub gvisor: usize,
}

impl Size {
    /// Its word, as it is given.
    pub fn word(self) -> &'static str {
        match self {
            Self::Smallest => "smallest",
            Self::Quick => "quick",
            Self::Full => "full",
        }
    }

    /// What is measured in a run of this size.
    pub fn settings(self) -> Settings {
        match self {
            Self::Smallest => Settings {
                runs: 1,
                rounds: 1,
                slow_every: 1,
                warm_up: 1,
                load: Duration::from_millis(300),
                clients: &[1, 2],
                open: Duration::from_millis(500),
                fills_places: false,
                cold: 1,
                uncached: 1,
                agent_starts: 1,
                accounted: 2,
                accounted_runs: 1,
                gvisor: 1,
            },
            Self::Quick => Settings {
                runs: 3,
                rounds: 6,
                slow_every: 6,
                warm_up: 1,
                load: Duration::from_millis(500),
                clients: &[1, 4],
                open: Duration::from_secs(2),
                fills_places: true,
                cold: 3,
                uncached: 2,
                agent_starts: 1,
                accounted: 8,
                accounted_runs: 1,
                gvisor: 3,
            },
            Self::Full => Settings {
                runs: 3,
                rounds: 40,
                slow_every: 5,
                warm_up: 3,
                load: Duration::from_secs(2),
                clients: &[1, 4, 8],
                open: Duration::from_secs(10),
                fills_places: true,
                cold: 10,
                uncached: 5,
                agent_starts: 3,
                accounted: 40,
                accounted_runs: 3,
                gvisor: 10,
            },
        }
    }
}
