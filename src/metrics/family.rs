//! The registry: every metric's name, kind, labels and help, once.
//!
//! Names follow Prometheus' conventions (units last and in full, `_total` on what only grows); a test holds the
//! table of `docs/observability.md` equal to this one, another the page to it.

/// How a metric behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Durations by size.
    Histogram,
}

impl Kind {
    /// Its name in the text format.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric, with all its series.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// Labels of its series, in the order in which they are written.
    pub labels: &'static [&'static str],
    /// What it is.
    pub help: &'static str,
}

macro_rules! families {
    ($($id:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(pub(super) const $id: Family =
            Family { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };)*
        /// Every metric, in the order of the page.
        pub const FAMILIES: &[Family] = &[$($id),*];
    };
}

families! {
    BUILD_INFO = Gauge "enclos_build_info" ["version"] "Always 1; the version is that of the master's build.";
    QUEUE_JOBS = Gauge "enclos_queue_jobs" [] "Jobs that wait.";
    QUEUE_CLASS_JOBS = Gauge "enclos_queue_class_jobs" ["language", "priority"] "Jobs that wait, by language and priority.";
    QUEUE_OLDEST = Gauge "enclos_queue_oldest_age_seconds" ["language", "priority"] "How long ago the oldest job that waits came.";
    RUNNING_JOBS = Gauge "enclos_running_jobs" [] "Jobs at agents, or whose end is being recorded.";
    ADMITTED = Counter "enclos_jobs_admitted_total" ["language"] "Submissions that became jobs.";
    QUEUE_REFUSALS = Counter "enclos_queue_refusals_total" ["reason"] "Submissions for which the queue had no place.";
    REFUSALS = Counter "enclos_refusals_total" ["code"] "Requests and submissions refused, by the code of their problem.";
    DISPATCHES = Counter "enclos_dispatches_total" ["language"] "Jobs given to agents.";
    QUEUE_WAIT = Histogram "enclos_queue_wait_seconds" ["language"] "From admission, or from the last attempt, to dispatch.";
    SANDBOX_WAIT = Histogram "enclos_sandbox_wait_seconds" ["language"] "From a dispatch's arrival at its agent until the job had a sandbox.";
    COMPILE = Histogram "enclos_compile_seconds" ["language"] "Wall time of compile steps that were done, not remembered.";
    RUN = Histogram "enclos_run_seconds" ["language"] "Wall time of runs, each case one.";
    ATTEMPT = Histogram "enclos_attempt_seconds" ["language"] "From dispatch until the report was heard.";
    FINISHED = Counter "enclos_jobs_finished_total" ["language", "outcome"] "Jobs whose end was recorded.";
    ATTEMPTS = Counter "enclos_attempts_total" ["end"] "Attempts by how they ended.";
    CLAIMS = Counter "enclos_sandbox_claims_total" ["language", "source"] "Sandboxes taken by jobs: ready ones (warm, bound) and those waited for.";
    WARM = Gauge "enclos_warm_sandboxes" ["image"] "Sandboxes that wait unbound at connected agents.";
    WARM_WANTED = Gauge "enclos_warm_sandboxes_wanted" ["image"] "As many as there should be: what --warm says, or demand where that is more.";
    SANDBOX_START = Histogram "enclos_sandbox_start_seconds" [] "Starts of sandboxes.";
    SANDBOX_STOP = Histogram "enclos_sandbox_stop_seconds" [] "Ends of sandboxes, until nothing of them was left.";
    ENGINE_ERRORS = Counter "enclos_engine_errors_total" ["kind"] "Calls to agents' engines that failed.";
    UNCLEAN = Counter "enclos_agent_unclean_jobs_total" [] "Jobs that left something in their sandbox.";
    CLOSED = Counter "enclos_agent_sandboxes_closed_total" ["reason"] "Sandboxes that agents destroyed.";
    AGENTS = Gauge "enclos_agents" ["state"] "Agents by state of their connection.";
    AGENT_CONNECTED = Gauge "enclos_agent_connected" ["agent"] "Whether the agent is connected.";
    AGENT_DRAINING = Gauge "enclos_agent_draining" ["agent"] "Whether the agent takes no more jobs.";
    AGENT_SILENCE = Gauge "enclos_agent_silence_seconds" ["agent"] "How long ago the agent last said something.";
    AGENT_JOBS = Gauge "enclos_agent_jobs" ["agent"] "Jobs that were promised a slot of the agent.";
    AGENT_SLOTS = Gauge "enclos_agent_slots" ["agent"] "Jobs that the agent takes at once.";
    AGENT_CPU = Gauge "enclos_agent_cpu_busy_ratio" ["agent"] "Busy part of the agent's processors.";
    AGENT_MEMORY = Gauge "enclos_agent_memory_busy_ratio" ["agent"] "Memory in use at the agent, as a part of all.";
    AGENT_CORES = Gauge "enclos_agent_cpu_cores" ["agent"] "Processor share that the agent offers, in cores.";
    AGENT_MEMORY_BYTES = Gauge "enclos_agent_memory_bytes" ["agent"] "Memory that the agent offers.";
    AGENT_PROMISED_BYTES = Gauge "enclos_agent_memory_promised_bytes" ["agent"] "Memory of it that is promised to jobs.";
    AGENT_SANDBOXES = Gauge "enclos_agent_sandboxes" ["agent"] "Sandboxes of any kind at the agent.";
    AGENT_DERIVED_IMAGES = Gauge "enclos_agent_derived_images" ["agent"] "Images with installed packages at the agent.";
    AGENT_DERIVED_BYTES = Gauge "enclos_agent_derived_bytes" ["agent"] "What those take beside their bases.";
    HTTP_REQUESTS = Counter "enclos_http_requests_total" [] "Requests answered.";
    HTTP_REFUSALS = Counter "enclos_http_refusals_total" [] "Requests answered with a status of 400 or above.";
    LOGINS_REFUSED = Counter "enclos_http_logins_refused_total" [] "Requests without a key that works.";
    SESSIONS = Gauge "enclos_http_sessions" [] "Sessions of browsers that are signed in.";
    ATTACHED = Gauge "enclos_attached_clients" [] "Clients that are attached to jobs.";
    CONNECTIONS_REFUSED = Counter "enclos_connections_refused_total" [] "Connections for which there was no place.";
    CONNECTIONS_ENDED = Counter "enclos_connections_ended_total" ["why"] "Connections ended for others or for their client.";
    AUDIT_LOST = Counter "enclos_audit_lost_lines_total" [] "Lines of the audit log that the disk did not take.";
    AUDIT_UNWRITTEN = Counter "enclos_audit_unwritten_refusals_total" [] "Refusals that were too many for the audit log.";
    CALLBACKS = Gauge "enclos_callbacks" ["state"] "Callbacks that were not delivered.";
    CALLBACK_ATTEMPTS = Counter "enclos_callback_attempts_total" ["end"] "Attempts at callbacks, and callbacks crowded out.";
    CALLBACK_TIME = Histogram "enclos_callback_seconds" [] "One attempt at a callback.";
    STORE_BYTES = Gauge "enclos_store_bytes" [] "What the database holds.";
    STORE_WRITES = Counter "enclos_store_writes_total" [] "Writes of the store.";
    STORE_COMMIT = Histogram "enclos_store_commit_seconds" [] "One transaction of the store.";
    STORE_READ = Histogram "enclos_store_read_seconds" [] "One read of the store, with its wait for a connection.";
    PRUNED = Counter "enclos_jobs_pruned_total" [] "Jobs that retention removed.";
    DISK_FREE = Gauge "enclos_data_disk_free_bytes" [] "Free on the disk of the data directory.";
    DISK_SIZE = Gauge "enclos_data_disk_size_bytes" [] "Size of the disk of the data directory.";
    CERTIFICATE = Gauge "enclos_certificate_not_after_timestamp_seconds" ["port"] "When the certificate of a port ends.";
    SPANS_EXPORTED = Counter "enclos_trace_spans_exported_total" [] "Spans that the collector took.";
    SPANS_DROPPED = Counter "enclos_trace_spans_dropped_total" ["reason"] "Spans that no collector got.";
    PROCESS_CPU = Counter "process_cpu_seconds_total" [] "Processor time of the master.";
    PROCESS_RSS = Gauge "process_resident_memory_bytes" [] "Memory of the master that is in use.";
    PROCESS_VIRTUAL = Gauge "process_virtual_memory_bytes" [] "Address space of the master.";
    PROCESS_FDS = Gauge "process_open_fds" [] "File descriptors that the master has open.";
    PROCESS_FDS_MAX = Gauge "process_max_fds" [] "File descriptors that it may have open.";
    PROCESS_START = Gauge "process_start_time_seconds" [] "When the master was started, in seconds since 1970.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_keep_to_the_conventions() {
        let names: BTreeSet<_> = FAMILIES.iter().map(|family| family.name).collect();
        assert_eq!(names.len(), FAMILIES.len(), "no name stands for two");
        for Family { name, kind, labels, help } in FAMILIES {
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert_eq!(name.ends_with("_seconds"), name.contains("_seconds") && *kind != Kind::Counter, "{name}");
            assert!(name.starts_with("enclos_") || name.starts_with("process_"), "{name}");
            assert!(help.ends_with('.') && !help.contains(['\n', '\\', '|']), "{name}: {help}");
            assert!(labels.iter().all(|label| !["le", "job", "instance"].contains(label)), "{name}");
        }
    }

    /// The table of the document, as it should be.
    fn table() -> String {
        let rows = FAMILIES.iter().map(|Family { name, kind, labels, help }| {
            let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
            format!("| `{name}` | {} | {} | {help} |\n", kind.as_str(), labels.join(", "))
        });
        rows.collect()
    }

    #[test]
    fn every_metric_is_documented_as_it_is() {
        let document = include_str!("../../docs/observability.md");
        let rows = document.lines().filter(|line| line.starts_with("| `enclos_") || line.starts_with("| `process_"));
        let written: String = rows.map(|row| format!("{row}\n")).collect();
        assert!(written == table(), "docs/observability.md has other rows than these:\n{}", table());
    }
}
