//! Every metric of the master, declared in one place, written as Prometheus text.
//!
//! `family` is the registry, `render` the page. Labels come from closed sets: a client's word never
//! becomes a label, so the number of series is bounded by this module, the catalogue, and the number of agents.

mod family;
mod gauges;
mod kinds;
mod languages;
mod page;
mod process;
mod render;

use enclos_protocol::agent_link::ClosedSandboxes;
use enclos_protocol::measured::{EngineErrors, EngineReport};

use crate::pulse::Pulse;

pub use family::{FAMILIES, Family, Kind};
pub use gauges::{AgentGauges, Gauges, Process, QueueClass};
pub use kinds::{Counter, Histogram, Labelled};
pub use languages::{OTHER_LANGUAGE, OfLanguage};
pub use process::disk;

use languages::Languages;

/// How an attempt left its agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttemptEnd {
    /// With a report.
    Reported,
    /// Handed back.
    Returned,
    /// Its lease ended.
    Lost,
    /// Its answer came too late and was refused.
    Late,
}

/// Names of [`AttemptEnd`], as labels.
const ATTEMPT_ENDS: [&str; 4] = ["reported", "returned", "lost", "late"];

/// Rules by which a submission finds no place in the queue.
pub const QUEUE_RULES: [&str; 5] =
    ["queue_full", "queue_nearly_full", "low_priority", "tenant_share", "tenant_queued_jobs"];

/// What became of agents' sandboxes between two of their reports.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Wear {
    /// Jobs after which something was left in their sandbox.
    pub unclean_jobs: u64,
    /// Sandboxes that were destroyed.
    pub sandboxes_closed: ClosedSandboxes,
    /// What their engine took, and where it failed.
    pub engine: EngineReport,
}

/// All counters and histograms.
#[derive(Default, Debug)]
pub struct Metrics {
    /// Requests answered with a refusal.
    pub requests_refused: Counter,
    /// Submissions for which the queue had no place, by rule.
    queue_refusals: [Counter; QUEUE_RULES.len()],
    /// Requests answered.
    pub requests: Counter,
    /// Refusals of requests and submissions, by code.
    pub refusals: Labelled,
    /// One read of the store, with its wait for a connection.
    pub read: Histogram,
    /// Spans that the collector took.
    pub spans_exported: Counter,
    /// Spans that no collector got, by reason.
    pub spans_dropped: Labelled,
    /// One transaction of the store's writer.
    pub commit: Histogram,
    /// Writes in those transactions.
    pub commit_writes: Counter,
    /// Jobs that retention removed.
    pub jobs_pruned: Counter,
    /// Connections closed at once: no place was free, and no other connection could make room.
    pub connections_refused: Counter,
    /// Requests without a key that works.
    pub logins_refused: Counter,
    /// Lines of the audit log that the disk did not take.
    pub audit_lost: Counter,
    /// Refusals that were too many to be written down.
    pub audit_refusals_unwritten: Counter,
    /// Callbacks that were taken.
    pub callbacks_delivered: Counter,
    /// Attempts at callbacks that failed and are made again.
    pub callbacks_failed: Counter,
    /// Callbacks that were given up after an attempt.
    pub callbacks_dead: Counter,
    /// Callbacks that are dead because too many of their tenant waited.
    pub callbacks_crowded_out: Counter,
    /// One attempt at a callback.
    pub callback_time: Histogram,
    /// Connections closed to make room for new ones.
    pub connections_evicted: Counter,
    /// Connections closed because their client kept us waiting.
    pub connections_stalled: Counter,
    /// Connections closed because their TLS handshake failed or took too long.
    pub handshakes_failed: Counter,
    /// Jobs that left something in their sandbox, summed over the agents' own counts while they
    /// are connected. More than none means that a wall between two jobs has a hole which only the
    /// look after each job has found: the agent's log says what was left.
    unclean_jobs: Counter,
    /// Sandboxes that agents destroyed, summed likewise, by reason. Many `unfit` or `lost` ones are
    /// an engine or a host in trouble; many `evicted` ones, more bindings than an agent has places for.
    sandboxes_closed: [Counter; ClosedSandboxes::REASONS],
    /// The last hour, for who looks on.
    pub pulse: Pulse,
    languages: Languages,
    /// Starts and ends of agents' sandboxes, summed likewise.
    sandbox_starts: Histogram,
    sandbox_stops: Histogram,
    engine_errors: [Counter; EngineErrors::KINDS],
    attempts: [Counter; 4],
}

impl Metrics {
    /// Counts jobs of these languages, by their ids; of all others together.
    #[must_use]
    pub fn of(languages: impl IntoIterator<Item = String>) -> Self {
        Self { languages: Languages::new(languages), ..Self::default() }
    }

    /// Counts of one language.
    #[must_use]
    pub fn language(&self, id: &str) -> &OfLanguage {
        self.languages.of(id)
    }

    /// Counts the end of an attempt.
    pub fn attempt_ended(&self, end: AttemptEnd) {
        self.attempts[end as usize].increment();
    }

    /// Counts a submission for which the queue had no place, by one of [`QUEUE_RULES`].
    pub fn refused_by(&self, rule: &str) {
        let place = QUEUE_RULES.iter().position(|known| *known == rule);
        place.into_iter().for_each(|place| self.queue_refusals[place].increment());
    }

    /// Counts what became of an agent's sandboxes. Agents' counts begin anew with each of their
    /// processes, so differences are added: these counters never fall.
    pub fn sandboxes_worn(&self, wear: &Wear) {
        let Wear { unclean_jobs, sandboxes_closed, engine } = wear;
        let EngineReport { starts, stops, errors } = engine;
        self.unclean_jobs.add(*unclean_jobs);
        for (counter, (_, closed)) in self.sandboxes_closed.iter().zip(sandboxes_closed.by_reason()) {
            counter.add(closed);
        }
        self.sandbox_starts.add(starts);
        self.sandbox_stops.add(stops);
        for (counter, (_, failed)) in self.engine_errors.iter().zip(errors.by_kind()) {
            counter.add(failed);
        }
    }

    /// Jobs finished since start.
    #[must_use]
    pub fn jobs_finished(&self) -> u64 {
        self.languages.all().flat_map(|counts| &counts.finished).map(Counter::value).sum()
    }
}

/// What an agent's engine took between two of its reports.
#[must_use]
pub fn engine_since(before: &EngineReport, now: &EngineReport) -> EngineReport {
    EngineReport {
        starts: now.starts.since(&before.starts),
        stops: now.stops.since(&before.stops),
        errors: now.errors.zip(&before.errors, u64::saturating_sub),
    }
}

#[cfg(test)]
#[path = "metrics/tests.rs"]
mod tests;
