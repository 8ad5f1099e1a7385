//! A tenant that takes all it may, beside one that takes little, on a real agent.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Keyed;
use crate::cluster::{Cluster, source};

/// Jobs of the tenant that takes all it may.
const FLOOD: usize = 60;
/// Jobs of the other, one after the other.
const JOBS: usize = 12;
/// Its jobs beside the flood may take so much longer than alone: half of the machine is the flood's.
const SLOWER_MAX: u32 = 6;

/// How long each of its jobs takes, from its submission to its end.
async fn times(keyed: &Keyed, key: &str) -> Vec<Duration> {
    let mut times = Vec::new();
    for n in 0..JOBS {
        let began = Instant::now();
        let body = source("python", &format!("print({n})"));
        let (status, job) = keyed.parts(key, Method::POST, "/v1/jobs?wait_ms=60000", Some(&body)).await;
        assert_eq!((status, &job["outcome"]), (200, &json!("ok")), "{job:#}");
        times.push(began.elapsed());
    }
    times.sort_unstable();
    times
}

fn of_tenant<'a>(usage: &'a Value, tenant: &str) -> &'a Value {
    let all = usage["tenants"].as_array().into_iter().flatten();
    all.into_iter().find(|one| one["tenant"] == tenant).unwrap_or(&Value::Null)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_at_its_quota_does_not_slow_another() {
    // The agent is awaited before there are keys.
    let keyed = Keyed(Cluster::with_agents(&[&["--slots", "2", "--languages", "python"]]).await);
    let greedy =
        keyed.printed(&["keys", "create", "--tenant", "greedy", "--scope", "submit,read", "--running-jobs", "1"]);
    let (greedy, modest) = (greedy.await, keyed.key("modest", "submit,read").await);
    let operator = keyed.key("ops", "operate").await;
    // Its sandbox is there from here on, as it is later.
    times(&keyed, &modest).await;
    let alone = times(&keyed, &modest).await;
    for n in 0..FLOOD {
        let body = source("python", &format!("import time\ntime.sleep(0.4)\nprint({n})"));
        let (status, job) = keyed.parts(&greedy, Method::POST, "/v1/jobs", Some(&body)).await;
        assert_eq!(status, 201, "{job:#}");
    }
    let beside = times(&keyed, &modest).await;
    let usage = keyed.parts(&operator, Method::GET, "/v1/usage", None).await.1;
    let of = of_tenant(&usage, "greedy");
    assert_eq!(of["running_jobs"]["maximum"], 1, "{usage:#}");
    assert!(of["running_jobs"]["used"].as_u64().is_some_and(|n| n <= 1), "{usage:#}");
    let waiting = of["queued_jobs"]["used"].as_u64().unwrap_or(0);
    assert!(waiting > 0, "the flood was there all the time: {usage:#}");
    let middle = |times: &[Duration]| (times[JOBS / 2], times[JOBS - 1]);
    println!("alone: median {:?}, longest {:?}", middle(&alone).0, middle(&alone).1);
    println!(
        "beside {waiting} jobs of a tenant at its bound: median {:?}, longest {:?}",
        middle(&beside).0,
        middle(&beside).1
    );
    let bound = middle(&alone).0 * SLOWER_MAX + Duration::from_secs(1);
    assert!(middle(&beside).0 < bound, "{beside:?} beside, {alone:?} alone");
    keyed.0.shutdown().await;
}
