//! Cases, files and erasure as callers of the store see them.

use std::path::Path;

use enclos_protocol::cases::{CASE_PAGE_BYTES, CASE_PAGE_MAX, Case, CasePage, Verdict};
use enclos_protocol::glob::{KEEP_FILES_BYTES_MAX, KEEP_FILES_MAX};
use enclos_protocol::ids::AttemptId;
use enclos_protocol::outcome::Outcome;

use super::*;
use crate::scoring::{Group, Judged};
use crate::store::{CaseResult, Erasure, FileKept, LeftFile, NewCase};

fn case(name: &str, stdin: &[u8]) -> NewCase {
    NewCase { name: name.to_owned(), case: Case { stdin: stdin.to_vec().into(), ..Case::default() } }
}

async fn with_cases(store: &Store, cases: Vec<NewCase>) -> JobId {
    let group = Group { name: "g".into(), weight: 7, cases: vec![0] };
    let job = NewJob {
        spec: testing::spec(u32::try_from(cases.len()).unwrap(), 1).into(),
        cases,
        scoring: Scoring { groups: vec![group] },
        compile_key: Some(u64::MAX),
        ..new_job()
    };
    let id = job.id;
    assert_eq!(store.admit(job).await.unwrap(), Admission::New);
    id
}

async fn page(store: &Store, job: JobId, from: u32) -> CasePage {
    let bytes = store.case_page(job, from).await.unwrap().expect("the job has not ended");
    ciborium::from_reader(bytes.as_slice()).unwrap()
}

#[tokio::test]
async fn cases_are_given_out_in_pages_and_each_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let large = vec![b'x'; CASE_PAGE_BYTES];
    let mut cases: Vec<NewCase> =
        (0..CASE_PAGE_MAX + 5).map(|n| case(&n.to_string(), &[u8::try_from(n).unwrap()])).collect();
    cases[2] = case("large", &large);
    let id = with_cases(&store, cases.clone()).await;
    let (mut from, mut seen, mut sizes) = (Some(0), Vec::new(), Vec::new());
    while let Some(number) = from {
        let page = page(&store, id, number).await;
        sizes.push(page.cases.len());
        seen.extend(page.cases);
        from = page.next;
    }
    assert_eq!(seen, cases.into_iter().map(|c| c.case).collect::<Vec<_>>());
    assert_eq!(sizes, [3, CASE_PAGE_MAX, 2], "a large case ends its page");
    assert_eq!(page(&store, id, 999).await, CasePage::default());
    store.finish(finish(id, None)).await.unwrap();
    assert!(store.case_page(id, 0).await.unwrap().is_none(), "what cases brought is gone");
}

#[tokio::test]
async fn what_cases_came_to_is_kept_with_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let id = with_cases(&store, vec![case("a", b"1"), case("b", b"2")]).await;
    let ran = CaseResult {
        report: Some(testing::case(Verdict::WrongAnswer)),
        stdout: b"\xffout".to_vec(),
        stderr: b"err".to_vec(),
    };
    let judged = Judged { verdict: Verdict::WrongAnswer, passed: 0, score_ppm: 5, wall_us: 6 };
    let ending = Ending { outcome: Outcome::Ok, message: None, report: None, judged: Some(judged) };
    let plain = finish(id, Some(facts(1)));
    let results = vec![ran.clone(), CaseResult::default()];
    let end = Finish { ending: ending.clone(), cases: results, ..(*plain).clone() };
    assert_eq!(store.finish(Arc::new(end)).await.unwrap(), Recorded::Now);
    let (record, detail) = store.job_in_detail("t".into(), id).await.unwrap().unwrap();
    assert_eq!(record.ending, Some(ending));
    let kept: Vec<_> = detail.cases.iter().map(|c| (c.name.as_str(), c.result.clone())).collect();
    assert_eq!(kept, [("a", ran), ("b", CaseResult::default())]);
    assert_eq!(detail.scoring.groups[0].weight, 7);
}

#[tokio::test]
async fn what_is_reckoned_of_a_job_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let id = with_cases(&first.store, vec![case("a", b"")]).await;
    drop(first);
    let unfinished = open(dir.path()).unfinished;
    assert_eq!(unfinished[0].record.id, id);
    assert_eq!((unfinished[0].scoring.groups[0].weight, unfinished[0].compile_key), (7, Some(u64::MAX)));
}

fn file(job: JobId, counter: u64, path: &str, bytes: &[u8]) -> LeftFile {
    LeftFile {
        attempt: AttemptId { job, token: facts(counter).token },
        path: testing::path(path),
        bytes: bytes.to_vec(),
    }
}

#[tokio::test]
async fn files_of_the_attempt_that_ended_the_job_are_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let id = admitted(&store).await;
    let read = async |path: &str| store.file("t".into(), id, path.to_owned()).await.unwrap();
    for (counter, path, bytes) in [(1, "lost.txt", b"x"), (2, "a/b.txt", b"1"), (2, "a/b.txt", b"2")] {
        assert_eq!(store.keep_file(file(id, counter, path, bytes)).await.unwrap(), FileKept::Kept);
    }
    assert_eq!(read("a/b.txt").await, None, "not before its end");
    store.finish(finish(id, Some(facts(2)))).await.unwrap();
    assert_eq!(read("a/b.txt").await.as_deref(), Some(&b"2"[..]));
    assert_eq!(read("lost.txt").await, None);
    assert_eq!(store.keep_file(file(id, 2, "late", b"x")).await.unwrap(), FileKept::Over);
}

