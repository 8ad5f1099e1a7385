//! The embedded agent: a child process that is started again when it dies.
//!
//! ```text
//! start ─▶ runs ─ dies ─▶ pause (doubles) ─▶ start …   RESTARTS_MAX quick deaths in a row: given up
//!            └─ stop ─▶ its stdin is closed: it drains and ends ─ too slow ─▶ killed
//! ```
//!
//! The held pipe on its standard input is the whole leash: when this process
//! dies in whatever way, the kernel closes the pipe and the agent ends itself,
//! so no container outlives `enclos up`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::cli::client::KEY_VARIABLE;
use crate::cli::exit::CliError;
use crate::cli::terminal::{harmless, tell};
use crate::config::{JOIN_TOKEN_VARIABLE, JoinToken};

/// Quick deaths in a row before it is given up.
const RESTARTS_MAX: u32 = 5;
/// Pause before the first restart; doubled for each further one.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(20);
/// An agent that lived this long had started well.
const STEADY: Duration = Duration::from_secs(60);
/// Longest that it may take to drain and remove its containers; its own drain is 20 s.
const END_WAIT: Duration = Duration::from_secs(45);
/// A log above this size is put aside at start, in bytes.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The end of the log that is shown after a death, in bytes and lines.
const TAIL_BYTES: u64 = 8 * 1024;
const TAIL_LINES: usize = 8;

/// How the agent is started.
#[derive(Debug)]
pub struct Launch {
    /// Its program.
    pub program: PathBuf,
    /// Its arguments; the join token is not among them.
    pub args: Vec<String>,
    /// What it shows to join.
    pub token: JoinToken,
    /// Where its log goes.
    pub log: PathBuf,
}

/// Keeps the agent alive until `stop`, then ends it.
///
/// # Errors
/// [`CliError`] when it cannot be started, or dies at once again and again.
pub async fn supervise(launch: Launch, stop: CancellationToken) -> Result<(), CliError> {
    put_aside(&launch.log);
    keep(launch, stop, Restarts::new(PAUSE_MIN)).await
}

