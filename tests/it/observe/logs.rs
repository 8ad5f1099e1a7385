//! Logs as JSON, of real processes.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cluster::{Cluster, source};

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_json_log_is_one_object_and_ids_are_fields() {
    let mut cluster = Cluster::new(false);
    cluster.environment = vec![("ENCLOS_LOG", "info,enclos=debug,enclos_agent=debug".to_owned())];
    cluster.environment.push(("ENCLOS_LOG_FORMAT", "json".to_owned()));
    cluster.start_master().await;
    cluster.start_agent(&["--slots", "1", "--languages", "python"]).await;
    let code = "print('never-in-a-log')";
    let id = cluster.run(&source("python", code)).await["id"].as_str().unwrap().to_owned();
    let agent = cluster.agents[0].name.clone();
    let read = |name: &str| {
        let path = cluster.data().join(format!("{name}.log"));
        std::fs::read_to_string(path).expect("it has logged")
    };
    for (name, text) in [("master", read("master")), ("agent", read(&agent))] {
        assert!(!text.contains("never-in-a-log"), "a program is in the log of the {name}");
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}: {line}")))
            .collect();
        assert!(!lines.is_empty(), "the {name} has logged");
        for line in &lines {
            for field in ["timestamp", "level", "target", "message"] {
                assert!(line[field].is_string(), "{name}: no {field} in {line}");
            }
        }
        let of_job: Vec<_> = lines
            .iter()
            .map(|line| if line["job"].is_string() { line } else { &line["span"] })
            .filter(|ids| ids["job"] == *id)
            .collect();
        let attempts: BTreeSet<_> = of_job.iter().filter_map(|ids| ids["attempt"].as_str()).collect();
        assert_eq!(attempts.len(), 1, "{name}: one attempt is named: {of_job:?}");
        assert!(of_job.iter().any(|ids| ids["agent"] == *agent), "{name}: its agent is named: {of_job:?}");
    }
    cluster.shutdown().await;
}
