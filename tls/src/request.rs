//! A key of our own and the request that has it signed.

use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};

/// Why there is no key or request.
#[derive(Debug, thiserror::Error)]
#[error("a key cannot be made")]
pub struct RequestError(#[from] rcgen::Error);

/// A new key (ECDSA P-256) and a request in the name `name`.
#[derive(Debug)]
pub struct Request {
    key: KeyPair,
    text: String,
}

impl Request {
    /// Makes both.
    ///
    /// # Errors
    /// [`RequestError`] where there is no randomness.
    pub fn new(name: &str) -> Result<Self, RequestError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut wanted = CertificateParams::default();
        wanted.distinguished_name = rcgen::DistinguishedName::new();
        wanted.distinguished_name.push(DnType::CommonName, name);
        let text = wanted.serialize_request(&key)?.pem()?;
        Ok(Self { key, text })
    }

    /// The request, as PEM.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The private key, as PEM.
    #[must_use]
    pub fn key(&self) -> String {
        self.key.serialize_pem()
    }
}
