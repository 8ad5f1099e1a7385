//! What an agent must show to join where the link is not TLS.

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::ConfigError;

/// Variable that carries the join token.
pub const JOIN_TOKEN_VARIABLE: &str = "ENCLOS_JOIN_TOKEN";
/// Fewest characters of a join token.
pub(super) const JOIN_TOKEN_CHARS_MIN: usize = 16;
/// Most characters of a join token, so that it fits a header.
pub(super) const JOIN_TOKEN_CHARS_MAX: usize = 512;
/// Random bytes of a join token that is made here.
const JOIN_TOKEN_RANDOM_BYTES: usize = 32;

/// The token in `file`, else in the variable, else the one of the data directory, which is made where
/// there is none.
pub(super) fn join_token(
    file: Option<&Path>,
    variable: Option<String>,
    data_dir: &Path,
) -> Result<JoinToken, ConfigError> {
    if let Some(path) = file {
        return read_token(path);
    }
    if let Some(text) = variable {
        return JoinToken::parse(&text).ok_or(ConfigError::TokenForm { from: JOIN_TOKEN_VARIABLE.to_owned() });
    }
    let path = data_dir.join("join-token");
    if !path.exists() {
        let fail = |source| ConfigError::TokenWrite { path: path.clone(), source };
        write_private(&path, &random_token()).map_err(fail)?;
    }
    read_token(&path)
}

fn read_token(path: &Path) -> Result<JoinToken, ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::TokenRead { path: path.to_owned(), source })?;
    JoinToken::parse(&text).ok_or_else(|| ConfigError::TokenForm { from: path.display().to_string() })
}

fn random_token() -> String {
    hex::encode(rand::random::<[u8; JOIN_TOKEN_RANDOM_BYTES]>())
}

/// Written beside and renamed, so that a crash leaves no half token.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// What an agent must show to join; never printed by `Debug`.
#[derive(Clone)]
pub struct JoinToken(String);

impl JoinToken {
    /// The token in `text`, white space around it left out; `None` where it has a wrong form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = (JOIN_TOKEN_CHARS_MIN..=JOIN_TOKEN_CHARS_MAX).contains(&text.len());
        (fits && text.bytes().all(|b| b.is_ascii_graphic())).then(|| Self(text.to_owned()))
    }

    /// Whether `shown` is the token, in a time that tells nothing of it.
    #[must_use]
    pub fn matches(&self, shown: &str) -> bool {
        // Digests have one length, so not even the token's length is told.
        Sha256::digest(&self.0).ct_eq(&Sha256::digest(shown)).into()
    }

    /// The token itself, for the environment of a child process.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_token_is_made_once_and_only_its_owner_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = join_token(None, None, dir.path()).unwrap();
        let second = join_token(None, None, dir.path()).unwrap();
        assert!(first.matches(second.expose()));
        let mode = fs::metadata(dir.path().join("join-token")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_short_token_is_refused_without_being_shown() {
        let error = join_token(None, Some("hunter2".into()), Path::new("/")).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("hunter2"));
    }

    #[test]
    fn tokens_match_only_themselves_and_never_show() {
        let token = JoinToken::parse(" a-token-of-some-length\n").unwrap();
        assert!(token.matches("a-token-of-some-length"));
        assert!(!token.matches("a-token-of-some-lengtH"));
        assert!(!format!("{token:?}").contains("some"));
    }
}
