//! The page holds what the registry says.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use enclos_protocol::measured::Claims;
use enclos_protocol::outcome::Outcome;

use super::*;

/// Gauges with something of everything.
fn gauges() -> Gauges {
    let class = QueueClass { language: "c".into(), priority: "high", jobs: 2, oldest: Duration::from_millis(1500) };
    Gauges {
        queued: 3,
        queue: vec![class],
        agents: vec![AgentGauges { name: "a".into(), cpu_permille: 250, slots: 4, ..AgentGauges::default() }],
        warm: BTreeMap::from([("gcc".to_owned(), 2)]),
        wanted: BTreeMap::from([("gcc".to_owned(), 3)]),
        disk: Some((1, 2)),
        certificates: vec![("api", UNIX_EPOCH + Duration::from_secs(7))],
        process: Process::look(),
        ..Gauges::default()
    }
}

fn used() -> Metrics {
    let metrics = Metrics::of(["python".to_owned(), "c".to_owned()]);
    let counts = metrics.language("c");
    counts.admitted.increment();
    counts.finished(Outcome::TimeLimit);
    counts.claimed(Claims { warm: 1, bound: 0, waited: 2 });
    counts.queue_wait.observe(Duration::from_micros(100));
    counts.queue_wait.observe(Duration::from_micros(101));
    metrics.refusals.begin(["overloaded"]);
    metrics.spans_dropped.begin(["queue_full"]);
    metrics
}

/// What stands before the first blank or brace.
fn name_of(line: &str) -> &str {
    line.split(['{', ' ']).next().unwrap()
}

#[test]
fn the_page_has_every_family_of_the_registry_once_and_nothing_else() {
    let page = used().render(&gauges());
    let mut families = FAMILIES.iter();
    let mut family = None;
    let mut series = 0;
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let next = families.next().expect("the page has as many families as the registry");
            assert_eq!(rest, format!("{} {}", next.name, next.help));
            assert!(family.is_none() || series > 0, "{family:?} has no series");
            (family, series) = (Some(next), 0);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let of: &Family = family.unwrap();
            assert_eq!(rest, format!("{} {}", of.name, of.kind.as_str()));
        } else {
            let of = family.unwrap();
            let suffix = name_of(line).strip_prefix(of.name).unwrap_or_else(|| panic!("{line} is not of {}", of.name));
            let known: &[&str] = if of.kind == Kind::Histogram { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(known.contains(&suffix), "{line}");
            for label in of.labels {
                assert!(line.contains(&format!("{label}=\"")), "{line} has no {label}");
            }
            series += 1;
        }
    }
    assert_eq!(families.next(), None, "the page has them all");
}

#[test]
fn a_histogram_counts_into_cumulative_buckets() {
    let page = used().render(&Gauges::default());
    for line in [
        "enclos_queue_wait_seconds_bucket{language=\"c\",le=\"0.0001\"} 1\n",
        "enclos_queue_wait_seconds_bucket{language=\"c\",le=\"0.0005\"} 2\n",
        "enclos_queue_wait_seconds_bucket{language=\"c\",le=\"+Inf\"} 2\n",
        "enclos_queue_wait_seconds_sum{language=\"c\"} 0.000201\n",
        "enclos_queue_wait_seconds_count{language=\"c\"} 2\n",
    ] {
        assert!(page.contains(line), "{line}{page}");
    }
}

#[test]
fn what_agents_counted_adds_up() {
    let metrics = Metrics::default();
    let sandboxes_closed = ClosedSandboxes { unfit: 2, lost: 1, ..ClosedSandboxes::default() };
    let mut engine = EngineReport::default();
    engine.starts.count(600_000);
    engine.errors.create = 3;
    metrics.sandboxes_worn(&Wear { unclean_jobs: 2, sandboxes_closed, engine: engine.clone() });
    metrics.sandboxes_worn(&Wear { unclean_jobs: 1, sandboxes_closed, engine });
    let page = metrics.render(&Gauges::default());
    for line in [
        "enclos_agent_unclean_jobs_total 3\n",
        "enclos_agent_sandboxes_closed_total{reason=\"unfit\"} 4\n",
        "enclos_agent_sandboxes_closed_total{reason=\"lost\"} 2\n",
        "enclos_agent_sandboxes_closed_total{reason=\"idle\"} 0\n",
        "enclos_engine_errors_total{kind=\"create\"} 6\n",
        "enclos_sandbox_start_seconds_bucket{le=\"0.5\"} 0\n",
        "enclos_sandbox_start_seconds_bucket{le=\"1\"} 2\n",
        "enclos_sandbox_start_seconds_sum 1.2\n",
    ] {
        assert!(page.contains(line), "{line}{page}");
    }
}

#[test]
fn a_languages_series_begin_together_and_others_share_one() {
    let metrics = used();
    metrics.language("c++--not-in-the-catalogue").admitted.increment();
    let page = metrics.render(&gauges());
    for outcome in Outcome::ALL {
        let count = u64::from(outcome == Outcome::TimeLimit);
        let line = format!("enclos_jobs_finished_total{{language=\"c\",outcome=\"{}\"}} {count}\n", outcome.as_str());
        assert!(page.contains(&line), "{line}{page}");
    }
    for line in [
        "enclos_queue_jobs 3\n",
        "enclos_queue_class_jobs{language=\"c\",priority=\"high\"} 2\n",
        "enclos_queue_class_jobs{language=\"c\",priority=\"low\"} 0\n",
        "enclos_queue_oldest_age_seconds{language=\"c\",priority=\"high\"} 1.5\n",
        "enclos_sandbox_claims_total{language=\"c\",source=\"waited\"} 2\n",
        "enclos_jobs_admitted_total{language=\"other\"} 1\n",
        "enclos_warm_sandboxes_wanted{image=\"gcc\"} 3\n",
        "enclos_agent_cpu_busy_ratio{agent=\"a\"} 0.25\n",
        "enclos_certificate_not_after_timestamp_seconds{port=\"api\"} 7\n",
    ] {
        assert!(page.contains(line), "{line}{page}");
    }
    assert!(!page.contains("language=\"python\""), "a language without jobs has no series");
    assert!(!page.contains("not-in-the-catalogue"), "a word of others is no label");
}
