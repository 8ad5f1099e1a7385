//! The submissions in README.md do what they are shown for.

use serde_json::Value;

use crate::cluster::Cluster;
use crate::tidy::{read, root};

/// Fewer would mean that the page was not understood.
const SUBMISSIONS_MIN: usize = 3;

/// Path and body of every submission that a reader may paste.
fn submissions(page: &str) -> Vec<(String, String)> {
    let calls = page.split("curl -s 'http://127.0.0.1:7300").skip(1);
    let parted = calls.filter_map(|call| {
        let (path, rest) = call.split_once('\'')?;
        let (body, _) = rest.split_once("-d '")?.1.split_once('\'')?;
        Some((path.to_owned(), body.to_owned()))
    });
    parted.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_submission_of_the_readme_is_taken_and_ends() {
    let cluster = Cluster::with_agents(&[&["--slots", "2", "--languages", "c,java,python"]]).await;
    let page = read(&root().join("README.md"));
    let submissions = submissions(&page);
    assert!(submissions.len() >= SUBMISSIONS_MIN, "{submissions:#?}");
    for (path, body) in submissions {
        let request = cluster.http.post(format!("{}{path}", cluster.url)).header("content-type", "application/json");
        let answer = request.body(body.clone()).send().await.expect("the master answers");
        let (status, job) = (answer.status(), answer.json::<Value>().await.expect("it is JSON"));
        assert_eq!(status, 200, "{body}: {job:#}");
        assert!(job["outcome"] == "ok" || job["run"]["exit_code"] == 3, "{body}: {job:#}");
        // What the page shows is what is there.
        let shown = job["run"]["stdout"].as_str().or(job["cases"][0]["stdout"].as_str()).unwrap_or_default();
        assert!(!shown.is_empty(), "{job:#}");
    }
    cluster.shutdown().await;
}
