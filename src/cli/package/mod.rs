//! A problem package in the Kattis format, read from its folder into a submission.
//!
//! ```text
//! problem.yaml ─▶ Problem ──┐
//! data/**/*.in, *.ans ──────┼─▶ the judging half of a submission
//! output_validators/ ───────┘
//! ```
//!
//! Files are read here, rules are the master's: what a package asks for beyond
//! them is refused there, and told.

mod cases;
mod problem;
mod validator;

use std::path::Path;

use enclos_protocol::cases::CASES_INPUT_BYTES_MAX;
use enclos_protocol::supervisor_link::INPUT_BYTES_MAX;
use serde_json::{Value, json};

use super::exit::CliError;
use cases::Found;
pub use problem::{Problem, Validation};

/// Wall time beside the CPU time of a package's limit: a busy host must not fail a right program.
const WALL_FACTOR: u64 = 2;
/// As [`WALL_FACTOR`], added to it, in milliseconds.
const WALL_EXTRA_MS: u64 = 1000;

/// A package, read.
#[derive(Clone, PartialEq, Debug)]
pub struct Package {
    /// What `problem.yaml` says.
    pub problem: Problem,
    /// `cases`, `checker`, `interactor`, `groups` and `limits` of a submission.
    pub submission: Value,
}

impl Package {
    /// The package in `folder`, judged within `time_limit_ms` where that is given.
    ///
    /// # Errors
    /// [`CliError`] names what is missing, unreadable, or not understood.
    pub fn read(folder: &Path, time_limit_ms: Option<u64>) -> Result<Self, CliError> {
        let problem = Problem::read(folder)?;
        let data = folder.join("data");
        let mut found = Vec::new();
        for part in ["sample", "secret"].map(|name| data.join(name)).iter().filter(|part| part.is_dir()) {
            found.extend(cases::find(&data, part)?);
        }
        let mut submission =
            json!({ "cases": read_cases(folder, &found, problem.validation != Validation::Interactive)? });
        let mut program_bytes = INPUT_BYTES_MAX;
        match &problem.validation {
            Validation::Default(checker) => submission["checker"] = checker.clone(),
            Validation::Custom => {
                submission["checker"] = json!({ "program": validator(folder, &problem, &mut program_bytes)? });
            }
            Validation::Interactive => submission["interactor"] = validator(folder, &problem, &mut program_bytes)?,
        }
        if problem.scoring {
            let groups = cases::groups(&data, &data.join("secret"))?;
            submission["groups"] = groups.iter().map(cases::Group::to_json).collect();
        }
        let limits = run_limits(&problem, time_limit_ms.or(problem.time_limit_ms));
        submission["limits"] = json!({ "run": limits });
        Ok(Self { problem, submission })
    }
}

/// The cases in one folder of `run --case`, as a submission has them.
///
/// # Errors
/// As [`Package::read`].
pub fn folder_of_cases(folder: &Path) -> Result<Value, CliError> {
    let mut found = cases::find(folder, folder)?;
    // Packages have the order of their names; whoever numbers files by hand means 2 before 10.
    found.sort_by(|a, b| cases::by_numbers(&a.name, &b.name));
    read_cases(folder, &found, false)
}

fn read_cases(folder: &Path, found: &[Found], need_answers: bool) -> Result<Value, CliError> {
    if found.is_empty() {
        return Err(CliError::Input(format!("{} holds no case: no file ends in .in", folder.display())));
    }
    let mut bytes_left = usize::try_from(CASES_INPUT_BYTES_MAX).unwrap_or(usize::MAX);
    found.iter().map(|case| case.read(need_answers, &mut bytes_left)).collect()
}

fn validator(folder: &Path, problem: &Problem, bytes_left: &mut usize) -> Result<Value, CliError> {
    let mut program = validator::program(folder, bytes_left)?;
    program["args"] = json!(problem.flags);
    if let Some(ms) = problem.validation_time_ms {
        program["limits"] = json!({ "run": { "cpu_ms": ms, "wall_ms": wall_ms(ms) } });
    }
    Ok(program)
}

fn run_limits(problem: &Problem, time_limit_ms: Option<u64>) -> Value {
    let mut limits = json!({});
    if let Some(ms) = time_limit_ms {
        limits["cpu_ms"] = json!(ms);
        limits["wall_ms"] = json!(wall_ms(ms));
    }
    for (name, bytes) in [("memory_bytes", problem.memory_bytes), ("output_bytes", problem.output_bytes)] {
        if let Some(bytes) = bytes {
            limits[name] = json!(bytes);
        }
    }
    limits
}

fn wall_ms(cpu_ms: u64) -> u64 {
    cpu_ms.saturating_mul(WALL_FACTOR).saturating_add(WALL_EXTRA_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str) -> Package {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/problems").join(name);
        Package::read(&folder, None).unwrap_or_else(|e| panic!("{name}: {}", e.chain()))
    }

    fn names(package: &Package) -> Vec<&str> {
        package.submission["cases"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect()
    }

    #[test]
    fn samples_come_first_and_limits_leave_room_for_a_busy_host() {
        let sum = package("sum");
        assert_eq!(names(&sum)[..2], ["sample/1", "secret/01-none"]);
        let limits = json!({ "cpu_ms": 1000, "wall_ms": 3000, "memory_bytes": 128 << 20 });
        assert_eq!(sum.submission["limits"]["run"], limits);
        assert_eq!(sum.submission["checker"], json!({ "tokens": { "ignore_case": true } }));
        assert_eq!(sum.submission["cases"][0]["expected_stdout"], "Sum: 6\n");
    }

    #[test]
    fn a_packages_own_validator_becomes_checker_or_interactor() {
        let pair = package("pair");
        let checker = &pair.submission["checker"]["program"];
        assert_eq!(checker["files"][0]["path"], "validate.py");
        assert_eq!(checker["limits"]["run"], json!({ "cpu_ms": 10_000, "wall_ms": 21_000 }));
        let guess = package("guess");
        assert_eq!(guess.submission["interactor"]["files"][0]["path"], "guess.cpp");
        assert!(guess.submission.get("checker").is_none());
    }

    #[test]
    fn points_are_had_by_groups() {
        let groups = &package("longest").submission["groups"];
        assert_eq!(groups[0], json!({ "name": "all", "weight": 70, "cases": ["secret/all/1", "secret/all/2"] }));
        assert_eq!(groups[1]["weight"], 30);
        assert!(package("sum").submission.get("groups").is_none());
    }

    #[test]
    fn a_folder_without_cases_says_so() {
        let empty = tempfile::tempdir().unwrap();
        let error = folder_of_cases(empty.path()).unwrap_err();
        assert!(error.to_string().contains("no file ends in .in"), "{error}");
    }
}
