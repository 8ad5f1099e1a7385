//! Backups: whole, made under writes, and used by opening them.

use super::*;
use crate::store::{BackedUp, BackupError, back_up};

fn unpacked(archive: &Path) -> tempfile::TempDir {
    let into = tempfile::tempdir().unwrap();
    tar::Archive::new(std::fs::File::open(archive).unwrap()).unpack(into.path()).unwrap();
    into
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_writes_opens_with_every_job_that_was_there_before() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("backup.tar");
    let store = open(dir.path()).store;
    let mut before = Vec::new();
    for _ in 0..50 {
        before.push(admitted(&store).await);
    }
    let writing = async {
        for _ in 0..200 {
            admitted(&store).await;
        }
    };
    let (source, target) = (dir.path().to_owned(), to.clone());
    let backing_up = tokio::task::spawn_blocking(move || back_up(&source, &target));
    let ((), made) = tokio::join!(writing, backing_up);
    let made = made.unwrap().unwrap();
    assert!(made.jobs >= 50, "{made:?}");
    let into = unpacked(&to);
    let opened = open(into.path());
    let there: Vec<_> = opened.unfinished.iter().map(|u| u.record.id).collect();
    assert_eq!(there.len() as u64, made.jobs);
    assert_eq!(there[..50], before[..]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&to).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "it holds sources");
    let left = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    assert!(left.into_iter().all(|name| !name.contains("part")), "nothing is left of the making");
}

#[tokio::test]
async fn blobs_that_jobs_need_are_in_the_backup() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("backup.tar");
    let store = open(dir.path()).store;
    blobs::with_all(&store).await;
    let job = blobs::referring();
    let id = job.id;
    store.admit(job).await.unwrap();
    let before = blobs::input(&store, id).await;
    let BackedUp { jobs, blobs, .. } = back_up(dir.path(), &to).unwrap();
    assert_eq!((jobs, blobs), (1, 4));
    let into = unpacked(&to);
    let store = open(into.path()).store;
    assert_eq!(blobs::input(&store, id).await, before);
    assert!(!before.stdin.is_empty());
}

#[test]
fn a_backup_writes_over_nothing_and_needs_a_database() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("backup.tar");
    let error = back_up(dir.path(), &to).unwrap_err();
    assert!(matches!(error, BackupError::Nothing { .. }), "{error}");
    std::fs::write(&to, "mine").unwrap();
    drop(open(dir.path()));
    let error = back_up(dir.path(), &to).unwrap_err();
    assert!(matches!(error, BackupError::Exists { .. }), "{error}");
    assert_eq!(std::fs::read(&to).unwrap(), b"mine");
}

#[test]
fn a_damaged_database_is_not_backed_up() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let path = dir.path().join("enclos.db");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let to = dir.path().join("backup.tar");
    let error = back_up(dir.path(), &to).unwrap_err();
    assert!(!to.exists(), "{error}");
}

#[test]
fn a_backup_is_written_through_no_link_that_somebody_else_laid() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let (to, victim) = (dir.path().join("backup.tar"), dir.path().join("victim"));
    std::fs::write(&victim, "mine").unwrap();
    for part in ["backup.tar.part", "backup.tar.db-part"] {
        std::os::unix::fs::symlink(&victim, dir.path().join(part)).unwrap();
    }
    back_up(dir.path(), &to).unwrap();
    assert_eq!(std::fs::read(&victim).unwrap(), b"mine");
    assert!(!to.symlink_metadata().unwrap().is_symlink());
}
