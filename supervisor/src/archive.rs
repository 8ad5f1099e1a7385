//! A tree of regular files as one stream of bytes: what a job brings, and what its steps leave.
//!
//! The format is `enclos_protocol::archive`'s. Reading back goes into a directory
//! that holds nothing but what was read back before, through descriptors and
//! `O_EXCL | O_NOFOLLOW`, so that even a hostile archive stays inside.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use enclos_protocol::archive::{HEAD_BYTES, Head, SIZE_AT};
use enclos_protocol::glob::Glob;
use enclos_protocol::job::JobPath;
use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat, fstat, fstatat, mkdirat};

/// Deepest directory, in components.
const DEPTH_MAX: usize = 32;
/// Most files.
const FILES_MAX: usize = 8192;
/// Longest path, in bytes.
const PATH_BYTES_MAX: usize = 4096;

/// Why a tree does not go into an archive, or out of it.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The files are larger than what may be held.
    #[error("more than {0} bytes")]
    TooLarge(usize),
    /// There are more files than may be held.
    #[error("more than {FILES_MAX} files")]
    TooMany,
    /// Directories are nested too deeply, or a path is too long.
    #[error("directories nested deeper than {DEPTH_MAX}, or a path above {PATH_BYTES_MAX} bytes")]
    TooDeep,
    /// The bytes are not an archive.
    #[error("not an archive")]
    Malformed,
    /// A file cannot be read or made.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The archive itself cannot be read or written.
    #[error("the archive cannot be read or written: {0}")]
    Stream(#[from] io::Error),
}

impl ArchiveError {
    /// The memory that the files may use is too small for them.
    pub fn is_out_of_space(&self) -> bool {
        matches!(self, Self::File { source, .. } if matches!(source.raw_os_error(), Some(libc::ENOSPC | libc::ENOMEM)))
    }
}

fn file_error(path: &Path) -> impl FnOnce(nix::Error) -> ArchiveError {
    let path = path.to_owned();
    move |errno| ArchiveError::File { path, source: errno.into() }
}

/// Writes records into a file.
pub struct Writer<'a> {
    file: &'a File,
    bytes_max: usize,
    bytes: usize,
    files: usize,
    /// Where the size of the open record stands, and what it is so far.
    open: Option<(u64, u64)>,
}

impl<'a> Writer<'a> {
    /// An archive of at most `bytes_max` in the empty `file`.
    pub fn new(file: &'a File, bytes_max: usize) -> Self {
        Self { file, bytes_max, bytes: 0, files: 0, open: None }
    }

    /// Continues the archive that `self` was, on another borrow of the same file.
    pub fn state(self) -> WriterState {
        WriterState { bytes_max: self.bytes_max, bytes: self.bytes, files: self.files, open: self.open }
    }

    /// Begins a file.
    pub fn begin(&mut self, path: &Path, executable: bool) -> Result<(), ArchiveError> {
        self.finish()?;
        self.files += 1;
        if self.files > FILES_MAX {
            return Err(ArchiveError::TooMany);
        }
        let name = path.as_os_str().as_bytes();
        let length = u16::try_from(name.len()).ok().filter(|_| name.len() <= PATH_BYTES_MAX);
        let length = length.ok_or(ArchiveError::TooDeep)?;
        self.count(HEAD_BYTES + name.len())?;
        let head = Head { path_bytes: length, executable, size: 0 };
        let size_at = self.file.stream_position()? + SIZE_AT as u64;
        self.file.write_all(&[&head.encode(), name].concat())?;
        self.open = Some((size_at, 0));
        Ok(())
    }

