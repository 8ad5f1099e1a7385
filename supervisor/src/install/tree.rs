//! What an installer left, file by file. Regular files alone: no link, device, owner or mode goes along.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use enclos_protocol::frame::CHUNK_BYTES_MAX;
use enclos_protocol::install_link::{FromBuilder, INSTALLED_DEPTH_MAX, INSTALLED_PATH_BYTES_MAX, RESULT_DIR};
use nix::dir::{Dir, Type};
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, fstat};
use serde_bytes::ByteBuf;

use super::Fault;

/// Why a tree cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// More than the agent wants.
    #[error("more than {0} files and directories")]
    TooMany(u32),
    /// Directories are nested too deeply, or a path is too long.
    #[error("directories nested deeper than {INSTALLED_DEPTH_MAX}, or a path above {INSTALLED_PATH_BYTES_MAX} bytes")]
    TooDeep,
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn at<E: Into<io::Error>>(path: &Path) -> impl FnOnce(E) -> TreeError {
    let path = path.to_owned();
    move |source| TreeError::File { path, source: source.into() }
}

/// Sends every regular file below the result; nothing may change it meanwhile.
pub fn send(files_max: u32, send: &mut impl FnMut(&FromBuilder) -> Result<(), Fault>) -> Result<(), Fault> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let root = open(RESULT_DIR, flags, Mode::empty()).map_err(at(Path::new(RESULT_DIR)))?;
    send_below(&root, files_max, send)
}

/// Counts first: an engine that was sent half of a tree has worked for nothing.
fn send_below(
    root: &OwnedFd,
    files_max: u32,
    send: &mut impl FnMut(&FromBuilder) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut count = 0;
    let again = || root.try_clone().map_err(at(Path::new(RESULT_DIR)));
    walk(again()?, &mut |_| {
        count += 1;
        if count > files_max { Err(TreeError::TooMany(files_max).into()) } else { Ok(()) }
    })?;
    walk(again()?, &mut |found| match found {
        Found::Directory => Ok(()),
        Found::File(directory, name, path) => send_file(directory, name, path, send),
    })
}

/// What stands in a tree.
enum Found<'a> {
    Directory,
    /// Its directory, its name there, its whole path.
    File(BorrowedFd<'a>, &'a CStr, &'a Path),
}

type Visit<'a> = dyn FnMut(Found<'_>) -> Result<(), Fault> + 'a;

/// Visits every directory and regular file below `root`, all of one directory in one go.
fn walk(root: OwnedFd, visit: &mut Visit<'_>) -> Result<(), Fault> {
    walk_below(&root, Path::new(""), INSTALLED_DEPTH_MAX, visit)
}

/// Down before on: only the directories above the one that is read are open, so their number is bounded.
fn walk_below(fd: &OwnedFd, path: &Path, depth_left: usize, visit: &mut Visit<'_>) -> Result<(), Fault> {
    let mut listing = Dir::from_fd(fd.try_clone().map_err(at(path))?).map_err(at(path))?;
    for entry in listing.iter() {
        let entry = entry.map_err(at(path))?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        let child = path.join(std::ffi::OsStr::from_bytes(name));
        if child.as_os_str().len() > INSTALLED_PATH_BYTES_MAX {
            return Err(TreeError::TooDeep.into());
        }
        match entry.file_type() {
            Some(Type::Directory) => {
                let depth_left = depth_left.checked_sub(1).ok_or(TreeError::TooDeep)?;
                visit(Found::Directory)?;
                let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                let below = openat(fd.as_fd(), entry.file_name(), flags, Mode::empty()).map_err(at(&child))?;
                walk_below(&below, &child, depth_left, visit)?;
            }
            Some(Type::File) => visit(Found::File(fd.as_fd(), entry.file_name(), &child))?,
            _ => {}
        }
    }
    Ok(())
}

