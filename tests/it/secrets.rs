//! A secret in one job is nowhere for any other, however they follow each other.
//!
//! `tests/programs/secrets`: `planter.py` puts it into every kind of place that a
//! program has (`plant.py`), and its submission has it in files, arguments,
//! environment, standard input and both outputs; a C job has it in source,
//! compiler output and program. `search.py` and `search.c` look for it, and for one
//! that they planted themselves: a search that misses its own proves nothing.

use serde_json::{Value, json};

use crate::cluster::{Cluster, source};
use crate::programs::{self, shortened};
use crate::watch::{first_output, stdout_of};

/// Searches after a secret was planted, in every run and in the long one.
const SEARCHES: usize = 12;
const SEARCHES_LONG: usize = 100;
/// Where a search must find its own secret on the host's kernel, besides files.
const OWN_PLACES: [&str; 10] = [
    "POSIX queue",
    "SysV queue",
    "SysV shared memory",
    "abstract socket",
    "cmdline",
    "descriptor of memfd",
    "descriptor of pipe",
    "environ",
    "memory",
    "port",
];
/// Where a program may leave files, and where a search must find its own.
const OWN_FOLDERS: [&str; 3] = ["/job", "/tmp", "/dev/shm"];

fn file(name: &str) -> Value {
    let path = programs::root().join("secrets").join(name);
    json!({ "path": name, "content": std::fs::read_to_string(path).expect("it can be read") })
}

fn new_secret() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}

/// What the image of a language is searched by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Language {
    C,
    Python,
}

fn planter(secret: &str, scope: &str, way: &str) -> Value {
    json!({
        "language": "python",
        "entry": "planter.py",
        "files": [file("planter.py"), file("plant.py"), { "path": "notes/secret", "content": secret }],
        "run": { "args": [way, secret], "env": { "SECRET": secret } },
        "stdin": secret,
        "scope": scope,
        "limits": limits(),
    })
}

/// The secret is in the compiler's output, in its program, and in that program's memory and output.
fn c_planter(secret: &str, scope: &str) -> Value {
    let text = format!(
        "#include <stdio.h>\n#pragma message \"{secret}\"\n\
         int main(void) {{ FILE *f = fopen(\"/tmp/left\", \"w\"); fputs(\"{secret}\", f); puts(\"{secret}\"); return fclose(f); }}"
    );
    let mut submission = source("c", &text);
    submission["scope"] = json!(scope);
    submission["limits"] = limits();
    submission
}

fn search(language: Language, secret: &str, scope: &str) -> Value {
    let backwards: String = secret.chars().rev().collect();
    let (id, files) = match language {
        Language::C => ("c", vec![file("search.c")]),
        Language::Python => ("python", vec![file("search.py"), file("plant.py")]),
    };
    json!({ "language": id, "files": files, "stdin": backwards, "scope": scope, "limits": limits() })
}

fn limits() -> Value {
    json!({ "compile": { "wall_ms": 60_000 }, "run": { "cpu_ms": 30_000, "wall_ms": 60_000 } })
}

/// Lines of a program's output by their first word.
fn line<'a>(job: &'a Value, begin: &str) -> &'a str {
    let stdout = job["run"]["stdout"].as_str().unwrap_or_default();
    let found = stdout.lines().find_map(|l| l.strip_prefix(begin));
    found.unwrap_or_else(|| panic!("the program says '{begin}': {}", shortened(job))).trim()
}

/// What a search tells wrongly: that it misses its own, or that it finds the other's.
fn wrong(language: Language, job: &Value) -> Option<String> {
    let told = || format!("{language:?}: {:#}", shortened(job));
    if job["outcome"] != "ok" {
        return Some(told());
    }
    let own = line(job, "own:");
    let finds_own = match language {
        Language::C => own != "0",
        Language::Python => {
            let places: Vec<&str> = own.split(", ").collect();
            let files = OWN_FOLDERS.map(|folder| format!("file below {folder}"));
            OWN_PLACES.iter().all(|p| places.contains(p)) && files.iter().all(|f| places.contains(&f.as_str()))
        }
    };
    let finds_other = line(job, "other:") != if language == Language::C { "0" } else { "nothing" };
    (!finds_own || finds_other).then(told)
}

fn assert_planted(job: &Value) {
    let refused = line(job, "refused");
    assert!(refused.starts_with("in_a_keyring: ") && !refused.contains(','), "all but a key is planted: {refused}");
}

/// Plants in both images, then searches as often as said: in turn for the same scope, and for others.
async fn nothing_is_found(searches: usize) {
    let cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "c,python", "--reuse", "tenant"]]).await;
    let secret = new_secret();
    let planted = cluster.run(&planter(&secret, "planted", "go")).await;
    assert_eq!(planted["outcome"], "ok", "{planted:#}");
    assert_planted(&planted);
    let compiled = cluster.run(&c_planter(&secret, "planted")).await;
    assert_eq!(compiled["run"]["stdout"], format!("{secret}\n"), "{compiled:#}");
    let warned = compiled["compile"]["stderr"].as_str().is_some_and(|text| text.contains(&secret));
    assert!(warned, "the compiler tells the secret: {compiled:#}");
    let mut failures = Vec::new();
    let mut met = 0;
    for n in 0..searches {
        let language = if n % 4 < 2 { Language::Python } else { Language::C };
        let other = format!("other-{}", n % 5);
        let scope = if n % 2 == 0 { "planted" } else { &other };
        let job = cluster.run(&search(language, &secret, scope)).await;
        if language == Language::Python && job["outcome"] == "ok" {
            let same = line(&job, "sandbox") == line(&planted, "sandbox");
            met += usize::from(same);
            if same && scope != "planted" {
                failures.push(format!("scope {scope} met the sandbox of another"));
            }
        }
        failures.extend(wrong(language, &job).map(|w| format!("search {n} of scope {scope}: {w}")));
    }
    programs::fail_with(&failures, searches, &cluster);
    assert!(met > 0, "some searches ran in the very sandbox in which the secret was planted");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_secret_is_not_found_by_the_next_jobs() {
    nothing_is_found(SEARCHES).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a hundred searches of whole file systems: minutes"]
async fn a_planted_secret_is_not_found_by_the_next_hundred_jobs() {
    nothing_is_found(SEARCHES_LONG).await;
}

/// The job that has the secret still runs while others look for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_a_running_job_is_not_found_beside_it() {
    let cluster = Cluster::with_agents(&[&["--slots", "2", "--languages", "c,python", "--reuse", "tenant"]]).await;
    let secret = new_secret();
    let holder = cluster.submit(&planter(&secret, "holds", "hold")).await;
    let said = stdout_of(&first_output(&cluster, &holder).await);
    assert!(said.contains("planted in_files"), "it is planted: {said}");
    let mut failures = Vec::new();
    // Its own scope too: a sandbox serves one job at a time, so this is another sandbox.
    for (language, scope) in [(Language::Python, "holds"), (Language::Python, "other"), (Language::C, "other")] {
        let job = cluster.run(&search(language, &secret, scope)).await;
        failures.extend(wrong(language, &job).map(|w| format!("scope {scope}: {w}")));
    }
    assert_ne!(cluster.get(&format!("/v1/jobs/{holder}")).await["state"], "finished", "it ran all the time");
    cluster.cancel(&holder).await;
    assert_planted(&cluster.finished(&holder).await);
    programs::fail_with(&failures, 3, &cluster);
    cluster.shutdown().await;
}
