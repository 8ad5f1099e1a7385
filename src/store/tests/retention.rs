//! Retention as callers of the store see it: by age, by bytes, in small steps, never what has not ended.

use std::time::Duration;

use super::*;
use crate::config::Retention;
use crate::store::Pruned;

const DAY_US: i64 = 24 * 3600 * 1_000_000;
const NO_BOUND: u64 = u64::MAX;

fn retention(days: u32, bytes_max: u64) -> Retention {
    Retention { age: Duration::from_secs(u64::from(days) * 24 * 3600), bytes_max }
}

/// Admits a job under a key and ends it at this time, with so many bytes of output.
async fn ended(store: &Store, key: &str, at: UnixTime, output_bytes: usize) -> JobId {
    let mut job = new_job();
    job.idempotency = Some(Idempotency { key: key.to_owned(), digest: [1; 32] });
    let id = job.id;
    store.admit(job).await.unwrap();
    let mut end = Arc::unwrap_or_clone(finish(id, None));
    end.finished = at;
    end.outputs.0[0] = vec![b'x'; output_bytes];
    assert_eq!(store.finish(Arc::new(end)).await.unwrap(), Recorded::Now);
    id
}

async fn pruned(store: &Store, now: UnixTime, retention: Retention) -> u64 {
    let mut all = 0;
    loop {
        let Pruned { jobs, more } = store.prune(now, retention).await.unwrap();
        all += jobs;
        if !more {
            return all;
        }
    }
}

#[tokio::test]
async fn jobs_go_when_they_are_old_with_all_that_names_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let waiting = admitted(&store).await;
    let running = admitted(&store).await;
    store.started(vec![Started { job: running, attempt: facts(1), attempts: 1, prediction: None }]).await.unwrap();
    let old = ended(&store, "old", UnixTime(DAY_US), 10).await;
    let young = ended(&store, "young", UnixTime(3 * DAY_US), 10).await;
    let now = UnixTime(4 * DAY_US);
    assert_eq!(pruned(&store, now, retention(2, NO_BOUND)).await, 1);
    assert!(store.job("t".into(), old).await.unwrap().is_none());
    for job in [waiting, running, young] {
        assert!(store.job("t".into(), job).await.unwrap().is_some(), "what is young or has not ended stays");
    }
    let key = |key: &str| Idempotency { key: key.to_owned(), digest: [1; 32] };
    assert_eq!(store.admitted_before("t".into(), key("old")).await.unwrap(), None, "its key is free");
    let kept = store.admitted_before("t".into(), key("young")).await.unwrap();
    assert_eq!(kept, Some(Admission::Existing(young)));
    assert_eq!(store.finished_count().await.unwrap(), 2, "what is gone has finished all the same");
    drop(store);
    let c = Connection::open(dir.path().join("enclos.db")).unwrap();
    for table in ["outputs", "labels", "idempotency", "inputs"] {
        let sql = format!("SELECT count(*) FROM {table} WHERE job NOT IN (SELECT sequence FROM jobs)");
        assert_eq!(c.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap(), 0, "{table}");
    }
}

#[tokio::test]
async fn of_too_many_bytes_those_go_that_ended_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let mut jobs = Vec::new();
    // Admitted in this order, ended in the other.
    for n in 0..8 {
        jobs.push(ended(&store, &format!("k{n}"), UnixTime(100 - n), 256 * 1024).await);
    }
    let bytes_max = store.held_bytes().await.unwrap() - 1024 * 1024;
    let gone = pruned(&store, UnixTime(100), retention(1, bytes_max)).await;
    assert!((4..=5).contains(&gone), "{gone}");
    let held = store.held_bytes().await.unwrap();
    assert!(held <= bytes_max && held > bytes_max - 2 * 256 * 1024, "no more than was needed: {held}");
    for (n, job) in jobs.iter().rev().enumerate() {
        assert_eq!(store.job("t".into(), *job).await.unwrap().is_none(), (n as u64) < gone, "{n}");
    }
}

#[tokio::test]
async fn one_step_is_small_whatever_is_due() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    for n in 0..40 {
        ended(&store, &format!("small{n}"), UnixTime(n), 1).await;
    }
    for n in 0..3 {
        ended(&store, &format!("large{n}"), UnixTime(100 + n), 12 << 20).await;
    }
    let now = UnixTime(10 * DAY_US);
    let steps = [store.prune(now, retention(1, NO_BOUND)).await, store.prune(now, retention(1, NO_BOUND)).await];
    let steps = steps.map(Result::unwrap);
    assert_eq!(steps, [Pruned { jobs: 32, more: true }, Pruned { jobs: 10, more: true }], "by count, then by bytes");
    assert_eq!(pruned(&store, now, retention(1, NO_BOUND)).await, 1);
}

#[tokio::test]
async fn bytes_of_jobs_that_have_not_ended_remove_none_of_these() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let waiting = admitted(&store).await;
    ended(&store, "k", UnixTime(1), 1).await;
    assert_eq!(pruned(&store, UnixTime(2), retention(1, 1)).await, 1);
    assert!(store.job("t".into(), waiting).await.unwrap().is_some());
}

#[tokio::test]
async fn ids_of_erased_jobs_are_forgotten_with_their_age() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let job = admitted(&store).await;
    store.finish(finish(job, None)).await.unwrap();
    let erase = || store.erase("t".into(), job);
    assert_eq!(erase().await.unwrap(), super::super::Erasure::Done);
    let now = UnixTime::now();
    pruned(&store, now, retention(1, NO_BOUND)).await;
    assert_eq!(erase().await.unwrap(), super::super::Erasure::Before, "remembered while it is young");
    pruned(&store, now.after(Duration::from_secs(2 * 24 * 3600)), retention(1, NO_BOUND)).await;
    assert_eq!(erase().await.unwrap(), super::super::Erasure::Unknown);
}

#[tokio::test]
async fn what_one_tenant_leaves_takes_no_other_tenants_results() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let mut job = new_job();
    Arc::make_mut(&mut job.spec).binding.tenant = "small".into();
    let small = job.id;
    store.admit(job).await.unwrap();
    let mut end = Arc::unwrap_or_clone(finish(small, None));
    end.finished = UnixTime(1);
    store.finish(Arc::new(end)).await.unwrap();
    for n in 0..20 {
        ended(&store, &n.to_string(), UnixTime(1000 + n), 1 << 18).await;
    }
    let before = store.held_bytes().await.unwrap();
    let gone = pruned(&store, UnixTime(2000), retention(1, before / 2)).await;
    assert!(gone > 0 && store.held_bytes().await.unwrap() <= before / 2, "{gone}");
    assert!(store.job("small".into(), small).await.unwrap().is_some(), "though it ended before all others");
}
