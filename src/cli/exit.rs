//! Exit codes, and the errors that come to them.
//!
//! A program's own exit code and 128 + signal are given on as they are. The
//! codes of Enclos itself lie from 119 to 125, which programs seldom use and
//! no shell does.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use enclos_protocol::outcome::signal_name;
use serde_json::Value;

/// A case was not accepted, by its answer or by the program's own failure.
pub const REJECTED: u8 = 119;
/// The compiler refused the program.
pub const COMPILE_ERROR: u8 = 120;
/// A limit ended the program.
pub const LIMIT: u8 = 121;
/// The job was cancelled.
pub const CANCELLED: u8 = 122;
/// Enclos failed.
pub const INTERNAL_ERROR: u8 = 123;
/// The master refused the request.
pub const REFUSED: u8 = 124;
/// The master cannot be reached, or a local file cannot be read or written.
pub const UNREACHABLE: u8 = 125;
/// `up`, `master`, `doctor` or `images` could not do their work.
pub const FAILED: u8 = 1;
/// A second Ctrl-C: gone without waiting (128 + SIGINT).
pub const INTERRUPTED: i32 = 130;

/// Highest signal number of Linux.
const SIGNAL_MAX: i32 = 64;

/// The table that `--help` shows.
pub const HELP: &str = "\
Exit codes of `run`, `judge` and `show`:
  the program's own   it ran to its end (a job without cases)
  128 + signal        a signal ended it (a job without cases)
  119                 a case was not accepted: wrong answer or run error
  120                 compile error
  121                 a limit ended it (time, memory, output, file size, processes)
  122                 cancelled
  123                 Enclos failed (internal_error)
Of every command:
  0                   done
  1                   the service or the engine could not do it
  2                   wrong usage
  124                 the master refused the request and said why
  125                 no master there, or a local file cannot be read or written";

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The master refused, with its problem.
    #[error("{0}")]
    Refused(String),
    /// Nobody listens there, or the connection broke.
    #[error("no Enclos master answers at {url}; `enclos up` starts one, --url or ENCLOS_URL names another")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// What answers is not a master.
    #[error("{url} answers, but not as an Enclos master does: {what}")]
    NotAMaster {
        /// Where.
        url: String,
        /// What is wrong.
        what: String,
    },
    /// The address is none.
    #[error("'{0}' is not an address of a master; it begins with http:// or https://")]
    Url(String),
    /// A key would be shown to everybody on the way.
    #[error(
        "'{0}' is not encrypted, and whoever is on the way would have the key: use https://, or say --insecure-http"
    )]
    ClearKey(String),
    /// The master has not proved who it is.
    #[error("the master at {url} is not trusted: {what}")]
    Untrusted {
        /// Where.
        url: String,
        /// Why, and what to do.
        what: &'static str,
    },
    /// The file of authorities is of no use.
    #[error("--ca")]
    Ca(#[source] enclos_tls::pem::PemError),
    /// A file of the user cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is of no use as it is.
    #[error("{0}")]
    Input(String),
    /// Our own output has nowhere to go.
    #[error("cannot write the output")]
    Output(#[source] io::Error),
    /// A file cannot be saved.
    #[error("cannot save {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another program of Enclos is not there.
    #[error("cannot start {}; it is installed beside `enclos`", path.display())]
    Sibling {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The service did not start or did not stay.
    #[error("{0}")]
    Service(String),
    /// As above, with a cause.
    #[error("{what}")]
    ServiceCause {
        /// What did not work.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl CliError {
    /// The exit code that tells it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) => REFUSED,
            Self::Unreachable { .. }
            | Self::NotAMaster { .. }
            | Self::Url(_)
            | Self::ClearKey(_)
            | Self::Untrusted { .. }
            | Self::Ca(_)
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::Input(_)
            | Self::Output(_) => UNREACHABLE,
            Self::Sibling { .. } | Self::Service(_) | Self::ServiceCause { .. } => FAILED,
        }
    }

    /// The error and its causes in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

/// The exit code that a finished job comes to.
#[must_use]
pub fn of_job(job: &Value) -> u8 {
    let outcome = job["outcome"].as_str().unwrap_or_default();
    match job["verdict"].as_str().unwrap_or(outcome) {
        "accepted" => 0,
        "wrong_answer" | "skipped" => REJECTED,
        "runtime_error" if job["verdict"].is_string() => REJECTED,
        "ok" | "runtime_error" => of_run(&job["run"], outcome),
        "compile_error" => COMPILE_ERROR,
        "time_limit" | "memory_limit" | "output_limit" | "file_limit" | "process_limit" => LIMIT,
        "cancelled" => CANCELLED,
        _ => INTERNAL_ERROR,
    }
}

fn of_run(run: &Value, outcome: &str) -> u8 {
    if let Some(code) = run["exit_code"].as_u64().and_then(|code| u8::try_from(code).ok()) {
        return code;
    }
    let signal = run["signal"].as_str().and_then(|name| (1..=SIGNAL_MAX).find(|&n| signal_name(n) == name));
    match signal.and_then(|n| u8::try_from(128 + n).ok()) {
        Some(code) => code,
        // Its end was not seen (the whole cell was killed): as a shell tells of SIGKILL.
        None if outcome == "runtime_error" => 137,
        None => 0,
    }
}

/// `code` for the operating system.
#[must_use]
pub fn code(code: u8) -> ExitCode {
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_ends_with_the_documented_code() {
        for (job, code) in [
            (json!({ "outcome": "ok", "run": { "exit_code": 0 } }), 0),
            (json!({ "outcome": "runtime_error", "run": { "exit_code": 3 } }), 3),
            (json!({ "outcome": "runtime_error", "run": { "signal": "SIGSEGV" } }), 139),
            (json!({ "outcome": "runtime_error", "run": { "signal": "SIG40" } }), 168),
            (json!({ "outcome": "runtime_error", "run": {} }), 137),
            (json!({ "outcome": "compile_error" }), COMPILE_ERROR),
            (json!({ "outcome": "time_limit", "run": { "exit_code": 0 } }), LIMIT),
            (json!({ "outcome": "cancelled" }), CANCELLED),
            (json!({ "outcome": "ok", "verdict": "accepted" }), 0),
            (json!({ "outcome": "ok", "verdict": "wrong_answer" }), REJECTED),
            (json!({ "outcome": "ok", "verdict": "runtime_error" }), REJECTED),
            (json!({ "outcome": "ok", "verdict": "memory_limit" }), LIMIT),
            (json!({ "outcome": "ok", "verdict": "checker_error" }), INTERNAL_ERROR),
            (json!({ "outcome": "compile_error", "verdict": "compile_error" }), COMPILE_ERROR),
            (json!({ "outcome": "internal_error" }), INTERNAL_ERROR),
            (json!({}), INTERNAL_ERROR),
        ] {
            assert_eq!(of_job(&job), code, "{job}");
        }
    }

    #[test]
    fn an_error_is_told_with_its_causes_once() {
        let source = io::Error::other("no such file");
        let error = CliError::Read { path: "a.c".into(), source };
        assert_eq!(error.chain(), "cannot read a.c: no such file");
        assert_eq!(error.exit_code(), UNREACHABLE);
    }
}