fn send_file(
    directory: BorrowedFd<'_>,
    name: &CStr,
    path: &Path,
    send: &mut impl FnMut(&FromBuilder) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let fd = openat(directory, name, flags, Mode::empty()).map_err(at(path))?;
    let stat = fstat(&fd).map_err(at(path))?;
    let mut rest = u64::try_from(stat.st_size).unwrap_or(0);
    send(&FromBuilder::File {
        path: ByteBuf::from(path.as_os_str().as_bytes()),
        executable: Mode::from_bits_truncate(stat.st_mode).contains(Mode::S_IXUSR),
        size_bytes: rest,
        modified_unix_s: u64::try_from(stat.st_mtime).unwrap_or(0),
    })?;
    let mut file = File::from(fd);
    while rest > 0 {
        let mut buffer = vec![0; usize::try_from(rest).unwrap_or(usize::MAX).min(CHUNK_BYTES_MAX)];
        file.read_exact(&mut buffer).map_err(at(path))?;
        rest -= buffer.len() as u64;
        send(&FromBuilder::Content(ByteBuf::from(buffer)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// More than a process may usually hold open.
    const SIBLINGS: u32 = 1500;

    fn sent(directory: &Path, files_max: u32) -> Result<Vec<(String, bool, Vec<u8>)>, Fault> {
        let mut files: Vec<(String, bool, Vec<u8>)> = Vec::new();
        send_below(&File::open(directory).unwrap().into(), files_max, &mut |message| {
            match message {
                FromBuilder::File { path, executable, .. } => {
                    files.push((String::from_utf8(path.to_vec()).unwrap(), *executable, Vec::new()));
                }
                FromBuilder::Content(bytes) => files.last_mut().unwrap().2.extend_from_slice(bytes),
                other => panic!("{other:?}"),
            }
            Ok(())
        })?;
        files.sort();
        Ok(files)
    }

    #[test]
    fn regular_files_are_sent_and_nothing_else_is() {
        let from = tempfile::tempdir().unwrap();
        fs::create_dir_all(from.path().join("a/b")).unwrap();
        fs::write(from.path().join("a/b/x.py"), vec![7; CHUNK_BYTES_MAX + 1]).unwrap();
        fs::write(from.path().join("empty"), b"").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", from.path().join("link")).unwrap();
        std::os::unix::fs::symlink("/", from.path().join("a/root")).unwrap();
        nix::unistd::mkfifo(&from.path().join("pipe"), Mode::S_IRWXU).unwrap();
        let expected =
            [("a/b/x.py".to_owned(), false, vec![7; CHUNK_BYTES_MAX + 1]), ("empty".to_owned(), false, Vec::new())];
        assert_eq!(sent(from.path(), 4).unwrap(), expected);
        assert!(matches!(sent(from.path(), 3), Err(Fault::Tree(TreeError::TooMany(3)))));
    }

    #[test]
    fn directories_take_no_descriptors_before_their_turn_and_are_counted() {
        let from = tempfile::tempdir().unwrap();
        for number in 0..SIBLINGS {
            let directory = from.path().join(number.to_string());
            fs::create_dir(&directory).unwrap();
            fs::write(directory.join("x"), b"").unwrap();
        }
        let (mut files, mut open_max) = (0, 0);
        walk(File::open(from.path()).unwrap().into(), &mut |found| {
            files += u32::from(matches!(found, Found::File(..)));
            open_max = open_max.max(fs::read_dir("/proc/self/fd").unwrap().count());
            Ok(())
        })
        .unwrap();
        assert_eq!(files, SIBLINGS);
        assert!(open_max < SIBLINGS as usize / 2, "{open_max}");
        assert_eq!(sent(from.path(), 2 * SIBLINGS).unwrap().len(), SIBLINGS as usize);
        assert!(matches!(sent(from.path(), 2 * SIBLINGS - 1), Err(Fault::Tree(TreeError::TooMany(_)))));
    }

    #[test]
    fn a_tree_is_sent_directory_by_directory_and_no_deeper_than_it_may_be() {
        let from = tempfile::tempdir().unwrap();
        let deepest = from.path().join("d/".repeat(INSTALLED_DEPTH_MAX));
        fs::create_dir_all(&deepest).unwrap();
        fs::write(deepest.join("x"), b"x").unwrap();
        assert_eq!(sent(from.path(), 100).unwrap().len(), 1);
        fs::create_dir(deepest.join("d")).unwrap();
        assert!(matches!(sent(from.path(), 100), Err(Fault::Tree(TreeError::TooDeep))));
    }
}
