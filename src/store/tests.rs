//! The store as its callers see it: durable, fenced, picky about what it opens.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use enclos_protocol::ids::{AgentName, FencingToken, JobId};
use enclos_protocol::job::{JobFile, JobInput, JobSpec, Step, Stream};
use enclos_protocol::outcome::Outcome;
use rusqlite::Connection;

use super::schema::{APPLICATION_ID, MIGRATIONS};
use super::{
    Admission, AttemptFacts, Ending, Filter, Finish, Idempotency, NewJob, OpenError, Opened, Outputs, Part, Recorded,
    Requeued, Started, Store, StoredState, Turn, UnixTime,
};
use crate::scoring::Scoring;
use crate::testing;

mod backup;
mod blobs;
mod callbacks;
mod ends;
mod life;
mod many;
mod opening;
mod power;
mod retention;
mod turns;

fn open(dir: &Path) -> Opened {
    Store::open(dir, Arc::default()).unwrap()
}

fn spec() -> JobSpec {
    testing::spec(0, 1)
}

fn new_job() -> NewJob {
    let file = JobFile { path: testing::path("main.c"), content: b"\0source".to_vec().into() };
    NewJob {
        id: JobId::generate(),
        spec: spec().into(),
        input: JobInput { files: vec![file], stdin: b"in".to_vec().into(), companion: vec![] },
        cases: vec![],
        blobs: vec![],
        scoring: Scoring::default(),
        compile_key: None,
        turn: Turn::default(),
        labels: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
        created: UnixTime(1),
        idempotency: None,
        callback: None,
    }
}

async fn admitted(store: &Store) -> JobId {
    let job = new_job();
    let id = job.id;
    assert_eq!(store.admit(job).await.unwrap(), Admission::New);
    id
}

fn facts(counter: u64) -> AttemptFacts {
    let agent: AgentName = "a".parse().unwrap();
    AttemptFacts { token: FencingToken { epoch: 1, counter }, agent, started: UnixTime(2) }
}

fn finish(job: JobId, attempt: Option<AttemptFacts>) -> Arc<Finish> {
    let mut outputs = Outputs::default();
    outputs.0[Part { step: Step::Run, stream: Stream::Stderr }.index()] = b"\xffout".to_vec();
    let ending = Ending { outcome: Outcome::Ok, message: None, report: None, judged: None };
    Arc::new(Finish { job, attempt, attempts: 1, unnoted: None, ending, outputs, cases: vec![], finished: UnixTime(3) })
}

fn all(limit: u32) -> Filter {
    Filter { tenant: "t".into(), state: None, language: None, label: None, before: None, limit }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let id = admitted(&first.store).await;
    let running = admitted(&first.store).await;
    first
        .store
        .started(vec![Started { job: running, attempt: facts(7), attempts: 1, prediction: None }])
        .await
        .unwrap();
    // A crash: the files as they are now, without the end that closing makes.
    let crashed = tempfile::tempdir().unwrap();
    for name in ["enclos.db", "enclos.db-wal"] {
        std::fs::copy(dir.path().join(name), crashed.path().join(name)).unwrap();
    }
    let second = open(crashed.path());
    assert_eq!(second.epoch, first.epoch + 1);
    let jobs: Vec<_> = second.unfinished.iter().map(|u| (u.record.id, u.record.state)).collect();
    assert_eq!(jobs, [(id, StoredState::Queued), (running, StoredState::Running)]);
    assert_eq!(second.unfinished[1].record.token, Some(facts(7).token));
    let work = second.store.work(id).await.unwrap().unwrap();
    let spec_read = work.spec.clone();
    let input = second.store.input(id).await.unwrap().unwrap();
    assert_eq!(spec_read, spec());
    let input: JobInput = ciborium::from_reader(input.as_slice()).unwrap();
    assert_eq!(input, new_job().input);
}

