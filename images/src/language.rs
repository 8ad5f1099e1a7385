//! `language.toml`: how an image's toolchains compile and run. Parsed strictly.

use serde::Deserialize;

use crate::bounds::{self, LimitBounds, LimitOverrides};
use crate::dependencies::Installer;

/// One language of an image.
#[derive(Clone, Debug)]
pub struct Language {
    /// Stable id: lower case letters, digits, `+`, `#`, `.`, `-`.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Other names that clients may use.
    pub aliases: Vec<String>,
    /// Extensions of its source files, without the dot; the first is the usual one.
    pub extensions: Vec<String>,
    /// File name of a submission that names none.
    pub entry: String,
    /// Name of the image that holds its toolchain.
    pub image: String,
    /// The image is made when an agent starts that is told nothing else, and not on first use.
    pub at_start: bool,
    /// Prints the version on its first line.
    pub version_command: Vec<String>,
    /// The compile step, if it has one.
    pub compile: Option<Command>,
    /// The run step.
    pub run: Command,
    /// Finds the package of the entry file: the first group of the first match.
    pub package_pattern: Option<regex::Regex>,
    /// Part of the memory limit that `{heap_mib}` stands for, in percent.
    pub heap_percent: u8,
    /// How its packages are installed, if they can be.
    pub installer: Option<Installer>,
    /// Bounds of the compile step's limits.
    pub compile_bounds: LimitBounds,
    /// Bounds of the run's limits.
    pub run_bounds: LimitBounds,
}

/// A command line and its environment, before a job's words are put in.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Program and arguments; placeholders as in [`crate::command`].
    pub command: Vec<String>,
    /// Of a compile step: a program that may be started before there is a job, does its start-up, and does what
    /// `command` would when it is given that ([`enclos_protocol::forerunner`]). It knows no word of a job.
    pub ahead: Option<Vec<String>>,
    /// Environment that the language needs.
    #[serde(default)]
    pub env: std::collections::BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    at_start: bool,
    language: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    name: String,
    #[serde(default)]
    aliases: Vec<String>,
    extensions: Vec<String>,
    entry: String,
    version_command: Vec<String>,
    compile: Option<Command>,
    run: Command,
    package_pattern: Option<String>,
    #[serde(default = "default_heap_percent")]
    heap_percent: u8,
    dependencies: Option<Installer>,
    #[serde(default)]
    limits: Limits,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    #[serde(default)]
    compile: LimitOverrides,
    #[serde(default)]
    run: LimitOverrides,
}

fn default_heap_percent() -> u8 {
    60
}

/// Why a `language.toml` is refused.
#[derive(Debug, thiserror::Error)]
pub enum LanguageError {
    /// Not TOML, or a key is missing, unknown or of a wrong type; the text names the line.
    #[error("{0}")]
    Syntax(String),
    /// A value is not one that may stand there.
    #[error("language '{id}': {problem}")]
    Value {
        /// Which language.
        id: String,
        /// What is wrong.
        problem: String,
    },
}

/// The languages that the `language.toml` of `image` describes.
///
/// # Errors
/// [`LanguageError`] says what is wrong, and for syntax where.
pub fn parse(image: &str, text: &str) -> Result<Vec<Language>, LanguageError> {
    let file: File = toml::from_str(text).map_err(|e| LanguageError::Syntax(e.to_string().trim_end().to_owned()))?;
    file.language.into_iter().map(|entry| checked(image, file.at_start, entry)).collect()
}

