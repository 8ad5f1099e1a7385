//! What clients send, and the submission that it becomes: as tables, and for anything at all.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use enclos_images::Catalogue;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::submission::Input;
use super::{request, said, submission};
use crate::admission::{self, Admitted, Refusal, Submission};

fn translated(language: &str, body: &Value, input: Input) -> Result<Submission, Refusal> {
    let catalogue = Catalogue::embedded().unwrap();
    let body = body.to_string();
    let asked = request::parse(body.as_bytes())?;
    submission::of(asked, catalogue.find(language).expect("there is one"), input)
}

/// What a request in this language is admitted as, or the message of its refusal.
fn admitted(language: &str, body: &Value) -> Result<Admitted, String> {
    let message = |refusal: Refusal| {
        let (status, message) = said(&refusal);
        assert!(status == 400 || status == 403, "{status} {message}");
        message
    };
    let submission = translated(language, body, Input::Given).map_err(message)?;
    let bytes = submission::encoded(&submission).unwrap();
    admission::admit(&Catalogue::embedded().unwrap(), "t", &bytes).map_err(message)
}

/// A request that is right but for the members of `other`.
fn with(other: &Value) -> Value {
    let mut body = json!({ "language": "x", "version": "*", "files": [{ "content": "x" }] });
    for (name, value) in other.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[test]
fn every_mistake_is_told_in_pistons_words() {
    for (body, message) in [
        (json!({ "language": null }), "language is required as a string"),
        (json!({ "language": 3 }), "language is required as a string"),
        (json!({ "language": "" }), "language is required as a string"),
        (json!({ "version": null }), "version is required as a string"),
        (json!({ "version": ["3"] }), "version is required as a string"),
        (json!({ "files": null }), "files is required as an array"),
        (json!({ "files": { "0": {} } }), "files is required as an array"),
        (json!({ "files": "x" }), "files is required as an array"),
        (json!({ "files": [{ "content": "x" }, {}] }), "files[1].content is required as a string"),
        (json!({ "files": [{ "content": null }] }), "files[0].content is required as a string"),
        (json!({ "files": [["name", "content"]] }), "files[0].content is required as a string"),
        (json!({ "files": ["x"] }), "files[0].content is required as a string"),
        (json!({ "files": [] }), "files must include at least one utf8 encoded file"),
        (
            json!({ "files": [{ "content": "eA==", "encoding": "base64" }] }),
            "files must include at least one utf8 encoded file",
        ),
        (json!({ "run_timeout": "3" }), "If specified, run_timeout must be a number"),
        (json!({ "run_timeout": true }), "If specified, run_timeout must be a number"),
        (json!({ "compile_memory_limit": [] }), "If specified, compile_memory_limit must be a number"),
        (json!({ "run_timeout": 120_001 }), "run_timeout cannot exceed the configured limit of 120000"),
        (json!({ "compile_timeout": 1e30 }), "compile_timeout cannot exceed the configured limit of 120000"),
        (json!({ "run_cpu_time": 60_000.5 }), "run_cpu_time cannot exceed the configured limit of 60000"),
        (
            json!({ "run_memory_limit": 1u64 << 40 }),
            "run_memory_limit cannot exceed the configured limit of 2147483648",
        ),
        (json!({ "run_timeout": -1 }), "run_timeout must be non-negative"),
        (json!({ "compile_cpu_time": -0.5 }), "compile_cpu_time must be non-negative"),
        (json!({ "run_memory_limit": -2 }), "run_memory_limit must be non-negative"),
        // Piston has no words for these.
        (json!({ "run_timeout": 1 }), "run_timeout must be at least 10"),
        (json!({ "run_memory_limit": 1000 }), "run_memory_limit must be at least 4194304"),
        (json!({ "stdin": 5 }), "stdin must be a string"),
        (json!({ "args": "x" }), "args must be an array of strings"),
        (json!({ "args": ["x", 5] }), "args must be an array of strings"),
        (json!({ "args": vec!["x"; 257] }), "args may have 256 items"),
        (json!({ "args": ["a\u{0}b"] }), "args[0]: an argument cannot hold a NUL character"),
        (json!({ "files": vec![json!({ "content": "" }); 257] }), "files may have 256 items"),
        (json!({ "files": [{ "content": "x", "name": 5 }] }), "files[0].name must be a string"),
        (
            json!({ "files": [{ "content": "x" }, { "content": "zz", "encoding": "hex" }] }),
            "files[1].content: not hex: invalid character 'z' at position 0",
        ),
    ] {
        assert_eq!(admitted("c", &with(&body)).unwrap_err(), message, "{body}");
    }
    for (body, begins) in [
        (json!({ "files": [{ "content": "x", "name": "../x.c" }] }), "files[0].name: "),
        (json!({ "files": [{ "content": "x", "name": "/x.c" }] }), "files[0].name: "),
        (json!({ "files": [{ "content": "x" }, { "content": "x", "name": "main.c" }] }), "files[1].name: "),
        (
            json!({ "files": [{ "content": "x" }, { "content": "!", "name": "y", "encoding": "base64" }] }),
            "files[1].content: ",
        ),
        (
            json!({ "files": [{ "content": "x" }, { "content": "eA", "name": "y.c", "encoding": "base64" }] }),
            "files[1].name: the compiler of C ",
        ),
    ] {
        let message = admitted("c", &with(&body)).unwrap_err();
        assert!(message.starts_with(begins), "{message}");
    }
    for bad in ["", "[]", "[\"c\", \"*\", []]", "null", "{", "{\"language\": }"] {
        let refusal = request::parse(bad.as_bytes()).unwrap_err();
        assert!(said(&refusal).0 == 400 && said(&refusal).1.starts_with("the body is"), "{bad}");
    }
}

#[test]
fn limits_that_ask_for_nothing_are_defaults_and_none_is_ever_without_bound() {
    let limits = |other: Value| {
        let spec = admitted("c", &with(&other)).unwrap().spec;
        let (compile, run) = (spec.compile_limits, spec.run_limits);
        [compile.wall_ms, compile.cpu_ms, compile.memory_bytes, run.wall_ms, run.cpu_ms, run.memory_bytes]
    };
    let usual = [10_000, 10_000, 512 << 20, 3_000, 3_000, 256 << 20];
    assert_eq!(limits(json!({})), usual);
    for nothing in [json!(null), json!(0), json!(0.0), json!(-0.0), json!(false), json!("")] {
        let all = [
            "compile_timeout",
            "compile_cpu_time",
            "compile_memory_limit",
            "run_timeout",
            "run_cpu_time",
            "run_memory_limit",
        ];
        let asked: Value =
            all.into_iter().map(|name| (name.to_owned(), nothing.clone())).collect::<serde_json::Map<_, _>>().into();
        assert_eq!(limits(asked), usual, "{nothing}");
    }
    assert_eq!(limits(json!({ "run_memory_limit": -1, "compile_memory_limit": -1.0 })), usual);
    let asked = json!({
        "compile_timeout": 20_000, "compile_cpu_time": 5_000, "compile_memory_limit": 1 << 30,
        "run_timeout": 999.5, "run_cpu_time": 60_000, "run_memory_limit": 5_000_000,
    });
    assert_eq!(limits(asked), [20_000, 5_000, 1 << 30, 1_000, 60_000, 5_000_000]);
    // An answer holds all that a program may write.
    let run = admitted("c", &with(&json!({}))).unwrap().spec.run_limits;
    assert_eq!((run.output_bytes, run.report_bytes), (64 << 10, 64 << 10));
}

#[test]
fn files_have_names_that_the_language_knows_and_the_first_text_is_the_program() {
    let file = |name: &str, encoding: &str| json!({ "name": name, "encoding": encoding, "content": "6869" });
    for (language, files, paths) in [
        // Absent, empty and null are the same.
        ("c", json!([{ "content": "x" }]), &["main.c"][..]),
        ("c", json!([{ "content": "x", "name": "", "encoding": "" }]), &["main.c"]),
        ("java", json!([{ "content": "x", "name": null }]), &["Main.java"]),
        ("python", json!([file("file0.code", "utf8")]), &["file0.code.py"]),
        ("python", json!([file("app.py", "utf8")]), &["app.py"]),
        ("c", json!([file("prog", "utf8")]), &["prog.c"]),
        ("c", json!([file("a.b/prog", "utf8")]), &["a.b/prog.c"]),
        ("cpp", json!([file("x.cc", "utf8"), file("x.h", "utf8")]), &["x.cc", "x.h"]),
        // A text without a name is a source, as with Piston, where there is a compiler to give it to.
        ("c", json!([file("a.c", "utf8"), { "content": "y" }]), &["a.c", "file1.code.c"]),
        ("python", json!([file("a.py", "utf8"), { "content": "y" }]), &["a.py", "file1.code"]),
        // Binary ones are never the program.
        ("c", json!([file("", "hex"), file("d.bin", "base64"), file("a.c", "utf8")]), &["file0.code", "d.bin", "*a.c"]),
        ("python", json!([file("b.py", "base64"), file("", "nonsense")]), &["b.py", "*main.py"]),
    ] {
        let Admitted { spec, input, .. } = admitted(language, &with(&json!({ "files": files }))).unwrap();
        let found: Vec<&str> = input.files.iter().map(|file| file.path.as_str()).collect();
        let plain: Vec<&str> = paths.iter().map(|path| path.trim_start_matches('*')).collect();
        let main = paths.iter().find_map(|path| path.strip_prefix('*')).unwrap_or(paths[0]);
        assert_eq!((found, spec.entry.as_str()), (plain, main), "{files}");
    }
}

#[test]
fn contents_are_decoded_as_pistons_are() {
    let all: Vec<u8> = (0..=255).collect();
    let (base64, mut lines) = (STANDARD.encode(&all), String::new());
    for (index, letter) in base64.chars().enumerate() {
        lines.push(match letter {
            '+' => '-',
            '/' => '_',
            letter => letter,
        });
        if index % 60 == 59 {
            lines.push('\n');
        }
    }
    let files = json!([
        { "content": "é\r\n" },
        { "content": base64, "encoding": "base64" },
        { "content": lines, "encoding": "base64" },
        { "content": hex::encode(&all).to_uppercase(), "encoding": "hex" },
    ]);
    let input = admitted("python", &with(&json!({ "files": files }))).unwrap().input;
    assert_eq!(input.files[0].content, "é\r\n".as_bytes());
    for file in &input.files[1..] {
        assert_eq!(file.content, all, "{}", file.path);
    }
}

#[test]
fn an_input_ends_with_a_newline_and_one_that_is_live_is_none() {
    for (stdin, bytes) in
        [(json!(null), "\n"), (json!(""), "\n"), (json!("a"), "a\n"), (json!("a\n"), "a\n"), (json!("\n\n"), "\n\n")]
    {
        let input = admitted("c", &with(&json!({ "stdin": stdin }))).unwrap().input;
        assert_eq!(input.stdin, bytes.as_bytes(), "{stdin}");
    }
    let body = with(&json!({ "stdin": "passed over", "args": ["a b", ""] }));
    let submission = translated("c", &body, Input::Live).unwrap();
    let admitted = admission::admit(&Catalogue::embedded().unwrap(), "t", &submission::encoded(&submission).unwrap());
    let Admitted { spec, input, .. } = admitted.unwrap();
    assert!(spec.live_stdin && input.stdin.is_empty() && spec.run_args == ["a b", ""]);
}

#[test]
fn refusals_of_the_service_have_statuses_that_clients_know() {
    for (status, code, answered) in [
        (422, "limit_too_high", 400),
        (413, "too_large", 400),
        (503, "overloaded", 429),
        (429, "rate_limited", 429),
        (503, "unavailable", 503),
        (401, "unauthorized", 401),
        (405, "method_not_allowed", 404),
        (404, "not_found", 404),
        (500, "internal_error", 500),
    ] {
        assert_eq!(said(&Refusal::new(status, code, "x")).0, answered, "{code}");
    }
    assert_eq!(said(&Refusal::invalid("files[0].content_base64", "x")).1, "files[0].content: x");
}

/// Any JSON of some depth.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let object = prop::collection::btree_map("name|content|encoding|.{0,3}", inner.clone(), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            object.prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn anything_is_refused_or_admitted_within_the_bounds(
        field in prop::sample::select(vec!["language", "version", "files", "stdin", "args", "run_timeout", "run_memory_limit", "compile_cpu_time"]),
        value in any_json(),
        language in prop::sample::select(vec!["c", "java", "python"]),
    ) {
        let _ = admitted(language, &with(&json!({ field: value })));
    }

    #[test]
    fn any_file_is_refused_or_stands_below_the_jobs_directory(
        name in "[a-z./~\\-\u{0}]{0,12}", content in ".{0,20}",
        encoding in prop::sample::select(vec!["utf8", "base64", "hex", "x"]),
    ) {
        let files = json!([{ "content": "x" }, { "name": name, "content": content, "encoding": encoding }]);
        if let Ok(admitted) = admitted("c", &with(&json!({ "files": files }))) {
            prop_assert_eq!(admitted.input.files.len(), 2);
            prop_assert_eq!(admitted.spec.entry.as_str(), "main.c");
        }
    }
}
