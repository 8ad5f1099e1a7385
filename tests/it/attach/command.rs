//! Conversations by the command line.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::{AGENT, ECHO_C, INTERRUPTED};
use crate::cluster::{Cluster, program, signal};

const WAIT: Duration = Duration::from_secs(60);

/// The command, spoken with.
struct Spoken {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Spoken {
    fn start(cluster: &Cluster, args: &[&str]) -> Self {
        let mut child = Command::new(program("enclos"))
            .args(args)
            .args(["--url", &cluster.url])
            .kill_on_drop(true)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let stdin = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().expect("it is a pipe")).lines();
        Self { child, stdin, lines }
    }

    async fn says(&mut self, line: &str) {
        let said = timeout(WAIT, self.lines.next_line()).await.expect("it says something").expect("it is text");
        assert_eq!(said.as_deref(), Some(line));
    }

    async fn hears(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("it was not ended");
        stdin.write_all(text.as_bytes()).await.expect("it reads");
    }

    async fn ends_with(mut self) -> Option<i32> {
        timeout(WAIT, self.child.wait()).await.expect("it ends").expect("its status can be read").code()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_spoken_with_from_a_terminal_and_from_another() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    let folder = tempfile::tempdir().unwrap();
    let (c, python) = (folder.path().join("echo.c"), folder.path().join("main.py"));
    std::fs::write(&c, ECHO_C).unwrap();
    std::fs::write(&python, INTERRUPTED).unwrap();

    let mut echo = Spoken::start(&cluster, &["run", "-i", c.to_str().unwrap()]);
    echo.hears("one\n").await;
    echo.says("c: one").await;
    echo.hears("two\n").await;
    echo.says("c: two").await;
    echo.stdin = None;
    echo.says("end").await;
    assert_eq!(echo.ends_with().await, Some(3), "the program's own code");

    let mut run = Spoken::start(&cluster, &["run", "--interactive", python.to_str().unwrap()]);
    run.says("ready").await;
    let listed = cluster.get("/v1/jobs?state=running").await;
    let id = listed["jobs"][0]["id"].as_str().unwrap().to_owned();
    let mut other = Spoken::start(&cluster, &["attach", &id]);
    other.says("ready").await;
    signal(run.child.id().unwrap(), "-INT").await;
    run.says("caught").await;
    other.says("caught").await;
    run.hears("still here\n").await;
    run.says("still here").await;
    // Twice within moments.
    let pid = other.child.id().unwrap();
    signal(pid, "-INT").await;
    other.says("still here").await;
    other.says("caught").await;
    signal(pid, "-INT").await;
    assert_eq!(other.ends_with().await, Some(122), "cancelled");
    assert_eq!(run.ends_with().await, Some(122));
    cluster.shutdown().await;
}
