//! Files that only their owner may read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Makes a directory, and those above it, that only its owner may enter; one that is there stays as it is.
///
/// # Errors
/// When it cannot be made.
pub fn dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a new file; one of that name is never touched.
///
/// # Errors
/// `AlreadyExists`, or when it cannot be written.
pub fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    write(OpenOptions::new().write(true).create_new(true).mode(0o600), path, content)?;
    sync_dir(path)
}

/// Writes a file beside and puts it in place, so that a reader sees the old one or the new one.
///
/// # Errors
/// When it cannot be written.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    // One that a crash left may have had another mode.
    match fs::remove_file(beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    write(OpenOptions::new().write(true).create_new(true).mode(0o600), beside, content)?;
    fs::rename(beside, path)?;
    sync_dir(path)
}

/// Adds to a file.
///
/// # Errors
/// When it cannot be written.
pub fn append(path: &Path, content: &[u8]) -> io::Result<()> {
    write(OpenOptions::new().append(true).create(true).mode(0o600), path, content)?;
    sync_dir(path)
}

fn write(options: &OpenOptions, path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn sync_dir(path: &Path) -> io::Result<()> {
    match path.parent().filter(|parent| *parent != Path::new("")) {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_is_read_by_its_owner_alone_and_never_overwritten_unasked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        create(&path, b"one").unwrap();
        assert_eq!(create(&path, b"two").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        // What a crash left beside it is in nobody's way.
        fs::write(dir.path().join("key.new"), "half").unwrap();
        replace(&path, b"three").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read(&path).unwrap(), b"three");
    }
}