fn checked(image: &str, at_start: bool, entry: Entry) -> Result<Language, LanguageError> {
    let id = entry.id.clone();
    let wrong = |problem: String| LanguageError::Value { id: id.clone(), problem };
    if !is_id(&entry.id) || !entry.aliases.iter().all(|a| is_id(a)) {
        return Err(wrong("ids and aliases are 1 to 32 of a-z 0-9 + # . -".into()));
    }
    if entry.extensions.is_empty() {
        return Err(wrong("needs at least one extension".into()));
    }
    let commands = entry.compile.iter().chain([&entry.run]).map(|c| &c.command);
    if commands.chain([&entry.version_command]).any(Vec::is_empty) {
        return Err(wrong("a command needs at least the program".into()));
    }
    if !(1..=90).contains(&entry.heap_percent) {
        return Err(wrong("heap_percent is 1 to 90".into()));
    }
    for command in entry.compile.iter().chain([&entry.run]) {
        crate::command::check(&command.command).map_err(&wrong)?;
    }
    if entry.run.ahead.is_some() {
        return Err(wrong("ahead is a key of compile alone".into()));
    }
    if let Some(ahead) = entry.compile.as_ref().and_then(|compile| compile.ahead.as_ref()) {
        crate::command::check_ahead(ahead).map_err(&wrong)?;
    }
    if let Some(installer) = &entry.dependencies {
        installer.check().map_err(&wrong)?;
        if !is_id(&installer.name) {
            return Err(wrong("dependencies.name is 1 to 32 of a-z 0-9 + # . -".into()));
        }
    }
    let pattern = entry.package_pattern.as_deref().map(regex::Regex::new).transpose();
    let package_pattern = pattern.map_err(|e| wrong(e.to_string()))?;
    if package_pattern.as_ref().is_some_and(|p| p.captures_len() < 2) {
        return Err(wrong("package_pattern needs a group".into()));
    }
    Ok(Language {
        compile_bounds: bounds::COMPILE.with(&entry.limits.compile).map_err(&wrong)?,
        run_bounds: bounds::RUN.with(&entry.limits.run).map_err(&wrong)?,
        id: entry.id,
        name: entry.name,
        aliases: entry.aliases,
        extensions: entry.extensions,
        entry: entry.entry,
        image: image.to_owned(),
        at_start,
        version_command: entry.version_command,
        compile: entry.compile,
        run: entry.run,
        package_pattern,
        heap_percent: entry.heap_percent,
        installer: entry.dependencies,
    })
}

fn is_id(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+#.-".contains(c);
    (1..=32).contains(&text.len()) && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"
[[language]]
id = "x"
name = "X"
extensions = ["x"]
entry = "main.x"
version_command = ["x", "--version"]
run = { command = ["x", "{entry}", "{args}"] }
"#;

    #[test]
    fn a_minimal_language_is_taken_with_defaults() {
        let languages = parse("img", MINIMAL).unwrap();
        assert_eq!(languages.len(), 1);
        assert_eq!((languages[0].image.as_str(), languages[0].at_start), ("img", false));
        assert_eq!(languages[0].run_bounds.memory_bytes, bounds::RUN.memory_bytes);
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_its_line() {
        let text = format!("{MINIMAL}colour = \"red\"\n");
        insta::assert_snapshot!(parse("img", &text).unwrap_err(), @r#"
        TOML parse error at line 9, column 1
          |
        9 | colour = "red"
          | ^^^^^^
        unknown field `colour`, expected one of `id`, `name`, `aliases`, `extensions`, `entry`, `version_command`, `compile`, `run`, `package_pattern`, `heap_percent`, `dependencies`, `limits`
        "#);
    }

    #[test]
    fn an_unknown_placeholder_is_refused() {
        let text = MINIMAL.replace("{entry}", "{shell}");
        assert!(parse("img", &text).unwrap_err().to_string().contains("{shell}"));
    }

    #[test]
    fn what_starts_before_a_job_names_no_word_of_it() {
        let with =
            |ahead: &str| parse("img", &format!("{MINIMAL}compile = {{ command = [\"c\"], ahead = {ahead} }}\n"));
        let language = with(r#"["w", "-m{heap_mib}"]"#).unwrap().remove(0);
        assert_eq!(language.compile.unwrap().ahead.unwrap(), ["w", "-m{heap_mib}"]);
        for ahead in ["[]", r#"["w", "{args}"]"#, r#"["w", "x{entry}"]"#] {
            assert!(with(ahead).unwrap_err().to_string().contains("ahead"), "{ahead}");
        }
        let text = MINIMAL.replace("\"{args}\"]", "\"{args}\"], ahead = [\"w\"]");
        assert!(parse("img", &text).unwrap_err().to_string().contains("compile alone"));
    }

    #[test]
    fn a_default_outside_its_bounds_is_refused() {
        let text = format!("{MINIMAL}limits.run.memory_bytes = {{ default = 1, min = 1048576 }}\n");
        assert!(parse("img", &text).unwrap_err().to_string().contains("memory_bytes"));
    }
}
