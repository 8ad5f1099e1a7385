//! What an installer left, as the build context of an image: a stream of tar made of our own heads. Pure.
//!
//! Nothing of it touches the agent's disk. Paths are held against what a path below the directory
//! may be, sizes against what was announced, and each entry is a regular file of root's: neither
//! the engine that unpacks it nor a job that reads it finds anything else.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use enclos_protocol::install_link::{INSTALLED_DEPTH_MAX, INSTALLED_PATH_BYTES_MAX};

/// Unit of a tar.
const BLOCK_BYTES: usize = 512;
/// Longest path that a head holds; a longer one stands before it as an entry of its own.
const HEAD_PATH_BYTES_MAX: usize = 100;
/// Folder of the context that is laid over the image.
const ROOT: &str = "root";
/// Mode of what only its owner, root, may change.
const FILE_MODE: u32 = 0o644;
const EXECUTABLE_MODE: u32 = 0o755;

/// Why what comes is no layer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum LayerError {
    #[error("a path that cannot be below its directory: {0}")]
    Path(String),
    #[error("a file is longer or shorter than was announced")]
    Size,
    #[error("more than {0} bytes")]
    TooLarge(u64),
    #[error("more than {0} files and directories")]
    TooMany(u32),
}

/// A context in the making. What each call gives is its next bytes.
pub(super) struct Layer {
    /// `root/usr/lib/…`, without a slash at its end.
    below: Vec<u8>,
    /// Path of the last entry: what it shares with the next one's is made. Nothing else is
    /// remembered, since a hostile builder would choose how much that is; one that does not send
    /// directory by directory has them twice, which an engine takes.
    last: Vec<u8>,
    bytes_left: u64,
    bytes_max: u64,
    /// Files, and directories that they needed.
    files: u32,
    files_max: u32,
    /// Of the file that was begun.
    expected: u64,
    padding: usize,
}

