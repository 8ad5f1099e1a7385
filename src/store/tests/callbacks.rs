//! Callbacks as callers of the store see them: made with the end, claimed once, gone with their job.

use std::time::Duration;

use super::*;
use crate::store::{
    CALLBACK_DEAD_AGE, CALLBACKS_DEAD_MAX, CALLBACKS_WAITING_MAX, CallbackEnd, CallbackFilter, CallbackProblem,
    CallbackRecord, CallbackState, Claimed, Desk, Erasure, UnderWay,
};

const ENDED: UnixTime = UnixTime(3);
const URL: &str = "https://hooks.example:8443/x";

/// A job that names a URL, not ended.
async fn asking(store: &Store) -> JobId {
    let job = NewJob { callback: Some(URL.to_owned()), ..new_job() };
    let id = job.id;
    assert_eq!(store.admit(job).await.unwrap(), Admission::New);
    id
}

async fn ended(store: &Store) -> JobId {
    let id = asking(store).await;
    assert_eq!(store.finish(finish(id, None)).await.unwrap(), Recorded::Now);
    id
}

async fn listed(store: &Store, state: Option<CallbackState>) -> Vec<CallbackRecord> {
    store.callbacks(CallbackFilter { tenant: "t".into(), state, before: None, limit: 200 }).await.unwrap().callbacks
}

async fn claimed(store: &Store, now: UnixTime) -> Vec<Claimed> {
    let due = store.callbacks_due(now, UnderWay::default(), 32).await.unwrap();
    let sequences = due.callbacks.into_iter().map(|(sequence, ..)| sequence).collect();
    store.claim_callbacks(sequences, now).await.unwrap()
}

#[tokio::test]
async fn an_end_is_told_where_it_was_asked_for_and_waits_through_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let silent = admitted(&store).await;
    store.finish(finish(silent, None)).await.unwrap();
    assert!(listed(&store, None).await.is_empty(), "nobody asked");
    let job = ended(&store).await;
    assert_eq!(store.finish(finish(job, None)).await.unwrap(), Recorded::Refused, "a second end tells nothing");
    tokio::time::timeout(Duration::from_secs(30), store.callbacks_woken()).await.expect("the deliverer is woken");
    let before = listed(&store, None).await;
    assert_eq!((before.len(), before[0].job, before[0].url.as_str()), (1, job, URL));
    let taken = claimed(&store, ENDED).await;
    assert_eq!((taken.len(), taken[0].attempts, taken[0].job), (1, 1, job));
    assert!(claimed(&store, ENDED).await.is_empty(), "it is one's to deliver");
    // A crash while it is being delivered.
    let crashed = tempfile::tempdir().unwrap();
    for name in ["enclos.db", "enclos.db-wal"] {
        std::fs::copy(dir.path().join(name), crashed.path().join(name)).unwrap();
    }
    let store = open(crashed.path()).store;
    let again = claimed(&store, ENDED).await;
    assert_eq!((again[0].attempts, again[0].job), (2, job), "by the same id");
    store.settle_callback(again[0].sequence, CallbackEnd::Delivered).await.unwrap();
    assert!(listed(&store, None).await.is_empty());
}

