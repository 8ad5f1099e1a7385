//! Blobs and archives with a real master, real agents, and the command line.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::cluster::{Cluster, program, source};
use crate::host;
use crate::watch::events;

/// Longest that anything but a job may take here.
const WAIT: Duration = Duration::from_secs(120);
/// What the master may grow by, whatever is uploaded, in bytes.
const GROWTH_BYTES_MAX: u64 = 48 << 20;

/// Writes how many bytes its input has, and their sum.
const SUM: &str = r#"
#include <stdio.h>
int main(void) {
    static unsigned char block[65536];
    unsigned long count = 0, sum = 0;
    for (size_t n; (n = fread(block, 1, sizeof block, stdin)) > 0; count += n)
        for (size_t i = 0; i < n; i++) sum += block[i];
    printf("%lu %lu\n", count, sum);
    return 0;
}
"#;

fn upload(cluster: &Cluster, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
    let request = cluster.http.post(format!("{}/v1/blobs", cluster.url));
    request.header("content-type", "application/octet-stream").body(body)
}

/// Uploads these bytes; their name.
async fn put(cluster: &Cluster, bytes: &[u8]) -> String {
    let answer = upload(cluster, bytes.to_vec()).send().await.expect("the master answers");
    assert!(answer.status().is_success(), "{answer:?}");
    let blob: Value = answer.json().await.expect("the answer is JSON");
    blob["sha256"].as_str().expect("a blob has a name").to_owned()
}

fn url_of(cluster: &Cluster, name: &str) -> String {
    format!("{}/v1/blobs/{name}", cluster.url)
}

async fn delete(cluster: &Cluster, name: &str) {
    let answer = cluster.http.delete(url_of(cluster, name)).send().await.expect("the master answers");
    assert_eq!(answer.status(), 204);
}

async fn status_of(cluster: &Cluster, name: &str) -> u16 {
    cluster.http.head(url_of(cluster, name)).send().await.expect("the master answers").status().as_u16()
}

