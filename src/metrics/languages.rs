//! What is counted by language: those of the catalogue, and one for all others.

use enclos_protocol::measured::Claims;
use enclos_protocol::outcome::Outcome;

use super::kinds::{Counter, Histogram};

/// What stands for a language that is not in the catalogue: one of before a restart, or in a test.
pub const OTHER_LANGUAGE: &str = "other";

/// What is counted of the jobs of one language.
#[derive(Default, Debug)]
pub struct OfLanguage {
    /// Submissions that became jobs.
    pub admitted: Counter,
    /// Jobs given to agents.
    pub dispatches: Counter,
    /// From admission to dispatch.
    pub queue_wait: Histogram,
    /// From a dispatch's arrival until there was a sandbox.
    pub sandbox_wait: Histogram,
    /// Compile steps.
    pub compile: Histogram,
    /// Runs, each case one.
    pub run: Histogram,
    /// From dispatch until the report was heard.
    pub attempt: Histogram,
    /// Sandboxes, by where they came from.
    pub(super) claims: [Counter; 3],
    pub(super) finished: [Counter; Outcome::ALL.len()],
}

/// Names of [`Claims`], as labels.
pub(super) const SOURCES: [&str; 3] = ["warm", "bound", "waited"];

impl OfLanguage {
    /// Counts a job whose end was recorded.
    pub fn finished(&self, outcome: Outcome) {
        self.finished[outcome as usize].increment();
    }

    /// Counts where a job's sandboxes came from.
    pub fn claimed(&self, claims: Claims) {
        let Claims { warm, bound, waited } = claims;
        for (counter, count) in self.claims.iter().zip([warm, bound, waited]) {
            counter.add(count.into());
        }
    }

    /// Whether there ever was a job of it.
    pub(super) fn is_used(&self) -> bool {
        let ended = self.finished.iter().any(|counter| counter.value() > 0);
        ended || self.admitted.value() + self.dispatches.value() > 0
    }
}

/// All languages. Their number is fixed at the start: no client's word adds one.
#[derive(Default, Debug)]
pub(super) struct Languages {
    known: Vec<(String, OfLanguage)>,
    other: OfLanguage,
}

impl Languages {
    pub(super) fn new(ids: impl IntoIterator<Item = String>) -> Self {
        let mut known: Vec<_> = ids.into_iter().map(|id| (id, OfLanguage::default())).collect();
        known.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self { known, other: OfLanguage::default() }
    }

    pub(super) fn of(&self, id: &str) -> &OfLanguage {
        let place = self.known.binary_search_by(|(known, _)| known.as_str().cmp(id));
        place.map_or(&self.other, |place| &self.known[place].1)
    }

    /// The label for a language.
    pub(super) fn label<'a>(&self, id: &'a str) -> &'a str {
        let is_known = self.known.binary_search_by(|(known, _)| known.as_str().cmp(id)).is_ok();
        if is_known { id } else { OTHER_LANGUAGE }
    }

    /// Those that ever had a job, by their label. Their series begin at 0 with their first job.
    pub(super) fn used(&self) -> impl Iterator<Item = (&str, &OfLanguage)> {
        let known = self.known.iter().map(|(id, counts)| (id.as_str(), counts));
        known.chain([(OTHER_LANGUAGE, &self.other)]).filter(|(_, counts)| counts.is_used())
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &OfLanguage> {
        self.known.iter().map(|(_, counts)| counts).chain([&self.other])
    }
}
