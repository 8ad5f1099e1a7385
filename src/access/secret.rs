//! The secret of a key, as its owner holds it.
//!
//! ```text
//! enclos_ 64 hex digits (256 random bits) 8 hex digits (checksum)
//! ```
//!
//! The prefix lets scanners of repositories find one that leaked, the checksum lets them (and us)
//! tell one from any other text without asking anybody.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// What every secret begins with.
pub const PREFIX: &str = "enclos_";
/// Random bytes.
const RANDOM_BYTES: usize = 32;
/// Hex digits of the random bytes.
const RANDOM_DIGITS: usize = 2 * RANDOM_BYTES;
/// Bytes of the checksum.
const CHECK_BYTES: usize = 4;

/// What is kept of a secret.
pub type Digest256 = [u8; 32];

/// A secret; never printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        Self::of(&rand::random::<[u8; RANDOM_BYTES]>())
    }

    fn of(random: &[u8; RANDOM_BYTES]) -> Self {
        let begin = format!("{PREFIX}{}", hex::encode(random));
        let check = checksum(&begin);
        Self(begin + &check)
    }

    /// The secret that `text` is; `None` where its form or checksum is wrong.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        if digits.len() != RANDOM_DIGITS + 2 * CHECK_BYTES || !is_hex(digits) {
            return None;
        }
        let (begin, check) = text.split_at(PREFIX.len() + RANDOM_DIGITS);
        (checksum(begin) == check).then(|| Self(text.to_owned()))
    }

    /// What is kept of it, and by what it is found.
    #[must_use]
    pub fn digest(&self) -> Digest256 {
        Sha256::digest(&self.0).into()
    }

    /// The secret itself, for its owner.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Whether it is of hex digits, as they are written here.
pub(super) fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Against slips and chance, not against anybody: whoever knows a secret knows its checksum.
fn checksum(begin: &str) -> String {
    hex::encode(&Sha256::digest(begin)[..CHECK_BYTES])
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_secret_is_long_recognisable_and_never_shown() {
        let (one, other) = (Secret::generate(), Secret::generate());
        assert_eq!(one.expose().len(), PREFIX.len() + RANDOM_DIGITS + 2 * CHECK_BYTES);
        assert_ne!(one.digest(), other.digest());
        assert_eq!(Secret::parse(one.expose()), Some(one.clone()));
        assert_eq!(format!("{one:?}"), "Secret(…)");
    }

    proptest! {
        #[test]
        fn any_one_changed_character_is_seen(random: [u8; RANDOM_BYTES], at in 0usize..79, to in "[0-9a-z_]") {
            let secret = Secret::of(&random);
            let mut text = secret.expose().to_owned();
            text.replace_range(at..=at, &to);
            prop_assert_eq!(Secret::parse(&text).is_some(), text == secret.expose());
        }

        #[test]
        fn other_texts_are_none(text in ".{0,100}") {
            prop_assert!(Secret::parse(&text).is_none());
        }
    }
}
