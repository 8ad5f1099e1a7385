//! In which order jobs get their turn, and where they go.

use std::time::Duration;

/// Longest time that a job may say it waits, in milliseconds: a week.
pub const QUEUE_TTL_MS_MAX: u64 = 7 * 24 * 3600 * 1000;
/// Most CPU that an operator may have promised, against what agents offer.
const OVERCOMMIT_MAX: f64 = 16.0;

/// Flags of scheduling.
#[derive(Clone, Debug, clap::Args)]
pub struct SchedulingArgs {
    /// How long a job that says nothing of it may wait before it is cancelled [default: as long as it takes]
    #[arg(long, env = "ENCLOS_QUEUE_TTL_MS", value_name = "MS",
          value_parser = clap::value_parser!(u64).range(1..=QUEUE_TTL_MS_MAX))]
    pub queue_ttl_ms: Option<u64>,
    /// Longest that a job may ask to wait
    #[arg(long, env = "ENCLOS_QUEUE_TTL_MAX_MS", default_value_t = QUEUE_TTL_MS_MAX, value_name = "MS",
          value_parser = clap::value_parser!(u64).range(1..=QUEUE_TTL_MS_MAX))]
    pub queue_ttl_max_ms: u64,
    /// Time without a turn after which a tenant's jobs of one class of priority rise to the next
    #[arg(long, env = "ENCLOS_AGEING_MS", default_value_t = 60_000, value_name = "MS",
          value_parser = clap::value_parser!(u64).range(100..=QUEUE_TTL_MS_MAX))]
    pub ageing_ms: u64,
    /// Whether what jobs use is learnt and gone by
    #[arg(long, env = "ENCLOS_PREDICTION", value_enum, default_value = "on", value_name = "on|off")]
    pub prediction: Prediction,
    /// Which of the agents that have room gets a job: the least busy, or the first by name, so that the last can be taken away
    #[arg(long, env = "ENCLOS_PLACEMENT", value_enum, default_value = "spread", value_name = "spread|pack")]
    pub placement: Placement,
    /// CPU that may be promised on an agent against what it offers, while its jobs are expected to use less; memory and processes are never promised twice
    #[arg(long, env = "ENCLOS_CPU_OVERCOMMIT", default_value = "1", value_name = "FACTOR", value_parser = overcommit)]
    pub cpu_overcommit: Permille,
}

/// Whether what jobs use is learnt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Prediction {
    /// It is.
    On,
    /// Nothing is learnt, kept or shown.
    Off,
}

/// Which of the agents that have room gets a job.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Placement {
    /// The least busy.
    Spread,
    /// The first by name.
    Pack,
}

/// A factor in thousandths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Permille(pub u32);

/// In which order jobs get their turn, and where they go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scheduling {
    /// How long a job that says nothing of it may wait; `None`: as long as it takes.
    pub queue_ttl: Option<Duration>,
    /// Longest that a job may ask to wait.
    pub queue_ttl_max: Duration,
    /// After so long without a turn a tenant's jobs of one class rise to the next.
    pub ageing: Duration,
    /// Whether what jobs use is learnt and gone by.
    pub prediction: Prediction,
    /// Which of the agents that have room gets a job.
    pub placement: Placement,
    /// CPU that may be promised against what agents offer.
    pub cpu_overcommit: Permille,
}

impl From<&SchedulingArgs> for Scheduling {
    fn from(args: &SchedulingArgs) -> Self {
        let SchedulingArgs { queue_ttl_ms, queue_ttl_max_ms, ageing_ms, prediction, placement, cpu_overcommit } = *args;
        let queue_ttl_max = Duration::from_millis(queue_ttl_max_ms);
        Self {
            // A default beyond what may be asked for would be more than asking could get.
            queue_ttl: queue_ttl_ms.map(|ms| Duration::from_millis(ms).min(queue_ttl_max)),
            queue_ttl_max,
            ageing: Duration::from_millis(ageing_ms),
            prediction,
            placement,
            cpu_overcommit,
        }
    }
}

impl Default for Scheduling {
    fn default() -> Self {
        Self {
            queue_ttl: None,
            queue_ttl_max: Duration::from_millis(QUEUE_TTL_MS_MAX),
            ageing: Duration::from_secs(60),
            prediction: Prediction::On,
            placement: Placement::Spread,
            cpu_overcommit: Permille(1000),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "it was just bounded")]
fn overcommit(text: &str) -> Result<Permille, String> {
    let factor = text.parse::<f64>().ok().filter(|factor| (1.0..=OVERCOMMIT_MAX).contains(factor));
    let factor = factor.ok_or_else(|| format!("is a factor from 1 to {OVERCOMMIT_MAX}, such as 1.5"))?;
    Ok(Permille((factor * 1000.0).round() as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_is_at_least_one_and_bounded() {
        assert_eq!(overcommit("1"), Ok(Permille(1000)));
        assert_eq!(overcommit("1.2345"), Ok(Permille(1235)));
        for bad in ["0.9", "17", "nan", "-1", "", "x"] {
            assert!(overcommit(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn without_flags_the_defaults_hold() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: SchedulingArgs,
        }
        use clap::Parser as _;
        let of = |line: &[&str]| Scheduling::from(&Line::try_parse_from(line).unwrap().args);
        assert_eq!(of(&["x"]), Scheduling::default());
        let bounded = of(&["x", "--queue-ttl-ms", "5000", "--queue-ttl-max-ms", "1000"]);
        assert_eq!(bounded.queue_ttl, Some(bounded.queue_ttl_max));
    }
}
