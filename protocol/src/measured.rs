//! What agents measure beside what programs use: how long their own work takes, and where it fails.
//!
//! All of it is for people and their graphs; nothing is decided by it. So every
//! field may be missing, and what a newer version says more is passed over.

use serde::{Deserialize, Serialize};

/// Upper bounds of the classes of [`Durations`], in microseconds; one more class is for all above.
pub const DURATION_BOUNDS_US: [u64; 12] =
    [100, 500, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000, 30_000_000, 300_000_000];
/// Cases of one job whose laps are told, the first ones.
pub const LAPS_CASES_MAX: usize = 100;

/// Durations, counted by size since an agent's process started.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Durations {
    /// How many were in each class of [`DURATION_BOUNDS_US`]; classes that are not said are empty.
    pub counts: Vec<u64>,
    /// All of them together, in microseconds.
    pub sum_us: u64,
}

impl Durations {
    /// Counts one.
    pub fn count(&mut self, us: u64) {
        let class = DURATION_BOUNDS_US.partition_point(|bound| *bound < us);
        self.counts.resize(DURATION_BOUNDS_US.len() + 1, 0);
        self.counts[class] += 1;
        self.sum_us = self.sum_us.saturating_add(us);
    }

    /// Those that came since `before`. A count that fell is a mistake and counts nothing.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let of = |durations: &Self, class: usize| durations.counts.get(class).copied().unwrap_or(0);
        let counts: Vec<u64> =
            (0..self.counts.len()).map(|class| of(self, class).saturating_sub(of(before, class))).collect();
        if counts.iter().all(|count| *count == 0) {
            return Self::default();
        }
        Self { counts, sum_us: self.sum_us.saturating_sub(before.sum_us) }
    }

    /// Within bounds: as many classes as there are, no count above `max`, no sum above `sum_max_us`.
    #[must_use]
    pub fn bounded(mut self, max: u64, sum_max_us: u64) -> Self {
        self.counts.truncate(DURATION_BOUNDS_US.len() + 1);
        self.counts.iter_mut().for_each(|count| *count = (*count).min(max));
        Self { sum_us: self.sum_us.min(sum_max_us), ..self }
    }
}

/// Calls to its engine that failed, by what was asked of it, since an agent's process started.
///
/// A closed set: a kind becomes a label.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EngineErrors {
    /// To answer at all.
    pub connect: u64,
    /// To say what it is.
    pub describe: u64,
    /// An image of the supervisor alone.
    pub probe_image: u64,
    /// A container of an image that it does not have.
    pub no_image: u64,
    /// A container.
    pub create: u64,
    /// A container's streams.
    pub attach: u64,
    /// The start of one.
    pub start: u64,
    /// What one wrote.
    pub output: u64,
    /// How one is.
    pub inspect: u64,
    /// The end of one.
    pub remove: u64,
    /// Which there are.
    pub list: u64,
}

impl EngineErrors {
    /// How many kinds there are.
    pub const KINDS: usize = 11;

    /// Every kind by its name, with its count.
    #[must_use]
    pub fn by_kind(&self) -> [(&'static str, u64); Self::KINDS] {
        let Self { connect, describe, probe_image, no_image, create, attach, start, output, inspect, remove, list } =
            *self;
        [
            ("connect", connect),
            ("describe", describe),
            ("probe_image", probe_image),
            ("no_image", no_image),
            ("create", create),
            ("attach", attach),
            ("start", start),
            ("output", output),
            ("inspect", inspect),
            ("remove", remove),
            ("list", list),
        ]
    }

    /// Each count as `change` makes it of both.
    #[must_use]
    pub fn zip(&self, other: &Self, change: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            connect: change(self.connect, other.connect),
            describe: change(self.describe, other.describe),
            probe_image: change(self.probe_image, other.probe_image),
            no_image: change(self.no_image, other.no_image),
            create: change(self.create, other.create),
            attach: change(self.attach, other.attach),
            start: change(self.start, other.start),
            output: change(self.output, other.output),
            inspect: change(self.inspect, other.inspect),
            remove: change(self.remove, other.remove),
            list: change(self.list, other.list),
        }
    }
}

/// What an agent's engine took and where it failed, since the agent's process started.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EngineReport {
    /// Starts of sandboxes, from the order until its supervisor answered.
    pub starts: Durations,
    /// Their ends, until nothing was left.
    pub stops: Durations,
    /// Calls that failed.
    pub errors: EngineErrors,
}

