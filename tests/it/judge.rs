//! `enclos judge` with small packages in the Kattis format: each submission gets the verdict of its folder.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use crate::cluster::{Cluster, program};

/// Longest that one submission may take to be judged.
const JUDGE_WAIT: Duration = Duration::from_secs(180);
const AGENT: &[&str] = &["--slots", "1", "--languages", "c,cpp,python"];

fn problems() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/problems")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|e| e.expect("it can be read").path()).collect();
    paths.sort();
    paths
}

async fn judge(cluster: &Cluster, problem: &Path, file: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(program("enclos"));
    command.arg("judge").arg(problem).arg(file).args(args).args(["--url", &cluster.url]);
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    timeout(JUDGE_WAIT, running).await.expect("it ends").expect("it runs")
}

/// Verdict and exit code of a folder's submissions; `None`: its points tell.
fn expected(folder: &str) -> Option<(&'static str, i32)> {
    match folder {
        "accepted" => Some(("accepted", 0)),
        "wrong_answer" => Some(("wrong_answer", 119)),
        "run_time_error" => Some(("runtime_error", 119)),
        "time_limit_exceeded" => Some(("time_limit", 121)),
        "partially_accepted" => None,
        other => panic!("no submission belongs into a folder {other}"),
    }
}

/// The points that a submission's own text promises.
fn promised_score(file: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(file).expect("it can be read");
    let after = text.split("@EXPECTED_SCORE@:").nth(1)?;
    Some(after.split_whitespace().next().and_then(|word| word.parse().ok()).expect("points are a number"))
}

async fn check_package(name: &str) {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    let problem = problems().join(name);
    let mut wrong = Vec::new();
    let mut judged = 0;
    for folder in entries(&problem.join("submissions")) {
        let kind = folder.file_name().expect("it has a name").to_string_lossy().into_owned();
        for file in entries(&folder) {
            judged += 1;
            let output = judge(&cluster, &problem, &file, &["--json"]).await;
            let job: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
            let got = (job["verdict"].as_str().unwrap_or_default(), output.status.code());
            let right = expected(&kind).is_none_or(|(verdict, code)| got == (verdict, Some(code)));
            let scored = promised_score(&file).is_none_or(|score| job["score"].as_f64() == Some(score));
            if !right || !scored {
                let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
                wrong.push(format!("{}: {got:?}, score {}\n{stderr}\n{job:#}", file.display(), job["score"]));
            }
        }
    }
    assert!(judged > 0 && wrong.is_empty(), "{} of {judged}:\n{}\n{}", wrong.len(), wrong.join("\n"), cluster.logs());
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_with_plain_answers_is_judged_rightly() {
    check_package("sum").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_with_a_tolerance_is_judged_rightly() {
    check_package("circle").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_with_a_validator_of_its_own_is_judged_rightly() {
    check_package("pair").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interactive_problem_is_judged_rightly() {
    check_package("guess").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_with_points_is_judged_rightly() {
    check_package("longest").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_has_a_row_for_each_case_and_a_last_word() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    let problem = problems().join("sum");
    let file = problem.join("submissions/wrong_answer/overflow.c");
    let output = judge(&cluster, &problem, &file, &[]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = |line: &str| line.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>();
    let rows: Vec<Vec<String>> = text.lines().skip(1).take(5).map(words).collect();
    let expected = [
        ["case", "verdict"],
        ["sample/1", "accepted"],
        ["secret/01-none", "accepted"],
        ["secret/02-negative", "accepted"],
        ["secret/03-large", "wrong_answer"],
    ];
    assert_eq!(rows, expected, "{text}");
    assert_eq!(text.lines().last(), Some("wrong_answer, 3 of 5 cases accepted, score 0.6"), "{text}");
    let all = judge(&cluster, &problem, &file, &["--all"]).await;
    let text = String::from_utf8_lossy(&all.stdout).into_owned();
    assert!(text.contains("secret/04-many"), "{text}");
    let compile = problem.join("submissions/accepted/absent.c");
    assert_eq!(judge(&cluster, &problem, &compile, &[]).await.status.code(), Some(125), "a file that is not there");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_cases_is_run_without_a_package() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("a.in", "1\n"), ("a.out", "1\n"), ("b.in", "2\n"), ("b.ans", "3\n"), ("c.in", "any\n")] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let file = folder.path().join("main.py");
    std::fs::write(&file, "print(input())").unwrap();
    let mut command = Command::new(program("enclos"));
    command.arg("run").arg(&file).arg("--case").arg(folder.path()).args(["--url", &cluster.url]);
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(JUDGE_WAIT, running).await.expect("it ends").expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let verdict = |name: &str| text.lines().find(|l| l.starts_with(name)).and_then(|l| l.split_whitespace().nth(1));
    let verdicts = ["a ", "b ", "c "].map(verdict);
    assert_eq!(verdicts, [Some("accepted"), Some("wrong_answer"), Some("accepted")], "{text}");
    assert_eq!(output.status.code(), Some(119), "{text}");
    cluster.shutdown().await;
}
