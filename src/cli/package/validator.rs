//! The package's own validator: the program in `output_validators` or `output_validator`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::compose;
use super::super::exit::CliError;

/// Names of the folder, of the legacy format and of those after it.
const FOLDERS: [&str; 2] = ["output_validators", "output_validator"];
/// Files that make a folder a program built in a way of its own.
const SCRIPTS: [&str; 2] = ["build", "run"];

/// The folder of validators, where the package in `root` has one.
#[must_use]
pub fn folder(root: &Path) -> Option<PathBuf> {
    FOLDERS.iter().map(|name| root.join(name)).find(|folder| folder.is_dir())
}

/// The validator as a program of a submission, its files taken from `bytes_left`.
///
/// # Errors
/// [`CliError`] where there is none, or more than one.
pub fn program(root: &Path, bytes_left: &mut usize) -> Result<Value, CliError> {
    let missing = || CliError::Input(format!("{} has no output validator", root.display()));
    let outer = folder(root).ok_or_else(missing)?;
    let entries = visible_entries(&outer)?;
    let (folders, mut files): (Vec<PathBuf>, Vec<PathBuf>) = entries.into_iter().partition(|path| path.is_dir());
    match (folders.as_slice(), files.as_slice()) {
        ([], []) => return Err(missing()),
        ([], _) => {}
        ([only], []) => files = files_below(only)?,
        _ => {
            let text = format!("{} holds more than one program; one can judge", outer.display());
            return Err(CliError::Input(text));
        }
    }
    let base = folders.first().unwrap_or(&outer);
    if let Some(script) = files.iter().find(|f| SCRIPTS.iter().any(|name| **f == base.join(name))) {
        let text = format!("{}: validators with a script of their own cannot be built", script.display());
        return Err(CliError::Input(text));
    }
    let mut sent = Vec::with_capacity(files.len());
    for file in &files {
        let bytes = compose::read(file, *bytes_left)?;
        *bytes_left -= bytes.len();
        let path = compose::as_text(file.strip_prefix(base).unwrap_or(file))?;
        sent.push(compose::content(json!({ "path": path }), "content", bytes));
    }
    Ok(json!({ "files": sent }))
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let mut files = Vec::new();
    for path in visible_entries(folder)? {
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

/// What is in a folder, by name; files whose name begins with a dot are the tools' own.
pub fn visible_entries(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let fail = |source| CliError::Read { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.')) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        root
    }

    fn paths(files: &[&str]) -> Option<Vec<String>> {
        let program = program(package(files).path(), &mut 1000).ok()?;
        let text = |file: &Value| file["path"].as_str().unwrap().to_owned();
        Some(program["files"].as_array().unwrap().iter().map(text).collect())
    }

    #[test]
    fn a_validator_is_one_folder_or_the_files_themselves() {
        assert_eq!(paths(&["output_validators/v/a.cpp", "output_validators/v/inc/b.h"]).unwrap(), ["a.cpp", "inc/b.h"]);
        assert_eq!(paths(&["output_validator/a.py"]).unwrap(), ["a.py"]);
        assert_eq!(paths(&["output_validators/a.py", "output_validators/.hidden"]).unwrap(), ["a.py"]);
    }

    #[test]
    fn none_several_and_scripted_validators_are_refused() {
        assert_eq!(paths(&["problem.yaml"]), None);
        assert_eq!(paths(&["output_validators/v/a.py", "output_validators/w/a.py"]), None);
        assert_eq!(paths(&["output_validators/v/a.py", "output_validators/v/build"]), None);
    }
}
