//! An image folder: its files and the digest over them.

use std::path::{Path, PathBuf};
use std::{fs, io};

use sha2::{Digest, Sha256};

/// Largest file of an image folder, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Name of the folder that all language images build on.
pub const BASE: &str = "base";

const EMBEDDED: &[(&str, &str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// One file of an image folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FolderFile {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// A folder with a `Dockerfile`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImageFolder {
    /// Its name, which is the image's.
    pub name: String,
    /// Its files, by name.
    pub files: Vec<FolderFile>,
}

/// A folder that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {path}")]
pub struct FolderError {
    path: PathBuf,
    source: io::Error,
}

impl ImageFolder {
    /// The folders that were embedded when this crate was built.
    #[must_use]
    pub fn embedded() -> Vec<Self> {
        let mut folders: Vec<Self> = Vec::new();
        for (image, name, content) in EMBEDDED {
            let file = FolderFile { name: (*name).to_owned(), content: content.to_vec() };
            match folders.last_mut().filter(|f| f.name == *image) {
                Some(folder) => folder.files.push(file),
                None => folders.push(Self { name: (*image).to_owned(), files: vec![file] }),
            }
        }
        folders
    }

    /// Every folder below `root` that has a `Dockerfile`.
    ///
    /// # Errors
    /// [`FolderError`] names what cannot be read.
    pub fn load_all(root: &Path) -> Result<Vec<Self>, FolderError> {
        let mut folders = Vec::new();
        for path in sorted_entries(root)?.into_iter().filter(|p| p.join("Dockerfile").is_file()) {
            let mut files = Vec::new();
            for file in sorted_entries(&path)?.into_iter().filter(|p| p.is_file()) {
                files.push(FolderFile { name: name_of(&file), content: read_small(&file)? });
            }
            folders.push(Self { name: name_of(&path), files });
        }
        Ok(folders)
    }

    /// The file with this name.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.iter().find(|f| f.name == name).map(|f| f.content.as_slice())
    }

    /// SHA-256, as hex, over `parent` and every file that goes into the image.
    ///
    /// `language.toml` is left out: it says how an image is used, and a changed
    /// default limit must not rebuild a toolchain.
    #[must_use]
    pub fn digest(&self, parent: &str) -> String {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(parent.as_bytes());
        for file in self.files.iter().filter(|f| f.name != "language.toml") {
            part(file.name.as_bytes());
            part(&file.content);
        }
        hex::encode(hash.finalize())
    }
}

fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let fail = |source| FolderError { path: folder.to_owned(), source };
    let entries: Result<Vec<_>, _> = fs::read_dir(folder).map_err(fail)?.map(|e| e.map(|e| e.path())).collect();
    let mut paths = entries.map_err(fail)?;
    paths.sort();
    Ok(paths)
}

fn read_small(file: &Path) -> Result<Vec<u8>, FolderError> {
    let fail = |source| FolderError { path: file.to_owned(), source };
    if fs::metadata(file).map_err(fail)?.len() > FILE_BYTES_MAX {
        return Err(fail(io::Error::other(format!("larger than {FILE_BYTES_MAX} bytes"))));
    }
    fs::read(file).map_err(fail)
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> ImageFolder {
        let files = files.iter().map(|(n, c)| FolderFile { name: (*n).into(), content: c.as_bytes().to_vec() });
        ImageFolder { name: "x".into(), files: files.collect() }
    }

    #[test]
    fn the_digest_changes_with_parent_and_files_but_not_with_use() {
        let one = folder(&[("Dockerfile", "FROM a"), ("language.toml", "1")]);
        let same = folder(&[("Dockerfile", "FROM a"), ("language.toml", "2")]);
        let other = folder(&[("Dockerfile", "FROM b")]);
        assert_eq!(one.digest("p"), same.digest("p"));
        assert_ne!(one.digest("p"), one.digest("q"));
        assert_ne!(one.digest("p"), other.digest("p"));
    }

    #[test]
    fn neighbouring_parts_cannot_be_shifted_into_each_other() {
        assert_ne!(folder(&[("ab", "c")]).digest(""), folder(&[("a", "bc")]).digest(""));
    }

    #[test]
    fn the_base_is_embedded() {
        assert!(ImageFolder::embedded().iter().any(|f| f.name == BASE));
    }
}
