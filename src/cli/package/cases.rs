//! Folders of cases: `NAME.in` beside `NAME.ans`, as packages and `run --case` have them.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use yaml_rust2::Yaml;

use super::super::compose;
use super::super::exit::CliError;
use super::problem;
use super::validator::visible_entries;

/// Endings of an expected output; packages know the first, people write the others too.
const ANSWERS: [&str; 3] = ["ans", "out", "expected"];
/// File with the settings of a folder of cases.
const SETTINGS: &str = "testdata.yaml";

/// One case, its files not read yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Its path below the folder, without the ending.
    pub name: String,
    input: PathBuf,
    answer: Option<PathBuf>,
}

/// Cases that earn points together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// The folder's name.
    pub name: String,
    /// Points where all its cases are accepted.
    pub weight: u64,
    /// Names of its cases.
    pub cases: Vec<String>,
}

/// The cases below `folder`, named by their path from `root`, in the order of names.
///
/// # Errors
/// [`CliError::Read`] names the folder.
pub fn find(root: &Path, folder: &Path) -> Result<Vec<Found>, CliError> {
    let mut found = Vec::new();
    for path in visible_entries(folder)? {
        if path.is_dir() {
            found.extend(find(root, &path)?);
        } else if path.extension().is_some_and(|ending| ending == "in") {
            let name = path.with_extension("");
            let name = compose::as_text(name.strip_prefix(root).unwrap_or(&name))?;
            let answer = ANSWERS.iter().map(|ending| path.with_extension(ending)).find(|answer| answer.is_file());
            found.push(Found { name, input: path, answer });
        }
    }
    Ok(found)
}

/// The order of two names in which what is written in digits counts as a number.
pub fn by_numbers(one: &str, other: &str) -> Ordering {
    let (one_parts, other_parts) = (parts(one), parts(other));
    let unequal = one_parts.iter().zip(&other_parts).find_map(|(a, b)| {
        let both_numbers = [a, b].iter().all(|part| part.starts_with(|c: char| c.is_ascii_digit()));
        let (a, b) = if both_numbers { (a.trim_start_matches('0'), b.trim_start_matches('0')) } else { (*a, *b) };
        let lengths = if both_numbers { a.len().cmp(&b.len()) } else { Ordering::Equal };
        Some(lengths.then_with(|| a.cmp(b))).filter(|order| order.is_ne())
    });
    unequal.unwrap_or_else(|| one_parts.len().cmp(&other_parts.len()).then_with(|| one.cmp(other)))
}

/// A text in its runs of digits and of anything else.
fn parts(text: &str) -> Vec<&str> {
    text.as_bytes()
        .chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit())
        // Cut only beside a digit, so never within a character.
        .map(|part| std::str::from_utf8(part).unwrap_or_default())
        .collect()
}

/// The groups of a problem with points: the folders below `secret`.
///
/// # Errors
/// [`CliError`] names the folder whose settings are not understood.
pub fn groups(root: &Path, secret: &Path) -> Result<Vec<Group>, CliError> {
    let mut groups = Vec::new();
    for folder in visible_entries(secret)?.into_iter().filter(|path| path.is_dir()) {
        let cases: Vec<String> = find(root, &folder)?.into_iter().map(|case| case.name).collect();
        if cases.is_empty() {
            continue;
        }
        let name = compose::as_text(folder.strip_prefix(secret).unwrap_or(&folder))?;
        groups.push(Group { name, weight: weight(&folder.join(SETTINGS))?, cases });
    }
    Ok(groups)
}

