//! The master's disk: full, damaged, copied while it is written to.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::json;
use tokio::process::Command;
use tokio::time::timeout;

use crate::cluster::{Cluster, look_until, program, source};
use crate::watch::{first_output, stdout_of};

/// Longest that a command may take.
const COMMAND_WAIT: Duration = Duration::from_secs(60);
/// Longest until a master whose disk has space again takes a job.
const RECOVERY_WAIT: Duration = Duration::from_secs(30);
/// Jobs after which a full disk has refused one.
const JOBS_UNTIL_FULL: usize = 500;

/// A small disk of its own, gone when dropped.
struct SmallDisk {
    at: tempfile::TempDir,
}

impl SmallDisk {
    /// `None` where this process may not mount.
    async fn mounted() -> Option<Self> {
        let at = tempfile::tempdir().expect("a temporary directory can be made");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "enclos-test"]).arg(at.path()).status();
        mount.await.is_ok_and(|status| status.success()).then_some(Self { at })
    }

    fn filler(&self) -> PathBuf {
        self.at.path().join("filler")
    }

    /// Leaves nothing free.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.filler()).expect("the file can be made");
        for size in [64 * 1024, 4096, 1] {
            let piece = vec![0; size];
            while file.write_all(&piece).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.filler()).expect("the file is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("--lazy").arg(self.at.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_answers_reads_and_recovers_by_itself() {
    let Some(disk) = SmallDisk::mounted().await else {
        eprintln!("SKIPPED: a full disk was not tried, as this process may not mount a tmpfs");
        return;
    };
    let mut cluster = Cluster::master_at(&disk.at.path().join("data")).await;
    cluster.start_agent(&["--slots", "1", "--languages", "python"]).await;
    // It runs while the disk gets full, and writes its end while it is.
    let mut waiting = source("python", "print('runs', flush=True)\nprint(input())");
    waiting["run"] = json!({ "attach": true });
    waiting["limits"] = json!({ "run": { "wall_ms": 8_000, "output_bytes": 65536 } });
    let running = cluster.submit(&waiting).await;
    assert_eq!(stdout_of(&first_output(&cluster, &running).await), "runs\n");
    disk.fill();
    let mut large = source("python", "print(1)");
    large["stdin"] = json!("x".repeat(60_000));
    let mut kept = Vec::new();
    let mut refusal = None;
    for _ in 0..JOBS_UNTIL_FULL {
        match cluster.post(&large).await {
            (201, job) => kept.push(job["id"].as_str().expect("it has an id").to_owned()),
            refused => {
                refusal = Some(refused);
                break;
            }
        }
    }
    let (status, problem) = refusal.expect("the disk is full at last");
    assert_eq!((status, &problem["code"]), (503, &json!("storage_full")), "{problem:#}\n{}", cluster.logs());
    assert!(problem["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0), "{problem:#}");
    for path in [&format!("/v1/jobs/{running}"), "/v1/jobs", "/v1/stats", "/v1/agents", "/healthz"] {
        let answer = cluster.http.get(format!("{}{path}", cluster.url)).send().await.expect("it answers");
        assert_eq!(answer.status(), 200, "{path}");
    }
    // The program meets its limit now; nothing of its end can be recorded.
    let unrecorded = "a job's end could not be recorded";
    cluster.eventually("an end was tried to be recorded", || async { cluster.whole_log().contains(unrecorded) }).await;
    disk.free();
    let small = source("python", "print(2)");
    let taken = look_until(RECOVERY_WAIT, || async { Some(cluster.post(&small).await).filter(|(s, _)| *s == 201) });
    let (_, job) = taken.await.unwrap_or_else(|| panic!("it takes jobs again\n{}", cluster.logs()));
    kept.push(job["id"].as_str().expect("it has an id").to_owned());
    let job = cluster.finished(&running).await;
    assert_eq!((&job["outcome"], &job["attempts"]), (&json!("time_limit"), &json!(1)), "{job:#}");
    assert_eq!(job["run"]["stdout"], "runs\n", "{job:#}");
    for id in &kept {
        assert_eq!(cluster.finished(id).await["outcome"], "ok", "what was kept is run");
    }
    cluster.shutdown().await;
}

async fn enclos(args: &[&str], dir: &Path) -> Output {
    let mut command = Command::new(program("enclos"));
    command.args(args).arg("--data-dir").arg(dir).stdin(Stdio::null()).kill_on_drop(true);
    timeout(COMMAND_WAIT, command.output()).await.expect("it ends").expect("it starts")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_starts_from_a_backup_that_was_made_while_another_ran() {
    let cluster = Cluster::master_only().await;
    let mut jobs = Vec::new();
    for n in 0..20 {
        jobs.push(cluster.submit(&source("python", &format!("print({n})"))).await);
    }
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("backup.tar");
    let made = enclos(&["backup", "--to", archive.to_str().unwrap()], &cluster.store).await;
    assert!(made.status.success(), "{made:?}");
    assert!(String::from_utf8_lossy(&made.stdout).contains("20 jobs"), "{made:?}");
    let again = enclos(&["backup", "--to", archive.to_str().unwrap()], &cluster.store).await;
    assert!(
        !again.status.success() && String::from_utf8_lossy(&again.stderr).contains("is there already"),
        "{again:?}"
    );
    cluster.submit(&source("python", "print('after')")).await;
    let restored = folder.path().join("data");
    std::fs::create_dir(&restored).unwrap();
    let unpacked = Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&restored).status().await.unwrap();
    assert!(unpacked.success());
    cluster.shutdown().await;

    let mut cluster = Cluster::master_at(&restored).await;
    assert_eq!(cluster.get("/v1/stats").await["queued"], 20);
    cluster.start_agent(&["--slots", "2", "--languages", "python"]).await;
    for (n, id) in jobs.iter().enumerate() {
        assert_eq!(cluster.finished(id).await["run"]["stdout"], format!("{n}\n"));
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_refuses_to_start_on_a_damaged_database_and_says_what_to_do() {
    let cluster = Cluster::master_only().await;
    cluster.submit(&source("python", "print(1)")).await;
    let store = cluster.store.clone();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("data");
    let archive = folder.path().join("b.tar");
    assert!(enclos(&["backup", "--to", archive.to_str().unwrap()], &store).await.status.success());
    std::fs::create_dir(&copy).unwrap();
    let unpacked = Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&copy).status().await.unwrap();
    assert!(unpacked.success());
    let database = copy.join("enclos.db");
    let whole = std::fs::read(&database).unwrap();
    std::fs::write(&database, &whole[..whole.len() / 2]).unwrap();
    let ended = enclos(&["master", "--bind", "127.0.0.1:0", "--link-bind", "127.0.0.1:0"], &copy).await;
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains(database.to_str().unwrap()) && said.contains("restore a backup"), "{said}");
    assert_eq!(std::fs::read(&database).unwrap().len(), whole.len() / 2, "it is left as it is");
    cluster.shutdown().await;
}
