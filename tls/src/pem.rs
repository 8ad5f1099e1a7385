//! PEM files of certificates and keys.

use std::io;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Most certificates in one file; a host's own bundle has some hundred and fifty.
const CERTIFICATES_MAX: usize = 4096;
/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no PEM file of the kind.
    #[error("{} holds no {what} in PEM", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// A certificate of it cannot be trusted as an authority.
    #[error("{} holds a certificate that cannot be an authority", path.display())]
    Authority {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

fn read(path: &Path) -> Result<Vec<u8>, PemError> {
    let fail = |source| PemError::Read { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(fail)?.len() > FILE_BYTES_MAX {
        return Err(fail(io::Error::other(format!("it is larger than {FILE_BYTES_MAX} bytes"))));
    }
    std::fs::read(path).map_err(fail)
}

/// The certificates in a file, at least one.
///
/// # Errors
/// [`PemError`].
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    certificates_of(&read(path)?).ok_or_else(|| PemError::Content { path: path.to_owned(), what: "certificate" })
}

/// The certificates in `text`; `None` where there is none, or something that is none.
#[must_use]
pub fn certificates_of(text: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).take(CERTIFICATES_MAX).collect();
    found.ok().filter(|found| !found.is_empty())
}

/// The private key in a file (PKCS #8, SEC 1 or PKCS #1).
///
/// # Errors
/// [`PemError`].
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    private_key_of(&read(path)?).ok_or_else(|| PemError::Content { path: path.to_owned(), what: "private key" })
}

/// The private key in `text`.
#[must_use]
pub fn private_key_of(text: &[u8]) -> Option<PrivateKeyDer<'static>> {
    // The parser's own error may quote what it read.
    PrivateKeyDer::from_pem_slice(text).ok()
}

/// The authorities in a file.
///
/// # Errors
/// [`PemError`].
pub fn authorities(path: &Path) -> Result<RootCertStore, PemError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|source| PemError::Authority { path: path.to_owned(), source })?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_none_is_refused_and_a_key_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        assert!(matches!(certificates(&path), Err(PemError::Read { .. })));
        std::fs::write(&path, "-----BEGIN PRIVATE KEY-----\nc2VjcmV0 broken\n").unwrap();
        let error = private_key(&path).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("c2VjcmV0"));
        assert!(matches!(authorities(&path), Err(PemError::Content { .. })));
    }
}
