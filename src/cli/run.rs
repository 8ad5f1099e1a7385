//! `enclos run`: submit, show the output as it comes, end as the program ended.
//!
//! ```text
//! submit ─▶ queued ─(spinner)─▶ running ─(output)─▶ finished ─▶ exit code
//!              └──── Ctrl-C: cancel ────┘   a second Ctrl-C: gone at once
//! ```
//!
//! One task reads events into a bounded channel, this one writes; when our own
//! reader is slow, the channel fills and the master's stream waits.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

use super::client::Client;
use super::compose::{self, RunArgs};
use super::events::{Event, Events};
use super::exit::{self, CliError};
use super::show;
use super::terminal::{Spinner, Terminal, harmless, harmless_line, tell};
use super::verdicts::{self, CasesView};
use super::{attach, blobs};

/// Events between the task that reads and the one that writes.
const EVENTS_MAX: usize = 64;
/// Time between two turns of the spinner.
pub(super) const TURN: Duration = Duration::from_millis(100);
/// Time between two looks at the job's place in the queue.
const LOOK: Duration = Duration::from_secs(1);

/// Runs the command.
///
/// # Errors
/// [`CliError`] when there is no answer or a refusal; what the program does is no error.
pub async fn run(client: &Client, args: &RunArgs, terminal: Terminal) -> Result<ExitCode, CliError> {
    let mut submission = compose::submission(args)?;
    if !args.dependencies.is_empty() {
        compose::with_dependencies(&mut submission, args, &client.get("/v1/languages").await?);
    }
    if args.interactive {
        return attach::run(client, &submission, terminal).await;
    }
    blobs::lift(client, &mut submission, terminal).await?;
    let names = verdicts::case_names(&submission["cases"]);
    if let Some(unjudged) = verdicts::unjudged(&submission["cases"]) {
        tell(&unjudged);
    }
    if names.is_empty() {
        run_to_the_end(client, &submission, args.json, terminal, View::new(terminal)).await
    } else {
        let view = CasesView::new(terminal, names);
        run_to_the_end(client, &submission, args.json, terminal, view).await
    }
}

/// Submits, shows the job as `view` does (or its JSON), and ends as it ended.
///
/// # Errors
/// As [`run`].
pub(super) async fn run_to_the_end(
    client: &Client,
    submission: &Value,
    json: bool,
    terminal: Terminal,
    view: impl Show,
) -> Result<ExitCode, CliError> {
    let job = client.post("/v1/jobs", submission).await?;
    let id = job["id"].as_str().unwrap_or_default().to_owned();
    let mut watchers = JoinSet::new();
    watchers.spawn(interrupts(client.clone(), id.clone()));
    let finished = if json {
        let job = client.finished(&id).await?;
        show::print_json(&job, terminal);
        job
    } else {
        match follow(client, &id, view).await {
            // Nobody reads on (`enclos run … | head`): nobody needs the rest.
            Err(error @ CliError::Output(_)) => {
                let _ = client.cancel(&id).await;
                return Err(error);
            }
            job => job?,
        }
    };
    watchers.shutdown().await;
    Ok(exit::code(exit::of_job(&finished)))
}

/// How a job is shown while it goes on.
pub(super) trait Show {
    /// The job waits: its place is worth a look from time to time.
    fn waits(&self) -> bool;
    /// The spinner's next turn.
    fn turn(&mut self);
    /// Its place in the queue.
    fn queued(&mut self, queue: &Value);
    /// Shows an event; the job, when it was the last.
    async fn take(&mut self, event: &Event) -> io::Result<Option<Value>>;
    /// Shows what is left to say at the end.
    async fn end(&mut self, client: &Client, job: &Value) -> Result<(), CliError>;
}

/// Cancels the job at the first Ctrl-C or SIGTERM; at the second, leaves it to the master.
async fn interrupts(client: Client, id: String) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    let mut next = async || {
        // Cancel-safe: a signal stays pending in its own stream.
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    next().await;
    tokio::select! {
        answer = client.cancel(&id) => match answer {
            Ok(_) => next().await,
            Err(error) => tell(&format!("enclos: the job could not be cancelled: {}", error.chain())),
        },
        () = next() => {}
    }
    std::process::exit(exit::INTERRUPTED);
}