    /// Adds bytes to the file that was begun.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.count(bytes.len())?;
        let (_, size) = self.open.as_mut().ok_or(ArchiveError::Malformed)?;
        *size += bytes.len() as u64;
        self.file.write_all(bytes)?;
        Ok(())
    }

    /// Ends the file that was begun, if one was.
    pub fn finish(&mut self) -> Result<(), ArchiveError> {
        let Some((size_at, size)) = self.open.take() else { return Ok(()) };
        let end = self.file.stream_position()?;
        self.file.seek(SeekFrom::Start(size_at))?;
        self.file.write_all(&size.to_be_bytes())?;
        self.file.seek(SeekFrom::Start(end))?;
        Ok(())
    }

    /// Adds every regular file below `directory`; links, devices, sockets and pipes are left out.
    ///
    /// Nothing may change the tree meanwhile: every process that could is dead.
    pub fn add_tree(&mut self, directory: OwnedFd) -> Result<(), ArchiveError> {
        walk(directory, |directory, name, path| self.add_file(directory, name, path))?;
        self.finish()
    }

    /// Adds the regular files below `directory` that any of `globs` means, as long as they are not
    /// more than `files_max`; `false`: there were more, or larger ones, than may be held.
    ///
    /// Nothing may change the tree meanwhile: every process that could is dead.
    pub fn add_matching(&mut self, directory: OwnedFd, globs: &[Glob], files_max: usize) -> Result<bool, ArchiveError> {
        let mut all = true;
        walk(directory, |directory, name, path| {
            if !globs.iter().any(|glob| glob.matches(path.as_os_str().as_bytes())) {
                return Ok(());
            }
            let size = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(file_error(path))?.st_size;
            let room = self.bytes_max.saturating_sub(self.bytes + HEAD_BYTES + path.as_os_str().len());
            if self.files < files_max && usize::try_from(size).is_ok_and(|size| size <= room) {
                self.add_file(directory, name, path)
            } else {
                all = false;
                Ok(())
            }
        })?;
        self.finish()?;
        Ok(all)
    }

    fn add_file(&mut self, directory: BorrowedFd<'_>, name: &CStr, path: &Path) -> Result<(), ArchiveError> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let fd = open_readable(directory, name, flags, Mode::S_IRUSR).map_err(file_error(path))?;
        let mode = Mode::from_bits_truncate(fstat(&fd).map_err(file_error(path))?.st_mode);
        self.begin(path, mode.contains(Mode::S_IXUSR))?;
        let mut file = File::from(fd);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => self.add(&buffer[..n])?,
                Err(source) => return Err(ArchiveError::File { path: path.to_owned(), source }),
            }
        }
    }

    fn count(&mut self, bytes: usize) -> Result<(), ArchiveError> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.bytes_max { Err(ArchiveError::TooLarge(self.bytes_max)) } else { Ok(()) }
    }
}

/// Opens what its owner made unreadable all the same, given that owner's identity: the first process
/// of a plain cell has no capability that would do it.
fn open_readable(directory: BorrowedFd<'_>, name: &CStr, flags: OFlag, missing: Mode) -> nix::Result<OwnedFd> {
    let opened = openat(directory, name, flags, Mode::empty());
    if !matches!(opened, Err(Errno::EACCES)) {
        return opened;
    }
    // The name is no link, for nothing may change the tree meanwhile.
    let mode = Mode::from_bits_truncate(fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW)?.st_mode);
    fchmodat(directory, name, mode | missing, FchmodatFlags::FollowSymlink)?;
    openat(directory, name, flags, Mode::empty())
}

type Found<'a> = dyn FnMut(BorrowedFd<'_>, &CStr, &Path) -> Result<(), ArchiveError> + 'a;

/// Calls `found` for every regular file below `directory`, with the directory that it stands in.
fn walk(
    directory: OwnedFd,
    mut found: impl FnMut(BorrowedFd<'_>, &CStr, &Path) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    walk_below(&directory, Path::new(""), DEPTH_MAX, &mut found)
}

/// Down before on: only the directories above the one that is read are open, so their number is bounded.
fn walk_below(fd: &OwnedFd, path: &Path, depth_left: usize, found: &mut Found<'_>) -> Result<(), ArchiveError> {
    let mut listing = Dir::from_fd(fd.try_clone()?).map_err(file_error(path))?;
    for entry in listing.iter() {
        let entry = entry.map_err(file_error(path))?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        let child = path.join(std::ffi::OsStr::from_bytes(name));
        match entry.file_type() {
            Some(Type::Directory) => {
                let depth_left = depth_left.checked_sub(1).ok_or(ArchiveError::TooDeep)?;
                let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                let below = open_readable(fd.as_fd(), entry.file_name(), flags, Mode::S_IRUSR | Mode::S_IXUSR);
                walk_below(&below.map_err(file_error(&child))?, &child, depth_left, found)?;
            }
            Some(Type::File) => found(fd.as_fd(), entry.file_name(), &child)?,
            _ => {}
        }
    }
    Ok(())
}

/// A [`Writer`] without its file, for who keeps both.
#[derive(Debug)]
pub struct WriterState {
    bytes_max: usize,
    bytes: usize,
    files: usize,
    open: Option<(u64, u64)>,
}

impl WriterState {
    /// Of an empty archive.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, files: 0, open: None }
    }

    /// The writer again.
    pub fn resume(self, file: &File) -> Writer<'_> {
        Writer { file, bytes_max: self.bytes_max, bytes: self.bytes, files: self.files, open: self.open }
    }
}

