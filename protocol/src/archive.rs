//! A tree of regular files as one stream of bytes, as supervisor and agent exchange it.
//!
//! A record is `path length (u16) · mode (u8: 1 executable) · size (u64) · path ·
//! bytes`, big-endian, one after the other until the end. Directories are made
//! as paths need them; nothing else exists in it: no links, devices, owners or
//! times. Paths may be any bytes: whoever reads one checks it.

use crate::job::JobFile;

const SIZE_BYTES: usize = 8;
/// Bytes of a [`Head`].
pub const HEAD_BYTES: usize = 2 + 1 + SIZE_BYTES;
/// Where the size stands in a head.
pub const SIZE_AT: usize = HEAD_BYTES - SIZE_BYTES;

/// What stands before the path and the bytes of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// Bytes of the path.
    pub path_bytes: u16,
    /// Its owner may execute the file.
    pub executable: bool,
    /// Bytes of the file.
    pub size: u64,
}

impl Head {
    /// As bytes.
    #[must_use]
    pub fn encode(self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        bytes[..2].copy_from_slice(&self.path_bytes.to_be_bytes());
        bytes[2] = u8::from(self.executable);
        bytes[SIZE_AT..].copy_from_slice(&self.size.to_be_bytes());
        bytes
    }

    /// From bytes.
    #[must_use]
    pub fn decode(bytes: [u8; HEAD_BYTES]) -> Self {
        let [length_high, length_low, mode, size @ ..] = bytes;
        Self {
            path_bytes: u16::from_be_bytes([length_high, length_low]),
            executable: mode == 1,
            size: u64::from_be_bytes(size),
        }
    }
}

/// One file of an archive in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    /// Where it stands; unchecked.
    pub path: &'a [u8],
    /// Its owner may execute it.
    pub executable: bool,
    /// Its bytes.
    pub content: &'a [u8],
}

/// The bytes are no archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an archive")]
pub struct NotAnArchive;

/// The files of `archive`, in order.
///
/// # Errors
/// [`NotAnArchive`] where it breaks off.
pub fn records(archive: &[u8]) -> Result<Vec<Record<'_>>, NotAnArchive> {
    let mut found = Vec::new();
    let mut rest = archive;
    while !rest.is_empty() {
        let (head, after) = rest.split_first_chunk::<HEAD_BYTES>().ok_or(NotAnArchive)?;
        let Head { path_bytes, executable, size } = Head::decode(*head);
        let (path, after) = after.split_at_checked(usize::from(path_bytes)).ok_or(NotAnArchive)?;
        let size = usize::try_from(size).map_err(|_| NotAnArchive)?;
        let (content, after) = after.split_at_checked(size).ok_or(NotAnArchive)?;
        found.push(Record { path, executable, content });
        rest = after;
    }
    Ok(found)
}

/// An archive of `files`.
#[must_use]
pub fn pack(files: &[JobFile]) -> Vec<u8> {
    let mut archive = Vec::new();
    for JobFile { path, content } in files {
        let path = path.as_str().as_bytes();
        // A job's path is far shorter than that.
        let path_bytes = u16::try_from(path.len()).unwrap_or(u16::MAX);
        archive.extend(Head { path_bytes, executable: false, size: content.len() as u64 }.encode());
        archive.extend_from_slice(path);
        archive.extend_from_slice(content);
    }
    archive
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::job::JobPath;

    fn file(path: &str, content: &[u8]) -> JobFile {
        JobFile { path: JobPath::try_from(path.to_owned()).unwrap(), content: content.to_vec().into() }
    }

    #[test]
    fn files_come_back_as_they_were_packed() {
        let archive = pack(&[file("a/b", b"one"), file("c", b"")]);
        let record = |path, content| Record { path, executable: false, content };
        assert_eq!(records(&archive).unwrap(), [record(b"a/b", b"one".as_slice()), record(b"c", b"")]);
        assert_eq!(records(&archive[..archive.len() - 1]), Err(NotAnArchive));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = records(&bytes);
        }

        #[test]
        fn a_head_survives_its_bytes(path_bytes: u16, executable: bool, size: u64) {
            let head = Head { path_bytes, executable, size };
            prop_assert_eq!(Head::decode(head.encode()), head);
        }
    }
}
