//! Every metric of the master, declared in one place, written as Prometheus text.
//!
//! Labels come from closed enums only: a client's word never becomes a label,
//! so the number of series is bounded by this file.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use enclos_protocol::agent_link::ClosedSandboxes;
use enclos_protocol::outcome::Outcome;

use crate::pulse::Pulse;

/// Upper bounds of the buckets of a [`Histogram`], in microseconds; one more is for all above.
const BUCKETS_US: [u64; 12] =
    [100, 500, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000, 30_000_000, 300_000_000];

/// A count that only grows.
#[derive(Default, Debug)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// `n` more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// How many so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Durations, counted by size.
#[derive(Default, Debug)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    /// Counts one duration.
    pub fn observe(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS_US.partition_point(|bound| *bound < us);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }
}

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

/// Rules by which a submission finds no place in the queue.
pub const QUEUE_RULES: [&str; 5] =
    ["queue_full", "queue_nearly_full", "low_priority", "tenant_share", "tenant_queued_jobs"];

/// What became of agents' sandboxes between two of their reports.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Wear {
    /// Jobs after which something was left in their sandbox.
    pub unclean_jobs: u64,
    /// Sandboxes that were destroyed.
    pub sandboxes_closed: ClosedSandboxes,
}

/// What is so at this moment, for the gauges.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Gauges {
    /// Jobs that wait.
    pub queued: usize,
    /// Jobs at agents.
    pub running: usize,
    /// Agents that are connected.
    pub agents_connected: usize,
    /// Agents whose connection is lost.
    pub agents_suspect: usize,
    /// Bytes that the database holds.
    pub store_bytes: u64,
    /// Callbacks that wait.
    pub callbacks_waiting: u64,
    /// Callbacks that are dead, and kept.
    pub callbacks_dead: u64,
}

/// All counters and histograms.
#[derive(Default, Debug)]
pub struct Metrics {
    /// Submissions that became jobs.
    pub jobs_admitted: Counter,
    /// Requests answered with a refusal.
    pub requests_refused: Counter,
    /// Submissions for which the queue had no place, by rule.
    queue_refusals: [Counter; QUEUE_RULES.len()],
    /// Requests answered.
    pub requests: Counter,
    /// Jobs given to agents.
    pub dispatches: Counter,
    /// From admission to dispatch.
    pub queue_wait: Histogram,
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
    finished: [Counter; Outcome::ALL.len()],
    attempts: [Counter; 4],
}

impl Metrics {
    /// Counts a finished job.
    pub fn job_finished(&self, outcome: Outcome) {
        self.finished[outcome as usize].increment();
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
        let Wear { unclean_jobs, sandboxes_closed } = wear;
        self.unclean_jobs.add(*unclean_jobs);
        for (counter, (_, closed)) in self.sandboxes_closed.iter().zip(sandboxes_closed.by_reason()) {
            counter.add(closed);
        }
    }

    /// Jobs finished since start.
    #[must_use]
    pub fn jobs_finished(&self) -> u64 {
        self.finished.iter().map(Counter::value).sum()
    }

