//! The agent's key, its certificate, and the authority that it trusts: one file, so that they always fit.

use std::io;
use std::path::{Path, PathBuf};

use enclos_protocol::join::Admitted;
use enclos_tls::certificate::Facts;
use enclos_tls::client::{self, Identity};
use enclos_tls::request::Request;
use enclos_tls::rustls::pki_types::CertificateDer;
use enclos_tls::{pem, private};

use super::exchange::ExchangeError;
use super::{Access, MemberError, roots};

/// What an agent keeps.
pub(super) struct Kept {
    text: String,
    certificate: CertificateDer<'static>,
    authority: CertificateDer<'static>,
    facts: Facts,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("facts", &self.facts).finish_non_exhaustive()
    }
}

fn file(dir: &Path) -> PathBuf {
    dir.join("identity.pem")
}

impl Kept {
    /// The key of `request` and what the master answered.
    pub(super) fn of(request: &Request, admitted: &Admitted) -> Result<Self, ExchangeError> {
        let Admitted { certificate, authority } = admitted;
        let kept = Self::parse(format!("{}{certificate}{authority}", request.key()));
        let kept = kept.ok_or(ExchangeError::Malformed)?;
        // A certificate for another key would be of no use.
        kept.config().map_err(|_| ExchangeError::Malformed)?;
        Ok(kept)
    }

    fn parse(text: String) -> Option<Self> {
        let [certificate, authority] = pem::certificates_of(text.as_bytes())?.try_into().ok()?;
        let facts = Facts::of(&certificate).ok()?;
        Some(Self { text, certificate, authority, facts })
    }

    /// What is kept in `dir`; `None`: nothing.
    pub(super) fn read(dir: &Path) -> Result<Option<Self>, MemberError> {
        let path = file(dir);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(MemberError::Kept { path, source }),
        };
        let damaged = || io::Error::other("it is damaged; remove it and join with a new token");
        let kept = Self::parse(text).filter(|kept| kept.config().is_ok());
        kept.map(Some).ok_or_else(|| MemberError::Kept { path, source: damaged() })
    }

    /// Keeps it in `dir`, for its owner alone.
    pub(super) fn write(&self, dir: &Path) -> Result<(), MemberError> {
        let path = file(dir);
        let written = private::dir(dir).and_then(|()| private::replace(&path, self.text.as_bytes()));
        written.map_err(|source| MemberError::Kept { path, source })
    }

    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(super) fn authority(&self) -> &CertificateDer<'static> {
        &self.authority
    }

    fn config(&self) -> Result<enclos_tls::rustls::ClientConfig, MemberError> {
        let key = pem::private_key_of(self.text.as_bytes()).ok_or(ExchangeError::Malformed)?;
        let shown = Identity { chain: vec![self.certificate.clone()], key };
        let roots = roots(&self.authority).map_err(MemberError::Pair)?;
        client::config(roots, Some(shown)).map_err(MemberError::Pair)
    }

    /// How the master is reached with it.
    pub(super) fn access(&self, master: &str) -> Result<Access, MemberError> {
        Access::secured(master, self.config()?)
    }
}