/// Makes the files of `archive` below `directory`; none of them may be there already.
pub fn extract(archive: &mut impl Read, directory: impl AsFd) -> Result<(), ArchiveError> {
    let mut head = [0; HEAD_BYTES];
    loop {
        match archive.read(&mut head[..1])? {
            0 => return Ok(()),
            _ => archive.read_exact(&mut head[1..])?,
        }
        let Head { path_bytes, executable, size } = Head::decode(head);
        let mut name = vec![0; usize::from(path_bytes)];
        archive.read_exact(&mut name)?;
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(&name));
        let mut file = make(directory.as_fd(), &path, executable)?;
        let copied = io::copy(&mut archive.by_ref().take(size), &mut file);
        let copied = copied.map_err(|source| ArchiveError::File { path: path.clone(), source })?;
        if copied != size {
            return Err(ArchiveError::Malformed);
        }
    }
}

/// Makes an empty directory below `root`, where it is not there already.
pub fn make_directory(root: impl AsFd, path: &JobPath) -> Result<(), ArchiveError> {
    let names: Vec<&[u8]> = path.as_str().as_bytes().split(|b| *b == b'/').collect();
    make_parents(root.as_fd(), &names, Path::new(path.as_str())).map(drop)
}

fn make(root: impl AsFd, path: &Path, executable: bool) -> Result<File, ArchiveError> {
    let names: Vec<&[u8]> = path.as_os_str().as_bytes().split(|b| *b == b'/').collect();
    if names.iter().any(|n| matches!(*n, b"" | b"." | b"..")) {
        return Err(ArchiveError::Malformed);
    }
    let (name, parents) = names.split_last().ok_or(ArchiveError::Malformed)?;
    let directory = make_parents(root.as_fd(), parents, path)?;
    let at = directory.as_ref().map_or(root.as_fd(), AsFd::as_fd);
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mode = Mode::from_bits_truncate(if executable { 0o755 } else { 0o644 });
    openat(at, *name, flags, mode).map(File::from).map_err(file_error(path))
}