/// Shows the job until it has finished; the finished job, without its output.
async fn follow(client: &Client, id: &str, mut view: impl Show) -> Result<Value, CliError> {
    let (sender, mut receiver) = mpsc::channel(EVENTS_MAX);
    let mut reader = JoinSet::new();
    let mut events = Events::of(client, id);
    reader.spawn(async move {
        loop {
            let event = events.next().await;
            let last = event.as_ref().map_or(true, |e| e.kind == "finished");
            if sender.send(event).await.is_err() || last {
                return;
            }
        }
    });
    let mut turns = interval(TURN);
    turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut looks = interval_at(Instant::now() + LOOK, LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let finished = loop {
        // Cancel-safe: the channel and the timers keep what they have.
        tokio::select! {
            event = receiver.recv() => {
                let event = event.unwrap_or_else(|| Err(CliError::Service("the events ended too early".into())))?;
                if let Some(job) = view.take(&event).await.map_err(CliError::Output)? {
                    break job;
                }
            }
            _ = turns.tick() => view.turn(),
            _ = looks.tick(), if view.waits() => {
                if let Ok(job) = client.get(&format!("/v1/jobs/{id}")).await {
                    view.queued(&job["queue"]);
                }
            }
        }
    };
    reader.shutdown().await;
    view.end(client, &finished).await?;
    Ok(finished)
}

/// What is on the screen.
pub(super) struct View {
    terminal: Terminal,
    spinner: Spinner,
    waiting: Option<String>,
}

impl View {
    /// Nothing yet.
    pub(super) fn new(terminal: Terminal) -> Self {
        let waiting = terminal.stderr.then(|| "queued".to_owned());
        Self { terminal, spinner: Spinner::new(terminal.stderr), waiting }
    }
}

impl Show for View {
    fn waits(&self) -> bool {
        self.waiting.is_some()
    }

    fn turn(&mut self) {
        if let Some(text) = &self.waiting {
            self.spinner.draw(text);
        }
    }

    fn queued(&mut self, queue: &Value) {
        if let (Some(waiting), Some(text)) = (&mut self.waiting, place_line(queue)) {
            *waiting = text;
        }
    }

    /// Shows an event; the job, when it was the last.
    async fn take(&mut self, event: &Event) -> io::Result<Option<Value>> {
        let data = &event.data;
        match event.kind.as_str() {
            "state" if data["step"] == "image" => {
                let progress = super::terminal::harmless_line(data["progress"].as_str().unwrap_or_default());
                self.waiting = self.terminal.stderr.then(|| format!("image is being made: {progress}"));
            }
            "state" if data["step"] == "install" => {
                self.waiting = self.terminal.stderr.then(|| "installing dependencies".to_owned());
            }
            "state" if data["state"] == "running" => {
                self.waiting = None;
                self.spinner.clear();
            }
            "state" => {
                self.waiting = self.terminal.stderr.then(|| "queued".to_owned());
                self.queued(data);
            }
            "output" => {
                self.waiting = None;
                self.spinner.clear();
                write_output(self.terminal, data).await?;
            }
            "finished" => return Ok(Some(data.clone())),
            // A later master may have more to tell than this version knows.
            _ => {}
        }
        Ok(None)
    }

    async fn end(&mut self, _: &Client, job: &Value) -> Result<(), CliError> {
        self.spinner.clear();
        [verdict(job), files(job)].into_iter().flatten().for_each(|line| tell(&line));
        Ok(())
    }
}

/// What the spinner says of a job that waits.
pub(super) fn place_line(queue: &Value) -> Option<String> {
    let position = queue["position"].as_u64()?;
    let start = queue["estimated_start_ms"].as_u64();
    let start = start.map(|ms| format!(", starts in about {}", show::duration(ms))).unwrap_or_default();
    Some(format!("queued, position {position}{start}"))
}

/// Writes what an event `output` holds where it belongs.
pub(super) async fn write_output(terminal: Terminal, data: &Value) -> io::Result<()> {
    let bytes = match (data["text"].as_str(), data["bytes_base64"].as_str()) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(encoded)) => BASE64.decode(encoded).map_err(io::Error::other)?,
        (None, None) => return Ok(()),
    };
    // A compiler's words are never part of the program's output.
    let to_stdout = data["step"] == "run" && data["stream"] == "stdout";
    let shown = if to_stdout { terminal.stdout } else { terminal.stderr };
    let bytes = if shown { harmless(&String::from_utf8_lossy(&bytes)).into_bytes() } else { bytes };
    // On a thread that may block, so that Ctrl-C is heard while a pager holds the pipe.
    let written = tokio::task::spawn_blocking(move || {
        if to_stdout {
            let mut stdout = io::stdout().lock();
            stdout.write_all(&bytes).and_then(|()| stdout.flush())
        } else {
            io::stderr().lock().write_all(&bytes)
        }
    });
    written.await.map_err(io::Error::other)?
}

