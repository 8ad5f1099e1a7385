//! The command line as its user meets it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::cluster::{Cluster, program, signal};
use crate::engine;

/// Longest for `enclos up` to get ready, or to end.
pub const UP_WAIT: Duration = Duration::from_secs(180);

/// Writes its first argument and the first line of its input, and ends with 3.
const ECHO: &str = r#"
#include <stdio.h>
int main(int count, char **args) {
    char line[64];
    if (count < 2 || !fgets(line, sizeof line, stdin)) return 1;
    printf("%s:%s", args[1], line);
    fprintf(stderr, "err\n");
    return 3;
}
"#;

/// What `enclos up` shows until it is ready.
pub async fn shown_when_ready(up: &mut Child) -> String {
    let mut lines = BufReader::new(up.stdout.take().expect("it is a pipe")).lines();
    let mut shown = String::new();
    let reading = async {
        while let Some(line) = lines.next_line().await.expect("it is text") {
            shown.push_str(&line);
            shown.push('\n');
            if line.contains("Ctrl-C ends everything") {
                return;
            }
        }
    };
    timeout(UP_WAIT, reading).await.expect("it gets ready");
    shown
}

fn enclos() -> Command {
    let mut command = Command::new(program("enclos"));
    command.kill_on_drop(true).stdin(Stdio::null());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn run_gives_the_programs_output_and_exit_code() {
    let cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "c,python"]]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("echo.c");
    std::fs::write(&file, ECHO).unwrap();
    let mut child = enclos()
        .args(["run", file.to_str().unwrap(), "--arg", "first", "--url", &cluster.url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"line\n").await.unwrap();
    let output = timeout(UP_WAIT, child.wait_with_output()).await.expect("it ends").unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "first:line\n");
    assert!(String::from_utf8_lossy(&output.stderr).contains("err\n"), "{output:?}");
    assert_eq!(output.status.code(), Some(3));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_run_are_fetched_into_a_folder() {
    let cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "python"]]).await;
    let folder = tempfile::tempdir().unwrap();
    let (file, into) = (folder.path().join("main.py"), folder.path().join("results"));
    std::fs::write(&file, "import os\nos.mkdir('out')\nopen('out/a.bin', 'wb').write(bytes(range(256)))").unwrap();
    let call = async |args: &[&str]| {
        let output = enclos().args(args).args(["--url", &cluster.url]).output();
        timeout(UP_WAIT, output).await.expect("it ends").unwrap()
    };
    let ran = call(&["run", file.to_str().unwrap(), "--keep", "out/**"]).await;
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success() && said.contains("1 file is kept"), "{said}");
    let id = said.split("`enclos fetch ").nth(1).and_then(|rest| rest.split('`').next()).unwrap().to_owned();
    let fetched = call(&["fetch", &id, "--into", into.to_str().unwrap()]).await;
    assert!(fetched.status.success(), "{fetched:?}");
    assert_eq!(std::fs::read(into.join("out/a.bin")).unwrap(), (0..=255).collect::<Vec<u8>>());
    assert_eq!(call(&["fetch", &id, "--into", into.to_str().unwrap()]).await.status.code(), Some(125), "not over it");
    assert!(call(&["erase", &id]).await.status.success());
    assert_eq!(call(&["show", &id]).await.status.code(), Some(124), "it is gone");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_that_nobody_reads_end_without_a_word() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = enclos().args(["completions", shell]).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let output = timeout(UP_WAIT, output.wait_with_output()).await.expect("it ends").unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{shell}: {output:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_without_an_answer_are_told_and_numbers_are_in_order() {
    let cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "python"]]).await;
    let folder = tempfile::tempdir().unwrap();
    let (file, cases) = (folder.path().join("main.py"), folder.path().join("cases"));
    std::fs::write(&file, "print(int(input()) + 1)").unwrap();
    std::fs::create_dir(&cases).unwrap();
    for (name, text) in [("2.in", "2"), ("2.ans", "3"), ("10.in", "10"), ("10.out", "11"), ("x.in", "1")] {
        std::fs::write(cases.join(name), text).unwrap();
    }
    let call = enclos().arg("run").arg(&file).arg("--case").arg(&cases).args(["--url", &cluster.url]).output();
    let output = timeout(UP_WAIT, call).await.expect("it ends").unwrap();
    let (said, shown) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    assert!(said.contains("no expected output beside x:"), "{said}");
    let names: Vec<&str> = shown.lines().skip(1).filter_map(|line| line.split_whitespace().next()).take(3).collect();
    assert_eq!(names, ["2", "10", "x"], "{shown}");
    assert!(output.status.success(), "{shown}{said}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn up_runs_the_core_languages_and_leaves_nothing_behind() {
    let data = tempfile::tempdir().unwrap();
    let mut child = enclos()
        .args(["up", "--bind", "127.0.0.1:0", "--link-bind", "127.0.0.1:0", "--agent-name", "it-up", "--data-dir"])
        .arg(data.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let shown = shown_when_ready(&mut child).await;
    assert!(shown.contains("http://127.0.0.1:"), "{shown}");
    for language in ["c", "cpp", "java", "python"] {
        let row = shown.lines().find(|l| l.split_whitespace().next() == Some(language));
        assert!(row.is_some_and(|row| row.contains("ok")), "{language}: {shown}");
    }
    signal(child.id().unwrap(), "-INT").await;
    let status = timeout(UP_WAIT, child.wait()).await.expect("Ctrl-C ends it").unwrap();
    assert!(status.success(), "{status}");
    engine::assert_nothing_left("it-up").await;
    let log = std::fs::read_to_string(Path::new(data.path()).join("agent.log")).unwrap();
    assert!(!log.contains("Hello from"), "programs' output is never in a log");
}
