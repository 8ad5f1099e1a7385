//! Names: of tenants, and of keys (never their secrets).

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Most characters of a tenant's name.
pub const NAME_CHARS_MAX: usize = 63;
/// Whose everything is where no key is configured.
const DEFAULT: &str = "default";
/// What ids of keys begin with.
const KEY_PREFIX: &str = "key-";
/// Random bytes of a key's id.
const KEY_BYTES: usize = 6;

/// Not a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a tenant's name has 1 to {NAME_CHARS_MAX} of a-z, 0-9 and '-', and begins with a letter or digit")]
pub struct NotAName;

/// Who a key belongs to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tenant(Arc<str>);

impl Tenant {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, shared.
    #[must_use]
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

/// Ordered and hashed as its name is.
impl Borrow<str> for Tenant {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Default for Tenant {
    fn default() -> Self {
        Self(DEFAULT.into())
    }
}

impl FromStr for Tenant {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let fits = (1..=NAME_CHARS_MAX).contains(&text.len()) && !text.starts_with('-');
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits && plain { Ok(Self(text.into())) } else { Err(NotAName) }
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// By what a key is named; it opens nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyId(Arc<str>);

impl KeyId {
    /// A new one, by chance.
    #[must_use]
    pub fn generate() -> Self {
        Self(format!("{KEY_PREFIX}{}", hex::encode(rand::random::<[u8; KEY_BYTES]>())).into())
    }

    /// As it was written before.
    #[must_use]
    pub fn known(text: &str) -> Self {
        Self(text.into())
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenants_name_is_plain() {
        for good in ["default", "a", "course-101", &"x".repeat(63)] {
            assert_eq!(good.parse::<Tenant>().unwrap().as_str(), good);
        }
        for bad in ["", "-a", "A", "a b", "a/b", "é", "a_b", &"x".repeat(64)] {
            assert!(bad.parse::<Tenant>().is_err(), "{bad}");
        }
    }
}
