//! Who did what: lines of JSON that are only ever added to, in files of bounded size.
//!
//! ```text
//! requests ─▶ bounded channel ─▶ thread ─▶ book.jsonl ─ full ─▶ book.1.jsonl ─▶ … ─▶ gone
//! ```
//!
//! Two books, so that the many do not wash away the few: who was let in to do what, and by whom it was
//! changed (`audit.jsonl`); what tenants did with jobs and blobs (`audit-jobs.jsonl`). Refusals go to
//! the first only so many a second.
//!
//! Never the code, the output or the secret of anybody: only names, ids and outcomes. A request
//! waits for its line's place in the channel, not for the disk; what a full disk loses is counted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::iter;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::access::{Bucket, KeyId, Tenant};
use crate::config::AuditBounds;
use crate::metrics::Metrics;
use crate::store::UnixTime;

/// Lines that may wait for the thread.
const WAITING_MAX: usize = 1024;
/// Lines that are written at once.
const GROUP_MAX: usize = 256;
/// So long others are waited for when a line of a job came, and written with it: nobody waits for the disk.
const GATHERING: Duration = Duration::from_millis(5);
/// Most characters of what a client named.
const TARGET_CHARS_MAX: usize = 256;
/// Refusals that are written down at once, and again in [`REFUSALS_SPAN`].
const REFUSALS_MAX: u32 = 600;
/// In so long as many refusals are written down.
const REFUSALS_SPAN: Duration = Duration::from_secs(60);

/// Where a deed is written down.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Kept {
    /// With who was let in, what operators did, and what keys were refused.
    #[default]
    Access,
    /// With what tenants did with jobs and blobs.
    Jobs,
}

impl Kept {
    const ALL: [Self; 2] = [Self::Access, Self::Jobs];

    fn name(self) -> &'static str {
        match self {
            Self::Access => "audit",
            Self::Jobs => "audit-jobs",
        }
    }
}

/// One line.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Deed {
    /// In which book.
    #[serde(skip)]
    pub kept: Kept,
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
    open(&file(dir, deed.kept))?.write_all(&deed.line(UnixTime::now()))
}

/// A line, and the book that it goes to.
type Entry = (Kept, Vec<u8>);

/// A handle to the thread.
#[derive(Debug)]
pub struct Audit {
    lines: Mutex<Option<mpsc::Sender<Entry>>>,
    refusals: Mutex<Bucket>,
    metrics: Arc<Metrics>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Audit {
    /// Starts the thread for the files below `dir`.
    ///
    /// # Errors
    /// Where the file cannot be opened or the thread not started.
    pub fn start(dir: &Path, bounds: AuditBounds, metrics: Arc<Metrics>) -> io::Result<Self> {
        Self::start_gathering(dir, bounds, metrics, (GATHERING, thread::park_timeout))
    }

    fn start_gathering(
        dir: &Path,
        bounds: AuditBounds,
        metrics: Arc<Metrics>,
        (gathering, park): (Duration, impl Fn(Duration) + Send + 'static),
    ) -> io::Result<Self> {
        let mut books = Vec::new();
        for kept in Kept::ALL {
            books.push((kept, Book::open(dir, kept, bounds)?));
        }
        let (lines, mut waiting) = mpsc::channel::<Entry>(WAITING_MAX);
        let counts = Arc::clone(&metrics);
        let body = move || {
            let mut group = Vec::with_capacity(GROUP_MAX);
            while waiting.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
                if may_wait(&group) {
                    gather(&mut waiting, &mut group, gathering, &park);
                }
                for (kept, book) in &mut books {
                    let lines: Vec<&[u8]> =
                        group.iter().filter(|(k, _)| k == kept).map(|(_, line)| line.as_slice()).collect();
                    if let Err(error) = book.write(&lines.concat()) {
                        counts.audit_lost.add(lines.len() as u64);
                        tracing::error!(%error, "lines of the audit log are lost");
                    }
                }
                group.clear();
            }
        };
        let thread = thread::Builder::new().name("audit".to_owned()).spawn(body)?;
        let refusals = Mutex::new(Bucket::new(REFUSALS_MAX, REFUSALS_SPAN));
        Ok(Self { lines: Mutex::new(Some(lines)), refusals, metrics, thread: Mutex::new(Some(thread)) })
    }

    /// Has a line written.
    pub async fn note(&self, deed: &Deed) {
        if let Some(lines) = self.lines() {
            // It has ended only where the service does.
            let _ = lines.send((deed.kept, deed.line(UnixTime::now()))).await;
            self.hurry(deed.kept);
        }
    }

    /// Has a line written where nobody can wait for its place; where there is none, it counts as lost.
    pub fn note_now(&self, deed: &Deed) {
        if let Some(lines) = self.lines()
            && lines.try_send((deed.kept, deed.line(UnixTime::now()))).is_err()
        {
            self.metrics.audit_lost.increment();
        }
        self.hurry(deed.kept);
    }

    /// What is gathering waits no longer where a line of access came.
    fn hurry(&self, kept: Kept) {
        if kept == Kept::Access {
            self.thread.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|t| t.thread().unpark());
        }
    }

