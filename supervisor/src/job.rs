//! What the supervisor holds of one job: its files, its input, and what a compile step left.
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
use enclos_protocol::supervisor_link::{INPUT_BYTES_MAX, StdinSource, Workspace};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::{Mode, fchmod};

use crate::archive::{ArchiveError, WriterState};

/// Room for the records' heads above the bytes of the files themselves.
const ARCHIVE_BYTES_MAX: usize = INPUT_BYTES_MAX + 1024 * 1024;

/// The agent sent what does not fit.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The files.
    #[error("the job's files: {0}")]
    Files(#[from] ArchiveError),
    /// Standard input is larger than a job may bring.
    #[error("standard input above {INPUT_BYTES_MAX} bytes")]
    StdinTooLarge,
    /// `Data` with nothing begun.
    #[error("data that belongs to nothing")]
    Unexpected,
    /// A file in memory.
    #[error("memory for the job: {0}")]
    Memory(#[from] io::Error),
}

enum Receiving {
    Nothing,
    File,
    Stdin,
}

/// One job.
pub struct Job {
    files: File,
    files_state: Option<WriterState>,
    stdin: File,
    stdin_bytes: usize,
    kept: Option<File>,
    receiving: Receiving,
    /// Cores that its cells are pinned to.
    pub cpus: Option<String>,
}

impl Job {
    /// A job that has brought nothing yet.
    pub fn new(cpus: Option<String>) -> Result<Self, JobError> {
        Ok(Self {
            files: memory_file("files")?,
            files_state: Some(WriterState::new(ARCHIVE_BYTES_MAX)),
            stdin: memory_file("stdin")?,
            stdin_bytes: 0,
            kept: None,
            receiving: Receiving::Nothing,
            cpus,
        })
    }

    /// Begins a file.
    pub fn begin_file(&mut self, path: &JobPath) -> Result<(), JobError> {
        self.receiving = Receiving::File;
        self.write(|w| w.begin(Path::new(path.as_str()), false))
    }

    /// Begins standard input.
    pub fn begin_stdin(&mut self) {
        self.receiving = Receiving::Stdin;
    }

    /// Adds to what was begun.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), JobError> {
        match self.receiving {
            Receiving::Nothing => Err(JobError::Unexpected),
            Receiving::File => self.write(|w| w.add(bytes)),
            Receiving::Stdin => {
                self.stdin_bytes += bytes.len();
                if self.stdin_bytes > INPUT_BYTES_MAX {
                    return Err(JobError::StdinTooLarge);
                }
                self.stdin.write_all(bytes)?;
                Ok(())
            }
        }
    }

    /// All has come, and what a step left will not change.
    pub fn seal(&mut self) -> Result<(), JobError> {
        self.receiving = Receiving::Nothing;
        self.write(|w| w.finish())?;
        seal_for_good(&self.files)?;
        seal_for_good(&self.stdin)?;
        self.kept.as_ref().map_or(Ok(()), seal_for_good)?;
        Ok(())
    }

    fn write(
        &mut self,
        action: impl FnOnce(&mut crate::archive::Writer<'_>) -> Result<(), ArchiveError>,
    ) -> Result<(), JobError> {
        let state = self.files_state.take().ok_or(JobError::Unexpected)?;
        let mut writer = state.resume(&self.files);
        action(&mut writer)?;
        self.files_state = Some(writer.state());
        Ok(())
    }

    /// The archive with which a step begins.
    pub fn workspace(&self, which: Workspace) -> io::Result<Option<File>> {
        match which {
            Workspace::Inputs => self.files.try_clone().map(Some),
            Workspace::Kept => self.kept.as_ref().map(File::try_clone).transpose(),
        }
    }

    /// Standard input of a step: a file that only reads, from its start.
    pub fn open_stdin(&self, source: StdinSource) -> io::Result<OwnedFd> {
        match source {
            StdinSource::Empty => File::open("/dev/null").map(OwnedFd::from),
            StdinSource::Staged => {
                // A program that opens /dev/stdin opens this file anew, as another user.
                fchmod(&self.stdin, Mode::from_bits_truncate(0o444))?;
                File::open(format!("/proc/self/fd/{}", self.stdin.as_raw_fd())).map(OwnedFd::from)
            }
        }
    }

    /// A new place for what a step leaves; later steps find it as `Kept`.
    pub fn keep(&mut self) -> io::Result<File> {
        let kept = memory_file("kept")?;
        let shared = kept.try_clone()?;
        self.kept = Some(kept);
        Ok(shared)
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
        job.begin_stdin();
        job.add(b"input").unwrap();
        job
    }

    #[test]
    fn what_a_step_was_given_can_be_changed_by_nobody() {
        let mut job = job();
        job.keep().unwrap().write_all(b"compiled").unwrap();
        job.seal().unwrap();
        for file in [&job.files, &job.stdin, job.kept.as_ref().unwrap()] {
            let mut written = file.try_clone().unwrap();
            assert_eq!(written.write(b"x").unwrap_err().raw_os_error(), Some(libc::EPERM));
            assert_eq!(file.set_len(0).unwrap_err().raw_os_error(), Some(libc::EPERM));
        }
        job.seal().unwrap();
    }

    #[test]
    fn only_standard_input_may_be_opened_by_another_user() {
        let mut job = job();
        job.keep().unwrap();
        job.seal().unwrap();
        let mut stdin = File::from(job.open_stdin(StdinSource::Staged).unwrap());
        let mode = |file: &File| file.metadata().unwrap().mode() & 0o777;
        assert_eq!((mode(&job.files), mode(&job.stdin), mode(job.kept.as_ref().unwrap())), (0o600, 0o444, 0o600));
        let mut text = String::new();
        stdin.read_to_string(&mut text).unwrap();
        assert_eq!(text, "input");
    }
}