impl Layer {
    /// A layer over `directory` of the image; the first bytes hold `dockerfile`.
    pub(super) fn new(directory: &str, dockerfile: &str, files_max: u32, bytes_max: u64) -> (Self, Vec<u8>) {
        let layer = Self {
            below: format!("{ROOT}{directory}").into_bytes(),
            last: Vec::new(),
            bytes_left: bytes_max,
            bytes_max,
            files: 0,
            files_max,
            expected: 0,
            padding: 0,
        };
        let mut bytes = Vec::new();
        entry(&mut bytes, b"Dockerfile", tar::EntryType::Regular, FILE_MODE, dockerfile.len() as u64, 0);
        bytes.extend_from_slice(dockerfile.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
        (layer, bytes)
    }

    /// A file begins.
    pub(super) fn file(
        &mut self,
        path: &[u8],
        executable: bool,
        size_bytes: u64,
        modified_unix_s: u64,
    ) -> Result<Vec<u8>, LayerError> {
        let mut bytes = self.end_of_file()?;
        let parts: Vec<&[u8]> = path.split(|b| *b == b'/').collect();
        let is_bad = |part: &&[u8]| matches!(*part, b"" | b"." | b"..") || part.contains(&0) || part.len() > 255;
        // Names that the engine reads as "this was removed" in a layer.
        let is_whiteout = |part: &&[u8]| part.starts_with(b".wh.");
        let is_deep = path.len() > INSTALLED_PATH_BYTES_MAX || parts.len() > INSTALLED_DEPTH_MAX + 1;
        if is_deep || parts.iter().any(|p| is_bad(p) || is_whiteout(p)) {
            return Err(LayerError::Path(OsStr::from_bytes(path).to_string_lossy().escape_debug().to_string()));
        }
        self.count(size_bytes)?;
        let whole: Vec<u8> = [&self.below[..], b"/", path].concat();
        self.directories(&whole, &mut bytes)?;
        let mode = if executable { EXECUTABLE_MODE } else { FILE_MODE };
        entry(&mut bytes, &whole, tar::EntryType::Regular, mode, size_bytes, modified_unix_s);
        self.expected = size_bytes;
        self.padding =
            usize::try_from(size_bytes % BLOCK_BYTES as u64).map_or(0, |rest| (BLOCK_BYTES - rest) % BLOCK_BYTES);
        Ok(bytes)
    }

    /// The next bytes of the file that was begun come; they go on as they are.
    pub(super) fn content(&mut self, bytes: &[u8]) -> Result<(), LayerError> {
        self.expected = self.expected.checked_sub(bytes.len() as u64).ok_or(LayerError::Size)?;
        Ok(())
    }

    /// All has come.
    pub(super) fn end(mut self) -> Result<Vec<u8>, LayerError> {
        let mut bytes = self.end_of_file()?;
        // An empty layer is one, too.
        let nothing = [&self.below[..], b"/"].concat();
        self.directories(&nothing, &mut bytes)?;
        bytes.resize(bytes.len() + 2 * BLOCK_BYTES, 0);
        Ok(bytes)
    }

    fn end_of_file(&mut self) -> Result<Vec<u8>, LayerError> {
        if self.expected > 0 {
            return Err(LayerError::Size);
        }
        Ok(vec![0; std::mem::take(&mut self.padding)])
    }

    /// Every directory above `path` that has not been made: the engine would make those up itself, closed to all.
    fn directories(&mut self, path: &[u8], bytes: &mut Vec<u8>) -> Result<(), LayerError> {
        let shared = self.last.iter().zip(path).take_while(|(a, b)| a == b).count();
        for (at, _) in path.iter().enumerate().filter(|(_, b)| **b == b'/') {
            if at < shared {
                continue;
            }
            let before = bytes.len();
            entry(bytes, &path[..=at], tar::EntryType::Directory, EXECUTABLE_MODE, 0, 0);
            // What every layer has is not the installer's.
            if at > self.below.len() {
                self.count((bytes.len() - before) as u64)?;
            }
        }
        self.last = path.to_vec();
        Ok(())
    }

    fn count(&mut self, bytes: u64) -> Result<(), LayerError> {
        self.files += 1;
        if self.files > self.files_max {
            return Err(LayerError::TooMany(self.files_max));
        }
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or(LayerError::TooLarge(self.bytes_max))?;
        Ok(())
    }
}

/// The head of an entry, and before it its path where that is long.
fn entry(bytes: &mut Vec<u8>, path: &[u8], kind: tar::EntryType, mode: u32, size_bytes: u64, modified_unix_s: u64) {
    if path.len() > HEAD_PATH_BYTES_MAX {
        let length = path.len() + 1;
        bytes.extend_from_slice(
            head(b"././@LongLink", tar::EntryType::GNULongName, FILE_MODE, length as u64, 0).as_bytes(),
        );
        bytes.extend_from_slice(path);
        bytes.resize(bytes.len() + length.next_multiple_of(BLOCK_BYTES) - path.len(), 0);
    }
    let short = &path[..path.len().min(HEAD_PATH_BYTES_MAX)];
    bytes.extend_from_slice(head(short, kind, mode, size_bytes, modified_unix_s).as_bytes());
}

fn head(path: &[u8], kind: tar::EntryType, mode: u32, size_bytes: u64, modified_unix_s: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    if let Some(gnu) = header.as_gnu_mut() {
        gnu.name[..path.len()].copy_from_slice(path);
    }
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size_bytes);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(modified_unix_s);
    header.set_cksum();
    header
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn layer(files_max: u32, bytes_max: u64) -> (Layer, Vec<u8>) {
        Layer::new("/usr/lib/p", "FROM x\n", files_max, bytes_max)
    }

