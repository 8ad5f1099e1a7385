//! What the supervisor holds of one job: its files, its input, and what its steps left.
//!
//! All of it in anonymous memory (memfd_create(2)), outside of every cell and
//! without a name by which a program could reach it. Were one found (gVisor shows
//! more of `/proc` than Linux), it is nobody else's to open, and sealed against
//! every writer, us too, as soon as a step sees it.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use enclos_protocol::job::JobPath;
use enclos_protocol::supervisor_link::{
    HELD_BYTES_MAX, INPUT_BYTES_MAX, KEPT_BYTES_MAX, Keep, StdinSource, Tree, Workspace,
};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::{Mode, fchmod};

use crate::archive::{ArchiveError, Writer, WriterState};

/// Room for the records' heads above the bytes of the files themselves.
const ARCHIVE_BYTES_MAX: usize = INPUT_BYTES_MAX + 1024 * 1024;
/// Input and answer of one case.
const EXTRAS_BYTES_MAX: usize = 2 * INPUT_BYTES_MAX + 1024 * 1024;

/// The agent sent what does not fit.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The files.
    #[error("the job's files: {0}")]
    Files(#[from] ArchiveError),
    /// Standard input is larger than a job may bring.
    #[error("standard input above {INPUT_BYTES_MAX} bytes")]
    StdinTooLarge,
    /// A tree is larger than a step could have left it.
    #[error("a tree above {KEPT_BYTES_MAX} bytes")]
    TreeTooLarge,
    /// There is none to hold, or it is larger than one may be that stays.
    #[error("no tree of at most {HELD_BYTES_MAX} bytes to hold")]
    NotHeld,
    /// `Data` with nothing begun.
    #[error("data that belongs to nothing")]
    Unexpected,
    /// A file in memory.
    #[error("memory for the job: {0}")]
    Memory(#[from] io::Error),
}

/// What `Data` goes into.
enum Receiving {
    Nothing,
    File,
    Extra,
    Stdin { bytes: usize },
    Tree { which: Tree, bytes: usize },
}

/// An archive that grows record by record.
struct Growing {
    file: File,
    state: Option<WriterState>,
}

impl Growing {
    fn new(name: &str, bytes_max: usize) -> io::Result<Self> {
        Ok(Self { file: memory_file(name)?, state: Some(WriterState::new(bytes_max)) })
    }

    fn write(&mut self, action: impl FnOnce(&mut Writer<'_>) -> Result<(), ArchiveError>) -> Result<(), JobError> {
        let state = self.state.take().ok_or(JobError::Unexpected)?;
        let mut writer = state.resume(&self.file);
        action(&mut writer)?;
        self.state = Some(writer.state());
        Ok(())
    }
}

/// A tree, and whether the agent brought it.
struct Held {
    file: File,
    brought: bool,
}

/// One job.
pub struct Job {
    files: Growing,
    extras: Option<Growing>,
    stdin: File,
    kept: Option<Held>,
    judge: Option<Held>,
    given: Option<Held>,
    receiving: Receiving,
    /// Cores that its cells are pinned to.
    pub cpus: Option<String>,
}

impl Job {
    /// A job that has brought nothing yet.
    pub fn new(cpus: Option<String>) -> Result<Self, JobError> {
        Ok(Self {
            files: Growing::new("files", ARCHIVE_BYTES_MAX)?,
            extras: None,
            stdin: memory_file("stdin")?,
            kept: None,
            judge: None,
            given: None,
            receiving: Receiving::Nothing,
            cpus,
        })
    }

    /// Begins a file.
    pub fn begin_file(&mut self, path: &JobPath) -> Result<(), JobError> {
        self.receiving = Receiving::File;
        self.files.write(|w| w.begin(Path::new(path.as_str()), false))
    }

    /// Begins a file for the next step alone.
    pub fn begin_extra(&mut self, path: &JobPath) -> Result<(), JobError> {
        self.receiving = Receiving::Extra;
        let extras = match &mut self.extras {
            Some(extras) => extras,
            none => none.insert(Growing::new("extras", EXTRAS_BYTES_MAX)?),
        };
        extras.write(|w| w.begin(Path::new(path.as_str()), false))
    }

    /// Begins standard input anew: an earlier step may have left its offset anywhere.
    pub fn begin_stdin(&mut self) -> Result<(), JobError> {
        self.stdin = memory_file("stdin")?;
        self.receiving = Receiving::Stdin { bytes: 0 };
        Ok(())
    }

    /// Begins a tree.
    pub fn begin_tree(&mut self, which: Tree) -> Result<(), JobError> {
        let held = Held { file: memory_file("tree")?, brought: true };
        *self.place(which) = Some(held);
        self.receiving = Receiving::Tree { which, bytes: 0 };
        Ok(())
    }

    /// What a compile step left or the agent brought in its place, to outlive the job. Nobody changes it any more.
    pub fn hold_kept(&mut self) -> Result<File, JobError> {
        self.receiving = Receiving::Nothing;
        let kept = self.kept.as_ref().ok_or(JobError::NotHeld)?;
        if kept.file.metadata()?.len() > HELD_BYTES_MAX as u64 {
            return Err(JobError::NotHeld);
        }
        seal_for_good(&kept.file)?;
        Ok(kept.file.try_clone()?)
    }

    /// Takes a tree that was held in place of one that is brought.
    pub fn use_kept(&mut self, file: File) {
        self.receiving = Receiving::Nothing;
        self.kept = Some(Held { file, brought: true });
    }

    /// Adds to what was begun.
    pub fn add(&mut self, more: &[u8]) -> Result<(), JobError> {
        match &mut self.receiving {
            Receiving::Nothing => Err(JobError::Unexpected),
            Receiving::File => self.files.write(|w| w.add(more)),
            Receiving::Extra => self.extras.as_mut().ok_or(JobError::Unexpected)?.write(|w| w.add(more)),
            Receiving::Stdin { bytes } => {
                *bytes += more.len();
                if *bytes > INPUT_BYTES_MAX {
                    return Err(JobError::StdinTooLarge);
                }
                Ok(self.stdin.write_all(more)?)
            }
            Receiving::Tree { which, bytes } => {
                *bytes += more.len();
                if *bytes > KEPT_BYTES_MAX {
                    return Err(JobError::TreeTooLarge);
                }
                let which = *which;
                let held = self.place(which).as_mut().ok_or(JobError::Unexpected)?;
                Ok(held.file.write_all(more)?)
            }
        }
    }

    /// All that the next step needs has come, and what steps left will not change.
    pub fn seal(&mut self) -> Result<(), JobError> {
        self.receiving = Receiving::Nothing;
        self.files.write(|w| w.finish())?;
        let trees = [&self.kept, &self.judge, &self.given].into_iter().flatten().map(|held| &held.file);
        [&self.files.file, &self.stdin].into_iter().chain(trees).try_for_each(seal_for_good)?;
        Ok(())
    }

    /// The archive with which a step begins.
    pub fn workspace(&self, which: Workspace) -> io::Result<Option<File>> {
        let held = match which {
            Workspace::Inputs => return self.files.file.try_clone().map(Some),
            Workspace::Kept => &self.kept,
            Workspace::Judge => &self.judge,
        };
        held.as_ref().map(|held| held.file.try_clone()).transpose()
    }

    /// What was brought for the next step alone; it is gone then.
    pub fn take_extras(&mut self) -> Result<Option<File>, JobError> {
        let Some(mut extras) = self.extras.take() else { return Ok(None) };
        extras.write(|w| w.finish())?;
        seal_for_good(&extras.file)?;
        Ok(Some(extras.file))
    }

    /// Whether the agent brought what would otherwise be what a step left.
    pub fn was_brought(&self) -> bool {
        self.kept.as_ref().is_some_and(|held| held.brought)
    }

    /// Standard input of a step: a file that only reads, from its start.
    pub fn open_stdin(&self, source: StdinSource) -> io::Result<OwnedFd> {
        match source {
            // What is live comes with its cell.
            StdinSource::Empty | StdinSource::Live => File::open("/dev/null").map(OwnedFd::from),
            StdinSource::Staged => {
                // A program that opens /dev/stdin opens this file anew, as another user.
                fchmod(&self.stdin, Mode::from_bits_truncate(0o444))?;
                File::open(format!("/proc/self/fd/{}", self.stdin.as_raw_fd())).map(OwnedFd::from)
            }
        }
    }

    /// A new place for what is to be kept of a step.
    pub fn keep_for(&mut self, what: &Keep) -> io::Result<Option<File>> {
        match what {
            Keep::Workspace => self.keep(Tree::Kept).map(Some),
            Keep::Files(_) => self.keep(Tree::Files).map(Some),
            Keep::Nothing => Ok(None),
        }
    }

    /// A new place for a tree that a step leaves.
    pub fn keep(&mut self, which: Tree) -> io::Result<File> {
        let file = memory_file("kept")?;
        let shared = file.try_clone()?;
        *self.place(which) = Some(Held { file, brought: false });
        Ok(shared)
    }

    /// A tree, for the agent.
    pub fn tree(&self, which: Tree) -> Option<&File> {
        let held = match which {
            Tree::Kept => &self.kept,
            Tree::Judge => &self.judge,
            Tree::Files => &self.given,
        };
        held.as_ref().map(|held| &held.file)
    }

    fn place(&mut self, which: Tree) -> &mut Option<Held> {
        match which {
            Tree::Kept => &mut self.kept,
            Tree::Judge => &mut self.judge,
            Tree::Files => &mut self.given,
        }
    }
}

fn memory_file(name: &str) -> io::Result<File> {
    let file = memfd_create(name, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    // The kernel makes it everyone's.
    fchmod(&file, Mode::from_bits_truncate(0o600))?;
    Ok(File::from(file))
}

/// Lets nobody change `file` any more; once is for ever.
fn seal_for_good(file: &File) -> io::Result<()> {
    if fcntl(file, FcntlArg::F_GET_SEALS)? & SealFlag::F_SEAL_SEAL.bits() == 0 {
        fcntl(file, FcntlArg::F_ADD_SEALS(SealFlag::all()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn job() -> Job {
        let mut job = Job::new(None).unwrap();
        job.begin_file(&JobPath::try_from("main.c".to_owned()).unwrap()).unwrap();
        job.add(b"int main;").unwrap();
        job.begin_stdin().unwrap();
        job.add(b"input").unwrap();
        job
    }

    #[test]
    fn what_a_step_was_given_can_be_changed_by_nobody() {
        let mut job = job();
        job.keep(Tree::Kept).unwrap().write_all(b"compiled").unwrap();
        job.seal().unwrap();
        for file in [&job.files.file, &job.stdin, job.tree(Tree::Kept).unwrap()] {
            let mut written = file.try_clone().unwrap();
            assert_eq!(written.write(b"x").unwrap_err().raw_os_error(), Some(libc::EPERM));
            assert_eq!(file.set_len(0).unwrap_err().raw_os_error(), Some(libc::EPERM));
        }
        job.seal().unwrap();
    }

    #[test]
    fn only_standard_input_may_be_opened_by_another_user() {
        let mut job = job();
        job.keep(Tree::Kept).unwrap();
        job.seal().unwrap();
        let mut stdin = File::from(job.open_stdin(StdinSource::Staged).unwrap());
        let mode = |file: &File| file.metadata().unwrap().mode() & 0o777;
        let kept = job.tree(Tree::Kept).unwrap();
        assert_eq!((mode(&job.files.file), mode(&job.stdin), mode(kept)), (0o600, 0o444, 0o600));
        let mut text = String::new();
        stdin.read_to_string(&mut text).unwrap();
        assert_eq!(text, "input");
    }
}
