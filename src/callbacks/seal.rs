//! The key under which secrets are kept: a file beside the database, so that the database alone (in a
//! copy of it, in a page of the disk) tells none.
//!
//! AES-256-GCM under random nonces: some thousand secrets are far from the 2³² that those allow. The
//! tenant is bound to what is sealed, so that one row does not open as another's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use enclos_tls::private;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::signature::CallbackSecret;
use crate::store::CALLBACK_KEY_FILE;

/// Random bytes of the key.
const KEY_BYTES: usize = 32;
/// How a sealed secret begins: the next way to seal begins otherwise.
const VERSION: u8 = 1;
/// What is sealed is a secret of a tenant's callbacks and nothing else.
const PURPOSE: &str = "enclos callback secret of ";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// It cannot be read or made.
    #[error("cannot read or make {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds something else.
    #[error(
        "{} is not a key of {KEY_BYTES} bytes in hex; restore it from a backup, or move it away and make the \
         tenants' secrets anew (`enclos callbacks secret --rotate`)",
        path.display()
    )]
    Content {
        /// Which.
        path: PathBuf,
    },
    /// The cipher refused.
    #[error("nothing can be sealed")]
    Cipher,
}

/// The key; never printed by `Debug` (its cipher's does not).
#[derive(Debug)]
pub struct SealingKey(LessSafeKey);

impl SealingKey {
    /// The key below `dir`, made where there is none. Blocks: for the start of a process only.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn open(dir: &Path) -> Result<Self, SealError> {
        let path = dir.join(CALLBACK_KEY_FILE);
        let fail = |source| SealError::File { path: path.clone(), source };
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make(&path).map_err(fail)?;
                fs::read_to_string(&path).map_err(fail)?
            }
            read => read.map_err(fail)?,
        };
        let mut key = [0; KEY_BYTES];
        hex::decode_to_slice(text.trim(), &mut key).map_err(|_| SealError::Content { path })?;
        UnboundKey::new(&AES_256_GCM, &key).map(|key| Self(LessSafeKey::new(key))).map_err(|_| SealError::Cipher)
    }

    /// A secret as it may be kept.
    ///
    /// # Errors
    /// [`SealError::Cipher`].
    pub fn seal(&self, tenant: &str, secret: &CallbackSecret) -> Result<Vec<u8>, SealError> {
        let nonce = rand::random::<[u8; NONCE_LEN]>();
        let mut sealed = secret.bytes().to_vec();
        let end = self.0.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound_to(tenant), &mut sealed);
        end.map_err(|_| SealError::Cipher)?;
        Ok([&[VERSION], &nonce[..], &sealed].concat())
    }

    /// What was sealed for this tenant; `None`: under another key, for another tenant, or changed.
    #[must_use]
    pub fn unseal(&self, tenant: &str, sealed: &[u8]) -> Option<CallbackSecret> {
        let (nonce, sealed) = sealed.strip_prefix(&[VERSION])?.split_first_chunk::<NONCE_LEN>()?;
        let mut bytes = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.0.open_in_place(nonce, bound_to(tenant), &mut bytes).ok().map(|bytes| CallbackSecret::of(bytes))
    }
}

fn bound_to(tenant: &str) -> Aad<String> {
    Aad::from(format!("{PURPOSE}{tenant}"))
}

/// Written beside and linked: of two processes that make it at once one is later, and takes the other's.
fn make(path: &Path) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    // What a process of the same number left when it was killed.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    private::create(&beside, format!("{}\n", hex::encode(rand::random::<[u8; KEY_BYTES]>())).as_bytes())?;
    let linked = match fs::hard_link(&beside, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    };
    fs::remove_file(&beside)?;
    linked
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_opens_under_its_key_for_its_tenant_and_not_when_it_was_changed() {
        let dir = tempfile::tempdir().unwrap();
        let key = SealingKey::open(dir.path()).unwrap();
        let secret = CallbackSecret::generate();
        let sealed = key.seal("acme", &secret).unwrap();
        assert!(!sealed.windows(8).any(|w| w == &secret.bytes()[..8]));
        assert_eq!(SealingKey::open(dir.path()).unwrap().unseal("acme", &sealed), Some(secret.clone()));
        assert_eq!(key.unseal("other", &sealed), None);
        assert_ne!(key.seal("acme", &secret).unwrap(), sealed, "each time under another nonce");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(key.unseal("acme", &changed), None, "{at}");
            assert_eq!(key.unseal("acme", &sealed[..at]), None, "{at}");
        }
        let other = tempfile::tempdir().unwrap();
        assert_eq!(SealingKey::open(other.path()).unwrap().unseal("acme", &sealed), None);
    }

    #[test]
    fn the_key_is_made_once_and_only_its_owner_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(CALLBACK_KEY_FILE);
        SealingKey::open(dir.path()).unwrap();
        let made = fs::read(&path).unwrap();
        SealingKey::open(dir.path()).unwrap();
        make(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), made, "who comes later takes what is there");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        fs::write(&path, "deadbeef").unwrap();
        let error = SealingKey::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("--rotate") && !error.contains("deadbeef"), "{error}");
    }
}
