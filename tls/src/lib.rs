//! Certificates and TLS as master, agent and command line use them.
//!
//! One cryptographic provider, one way to read PEM, one way to keep a secret
//! file, so that both ends of a connection agree. Signing is the master's
//! (`enclos::pki`); nothing here decides who is let in.

pub mod certificate;
pub mod client;
pub mod first_contact;
pub mod pem;
pub mod private;
pub mod request;
pub mod token;
pub mod trouble;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use rustls;

/// The one provider: ring.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
