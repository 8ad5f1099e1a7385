//! What a store opens, and what it refuses: with the file and what to do, and without touching it.

use std::collections::BTreeSet;

use super::*;

/// A database as the version at commit d2e8061 left it: schema 3, jobs in every state.
const SCHEMA_3: &str = include_str!("../../../tests/databases/schema-3.sql");

fn refused(dir: &Path) -> OpenError {
    let path = dir.join("enclos.db");
    let before = std::fs::read(&path).unwrap();
    let error = Store::open(dir, Arc::default()).unwrap_err();
    assert_eq!(std::fs::read(&path).unwrap(), before, "left as it was: {error}");
    let text = error.to_string();
    assert!(text.contains("enclos.db") && (text.contains("restore a backup") || text.contains("run that")), "{text}");
    error
}

/// A database with some hundred pages, closed.
async fn filled(dir: &Path) {
    let store = open(dir).store;
    for _ in 0..40 {
        let mut job = new_job();
        job.input.stdin = vec![b'x'; 20_000].into();
        store.admit(job).await.unwrap();
    }
    store.close();
}

#[test]
fn a_database_of_a_newer_version_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    Connection::open(dir.path().join("enclos.db")).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(refused(dir.path()), OpenError::Newer { found: 99, .. }));
}

#[test]
fn files_of_others_are_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("enclos.db");
    std::fs::write(&path, "this is not a database, but it is long enough to be looked at".repeat(40)).unwrap();
    assert!(matches!(refused(dir.path()), OpenError::Corrupt { .. }));
    for numbers in ["PRAGMA application_id = 5; PRAGMA user_version = 1;", "PRAGMA user_version = 3;", ""] {
        std::fs::remove_file(&path).unwrap();
        let other = Connection::open(&path).unwrap();
        other.execute_batch(&format!("{numbers} CREATE TABLE x (y)")).unwrap();
        drop(other);
        assert!(matches!(refused(dir.path()), OpenError::Corrupt { .. }), "{numbers}");
    }
}

#[tokio::test]
async fn half_a_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    let path = dir.path().join("enclos.db");
    let whole = std::fs::read(&path).unwrap();
    for part in [whole.len() / 2, whole.len() / 2 + 777, 4096, 50] {
        std::fs::write(&path, &whole[..part]).unwrap();
        assert!(matches!(refused(dir.path()), OpenError::Corrupt { .. }), "{part} bytes");
    }
}

#[tokio::test]
async fn a_damaged_page_is_found_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    let path = dir.path().join("enclos.db");
    let whole = std::fs::read(&path).unwrap();
    // Each page that belongs to a tree or is a list of free ones has its kind in its first byte.
    let mut found = 0;
    for page in 1..whole.len() / 4096 {
        let mut damaged = whole.clone();
        if !matches!(damaged[page * 4096], 2 | 5 | 10 | 13) {
            continue;
        }
        damaged[page * 4096..][..64].fill(0xa5);
        std::fs::write(&path, &damaged).unwrap();
        assert!(matches!(refused(dir.path()), OpenError::Corrupt { .. }), "page {page}");
        found += 1;
    }
    assert!(found > 10, "{found} pages were tried");
}

#[tokio::test]
async fn a_database_of_the_released_schema_opens_with_every_job() {
    let dir = tempfile::tempdir().unwrap();
    let old = Connection::open(dir.path().join("enclos.db")).unwrap();
    old.execute_batch(SCHEMA_3).unwrap();
    drop(old);
    let opened = open(dir.path());
    let store = opened.store;
    let jobs = store.list(all(99)).await.unwrap().jobs;
    let states: Vec<_> = jobs.iter().rev().map(|job| job.state).collect();
    use StoredState::{Finished, Queued, Running};
    assert_eq!(states, [Finished, Finished, Running, Queued, Queued]);
    let (record, detail) = store.job_in_detail("t".into(), jobs[4].id).await.unwrap().unwrap();
    assert_eq!(record.ending.unwrap().report, Some(testing::report(Outcome::Ok)));
    assert_eq!(detail.outputs.part(Step::Run, Stream::Stderr), b"\xffout");
    let (_, detail) = store.job_in_detail("t".into(), jobs[3].id).await.unwrap().unwrap();
    assert_eq!(detail.cases.len(), 2);
    assert_eq!(detail.cases[0].result.stdout, b"case out");
    assert!(jobs.iter().all(|job| job.turn == Turn::default() && job.prediction.is_none()));
    assert_eq!(opened.predictions, []);
    assert_eq!(opened.unfinished.iter().map(|u| u.cancelled).collect::<Vec<_>>(), [false, false, true]);
    let work = store.work(jobs[1].id).await.unwrap().unwrap();
    assert_eq!(work.spec, spec());
    let input: JobInput = ciborium::from_reader(store.input(jobs[1].id).await.unwrap().unwrap().as_slice()).unwrap();
    assert_eq!(input, new_job().input);
    let key = Idempotency { key: "key".to_owned(), digest: [7; 32] };
    let known = store.admitted_before("t".into(), key).await.unwrap();
    assert_eq!(known, Some(Admission::Existing(jobs[1].id)));
    assert_eq!(store.file("t".into(), jobs[4].id, "out.txt".into()).await.unwrap().as_deref(), Some(&b"kept"[..]));
    // And it goes on from there.
    let token = record.token.unwrap();
    let attempt = AttemptFacts { token: FencingToken { epoch: opened.epoch, ..token }, ..facts(1) };
    assert_eq!(store.finish(finish(jobs[2].id, Some(attempt))).await.unwrap(), Recorded::Now);
    admitted(&store).await;
}

#[test]
fn sqlite_is_built_as_it_was_asked_for() {
    // Where the flags are not in force there is nothing to look at; those of them that SQLite tells are looked at.
    let flags = option_env!("LIBSQLITE3_FLAGS").unwrap_or_default();
    let c = Connection::open_in_memory().unwrap();
    let mut select = c.prepare("PRAGMA compile_options").unwrap();
    let options: BTreeSet<String> = select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    for flag in flags.split_whitespace() {
        if let Some(set) = flag.strip_prefix("-DSQLITE_") {
            assert!(options.contains(set), "{set}: {options:?}");
        } else if let Some(unset) = flag.strip_prefix("-USQLITE_") {
            assert!(!options.contains(unset), "{unset}: {options:?}");
        }
    }
}
