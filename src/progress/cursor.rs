//! Where a watcher stands: what it has seen of a job. Its text is the id of a server-sent event.
//!
//! It names the attempt by its token, which the store keeps, so a watcher
//! resumes after a broken connection, after the job's end, and after a restart
//! of the master.

use std::fmt;
use std::str::FromStr;

use enclos_protocol::ids::FencingToken;
use enclos_protocol::job::Step;

use crate::store::PARTS;

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
    fn code(self) -> u64 {
        match self {
            Self::Queued => 0,
            Self::Given => 1,
            Self::Running(Step::Compile) => 2,
            Self::Running(Step::Run) => 3,
            Self::Finished => 4,
            Self::Running(Step::Companion) => 5,
            Self::Installing => 6,
            Self::Running(Step::Case(number)) => FIRST_CASE + u64::from(number),
        }
    }

    fn from_code(code: u64) -> Option<Self> {
        let steps = [Step::Compile, Step::Companion, Step::Run].map(Self::Running);
        let plain = [Self::Queued, Self::Given, Self::Installing, Self::Finished];
        match code.checked_sub(FIRST_CASE) {
            Some(number) => u32::try_from(number).ok().map(|n| Self::Running(Step::Case(n))),
            None => plain.into_iter().chain(steps).find(|phase| phase.code() == code),
        }
    }
}

/// Code of the phase of case 0.
const FIRST_CASE: u64 = 16;
/// Code of a watcher that was told no phase yet.
const NO_PHASE: u64 = 9;

/// What a watcher has seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cursor {
    /// Of which attempt; `None` before the first.
    pub token: Option<FencingToken>,
    /// The last phase it was told; `None`: none yet.
    pub phase: Option<Phase>,
    /// Bytes of each part that it has, by `Part::index`; those of the run are of the case below.
    pub offsets: [u64; PARTS],
    /// Cases whose end it was told: what it sees next is of the case of this number.
    pub case: u32,
}

impl Cursor {
    /// A pattern (ECMA 262) of the texts that are a cursor: of each that is written, and of none that is not read.
    /// Numbers of 20 digits, of which only some are read, are never written: the store's have 63 bits.
    #[must_use]
    pub fn pattern() -> String {
        let number = "[0-9]{1,19}";
        let phases = [Phase::Queued, Phase::Given, Phase::Installing, Phase::Finished].map(Phase::code);
        let steps = [Step::Compile, Step::Companion, Step::Run].map(|step| Phase::Running(step).code());
        let mut plain: Vec<u64> = phases.into_iter().chain(steps).chain([NO_PHASE]).collect();
        plain.sort_unstable();
        let plain: String = plain.iter().map(u64::to_string).collect();
        format!(
            "^{number}-{number}-([{plain}]|1[6-9]|[2-9][0-9]|[1-9][0-9]{{2,8}})-[0-9]{{1,9}}(-{number}){{{PARTS}}}$"
        )
    }
}

/// The text is not a cursor.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an event id of this service")]
pub struct NotACursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.unwrap_or(FencingToken { epoch: 0, counter: 0 });
        let phase = self.phase.map_or(NO_PHASE, Phase::code);
        write!(f, "{}-{}-{phase}-{}", token.epoch, token.counter, self.case)?;
        self.offsets.iter().try_for_each(|offset| write!(f, "-{offset}"))
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let numbers: Vec<u64> = text.split('-').map(str::parse).collect::<Result<_, _>>().map_err(|_| NotACursor)?;
        let [epoch, counter, phase, case, offsets @ ..] = numbers.as_slice() else { return Err(NotACursor) };
        let offsets: [u64; PARTS] = offsets.try_into().map_err(|_| NotACursor)?;
        let phase = match *phase {
            NO_PHASE => None,
            code => Some(Phase::from_code(code).ok_or(NotACursor)?),
        };
        let case = u32::try_from(*case).map_err(|_| NotACursor)?;
        // Epochs count from 1.
        let token = (*epoch > 0).then_some(FencingToken { epoch: *epoch, counter: *counter });
        Ok(Self { token, phase, offsets, case })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_survives_its_text() {
        let token = Some(FencingToken { epoch: 3, counter: 0 });
        let steps =
            [Step::Compile, Step::Companion, Step::Run, Step::Case(0), Step::Case(u32::MAX)].map(Phase::Running);
        let phases =
            [Phase::Queued, Phase::Given, Phase::Installing, Phase::Finished].into_iter().chain(steps).map(Some);
        for phase in phases.chain([None]) {
            let cursor = Cursor { token, phase, offsets: [1, 0, u64::MAX, 4, 5, 6], case: 7 };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        assert_eq!(Cursor::default().to_string().parse(), Ok(Cursor::default()));
    }

    fn is_described(text: &str) -> bool {
        static DESCRIBED: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
            let schema = serde_json::json!({ "pattern": Cursor::pattern() });
            jsonschema::validator_for(&schema).expect("it is a pattern")
        });
        DESCRIBED.is_valid(&text.into())
    }

    #[test]
    fn the_pattern_has_every_phase_and_no_other() {
        for code in 0..2000 {
            let text = format!("1-2-{code}-3-0-0-0-0-0-9223372036854775807");
            assert_eq!(is_described(&text), text.parse::<Cursor>().is_ok(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_has_the_pattern_is_a_cursor(text in Cursor::pattern().trim_matches(['^', '$'])) {
            prop_assert!(is_described(&text) && text.parse::<Cursor>().is_ok());
        }

        #[test]
        fn hostile_ids_never_panic(text in "[0-9]{1,4}(-[0-9]{1,21}){0,11}|.{0,40}") {
            let _ = text.parse::<Cursor>();
        }
    }
}
