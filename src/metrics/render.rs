//! The page: every family of the registry once, in its order.

use std::collections::BTreeMap;
use std::time::Duration;

use enclos_protocol::agent_link::ClosedSandboxes;
use enclos_protocol::measured::EngineErrors;
use enclos_protocol::outcome::Outcome;

use super::family::{self, Family};
use super::gauges::{AgentGauges, Gauges};
use super::kinds::Histogram;
use super::languages::{OfLanguage, SOURCES};
use super::page::{Page, Value};
use super::{ATTEMPT_ENDS, Metrics, QUEUE_RULES};
use crate::access::Priority;

impl Metrics {
    /// All of it in the Prometheus text format (version 0.0.4).
    #[must_use]
    pub fn render(&self, gauges: &Gauges) -> String {
        let mut out = Page::new();
        out.begin(&family::BUILD_INFO).value(&[env!("CARGO_PKG_VERSION")], 1_u64);
        self.queue(&mut out, gauges);
        self.jobs(&mut out);
        self.sandboxes(&mut out, gauges);
        agents(&mut out, gauges);
        self.requests(&mut out, gauges);
        self.callbacks(&mut out, gauges);
        self.store(&mut out, gauges);
        certificates(&mut out, gauges);
        out.counter(&family::SPANS_EXPORTED, &self.spans_exported);
        let mut series = out.begin(&family::SPANS_DROPPED);
        for (reason, count) in self.spans_dropped.values() {
            series.value(&[reason], count);
        }
        process(&mut out, gauges);
        out.end()
    }

    fn queue(&self, out: &mut Page, gauges: &Gauges) {
        out.single(&family::QUEUE_JOBS, gauges.queued);
        // A class of a language that had jobs is there with 0 too: a graph shows an empty queue as one.
        let mut waits: BTreeMap<(&str, &str), (usize, Duration)> = BTreeMap::new();
        for class in &gauges.queue {
            let (jobs, oldest) = waits.entry((self.languages.label(&class.language), class.priority)).or_default();
            (*jobs, *oldest) = (*jobs + class.jobs, class.oldest.max(*oldest));
        }
        let of = |id: &str, priority: Priority| waits.get(&(id, priority.as_str())).copied().unwrap_or_default();
        let classes = || self.languages.used().flat_map(|(id, _)| Priority::ALL.map(|priority| (id, priority)));
        let mut series = out.begin(&family::QUEUE_CLASS_JOBS);
        for (id, priority) in classes() {
            series.value(&[id, priority.as_str()], of(id, priority).0);
        }
        let mut series = out.begin(&family::QUEUE_OLDEST);
        for (id, priority) in classes() {
            series.value(&[id, priority.as_str()], of(id, priority).1);
        }
        out.single(&family::RUNNING_JOBS, gauges.running);
    }

    fn jobs(&self, out: &mut Page) {
        self.by_language(out, &family::ADMITTED, |counts| counts.admitted.value());
        let mut series = out.begin(&family::QUEUE_REFUSALS);
        for (rule, counter) in QUEUE_RULES.iter().zip(&self.queue_refusals) {
            series.value(&[rule], counter.value());
        }
        let mut series = out.begin(&family::REFUSALS);
        for (code, count) in self.refusals.values() {
            series.value(&[code], count);
        }
        self.by_language(out, &family::DISPATCHES, |counts| counts.dispatches.value());
        self.durations(out, &family::QUEUE_WAIT, |counts| &counts.queue_wait);
        self.durations(out, &family::SANDBOX_WAIT, |counts| &counts.sandbox_wait);
        self.durations(out, &family::COMPILE, |counts| &counts.compile);
        self.durations(out, &family::RUN, |counts| &counts.run);
        self.durations(out, &family::ATTEMPT, |counts| &counts.attempt);
        let mut series = out.begin(&family::FINISHED);
        for (id, counts) in self.languages.used() {
            for outcome in Outcome::ALL {
                series.value(&[id, outcome.as_str()], counts.finished[outcome as usize].value());
            }
        }
        let mut series = out.begin(&family::ATTEMPTS);
        for (end, counter) in ATTEMPT_ENDS.iter().zip(&self.attempts) {
            series.value(&[end], counter.value());
        }
    }

    fn by_language(&self, out: &mut Page, family: &'static Family, of: impl Fn(&OfLanguage) -> u64) {
        let mut series = out.begin(family);
        for (id, counts) in self.languages.used() {
            series.value(&[id], of(counts));
        }
    }

    fn durations(&self, out: &mut Page, family: &'static Family, of: impl Fn(&OfLanguage) -> &Histogram) {
        let mut series = out.begin(family);
        for (id, counts) in self.languages.used() {
            series.histogram(&[id], of(counts));
        }
    }

    fn sandboxes(&self, out: &mut Page, gauges: &Gauges) {
        let mut series = out.begin(&family::CLAIMS);
        for (id, counts) in self.languages.used() {
            for (source, counter) in SOURCES.iter().zip(&counts.claims) {
                series.value(&[id, source], counter.value());
            }
        }
        let mut series = out.begin(&family::WARM);
        for (image, count) in &gauges.warm {
            series.value(&[image], *count);
        }
        let mut series = out.begin(&family::WARM_WANTED);
        for (image, count) in &gauges.wanted {
            series.value(&[image], *count);
        }
        out.histogram(&family::SANDBOX_START, &self.sandbox_starts);
        out.histogram(&family::SANDBOX_STOP, &self.sandbox_stops);
        let mut series = out.begin(&family::ENGINE_ERRORS);
        for ((kind, _), counter) in EngineErrors::default().by_kind().iter().zip(&self.engine_errors) {
            series.value(&[kind], counter.value());
        }
        out.counter(&family::UNCLEAN, &self.unclean_jobs);
        let mut series = out.begin(&family::CLOSED);
        for ((reason, _), counter) in ClosedSandboxes::default().by_reason().iter().zip(&self.sandboxes_closed) {
            series.value(&[reason], counter.value());
        }
    }

