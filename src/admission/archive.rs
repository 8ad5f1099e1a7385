//! An uploaded archive: a tar whose regular files join the files of a job.
//!
//! ```text
//! block: header ─ checksum ─ kind ─┬─ long name, extended header ─▶ for the next member
//!                                  ├─ directory ─▶ looked at, and left out
//!                                  ├─ file ─▶ within every bound? ─▶ its bytes
//!                                  └─ anything else ─▶ Refusal
//! ```
//!
//! Headers are read by the `tar` crate; the walk is ours, as its own reads long
//! names of any size, passes over what follows the end, and knows members that
//! a job must not have. Nothing is unpacked to a disk. Bytes and members are
//! counted while they come, so that no header makes more memory than it may.

use std::collections::BTreeSet;
use std::io::{self, Read};

use enclos_protocol::job::{JobFile, JobPath, PATH_BYTES_MAX};
use enclos_protocol::supervisor_link::INPUT_BYTES_MAX;
use tar::{EntryType, Header};

use super::refusal::{Refusal, SHOWN_CHARS_MAX};

/// Largest archive, in bytes: what a job may bring, and headers and padding around it.
pub const ARCHIVE_BYTES_MAX: usize = INPUT_BYTES_MAX + 8 * 1024 * 1024;
/// Headers of one archive: those of directories and of long names are among them.
pub const HEADERS_MAX: usize = 4096;
/// Bytes of one extended header.
const EXTENDED_BYTES_MAX: u64 = 16 * 1024;
/// Bytes of a block.
const BLOCK_BYTES: usize = 512;
/// What other kinds of files begin with, for who sends a compressed archive.
const COMPRESSED: [(&[u8], &str); 4] =
    [(b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd")];

/// The regular files of a tar archive, in its order, at most `files_max`.
///
/// # Errors
/// [`Refusal`] at `archive`: 413 `too_large`, or 422 `invalid_archive` with the member's name.
pub fn unpack(archive: impl Read, files_max: usize) -> Result<Vec<JobFile>, Refusal> {
    let mut walk = Walk::of(archive, files_max);
    let mut headers = 0;
    loop {
        let Some(block) = walk.blocks.next()? else {
            return Err(invalid("it ends without the empty blocks that end an archive"));
        };
        if block.iter().all(|byte| *byte == 0) {
            break;
        }
        if headers == 0
            && let Some((_, kind)) = COMPRESSED.iter().find(|(magic, _)| block.starts_with(magic))
        {
            return Err(invalid(format!("it is compressed ({kind}); give the tar archive itself")));
        }
        headers += 1;
        if headers > HEADERS_MAX {
            return Err(invalid(format!("it has more than {HEADERS_MAX} headers")).with("maximum", HEADERS_MAX));
        }
        walk.member(&block)?;
    }
    if walk.next.is_some() {
        return Err(invalid("it ends after a name that no member follows"));
    }
    walk.blocks.only_zeros()?;
    Ok(walk.files)
}

struct Walk<R> {
    blocks: Blocks<R>,
    files_max: usize,
    files: Vec<JobFile>,
    bytes: u64,
    /// Files and directories so far.
    paths: BTreeSet<String>,
    /// What an own header said of the next member.
    next: Option<Named>,
}

/// What stands for the next member's header.
#[derive(Default)]
struct Named {
    path: Option<Vec<u8>>,
    size_bytes: Option<u64>,
}

impl<R: Read> Walk<R> {
    fn of(archive: R, files_max: usize) -> Self {
        let blocks = Blocks { archive, left: ARCHIVE_BYTES_MAX };
        Self { blocks, files_max, files: Vec::new(), bytes: 0, paths: BTreeSet::new(), next: None }
    }

    /// Takes the member whose header this is.
    fn member(&mut self, block: &[u8; BLOCK_BYTES]) -> Result<(), Refusal> {
        let header = Header::from_byte_slice(block);
        let raw = header.path_bytes();
        let summed = block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { *byte });
        if header.cksum().ok() != Some(summed.map(u32::from).sum()) {
            return Err(invalid(format!("the checksum of '{}' is wrong", shown(&raw))));
        }
        let size_bytes = header.entry_size().map_err(|_| invalid(format!("'{}' has no size", shown(&raw))))?;
        match header.entry_type() {
            EntryType::GNULongName => {
                let mut path = self.extended(size_bytes, PATH_BYTES_MAX as u64 + 16)?;
                while path.last() == Some(&0) {
                    path.pop();
                }
                self.say(Named { path: Some(path), size_bytes: None })
            }
            EntryType::XHeader => {
                let records = self.extended(size_bytes, EXTENDED_BYTES_MAX)?;
                let named = extended(&records)?;
                self.say(named)
            }
            EntryType::XGlobalHeader => {
                let records = self.extended(size_bytes, EXTENDED_BYTES_MAX)?;
                match extended(&records)? {
                    Named { path: None, size_bytes: None } => Ok(()),
                    _ => Err(invalid("a global header names members")),
                }
            }
            kind @ (EntryType::Regular | EntryType::Directory) => {
                let named = self.next.take().unwrap_or_default();
                let path = named.path.unwrap_or_else(|| raw.to_vec());
                if named.size_bytes.is_some_and(|said| said != size_bytes) {
                    return Err(invalid(format!("'{}' has two sizes", shown(&path))));
                }
                if kind == EntryType::Directory {
                    self.directory(&path, size_bytes)
                } else {
                    self.file(&path, size_bytes)
                }
            }
            other => {
                let path = self.next.take().and_then(|named| named.path).unwrap_or_else(|| raw.to_vec());
                Err(invalid(format!("'{}' is {}; only files and directories are taken", shown(&path), called(other))))
            }
        }
    }

    fn extended(&mut self, size_bytes: u64, bytes_max: u64) -> Result<Vec<u8>, Refusal> {
        if size_bytes > bytes_max {
            return Err(invalid(format!("a name or extended header has {size_bytes} bytes, more than {bytes_max}")));
        }
        self.blocks.content(size_bytes)
    }

    fn say(&mut self, named: Named) -> Result<(), Refusal> {
        match self.next.replace(named) {
            None => Ok(()),
            // Which of the two counts is where readers differ.
            Some(_) => Err(invalid("two headers speak of one member")),
        }
    }

    fn directory(&mut self, path: &[u8], size_bytes: u64) -> Result<(), Refusal> {
        if size_bytes != 0 {
            return Err(invalid(format!("the directory '{}' has content", shown(path))));
        }
        let inner = path.strip_suffix(b"/").unwrap_or(path);
        if matches!(inner, b"." | b"") && !path.starts_with(b"/") && !path.is_empty() {
            return Ok(());
        }
        self.path(inner, path).map(|_| ())
    }

    fn file(&mut self, path: &[u8], size_bytes: u64) -> Result<(), Refusal> {
        let checked = self.path(path, path)?;
        if self.files.len() >= self.files_max {
            let detail = format!("a job has no room for more than {} of its files", self.files_max);
            return Err(invalid(detail).with("maximum", self.files_max));
        }
        self.bytes = self.bytes.saturating_add(size_bytes);
        if self.bytes > INPUT_BYTES_MAX as u64 {
            let detail = format!("the files of the archive have more than {INPUT_BYTES_MAX} bytes together");
            return Err(too_large(detail, INPUT_BYTES_MAX));
        }
        let content = self.blocks.content(size_bytes)?;
        self.files.push(JobFile { path: checked, content: content.into() });
        Ok(())
    }

    /// A path of a job that no member had before; `name`: as the archive has it. What `tar` writes
    /// for `.` begins with `./`.
    fn path(&mut self, path: &[u8], name: &[u8]) -> Result<JobPath, Refusal> {
        let inner = path.strip_prefix(b"./").unwrap_or(path);
        let text = std::str::from_utf8(inner).map_err(|_| invalid(format!("'{}' is not UTF-8", shown(name))))?;
        let checked = JobPath::try_from(text.to_owned()).map_err(|e| invalid(format!("'{}': {e}", shown(name))))?;
        if !self.paths.insert(text.to_owned()) {
            return Err(invalid(format!("'{}' is there twice", shown(name))));
        }
        Ok(checked)
    }
}

/// An archive, block by block, as far as an archive may go.
struct Blocks<R> {
    archive: R,
    left: usize,
}

impl<R: Read> Blocks<R> {
    /// The next block; `None` where there is nothing at all.
    fn next(&mut self) -> Result<Option<[u8; BLOCK_BYTES]>, Refusal> {
        let mut block = [0; BLOCK_BYTES];
        match self.fill(&mut block)? {
            0 => Ok(None),
            BLOCK_BYTES => Ok(Some(block)),
            _ => Err(invalid("it breaks off")),
        }
    }

    /// So many bytes, and the padding after them. The caller has bounded them.
    fn content(&mut self, size_bytes: u64) -> Result<Vec<u8>, Refusal> {
        let size = usize::try_from(size_bytes).map_err(|_| too_large("a member is too large", ARCHIVE_BYTES_MAX))?;
        // Grown as bytes come: a header may say what it likes.
        let mut content = Vec::new();
        let mut block = [0; BLOCK_BYTES];
        while content.len() < size {
            if self.fill(&mut block)? < BLOCK_BYTES {
                return Err(invalid("it breaks off within a member"));
            }
            content.extend_from_slice(&block[..BLOCK_BYTES.min(size - content.len())]);
        }
        Ok(content)
    }

    /// What is after the end of an archive is padding.
    fn only_zeros(&mut self) -> Result<(), Refusal> {
        let mut block = [0; BLOCK_BYTES];
        loop {
            let filled = self.fill(&mut block)?;
            if block[..filled].iter().any(|byte| *byte != 0) {
                return Err(invalid("something follows its end"));
            }
            if filled < BLOCK_BYTES {
                return Ok(());
            }
        }
    }

    fn fill(&mut self, block: &mut [u8]) -> Result<usize, Refusal> {
        let mut filled = 0;
        while filled < block.len() {
            match self.archive.read(&mut block[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::error!(%error, "an uploaded archive could not be read");
                    return Err(Refusal::new(500, "internal_error", "the archive could not be read").at("archive"));
                }
            }
        }
        self.left = self.left.checked_sub(filled).ok_or_else(|| {
            too_large(format!("the archive has more than {ARCHIVE_BYTES_MAX} bytes"), ARCHIVE_BYTES_MAX)
        })?;
        Ok(filled)
    }
}

/// What the records of an extended header (pax) say: `<length> <key>=<value>\n`, one after the other.
fn extended(mut records: &[u8]) -> Result<Named, Refusal> {
    let malformed = || invalid("an extended header is malformed");
    let mut named = Named::default();
    while !records.is_empty() {
        let space = records.iter().take(8).position(|byte| *byte == b' ').ok_or_else(malformed)?;
        let digits = std::str::from_utf8(&records[..space]).map_err(|_| malformed())?;
        let length = digits.parse::<usize>().map_err(|_| malformed())?;
        let record = records.get(space + 1..length).and_then(|r| r.strip_suffix(b"\n")).ok_or_else(malformed)?;
        records = &records[length..];
        let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(malformed)?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        let text = || std::str::from_utf8(value).map_err(|_| malformed());
        let is_new = match key {
            b"path" => named.path.replace(value.to_vec()).is_none(),
            b"size" => named.size_bytes.replace(text()?.parse().map_err(|_| malformed())?).is_none(),
            // These change what the member is; all others only adorn it.
            key if key.starts_with(b"GNU.sparse.") || key == b"linkpath" => {
                return Err(invalid("a sparse file or a link is in it; only files and directories are taken"));
            }
            _ => true,
        };
        if !is_new {
            return Err(malformed());
        }
    }
    Ok(named)
}

fn called(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Link => "a hard link",
        EntryType::Symlink => "a symbolic link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a named pipe",
        EntryType::GNUSparse => "a sparse file",
        _ => "of another kind",
    }
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().take(SHOWN_CHARS_MAX).collect::<String>().escape_debug().to_string()
}

fn invalid(detail: impl Into<String>) -> Refusal {
    Refusal::new(422, "invalid_archive", detail).at("archive")
}

fn too_large(detail: impl Into<String>, maximum: usize) -> Refusal {
    Refusal::new(413, "too_large", detail).at("archive").with("maximum", maximum)
}
