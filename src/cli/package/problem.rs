//! `problem.yaml` and its neighbours: how a problem is judged, and within which limits.
//!
//! Both the legacy format and the drafts after it name most things alike; what
//! is read here is what they share, and what judging needs. A key that would
//! change the verdict and is not understood is an error, never passed over.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};
use yaml_rust2::{Yaml, YamlLoader};

use super::super::exit::CliError;
use super::validator;

/// Bytes of a MiB, in which packages count memory and output.
const MIB: u64 = 1024 * 1024;
/// Largest YAML file of a package, in bytes.
const YAML_BYTES_MAX: u64 = 1024 * 1024;

/// How output is judged.
#[derive(Clone, PartialEq, Debug)]
pub enum Validation {
    /// By a checker of Enclos, as a submission's `checker` says it.
    Default(Value),
    /// By the package's own program.
    Custom,
    /// By the package's own program, which talks with the submission.
    Interactive,
}

/// What `problem.yaml` says.
#[derive(Clone, PartialEq, Debug)]
pub struct Problem {
    /// Its name, for people.
    pub name: String,
    /// How output is judged.
    pub validation: Validation,
    /// Arguments of the package's own validator.
    pub flags: Vec<String>,
    /// Groups of cases have points.
    pub scoring: bool,
    /// CPU time of each case, where the package says it.
    pub time_limit_ms: Option<u64>,
    /// Memory of each case, where the package says it.
    pub memory_bytes: Option<u64>,
    /// Output of each case, where the package says it.
    pub output_bytes: Option<u64>,
    /// Time of the package's own validator, where the package says it.
    pub validation_time_ms: Option<u64>,
}

/// The first document of a YAML file; `None`: there is no such file.
///
/// # Errors
/// [`CliError`] names the file.
pub fn yaml(path: &Path) -> Result<Option<Yaml>, CliError> {
    let fail = |source| CliError::Read { path: path.to_owned(), source };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error)),
        Ok(found) if found.len() > YAML_BYTES_MAX => {
            return Err(CliError::Input(format!("{} is larger than {YAML_BYTES_MAX} bytes", path.display())));
        }
        Ok(_) => {}
    }
    let text = fs::read_to_string(path).map_err(fail)?;
    let documents = YamlLoader::load_from_str(&text);
    let documents = documents.map_err(|e| CliError::Input(format!("{} is not YAML: {e}", path.display())))?;
    Ok(Some(documents.into_iter().next().unwrap_or(Yaml::Null)))
}

impl Problem {
    /// The problem of the package in `folder`.
    ///
    /// # Errors
    /// [`CliError`] says what is missing or not understood.
    pub fn read(folder: &Path) -> Result<Self, CliError> {
        let path = folder.join("problem.yaml");
        let document = yaml(&path)?.ok_or_else(|| {
            CliError::Input(format!("{} is no problem package: it has no problem.yaml", folder.display()))
        })?;
        let has_validator = validator::folder(folder).is_some();
        let mut problem =
            from_yaml(&document, has_validator).map_err(|why| CliError::Input(format!("{}: {why}", path.display())))?;
        if problem.time_limit_ms.is_none() {
            problem.time_limit_ms = legacy_time_limit(&folder.join(".timelimit"))?;
        }
        Ok(problem)
    }
}

/// Seconds in a file of their own, as tools for the legacy format leave them.
fn legacy_time_limit(path: &Path) -> Result<Option<u64>, CliError> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let milliseconds = text.trim().parse().ok().and_then(milliseconds);
            let wrong = || CliError::Input(format!("{} does not hold a number of seconds", path.display()));
            milliseconds.map(Some).ok_or_else(wrong)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(CliError::Read { path: path.to_owned(), source }),
    }
}

fn from_yaml(document: &Yaml, has_validator: bool) -> Result<Problem, String> {
    let flags = words(&document["validator_flags"]).ok_or("validator_flags is not a text")?;
    let kind = words(&document["type"]).ok_or("type is neither a text nor a list")?;
    let has = |word: &str| kind.iter().any(|k| k == word);
    if has("multi-pass") || has("submit-answer") {
        return Err("problems of type multi-pass and submit-answer cannot be judged".to_owned());
    }
    let named = words(&document["validation"]).ok_or("validation is not a text")?;
    // Later formats have no such key: a validator that is there is the one that judges.
    let version = document["problem_format_version"].as_str().unwrap_or("legacy");
    let present = has_validator && !version.starts_with("legacy");
    let validation = match named.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] if has("interactive") => Validation::Interactive,
        [] if present => Validation::Custom,
        [] | ["default"] => Validation::Default(checker(&flags)?),
        ["custom", more @ ..] if more.iter().all(|word| matches!(*word, "interactive" | "score")) => {
            if more.contains(&"interactive") { Validation::Interactive } else { Validation::Custom }
        }
        _ => return Err(format!("validation '{}' is not known", named.join(" "))),
    };
    let limits = &document["limits"];
    let mebibytes = |name: &str| match &limits[name] {
        Yaml::BadValue | Yaml::Null => Ok(None),
        value => match number(value) {
            Some(n) if n > 0.0 && n <= 1e6 => Ok(Some(whole(n * MIB as f64))),
            _ => Err(format!("limits.{name} is not a number of MiB")),
        },
    };
    let seconds = |name: &str| match &limits[name] {
        Yaml::BadValue | Yaml::Null => Ok(None),
        value => {
            number(value).and_then(milliseconds).map(Some).ok_or(format!("limits.{name} is not a number of seconds"))
        }
    };
    Ok(Problem {
        name: name(&document["name"]),
        validation,
        flags,
        scoring: has("scoring"),
        time_limit_ms: seconds("time_limit")?,
        memory_bytes: mebibytes("memory")?,
        output_bytes: mebibytes("output")?,
        validation_time_ms: seconds("validation_time")?,
    })
}

