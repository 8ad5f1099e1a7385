//! Blobs as callers of the store see them: kept once, let go when nobody needs them, whole after a crash.

use std::fs;
use std::time::Duration;

use enclos_protocol::cases::{Case, CasePage};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::store::{Blob, BlobUse, Digest, NewCase, Place, UploadBounds, UploadError};

const BOUNDS: UploadBounds = UploadBounds { blob_bytes_max: 1 << 20, all_bytes_max: 64 * 1024 };
const TTL: Duration = Duration::from_secs(10);
const NOW: UnixTime = UnixTime(1_000_000);
/// When what was kept at `NOW` is gone.
const LATER: UnixTime = UnixTime(11_000_000);

async fn put(store: &Store, bytes: &[u8]) -> Result<(Blob, bool), UploadError> {
    let mut upload = store.upload(BOUNDS).await?;
    for piece in bytes.chunks(1000) {
        upload = upload.write(piece.to_vec()).await?;
    }
    store.keep_blob(upload, "t".into(), NOW, TTL, None).await
}

async fn size_of(store: &Store, digest: Digest, now: UnixTime) -> Option<u64> {
    store.blob("t".into(), digest, now).await.unwrap().map(|(blob, _)| blob.size_bytes)
}

fn files(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir.join("blobs")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    names.collect()
}

fn used(place: Place, bytes: &[u8]) -> BlobUse {
    BlobUse { place, digest: Digest::of(bytes), field: format!("{place:?}") }
}

/// A job that has all of its bytes in blobs, at `NOW`.
pub(super) fn referring() -> NewJob {
    let file = |name| JobFile { path: testing::path(name), content: Vec::new().into() };
    let cases = [("1", b"".as_slice()), ("2", b"inline")].map(|(name, stdin)| NewCase {
        name: name.to_owned(),
        case: Case { stdin: stdin.to_vec().into(), expected: Some(b"".to_vec().into()), ..Case::default() },
    });
    let companion = vec![file("check.py")];
    NewJob {
        spec: testing::spec(2, 1).into(),
        input: JobInput { files: vec![file("main.c"), file("a.h")], stdin: Vec::new().into(), companion },
        cases: cases.to_vec(),
        blobs: vec![
            used(Place::File(1), b"header"),
            used(Place::Stdin, b"input"),
            used(Place::Companion(0), b"judge"),
            used(Place::CaseStdin(0), b"input"),
            used(Place::CaseExpected(1), b"answer"),
        ],
        created: NOW,
        ..new_job()
    }
}

pub(super) async fn with_all(store: &Store) {
    for bytes in [b"header".as_slice(), b"input", b"judge", b"answer"] {
        put(store, bytes).await.unwrap();
    }
}

pub(super) async fn input(store: &Store, job: JobId) -> JobInput {
    ciborium::from_reader(store.input(job).await.unwrap().unwrap().as_slice()).unwrap()
}

#[tokio::test]
async fn the_same_bytes_are_kept_once_and_for_longer() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let bytes = vec![7; 5000];
    let (first, is_new) = put(&store, &bytes).await.unwrap();
    assert_eq!((first.digest, first.size_bytes, first.expires, is_new), (Digest::of(&bytes), 5000, LATER, true));
    let upload = store.upload(BOUNDS).await.unwrap().write(bytes).await.unwrap();
    let (again, is_new) = store.keep_blob(upload, "t".into(), UnixTime(2_000_000), TTL, None).await.unwrap();
    assert_eq!((again.expires, is_new), (UnixTime(12_000_000), false));
    assert_eq!(files(dir.path()).len(), 1);
    assert_eq!(size_of(&store, first.digest, LATER).await, Some(5000), "it was renewed");
    assert!(store.blob("other".into(), first.digest, NOW).await.unwrap().is_none(), "a digest is its tenant's");
}

#[tokio::test]
async fn uploads_together_never_take_more_than_all_blobs_may() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    put(&store, &[1; 40_000]).await.unwrap();
    let half = store.upload(BOUNDS).await.unwrap().write(vec![2; 20_000]).await.unwrap();
    assert!(matches!(put(&store, &[3; 9_000]).await, Err(UploadError::Quota)), "what is on its way counts");
    drop(half);
    put(&store, &[3; 9_000]).await.unwrap();
    let bounds = UploadBounds { blob_bytes_max: 10, ..BOUNDS };
    let large = store.upload(bounds).await.unwrap().write(vec![0; 11]).await;
    assert!(matches!(large, Err(UploadError::TooLarge)));
    assert_eq!(files(dir.path()).len(), 2, "what was refused leaves nothing");
    // Empty ones take a place, too, and what is swept is free again.
    store.delete_blob("t".into(), Digest::of(&[1; 40_000])).await.unwrap();
    assert_eq!(store.sweep_blobs(NOW).await.unwrap(), 1);
    put(&store, &[4; 45_000]).await.unwrap();
    put(&store, b"").await.unwrap();
    put(&store, b"x").await.unwrap();
    assert!(matches!(put(&store, b"y").await, Err(UploadError::Quota)));
}