#[tokio::test]
async fn an_answer_is_recorded_once_and_only_for_the_greatest_token() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let id = admitted(&store).await;
    store.started(vec![Started { job: id, attempt: facts(2), attempts: 1, prediction: None }]).await.unwrap();
    assert_eq!(store.finish(finish(id, Some(facts(1)))).await.unwrap(), Recorded::Refused, "a late answer");
    assert_eq!(store.finish(finish(id, Some(facts(2)))).await.unwrap(), Recorded::Now);
    assert_eq!(store.finish(finish(id, Some(facts(3)))).await.unwrap(), Recorded::Refused, "a second answer");
    let (record, detail) = store.job_in_detail("t".into(), id).await.unwrap().unwrap();
    assert_eq!((record.state, record.token), (StoredState::Finished, Some(facts(2).token)));
    assert_eq!(detail.outputs.part(Step::Run, Stream::Stderr), b"\xffout");
    assert_eq!(store.finished_count().await.unwrap(), 1);
    assert!(store.work(id).await.unwrap().is_none(), "the input is gone");
}

#[tokio::test]
async fn notes_about_attempts_may_come_in_any_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let id = admitted(&store).await;
    let requeued = |counter, attempts| Requeued { job: id, token: facts(counter).token, attempts, failures: vec![] };
    store.requeued(requeued(1, 1)).await.unwrap();
    store.started(vec![Started { job: id, attempt: facts(1), attempts: 1, prediction: None }]).await.unwrap();
    assert_eq!(
        store.job("t".into(), id).await.unwrap().unwrap().state,
        StoredState::Queued,
        "the older note changes nothing"
    );
    store.started(vec![Started { job: id, attempt: facts(2), attempts: 2, prediction: None }]).await.unwrap();
    store.requeued(requeued(1, 1)).await.unwrap();
    let record = store.job("t".into(), id).await.unwrap().unwrap();
    assert_eq!((record.state, record.attempts), (StoredState::Running, 2));
    // A dispatch that was never noted still ends the job.
    assert_eq!(store.finish(finish(id, Some(facts(5)))).await.unwrap(), Recorded::Now);
}

#[tokio::test]
async fn a_key_answers_its_job_and_refuses_another_body() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let with =
        |digest| NewJob { idempotency: Some(Idempotency { key: "k".into(), digest: [digest; 32] }), ..new_job() };
    let first = with(1);
    let id = first.id;
    // All at once: they are decided one after the other, in one commit.
    let (a, b, c) = tokio::join!(store.admit(first), store.admit(with(1)), store.admit(with(2)));
    assert_eq!(a.unwrap(), Admission::New);
    assert_eq!(b.unwrap(), Admission::Existing(id));
    assert_eq!(c.unwrap(), Admission::Conflict);
    assert_eq!(store.list(all(9)).await.unwrap().jobs.len(), 1);
}

#[tokio::test]
async fn a_cancel_that_was_asked_for_is_there_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let (asked, other, ended) = (admitted(&store).await, admitted(&store).await, admitted(&store).await);
    store.finish(finish(ended, None)).await.unwrap();
    for job in [asked, asked, ended] {
        store.cancel_asked("t".into(), job).await.unwrap();
    }
    drop(store);
    let unfinished: Vec<_> = open(dir.path()).unfinished.iter().map(|u| (u.record.id, u.cancelled)).collect();
    assert_eq!(unfinished, [(asked, true), (other, false)]);
}

#[test]
fn a_database_of_an_older_version_is_brought_up_to_date() {
    for version in 1..MIGRATIONS.len() {
        upgrade_from(version);
    }
}

fn upgrade_from(version: usize) {
    let dir = tempfile::tempdir().unwrap();
    let old = Connection::open(dir.path().join("enclos.db")).unwrap();
    MIGRATIONS[..version].iter().for_each(|sql| old.execute_batch(sql).unwrap());
    old.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    old.pragma_update(None, "user_version", i64::try_from(version).unwrap()).unwrap();
    let mut spec_bytes = Vec::new();
    ciborium::into_writer(&spec(), &mut spec_bytes).unwrap();
    let id = JobId::generate();
    let sql = "INSERT INTO jobs (id, tenant, language, spec, labels, input_bytes, created_us)
               VALUES (?, 't', 'c', ?, '{}', 0, 0)";
    old.execute(sql, rusqlite::params![id.as_bytes(), spec_bytes]).unwrap();
    drop(old);
    let unfinished: Vec<_> = open(dir.path()).unfinished.iter().map(|u| (u.record.id, u.cancelled)).collect();
    assert_eq!(unfinished, [(id, false)]);
}

