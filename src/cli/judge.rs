//! `enclos judge`: a program against a problem package, case by case.

use std::path::PathBuf;
use std::process::ExitCode;

use enclos_protocol::supervisor_link::INPUT_BYTES_MAX;
use serde_json::{Map, Value, json};

use super::blobs;
use super::client::Client;
use super::compose::{parse_pair, program};
use super::exit::CliError;
use super::package::Package;
use super::run::run_to_the_end;
use super::terminal::{Colour, Terminal, harmless_line, say};
use super::verdicts::{CasesView, case_names};

/// What the answer keeps of each case, in bytes: what is judged is seldom read, and a thousand cases add up.
const REPORT_BYTES: u64 = 4096;

/// What `enclos judge` sends.
#[derive(Clone, Debug, clap::Args)]
pub struct JudgeArgs {
    /// Folder of the problem: problem.yaml, data/sample, data/secret, output_validators
    #[arg(value_name = "PROBLEM_DIR")]
    pub problem: PathBuf,
    /// Sources; the first is compiled or run
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Language (default: told by the first file's extension)
    #[arg(long, short, value_name = "ID")]
    pub language: Option<String>,
    /// CPU seconds of each case (default: what the package says, else the language's own limit)
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub time_limit: Option<u64>,
    /// Run all cases, also after one that is not accepted (always so where cases have points)
    #[arg(long)]
    pub all: bool,
    /// An argument for the compiler (repeat for more)
    #[arg(long = "compile-arg", value_name = "ARG", allow_hyphen_values = true)]
    pub compile_args: Vec<String>,
    /// A label to find the job again (repeat for more)
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = parse_pair)]
    pub labels: Vec<(String, String)>,
    /// Print the finished job as JSON instead of the table
    #[arg(long)]
    pub json: bool,
}

/// Seconds as milliseconds.
fn parse_seconds(text: &str) -> Result<u64, String> {
    let seconds: f64 = text.parse().map_err(|_| "needs a number of seconds")?;
    if !(0.001..=1e6).contains(&seconds) {
        return Err("needs a number of seconds, at least 0.001".to_owned());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "its range was just checked")]
    Ok((seconds * 1000.0).round() as u64)
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when the package cannot be read, or there is no answer or a refusal.
pub async fn judge(client: &Client, args: &JudgeArgs, terminal: Terminal) -> Result<ExitCode, CliError> {
    let package = Package::read(&args.problem, args.time_limit)?;
    let mut submission = submission(args, &package)?;
    blobs::lift(client, &mut submission, terminal).await?;
    let names = case_names(&submission["cases"]);
    if !args.json && !package.problem.name.is_empty() {
        say(&terminal.paint(Colour::Faint, &harmless_line(&package.problem.name)));
    }
    run_to_the_end(client, &submission, args.json, terminal, CasesView::new(terminal, names)).await
}

fn submission(args: &JudgeArgs, package: &Package) -> Result<Value, CliError> {
    let mut left = INPUT_BYTES_MAX;
    let mut body = program(&args.files, &mut left)?;
    for (name, value) in package.submission.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body["limits"]["run"]["report_bytes"] = json!(REPORT_BYTES);
    body["stop_on_first_failure"] = json!(!args.all && !package.problem.scoring);
    body["compile"] = json!({ "args": args.compile_args });
    let labels = args.labels.iter().map(|(name, value)| (name.clone(), json!(value)));
    body["labels"] = Value::Object(labels.collect::<Map<_, _>>());
    if let Some(language) = &args.language {
        body["language"] = json!(language);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn args(problem: &str, file: &str) -> JudgeArgs {
        let problems = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/problems");
        let problem = problems.join(problem);
        let files = vec![problem.join(file)];
        JudgeArgs {
            problem,
            files,
            language: None,
            time_limit: None,
            all: false,
            compile_args: vec![],
            labels: vec![],
            json: false,
        }
    }

    /// The package's submission, as the master's own rules find it.
    fn admitted(args: &JudgeArgs) -> crate::admission::Admitted {
        let body = submission(args, &Package::read(&args.problem, args.time_limit).unwrap()).unwrap();
        let catalogue = enclos_images::Catalogue::embedded().unwrap();
        crate::admission::admit(&catalogue, "t", body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn every_package_becomes_a_submission_that_the_master_admits() {
        for (problem, file) in [
            ("sum", "submissions/accepted/sum.cpp"),
            ("circle", "submissions/accepted/fixed.cpp"),
            ("pair", "submissions/accepted/first.py"),
            ("guess", "submissions/accepted/halves.c"),
            ("longest", "submissions/accepted/once.py"),
        ] {
            let job = admitted(&args(problem, file));
            let plan = job.spec.cases.unwrap();
            assert_eq!(plan.count as usize, job.cases.len(), "{problem}");
            assert_eq!(plan.stop_on_first_failure, problem != "longest", "{problem}");
            assert_eq!(job.scoring.groups.is_empty(), problem != "longest", "{problem}");
            assert_eq!(plan.judging.companion().is_some(), matches!(problem, "pair" | "guess"), "{problem}");
        }
    }

    #[test]
    fn a_time_limit_of_the_user_replaces_that_of_the_package() {
        let mut args = args("sum", "submissions/accepted/sum.cpp");
        args.time_limit = Some(parse_seconds("0.5").unwrap());
        args.all = true;
        let job = admitted(&args);
        assert_eq!((job.spec.run_limits.cpu_ms, job.spec.run_limits.wall_ms), (500, 2000));
        assert!(!job.spec.cases.unwrap().stop_on_first_failure);
        for bad in ["0", "-1", "x", "nan", "1e9"] {
            assert!(parse_seconds(bad).is_err(), "{bad}");
        }
    }
}