#[tokio::test]
async fn a_job_has_its_blobs_until_it_ends_and_then_they_go() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    with_all(&store).await;
    let job = referring();
    let id = job.id;
    assert_eq!(store.admit(job).await.unwrap(), Admission::New);
    store.delete_blob("t".into(), Digest::of(b"input")).await.unwrap();
    assert_eq!(size_of(&store, Digest::of(b"input"), NOW).await, None, "clients see it no more");
    assert_eq!(store.sweep_blobs(LATER).await.unwrap(), 0, "all of them are needed");
    drop(store);

    // References are rows: a start knows them as the end did.
    let store = open(dir.path()).store;
    let whole = input(&store, id).await;
    let contents: Vec<&[u8]> = whole.files.iter().chain(&whole.companion).map(|f| &f.content[..]).collect();
    assert_eq!(contents, [b"".as_slice(), b"header", b"judge"]);
    assert_eq!(whole.stdin.as_ref(), b"input");
    let page = store.case_page(id, 0).await.unwrap().unwrap();
    let CasePage { cases, next } = ciborium::from_reader(page.as_slice()).unwrap();
    assert_eq!(
        (cases[0].stdin.as_ref(), cases[1].stdin.as_ref(), next),
        (b"input".as_slice(), b"inline".as_slice(), None)
    );
    assert_eq!(cases[1].expected.as_ref().unwrap().as_ref(), b"answer");
    let second = store.case_page(id, 1).await.unwrap().unwrap();
    let second: CasePage = ciborium::from_reader(second.as_slice()).unwrap();
    assert_eq!(second.cases[0], cases[1], "a page may begin anywhere");

    let filled = store.input(id).await.unwrap().unwrap().len() as u64;
    let told = store.work(id).await.unwrap().unwrap().input_bytes;
    assert!((told..told + 64).contains(&filled), "{filled} bytes, and {told} were told before");
    let filled = store.case_page(id, 0).await.unwrap().unwrap().len() as u64;
    let told = store.case_page_bytes(id, 0).await.unwrap().unwrap();
    assert!((told..told + 64).contains(&filled), "{filled} bytes, and {told} were told before");

    store.finish(finish(id, None)).await.unwrap();
    assert_eq!(store.sweep_blobs(LATER).await.unwrap(), 4);
    assert!(files(dir.path()).is_empty());
    assert!(store.input(id).await.unwrap().is_none() && store.case_page_bytes(id, 0).await.unwrap().is_none());
}

#[tokio::test]
async fn an_erased_job_lets_its_blobs_go() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    with_all(&store).await;
    let job = referring();
    let id = job.id;
    store.admit(job).await.unwrap();
    store.erase("t".into(), id).await.unwrap();
    assert_eq!(store.finish(finish(id, None)).await.unwrap(), Recorded::Erased);
    assert_eq!(store.sweep_blobs(LATER).await.unwrap(), 4);
}

#[tokio::test]
async fn a_job_that_refers_to_what_is_gone_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    with_all(&store).await;
    let job = NewJob { created: LATER, ..referring() };
    let id = job.id;
    assert_eq!(store.admit(job).await.unwrap(), Admission::UnknownBlob("File(1)".into()));
    assert!(store.job("t".into(), id).await.unwrap().is_none());
    assert_eq!(store.sweep_blobs(LATER).await.unwrap(), 4, "no reference is left");
}

#[tokio::test]
async fn what_was_uploaded_again_after_it_was_deleted_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let (blob, _) = put(&store, b"x").await.unwrap();
    store.delete_blob("t".into(), blob.digest).await.unwrap();
    store.delete_blob("t".into(), blob.digest).await.unwrap();
    assert!(put(&store, b"x").await.unwrap().1, "nobody could see it");
    assert_eq!(store.sweep_blobs(NOW).await.unwrap(), 0);
    assert_eq!(size_of(&store, blob.digest, NOW).await, Some(1));
}

