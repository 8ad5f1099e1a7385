//! What goes wrong with agents, and how often: they die, are cut off, lag, lie about their load, and
//! some fail jobs.

use std::time::Duration;

use crate::chance::Chance;

/// Mean time between two faults of one agent.
const BETWEEN: Duration = Duration::from_secs(120);
/// Faults that are deaths, of a hundred; the others are cuts.
const DEATHS_PERCENT: u64 = 40;
/// Mean time that an agent is away: of a death, and of a cut, which may be shorter than a lease or not.
const AWAY: (Duration, Duration) = (Duration::from_secs(8), Duration::from_secs(3));
/// Messages of agents that are late, of a hundred, and by how much on the average.
const LATE: (u64, Duration) = (5, Duration::from_millis(400));
/// Of a hundred agents, how many lie about their load, and how many fail jobs.
const LIARS_PERCENT: u64 = 10;
const BROKEN_PERCENT: u64 = 5;
/// Jobs that a broken agent fails, of a hundred.
const FAILS_PERCENT: u64 = 30;

/// What strikes an agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Luck {
    /// Its process ends, with what it ran.
    Dies,
    /// Its connection ends.
    IsCut,
}

/// What goes wrong in a run; nothing, where there is no chance for it.
pub struct Faults(Option<Chance>);

impl Faults {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self(None)
    }

    /// All of it does, as the seed decides.
    pub fn of(seed: u64) -> Self {
        Self(Some(Chance::of(seed, 6)))
    }

    /// When the next fault strikes an agent.
    pub fn until_next(&mut self) -> Option<Duration> {
        self.0.as_mut().map(|chance| BETWEEN.mul_f64(chance.exponential()))
    }

    /// Which fault it is, and for how long the agent is away.
    pub fn strike(&mut self) -> (Luck, Duration) {
        let Some(chance) = &mut self.0 else { return (Luck::IsCut, Duration::ZERO) };
        let dies = chance.below(100) < DEATHS_PERCENT;
        let (luck, away) = if dies { (Luck::Dies, AWAY.0) } else { (Luck::IsCut, AWAY.1) };
        (luck, away.mul_f64(chance.exponential()))
    }

    /// How late a message is.
    pub fn lateness(&mut self) -> Duration {
        let Some(chance) = &mut self.0 else { return Duration::ZERO };
        if chance.below(100) < LATE.0 { LATE.1.mul_f64(chance.exponential()) } else { Duration::ZERO }
    }

    /// What an agent says of its load; a liar says anything.
    pub fn reported(&mut self, agent: usize, busy_permille: u16) -> u16 {
        match &mut self.0 {
            Some(chance) if is_one_of(agent, LIARS_PERCENT, 7) => {
                u16::try_from(chance.below(1001)).unwrap_or(busy_permille)
            }
            _ => busy_permille,
        }
    }

    /// Whether an agent fails the job that it has.
    pub fn fails(&mut self, agent: usize) -> bool {
        self.0.as_mut().is_some_and(|chance| is_one_of(agent, BROKEN_PERCENT, 8) && chance.below(100) < FAILS_PERCENT)
    }
}

/// Always the same of a hundred agents.
fn is_one_of(agent: usize, percent: u64, series: u64) -> bool {
    Chance::of(agent as u64, series).below(100) < percent
}
