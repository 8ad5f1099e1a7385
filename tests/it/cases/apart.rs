//! What must not pass from one case to another, or from the judge to a program.

use serde_json::{Value, json};

use super::{each, judged, verdicts};
use crate::cluster::Cluster;
use crate::isolation::{CLEAN, REFUSED, pairs};
use crate::programs;

const ONE: &[&str] = &["--slots", "1", "--languages", "python,c"];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_passes_to_the_next_case() {
    let cluster = Cluster::with_agents(&[ONE]).await;
    let mut failures = Vec::new();
    let pairs = pairs();
    for pair in &pairs {
        let mut submission = pair.job("both", "one");
        submission["cases"] = json!([{ "args": ["both"] }, { "args": ["look"] }, { "args": ["look"] }]);
        let job = cluster.run(&submission).await;
        let (stdout, name) = (each(&job, "stdout"), pair.name());
        let own = stdout[0].as_str().unwrap_or_default();
        if own == CLEAN || !(own.starts_with("found ") || own == REFUSED) {
            failures.push(format!("{name}: the probe does not find its own: {job:#}"));
        }
        if stdout[1..] != [CLEAN, CLEAN] {
            failures.push(format!("{name}: passed on: {job:#}"));
        }
        let sandbox = |case: &Value| case["stderr"].as_str().unwrap_or_default().lines().next().map(str::to_owned);
        if sandbox(&job["cases"][0]).is_none() || sandbox(&job["cases"][0]) != sandbox(&job["cases"][1]) {
            failures.push(format!("{name}: not in one sandbox: {job:#}"));
        }
    }
    programs::fail_with(&failures, pairs.len(), &cluster);
    cluster.shutdown().await;
}

/// Fails in the way that its argument names; writes into what the compiler left first.
const FAILS: &str = r#"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int count, char **args) {
    const char *way = count > 1 ? args[1] : "";
    FILE *program = fopen("main", "r+b");
    FILE *left = fopen("left", "r");
    if (left) puts("something is left");
    left = fopen("left", "w");
    if (left) fputs("x", left);
    if (program) fputs("broken", program), fclose(program);
    else if (rename("main", "gone") == 0) {}
    if (!strcmp(way, "spin")) for (volatile long n = 0;; n++) {}
    if (!strcmp(way, "eat")) for (;;) { char *p = malloc(1 << 20); if (p) memset(p, 1, 1 << 20); }
    if (!strcmp(way, "print")) for (;;) puts("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    if (!strcmp(way, "kill")) kill(-1, SIGKILL), raise(SIGKILL);
    if (!strcmp(way, "fork")) { fork(); fork(); sleep(0); if (getppid() > 0) pause(); }
    if (!strcmp(way, "exit")) return 7;
    if (!strcmp(way, "crash")) abort();
    puts("ok");
    return 0;
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_fails_harms_no_other() {
    let cluster = Cluster::with_agents(&[ONE]).await;
    let ways = ["spin", "eat", "print", "kill", "exit", "crash", "fork"];
    let ends =
        ["time_limit", "memory_limit", "output_limit", "runtime_error", "runtime_error", "runtime_error", "time_limit"];
    let ok = || json!({ "expected_stdout": "ok\n" });
    let failing = ways.iter().flat_map(|way| [json!({ "args": [way], "expected_stdout": "ok\n" }), ok()]);
    let cases: Vec<Value> = [ok()].into_iter().chain(failing).collect();
    let limits = json!({ "cpu_ms": 300, "wall_ms": 3000, "memory_bytes": 32 << 20, "output_bytes": 100_000 });
    let job = judged(&cluster, "c", FAILS, json!(cases), json!({ "limits": { "run": limits } })).await;
    let expected: Vec<&str> = ["accepted"].into_iter().chain(ends.iter().flat_map(|end| [*end, "accepted"])).collect();
    assert_eq!(verdicts(&job), expected, "{job:#}");
    assert_eq!((&job["verdict"], &job["outcome"]), (&json!("time_limit"), &json!("ok")), "{job:#}");
    assert_eq!((&job["passed"], &job["total"]), (&json!(8), &json!(15)));
    assert_eq!(job["attempts"], 1, "no sandbox was lost: {job:#}");
    cluster.shutdown().await;
}

/// Looks for the words on its standard input, written backwards there, in all that it can read.
const SEARCH: &str = r#"
import os, sys

words = [line.strip()[::-1].encode() for line in sys.stdin]
here = os.getpid()

def readable():
    for folder, inside, names in os.walk("/"):
        if folder == "/":
            inside[:] = [n for n in inside if n not in ("proc", "sys")]
        yield from (os.path.join(folder, name) for name in names)
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            for name in ("environ", "cmdline", "comm", "maps", "mountinfo", "stack", "root", "cwd"):
                yield f"/proc/{pid}/{name}"
            try:
                for fd in os.listdir(f"/proc/{pid}/fd"):
                    yield f"/proc/{pid}/fd/{fd}"
            except OSError:
                pass
            try:
                for area in os.listdir(f"/proc/{pid}/map_files"):
                    yield f"/proc/{pid}/map_files/{area}"
            except OSError:
                pass

def memory(pid):
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as mem:
        for line in maps:
            begin, end = (int(n, 16) for n in line.split()[0].split("-"))
            try:
                mem.seek(begin)
                yield mem.read(min(end - begin, 1 << 24))
            except (OSError, ValueError, OverflowError):
                pass

found, seen = [], 0
for path in readable():
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        continue
    try:
        data = os.read(fd, 1 << 22)
        seen += 1
    except OSError:
        continue
    finally:
        os.close(fd)
    found += [path for word in words if word in data]
for pid in os.listdir("/proc"):
    if pid.isdigit() and int(pid) != here:
        try:
            found += [f"memory of {pid}" for data in memory(pid) for word in words if word in data]
        except OSError:
            pass
print("found", sorted(set(found)), "in many" if seen > 1000 else f"in {seen}")
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_the_judge_knows_is_nowhere_in_reach_of_the_program() {
    let cluster = Cluster::with_agents(&[ONE]).await;
    let secrets = ["expected-of-this-case", "expected-of-another", "source-of-the-checker", "argument-of-the-checker"];
    let backwards: String = secrets.iter().map(|s| s.chars().rev().collect::<String>() + "\n").collect();
    let checker = format!("import sys\n# {}\nsys.exit(42 if sys.argv[4] else 43)\n", secrets[2]);
    let program = json!({ "language": "python", "source": checker, "args": [secrets[3]] });
    let case = |expected: &str| json!({ "stdin": backwards, "expected_stdout": expected });
    let extra =
        json!({ "checker": { "program": program }, "limits": { "run": { "cpu_ms": 60_000, "wall_ms": 120_000 } } });
    let job = judged(&cluster, "python", SEARCH, json!([case(secrets[0]), case(secrets[1])]), extra).await;
    assert_eq!(verdicts(&job), ["accepted", "accepted"], "{job:#}");
    for stdout in each(&job, "stdout") {
        assert_eq!(stdout, "found [] in many\n", "{job:#}");
    }
    // The search finds what is there, or its finding nothing would prove nothing.
    let planted = json!([{ "stdin": secrets[0].chars().rev().collect::<String>() }]);
    let plant = format!("open('/tmp/x', 'w').write('{}')\n{SEARCH}", secrets[0]);
    let job = judged(&cluster, "python", &plant, planted, json!({})).await;
    let stdout = job["cases"][0]["stdout"].as_str().unwrap_or_default();
    assert!(stdout.contains("/tmp/x") && stdout.contains("/job/main.py"), "{job:#}");
    cluster.shutdown().await;
}
