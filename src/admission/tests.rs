//! Each refusal by its code, field and status; and that hostile bodies never do more than be refused.

use std::sync::LazyLock;

use enclos_images::Catalogue;
use enclos_protocol::agent_link::{FromMaster, INLINE_INPUT_BYTES_MAX, InputSource};
use enclos_protocol::dependencies::{REQUIREMENT_BYTES_MAX, REQUIREMENTS_MAX, Wanted};
use enclos_protocol::frame;
use enclos_protocol::ids::{AttemptId, FencingToken, JobId};
use enclos_protocol::job::{JobFile, Reuse};
use enclos_protocol::supervisor_link::INPUT_BYTES_MAX;
use serde_json::{Map, Value, json};

use super::files::{FILES_MAX, PATHS_BYTES_MAX};
use super::*;

mod archive;
mod blobs;
mod judging;

/// As clients write bytes.
pub(super) fn base64(bytes: &[u8]) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes)
}

pub(super) fn catalogue() -> &'static Catalogue {
    static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::embedded().unwrap());
    &CATALOGUE
}

pub(super) fn admit_json(body: &Value) -> Result<Admitted, Refusal> {
    admit(catalogue(), "tenant", &serde_json::to_vec(body).unwrap())
}

/// `{"language":"c","source":""}` with `changes` made.
fn with(changes: Value) -> Value {
    let mut body = json!({ "language": "c", "source": "" });
    for (key, value) in changes.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

fn files(files: Value) -> Value {
    json!({ "language": "c", "files": files })
}

fn check(body: &Value, status: u16, code: &str, field: Option<&str>) {
    match admit_json(body) {
        Ok(_) => panic!("admitted: {body}"),
        Err(refusal) => {
            let got = (refusal.status, refusal.code, refusal.field.as_deref());
            assert_eq!(got, (status, code, field), "{body}: {}", refusal.detail);
            assert!(!refusal.detail.is_empty());
        }
    }
}

fn check_all(cases: &[(Value, &str, &str)]) {
    for (body, code, field) in cases {
        check(body, if *code == "unknown_field" { 400 } else { 422 }, code, Some(field));
    }
}

#[test]
fn bodies_that_are_not_one_json_object_are_malformed() {
    let catalogue = catalogue();
    let deep = format!("{{\"stdin\":{}", "[".repeat(100_000));
    for body in ["", "{", "null", "[]", "\"x\"", "{} {}", "{\"limits\":{\"run\":{\"pids\":NaN}}}", "\u{feff}{}"] {
        let refusal = admit(catalogue, "t", body.as_bytes()).unwrap_err();
        assert_eq!((refusal.status, refusal.code), (400, "malformed_json"), "{body}: {}", refusal.detail);
    }
    assert_eq!(admit(catalogue, "t", deep.as_bytes()).unwrap_err().code, "invalid_value", "no depth is descended");
    assert_eq!(admit(catalogue, "t", b"{\"source\":\"\xff\"}").unwrap_err().code, "malformed_json");
}

#[test]
fn unknown_fields_are_named_at_every_level() {
    let run = |v: Value| with(json!({ "run": v }));
    check_all(&[
        (with(json!({ "langauge": "c" })), "unknown_field", "langauge"),
        (with(json!({ "run_at": "tomorrow" })), "unknown_field", "run_at"),
        (with(json!({ "cases": [{ "input": "" }] })), "unknown_field", "cases[0].input"),
        (with(json!({ "cases": [{}], "interactor": { "stdin": "" } })), "unknown_field", "interactor.stdin"),
        (files(json!([{ "path": "a.c", "content": "", "mode": 7 }])), "unknown_field", "files[0].mode"),
        (run(json!({ "cwd": "/" })), "unknown_field", "run.cwd"),
        (with(json!({ "compile": { "env": {} } })), "unknown_field", "compile.env"),
        (with(json!({ "limits": { "link": {} } })), "unknown_field", "limits.link"),
        (with(json!({ "limits": { "run": { "cpu_millis": 1 } } })), "unknown_field", "limits.run.cpu_millis"),
    ]);
}

#[test]
fn values_of_a_wrong_shape_name_their_field() {
    let pids = |v: Value| with(json!({ "limits": { "run": { "pids": v } } }));
    let cpus = |v: Value| with(json!({ "limits": { "run": { "cpus": v } } }));
    for wrong in [json!(-1), json!(1.5), json!(1.0), json!(1e30), json!("8"), json!(true), json!([8])] {
        check(&pids(wrong), 422, "invalid_value", Some("limits.run.pids"));
    }
    for wrong in [json!(-1), json!(-0.5), json!(0.1234), json!("1")] {
        check(&cpus(wrong), 422, "invalid_value", Some("limits.run.cpus"));
    }
    check_all(&[
        (with(json!({ "language": 7 })), "invalid_value", "language"),
        (with(json!({ "run": { "args": "x" } })), "invalid_value", "run.args"),
        (with(json!({ "run": { "args": ["x", 1] } })), "invalid_value", "run.args[1]"),
        (files(json!([{ "content": "" }])), "invalid_value", "files[0]"),
        (files(json!([["main.c", ""]])), "invalid_value", "files[0]"),
        (with(json!({ "compile": [["-O2"]] })), "invalid_value", "compile"),
        (with(json!({ "run": [["x"], {}] })), "invalid_value", "run"),
        (with(json!({ "limits": [null, null] })), "invalid_value", "limits"),
        (with(json!({ "limits": { "run": [1000] } })), "invalid_value", "limits.run"),
        (with(json!({ "reuse": "always" })), "invalid_value", "reuse"),
        (with(json!({ "isolation": "chroot" })), "invalid_value", "isolation"),
        (with(json!({ "on_output_limit": "ignore" })), "invalid_value", "on_output_limit"),
    ]);
    let overflow = br#"{"language":"c","source":"","limits":{"run":{"pids":18446744073709551616}}}"#;
    assert_eq!(admit(catalogue(), "t", overflow).unwrap_err().field.as_deref(), Some("limits.run.pids"));
    for (twice, field) in [
        (r#"{"language":"c","language":"c"}"#, "language"),
        (r#"{"source":"","run":{"args":[],"args":[]}}"#, "run.args"),
        (r#"{"source":"","labels":{"a":"1","a":"2"}}"#, "labels.a"),
    ] {
        let refusal = admit(catalogue(), "t", twice.as_bytes()).unwrap_err();
        assert_eq!((refusal.code, refusal.field.as_deref()), ("invalid_value", Some(field)));
    }
}

#[test]
fn sources_are_given_in_one_way() {
    let c = |content: &str| json!({ "path": content, "content": "" });
    let many: Vec<Value> = (0..=FILES_MAX).map(|n| c(&format!("{n}.c"))).collect();
    let long: Vec<Value> = (0..100).map(|n| c(&format!("{}/{}/{n}.c", "a".repeat(200), "b".repeat(200)))).collect();
    check_all(&[
        (json!({ "language": "c" }), "no_source", "files"),
        (json!({ "language": "c", "files": null }), "no_source", "files"),
        (files(json!([])), "no_source", "files"),
        (with(json!({ "files": [c("a.c")] })), "invalid_value", "source"),
        (files(json!([{ "path": "a.c" }])), "invalid_value", "files[0]"),
        (files(json!([{ "path": "a.c", "content": "", "content_base64": "" }])), "invalid_value", "files[0]"),
        (
            files(json!([c("b.c"), { "path": "a.c", "content_base64": "%" }])),
            "invalid_value",
            "files[1].content_base64",
        ),
        (files(json!([c("a.c"), c("a.c")])), "invalid_value", "files[1].path"),
        (files(json!([c("a/b.c"), c("a")])), "invalid_value", "files[0].path"),
        (files(json!([c("../a.c")])), "invalid_value", "files[0].path"),
        (files(json!([c("/etc/passwd")])), "invalid_value", "files[0].path"),
        (files(json!([c("a\u{0}.c")])), "invalid_value", "files[0].path"),
        (files(json!(many)), "invalid_value", "files"),
        (files(json!(long)), "invalid_value", "files"),
        (json!({ "language": "c", "files": [c("a.c")], "entry": "b.c" }), "invalid_value", "entry"),
        (with(json!({ "entry": "-o" })), "invalid_value", "entry"),
        (with(json!({ "stdin": "", "stdin_base64": "" })), "invalid_value", "stdin"),
        (with(json!({ "stdin_base64": "a" })), "invalid_value", "stdin_base64"),
    ]);
}

#[test]
fn the_whole_input_has_a_size() {
    let half = "a".repeat(INPUT_BYTES_MAX / 2);
    let body = with(json!({ "source": half, "stdin": half }));
    check(&body, 413, "too_large", None);
    assert_eq!(admit_json(&body).unwrap_err().extras["maximum"], INPUT_BYTES_MAX);
}

#[test]
fn a_language_is_named_or_told_by_the_entry() {
    let file = |path: &str| json!({ "files": [{ "path": path, "content": "" }] });
    check_all(&[
        (with(json!({ "language": "pyton" })), "unknown_language", "language"),
        (with(json!({ "language": "" })), "unknown_language", "language"),
        (json!({ "source": "" }), "invalid_value", "language"),
        (json!({ "source": "", "entry": "a.zig" }), "unknown_extension", "entry"),
        (file("a.txt"), "unknown_extension", "files[0].path"),
        (file("Makefile"), "unknown_extension", "files[0].path"),
    ]);
    let language = |body: &Value| admit_json(body).unwrap().spec.language;
    assert_eq!(language(&file("x.py")), "python");
    assert_eq!(language(&json!({ "source": "", "entry": "a/b.cc" })), "cpp");
    assert_eq!(language(&with(json!({ "language": "C++" }))), "cpp");
}

#[test]
fn the_entry_is_the_usual_name_else_the_first_source_else_the_first_file() {
    let entry = |paths: &[&str]| {
        let list: Vec<Value> = paths.iter().map(|p| json!({ "path": p, "content": "" })).collect();
        admit_json(&files(json!(list))).unwrap().spec.entry.as_str().to_owned()
    };
    assert_eq!(entry(&["util.c", "main.c"]), "main.c");
    assert_eq!(entry(&["data.txt", "prog.c"]), "prog.c");
    assert_eq!(entry(&["data.txt"]), "data.txt");
    assert_eq!(admit_json(&with(json!({ "language": "java" }))).unwrap().spec.entry.as_str(), "Main.java");
}

#[test]
fn limits_beyond_their_bounds_are_refused_with_the_bound() {
    let run = |name: &str, v: Value| with(json!({ "limits": { "run": { name: v } } }));
    for (name, low, high) in [
        ("cpu_ms", json!(0), json!(60_001)),
        ("wall_ms", json!(0), json!(120_001)),
        ("memory_bytes", json!(1), json!(u64::MAX)),
        ("pids", json!(0), json!(513)),
        ("output_bytes", json!(0), json!(u64::MAX)),
        ("stack_bytes", json!(0), json!(u64::MAX)),
        ("cpus", json!(0), json!(1.001)),
        ("cpus", json!(0.05), json!(1e300)),
    ] {
        let field = format!("limits.run.{name}");
        check(&run(name, low.clone()), 422, "limit_too_low", Some(&field));
        check(&run(name, high.clone()), 422, "limit_too_high", Some(&field));
        assert!(admit_json(&run(name, low)).unwrap_err().extras["minimum"].is_number());
        assert!(admit_json(&run(name, high)).unwrap_err().extras["maximum"].is_number());
    }
    let compile = with(json!({ "limits": { "compile": { "pids": 100_000 } } }));
    check(&compile, 422, "limit_too_high", Some("limits.compile.pids"));
    assert_eq!(admit_json(&run("cpus", json!(0.25))).unwrap().spec.run_limits.cpu_millis, 250);
    assert_eq!(admit_json(&run("report_bytes", json!(0))).unwrap().spec.run_limits.report_bytes, 0);
}

#[test]
fn arguments_labels_and_scope_have_sizes_and_characters() {
    let args = |v: Value| with(json!({ "run": { "args": v } }));
    let label = |name: &str, value: &str| with(json!({ "labels": { name: value } }));
    let many: Map<String, Value> = (0..17).map(|n| (format!("l{n}"), json!(""))).collect();
    check_all(&[
        (args(json!(["a", "b\u{0}"])), "invalid_value", "run.args[1]"),
        (args(json!(vec![""; 257])), "invalid_value", "run.args"),
        (args(json!(["a".repeat(16 * 1024 + 1)])), "invalid_value", "run.args"),
        (with(json!({ "compile": { "args": vec![""; 257] } })), "invalid_value", "compile.args"),
        (with(json!({ "language": "python", "compile": { "args": ["-O2"] } })), "invalid_value", "compile.args"),
        (with(json!({ "labels": many })), "invalid_value", "labels"),
        (label("", "v"), "invalid_value", "labels"),
        (label("a=b", "v"), "invalid_value", "labels"),
        (label(&"a".repeat(64), "v"), "invalid_value", "labels"),
        (label("a", &"v".repeat(257)), "invalid_value", "labels.a"),
        (label("a", "\u{1b}[2J"), "invalid_value", "labels.a"),
        (with(json!({ "scope": "" })), "invalid_value", "scope"),
        (with(json!({ "scope": "a b" })), "invalid_value", "scope"),
        (with(json!({ "scope": "é" })), "invalid_value", "scope"),
        (with(json!({ "scope": "a".repeat(129) })), "invalid_value", "scope"),
    ]);
}

#[test]
fn the_environment_takes_only_names_that_steer_nothing() {
    let env = |name: &str, value: &str| with(json!({ "run": { "env": { name: value } } }));
    let reserved = [
        "PATH",
        "HOME",
        "TMPDIR",
        "LANG",
        "USER",
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "JAVA_TOOL_OPTIONS",
        "_JAVA_OPTIONS",
        "JDK_JAVA_OPTIONS",
        "NODE_OPTIONS",
        "ASAN_OPTIONS",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "GCC_EXEC_PREFIX",
        "BASH_ENV",
        "ENV",
        "IFS",
        "GLIBC_TUNABLES",
        "CLASSPATH",
        "C_INCLUDE_PATH",
        "PERL5LIB",
        "RUBYOPT",
        "ENCLOS_X",
    ];
    for name in reserved {
        check(&env(name, "x"), 422, "invalid_value", Some(&format!("run.env.{name}")));
    }
    for name in ["", "1A", "A-B", "A=B", "A B", "É"] {
        check(&env(name, "x"), 422, "invalid_value", Some(&format!("run.env.{name}")));
    }
    check(&env("A", "x\u{0}"), 422, "invalid_value", Some("run.env.A"));
    check(&env("A", &"x".repeat(9000)), 422, "invalid_value", Some("run.env"));
    let many: Map<String, Value> = (0..65).map(|n| (format!("V{n}"), json!(""))).collect();
    check(&with(json!({ "run": { "env": many } })), 422, "invalid_value", Some("run.env"));
    assert_eq!(admit_json(&env("MY_NAME", "ü")).unwrap().spec.env, [("MY_NAME".to_owned(), "ü".to_owned())]);
}

#[test]
fn what_is_asked_for_arrives_as_it_was_asked() {
    let body = json!({
        "language": "gcc", "files": [{ "path": "main.c", "content": "x" }, { "path": "d.bin", "content_base64": "AAE" }],
        "compile": { "args": ["-O2"] }, "run": { "args": ["a b"] }, "stdin_base64": "/w==", "merge_stderr": true,
        "on_output_limit": "truncate", "isolation": "gvisor", "reuse": "never", "scope": "u-1", "labels": { "k": "v" },
    });
    let job = admit_json(&body).unwrap();
    assert_eq!((job.spec.language.as_str(), job.spec.binding.tenant.as_str()), ("c", "tenant"));
    assert_eq!(job.spec.binding.scope, "u-1");
    assert_eq!(job.input.files[1].content.as_slice(), [0, 1]);
    assert_eq!(job.input.stdin.as_slice(), [0xff]);
    assert_eq!((job.spec.on_output_limit, job.spec.merge_stderr), (OnOutputLimit::Truncate, true));
    assert_eq!((job.spec.reuse, job.labels["k"].as_str()), (Reuse::Never, "v"));
}

#[test]
fn the_digest_is_of_what_is_said_not_of_how() {
    let digest = |body: &str| admit(catalogue(), "t", body.as_bytes()).unwrap().body_digest;
    let one = digest(r#"{"language":"c","source":"x"}"#);
    assert_eq!(one, digest(r#" { "source" : "\u0078", "language":"c", "stdin":null } "#));
    assert_ne!(one, digest(r#"{"language":"c","source":"y"}"#));
    assert_ne!(one, digest(r#"{"language":"c","source":"x","stdin":""}"#));
}

#[test]
fn the_largest_job_fits_a_message_beside_the_largest_inline_input() {
    let path = |n: usize| format!("{n:0>126}.c");
    let count = PATHS_BYTES_MAX / path(0).len();
    let files: Vec<Value> = (0..count).map(|n| json!({ "path": path(n), "content": "" })).collect();
    let args: Vec<String> = vec!["é".repeat(32); 256];
    let env: Map<String, Value> = (0..60).map(|n| (format!("V{n:0>60}"), json!("é".repeat(35)))).collect();
    let body = json!({ "language": "c", "files": files, "scope": "s".repeat(128),
        "compile": { "args": args }, "run": { "args": args, "env": env } });
    let mut job = admit_json(&body).unwrap();
    // No language has both a compile step and dependencies yet; one may.
    let requirements = vec!["p".repeat(REQUIREMENT_BYTES_MAX); REQUIREMENTS_MAX];
    job.spec.dependencies = Some(Wanted { installer: "i".repeat(32), requirements });
    let room = INLINE_INPUT_BYTES_MAX - job.input.size_bytes();
    let path = job.input.files[0].path.clone();
    job.input.files[0] = JobFile { path, content: vec![0xff; room].into() };
    let token = FencingToken { epoch: u64::MAX, counter: u64::MAX };
    let attempt = AttemptId { job: JobId::generate(), token };
    let message = FromMaster::Dispatch { attempt, spec: Box::new(job.spec), input: InputSource::Inline(job.input) };
    frame::encode_body(&message).expect("it fits");
}