#[tokio::test]
async fn an_attempt_leaves_no_more_files_than_it_may() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let (many, large) = (admitted(&store).await, admitted(&store).await);
    for n in 0..KEEP_FILES_MAX {
        assert_eq!(store.keep_file(file(many, 1, &n.to_string(), b"")).await.unwrap(), FileKept::Kept);
    }
    assert_eq!(store.keep_file(file(many, 1, "0", b"again")).await.unwrap(), FileKept::Kept);
    assert_eq!(store.keep_file(file(many, 1, "more", b"")).await.unwrap(), FileKept::TooMuch);
    let most = vec![0; KEEP_FILES_BYTES_MAX];
    assert_eq!(store.keep_file(file(large, 1, "most", &most)).await.unwrap(), FileKept::Kept);
    assert_eq!(store.keep_file(file(large, 1, "more", b"x")).await.unwrap(), FileKept::TooMuch);
    assert_eq!(store.keep_file(file(large, 2, "more", b"x")).await.unwrap(), FileKept::Kept, "another attempt");
}

/// Whether any file of the store holds the beginning of these bytes; all of them it holds in pieces.
fn on_disk(dir: &Path, bytes: &[u8]) -> bool {
    let bytes = &bytes[..14];
    let paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let files = paths.map(|path| std::fs::read(path).unwrap());
    files.into_iter().any(|content| content.windows(bytes.len()).any(|window| window == bytes))
}

#[tokio::test]
async fn an_erased_job_leaves_none_of_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    // Long enough to fill pages of their own, and small enough to share one.
    let secrets = [b"source-of-the-job".repeat(400), b"case-of-the-job".repeat(3), b"file-of-the-job".repeat(400)];
    let mut job = new_job();
    job.spec = testing::spec(1, 1).into();
    job.input.files[0].content = secrets[0].clone().into();
    job.cases = vec![case("one", &secrets[1])];
    job.idempotency = Some(Idempotency { key: "key-of-the-job".into(), digest: [1; 32] });
    job.labels = BTreeMap::from([("k".to_owned(), "label-of-the-job".to_owned())]);
    let id = job.id;
    store.admit(job).await.unwrap();
    store.keep_file(file(id, 1, "f", &secrets[2])).await.unwrap();
    let other = admitted(&store).await;
    assert!(on_disk(dir.path(), &secrets[0]), "it is there while it is needed");
    let output = b"output-of-the-job".repeat(400);
    let plain = finish(id, Some(facts(1)));
    let mut end = (*plain).clone();
    end.outputs.0[0].clone_from(&output);
    store.finish(Arc::new(end)).await.unwrap();
    let erase = async |job| store.erase("t".to_owned(), job).await.unwrap();
    assert_eq!(erase(id).await, Erasure::Done);
    assert_eq!(erase(id).await, Erasure::Before, "again and again");
    assert_eq!(store.erase("other".to_owned(), other).await.unwrap(), Erasure::Unknown, "another tenant's");
    assert_eq!(erase(JobId::generate()).await, Erasure::Unknown);
    assert!(store.job("t".into(), id).await.unwrap().is_none());
    assert_eq!(store.finished_count().await.unwrap(), 1, "it has finished, and is gone");
    store.probe().await.unwrap();
    let words: [&[u8]; 3] = [&output, b"key-of-the-job", b"label-of-the-job"];
    for secret in secrets.iter().map(Vec::as_slice).chain(words) {
        assert!(!on_disk(dir.path(), secret), "{:?} is left", String::from_utf8_lossy(secret));
    }
    assert_eq!(store.list(all(9)).await.unwrap().jobs.len(), 1);
}

#[tokio::test]
async fn a_job_that_is_erased_before_its_end_is_out_of_sight_and_goes_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let mut job = new_job();
    job.idempotency = Some(Idempotency { key: "k".into(), digest: [1; 32] });
    let id = job.id;
    store.admit(job).await.unwrap();
    assert_eq!(store.erase("t".to_owned(), id).await.unwrap(), Erasure::AtItsEnd);
    assert!(
        store.job("t".into(), id).await.unwrap().is_none()
            && store.job_in_detail("t".into(), id).await.unwrap().is_none()
    );
    assert!(store.list(all(9)).await.unwrap().jobs.is_empty());
    let mut again = new_job();
    again.idempotency = Some(Idempotency { key: "k".into(), digest: [2; 32] });
    assert_eq!(store.admit(again).await.unwrap(), Admission::New, "its key is free");
    assert_eq!(store.finish(finish(id, Some(facts(1)))).await.unwrap(), Recorded::Erased);
    assert_eq!(store.finish(finish(id, Some(facts(1)))).await.unwrap(), Recorded::Refused);
    assert_eq!(store.erase("t".to_owned(), id).await.unwrap(), Erasure::Before);
}

#[tokio::test]
async fn an_erasure_before_the_end_is_known_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let id = admitted(&first.store).await;
    first.store.erase("t".to_owned(), id).await.unwrap();
    drop(first);
    let second = open(dir.path());
    assert!(second.unfinished[0].cancelled, "it is cancelled at the next start");
    assert_eq!(second.store.finish(finish(id, None)).await.unwrap(), Recorded::Erased);
}
