//! What a key may do.

use std::fmt;
use std::str::FromStr;

/// One kind of doing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Scope {
    /// Submit, speak with, cancel and erase jobs; upload and delete blobs.
    Submit,
    /// See jobs, what they wrote, blobs and languages.
    Read,
    /// See and drain agents, metrics and the usage of all tenants; make and end the keys of all.
    Operate,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Submit, Self::Read, Self::Operate];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Read => "read",
            Self::Operate => "operate",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Submit => 1,
            Self::Read => 2,
            Self::Operate => 4,
        }
    }
}

/// Scopes together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scopes(u8);

impl Scopes {
    /// All of them.
    pub const ALL: Self = Self(7);

    /// Whether `scope` is among them.
    #[must_use]
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// As the store keeps them.
    #[must_use]
    pub fn code(self) -> i64 {
        self.0.into()
    }

    /// As the store kept them; unknown bits are none.
    #[must_use]
    pub fn from_code(code: i64) -> Self {
        Self(u8::try_from(code & i64::from(Self::ALL.0)).unwrap_or(0))
    }
}

/// With commas between, none twice, at least one.
impl FromStr for Scopes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut bits = 0;
        for word in text.split(',') {
            let scope = Scope::ALL.into_iter().find(|scope| scope.as_str() == word);
            let scope = scope.ok_or("scopes are submit, read and operate, with commas between")?;
            bits |= scope.bit();
        }
        Ok(Self(bits))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = Scope::ALL.into_iter().filter(|scope| self.has(*scope)).map(Scope::as_str).collect();
        f.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_a_closed_list() {
        let scopes: Scopes = "read,submit".parse().unwrap();
        assert!(scopes.has(Scope::Read) && scopes.has(Scope::Submit) && !scopes.has(Scope::Operate));
        assert_eq!(scopes.to_string(), "submit,read");
        assert_eq!(Scopes::from_code(scopes.code()), scopes);
        assert_eq!(Scopes::from_code(-1), Scopes::ALL);
        for bad in ["", "read,", "admin", "Read", "read submit"] {
            assert!(bad.parse::<Scopes>().is_err(), "{bad}");
        }
    }
}
