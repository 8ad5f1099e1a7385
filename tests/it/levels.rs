//! Every ordinary program under the stricter policies and levels. Long: `make test-full` runs them.

use serde_json::json;

use crate::cluster::{Cluster, source};
use crate::programs;

const LANGUAGES: [&str; 4] = ["c", "cpp", "java", "python"];

async fn check_all_languages(agent: &[&str], level: &str) {
    let cluster = Cluster::with_agents(&[agent]).await;
    for language in LANGUAGES {
        let programs = programs::load(&format!("ordinary/{language}"));
        programs::check_all(&cluster, &programs, &json!({ "isolation": level })).await;
    }
    let job = cluster.run(&source("python", "print(1)")).await;
    assert_eq!(job["isolation"], level, "{job:#}");
    assert_eq!(job["reuse"], "never", "{job:#}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a container for each of some sixty programs: minutes"]
async fn every_ordinary_program_passes_in_single_use_sandboxes() {
    check_all_languages(&["--slots", "2", "--reuse", "never"], "runc").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs gVisor ('make gvisor'), and minutes"]
async fn every_ordinary_program_passes_under_gvisor() {
    check_all_languages(&["--slots", "2", "--isolation", "gvisor"], "gvisor").await;
}