    /// All of it in the Prometheus text format (version 0.0.4).
    #[must_use]
    pub fn render(&self, gauges: &Gauges) -> String {
        let mut out = Page(String::with_capacity(4096));
        out.gauge("enclos_queue_jobs", "Jobs that wait", &[("", gauges.queued)]);
        out.gauge("enclos_running_jobs", "Jobs at agents", &[("", gauges.running)]);
        let agents = [("state=\"connected\"", gauges.agents_connected), ("state=\"suspect\"", gauges.agents_suspect)];
        out.gauge("enclos_agents", "Agents by state of their connection", &agents);
        out.counter("enclos_jobs_admitted_total", "Submissions that became jobs", &[("", &self.jobs_admitted)]);
        let rules: Vec<(String, &Counter)> =
            QUEUE_RULES.iter().map(|rule| format!("reason=\"{rule}\"")).zip(&self.queue_refusals).collect();
        out.counter("enclos_queue_refusals_total", "Submissions for which the queue had no place", &rules);
        let finished = Outcome::ALL.map(|o| (format!("outcome=\"{}\"", o.as_str()), &self.finished[o as usize]));
        out.counter("enclos_jobs_finished_total", "Jobs that ended", &finished);
        let ends = [AttemptEnd::Reported, AttemptEnd::Returned, AttemptEnd::Lost, AttemptEnd::Late];
        let names = ["reported", "returned", "lost", "late"];
        let attempts: Vec<(String, &Counter)> =
            ends.iter().zip(names).map(|(e, n)| (format!("end=\"{n}\""), &self.attempts[*e as usize])).collect();
        out.counter("enclos_attempts_total", "Attempts by how they ended", &attempts);
        let unclean = [("", &self.unclean_jobs)];
        out.counter("enclos_agent_unclean_jobs_total", "Jobs that left something in their sandbox", &unclean);
        let reasons = ClosedSandboxes::default().by_reason().map(|(reason, _)| format!("reason=\"{reason}\""));
        let closed: Vec<(String, &Counter)> = reasons.into_iter().zip(&self.sandboxes_closed).collect();
        out.counter("enclos_agent_sandboxes_closed_total", "Sandboxes that agents destroyed", &closed);
        out.counter("enclos_dispatches_total", "Jobs given to agents", &[("", &self.dispatches)]);
        out.counter("enclos_http_requests_total", "Requests answered", &[("", &self.requests)]);
        out.counter("enclos_http_refusals_total", "Requests refused", &[("", &self.requests_refused)]);
        let logins = [("", &self.logins_refused)];
        out.counter("enclos_http_logins_refused_total", "Requests without a key that works", &logins);
        let lost = [("", &self.audit_lost)];
        out.counter("enclos_audit_lost_lines_total", "Lines of the audit log that the disk did not take", &lost);
        let unwritten = [("", &self.audit_refusals_unwritten)];
        out.counter(
            "enclos_audit_unwritten_refusals_total",
            "Refusals that were too many for the audit log",
            &unwritten,
        );
        let refused = [("", &self.connections_refused)];
        out.counter("enclos_connections_refused_total", "Connections for which there was no place", &refused);
        let ended = [
            ("why=\"evicted\"", &self.connections_evicted),
            ("why=\"stalled\"", &self.connections_stalled),
            ("why=\"handshake\"", &self.handshakes_failed),
        ];
        out.counter("enclos_connections_ended_total", "Connections ended for others or for their client", &ended);
        self.render_callbacks(&mut out, gauges);
        out.gauge("enclos_store_bytes", "What the database holds", &[("", gauges.store_bytes)]);
        out.counter("enclos_jobs_pruned_total", "Jobs that retention removed", &[("", &self.jobs_pruned)]);
        out.counter("enclos_store_writes_total", "Writes of the store", &[("", &self.commit_writes)]);
        out.histogram("enclos_store_commit_seconds", "One transaction of the store", &self.commit);
        out.histogram("enclos_queue_wait_seconds", "From admission to dispatch", &self.queue_wait);
        out.0
    }

    fn render_callbacks(&self, out: &mut Page, gauges: &Gauges) {
        let states = [("state=\"waiting\"", gauges.callbacks_waiting), ("state=\"dead\"", gauges.callbacks_dead)];
        out.gauge("enclos_callbacks", "Callbacks that were not delivered", &states);
        let ends = [
            ("end=\"delivered\"", &self.callbacks_delivered),
            ("end=\"failed\"", &self.callbacks_failed),
            ("end=\"dead\"", &self.callbacks_dead),
            ("end=\"crowded_out\"", &self.callbacks_crowded_out),
        ];
        out.counter("enclos_callback_attempts_total", "Attempts at callbacks, and callbacks crowded out", &ends);
        out.histogram("enclos_callback_seconds", "One attempt at a callback", &self.callback_time);
    }
}

