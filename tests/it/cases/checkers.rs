//! How outputs are judged: by what Enclos compares, and by programs of the client.

use serde_json::{Value, json};

use super::{ECHO, each, judged, verdicts};
use crate::cluster::Cluster;

const AGENT: &[&str] = &["--slots", "2", "--languages", "c,cpp,python"];

/// A checker, and outputs with what is expected and whether it is the same.
type Row = (Value, &'static [(&'static str, &'static str, bool)]);

fn table() -> Vec<Row> {
    vec![
        (
            json!("exact"),
            &[
                ("a\nb", "a\nb", true),
                ("", "", true),
                ("a\n", "a", false),
                ("a", "a\n", false),
                ("a \n", "a\n", false),
                ("\u{0}\u{ff}", "\u{0}\u{ff}", true),
                ("\u{0}", "", false),
            ],
        ),
        (
            json!("trim"),
            &[
                ("a  \nb\t\r\n\n\n", "a\nb", true),
                ("a\nb", "a  \nb\n\n", true),
                ("\n\n", "", true),
                (" a", "a", false),
                ("a  b", "a b", false),
                ("a\n\nb", "a\nb", false),
                ("a", "A", false),
            ],
        ),
        (Value::Null, &[("a \n", "a", true), ("a b", "a  b", false)]),
        (
            json!("tokens"),
            &[
                ("  a\n\n b\tc ", "a b c", true),
                ("", " \n", true),
                ("ab", "a b", false),
                ("a b c", "a b", false),
                ("a b", "a b c", false),
                ("A", "a", false),
                ("1.0", "1", false),
            ],
        ),
        (json!({ "tokens": { "ignore_case": true } }), &[("YES no", "yes NO", true), ("é", "É", false)]),
        (
            json!({ "float": { "abs": 0.01 } }),
            &[
                ("1.005", "1", true),
                ("1e0", "1", true),
                ("-0.0", "0", true),
                ("1.02", "1", false),
                ("100.5", "100", false),
                ("x 1", "x 1.001", true),
                ("X 1", "x 1", false),
                ("nan", "1", false),
                ("1 2", "1", false),
                ("inf", "1e999", false),
            ],
        ),
        (json!({ "float": { "rel": 0.01 } }), &[("100.5", "100", true), ("0.001", "0", false), ("102", "100", false)]),
        (
            json!({ "float": { "abs": 1e-9, "rel": 0.01, "ignore_case": true } }),
            &[("Case 1: 100.5", "case 1: 100", true)],
        ),
        (
            json!("unordered_lines"),
            &[
                ("b\na\n", "a\nb", true),
                ("a \n\nb", "b\na", true),
                ("a\na\nb", "a\nb\nb", false),
                ("a\nb", "a", false),
                ("a", "a\nb", false),
                ("a b", "b a", false),
            ],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_checker_tells_right_from_wrong() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    let mut wrong = Vec::new();
    for (checker, rows) in table() {
        let case = |(output, expected, _): &(&str, &str, bool)| json!({ "stdin": output, "expected_stdout": expected });
        let cases: Vec<Value> = rows.iter().map(case).collect();
        let job = judged(&cluster, "c", ECHO, json!(cases), json!({ "checker": checker })).await;
        for ((output, expected, same), verdict) in rows.iter().zip(verdicts(&job)) {
            if verdict != if *same { "accepted" } else { "wrong_answer" } {
                wrong.push(format!("{checker}: {output:?} against {expected:?} is {verdict}"));
            }
        }
        assert_eq!(job["cases"].as_array().map(Vec::len), Some(rows.len()), "{job:#}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_answer_of_a_program_that_fails_is_not_accepted() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    let program =
        "#include <stdio.h>\nint main(int n, char **a) { puts(\"right\"); fflush(stdout); while (n > 1) {} return 1; }";
    let cases = json!([{ "expected_stdout": "right" }, { "expected_stdout": "right", "args": ["spin"] }]);
    let limits = json!({ "limits": { "run": { "cpu_ms": 200 } } });
    let job = judged(&cluster, "c", program, cases, limits).await;
    assert_eq!(verdicts(&job), ["runtime_error", "time_limit"], "{job:#}");
    cluster.shutdown().await;
}

/// An output validator that does what the output asks of it.
const OBEDIENT: &str = r#"
import os, sys, time
from pathlib import Path

asked = sys.stdin.read().split()
folder = Path(sys.argv[3])
for word in asked:
    name, _, value = word.partition("=")
    if name == "message":
        (folder / "judgemessage.txt").write_text(value)
    if name == "score":
        (folder / "score.txt").write_text(value)
    if name == "facts":
        facts = [Path(sys.argv[1]).read_text(), Path(sys.argv[2]).read_text(), sys.argv[4:], os.listdir(folder)]
        (folder / "judgemessage.txt").write_text(repr(facts))
    if name == "where":
        (folder / "judgemessage.txt").write_text(open("/proc/self/uid_map").read().split()[1])
    if name == "spin":
        while True: pass
    if name == "kill":
        os.kill(os.getpid(), 9)
sys.exit(int(asked[-1]))
"#;

fn obedient() -> Value {
    let limits = json!({ "run": { "cpu_ms": 1000, "wall_ms": 10_000 } });
    json!({ "checker": { "program": { "language": "python", "source": OBEDIENT, "args": ["--flag", "x y"], "limits": limits } } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_programs_word_decides_where_one_is_given() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    let asked = |words: &str| json!({ "stdin": words, "expected_stdout": "the answer" });
    let cases = json!([
        asked("42"),
        asked("43"),
        asked("message=why 43"),
        asked("score=0.25 42"),
        asked("score=1 43"),
        asked("facts 42"),
        asked("0"),
        asked("1"),
        asked("spin"),
        asked("kill"),
        asked("score=lots 42"),
    ]);
    let job = judged(&cluster, "c", ECHO, cases, obedient()).await;
    let error = "checker_error";
    let expected = [
        "accepted",
        "wrong_answer",
        "wrong_answer",
        "accepted",
        "wrong_answer",
        "accepted",
        error,
        error,
        error,
        error,
        error,
    ];
    assert_eq!(verdicts(&job), expected, "{job:#}");
    assert_eq!(job["cases"][2]["feedback"], "why", "{job:#}");
    let scores = each(&job, "score");
    assert_eq!((&scores[0], &scores[3], &scores[4]), (&Value::Null, &json!(0.25), &Value::Null), "{job:#}");
    let facts = job["cases"][5]["feedback"].as_str().unwrap_or_default();
    assert_eq!(facts, "['facts 42', 'the answer', ['--flag', 'x y'], []]", "{job:#}");
    for index in 6..11 {
        assert!(job["cases"][index]["feedback"].is_string(), "it says why: {job:#}");
    }
    assert_eq!(job["judge_compile"], Value::Null, "Python has no compile step");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checker_and_the_program_never_meet_in_one_sandbox() {
    let cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "python"]]).await;
    let program = "print(open('/proc/self/uid_map').read().split()[1])\nprint('where 42')";
    for _ in 0..2 {
        let job = judged(&cluster, "python", program, json!([{}, {}]), obedient()).await;
        assert_eq!(verdicts(&job), ["accepted", "accepted"], "{job:#}");
        for case in job["cases"].as_array().unwrap() {
            let program = case["stdout"].as_str().and_then(|text| text.lines().next()).unwrap_or_default();
            let checker = case["feedback"].as_str().unwrap_or_default();
            assert!(!program.is_empty() && !checker.is_empty() && program != checker, "{job:#}");
        }
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compiled_checker_is_compiled_once_and_one_that_does_not_compile_says_so() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    let checker = |source: &str| json!({ "checker": { "program": { "language": "cpp", "source": source } } });
    let right = "#include <fstream>\n#include <iostream>\n#include <string>\nint main(int, char **a) {\n\
                 std::string answer, word; std::ifstream(a[2]) >> answer; std::cin >> word; return word == answer ? 42 : 43; }";
    let cases: Vec<Value> = (0..5).map(|n| json!({ "stdin": n.to_string(), "expected_stdout": "3" })).collect();
    let job = judged(&cluster, "c", ECHO, json!(cases), checker(right)).await;
    let expected = ["wrong_answer", "wrong_answer", "wrong_answer", "accepted", "wrong_answer"];
    assert_eq!(verdicts(&job), expected, "{job:#}");
    assert_eq!(job["judge_compile"]["outcome"], "ok", "{job:#}");
    let job = judged(&cluster, "c", ECHO, json!([{}]), checker("int main() { return x; }")).await;
    assert_eq!(job["outcome"], "compile_error", "{job:#}");
    assert_eq!((&job["compile"]["outcome"], &job["judge_compile"]["outcome"]), (&json!("ok"), &json!("compile_error")));
    assert!(job["judge_compile"]["stderr"].as_str().is_some_and(|text| text.contains("error")), "{job:#}");
    assert!(job["message"].as_str().is_some_and(|text| text.contains("checker")), "{job:#}");
    cluster.shutdown().await;
}
