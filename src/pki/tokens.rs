//! One-time tokens: a file each, named by the hash of its secret.
//!
//! ```text
//! keep ─▶ <hash> ─ claim: renamed ─▶ <hash>.used ─▶ gone a day after its end, as one that nobody used
//! ```
//!
//! A hash of 256 random bits needs no salt and no slow function: there is
//! nothing to guess.

use std::fs;
use std::path::PathBuf;

use enclos_protocol::ids::AgentName;
use enclos_protocol::join::{LinkRefusal, RefusalCode};
use enclos_tls::private;
use enclos_tls::token::{OneTimeToken, digest};
use serde::{Deserialize, Serialize};

use super::dir::{Dir, io_error};
use super::{PkiError, refusal};

/// Tokens that are remembered at once, used ones among them.
const TOKENS_MAX: usize = 1000;
/// How long it is remembered why a token lets nobody in.
const REMEMBERED_SECONDS: u64 = 24 * 3600;

/// The tokens of a directory; its lock is held.
pub(super) struct Tokens<'a>(pub(super) &'a Dir);

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// In seconds since 1970.
    expires_at: u64,
    /// Whom it lets in; anyone where nobody is named.
    agent: Option<AgentName>,
}

/// A token that may be spent.
#[derive(Debug)]
pub(super) struct Claim {
    path: PathBuf,
    names_agent: bool,
}

impl Claim {
    /// Its maker said who comes with it.
    pub(super) fn names_agent(&self) -> bool {
        self.names_agent
    }
}

impl Tokens<'_> {
    /// Keeps a new token until `expires_at`.
    pub(super) fn keep(
        &self,
        token: &OneTimeToken,
        agent: Option<&AgentName>,
        expires_at: u64,
    ) -> Result<(), PkiError> {
        let folder = self.0.tokens();
        private::dir(&folder).map_err(io_error(&folder))?;
        let known = self.forget_ended()?;
        if known >= TOKENS_MAX {
            return Err(PkiError::TokensFull(known));
        }
        let path = folder.join(digest(&token.secret()).unwrap_or_default());
        let kept = Kept { expires_at, agent: agent.cloned() };
        let text = serde_json::to_vec(&kept).map_err(|e| io_error(&path)(e.into()))?;
        self.0.create(&path, &text)
    }

    /// Whether `secret` lets in an agent of that name.
    pub(super) fn look(
        &self,
        secret: &str,
        name: &AgentName,
        now: u64,
    ) -> Result<Result<Claim, LinkRefusal>, PkiError> {
        let another = "make another one: `enclos agents token`";
        let no = |code, what: &str| Ok(Err(refusal(code, format!("the one-time token {what}; {another}"))));
        let Some(digest) = digest(secret) else { return no(RefusalCode::TokenUnknown, "is unknown") };
        let path = self.0.tokens().join(&digest);
        if path.with_extension("used").exists() {
            return no(RefusalCode::TokenUsed, "has let an agent in already");
        }
        if !path.exists() {
            return no(RefusalCode::TokenUnknown, "is unknown");
        }
        let text = fs::read(&path).map_err(io_error(&path))?;
        let kept: Kept = serde_json::from_slice(&text).map_err(|_| PkiError::Damaged(path.clone()))?;
        if kept.expires_at <= now {
            return no(RefusalCode::TokenExpired, "has expired");
        }
        if kept.agent.as_ref().is_some_and(|agent| agent != name) {
            return no(RefusalCode::TokenForAnother, "was made for an agent of another name");
        }
        Ok(Ok(Claim { path, names_agent: kept.agent.is_some() }))
    }

    /// Spends it.
    pub(super) fn claim(&self, claim: Claim) -> Result<(), PkiError> {
        let Claim { path, .. } = claim;
        fs::rename(&path, path.with_extension("used")).map_err(io_error(&path))?;
        let folder = self.0.tokens();
        // A crash must not give it back.
        fs::File::open(&folder).and_then(|folder| folder.sync_all()).map_err(io_error(&folder))
    }

    /// Removes what is not remembered any more; how many are left.
    fn forget_ended(&self) -> Result<usize, PkiError> {
        let folder = self.0.tokens();
        let now = super::seconds(std::time::SystemTime::now());
        let mut left = 0;
        for entry in fs::read_dir(&folder).map_err(io_error(&folder))? {
            let path = entry.map_err(io_error(&folder))?.path();
            let kept = fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Kept>(&text).ok());
            if kept.is_some_and(|kept| kept.expires_at + REMEMBERED_SECONDS <= now) {
                fs::remove_file(&path).map_err(io_error(&path))?;
            } else {
                left += 1;
            }
        }
        Ok(left)
    }
}
