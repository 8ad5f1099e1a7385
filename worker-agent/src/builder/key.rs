//! The name of an installation: a digest over everything that its result depends on, and whose it is. Pure.

use std::fmt;

use enclos_images::Installer;
use enclos_protocol::ids::{AgentName, Binding};
use sha2::{Digest as _, Sha256};

use crate::pool::ImageKey;
use crate::pool::words::DERIVED_MARK;

/// Digits of a key in the name of an image, for people.
const SHORT_DIGITS: usize = 12;

/// SHA-256 in hex.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key(String);

impl Key {
    /// The key of `requirements` for `binding` on `base`, installed as `installer` says.
    ///
    /// The agent is part of it, since each removes only what it made itself, and several may
    /// share an engine.
    #[must_use]
    pub fn of(
        agent: &AgentName,
        binding: &Binding,
        base: &ImageKey,
        installer: &Installer,
        requirements: &[String],
    ) -> Self {
        let Binding { tenant, scope } = binding;
        let Installer { name, grammar: _, command, env, index, hosts: _, directory } = installer;
        let mut hash = Sha256::new();
        let mut list = |words: &[&str]| {
            // Lengths before parts: neighbours cannot be shifted into each other.
            hash.update((words.len() as u64).to_be_bytes());
            for word in words {
                hash.update((word.len() as u64).to_be_bytes());
                hash.update(word.as_bytes());
            }
        };
        list(&[agent.as_str(), tenant, scope, &base.reference, name, index, directory]);
        list(&command.iter().map(String::as_str).collect::<Vec<_>>());
        list(&env.iter().flat_map(|(name, value)| [name.as_str(), value]).collect::<Vec<_>>());
        list(&requirements.iter().map(String::as_str).collect::<Vec<_>>());
        Self(hex::encode(hash.finalize()))
    }

    /// The key that is written so, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        is_hex.then(|| Self(text.to_owned()))
    }

    /// What the engine calls the image.
    #[must_use]
    pub fn reference(&self, installer: &str) -> String {
        // Repositories of an engine have no `+` and `#`, which an installer's name may have.
        let plain: String = installer.chars().filter(char::is_ascii_alphanumeric).collect();
        format!("enclos/dependencies-{plain}:{self}")
    }

    /// The image as the pool knows it: never the name of a language's own, and by its id, so that a
    /// sandbox of an older image of this key is none of it.
    #[must_use]
    pub fn image(&self, base: &ImageKey, id: &str) -> ImageKey {
        ImageKey { name: format!("{}{DERIVED_MARK}{}", base.name, &self.0[..SHORT_DIGITS]), reference: id.to_owned() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use enclos_images::Catalogue;

    use super::*;

    #[test]
    fn whatever_the_result_depends_on_and_whoever_it_is_for_makes_another_key() {
        let catalogue = Catalogue::embedded().unwrap();
        let installer = catalogue.by_id("python").unwrap().installer.clone().unwrap();
        let binding = |tenant: &str, scope: &str| Binding { tenant: tenant.into(), scope: scope.into() };
        let base = |reference: &str| ImageKey { name: "python".into(), reference: reference.into() };
        let agent: AgentName = "a".parse().unwrap();
        let key = |binding: &Binding, base: &ImageKey, installer: &Installer, wanted: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(|w| (*w).to_owned()).collect();
            Key::of(&agent, binding, base, installer, &wanted)
        };
        let one = key(&binding("t", "s"), &base("r"), &installer, &["a", "b"]);
        let other_index = Installer { index: "https://other/".into(), ..installer.clone() };
        let other_place = Installer { directory: "/opt".into(), ..installer.clone() };
        let others = [
            key(&binding("ts", ""), &base("r"), &installer, &["a", "b"]),
            key(&binding("t", ""), &base("r"), &installer, &["a", "b"]),
            key(&binding("t", "s"), &base("q"), &installer, &["a", "b"]),
            key(&binding("t", "s"), &base("r"), &other_index, &["a", "b"]),
            key(&binding("t", "s"), &base("r"), &other_place, &["a", "b"]),
            key(&binding("t", "s"), &base("r"), &installer, &["ab"]),
            Key::of(&"b".parse().unwrap(), &binding("t", "s"), &base("r"), &installer, &["a".into(), "b".into()]),
        ];
        assert!(others.iter().all(|other| *other != one));
        assert_eq!(one, key(&binding("t", "s"), &base("r"), &installer, &["a", "b"]));
        assert_eq!(Key::parse(&one.to_string()), Some(one));
        assert_eq!(Key::parse("x"), None);
    }
}
