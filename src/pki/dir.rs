//! The files of the authority, and the lock of who changes them.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use enclos_tls::private;
use nix::fcntl::{Flock, FlockArg};

use super::PkiError;

/// The directory of an authority.
#[derive(Debug)]
pub(super) struct Dir(PathBuf);

/// Which state a file is in: it changes whenever the file does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp(Option<(u64, i64, i64, u64)>);

impl Stamp {
    /// Of the file at `path`; one that is not there has a stamp of its own.
    pub(super) fn of(path: &Path) -> Self {
        Self(fs::metadata(path).ok().map(|m| (m.ino(), m.mtime(), m.mtime_nsec(), m.len())))
    }
}

impl Dir {
    pub(super) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The directory, made where it is not there.
    pub(super) fn make(path: &Path) -> Result<Self, PkiError> {
        private::dir(path).map_err(io_error(path))?;
        Ok(Self::at(path))
    }

    /// The directory of an authority that is there.
    pub(super) fn open(path: &Path) -> Result<Self, PkiError> {
        let dir = Self::at(path);
        if dir.authority().exists() { Ok(dir) } else { Err(PkiError::Missing(path.to_owned())) }
    }

    pub(super) fn authority(&self) -> PathBuf {
        self.0.join("ca.crt")
    }

    pub(super) fn authority_key(&self) -> PathBuf {
        self.0.join("ca.key")
    }

    pub(super) fn server(&self) -> PathBuf {
        self.0.join("server.crt")
    }

    pub(super) fn server_key(&self) -> PathBuf {
        self.0.join("server.key")
    }

    pub(super) fn issued(&self) -> PathBuf {
        self.0.join("issued")
    }

    pub(super) fn revoked(&self) -> PathBuf {
        self.0.join("revoked")
    }

    pub(super) fn tokens(&self) -> PathBuf {
        self.0.join("tokens")
    }

    /// Held by who changes anything; the kernel lets go with the process.
    pub(super) fn lock(&self) -> Result<Flock<File>, PkiError> {
        let path = self.0.join("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(io_error(&path))?;
        Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| io_error(&path)(errno.into()))
    }

    pub(super) fn create(&self, path: &Path, content: &[u8]) -> Result<(), PkiError> {
        private::create(path, content).map_err(io_error(path))
    }

    /// Removes a file where it is.
    pub(super) fn remove(&self, path: &Path) -> Result<(), PkiError> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(path)(error)),
            _ => Ok(()),
        }
    }

    pub(super) fn replace(&self, path: &Path, content: &[u8]) -> Result<(), PkiError> {
        private::replace(path, content).map_err(io_error(path))
    }
}

/// An I/O error at `path`.
pub(super) fn io_error(path: &Path) -> impl Fn(io::Error) -> PkiError {
    let path = path.to_owned();
    move |source| PkiError::Io { path: path.clone(), source }
}
