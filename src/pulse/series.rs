//! What happened in one hour, of all or of one tenant: by steps of ten seconds, and the last by seconds.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use enclos_protocol::outcome::Outcome;

use super::histogram::{Quantiles, Window};
use super::{Levels, Rates, STEP_SECONDS, STEPS, Vital};

/// Seconds of which the rates are made.
const RATE_SECONDS: u64 = 10;
/// Seconds that are kept: those, and the one that is going on.
const SECONDS: usize = 11;
/// Codes of refusals that are counted apart in one step; there are not so many.
const CODES_MAX: usize = 64;

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    Accepted,
    Refused(&'static str),
    Dispatched(Duration),
    Ended(Outcome, Option<Duration>),
}

/// Ten seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Step {
    pub(super) accepted: u32,
    pub(super) ended: u32,
    pub(super) refused: u32,
    outcomes: [u32; Outcome::ALL.len()],
    codes: Vec<(&'static str, u32)>,
    pub(super) waits: Option<Quantiles>,
    pub(super) levels: Option<Levels>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    number: u64,
    accepted: u32,
    ended: u32,
    refused: u32,
}

/// The hour.
#[derive(Debug, Default)]
pub(super) struct Series {
    /// Number of the last step; those before it are the numbers before.
    last: u64,
    steps: VecDeque<Step>,
    seconds: [Second; SECONDS],
    waits: Window,
    runs: Window,
}

impl Series {
    /// Number of the last step in which something happened.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn count(&mut self, event: Event, second: u64) {
        let number = self.advance(second);
        let place = &mut self.seconds[usize::try_from(second % SECONDS as u64).unwrap_or(0)];
        if place.number != second {
            *place = Second { number: second, ..Second::default() };
        }
        let step = self.steps.back_mut().expect("it was just made");
        match event {
            Event::Accepted => {
                step.accepted += 1;
                place.accepted += 1;
            }
            Event::Refused(code) => {
                step.refused += 1;
                place.refused += 1;
                match step.codes.iter().position(|(known, _)| *known == code) {
                    Some(place) => step.codes[place].1 += 1,
                    None if step.codes.len() < CODES_MAX => step.codes.push((code, 1)),
                    None => {}
                }
            }
            Event::Dispatched(waited) => self.waits.add(number, waited),
            Event::Ended(outcome, ran) => {
                step.ended += 1;
                place.ended += 1;
                step.outcomes[outcome as usize] += 1;
                if let Some(ran) = ran {
                    self.runs.add(number, ran);
                }
            }
        }
    }

    pub(super) fn level(&mut self, levels: Levels, second: u64) {
        self.advance(second);
        if let Some(step) = self.steps.back_mut() {
            step.levels = Some(levels);
        }
    }

    /// A clock that was set back changes nothing: what comes then counts in the last step.
    fn advance(&mut self, second: u64) -> u64 {
        let number = second / STEP_SECONDS;
        if self.steps.is_empty() || number.saturating_sub(self.last) > STEPS as u64 {
            self.steps.clear();
            self.steps.push_back(Step::default());
            self.last = number.max(self.last);
        }
        while self.last < number {
            let waits = self.waits.quantiles_of(self.last);
            if let Some(step) = self.steps.back_mut() {
                step.waits = waits;
            }
            self.steps.push_back(Step::default());
            self.last += 1;
        }
        // One more than are told: that of now is not whole.
        while self.steps.len() > STEPS + 1 {
            self.steps.pop_front();
        }
        self.last
    }

    /// A step by its number; `None`: nothing happened yet, or it is not kept any more.
    pub(super) fn step(&self, number: u64) -> Option<&Step> {
        let back = usize::try_from(self.last.checked_sub(number)?).ok()?;
        self.steps.get(self.steps.len().checked_sub(back + 1)?)
    }

    pub(super) fn vital(&self, second: u64) -> Vital {
        let number = second / STEP_SECONDS;
        let recent = self.seconds.iter().filter(|s| s.number < second && s.number + RATE_SECONDS >= second);
        // In whole numbers: no floats at all add up to a zero below zero.
        let sum =
            |of: fn(&Second) -> u32| recent.clone().map(|s| u64::from(of(s))).sum::<u64>() as f64 / RATE_SECONDS as f64;
        let (mut outcomes, mut refusals) = (BTreeMap::new(), BTreeMap::new());
        let kept = self.steps.iter().rev().zip((0..=self.last).rev());
        for (step, _) in kept.filter(|(_, of)| number.saturating_sub(*of) < STEPS as u64) {
            for outcome in Outcome::ALL {
                let count = step.outcomes[outcome as usize];
                if count > 0 {
                    *outcomes.entry(outcome.as_str()).or_default() += u64::from(count);
                }
            }
            step.codes.iter().for_each(|(code, count)| *refusals.entry(*code).or_default() += u64::from(*count));
        }
        Vital {
            rates: Rates { accepted: sum(|s| s.accepted), ended: sum(|s| s.ended), refused: sum(|s| s.refused) },
            waits: self.waits.quantiles(number),
            runs: self.runs.quantiles(number),
            outcomes,
            refusals,
        }
    }
}