/// What standard error says of an end that the exit code alone does not tell.
fn verdict(job: &Value) -> Option<String> {
    let outcome = job["outcome"].as_str().unwrap_or("internal_error");
    let message = job["message"].as_str().map(|m| format!(": {}", harmless_line(m))).unwrap_or_default();
    let run = &job["run"];
    let truncated = ["compile", "run"].iter().any(|step| job[step]["truncated"] == true);
    let note = if truncated { "; the output shown here was cut at report_bytes" } else { "" };
    let line = match outcome {
        "ok" if !truncated => return None,
        "ok" => "ok".to_owned(),
        "runtime_error" => match run["signal"].as_str() {
            Some(signal) => format!("ended by {}{message}", harmless_line(signal)),
            // A program that says no by its exit code has said it itself.
            None if run["exit_code"].is_u64() && !truncated => return None,
            None => format!("runtime_error{message}"),
        },
        "time_limit" => {
            let limit = [run, &job["compile"]].into_iter().find_map(|step| step["limit"].as_str()).unwrap_or("time");
            format!("time_limit ({}){message}", harmless_line(limit))
        }
        other => format!("{}{message}", harmless_line(other)),
    };
    Some(format!("enclos: {line}{note}"))
}

/// What standard error says of the files that the job gives back.
fn files(job: &Value) -> Option<String> {
    let count = job["files"].as_array()?.len();
    let id = harmless_line(job["id"].as_str().unwrap_or_default());
    let missing = job["files_error"].as_str().map(|e| format!("; {}", harmless_line(e))).unwrap_or_default();
    let (kept, them) = if count == 1 { ("file is", "it") } else { ("files are", "them") };
    Some(format!("enclos: {count} {kept} kept; `enclos fetch {id}` saves {them}{missing}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_verdict_speaks_only_where_the_exit_code_does_not() {
        for (job, line) in [
            (json!({ "outcome": "ok" }), None),
            (json!({ "outcome": "runtime_error", "run": { "exit_code": 3 } }), None),
            (
                json!({ "outcome": "ok", "run": { "truncated": true } }),
                Some("enclos: ok; the output shown here was cut at report_bytes"),
            ),
            (json!({ "outcome": "runtime_error", "run": { "signal": "SIGSEGV" } }), Some("enclos: ended by SIGSEGV")),
            (json!({ "outcome": "time_limit", "run": { "limit": "cpu" } }), Some("enclos: time_limit (cpu)")),
            (json!({ "outcome": "internal_error", "message": "a\nb" }), Some("enclos: internal_error: a b")),
            (json!({ "outcome": "compile_error" }), Some("enclos: compile_error")),
        ] {
            assert_eq!(verdict(&job).as_deref(), line, "{job}");
        }
    }

    #[test]
    fn the_spinner_tells_the_place_in_the_queue() {
        let mut view = View::new(Terminal { stdout: false, stderr: true, colours: false });
        view.queued(&json!({ "position": 3, "estimated_start_ms": 1200 }));
        assert_eq!(view.waiting.as_deref(), Some("queued, position 3, starts in about 1.2 s"));
        let quiet = View::new(Terminal { stdout: false, stderr: false, colours: false });
        assert!(!quiet.waits(), "no spinner into a file");
    }
}