/// What an agent's pool keeps unbound of one image.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageStock {
    /// Name of the image.
    pub image: String,
    /// Sandboxes that wait.
    pub warm: u32,
    /// As many as there should be.
    pub wanted: u32,
    /// Claims that no waiting sandbox of their own binding could serve, per hour, as of late.
    pub fresh_per_hour: u32,
}

/// Where the sandboxes of an attempt came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Claims {
    /// Ready and unbound when they were asked for.
    pub warm: u32,
    /// Ready, and bound to the job's tenant and scope before.
    pub bound: u32,
    /// Waited for: until one was started, or became free.
    pub waited: u32,
}

impl Claims {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            warm: self.warm.saturating_add(other.warm),
            bound: self.bound.saturating_add(other.bound),
            waited: self.waited.saturating_add(other.waited),
        }
    }
}

/// A stretch of an attempt, counted from its dispatch's arrival at the agent, in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Lap {
    /// When it began.
    pub from_us: u64,
    /// When it ended.
    pub to_us: u64,
}

/// What an attempt's time at its agent went to, in the order in which it went.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Laps {
    /// All of it: from the dispatch's arrival until the report was made, in microseconds.
    pub whole_us: u64,
    /// The job's input came.
    pub input: Option<Lap>,
    /// Its image was made ready, its dependencies in it.
    pub image: Option<Lap>,
    /// A sandbox was found or started, and the job's files brought there.
    pub sandbox: Option<Lap>,
    /// Its compile step.
    pub compile: Option<Lap>,
    /// Its run, or all its cases with their judging.
    pub run: Option<Lap>,
    /// The first [`LAPS_CASES_MAX`] of its cases.
    pub cases: Vec<Lap>,
    /// It left its sandbox.
    pub leave: Option<Lap>,
    /// Files that it left were given to the master.
    pub files: Option<Lap>,
    /// Its sandboxes.
    pub claims: Claims,
}

impl Laps {
    /// Within bounds: no time above `max_us`, none that ends before it begins or after all of it, and no more cases
    /// than are told.
    #[must_use]
    pub fn bounded(self, max_us: u64) -> Self {
        let Self { whole_us, input, image, sandbox, compile, run, mut cases, leave, files, claims } = self;
        let whole_us = whole_us.min(max_us);
        let within = |lap: Lap| {
            let to_us = lap.to_us.min(whole_us);
            Lap { from_us: lap.from_us.min(to_us), to_us }
        };
        cases.truncate(LAPS_CASES_MAX);
        cases.iter_mut().for_each(|lap| *lap = within(*lap));
        Self {
            whole_us,
            input: input.map(within),
            image: image.map(within),
            sandbox: sandbox.map(within),
            compile: compile.map(within),
            run: run.map(within),
            cases,
            leave: leave.map(within),
            files: files.map(within),
            claims,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_since_is_a_difference_and_a_count_that_fell_counts_nothing() {
        let (mut before, mut now) = (Durations::default(), Durations::default());
        before.count(100);
        [100, 101, u64::MAX].into_iter().for_each(|us| now.count(us));
        let since = now.since(&before);
        assert_eq!(since.counts.iter().sum::<u64>(), 2);
        assert_eq!((since.counts[0], since.counts[1], since.counts[DURATION_BOUNDS_US.len()]), (0, 1, 1));
        assert_eq!(Durations::default().since(&before), Durations::default());
        assert_eq!(before.since(&now), Durations::default());
    }

    #[test]
    fn an_agents_durations_stay_within_bounds() {
        let wild = Durations { counts: vec![u64::MAX; 1000], sum_us: u64::MAX }.bounded(7, 9);
        assert_eq!(wild, Durations { counts: vec![7; DURATION_BOUNDS_US.len() + 1], sum_us: 9 });
    }

    #[test]
    fn no_lap_ends_before_it_begins_or_after_all_of_it() {
        let lap = |from_us, to_us| Some(Lap { from_us, to_us });
        let wild = Laps {
            whole_us: 10,
            input: lap(9, 2),
            run: lap(5, u64::MAX),
            cases: vec![Lap { from_us: u64::MAX, to_us: u64::MAX }; 1000],
            ..Laps::default()
        };
        let laps = wild.bounded(20);
        assert_eq!((laps.input, laps.run), (lap(2, 2), lap(5, 10)));
        assert_eq!(laps.cases, vec![Lap { from_us: 10, to_us: 10 }; LAPS_CASES_MAX]);
        assert_eq!(Laps { whole_us: 30, ..Laps::default() }.bounded(20).whole_us, 20);
    }
}
