//! How a language's packages are installed: the table `[language.dependencies]`.
//!
//! It is data alone: which program installs, from which index, into which
//! directory of the image. What stands between a job's words and that program
//! is the grammar of its requirements, which the master holds them against.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The requirements stand alone and become as many arguments as there are.
const REQUIREMENTS: &str = "{requirements}";
/// Placeholders inside an element.
const WORDS: [&str; 2] = ["{index}", "{directory}"];
/// Places that are not the image's own when a job runs.
const COVERED: [&str; 6] = ["/job", "/tmp", "/proc", "/sys", "/dev", "/enclos"];

/// How the packages of a language are installed.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Installer {
    /// What a submission calls it: the key in `dependencies`.
    pub name: String,
    /// How a requirement is written.
    pub grammar: Grammar,
    /// The installer and its arguments; it runs in the language's image.
    pub command: Vec<String>,
    /// Environment that it needs.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Where packages come from: a URL.
    pub index: String,
    /// Hosts that it may reach, the index's own among them.
    pub hosts: Vec<String>,
    /// Where the packages stand when a job runs.
    pub directory: String,
}

/// How requirements are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grammar {
    /// As PEP 508 has it: name, extras and versions, without markers and URLs.
    Pep508,
}

impl Installer {
    /// Whether every value is one that may stand there.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.command.is_empty() {
            return Err("dependencies.command needs at least the program".into());
        }
        for element in self.command.iter().filter(|e| *e != REQUIREMENTS) {
            let rest = WORDS.iter().fold(element.clone(), |text, word| text.replace(word, ""));
            if rest.contains(['{', '}']) {
                return Err(format!("'{element}' is not a known placeholder, or a list inside a word"));
            }
        }
        let host = host_of(&self.index).ok_or("dependencies.index is a URL: http:// or https://, and a host")?;
        if !self.hosts.iter().any(|known| known == host) {
            return Err(format!("dependencies.hosts lacks the index's own, '{host}'"));
        }
        if let Some(bad) = self.hosts.iter().find(|host| !is_host(host)) {
            return Err(format!("dependencies.hosts: '{bad}' is not a host name"));
        }
        let components = || self.directory.split('/').skip(1);
        let is_path = self.directory.starts_with('/') && components().all(|c| !matches!(c, "" | "." | ".."));
        let is_covered = COVERED.iter().any(|c| self.directory == *c || self.directory.starts_with(&format!("{c}/")));
        if !is_path || is_covered {
            return Err(format!("dependencies.directory: '{}' is not a directory of the image", self.directory));
        }
        Ok(())
    }

    /// The argument vector for these requirements.
    #[must_use]
    pub fn argv(&self, index: &str, directory: &str, requirements: &[String]) -> Vec<String> {
        let mut argv = Vec::with_capacity(self.command.len() + requirements.len());
        for element in &self.command {
            if element == REQUIREMENTS {
                argv.extend_from_slice(requirements);
            } else {
                argv.push(element.replace("{index}", index).replace("{directory}", directory));
            }
        }
        argv
    }
}

/// The host of a URL, if it is one of a web server; without its port.
#[must_use]
pub fn host_of(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.split(':').next()?;
    (is_host(host) && !authority.contains('@')).then_some(host)
}

fn is_host(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    (1..=253).contains(&text.len()) && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installer() -> Installer {
        Installer {
            name: "python".into(),
            grammar: Grammar::Pep508,
            command: ["pip", "--index={index}", "--target", "{directory}", "--", "{requirements}"]
                .map(Into::into)
                .into(),
            env: BTreeMap::new(),
            index: "https://pypi.example/simple/".into(),
            hosts: vec!["pypi.example".into()],
            directory: "/usr/lib/packages".into(),
        }
    }

    #[test]
    fn requirements_never_become_several_arguments_or_placeholders() {
        let wanted = ["a b".to_owned(), "{index}".to_owned()];
        let argv = installer().argv("i", "/d", &wanted);
        assert_eq!(argv, ["pip", "--index=i", "--target", "/d", "--", "a b", "{index}"]);
    }

    #[test]
    fn a_table_that_cannot_be_is_refused_with_its_key() {
        let refused = |change: fn(&mut Installer), key: &str| {
            let mut changed = installer();
            change(&mut changed);
            let problem = changed.check().unwrap_err();
            assert!(problem.contains(key), "{problem}");
        };
        assert_eq!(installer().check(), Ok(()));
        refused(|i| i.command.clear(), "command");
        refused(|i| i.command.push("x{requirements}".into()), "x{requirements}");
        refused(|i| i.command.push("{shell}".into()), "{shell}");
        refused(|i| i.index = "ftp://pypi.example/".into(), "index");
        refused(|i| i.index = "https://user@pypi.example/".into(), "index");
        refused(|i| i.hosts.clear(), "hosts");
        refused(|i| i.hosts.push("Bad Host".into()), "hosts");
        for directory in ["usr", "/", "/usr/../etc", "/job/x", "/tmp", "/enclos"] {
            let changed = Installer { directory: directory.into(), ..installer() };
            assert!(changed.check().unwrap_err().contains("directory"), "{directory}");
        }
    }

    #[test]
    fn the_host_of_a_url_has_no_port() {
        assert_eq!(host_of("http://127.0.0.1:8080/simple/"), Some("127.0.0.1"));
        assert_eq!(host_of("https://pypi.example"), Some("pypi.example"));
        assert_eq!(host_of("https:///x"), None);
    }
}
