//! What the store gives back: a job's row as a value.

use std::collections::BTreeMap;
use std::time::Duration;

use enclos_protocol::cases::CaseReport;
use enclos_protocol::ids::{FencingToken, JobId};
use enclos_protocol::job::{JobReport, JobSpec, Step, Stream};
use enclos_protocol::limits::StepLimits;
use enclos_protocol::outcome::Outcome;

use super::predictions::Prediction;
use crate::access::Priority;
use crate::scoring::{Judged, Scoring};

/// A time of the calendar, in microseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct UnixTime(pub i64);

impl UnixTime {
    /// The present time.
    #[must_use]
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_microsecond())
    }

    /// The time `later` than this one.
    #[must_use]
    pub fn after(self, later: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(later.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The time `earlier` than this one.
    #[must_use]
    pub fn before(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(earlier.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Microseconds from `earlier` to this time; 0 where the clock was set back between.
    #[must_use]
    pub fn us_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

/// By what a job gets its turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Turn {
    /// How urgent it is.
    pub priority: Priority,
    /// It is cancelled if it still waits then.
    pub expires: Option<UnixTime>,
    /// Of what it brings, in the first bytes of a digest; 0: not known.
    pub source: u64,
}

/// How far a job is, as the store knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoredState {
    /// It waits.
    Queued,
    /// An agent has it, or had it when the master ended.
    Running,
    /// It ended.
    Finished,
}

impl StoredState {
    pub(super) fn code(self) -> i64 {
        match self {
            Self::Queued => 0,
            Self::Running => 1,
            Self::Finished => 2,
        }
    }

    pub(super) fn from_code(code: i64) -> Option<Self> {
        [Self::Queued, Self::Running, Self::Finished].into_iter().find(|s| s.code() == code)
    }
}

/// How a job ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ending {
    /// What it came to.
    pub outcome: Outcome,
    /// One sentence for a person.
    pub message: Option<String>,
    /// The agent's report; `None` where no attempt gave one.
    pub report: Option<JobReport>,
    /// What its cases came to; `None` where it has none.
    pub judged: Option<Judged>,
}

/// A job without its bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JobRecord {
    /// Its place in the order of admission, the cursor of lists; 0 where it was not read from the store.
    pub sequence: i64,
    /// Its id.
    pub id: JobId,
    /// What is to be done.
    pub spec: JobSpec,
    /// The client's marks.
    pub labels: BTreeMap<String, String>,
    /// How far it is.
    pub state: StoredState,
    /// When it was admitted.
    pub created: UnixTime,
    /// When its last attempt was given to an agent.
    pub started: Option<UnixTime>,
    /// When it ended.
    pub finished: Option<UnixTime>,
    /// Attempts that count.
    pub attempts: u32,
    /// The greatest token that it has had.
    pub token: Option<FencingToken>,
    /// The agent of the last attempt.
    pub agent: Option<String>,
    /// By what it gets its turn.
    pub turn: Turn,
    /// What it was expected to use when it was last given to an agent.
    pub prediction: Option<Prediction>,
    /// How it ended, when finished.
    pub ending: Option<Ending>,
}

/// A job that had not finished when the store was opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unfinished {
    /// The job.
    pub record: JobRecord,
    /// Bytes of its input.
    pub input_bytes: u64,
    /// Why earlier attempts failed.
    pub failures: Vec<String>,
    /// It is to be cancelled.
    pub cancelled: bool,
    /// How its score is reckoned.
    pub scoring: Scoring,
    /// By what an agent knows that it has compiled the same before.
    pub compile_key: Option<u64>,
}

/// What a job's case wrote, and how it ended.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CaseResult {
    /// How it ended; `None`: it did not, or was not run.
    pub report: Option<CaseReport>,
    /// Kept bytes of its standard output.
    pub stdout: Vec<u8>,
    /// Kept bytes of its standard error.
    pub stderr: Vec<u8>,
}

/// A case of a job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CaseRecord {
    /// Its name.
    pub name: String,
    /// Its limits, where they are not those of the run.
    pub limits: Option<StepLimits>,
    /// How it ended.
    pub result: CaseResult,
}

/// What of a job only the answer about it alone shows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Detail {
    /// What its steps wrote.
    pub outputs: Outputs,
    /// Its cases, in order.
    pub cases: Vec<CaseRecord>,
    /// How its score is reckoned.
    pub scoring: Scoring,
}

impl Detail {
    /// Bytes of what its steps wrote, which are nearly all of an answer that shows them.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.outputs.0.iter().map(Vec::len).sum()
    }
}

/// One stream of one step; of all cases together, those of [`Step::Run`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// Which step.
    pub step: Step,
    /// Which of its streams.
    pub stream: Stream,
}

impl Part {
    /// Every part, in the order of [`Part::index`].
    pub const ALL: [Self; PARTS] = [
        Self { step: Step::Compile, stream: Stream::Stdout },
        Self { step: Step::Compile, stream: Stream::Stderr },
        Self { step: Step::Run, stream: Stream::Stdout },
        Self { step: Step::Run, stream: Stream::Stderr },
        Self { step: Step::Companion, stream: Stream::Stdout },
        Self { step: Step::Companion, stream: Stream::Stderr },
    ];

    /// Its place among all; what a database holds is found by it.
    #[must_use]
    pub fn index(self) -> usize {
        let step = match self.step {
            Step::Compile => 0,
            Step::Run | Step::Case(_) => 2,
            Step::Companion => 4,
        };
        step + usize::from(self.stream == Stream::Stderr)
    }
}

/// How many parts there are.
pub const PARTS: usize = 6;

/// Bytes of one part.
pub type Output = Vec<u8>;

/// The kept bytes of all parts, by [`Part::index`]; empty where nothing was written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outputs(pub [Output; PARTS]);

impl Outputs {
    /// The bytes of one part.
    #[must_use]
    pub fn part(&self, step: Step, stream: Stream) -> &[u8] {
        &self.0[Part { step, stream }.index()]
    }
}