    /// Has a line written of a refusal, of which anybody can cause any number; those above
    /// the rate are counted.
    pub async fn note_refusal(&self, deed: &Deed) {
        let turn = self.refusals.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
        match turn {
            Ok(()) => self.note(deed).await,
            Err(_) => self.metrics.audit_refusals_unwritten.increment(),
        }
    }

    fn lines(&self) -> Option<mpsc::Sender<Entry>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes what waits and ends the thread. Blocks until it is done.
    pub fn close(&self) {
        drop(self.lines.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.hurry(Kept::Access);
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

/// Whether lines may wait for more: those of access may not, since what they tell of is answered already.
fn may_wait(group: &[Entry]) -> bool {
    group.len() < GROUP_MAX && group.iter().all(|(kept, _)| *kept == Kept::Jobs)
}

/// Lets a moment pass and takes the lines that came in it; a line of access ends it, and so does the end of the
/// service. Whoever else comes does not wake the thread, which is parked by `park`: that is the gain.
fn gather(waiting: &mut mpsc::Receiver<Entry>, group: &mut Vec<Entry>, gathering: Duration, park: &impl Fn(Duration)) {
    let end = Instant::now() + gathering;
    loop {
        let is_over = waiting.is_closed() || Instant::now() >= end;
        let room = GROUP_MAX.saturating_sub(group.len());
        group.extend(iter::from_fn(|| waiting.try_recv().ok()).take(room));
        if is_over || !may_wait(group) {
            return;
        }
        park(end.saturating_duration_since(Instant::now()));
    }
}

/// The file that is added to, and those of before.
struct Book {
    path: PathBuf,
    kept: Kept,
    file: File,
    size_bytes: u64,
    bounds: AuditBounds,
}

impl Book {
    fn open(dir: &Path, kept: Kept, bounds: AuditBounds) -> io::Result<Self> {
        let path = file(dir, kept);
        let file = open(&path)?;
        let size_bytes = file.metadata()?.len();
        Ok(Self { path, kept, file, size_bytes, bounds })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.size_bytes >= self.bounds.file_bytes_max
            && let Err(error) = self.turn()
        {
            // Too large is better than lost.
            tracing::error!(%error, "the audit log was not turned");
        }
        // Commands add lines too, so its length is looked at.
        let before = self.file.metadata()?.len();
        if let Err(error) = self.file.write_all(bytes) {
            // Half a line would spoil the next; where this fails there is half a line.
            let _ = self.file.set_len(before);
            return Err(error);
        }
        self.size_bytes = self.file.metadata()?.len();
        Ok(())
    }

    /// Puts the full file behind those of before, the oldest of which goes.
    fn turn(&mut self) -> io::Result<()> {
        self.file.sync_all()?;
        // The new one first: where it cannot be had, nothing is moved, again and again.
        let next = self.path.with_extension("next");
        let mut file = open(&next)?;
        let old = |n: u32| self.path.with_file_name(format!("{}.{n}.jsonl", self.kept.name()));
        for n in (1..self.bounds.files_max).rev() {
            match fs::rename(old(n), old(n + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        match fs::rename(&self.path, old(1)) {
            // Somebody took it away.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // A command may have made one meanwhile, with its line.
        if renameat2(AT_FDCWD, &next, AT_FDCWD, &self.path, RenameFlags::RENAME_NOREPLACE).is_err() {
            file = open(&self.path)?;
            fs::remove_file(next)?;
        }
        (self.file, self.size_bytes) = (file, 0);
        Ok(())
    }
}

fn file(dir: &Path, kept: Kept) -> PathBuf {
    dir.join(format!("{}.jsonl", kept.name()))
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

    #[test]
    fn lines_of_jobs_alone_wait_for_more_and_only_where_there_is_room() {
        let of = |kept, count| vec![(kept, Vec::new()); count];
        assert!(may_wait(&of(Kept::Jobs, GROUP_MAX - 1)));
        assert!(!may_wait(&of(Kept::Jobs, GROUP_MAX)));
        assert!(!may_wait(&[of(Kept::Jobs, 3), of(Kept::Access, 1)].concat()));
    }

    #[tokio::test]
    async fn a_line_of_access_waits_for_none_that_gather() {
        let (dir, for_long) = (tempfile::tempdir().unwrap(), Duration::from_secs(120));
        let bounds = AuditBounds { file_bytes_max: 1 << 20, files_max: 1 };
        let (gathers, gathering) = std::sync::mpsc::channel();
        let park = move |pause| {
            gathers.send(()).unwrap();
            thread::park_timeout(pause);
        };
        let audit = Audit::start_gathering(dir.path(), bounds, Arc::default(), (for_long, park)).unwrap();
        audit.note(&Deed { kept: Kept::Jobs, what: "POST /v1/jobs".into(), ..Deed::default() }).await;
        // From here on the thread looks at no line before it is woken.
        gathering.recv_timeout(Duration::from_secs(60)).unwrap();
        audit.note(&Deed { what: "POST /v1/keys".into(), ..Deed::default() }).await;
        let begun = Instant::now();
        while lines(&file(dir.path(), Kept::Access)).is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(60), "it waits with those of jobs");
            thread::yield_now();
        }
        audit.close();
        assert_eq!(lines(&file(dir.path(), Kept::Jobs)).len(), 1, "what had gathered is written with it");
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
        let lines = lines(&file(dir.path(), Kept::Access));
        assert_eq!((&lines[0]["what"], &lines[1]["what"]), (&"POST /v1/jobs".into(), &"keys create".into()));
        assert_eq!(lines[0]["target"].as_str().unwrap().len(), TARGET_CHARS_MAX);
        assert!(lines[0]["time"].as_str().unwrap().ends_with('Z') && lines[0].get("key").is_none());
    }

    #[test]
    fn full_files_are_turned_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let bounds = AuditBounds { file_bytes_max: 10, files_max: 2 };
        let mut book = Book::open(dir.path(), Kept::Access, bounds).unwrap();
        for n in 0..5 {
            book.write(format!("line number {n}\n").as_bytes()).unwrap();
        }
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!((read("audit.jsonl"), read("audit.1.jsonl")), ("line number 4\n".into(), "line number 3\n".into()));
        assert_eq!(read("audit.2.jsonl"), "line number 2\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }

    #[tokio::test]
    async fn neither_jobs_nor_refusals_wash_away_what_operators_did() {
        let (dir, metrics) = (tempfile::tempdir().unwrap(), Arc::<Metrics>::default());
        append(dir.path(), &Deed { what: "keys create".into(), ..Deed::default() }).unwrap();
        let bounds = AuditBounds { file_bytes_max: 200_000, files_max: 1 };
        let audit = Audit::start(dir.path(), bounds, Arc::clone(&metrics)).unwrap();
        let (job, refusal) =
            (Deed { kept: Kept::Jobs, ..Deed::default() }, Deed { outcome: "403".into(), ..Deed::default() });
        for _ in 0..20_000 {
            audit.note(&job).await;
            audit.note_refusal(&refusal).await;
        }
        audit.close();
        let kept = lines(&file(dir.path(), Kept::Access));
        assert!(kept.iter().any(|line| line["what"] == "keys create"));
        let refusals = kept.iter().filter(|line| line["outcome"] == "403").count() as u64;
        assert!(refusals >= u64::from(REFUSALS_MAX), "{refusals}");
        assert_eq!(refusals + metrics.audit_refusals_unwritten.value(), 20_000);
        assert!(!lines(&file(dir.path(), Kept::Jobs)).is_empty());
    }

    #[test]
    fn what_a_full_disk_takes_half_of_leaves_no_half_line() {
        let dir = tempfile::tempdir().unwrap();
        let bounds = AuditBounds { file_bytes_max: 1 << 20, files_max: 1 };
        let mut book = Book::open(dir.path(), Kept::Access, bounds).unwrap();
        book.write(b"a line\n").unwrap();
        // A directory where the old file would go: turning fails, the line is kept all the same.
        fs::create_dir(dir.path().join("audit.1.jsonl")).unwrap();
        book.bounds.file_bytes_max = 1;
        book.write(b"another\n").unwrap();
        assert_eq!(fs::read_to_string(&book.path).unwrap(), "a line\nanother\n");
    }
}