#[tokio::test]
async fn a_bad_write_does_not_fail_its_neighbours() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let (first, mut twin) = (new_job(), new_job());
    twin.id = first.id;
    let (a, b, c) = tokio::join!(store.admit(first), store.admit(twin), store.admit(new_job()));
    assert!(a.is_ok() && c.is_ok());
    assert!(b.is_err(), "the same id twice");
    assert_eq!(store.list(all(9)).await.unwrap().jobs.len(), 2);
}

#[tokio::test]
async fn pages_hold_every_job_once_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, admitted(&store).await);
    }
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = store.list(Filter { before, ..all(2) }).await.unwrap();
        seen.extend(page.jobs.iter().map(|j| j.id));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, ids);
    let none = Filter { label: Some(("k".into(), "other".into())), ..all(9) };
    assert!(store.list(none).await.unwrap().jobs.is_empty());
    let labelled = Filter { label: Some(("k".into(), "v".into())), state: Some(StoredState::Queued), ..all(9) };
    assert_eq!(store.list(labelled).await.unwrap().jobs.len(), 5);
    assert!(store.list(Filter { tenant: "other".into(), ..all(9) }).await.unwrap().jobs.is_empty());
}

#[tokio::test]
async fn every_filter_lists_exactly_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    for n in 0..24u64 {
        let mut job = new_job();
        Arc::make_mut(&mut job.spec).language = if n % 2 == 0 { "c" } else { "python" }.to_owned();
        if n % 3 == 0 {
            job.labels = BTreeMap::from([("k".to_owned(), "other".to_owned())]);
        }
        let id = job.id;
        store.admit(job).await.unwrap();
        if n % 4 > 0 {
            store.started(vec![Started { job: id, attempt: facts(n), attempts: 1, prediction: None }]).await.unwrap();
        }
        if n % 4 > 1 {
            store.finish(finish(id, Some(facts(n)))).await.unwrap();
        }
    }
    let every = store.list(all(99)).await.unwrap().jobs;
    assert_eq!(every.len(), 24);
    let states = [None, Some(StoredState::Queued), Some(StoredState::Running), Some(StoredState::Finished)];
    let labels = [None, Some(("k".to_owned(), "other".to_owned())), Some(("k".to_owned(), "none".to_owned()))];
    for state in states {
        for language in [None, Some("c".to_owned()), Some("python".to_owned())] {
            for label in &labels {
                let before = Some(20);
                let filter = Filter { state, language: language.clone(), label: label.clone(), before, ..all(99) };
                let expected = every.iter().filter(|job| {
                    state.is_none_or(|s| job.state == s)
                        && language.as_ref().is_none_or(|l| job.spec.language == *l)
                        && label.as_ref().is_none_or(|(k, v)| job.labels.get(k) == Some(v))
                        && job.sequence < 20
                });
                let expected: Vec<_> = expected.cloned().collect();
                assert_eq!(store.list(filter.clone()).await.unwrap().jobs, expected, "{filter:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_full_disk_refuses_the_write_and_keeps_what_was() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path());
    let id = admitted(&opened.store).await;
    opened.store.close();
    let path = dir.path().join("enclos.db");
    let pages: i64 = Connection::open(&path).unwrap().pragma_query_value(None, "page_count", |r| r.get(0)).unwrap();
    // `max_page_count` is SQLite's own way to a full disk; it holds for one connection, so the
    // write is made through one.
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "max_page_count", pages).unwrap();
    let sql = "INSERT INTO inputs VALUES (99, zeroblob(1000000))";
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    let error = super::StoreError::from(connection.execute(sql, []).unwrap_err());
    assert!(matches!(error, super::StoreError::Full), "{error:?}");
    drop(connection);
    assert!(open(dir.path()).store.job("t".into(), id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_closed_store_refuses_and_frees_its_lock() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path());
    assert!(matches!(Store::open(dir.path(), Arc::default()), Err(OpenError::InUse { .. })));
    opened.store.close();
    assert!(matches!(opened.store.admit(new_job()).await, Err(super::StoreError::Closed)));
    open(dir.path());
}
