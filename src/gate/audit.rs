//! Who did what: lines of JSON that are only ever added to, in files of bounded size.
//!
//! ```text
//! requests ─▶ bounded channel ─▶ thread ─▶ audit.jsonl ─ full ─▶ audit.1.jsonl ─▶ … ─▶ gone
//! ```
//!
//! Never the code, the output or the secret of anybody: only names, ids and outcomes. A request
//! waits for its line's place in the channel, not for the disk; what a full disk loses is counted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use serde::Serialize;
use tokio::sync::mpsc;

use crate::access::{KeyId, Tenant};
use crate::config::AuditBounds;
use crate::metrics::Metrics;
use crate::store::UnixTime;

/// Lines that may wait for the thread.
const WAITING_MAX: usize = 1024;
/// Lines that are written at once.
const GROUP_MAX: usize = 256;
/// Most characters of what a client named.
const TARGET_CHARS_MAX: usize = 256;
/// The file that is added to.
const FILE: &str = "audit.jsonl";

/// One line.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Deed {
    /// Whose key; none where nobody was let in, or a command of this host did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Which key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// From which address; none for a command of this host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<IpAddr>,
    /// Method and path of the API, or the command.
    pub what: String,
    /// What it was about: the path with its ids, without a query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// HTTP status, or `done`.
    pub outcome: String,
}

impl Deed {
    /// By this key.
    #[must_use]
    pub fn by(mut self, tenant: &Tenant, key: Option<&KeyId>) -> Self {
        self.tenant = Some(tenant.to_string());
        self.key = key.map(ToString::to_string);
        self
    }

    /// About this, cut to its bound.
    #[must_use]
    pub fn about(mut self, target: &str) -> Self {
        self.target = Some(target.chars().take(TARGET_CHARS_MAX).collect());
        self
    }

    fn line(&self, time: UnixTime) -> Vec<u8> {
        #[derive(Serialize)]
        struct Line<'a> {
            time: String,
            #[serde(flatten)]
            deed: &'a Deed,
        }
        let time = jiff::Timestamp::from_microsecond(time.0).map(|t| format!("{t:.3}")).unwrap_or_default();
        let mut line = serde_json::to_vec(&Line { time, deed: self }).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// Adds one line beside a running master.
///
/// # Errors
/// Where the file cannot be written.
pub fn append(dir: &Path, deed: &Deed) -> io::Result<()> {
    // One write: the kernel puts it whole behind what others have written.
    open(&dir.join(FILE))?.write_all(&deed.line(UnixTime::now()))
}

/// A handle to the thread.
#[derive(Debug)]
pub struct Audit {
    lines: Mutex<Option<mpsc::Sender<Vec<u8>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Audit {
    /// Starts the thread for the files below `dir`.
    ///
    /// # Errors
    /// Where the file cannot be opened or the thread not started.
    pub fn start(dir: &Path, bounds: AuditBounds, metrics: Arc<Metrics>) -> io::Result<Self> {
        let mut book = Book::open(dir, bounds)?;
        let (lines, mut waiting) = mpsc::channel::<Vec<u8>>(WAITING_MAX);
        let body = move || {
            let mut group = Vec::with_capacity(GROUP_MAX);
            while waiting.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
                if let Err(error) = book.write(&group.concat()) {
                    metrics.audit_lost.add(group.len() as u64);
                    tracing::error!(%error, "lines of the audit log are lost");
                }
                group.clear();
            }
        };
        let thread = thread::Builder::new().name("audit".to_owned()).spawn(body)?;
        Ok(Self { lines: Mutex::new(Some(lines)), thread: Mutex::new(Some(thread)) })
    }

    /// Has a line written.
    pub async fn note(&self, deed: &Deed) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(lines) = lines {
            // It has ended only where the service does.
            let _ = lines.send(deed.line(UnixTime::now())).await;
        }
    }

    /// Writes what waits and ends the thread. Blocks until it is done.
    pub fn close(&self) {
        drop(self.lines.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|t| t.join().is_err()) {
            tracing::error!("the audit log's thread panicked");
        }
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        self.close();
    }
}

/// The file that is added to, and those of before.
struct Book {
    path: PathBuf,
    file: File,
    size_bytes: u64,
    bounds: AuditBounds,
}

impl Book {
    fn open(dir: &Path, bounds: AuditBounds) -> io::Result<Self> {
        let path = dir.join(FILE);
        let file = open(&path)?;
        let size_bytes = file.metadata()?.len();
        Ok(Self { path, file, size_bytes, bounds })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.size_bytes >= self.bounds.file_bytes_max {
            self.turn()?;
        }
        self.file.write_all(bytes)?;
        self.size_bytes += bytes.len() as u64;
        Ok(())
    }

    /// Puts the full file behind those of before, the oldest of which goes.
    fn turn(&mut self) -> io::Result<()> {
        self.file.sync_all()?;
        let old = |n: u32| self.path.with_file_name(format!("audit.{n}.jsonl"));
        for n in (1..self.bounds.files_max).rev() {
            match fs::rename(old(n), old(n + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, old(1))?;
        self.file = open(&self.path)?;
        self.size_bytes = 0;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &Path) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[tokio::test]
    async fn deeds_are_written_in_order_beside_what_commands_write() {
        let dir = tempfile::tempdir().unwrap();
        let audit =
            Audit::start(dir.path(), AuditBounds { file_bytes_max: 1 << 20, files_max: 2 }, Arc::default()).unwrap();
        let deed = |what: &str| Deed { what: what.into(), outcome: "201".into(), ..Deed::default() };
        audit.note(&deed("POST /v1/jobs").by(&Tenant::default(), None).about(&"x".repeat(5000))).await;
        audit.close();
        append(dir.path(), &deed("keys create")).unwrap();
        let lines = lines(&dir.path().join(FILE));
        assert_eq!((&lines[0]["what"], &lines[1]["what"]), (&"POST /v1/jobs".into(), &"keys create".into()));
        assert_eq!(lines[0]["target"].as_str().unwrap().len(), TARGET_CHARS_MAX);
        assert!(lines[0]["time"].as_str().unwrap().ends_with('Z') && lines[0].get("key").is_none());
    }

    #[test]
    fn full_files_are_turned_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let bounds = AuditBounds { file_bytes_max: 10, files_max: 2 };
        let mut book = Book::open(dir.path(), bounds).unwrap();
        for n in 0..5 {
            book.write(format!("line number {n}\n").as_bytes()).unwrap();
        }
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!((read(FILE), read("audit.1.jsonl")), ("line number 4\n".into(), "line number 3\n".into()));
        assert_eq!(read("audit.2.jsonl"), "line number 2\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }
}
