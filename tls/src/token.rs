//! One-time tokens: what lets one agent in, once.
//!
//! `enclos1.<secret>.<fingerprint>`: the secret is 256 random bits, so a plain
//! SHA-256 of it can be kept and nobody guesses it; the fingerprint names the
//! authority by which the agent knows its master at first contact.

use std::fmt;

use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};

use crate::certificate;

/// What every token begins with.
const FORM: &str = "enclos1";

/// A token as an agent holds it. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimeToken {
    secret: [u8; 32],
    fingerprint: [u8; 32],
}

impl OneTimeToken {
    /// A new one for the cluster of `authority`.
    #[must_use]
    pub fn new(authority: &CertificateDer<'_>) -> Self {
        Self { secret: rand::random(), fingerprint: certificate::fingerprint(authority) }
    }

    /// The token in `text`; `None` where it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('.');
        let (form, secret, fingerprint) = (parts.next()?, parts.next()?, parts.next()?);
        if form != FORM || parts.next().is_some() {
            return None;
        }
        Some(Self { secret: bytes(secret)?, fingerprint: bytes(fingerprint)? })
    }

    /// The token as it is handed over.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{FORM}.{}.{}", self.secret(), hex::encode(self.fingerprint))
    }

    /// The secret, as it is sent.
    #[must_use]
    pub fn secret(&self) -> String {
        hex::encode(self.secret)
    }

    /// SHA-256 of the authority's certificate.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }
}

/// What is kept of a secret that was sent; `None` where it cannot be one.
#[must_use]
pub fn digest(secret: &str) -> Option<String> {
    let secret: [u8; 32] = bytes(secret)?;
    Some(hex::encode(Sha256::digest(secret)))
}

fn bytes(text: &str) -> Option<[u8; 32]> {
    hex::decode(text).ok()?.try_into().ok()
}

impl fmt::Debug for OneTimeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_never_shown() {
        let token = OneTimeToken::new(&CertificateDer::from(vec![1, 2, 3]));
        let text = token.reveal();
        assert_eq!(OneTimeToken::parse(&format!(" {text}\n")), Some(token.clone()));
        assert!(!format!("{token:?}").contains(&token.secret()));
        assert_ne!(digest(&token.secret()).unwrap(), token.secret());
        for bad in ["", "enclos1", &text[1..], &format!("{text}.x"), &text[..text.len() - 1], "enclos1.zz.zz"] {
            assert_eq!(OneTimeToken::parse(bad), None, "{bad}");
        }
    }
}
