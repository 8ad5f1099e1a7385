//! One compile, many runs: each with its own input, arguments and limits.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{ECHO, each, judged, verdicts};
use crate::cluster::Cluster;
use crate::watch::{Event, events};

const C: &[&str] = &["--slots", "1", "--languages", "c,cpp,python"];

/// Adds the numbers on its standard input, and writes its arguments.
const SUM: &str = r#"
#include <iostream>
int main(int count, char **args) {
    long long sum = 0, value;
    while (std::cin >> value) sum += value;
    std::cout << sum;
    for (int i = 1; i < count; ++i) std::cout << ' ' << args[i];
    std::cout << '\n';
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_cases_take_one_compile() {
    let cluster = Cluster::with_agents(&[C]).await;
    let case = |n: u32| {
        let wrong = u32::from(n == 777);
        json!({ "stdin": format!("{n} {n}\n"), "expected_stdout": format!("{}\n", 2 * n + wrong) })
    };
    let cases: Vec<Value> = (0..1000).map(case).collect();
    let job = judged(&cluster, "cpp", SUM, json!(cases), json!({ "checker": "tokens" })).await;
    assert_eq!((&job["passed"], &job["total"], &job["score"]), (&json!(999), &json!(1000), &json!(0.999)));
    assert_eq!((&job["verdict"], &job["attempts"]), (&json!("wrong_answer"), &json!(1)));
    assert_eq!(job["compile"]["outcome"], "ok");
    assert_eq!(
        (&job["cases"][777]["verdict"], &job["cases"][777]["stdout"]),
        (&json!("wrong_answer"), &json!("1554\n"))
    );
    assert!(verdicts(&job).iter().enumerate().all(|(n, v)| n == 777 || v == "accepted"));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_and_limits_are_those_of_the_case() {
    let cluster = Cluster::with_agents(&[C]).await;
    let cases = json!([
        { "stdin": "1 2", "expected_stdout": "3 of all" },
        { "stdin": "1 2", "expected_stdout": "3 own 'words'", "args": ["own", "'words'"] },
        { "stdin_base64": "NCA1", "expected_stdout_base64": "OQo=", "args": [] },
    ]);
    let job = judged(&cluster, "cpp", SUM, cases, json!({ "run": { "args": ["of", "all"] } })).await;
    assert_eq!(verdicts(&job), ["accepted", "accepted", "accepted"], "{job:#}");
    let burn = "import sys, time\nwhile time.process_time() < float(sys.argv[1]): pass\nx = bytearray(int(sys.argv[2]) << 20)\nprint('done')\n";
    let limit = |cpu_ms: u64, mib: u64| json!({ "cpu_ms": cpu_ms, "wall_ms": 60_000, "memory_bytes": mib << 20 });
    let case = |seconds: &str, mib: &str, limits: Option<Value>| {
        let mut case = json!({ "args": [seconds, mib], "expected_stdout": "done\n" });
        if let Some(limits) = limits {
            case["limits"] = limits;
        }
        case
    };
    let cases = [
        case("0.6", "1", None),
        case("0.6", "1", Some(limit(300, 64))),
        case("0.0", "100", None),
        case("0.0", "100", Some(limit(10_000, 256))),
    ];
    let run = json!({ "limits": { "run": limit(10_000, 64) } });
    let job = judged(&cluster, "python", burn, json!(cases), run).await;
    let ends = ["accepted", "time_limit", "memory_limit", "accepted"];
    assert_eq!(verdicts(&job), ends, "{job:#}");
    assert_eq!(job["cases"][1]["limit"], "cpu", "{job:#}");
    assert!(job["compile"].is_null(), "Python has no compile step");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_first_failure_the_rest_is_skipped_where_that_is_asked() {
    let cluster = Cluster::with_agents(&[C]).await;
    let cases = json!([{ "stdin": "1", "expected_stdout": "1" }, { "stdin": "2", "expected_stdout": "3" },
                       { "stdin": "4", "expected_stdout": "4" }]);
    let groups = json!([{ "name": "a", "weight": 5, "cases": ["1"] }, { "name": "b", "weight": 7, "cases": ["3"] }]);
    let stop = json!({ "stop_on_first_failure": true, "groups": groups });
    let job = judged(&cluster, "c", ECHO, cases.clone(), stop).await;
    assert_eq!(verdicts(&job), ["accepted", "wrong_answer", "skipped"], "{job:#}");
    assert_eq!((&job["verdict"], &job["score"]), (&json!("wrong_answer"), &json!(5.0)));
    assert!(job["cases"][2]["wall_ms"].is_null(), "it was not run: {job:#}");
    let job = judged(&cluster, "c", ECHO, cases, json!({ "groups": groups })).await;
    assert_eq!((&job["cases"][2]["verdict"], &job["score"]), (&json!("accepted"), &json!(12.0)), "{job:#}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_does_not_compile_has_that_verdict() {
    let cluster = Cluster::with_agents(&[C]).await;
    let job = judged(&cluster, "c", "int main(void) { return x; }", json!([{}, {}]), json!({})).await;
    assert_eq!((&job["outcome"], &job["verdict"]), (&json!("compile_error"), &json!("compile_error")), "{job:#}");
    assert_eq!(verdicts(&job), ["skipped", "skipped"]);
    assert!(job["compile"]["stderr"].as_str().is_some_and(|text| text.contains("error")), "{job:#}");
    cluster.shutdown().await;
}

/// Largest resident size of a process so far, in KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).expect("Linux counts it");
    line.trim().trim_end_matches(" kB").parse().expect("it is a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn large_outputs_are_compared_while_they_come_and_not_held() {
    const MIB: usize = 1024 * 1024;
    const CASES: usize = 4;
    let cluster = Cluster::with_agents(&[C]).await;
    // Ten MiB of different lines; of the third case, one byte near the end is wrong.
    let program = "int printf(const char *, ...); int main(int n, char **a) {\n\
                   for (int i = 0; i < 655360; i++) printf(\"%015d\\n\", i == 655000 && n > 1 ? 7 : i); }";
    let mut text = String::with_capacity(10 * MIB);
    for n in 0..655_360 {
        writeln!(text, "{n:015}").expect("a text takes all");
    }
    let case = |n: usize| {
        let args = if n == 2 { json!(["wrong"]) } else { json!([]) };
        json!({ "args": args, "expected_stdout": text })
    };
    let agent = cluster.agents[0].pid();
    let before = judged(&cluster, "c", ECHO, json!([{ "stdin": "x", "expected_stdout": "x" }]), json!({})).await;
    assert_eq!(before["verdict"], "accepted", "{before:#}");
    let peak_before = peak_kib(agent);
    let cases: Vec<Value> = (0..CASES).map(case).collect();
    let job = judged(&cluster, "c", program, json!(cases), json!({ "checker": "exact" })).await;
    let short: Vec<_> = job["cases"].as_array().unwrap().iter().map(|c| (&c["verdict"], &c["outcome"])).collect();
    assert_eq!(verdicts(&job), ["accepted", "accepted", "wrong_answer", "accepted"], "{short:?}");
    for (index, stdout) in each(&job, "stdout").iter().enumerate() {
        assert_eq!(stdout.as_str().map(str::len), Some(64 * 1024), "what the answer keeps of case {index}");
        assert_eq!(job["cases"][index]["truncated"], true);
        assert_eq!(job["cases"][index]["stdout_bytes"], 10 * MIB);
    }
    let grown_mib = (peak_kib(agent) - peak_before) / 1024;
    assert!(grown_mib < 100, "the agent grew by {grown_mib} MiB");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_drops_and_resumes_sees_every_byte_of_every_case_once() {
    let cluster = Cluster::with_agents(&[C]).await;
    let slow = "import sys, time\nfor n in range(3):\n    print(sys.argv[1], n, flush=True)\n    time.sleep(0.1)\n";
    let cases: Vec<Value> = ["a", "b", "c"].iter().map(|name| json!({ "name": name, "args": [name] })).collect();
    let submission = json!({ "language": "python", "source": slow, "cases": cases });
    let id = cluster.submit(&submission).await;
    let shown = |events: &[Event]| -> String {
        let told = |e: &Event| match e.kind.as_str() {
            "output" => Some(format!("{}:{}", e.data["case"], e.data["text"].as_str().unwrap_or_default())),
            "case" => Some(format!("{}={}\n", e.data["name"].as_str()?, e.data["verdict"].as_str()?)),
            _ => None,
        };
        events.iter().filter_map(told).collect()
    };
    // A new connection after every single event.
    let mut seen: Vec<Event> = Vec::new();
    loop {
        let after = seen.last().map(|e| e.id.clone());
        let next = events(&cluster, &id, after.as_deref(), |_| true).await;
        let ended = next.last().is_some_and(|e| e.kind == "finished");
        seen.extend(next);
        if ended {
            break;
        }
    }
    let lines: String = shown(&seen);
    let whole = events(&cluster, &id, None, |e| e.kind == "finished").await;
    let bytes = |text: &str| text.replace(['0', '1', '2', ':', '\n'], "").replace(' ', "");
    assert_eq!(bytes(&lines), bytes(&shown(&whole)), "late and live watchers see the same");
    for (index, name) in ["a", "b", "c"].iter().enumerate() {
        let of_case = |e: &&Event| e.kind == "output" && e.data["case"] == index;
        let output: String = seen.iter().filter(of_case).filter_map(|e| e.data["text"].as_str()).collect();
        assert_eq!(output, format!("{name} 0\n{name} 1\n{name} 2\n"), "{lines}");
        let ends = seen.iter().filter(|e| e.kind == "case" && e.data["index"] == index).count();
        assert_eq!(ends, 1, "{lines}");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_ends_the_case_that_runs_and_skips_the_rest() {
    let cluster = Cluster::with_agents(&[C]).await;
    let program = "import sys\nprint('on', flush=True)\nwhile len(sys.argv) > 1: pass\n";
    let cases = json!([{}, { "args": ["endless"] }, {}]);
    let id = cluster.submit(&json!({ "language": "python", "source": program, "cases": cases })).await;
    events(&cluster, &id, None, |e| e.kind == "output" && e.data["case"] == 1).await;
    cluster.cancel(&id).await;
    let job = cluster.finished(&id).await;
    assert_eq!((&job["outcome"], &job["verdict"]), (&json!("cancelled"), &json!("cancelled")), "{job:#}");
    assert_eq!((&job["cases"][0]["verdict"], &job["cases"][2]["verdict"]), (&json!("accepted"), &json!("skipped")));
    assert_eq!(job["cases"][1]["stdout"], "on\n", "what it wrote is kept: {job:#}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_survive_the_death_of_the_master() {
    let mut cluster = Cluster::with_agents(&[C]).await;
    let program = "import sys, time\ntime.sleep(float(sys.argv[1]))\nprint('x')\n";
    let case = |seconds: &str| json!({ "args": [seconds], "expected_stdout": "x" });
    let cases = json!([case("0"), case("3"), case("0")]);
    let id = cluster.submit(&json!({ "language": "python", "source": program, "cases": cases })).await;
    events(&cluster, &id, None, |e| e.kind == "case").await;
    cluster.kill_master().await;
    cluster.start_master().await;
    let job = cluster.finished(&id).await;
    assert_eq!((&job["verdict"], &job["passed"]), (&json!("accepted"), &json!(3)), "{job:#}");
    cluster.shutdown().await;
}
