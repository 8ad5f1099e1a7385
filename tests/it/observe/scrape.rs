//! A running cluster, as Prometheus sees it.

use std::time::Duration;

use serde_json::json;

use super::files::queries;
use super::prometheus::{Prometheus, check};
use crate::cluster::{Cluster, free_port, look_until, source};

/// Longest until every query has data; a scrape comes each second.
const DATA_WAIT: Duration = Duration::from_secs(180);
/// What the dashboard's variables are here.
const VARIABLES: [(&str, &str); 2] = [("$__rate_interval", "30s"), ("$job", "enclos")];

fn metrics_bind(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_port_of_metrics_serves_them_without_a_key_and_nothing_else() {
    let port = free_port();
    let cluster = Cluster::master_with(&["--metrics-bind", &metrics_bind(port)]).await;
    let at = |path: &str| format!("http://127.0.0.1:{port}{path}");
    let page = cluster.http.get(at("/metrics")).send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let page = page.text().await.unwrap();
    check(&["check", "metrics"], &page).await;
    assert!(page.contains("enclos_agents{state=\"connected\"} 0\n"), "{page}");
    for path in ["/", "/v1/jobs", "/v1/stats", "/healthz", "/metrics/"] {
        assert_eq!(cluster.http.get(at(path)).send().await.unwrap().status(), 404, "{path}");
    }
    assert_eq!(cluster.http.post(at("/metrics")).send().await.unwrap().status(), 405);
    let foreign = cluster.http.get(at("/metrics")).header("host", "evil.example").send().await.unwrap();
    assert_eq!(foreign.status(), 421, "a page in a browser of this machine reads nothing");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_counted_by_their_code() {
    let cluster = Cluster::master_only().await;
    let unknown = json!({ "language": "no-such-language", "source": "" });
    assert_eq!(cluster.post(&unknown).await.0, 422);
    let batch = json!({ "jobs": [unknown, { "language": "c", "source": "", "nonsense": 1 }] });
    let answer = cluster.http.post(format!("{}/v1/jobs/batch", cluster.url)).json(&batch).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let page = cluster.http.get(format!("{}/metrics", cluster.url)).send().await.unwrap().text().await.unwrap();
    for line in [
        "enclos_refusals_total{code=\"unknown_language\"} 2\n",
        "enclos_refusals_total{code=\"unknown_field\"} 1\n",
        "enclos_refusals_total{code=\"overloaded\"} 0\n",
    ] {
        assert!(page.contains(line), "{line}{page}");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_takes_rules_configuration_and_alerts() {
    let folder = super::files::FOLDER;
    check(&["check", "rules", &format!("{folder}/recording.yml"), &format!("{folder}/alerts.yml")], "").await;
    check(&["check", "config", &format!("{folder}/prometheus.yml")], "").await;
    check(&["test", "rules", "tests/monitoring/alerts.yml"], "").await;
}

/// Some jobs of every kind that the dashboard tells apart; no two alike, so that none is remembered.
async fn load(cluster: &Cluster, round: usize) {
    let c = |end: &str| source("c", &format!("int main(void) {{ return {round} - {round}; }}{end}"));
    let python = source("python", &format!("print({round})"));
    let mut alone = python.clone();
    alone["reuse"] = json!("never");
    let jobs = [c(""), c("nonsense"), python, alone];
    let ended = futures::future::join_all(jobs.iter().map(|job| cluster.run(job))).await;
    let outcomes: Vec<_> = ended.iter().map(|job| job["outcome"].as_str().unwrap_or_default()).collect();
    assert_eq!(outcomes, ["ok", "compile_error", "ok", "ok"], "{ended:#?}");
    assert_eq!(cluster.post(&json!({})).await.0, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_of_the_dashboard_has_data_after_some_load() {
    let port = free_port();
    let mut cluster = Cluster::master_with(&["--metrics-bind", &metrics_bind(port)]).await;
    cluster.start_agent(&["--slots", "2", "--languages", "c,python"]).await;
    let prometheus = Prometheus::start(port).await;
    let queries: Vec<_> = queries()
        .into_iter()
        .map(|(title, query)| (title, VARIABLES.iter().fold(query, |q, (name, value)| q.replace(name, value))))
        .collect();
    assert!(queries.len() > 40 && !queries.iter().any(|(_, query)| query.contains('$')), "{queries:?}");
    let round = std::sync::atomic::AtomicUsize::new(0);
    let missing = std::sync::Mutex::new(Vec::new());
    let look = || async {
        // A rate is of what happens between two scrapes, so there is something between all of them.
        load(&cluster, round.fetch_add(1, std::sync::atomic::Ordering::Relaxed)).await;
        let mut without = Vec::new();
        for (title, query) in &queries {
            if prometheus.values(query).await.is_empty() {
                without.push(format!("{title}: {query}"));
            }
        }
        let all = without.is_empty();
        *missing.lock().unwrap() = without;
        all.then_some(())
    };
    let found = look_until(DATA_WAIT, look).await;
    assert!(found.is_some(), "no data:\n{}\n{}", missing.lock().unwrap().join("\n"), cluster.logs());

    let rules = prometheus.get("/api/v1/rules", &[]).await;
    let groups = rules["data"]["groups"].as_array().expect("there are groups");
    let rules: Vec<_> = groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert!(rules.len() > 20);
    for rule in rules {
        assert!(rule["health"] == "ok" || rule["health"] == "unknown", "{rule:#}");
        assert_ne!(rule["state"], "firing", "nothing is wrong, and yet: {rule:#}");
    }
    let page = cluster.http.get(format!("{}/metrics", cluster.url)).send().await.unwrap().text().await.unwrap();
    check(&["check", "metrics"], &page).await;
    cluster.shutdown().await;
}