#[tokio::test]
async fn after_a_crash_files_and_rows_agree() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let (kept, _) = put(&store, b"kept").await.unwrap();
    let (lost, _) = put(&store, b"lost").await.unwrap();
    let [cut, kept_file] = {
        let at =
            |size| files(dir.path()).into_iter().find(|f| fs::read(dir.path().join("blobs").join(f)).unwrap() == size);
        [at(b"lost").unwrap(), at(b"kept").unwrap()]
    };
    // The process is killed in the middle of an upload, and between a file and its row.
    let half = store.upload(BOUNDS).await.unwrap().write(b"half".to_vec()).await.unwrap();
    std::mem::forget(half);
    drop(store);
    let blobs = dir.path().join("blobs");
    fs::write(blobs.join("0190163d8694739baea5966c26f8ad91"), "no row").unwrap();
    fs::write(blobs.join("not-ours"), "").unwrap();
    fs::write(blobs.join(cut), "lo").unwrap();
    let store = open(dir.path()).store;
    assert_eq!(files(dir.path()), [kept_file]);
    assert_eq!(size_of(&store, kept.digest, NOW).await, Some(4));
    assert_eq!(size_of(&store, lost.digest, NOW).await, None);
    // Exactly what is there counts.
    put(&store, &[9; 60 * 1024]).await.unwrap();
    assert!(matches!(put(&store, b"x").await, Err(UploadError::Quota)));
}

#[tokio::test]
async fn a_file_that_was_lost_while_a_job_needs_it_comes_back_with_the_next_upload() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    with_all(&store).await;
    let job = referring();
    let id = job.id;
    store.admit(job).await.unwrap();
    drop(store);
    for file in files(dir.path()) {
        fs::remove_file(dir.path().join("blobs").join(file)).unwrap();
    }
    let store = open(dir.path()).store;
    assert_eq!(size_of(&store, Digest::of(b"input"), NOW).await, None);
    let refused = store.admit(referring()).await.unwrap();
    assert_eq!(refused, Admission::UnknownBlob("File(1)".into()), "no further job is admitted that must fail");
    for bytes in [b"header".as_slice(), b"input", b"judge", b"answer"] {
        assert!(put(&store, bytes).await.unwrap().1, "nobody could see it");
        assert!(!put(&store, bytes).await.unwrap().1);
    }
    assert_eq!(files(dir.path()).len(), 4);
    assert_eq!(input(&store, id).await.stdin.as_ref(), b"input", "the job of before has it, too");
    let again = referring();
    let second = again.id;
    assert_eq!(store.admit(again).await.unwrap(), Admission::New);
    assert_eq!(input(&store, second).await.stdin.as_ref(), b"input");
    for job in [id, second] {
        store.finish(finish(job, None)).await.unwrap();
    }
    assert_eq!(store.sweep_blobs(LATER).await.unwrap(), 4);
    assert!(files(dir.path()).is_empty());
    // What was lost counts no more: all of the room is free.
    put(&store, &[9; 64 * 1024]).await.unwrap();
}

#[tokio::test]
async fn a_file_that_was_lost_or_cut_under_a_running_store_comes_back_with_the_next_upload() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    for cut in [false, true] {
        put(&store, b"bytes").await.unwrap();
        let file = dir.path().join("blobs").join(&files(dir.path())[0]);
        if cut {
            fs::write(file, "by").unwrap()
        } else {
            fs::remove_file(file).unwrap()
        }
        assert!(put(&store, b"bytes").await.unwrap().1);
        let [whole] = &files(dir.path())[..] else { panic!("one file is left") };
        assert_eq!(fs::read(dir.path().join("blobs").join(whole)).unwrap(), b"bytes");
    }
}

#[tokio::test]
async fn the_sweep_runs_when_something_was_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(dir.path()).store);
    let stop = CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(Arc::clone(&store).keep_swept(stop.clone()));
    let upload = store.upload(BOUNDS).await.unwrap().write(b"x".to_vec()).await.unwrap();
    let (blob, _) =
        store.keep_blob(upload, "t".into(), UnixTime::now(), Duration::from_secs(3600), None).await.unwrap();
    assert_eq!(files(dir.path()).len(), 1);
    store.delete_blob("t".into(), blob.digest).await.unwrap();
    let gone = async {
        while !files(dir.path()).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    // Well below the time between two sweeps.
    tokio::time::timeout(crate::store::SWEEP_EVERY / 2, gone).await.expect("it is swept at once");
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap();
}