    #[test]
    fn a_context_holds_the_files_as_roots_with_their_times() {
        let (mut layer, mut bytes) = layer(10, 10_000);
        let long = format!("{}/b.py", "a".repeat(150));
        for (path, content) in [("x.so", vec![1; 513]), (long.as_str(), b"two".to_vec()), ("d/e/f", Vec::new())] {
            bytes.extend(layer.file(path.as_bytes(), path == "x.so", content.len() as u64, 1234).unwrap());
            for piece in content.chunks(100) {
                layer.content(piece).unwrap();
                bytes.extend_from_slice(piece);
            }
        }
        bytes.extend(layer.end().unwrap());
        assert_eq!(bytes.len() % BLOCK_BYTES, 0);
        let mut seen = Vec::new();
        for entry in tar::Archive::new(&bytes[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let (path, header) = (entry.path().unwrap().display().to_string(), entry.header().clone());
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            seen.push((path, header.mode().unwrap(), header.mtime().unwrap(), content.len()));
        }
        let deep = format!("root/usr/lib/p/{}", "a".repeat(150));
        let expected: [(&str, u32, u64, usize); 11] = [
            ("Dockerfile", 0o644, 0, 7),
            ("root/", 0o755, 0, 0),
            ("root/usr/", 0o755, 0, 0),
            ("root/usr/lib/", 0o755, 0, 0),
            ("root/usr/lib/p/", 0o755, 0, 0),
            ("root/usr/lib/p/x.so", 0o755, 1234, 513),
            (&format!("{deep}/"), 0o755, 0, 0),
            (&format!("{deep}/b.py"), 0o644, 1234, 3),
            ("root/usr/lib/p/d/", 0o755, 0, 0),
            ("root/usr/lib/p/d/e/", 0o755, 0, 0),
            ("root/usr/lib/p/d/e/f", 0o644, 1234, 0),
        ];
        let expected: Vec<_> = expected.iter().map(|(p, m, t, n)| ((*p).to_owned(), *m, *t, *n)).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_path_leads_nowhere_but_below_its_directory() {
        for bad in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/", ".wh.x", "a/.wh..wh..opq", "a\0b"] {
            let (mut layer, _) = layer(10, 10);
            assert!(matches!(layer.file(bad.as_bytes(), false, 0, 0), Err(LayerError::Path(_))), "{bad:?}");
        }
    }

    #[test]
    fn directories_count_as_files_do_and_are_bounded_in_depth() {
        let deepest = |depth: usize| format!("{}x", "d/".repeat(depth));
        let (mut one, _) = layer(1000, 100_000);
        assert!(one.file(deepest(INSTALLED_DEPTH_MAX).as_bytes(), false, 0, 0).is_ok());
        let (mut one, _) = layer(1000, 100_000);
        let deep = one.file(deepest(INSTALLED_DEPTH_MAX + 1).as_bytes(), false, 0, 0);
        assert!(matches!(deep, Err(LayerError::Path(_))));
        let (mut one, _) = layer(6, 100_000);
        one.file(b"a/b/c", false, 0, 0).unwrap();
        one.file(b"a/b/d", false, 0, 0).unwrap();
        one.file(b"a/c/d", false, 0, 0).unwrap();
        one.file(b"e", false, 0, 0).unwrap_err();
        let (mut one, _) = layer(1000, 10 * BLOCK_BYTES as u64);
        let long = format!("{}/x", "d".repeat(200));
        assert!(one.file(format!("{long}/y").as_bytes(), false, 0, 0).is_ok());
        let whole = one.file(format!("e/{long}/y").as_bytes(), false, 0, 0);
        assert_eq!(whole, Err(LayerError::TooLarge(10 * BLOCK_BYTES as u64)));
    }

    #[test]
    fn a_layer_has_bounds_and_files_have_the_size_they_say() {
        let (mut one, _) = layer(1, 10);
        assert_eq!(one.file(b"a", false, 11, 0), Err(LayerError::TooLarge(10)));
        let (mut one, _) = layer(1, 10);
        one.file(b"a", false, 2, 0).unwrap();
        assert_eq!(one.content(b"abc"), Err(LayerError::Size));
        let (mut one, _) = layer(1, 10);
        one.file(b"a", false, 2, 0).unwrap();
        assert_eq!(one.file(b"b", false, 2, 0), Err(LayerError::Size));
        let (mut one, _) = layer(1, 10);
        one.file(b"a", false, 0, 0).unwrap();
        assert_eq!(one.file(b"b", false, 0, 0), Err(LayerError::TooMany(1)));
    }
}
