//! A program and an interactor that speak with each other.

use serde_json::{Value, json};

use super::{judged, verdicts};
use crate::cluster::Cluster;

const AGENT: &[&str] = &["--slots", "1", "--languages", "c,python"];

fn interactor(source: &str) -> Value {
    let limits = json!({ "run": { "cpu_ms": 5000, "wall_ms": 20_000 } });
    json!({ "interactor": { "language": "python", "source": source, "limits": limits },
        "limits": { "run": { "cpu_ms": 1000, "wall_ms": 5000 } } })
}

/// Asks for as many answers as its input says, and takes only right ones. Where the program is gone,
/// its own last words must not fail.
const ASKS: &str = r#"
import os, sys
from pathlib import Path

def end(code, why):
    Path(sys.argv[3], "judgemessage.txt").write_text(why)
    os._exit(code)

def say(word):
    try:
        print(word, flush=True)
    except BrokenPipeError:
        end(43, "nobody listens")

for n in range(int(Path(sys.argv[1]).read_text())):
    say(n)
    line = sys.stdin.readline()
    if line.strip() != str(n + 1):
        end(43, f"{n}: {line!r}")
say("end")
end(42, "all of them") if not sys.stdin.read() else end(43, "it went on")
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_program_speaks_with_its_interactor() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    let right = "while (line := input()) != 'end': print(int(line) + 1, flush=True)";
    let cases = json!([{ "stdin": "0" }, { "stdin": "3" }, { "stdin": "1000" }]);
    let job = judged(&cluster, "python", right, cases, interactor(ASKS)).await;
    assert_eq!(verdicts(&job), ["accepted", "accepted", "accepted"], "{job:#}");
    assert_eq!(job["cases"][1]["feedback"], "all of them", "{job:#}");
    assert_eq!(job["score"], 1.0);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_fails_first_decides() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    let one = json!([{ "stdin": "2" }]);
    for (program, verdict) in [
        ("print(7, flush=True); input(); input()", "wrong_answer"),
        ("pass", "wrong_answer"),
        ("input(); raise SystemExit(3)", "runtime_error"),
        ("import os; os.kill(os.getpid(), 11)", "runtime_error"),
        ("while True: pass", "time_limit"),
        ("import time; time.sleep(60)", "time_limit"),
        ("input(); input()", "time_limit"),
        ("while (l := input()) != 'end': print(int(l) + 1, flush=True)\nprint('more', flush=True)", "wrong_answer"),
        ("while True: print('x' * 100, flush=True)", "wrong_answer"),
        ("import sys\nprint(7, flush=True)\nsys.stdin.read()\nraise SystemExit(1)", "wrong_answer"),
    ] {
        let job = judged(&cluster, "python", program, one.clone(), interactor(ASKS)).await;
        assert_eq!(verdicts(&job), [verdict], "{program}: {job:#}");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interactor_that_fails_is_not_the_programs_fault() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    for broken in ["raise SystemExit(7)", "while True: pass", "import os; os.kill(os.getpid(), 9)"] {
        let extra = json!({ "interactor": { "language": "python", "source": broken,
            "limits": { "run": { "cpu_ms": 300, "wall_ms": 5000 } } }, "limits": { "run": { "wall_ms": 20_000 } } });
        let job = judged(&cluster, "python", "import sys; sys.stdin.read()", json!([{}]), extra).await;
        assert_eq!(verdicts(&job), ["checker_error"], "{broken}: {job:#}");
        assert!(job["cases"][0]["feedback"].is_string(), "{job:#}");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_sees_nothing_of_its_interactor() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    // The interactor holds the secret in its files, its memory, its arguments and its environment's place.
    let keeps = "import sys\nfrom pathlib import Path\nsecret = Path(sys.argv[1]).read_text()\n\
                 Path('/tmp/kept').write_text(secret)\nprint('go', flush=True)\n\
                 seen = sys.stdin.read()\nPath(sys.argv[3], 'judgemessage.txt').write_text(seen)\nsys.exit(42)\n";
    let looks = r#"
import os
input()
pids = sorted(int(p) for p in os.listdir("/proc") if p.isdigit())
found = []
for folder, inside, names in os.walk("/"):
    if folder == "/":
        inside[:] = [n for n in inside if n not in ("proc", "sys", "usr", "lib", "etc")]
    for name in names:
        try:
            with open(os.open(os.path.join(folder, name), os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                if b"sec" b"ret-of-the-judge" in (file.read(1 << 20) or b""):
                    found.append(name)
        except OSError:
            pass
for pid in pids:
    try:
        os.kill(pid, 0)
        if pid not in (1, os.getpid()):
            found.append(f"process {pid}")
    except OSError:
        pass
print(found, os.path.exists("/tmp/kept"))
"#;
    let job = judged(&cluster, "python", looks, json!([{ "stdin": "secret-of-the-judge" }]), interactor(keeps)).await;
    assert_eq!(verdicts(&job), ["accepted"], "{job:#}");
    assert_eq!(job["cases"][0]["feedback"], "[] False", "{job:#}");
    cluster.shutdown().await;
}
