//! Rules and dashboard, held against the registry of metrics and the document.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use enclos::metrics::{FAMILIES, Kind};
use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

use super::promql::{Named, named};
use crate::tidy::read;

/// Where the files are.
pub const FOLDER: &str = "k8s/components/monitoring";
/// Labels that Prometheus gives to what it scrapes, and those of its own metrics.
const OF_PROMETHEUS: [&str; 2] = ["job", "instance"];

/// Expressions of a file of rules: what each is called, and whether it is an alert.
fn rules(file: &str) -> Vec<(String, bool, String)> {
    let text = read(&Path::new(FOLDER).join(file));
    let document = YamlLoader::load_from_str(&text).expect("it is YAML").swap_remove(0);
    let groups = document["groups"].as_vec().expect("there are groups").iter();
    let rules = groups.flat_map(|group| group["rules"].as_vec().expect("a group has rules"));
    let text = |yaml: &Yaml| yaml.as_str().map(str::to_owned);
    rules
        .map(|rule| {
            let alert = text(&rule["alert"]);
            let name = alert.clone().or_else(|| text(&rule["record"])).expect("a rule has a name");
            (name, alert.is_some(), text(&rule["expr"]).expect("a rule has an expression"))
        })
        .collect()
}

/// Every expression of the dashboard, with its panel's title.
pub fn queries() -> Vec<(String, String)> {
    let text = read(&Path::new(FOLDER).join("dashboard.json"));
    let dashboard: Value = serde_json::from_str(&text).expect("it is JSON");
    let panels = dashboard["panels"].as_array().expect("there are panels");
    let of = |panel: &Value| {
        let title = panel["title"].as_str().expect("a panel has a title").to_owned();
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        targets.into_iter().map(move |t| (title.clone(), t["expr"].as_str().expect("a target asks").to_owned()))
    };
    panels.iter().flat_map(of).collect()
}

/// Labels of every series there is, by the name under which it is asked for.
fn known() -> BTreeMap<String, BTreeSet<&'static str>> {
    let mut known = BTreeMap::from([("up".to_owned(), BTreeSet::from(OF_PROMETHEUS))]);
    for family in FAMILIES {
        let labels: BTreeSet<_> = family.labels.iter().copied().chain(OF_PROMETHEUS).collect();
        if family.kind != Kind::Histogram {
            known.insert(family.name.to_owned(), labels);
            continue;
        }
        for (suffix, le) in [("_bucket", Some("le")), ("_sum", None), ("_count", None)] {
            known.insert(format!("{}{suffix}", family.name), labels.iter().copied().chain(le).collect());
        }
    }
    known
}

#[test]
fn rules_and_dashboard_name_metrics_and_labels_that_exist() {
    let mut known = known();
    let recorded = rules("recording.yml");
    for (name, _, _) in &recorded {
        // `level:metric:operation`: none is asked for yet, by alerts or dashboard; labels are those of its level.
        known.insert(name.clone(), BTreeSet::new());
    }
    let all = recorded.into_iter().chain(rules("alerts.yml")).map(|(name, _, expression)| (name, expression));
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for (name, expression) in all.chain(queries()) {
        let Named { selectors, grouped } = named(&expression);
        assert!(!selectors.is_empty(), "{name}: nothing is found in {expression}");
        let mut of_all: BTreeSet<&str> = BTreeSet::new();
        for selector in selectors {
            let Some(labels) = known.get(&selector.metric) else {
                wrong.push(format!("{name}: there is no {}", selector.metric));
                continue;
            };
            let odd = selector.labels.iter().filter(|label| !labels.contains(label.as_str()));
            wrong.extend(odd.map(|label| format!("{name}: {} has no label {label}", selector.metric)));
            of_all.extend(labels.iter().copied());
            used.insert(selector.metric);
        }
        let odd = grouped.iter().filter(|label| !of_all.contains(label.as_str()));
        wrong.extend(odd.map(|label| format!("{name}: nothing in it has the label {label}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(used.len() > 40, "a reader that finds nothing would find no fault either: {used:?}");
}

#[test]
fn a_metric_that_does_not_exist_would_be_found() {
    let known = known();
    let found = named("rate(enclos_queue_job_total{language=\"c\"}[5m]) / enclos_queue_jobs");
    let missing: Vec<_> = found.selectors.iter().filter(|s| !known.contains_key(&s.metric)).collect();
    assert_eq!(missing.len(), 1, "{found:?}");
}

#[test]
fn every_alert_is_documented_and_has_its_test() {
    let document = read(Path::new("docs/observability.md"));
    let tests = read(Path::new("tests/monitoring/alerts.yml"));
    let alerts: Vec<_> = rules("alerts.yml").into_iter().filter(|(_, is_alert, _)| *is_alert).collect();
    assert!(alerts.len() >= 15, "{alerts:?}");
    for (alert, _, _) in alerts {
        assert!(document.contains(&format!("| `{alert}` |")), "docs/observability.md says nothing of {alert}");
        assert!(tests.contains(&format!("alertname: {alert}\n")), "tests/monitoring/alerts.yml has no {alert}");
    }
}
