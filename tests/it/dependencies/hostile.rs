//! Wheels that mean harm: they harm at most the job that asked for them.

use std::path::Path;

use serde_json::json;

use crate::cluster::{Cluster, source};
use crate::engine;

use super::index::Index;
use super::wheel::Wheel;
use super::{end, job, scoped, stdout, with_index};

/// Runs wherever a Python starts that has it on its path.
const STARTUP: &str = "import sys; sys.stderr.write('owned ')\n";

/// What of the evil wheel is there, and what of it had an effect.
const LOOK: &str = r#"
import os, stat, sys
where = "/usr/lib/python3/dist-packages"
for path, _, names in os.walk(where):
    for name in sorted(names):
        file = os.path.join(path, name)
        mode = os.lstat(file).st_mode
        if not stat.S_ISREG(mode) or mode & 0o7022 or os.lstat(file).st_uid != 65534 and os.lstat(file).st_uid != 0:
            print("odd", file, oct(mode), os.lstat(file).st_uid)
print(sorted(n for n in os.listdir(where) if not n.endswith(".dist-info") and n != "__pycache__"))
print(open(where + "/passwd").read() if os.path.exists(where + "/passwd") else "no link")
print("random from", __import__("random").__file__)
try:
    open(where + "/evil.py", "a")
except OSError as error:
    print(error.strerror)
"#;

fn evil() -> Wheel {
    Wheel::new("evil", "1.0", "")
        .file("evil-startup.pth", STARTUP)
        .file("sitecustomize.py", STARTUP)
        .file("random.py", "raise SystemExit('the standard library was replaced')\n")
        .file_with_mode("evil-setuid", "x", 0o6777)
        .link("passwd", "/etc/passwd")
        .file("evil-1.0.data/scripts/ls", "#!/bin/sh\necho owned\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn startup_code_of_a_package_runs_in_the_jobs_that_asked_for_it_alone() {
    let index = Index::of(&[evil()]).await;
    let cluster = with_index(&index, &[]).await;
    let own = cluster.run(&scoped("ann", LOOK, &["evil"])).await;
    assert_eq!(own["outcome"], "ok", "{own:#}\n{}", cluster.logs());
    assert!(own["run"]["stderr"].as_str().unwrap().starts_with("owned "), "it is a package like others: {own:#}");
    let expected = "['bin', 'evil-setuid', 'evil-startup.pth', 'evil.py', 'passwd', 'random.py', 'sitecustomize.py']\n\
                    /etc/passwd\nrandom from /usr/lib/python3.13/random.py\nPermission denied\n";
    assert_eq!(stdout(&own), expected, "{own:#}");
    for other in [source("python", LOOK), scoped("bob", LOOK, &[])] {
        let other = cluster.run(&other).await;
        assert_eq!(other["run"]["stderr"], "", "{other:#}");
        assert!(stdout(&other).starts_with("[]\nno link\n"), "{other:#}");
    }
    let listed = cluster.agent(&cluster.agents[0].name).await;
    assert_eq!(listed["unclean_jobs"], 0, "{listed:#}");
    end(cluster).await;
}

/// Each is refused for what it is, leaves no image, and the next job on the agent is right.
#[tokio::test(flavor = "multi_thread")]
async fn a_wheel_that_cannot_be_installed_ends_its_job_and_nothing_else() {
    let escape = "/tmp/enclos-test-escaped";
    let wheels = [
        Wheel::new("outside", "1.0", "").file(&format!("../../../../../..{escape}"), "x"),
        Wheel::new("whiteout", "1.0", "").file(".wh.random.py", "x").file("sub/.wh..wh..opq", "x"),
        Wheel::new("large", "1.0", "").file("large.bin", &"x".repeat(40 << 20)),
        Wheel::new("bomb", "1.0", "").zeros("bomb.bin", 400_000),
        Wheel::new("circle", "1.0", "").requires("circle>1"),
        Wheel::new("beside", "1.0", "").requires("other @ http://127.0.0.1:22/other-1.0-py3-none-any.whl"),
    ];
    let index = Index::of(&wheels).await;
    let cluster = with_index(&index, &["--dependency-bytes", &(32 << 20).to_string()]).await;
    for (name, problem) in [
        ("outside", "outside the target directory"),
        ("whiteout", "a path that cannot be below its directory: .wh."),
        ("bomb", "No space left on device"),
        ("circle", "the requirements contradict each other"),
        ("beside", "127.0.0.1:22, which may not be reached"),
        ("large", "more would have to be downloaded"),
    ] {
        let job = cluster.run(&job("print(1)", &[name])).await;
        assert_eq!(job["outcome"], "compile_error", "{name}: {job:#}\n{}", cluster.logs());
        assert!(job["message"].as_str().unwrap().contains(problem), "{name}: {job:#}");
    }
    assert!(!Path::new(escape).exists());
    let agent = cluster.agents[0].name.clone();
    assert!(engine::derived_of(&agent).await.is_empty());
    assert!(engine::containers_of(&agent).await.is_empty(), "no builder is left");
    let next = cluster.run(&source("python", "print('clean')")).await;
    assert_eq!(stdout(&next), "clean\n", "{next:#}");
    end(cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_name_never_reaches_an_agent() {
    let cluster = Cluster::master_only().await;
    for name in
        ["-r/etc/passwd", "--index-url=http://evil/", "x @ file:///etc/passwd", "../x", "x; os_name", "x\u{202e}"]
    {
        let answer = cluster.http.post(format!("{}/v1/jobs", cluster.url)).json(&job("", &["ok", name])).send().await;
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 422, "{name}");
        let problem: serde_json::Value = answer.json().await.unwrap();
        let told = (&problem["code"], &problem["field"]);
        assert_eq!(told, (&json!("invalid_dependency"), &json!("dependencies.python[1]")), "{name}: {problem:#}");
    }
    assert_eq!(cluster.get("/v1/stats").await["queued"], 0);
    cluster.shutdown().await;
}