async fn keep(launch: Launch, stop: CancellationToken, mut restarts: Restarts) -> Result<(), CliError> {
    loop {
        let (mut child, leash) = launch.start()?;
        let started = Instant::now();
        // Cancel-safe: waiting for a child can be begun again, a token stays cancelled.
        let status = tokio::select! {
            status = child.wait() => status,
            () = stop.cancelled() => return end(child, leash).await,
        };
        drop(leash);
        if status.as_ref().is_ok_and(std::process::ExitStatus::success) {
            // It was drained, or told to end: to start it again would undo what an operator asked for.
            tell(
                "the agent has left as it was asked to; jobs wait for other agents, or for the next start of this one",
            );
            stop.cancelled().await;
            return Ok(());
        }
        let how = status.map_or_else(|e| e.to_string(), |s| s.to_string());
        let Some(pause) = restarts.after(started.elapsed()) else {
            let tail = tail(&launch.log);
            let log = launch.log.display();
            return Err(CliError::Service(format!("the agent does not stay up ({how}); the end of {log}:\n{tail}")));
        };
        tell(&format!("the agent ended ({how}); it is started again in {} ms", pause.as_millis()));
        // Cancel-safe: see above.
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

impl Launch {
    fn start(&self) -> Result<(Child, Option<ChildStdin>), CliError> {
        let log = || open_log(&self.log).map_err(|source| CliError::Read { path: self.log.clone(), source });
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .env(JOIN_TOKEN_VARIABLE, self.token.expose())
            // The variable above is the one that holds, whatever the master itself was told.
            .env_remove("ENCLOS_JOIN_TOKEN_FILE")
            // Keys of the API are nothing to it.
            .env_remove(KEY_VARIABLE)
            .env_remove("ENCLOS_API_KEY_FILE")
            // Its log is a file.
            .env("NO_COLOR", "1")
            .stdin(Stdio::piped())
            .stdout(log()?)
            .stderr(log()?)
            // A group of its own: Ctrl-C in the terminal reaches us alone, and we end it in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| CliError::Sibling { path: self.program.clone(), source })?;
        // Taken out, since waiting for a child closes the stdin that it holds.
        let leash = child.stdin.take();
        Ok((child, leash))
    }
}

async fn end(mut child: Child, leash: Option<ChildStdin>) -> Result<(), CliError> {
    drop(leash);
    match timeout(END_WAIT, child.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(CliError::Service(format!("the agent did not end well: {status}"))),
        Ok(Err(source)) => {
            Err(CliError::ServiceCause { what: "the agent's end cannot be seen".into(), source: source.into() })
        }
        Err(_) => {
            let _ = child.kill().await;
            let text = "the agent took too long to end and was killed; it removes what it left at its next start";
            Err(CliError::Service(text.into()))
        }
    }
}

/// Counts deaths: how long to pause before the next start, or that it is enough.
#[derive(Debug)]
struct Restarts {
    in_a_row: u32,
    pause_min: Duration,
}

impl Restarts {
    fn new(pause_min: Duration) -> Self {
        Self { in_a_row: 0, pause_min }
    }

    fn after(&mut self, lived: Duration) -> Option<Duration> {
        if lived >= STEADY {
            self.in_a_row = 0;
        }
        self.in_a_row += 1;
        let pause = self.pause_min.saturating_mul(2u32.saturating_pow(self.in_a_row - 1)).min(PAUSE_MAX);
        (self.in_a_row <= RESTARTS_MAX).then_some(pause)
    }
}

fn open_log(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// A log that has grown large becomes `<log>.1`; failing to do so costs disk only.
fn put_aside(log: &Path) {
    if fs::metadata(log).is_ok_and(|m| m.len() > LOG_BYTES_MAX) {
        let mut aside = log.as_os_str().to_owned();
        aside.push(".1");
        let _ = fs::rename(log, aside);
    }
}

/// The last lines of the log, for a person.
fn tail(log: &Path) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let text = read().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<String> = text.lines().map(|line| format!("  {}", harmless(line))).collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_deaths_pause_longer_and_longer_and_then_it_is_enough() {
        let mut restarts = Restarts::new(PAUSE_MIN);
        let pauses: Vec<_> = (0..6).map(|_| restarts.after(Duration::from_secs(1)).map(|p| p.as_millis())).collect();
        assert_eq!(pauses, [Some(500), Some(1000), Some(2000), Some(4000), Some(8000), None]);
    }

    #[test]
    fn an_agent_that_had_started_well_begins_the_count_anew() {
        let mut restarts = Restarts::new(PAUSE_MIN);
        for _ in 0..20 {
            assert_eq!(restarts.after(STEADY), Some(PAUSE_MIN));
        }
    }

    #[tokio::test]
    async fn the_end_of_its_standard_input_ends_the_child() {
        let data = tempfile::tempdir().unwrap();
        let launch = launch(&data, "cat; echo drained");
        let stop = CancellationToken::new();
        let log = launch.log.clone();
        stop.cancel();
        supervise(launch, stop).await.unwrap();
        assert_eq!(fs::read_to_string(log).unwrap(), "drained\n");
    }

    #[tokio::test]
    async fn a_child_that_dies_at_once_is_given_up_with_the_end_of_its_log() {
        let data = tempfile::tempdir().unwrap();
        let launch = launch(&data, "echo no engine; exit 3");
        let error = keep(launch, CancellationToken::new(), Restarts::new(Duration::ZERO)).await.unwrap_err();
        assert!(error.to_string().contains("no engine") && error.to_string().contains("exit status: 3"), "{error}");
    }

    #[tokio::test]
    async fn an_agent_that_left_as_asked_is_not_started_again() {
        let data = tempfile::tempdir().unwrap();
        let launch = launch(&data, "echo started");
        let log = launch.log.clone();
        let kept = keep(launch, CancellationToken::new(), Restarts::new(Duration::ZERO));
        // It must still wait for its own stop; six starts without a pause would have ended it long before.
        assert!(timeout(Duration::from_secs(1), kept).await.is_err());
        assert_eq!(fs::read_to_string(log).unwrap(), "started\n");
    }

    fn launch(data: &tempfile::TempDir, script: &str) -> Launch {
        Launch {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            token: JoinToken::parse("a-token-of-some-length").unwrap(),
            log: data.path().join("agent.log"),
        }
    }
}
