//! The supervisor as a program: built by `build.rs`, embedded here, put into every sandbox image.

use sha2::{Digest, Sha256};

/// The static program that becomes PID 1 of every sandbox.
pub static SUPERVISOR: &[u8] = include_bytes!(env!("ENCLOS_SUPERVISOR_EMBEDDED"));

/// SHA-256 of [`SUPERVISOR`], in hex: part of the name of every sandbox image.
#[must_use]
pub fn digest() -> String {
    hex::encode(Sha256::digest(SUPERVISOR))
}
