//! Where a watcher stands: what it has seen of a job. Its text is the id of a server-sent event.
//!
//! It names the attempt by its token, which the store keeps, so a watcher
//! resumes after a broken connection, after the job's end, and after a restart
//! of the master.

use std::fmt;
use std::str::FromStr;

use enclos_protocol::ids::FencingToken;
use enclos_protocol::job::Step;

/// How far a job is, as watchers see it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Phase {
    /// It waits.
    Queued,
    /// An agent has it and has begun no step.
    Given,
    /// Its dependencies are being installed.
    Installing,
    /// A step runs.
    Running(Step),
    /// It ended.
    Finished,
}

impl Phase {
    fn code(self) -> u8 {
        match self {
            Self::Queued => 0,
            Self::Given => 1,
            Self::Running(Step::Compile) => 2,
            Self::Running(Step::Run) => 3,
            Self::Finished => 4,
            Self::Installing => 5,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        let all = [
            Self::Queued,
            Self::Given,
            Self::Installing,
            Self::Running(Step::Compile),
            Self::Running(Step::Run),
            Self::Finished,
        ];
        all.into_iter().find(|phase| phase.code() == code)
    }
}

/// What a watcher has seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cursor {
    /// Of which attempt; `None` before the first.
    pub token: Option<FencingToken>,
    /// The last phase it was told; `None`: none yet.
    pub phase: Option<Phase>,
    /// Bytes of each part that it has, by `Part::index`.
    pub offsets: [u64; 4],
}

/// The text is not a cursor.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an event id of this service")]
pub struct NotACursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.unwrap_or(FencingToken { epoch: 0, counter: 0 });
        let phase = self.phase.map_or(9, Phase::code);
        let [a, b, c, d] = self.offsets;
        write!(f, "{}-{}-{phase}-{a}-{b}-{c}-{d}", token.epoch, token.counter)
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let numbers: Vec<u64> = text.split('-').map(str::parse).collect::<Result<_, _>>().map_err(|_| NotACursor)?;
        let [epoch, counter, phase, offsets @ ..] = numbers.as_slice() else { return Err(NotACursor) };
        let offsets: [u64; 4] = offsets.try_into().map_err(|_| NotACursor)?;
        let phase = match u8::try_from(*phase).map_err(|_| NotACursor)? {
            9 => None,
            code => Some(Phase::from_code(code).ok_or(NotACursor)?),
        };
        // Epochs count from 1.
        let token = (*epoch > 0).then_some(FencingToken { epoch: *epoch, counter: *counter });
        Ok(Self { token, phase, offsets })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_survives_its_text() {
        let token = Some(FencingToken { epoch: 3, counter: 0 });
        for phase in
            [None, Some(Phase::Queued), Some(Phase::Installing), Some(Phase::Running(Step::Run)), Some(Phase::Finished)]
        {
            let cursor = Cursor { token, phase, offsets: [1, 0, u64::MAX, 4] };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        assert_eq!(Cursor::default().to_string().parse(), Ok(Cursor::default()));
    }

    proptest! {
        #[test]
        fn hostile_ids_never_panic(text in "[0-9-]{0,60}|.{0,40}") {
            let _ = text.parse::<Cursor>();
        }
    }
}