/// A name is a text, or one for each language.
fn name(value: &Yaml) -> String {
    let texts = || value.as_hash().into_iter().flatten();
    let english = texts().find(|(language, _)| language.as_str() == Some("en"));
    let named = value.as_str().or_else(|| english.or_else(|| texts().next()).and_then(|(_, text)| text.as_str()));
    named.unwrap_or_default().to_owned()
}

/// The words of a text or of a list of texts; none where there is nothing.
pub fn words(value: &Yaml) -> Option<Vec<String>> {
    match value {
        Yaml::BadValue | Yaml::Null => Some(Vec::new()),
        Yaml::String(text) => Some(text.split_whitespace().map(str::to_owned).collect()),
        Yaml::Array(list) => list.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// A number, however it is written.
pub fn number(value: &Yaml) -> Option<f64> {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "limits and points are small")]
        Yaml::Integer(n) => Some(*n as f64),
        Yaml::Real(text) => text.parse().ok(),
        _ => None,
    }
}

fn milliseconds(seconds: f64) -> Option<u64> {
    (seconds > 0.0 && seconds <= 1e6).then(|| whole(seconds * 1000.0))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "callers have checked the range")]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

/// The default validator's flags, as a checker of Enclos.
fn checker(flags: &[String]) -> Result<Value, String> {
    let (mut ignore_case, mut spaces) = (true, false);
    let (mut abs, mut rel) = (None, None);
    let mut words = flags.iter();
    while let Some(flag) = words.next() {
        let mut tolerance = || match words.next().and_then(|word| word.parse::<f64>().ok()) {
            Some(value) if value.is_finite() && value >= 0.0 => Ok(Some(value)),
            _ => Err(format!("validator_flags: {flag} needs a number")),
        };
        match flag.as_str() {
            "case_sensitive" => ignore_case = false,
            "space_change_sensitive" => spaces = true,
            "float_absolute_tolerance" => abs = tolerance()?,
            "float_relative_tolerance" => rel = tolerance()?,
            "float_tolerance" => {
                abs = tolerance()?;
                rel = abs;
            }
            _ => return Err(format!("validator_flags: '{flag}' is not known")),
        }
    }
    match (spaces, abs.or(rel)) {
        (true, None) if !ignore_case => Ok(json!("exact")),
        (true, _) => Err("validator_flags: space_change_sensitive is judged with case_sensitive alone".to_owned()),
        (false, None) => Ok(json!({ "tokens": { "ignore_case": ignore_case } })),
        (false, Some(_)) => {
            let mut float = json!({ "ignore_case": ignore_case });
            for (name, tolerance) in [("abs", abs), ("rel", rel)] {
                if let Some(value) = tolerance {
                    float[name] = json!(value);
                }
            }
            Ok(json!({ "float": float }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> Result<Problem, String> {
        from_yaml(&YamlLoader::load_from_str(text).unwrap().into_iter().next().unwrap_or(Yaml::Null), false)
    }

    #[test]
    fn a_package_that_says_nothing_is_judged_by_tokens() {
        let plain = problem("name: X").unwrap();
        assert_eq!(plain.validation, Validation::Default(json!({ "tokens": { "ignore_case": true } })));
        assert_eq!((plain.name.as_str(), plain.scoring, plain.time_limit_ms), ("X", false, None));
    }

    #[test]
    fn flags_of_the_default_validator_become_a_checker() {
        for (flags, checker) in [
            ("case_sensitive", json!({ "tokens": { "ignore_case": false } })),
            ("case_sensitive space_change_sensitive", json!("exact")),
            ("float_tolerance 1e-6", json!({ "float": { "ignore_case": true, "abs": 1e-6, "rel": 1e-6 } })),
            ("float_relative_tolerance 0.5", json!({ "float": { "ignore_case": true, "rel": 0.5 } })),
        ] {
            let found = problem(&format!("validator_flags: {flags}")).unwrap().validation;
            assert_eq!(found, Validation::Default(checker), "{flags}");
        }
        for bad in ["space_change_sensitive", "float_tolerance", "float_tolerance x", "float_tolerance -1", "colour"] {
            assert!(problem(&format!("validator_flags: {bad}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn both_formats_say_how_they_are_judged() {
        for (text, validation) in [
            ("validation: custom", Validation::Custom),
            ("validation: custom score", Validation::Custom),
            ("validation: custom interactive", Validation::Interactive),
            ("type: interactive", Validation::Interactive),
            ("type: [pass-fail, interactive]", Validation::Interactive),
        ] {
            assert_eq!(problem(text).unwrap().validation, validation, "{text}");
        }
        for bad in ["validation: magic", "type: multi-pass", "type: {a: b}", "validation: 7"] {
            assert!(problem(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn limits_are_in_seconds_and_mebibytes() {
        let limits = problem("limits: {time_limit: 1.5, memory: 64, output: 8, validation_time: 3}").unwrap();
        assert_eq!((limits.time_limit_ms, limits.memory_bytes), (Some(1500), Some(64 * MIB)));
        assert_eq!((limits.output_bytes, limits.validation_time_ms), (Some(8 * MIB), Some(3000)));
        for bad in ["limits: {time_limit: 0}", "limits: {memory: -1}", "limits: {memory: lots}"] {
            assert!(problem(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_is_taken_in_english_where_there_are_several() {
        assert_eq!(problem("name: {pl: Okręgi, en: Circles}").unwrap().name, "Circles");
        assert_eq!(problem("name: {pl: Okręgi}").unwrap().name, "Okręgi");
    }
}