#[tokio::test]
async fn what_failed_is_due_later_and_what_is_dead_is_tried_by_hand_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    ended(&store).await;
    let (later, problem) = (ENDED.after(Duration::from_secs(5)), CallbackProblem::Status);
    let sequence = claimed(&store, ENDED).await[0].sequence;
    store.settle_callback(sequence, CallbackEnd::Again { due: later, problem, status: Some(500) }).await.unwrap();
    let due = store.callbacks_due(ENDED, UnderWay::default(), 32).await.unwrap();
    assert_eq!((due.callbacks.len(), due.next), (0, Some(later)));
    let host =
        |tenant: &str| UnderWay { full_hosts: vec![(tenant.into(), "hooks.example".into())], ..Default::default() };
    let tenant = |name: &str| UnderWay { full_tenants: vec![name.into()], ..Default::default() };
    for (going, count) in [(host("t"), 0), (tenant("t"), 0), (tenant("hooks.example"), 1), (host("other"), 1)] {
        assert_eq!(store.callbacks_due(later, going, 32).await.unwrap().callbacks.len(), count);
    }
    claimed(&store, later).await;
    store.settle_callback(sequence, CallbackEnd::Dead { at: later, problem, status: Some(410) }).await.unwrap();
    assert!(claimed(&store, UnixTime(i64::MAX)).await.is_empty());
    let dead = listed(&store, Some(CallbackState::Dead)).await;
    assert_eq!(
        (dead[0].status, dead[0].problem, dead[0].dead, dead[0].attempts),
        (Some(410), Some(problem), Some(later), 2)
    );
    assert!(listed(&store, Some(CallbackState::Waiting)).await.is_empty());

    let id = dead[0].job;
    for (tenant, id) in [("other", id), ("t", JobId::generate())] {
        assert_eq!(store.retry_callback(tenant.into(), id, later).await.unwrap(), None);
    }
    let retried = store.retry_callback("t".into(), id, later).await.unwrap().unwrap();
    assert_eq!((retried.state, retried.attempts, retried.due, retried.dead), (CallbackState::Waiting, 0, later, None));
    let taken = claimed(&store, later).await;
    assert_eq!((taken[0].begun, taken[0].attempts, taken[0].job), (later, 1, id), "a day of its own, the same id");
    let during = store.retry_callback("t".into(), id, later).await.unwrap().unwrap();
    assert_eq!(during.attempts, 1, "what is being delivered stays so");
}

#[tokio::test]
async fn erasing_a_job_drops_its_callback() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let (before, after) = (asking(&store).await, ended(&store).await);
    assert_eq!(store.erase("t".into(), before).await.unwrap(), Erasure::AtItsEnd);
    assert_eq!(store.finish(finish(before, None)).await.unwrap(), Recorded::Erased);
    assert_eq!(listed(&store, None).await.len(), 1, "of the other");
    let sequence = claimed(&store, ENDED).await[0].sequence;
    assert_eq!(store.erase("t".into(), after).await.unwrap(), Erasure::Done);
    let due = ENDED.after(Duration::from_secs(1));
    store
        .settle_callback(sequence, CallbackEnd::Again { due, problem: CallbackProblem::TimedOut, status: None })
        .await
        .unwrap();
    assert!(listed(&store, None).await.is_empty() && claimed(&store, due).await.is_empty());
}

/// Adds rows of the job `like` beside the store.
fn add(dir: &Path, like: JobId, count: usize, state: i64, dead_us: Option<i64>) {
    let c = Connection::open(dir.join("enclos.db")).unwrap();
    c.busy_timeout(Duration::from_secs(5)).unwrap();
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
               INSERT INTO callbacks (id, tenant, job, url, host, state, created_us, begun_us, due_us, dead_us)
               SELECT randomblob(16), 't', (SELECT sequence FROM jobs WHERE id = ?2), '', '', ?3, 1, 1, 1, ?4 FROM n";
    let count = i64::try_from(count).unwrap();
    c.execute(sql, rusqlite::params![count, like.as_bytes(), state, dead_us]).unwrap();
}

#[tokio::test]
async fn above_the_bound_of_a_tenant_the_oldest_is_dead_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let metrics: Arc<crate::metrics::Metrics> = Arc::default();
    let store = Store::open(dir.path(), Arc::clone(&metrics)).unwrap().store;
    let oldest = ended(&store).await;
    add(dir.path(), oldest, CALLBACKS_WAITING_MAX - 1, 0, None);
    assert_eq!(store.callback_counts().await.unwrap(), (CALLBACKS_WAITING_MAX as u64, 0));
    let newest = ended(&store).await;
    assert_eq!(store.callback_counts().await.unwrap(), (CALLBACKS_WAITING_MAX as u64, 1));
    let dead = listed(&store, Some(CallbackState::Dead)).await;
    assert_eq!((dead.len(), dead[0].job, dead[0].problem), (1, oldest, Some(CallbackProblem::CrowdedOut)));
    assert_eq!(listed(&store, Some(CallbackState::Waiting)).await[0].job, newest);
    assert_eq!(metrics.callbacks_crowded_out.value(), 1);
}