    fn requests(&self, out: &mut Page, gauges: &Gauges) {
        out.counter(&family::HTTP_REQUESTS, &self.requests);
        out.counter(&family::HTTP_REFUSALS, &self.requests_refused);
        out.counter(&family::LOGINS_REFUSED, &self.logins_refused);
        out.single(&family::SESSIONS, gauges.sessions);
        out.single(&family::ATTACHED, gauges.attached);
        out.counter(&family::CONNECTIONS_REFUSED, &self.connections_refused);
        let mut series = out.begin(&family::CONNECTIONS_ENDED);
        series.value(&["evicted"], self.connections_evicted.value());
        series.value(&["stalled"], self.connections_stalled.value());
        series.value(&["handshake"], self.handshakes_failed.value());
        out.counter(&family::AUDIT_LOST, &self.audit_lost);
        out.counter(&family::AUDIT_UNWRITTEN, &self.audit_refusals_unwritten);
    }

    fn callbacks(&self, out: &mut Page, gauges: &Gauges) {
        let mut series = out.begin(&family::CALLBACKS);
        series.value(&["waiting"], gauges.callbacks_waiting);
        series.value(&["dead"], gauges.callbacks_dead);
        let mut series = out.begin(&family::CALLBACK_ATTEMPTS);
        series.value(&["delivered"], self.callbacks_delivered.value());
        series.value(&["failed"], self.callbacks_failed.value());
        series.value(&["dead"], self.callbacks_dead.value());
        series.value(&["crowded_out"], self.callbacks_crowded_out.value());
        out.histogram(&family::CALLBACK_TIME, &self.callback_time);
    }

    fn store(&self, out: &mut Page, gauges: &Gauges) {
        out.single(&family::STORE_BYTES, gauges.store_bytes);
        out.counter(&family::STORE_WRITES, &self.commit_writes);
        out.histogram(&family::STORE_COMMIT, &self.commit);
        out.histogram(&family::STORE_READ, &self.read);
        out.counter(&family::PRUNED, &self.jobs_pruned);
        let mut series = out.begin(&family::DISK_FREE);
        gauges.disk.iter().for_each(|(free, _)| series.value(&[], *free));
        let mut series = out.begin(&family::DISK_SIZE);
        gauges.disk.iter().for_each(|(_, size)| series.value(&[], *size));
    }
}

fn agents(out: &mut Page, gauges: &Gauges) {
    let mut series = out.begin(&family::AGENTS);
    series.value(&["connected"], gauges.agents_connected);
    series.value(&["suspect"], gauges.agents_suspect);
    let mut each = |family, of: &dyn Fn(&AgentGauges) -> Value| {
        let mut series = out.begin(family);
        for agent in &gauges.agents {
            series.value(&[&agent.name], of(agent));
        }
    };
    let ratio = |permille: u16| Value::from(f64::from(permille) / 1000.0);
    each(&family::AGENT_CONNECTED, &|agent| agent.connected.into());
    each(&family::AGENT_DRAINING, &|agent| agent.draining.into());
    each(&family::AGENT_SILENCE, &|agent| agent.silence.into());
    each(&family::AGENT_JOBS, &|agent| agent.jobs.into());
    each(&family::AGENT_SLOTS, &|agent| agent.slots.into());
    each(&family::AGENT_CPU, &|agent| ratio(agent.cpu_permille));
    each(&family::AGENT_MEMORY, &|agent| ratio(agent.memory_permille));
    each(&family::AGENT_CORES, &|agent| std::time::Duration::from_millis(agent.cpu_millis).into());
    each(&family::AGENT_MEMORY_BYTES, &|agent| agent.memory_bytes.into());
    each(&family::AGENT_PROMISED_BYTES, &|agent| agent.promised_bytes.into());
    each(&family::AGENT_SANDBOXES, &|agent| u64::from(agent.sandboxes).into());
    each(&family::AGENT_DERIVED_IMAGES, &|agent| u64::from(agent.derived_images).into());
    each(&family::AGENT_DERIVED_BYTES, &|agent| agent.derived_bytes.into());
}

fn certificates(out: &mut Page, gauges: &Gauges) {
    let mut series = out.begin(&family::CERTIFICATE);
    for (port, ends) in &gauges.certificates {
        let since = ends.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        series.value(&[port], since.as_secs());
    }
}

fn process(out: &mut Page, gauges: &Gauges) {
    let process = gauges.process;
    let mut one = |family, value: Option<Value>| {
        let mut series = out.begin(family);
        value.into_iter().for_each(|value| series.value(&[], value));
    };
    one(&family::PROCESS_CPU, process.map(|p| p.cpu.into()));
    one(&family::PROCESS_RSS, process.map(|p| p.resident_bytes.into()));
    one(&family::PROCESS_VIRTUAL, process.map(|p| p.virtual_bytes.into()));
    one(&family::PROCESS_FDS, process.map(|p| p.fds.into()));
    one(&family::PROCESS_FDS_MAX, process.map(|p| p.fds_max.into()));
    one(&family::PROCESS_START, process.map(|p| p.started.into()));
}
