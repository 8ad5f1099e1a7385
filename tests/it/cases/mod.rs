//! Jobs with cases on a real engine: how they run, how they are judged, what stands between them.

mod apart;
mod cache;
mod checkers;
mod files;
mod interactive;
mod many;
mod running;

use serde_json::{Value, json};

use crate::cluster::Cluster;

/// Writes its input to its output.
const ECHO: &str = "#include <stdio.h>\nint main(void) { int c; while ((c = getchar()) != EOF) putchar(c); return 0; }";

/// Runs one source on these cases, with further members of the submission.
async fn judged(cluster: &Cluster, language: &str, source: &str, cases: Value, extra: Value) -> Value {
    let mut submission = json!({ "language": language, "source": source, "cases": cases });
    for (name, value) in extra.as_object().expect("further members are an object") {
        submission[name] = value.clone();
    }
    cluster.run(&submission).await
}

/// One member of every case.
fn each(job: &Value, member: &str) -> Vec<Value> {
    let cases = job["cases"].as_array().unwrap_or_else(|| panic!("it has cases: {job:#}"));
    cases.iter().map(|case| case[member].clone()).collect()
}

/// The verdict of every case.
fn verdicts(job: &Value) -> Vec<String> {
    each(job, "verdict").iter().map(|v| v.as_str().unwrap_or_default().to_owned()).collect()
}