fn weight(settings: &Path) -> Result<u64, CliError> {
    let document = problem::yaml(settings)?.unwrap_or(Yaml::Null);
    let refuse = |what: &str| CliError::Input(format!("{}: {what}", settings.display()));
    let flags = problem::words(&document["grader_flags"]).unwrap_or_default();
    // A folder's points are had as a whole here; another sum would be another score.
    if !flags.is_empty() && !flags.iter().any(|flag| flag == "min") {
        return Err(refuse("grader_flags other than 'min' are not judged"));
    }
    match &document["accept_score"] {
        Yaml::BadValue | Yaml::Null => Ok(1),
        value => {
            let points = problem::number(value).filter(|n| *n >= 0.0 && *n <= 1e6 && n.fract() == 0.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and within its range")]
            points.map(|n| n as u64).ok_or_else(|| refuse("accept_score is not a whole number from 0 to 1000000"))
        }
    }
}

impl Found {
    /// The case as a submission has it, its files taken from `bytes_left`; `needs_answer`: without
    /// an expected output it could not be judged.
    ///
    /// # Errors
    /// [`CliError`] names the file that is missing, unreadable or too large.
    pub fn read(&self, needs_answer: bool, bytes_left: &mut usize) -> Result<Value, CliError> {
        let mut take = |path: &Path| -> Result<Vec<u8>, CliError> {
            let bytes = compose::read(path, *bytes_left)?;
            *bytes_left -= bytes.len();
            Ok(bytes)
        };
        let case = compose::content(json!({ "name": self.name }), "stdin", take(&self.input)?);
        match &self.answer {
            Some(answer) => Ok(compose::content(case, "expected_stdout", take(answer)?)),
            None if needs_answer => {
                let text =
                    format!("{} has no expected output ({}) beside it", self.input.display(), ANSWERS.join(", "));
                Err(CliError::Input(text))
            }
            None => Ok(case),
        }
    }
}

impl Group {
    /// The group as a submission has it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut group = Map::new();
        group.insert("name".to_owned(), json!(self.name));
        group.insert("weight".to_owned(), json!(self.weight));
        group.insert("cases".to_owned(), json!(self.cases));
        Value::Object(group)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn cases_are_found_below_and_named_by_their_path() {
        let root = folder(&[("b/1.in", "x"), ("b/1.ans", "y"), ("a.in", ""), ("a.desc", ""), (".x.in", "")]);
        let found = find(root.path(), root.path()).unwrap();
        let names: Vec<&str> = found.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names, ["a", "b/1"]);
        let mut left = 10;
        let expected = json!({ "name": "b/1", "stdin": "x", "expected_stdout": "y" });
        assert_eq!(found[1].read(true, &mut left).unwrap(), expected);
        assert_eq!(left, 8);
        assert!(found[0].read(true, &mut left).is_err(), "it has no answer");
        assert_eq!(found[0].read(false, &mut left).unwrap(), json!({ "name": "a", "stdin": "" }));
        assert!(found[1].read(true, &mut 1).is_err(), "both are larger than what is left");
    }

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = ["10", "b/2", "2", "1", "b/10", "a", "02", "ż3", "ż10", "1-b", "1-a"];
        names.sort_by(|a, b| by_numbers(a, b));
        assert_eq!(names, ["1", "1-a", "1-b", "02", "2", "10", "a", "b/2", "b/10", "ż3", "ż10"]);
    }

    #[test]
    fn groups_have_the_points_of_their_settings() {
        let settings = "grader_flags: min\naccept_score: 30\n";
        let root = folder(&[("secret/g1/testdata.yaml", settings), ("secret/g1/1.in", ""), ("secret/g2/1.in", "")]);
        let found = groups(root.path(), &root.path().join("secret")).unwrap();
        let facts: Vec<_> = found.iter().map(|g| (g.name.as_str(), g.weight, g.cases.join(" "))).collect();
        assert_eq!(facts, [("g1", 30, "secret/g1/1".to_owned()), ("g2", 1, "secret/g2/1".to_owned())]);
        for bad in ["grader_flags: sum", "accept_score: 1.5", "accept_score: -1", "accept_score: x", "a: ["] {
            let root = folder(&[("g/testdata.yaml", bad), ("g/1.in", "")]);
            assert!(groups(root.path(), root.path()).is_err(), "{bad}");
        }
    }
}