/// Makes the directories that are missing, each in the one before; the last of them, if there is any.
fn make_parents(root: BorrowedFd<'_>, names: &[&[u8]], path: &Path) -> Result<Option<OwnedFd>, ArchiveError> {
    let mut directory: Option<OwnedFd> = None;
    for name in names {
        let at = directory.as_ref().map_or(root, AsFd::as_fd);
        match mkdirat(at, *name, Mode::from_bits_truncate(0o755)) {
            Ok(()) | Err(nix::Error::EEXIST) => {}
            Err(errno) => return Err(file_error(path)(errno)),
        }
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        directory = Some(openat(at, *name, flags, Mode::empty()).map_err(file_error(path))?);
    }
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn opened(path: &Path) -> OwnedFd {
        File::open(path).unwrap().into()
    }

    fn packed(directory: &Path, bytes_max: usize) -> Result<File, ArchiveError> {
        let file = tempfile::tempfile().unwrap();
        Writer::new(&file, bytes_max).add_tree(opened(directory))?;
        (&file).rewind().unwrap();
        Ok(file)
    }

    #[test]
    fn regular_files_come_back_with_their_bytes_and_nothing_else_does() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(from.path().join("a/b")).unwrap();
        fs::write(from.path().join("a/b/x"), b"one").unwrap();
        fs::write(from.path().join("main"), b"two").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", from.path().join("link")).unwrap();
        nix::unistd::mkfifo(&from.path().join("pipe"), Mode::S_IRWXU).unwrap();
        let mut permissions = fs::metadata(from.path().join("main")).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o700);
        fs::set_permissions(from.path().join("main"), permissions).unwrap();

        extract(&mut packed(from.path(), 1 << 20).unwrap(), opened(to.path())).unwrap();
        assert_eq!(fs::read(to.path().join("a/b/x")).unwrap(), b"one");
        assert_eq!(fs::read(to.path().join("main")).unwrap(), b"two");
        assert!(!to.path().join("link").exists() && !to.path().join("pipe").exists());
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(to.path().join("main")).unwrap().permissions());
        assert_eq!(mode & 0o100, 0o100);
    }

    #[test]
    fn directories_take_no_descriptors_before_their_turn() {
        // More than a process may usually hold open.
        const SIBLINGS: usize = 1500;
        let from = tempfile::tempdir().unwrap();
        for number in 0..SIBLINGS {
            fs::create_dir(from.path().join(number.to_string())).unwrap();
            fs::write(from.path().join(format!("{number}/x")), b"").unwrap();
        }
        let (mut files, mut open_max) = (0, 0);
        walk(opened(from.path()), |_, _, _| {
            files += 1;
            open_max = open_max.max(fs::read_dir("/proc/self/fd")?.count());
            Ok(())
        })
        .unwrap();
        assert_eq!(files, SIBLINGS);
        assert!(open_max < SIBLINGS / 2, "{open_max}");
    }

    #[test]
    fn a_tree_above_the_limit_is_refused() {
        let from = tempfile::tempdir().unwrap();
        fs::write(from.path().join("x"), vec![0; 2000]).unwrap();
        assert!(matches!(packed(from.path(), 1000), Err(ArchiveError::TooLarge(1000))));
    }

    #[test]
    fn a_path_that_leaves_the_directory_is_refused() {
        for bad in ["../x", "/x", "a/../../x", ".", "a//b", ""] {
            let (file, to) = (tempfile::tempfile().unwrap(), tempfile::tempdir().unwrap());
            let mut writer = Writer::new(&file, 1 << 20);
            writer.begin(Path::new(bad), false).unwrap();
            writer.finish().unwrap();
            (&file).rewind().unwrap();
            assert!(extract(&mut &file, opened(to.path())).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_does_not_replace_another() {
        let (file, to) = (tempfile::tempfile().unwrap(), tempfile::tempdir().unwrap());
        let mut writer = Writer::new(&file, 1 << 20);
        writer.begin(Path::new("x"), false).unwrap();
        writer.begin(Path::new("x"), false).unwrap();
        writer.finish().unwrap();
        (&file).rewind().unwrap();
        assert!(extract(&mut &file, opened(to.path())).is_err());
    }

    #[test]
    fn only_matching_regular_files_within_the_bounds_are_taken() {
        let from = tempfile::tempdir().unwrap();
        fs::create_dir_all(from.path().join("d")).unwrap();
        fs::write(from.path().join("a.txt"), b"one").unwrap();
        fs::write(from.path().join("d/b.txt"), b"two").unwrap();
        fs::write(from.path().join("c.bin"), b"three").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", from.path().join("link.txt")).unwrap();
        nix::unistd::mkfifo(&from.path().join("pipe.txt"), Mode::S_IRWXU).unwrap();
        File::create(from.path().join("sparse.txt")).unwrap().set_len(1 << 40).unwrap();
        let globs = [Glob::try_from("**/*.txt".to_owned()).unwrap()];
        let taken = |files_max: usize| {
            let file = tempfile::tempfile().unwrap();
            let all = Writer::new(&file, 1 << 20).add_matching(opened(from.path()), &globs, files_max).unwrap();
            let mut bytes = Vec::new();
            (&file).rewind().unwrap();
            (&file).read_to_end(&mut bytes).unwrap();
            let records = enclos_protocol::archive::records(&bytes).unwrap();
            let mut contents: Vec<Vec<u8>> = records.iter().map(|r| [r.path, b"=", r.content].concat()).collect();
            contents.sort();
            (all, contents)
        };
        assert_eq!(
            taken(9),
            (false, vec![b"a.txt=one".to_vec(), b"d/b.txt=two".to_vec()]),
            "the sparse file is too large"
        );
        assert_eq!(taken(1).1.len(), 1);
        fs::remove_file(from.path().join("sparse.txt")).unwrap();
        assert!(taken(2).0);
        assert!(!taken(1).0);
    }

    proptest! {
        #[test]
        fn hostile_archives_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let to = tempfile::tempdir().unwrap();
            let _ = extract(&mut bytes.as_slice(), opened(to.path()));
        }
    }
}