/// Names and sizes of the files of blobs.
fn files(cluster: &Cluster) -> Vec<(String, u64)> {
    let entries = std::fs::read_dir(cluster.data().join("data/blobs")).into_iter().flatten().flatten();
    let sized = entries.filter_map(|e| Some((e.file_name().into_string().ok()?, e.metadata().ok()?.len())));
    sized.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_cases_read_one_blob_that_is_deleted_meanwhile() {
    let cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "c"]]).await;
    let bytes: Vec<u8> = (0..=250u8).cycle().take((1 << 20) + 4096).collect();
    let sum: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
    let input = put(&cluster, &bytes).await;
    let answer = put(&cluster, format!("{} {sum}\n", bytes.len()).as_bytes()).await;
    let mut submission = source("c", SUM);
    submission["cases"] = vec![json!({ "stdin_blob": input, "expected_stdout_blob": answer }); 500].into();
    let id = cluster.submit(&submission).await;
    let began = events(&cluster, &id, None, |event| event.kind == "case" || event.kind == "finished").await;
    assert_eq!(began.last().map(|event| event.kind.as_str()), Some("case"));
    for name in [&input, &answer] {
        delete(&cluster, name).await;
        assert_eq!(status_of(&cluster, name).await, 404);
    }
    let job = cluster.finished(&id).await;
    assert_eq!((&job["verdict"], &job["passed"]), (&json!("accepted"), &json!(500)), "{}", job["message"]);
    cluster.eventually("the files go with the job", || async { files(&cluster).is_empty() }).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_of_an_upload_leaves_nothing_and_loses_nothing() {
    let mut cluster = Cluster::master_only().await;
    let kept = put(&cluster, b"kept\n").await;
    let needed = put(&cluster, b"needed\n").await;
    let mut submission = source("python", "print(input(), open('data').read(), end='')");
    submission = json!({
        "language": "python",
        "files": [{ "path": "main.py", "content": submission["source"] }, { "path": "data", "blob": needed }],
        "stdin_blob": kept,
    });
    let id = cluster.submit(&submission).await;
    delete(&cluster, &needed).await;

    let (mut pieces, body) = futures::channel::mpsc::channel::<std::io::Result<Vec<u8>>>(1);
    let mut uploads = JoinSet::new();
    uploads.spawn(upload(&cluster, reqwest::Body::wrap_stream(body)).send());
    pieces.send(Ok(vec![7; 1 << 20])).await.expect("the client takes it");
    let half = || async { files(&cluster).iter().any(|(name, size)| name.ends_with(".part") && *size > 0) };
    cluster.eventually("the upload is half there", half).await;
    cluster.kill_master().await;
    let broken = timeout(WAIT, uploads.join_next()).await.expect("the client notices").expect("it was begun");
    assert!(broken.expect("the upload did not panic").is_err());
    drop(pieces);

    cluster.start_master().await;
    let mut sizes: Vec<u64> = files(&cluster).into_iter().map(|(_, size)| size).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [5, 7], "what was half there is gone, what a job needs is not");
    assert_eq!((status_of(&cluster, &kept).await, status_of(&cluster, &needed).await), (200, 404));
    cluster.start_agent(&["--slots", "1", "--languages", "python"]).await;
    let job = cluster.finished(&id).await;
    assert_eq!(job["run"]["stdout"], "kept needed\n", "{job:#}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_megabytes_go_through_the_master_and_not_into_its_memory() {
    const PIECE: usize = 1 << 16;
    const PIECES: usize = 200 << 4;
    let cluster = Cluster::master_with(&["--blob-bytes-max", "268435456"]).await;
    put(&cluster, b"the first makes what every upload needs").await;
    let before = host::peak_bytes(cluster.master_pid());
    let piece = |n: usize| vec![n.to_le_bytes()[0]; PIECE];
    let body = futures::stream::iter((0..PIECES).map(move |n| Ok::<_, std::io::Error>(piece(n))));
    let sent = upload(&cluster, reqwest::Body::wrap_stream(body)).send();
    let answer = timeout(WAIT, sent).await.expect("it is taken").expect("the master answers");
    assert_eq!(answer.status(), 201);
    let blob: Value = answer.json().await.unwrap();
    assert_eq!(blob["size_bytes"], PIECE * PIECES);
    let name = blob["sha256"].as_str().unwrap();
    let mut coming = cluster.http.get(url_of(&cluster, name)).send().await.unwrap().bytes_stream();
    let mut hash = Sha256::new();
    let reading = async {
        while let Some(piece) = coming.next().await {
            hash.update(piece.expect("it is not cut"));
        }
    };
    timeout(WAIT, reading).await.expect("it comes back");
    assert_eq!(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>(), name);
    let grown = host::peak_bytes(cluster.master_pid()) - before;
    assert!(grown < GROWTH_BYTES_MAX, "the master grew by {grown} bytes");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_bounds_size_sum_and_age() {
    let args = ["--blob-bytes-max", "20000", "--blobs-bytes-max", "32768", "--blob-ttl", "2"];
    let cluster = Cluster::master_with(&args).await;
    let refused = async |bytes: usize| {
        let answer = upload(&cluster, vec![0; bytes]).send().await.unwrap();
        let problem: Value = answer.json().await.unwrap();
        (problem["status"].as_u64(), problem["code"].clone(), problem["maximum"].as_u64())
    };
    assert_eq!(refused(20_001).await, (Some(413), json!("too_large"), Some(20_000)));
    put(&cluster, &[1; 20_000]).await;
    assert_eq!(refused(20_000).await, (Some(429), json!("quota_exceeded"), Some(32_768)));
    // What has expired makes room by itself.
    let fits = || async { upload(&cluster, vec![0; 20_000]).send().await.unwrap().status() == 201 };
    cluster.eventually("the first has expired", fits).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_drip_shut_out_nobody() {
    let cluster = Cluster::master_with(&["--blob-uploads-max", "2"]).await;
    // Fast enough to be no drip at all, as bodies are looked at: 40 KiB/s would take this 13 minutes.
    let drip = || {
        let clock = tokio::time::interval(Duration::from_millis(100));
        let pieces = futures::stream::unfold(clock, |mut clock| async move {
            clock.tick().await;
            Some((Ok::<_, std::io::Error>(vec![0u8; 4096]), clock))
        });
        upload(&cluster, reqwest::Body::wrap_stream(pieces)).send()
    };
    let mut dripping = JoinSet::new();
    dripping.spawn(drip());
    dripping.spawn(drip());
    cluster.eventually("both have begun", || async { files(&cluster).len() == 2 }).await;
    let refused = upload(&cluster, "x").send().await.expect("the master answers");
    assert_eq!(refused.status(), 503, "both are new");
    let served = || async { upload(&cluster, "x").send().await.is_ok_and(|answer| answer.status() == 201) };
    cluster.eventually("one of them makes room", served).await;
    let ended = timeout(WAIT, dripping.join_next()).await.expect("it is told").expect("it was begun");
    // It may see the end of its connection before it has read the answer.
    if let Ok(answer) = ended.expect("it did not panic") {
        let problem: Value = answer.json().await.expect("a refusal is JSON");
        assert_eq!((&problem["status"], &problem["code"]), (&json!(503), &json!("unavailable")));
    }
    assert_eq!(dripping.len(), 1, "nobody else had to go");
    dripping.shutdown().await;
    cluster.shutdown().await;
}

async fn enclos(cluster: &Cluster, folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(program("enclos"));
    command.kill_on_drop(true).stdin(Stdio::null()).current_dir(folder).args(args).env("ENCLOS_URL", &cluster.url);
    timeout(WAIT, command.output()).await.expect("it ends").expect("it starts")
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_uploads_what_is_large_by_itself() {
    let cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "python"]]).await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let large = "0123456789abcde\n".repeat(5 << 16);
    std::fs::write(at("large.in"), &large).unwrap();
    std::fs::write(at("count.py"), "import sys\nprint(len(sys.stdin.buffer.read()))").unwrap();
    let said = stdout(&enclos(&cluster, folder.path(), &["run", "count.py", "--stdin", "large.in"]).await);
    assert_eq!(said, format!("{}\n", large.len()));
    let put = stdout(&enclos(&cluster, folder.path(), &["blobs", "put", "large.in", "count.py"]).await);
    let name = put.split_whitespace().next().unwrap().to_owned();
    assert_eq!(files(&cluster).len(), 2, "the input was there since it was run");
    stdout(&enclos(&cluster, folder.path(), &["blobs", "get", &name, "-o", "back"]).await);
    assert_eq!(std::fs::read(at("back")).unwrap(), large.as_bytes());
    assert_eq!(enclos(&cluster, folder.path(), &["blobs", "get", &name]).await.stdout, large.as_bytes());
    std::fs::create_dir(at("cases")).unwrap();
    std::fs::rename(at("large.in"), at("cases/1.in")).unwrap();
    std::fs::write(at("cases/1.ans"), format!("{}\n", large.len())).unwrap();
    stdout(&enclos(&cluster, folder.path(), &["run", "count.py", "--case", "cases"]).await);
    stdout(&enclos(&cluster, folder.path(), &["blobs", "rm", &name]).await);
    assert_eq!(enclos(&cluster, folder.path(), &["blobs", "get", &name]).await.status.code(), Some(124));
    assert_eq!(enclos(&cluster, folder.path(), &["blobs", "put", "absent"]).await.status.code(), Some(125));

    std::fs::create_dir(at("pack")).unwrap();
    std::fs::write(at("pack/main.py"), "import other\nprint(other.word, end='')").unwrap();
    std::fs::write(at("pack/other.py"), "word = open('w.txt').read()").unwrap();
    std::fs::write(at("w.txt"), "from a tar\n").unwrap();
    // As a user makes one, with directories and names that begin with "./".
    let tar = Command::new("tar").current_dir(at("pack")).args(["-cf", "../pack.tar", "."]).status();
    assert!(tar.await.expect("tar is there").success());
    let said = enclos(&cluster, folder.path(), &["run", "w.txt", "--archive", "pack.tar", "--entry", "main.py"]).await;
    assert_eq!(stdout(&said), "from a tar\n");
    cluster.shutdown().await;
}