struct Page(String);

impl Page {
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = if labels.is_empty() {
            writeln!(self.0, "{name} {value}")
        } else {
            writeln!(self.0, "{name}{{{labels}}} {value}")
        };
    }

    fn gauge(&mut self, name: &str, help: &str, samples: &[(&str, impl std::fmt::Display)]) {
        self.head(name, help, "gauge");
        for (labels, value) in samples {
            self.sample(name, labels, value);
        }
    }

    fn counter(&mut self, name: &str, help: &str, samples: &[(impl AsRef<str>, &Counter)]) {
        self.head(name, help, "counter");
        for (labels, counter) in samples {
            self.sample(name, labels.as_ref(), counter.value());
        }
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.head(name, help, "histogram");
        let mut total = 0;
        for (bucket, bound) in histogram.buckets.iter().zip(BUCKETS_US.iter().map(Some).chain([None])) {
            total += bucket.load(Ordering::Relaxed);
            let le = bound.map_or("+Inf".to_owned(), |us| format!("{}", Duration::from_micros(*us).as_secs_f64()));
            self.sample(&format!("{name}_bucket"), &format!("le=\"{le}\""), total);
        }
        let sum = Duration::from_micros(histogram.sum_us.load(Ordering::Relaxed)).as_secs_f64();
        self.sample(&format!("{name}_sum"), "", sum);
        self.sample(&format!("{name}_count"), "", total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_into_cumulative_buckets() {
        let metrics = Metrics::default();
        metrics.commit.observe(Duration::from_micros(100));
        metrics.commit.observe(Duration::from_micros(101));
        let page = metrics.render(&Gauges::default());
        assert!(page.contains("enclos_store_commit_seconds_bucket{le=\"0.0001\"} 1\n"), "{page}");
        assert!(page.contains("enclos_store_commit_seconds_bucket{le=\"0.0005\"} 2\n"), "{page}");
        assert!(page.contains("enclos_store_commit_seconds_count 2\n"), "{page}");
    }

    #[test]
    fn worn_sandboxes_add_up_by_reason() {
        let metrics = Metrics::default();
        let sandboxes_closed = ClosedSandboxes { unfit: 2, lost: 1, ..ClosedSandboxes::default() };
        metrics.sandboxes_worn(&Wear { unclean_jobs: 2, sandboxes_closed });
        metrics.sandboxes_worn(&Wear { unclean_jobs: 1, sandboxes_closed });
        let page = metrics.render(&Gauges::default());
        let lines = page.lines().filter(|l| l.starts_with("enclos_agent_")).collect::<Vec<_>>().join("\n");
        insta::assert_snapshot!(lines, @r#"
        enclos_agent_unclean_jobs_total 3
        enclos_agent_sandboxes_closed_total{reason="single_use"} 0
        enclos_agent_sandboxes_closed_total{reason="unfit"} 4
        enclos_agent_sandboxes_closed_total{reason="jobs_max"} 0
        enclos_agent_sandboxes_closed_total{reason="age_max"} 0
        enclos_agent_sandboxes_closed_total{reason="idle"} 0
        enclos_agent_sandboxes_closed_total{reason="evicted"} 0
        enclos_agent_sandboxes_closed_total{reason="shutdown"} 0
        enclos_agent_sandboxes_closed_total{reason="lost"} 2
        "#);
    }

    #[test]
    fn every_outcome_has_a_series() {
        let metrics = Metrics::default();
        metrics.job_finished(Outcome::TimeLimit);
        let page = metrics.render(&Gauges { queued: 3, ..Gauges::default() });
        for outcome in Outcome::ALL {
            assert!(page.contains(&format!("outcome=\"{}\"", outcome.as_str())), "{page}");
        }
        assert!(page.contains("outcome=\"time_limit\"} 1\n") && page.contains("enclos_queue_jobs 3\n"), "{page}");
    }
}