#[tokio::test]
async fn the_dead_are_forgotten_by_age_and_by_count() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let job = ended(&store).await;
    let now = UnixTime(1).after(CALLBACK_DEAD_AGE * 2);
    add(dir.path(), job, 10, 2, Some(1));
    add(dir.path(), job, CALLBACKS_DEAD_MAX + 10, 2, Some(now.0));
    store.forget_callbacks(now).await.unwrap();
    assert_eq!(store.callback_counts().await.unwrap(), (1, CALLBACKS_DEAD_MAX as u64), "what waits is never forgotten");
}

#[tokio::test]
async fn of_secrets_two_are_good_after_a_rotation_and_one_after_its_grace() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let (now, hour) = (UnixTime(1_000_000), Duration::from_secs(3600));
    let good = async |at| store.callback_secrets("t".into(), at).await.unwrap();
    for first in [b"one", b"two"] {
        store.add_first_callback_secret("t".into(), first.to_vec(), now).await.unwrap();
    }
    assert_eq!(good(now).await, [b"one".to_vec()], "whoever is second takes the first");
    let tenant = "t".parse().unwrap();
    let mut desk = Desk::open(dir.path()).unwrap();
    assert_eq!(desk.callback_secrets(&tenant, b"three".to_vec(), now).unwrap(), [b"one".to_vec()]);
    desk.rotate_callback_secret(&tenant, b"four", hour, now).unwrap();
    assert_eq!(good(now).await, [b"four".to_vec(), b"one".to_vec()], "the newest first");
    desk.rotate_callback_secret(&tenant, b"five", hour * 2, now).unwrap();
    assert_eq!(good(now).await, [b"five".to_vec(), b"four".to_vec()], "never more than two");
    assert_eq!(good(now.after(hour * 2)).await, [b"five".to_vec()]);
    desk.rotate_callback_secret(&tenant, b"six", Duration::ZERO, now).unwrap();
    assert_eq!(good(now).await, [b"six".to_vec()], "without grace the old one is gone");
    assert!(store.callback_secrets("other".into(), now).await.unwrap().is_empty());
}

#[tokio::test]
async fn nobody_waits_behind_anothers_many() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    for _ in 0..50 {
        ended(&store).await;
    }
    let mut job = NewJob { callback: Some(URL.to_owned()), ..new_job() };
    Arc::make_mut(&mut job.spec).binding.tenant = "u".into();
    let late = job.id;
    store.admit(job).await.unwrap();
    store.finish(finish(late, None)).await.unwrap();
    let first = |going: UnderWay| async { store.callbacks_due(ENDED, going, 1).await.unwrap().callbacks[0].2.clone() };
    assert_eq!(first(UnderWay::default()).await, "t", "the longest due");
    let going = UnderWay { tenants: [("t".to_owned(), 1)].into(), ..Default::default() };
    assert_eq!(first(going).await, "u", "who has least under way");
    let each = store.callbacks_due(ENDED, UnderWay::default(), 32).await.unwrap().callbacks;
    assert_eq!(each.len(), 2, "one of each in a look");
}

#[tokio::test]
async fn a_callbacks_day_begins_with_its_first_attempt() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    ended(&store).await;
    let day_later = ENDED.after(Duration::from_secs(24 * 3600));
    let first = claimed(&store, day_later).await;
    assert_eq!(first[0].begun, day_later);
    let (due, problem) = (day_later.after(Duration::from_secs(5)), CallbackProblem::Status);
    store.settle_callback(first[0].sequence, CallbackEnd::Again { due, problem, status: None }).await.unwrap();
    assert_eq!(claimed(&store, due).await[0].begun, day_later);
}
