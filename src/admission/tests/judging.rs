//! Cases and how they are judged: what is admitted, and what is refused by which rule.

use enclos_protocol::cases::{CASE_BYTES_MAX, CASES_INPUT_BYTES_MAX, CASES_MAX, CHECKED_BYTES_MAX, Checker, Judging};
use enclos_protocol::glob::KEEP_GLOBS_MAX;

use super::*;
use crate::admission::cases::Asked;

fn cases(cases: Value) -> Value {
    with(json!({ "cases": cases }))
}

fn judged(mut changes: Value) -> Value {
    if changes.get("cases").is_none() {
        changes["cases"] = json!([{ "name": "a", "expected_stdout": "" }, { "name": "b", "expected_stdout": "" }]);
    }
    with(changes)
}

#[test]
fn cases_are_named_sized_and_bounded() {
    let many: Vec<Value> = (0..=CASES_MAX).map(|_| json!({})).collect();
    let limit = |name: &str, v: Value| cases(json!([{}, { "limits": { name: v } }]));
    check_all(&[
        (cases(json!([])), "invalid_value", "cases"),
        (cases(json!(many)), "invalid_value", "cases"),
        (cases(json!([{ "name": "" }])), "invalid_value", "cases[0].name"),
        (cases(json!([{ "name": "a\nb" }])), "invalid_value", "cases[0].name"),
        (cases(json!([{ "name": "é".repeat(65) }])), "invalid_value", "cases[0].name"),
        (cases(json!([{ "name": "2" }, {}])), "invalid_value", "cases[1].name"),
        (cases(json!([{}, { "stdin": "", "stdin_base64": "" }])), "invalid_value", "cases[1].stdin"),
        (cases(json!([{ "expected_stdout_base64": "%" }])), "invalid_value", "cases[0].expected_stdout_base64"),
        (cases(json!([{ "args": ["\u{0}"] }])), "invalid_value", "cases[0].args[0]"),
        (cases(json!([{ "args": 1 }])), "invalid_value", "cases[0].args"),
        (limit("cpu_ms", json!(60_001)), "limit_too_high", "cases[1].limits.cpu_ms"),
        (limit("memory_bytes", json!(0)), "limit_too_low", "cases[1].limits.memory_bytes"),
        (limit("cpus", json!(-1)), "invalid_value", "cases[1].limits.cpus"),
    ]);
}

#[test]
fn lists_are_counted_while_they_are_read() {
    // A body of hundreds of millions of items would not fit the memory: reading ends at the first that is too many.
    let group = r#"{"name":"g","weight":1,"cases":[]},"#;
    for (list, item, field, maximum) in [
        (r#""cases":["#, "{},", "cases", 1000),
        (r#""groups":["#, group, "groups", 100),
        (r#""keep_files":["#, r#""","#, "keep_files", 32),
        (r#""cases":[{"args":["#, r#""","#, "cases[0].args", 256),
        (r#""groups":[{"name":"g","weight":1,"cases":["#, r#""","#, "groups[0].cases", 1000),
        (r#""interactor":{"files":["#, r#"{"path":""},"#, "interactor.files", 256),
        (r#""checker":{"program":{"args":["#, r#""","#, "checker.program.args", 256),
    ] {
        let body = format!("{{{list}{}", item.repeat(2000));
        let refusal = admit(catalogue(), "t", body.as_bytes()).unwrap_err();
        assert_eq!((refusal.code, refusal.field.as_deref()), ("invalid_value", Some(field)), "{}", refusal.detail);
        assert_eq!(refusal.extras["maximum"], maximum, "{field}");
    }
}

#[test]
fn objects_are_no_arrays() {
    for (body, field) in [
        (json!({ "cases": [["1"]] }), "cases[0]"),
        (json!({ "cases": [{ "limits": [1] }] }), "cases[0].limits"),
        (json!({ "groups": [["g", 1, []]] }), "groups[0]"),
        (json!({ "interactor": ["c"] }), "interactor"),
        (json!({ "checker": ["exact"] }), "checker"),
        (json!({ "checker": { "tokens": [true] } }), "checker.tokens"),
        (json!({ "checker": { "float": [1] } }), "checker.float"),
        (json!({ "checker": { "program": ["c"] } }), "checker.program"),
    ] {
        check(&with(body), 422, "invalid_value", Some(field));
    }
}

#[test]
fn cases_have_a_size_each_and_together() {
    let language = catalogue().by_id("c").unwrap();
    let run = language.run_bounds.defaults();
    // Not by way of JSON: that would take most of a minute.
    let admitted = |bytes: &[usize]| {
        let case = |bytes: &usize| SubmittedCase { stdin: Some("x".repeat(*bytes)), ..SubmittedCase::default() };
        let cases = Some(bytes.iter().map(case).collect());
        let asked = Asked { cases, checker: None, interactor: None, stop_on_first_failure: None, groups: None };
        crate::admission::cases::admitted(catalogue(), language, &run, asked, &Default::default())
            .map(|made| made.cases.len())
    };
    let refused = admitted(&[1, CASE_BYTES_MAX + 1]).unwrap_err();
    assert_eq!((refused.status, refused.field.as_deref()), (413, Some("cases[1].stdin")));
    let count = usize::try_from(CASES_INPUT_BYTES_MAX).unwrap() / CASE_BYTES_MAX;
    let full = vec![CASE_BYTES_MAX; count];
    let refused = admitted(&full).unwrap_err();
    assert_eq!((refused.status, refused.field.as_deref()), (413, Some("cases")), "their names count too");
    assert_eq!(refused.extras["maximum"], CASES_INPUT_BYTES_MAX);
    assert_eq!(admitted(&full[1..]).unwrap(), count - 1);
}

#[test]
fn all_cases_together_have_a_longest_time() {
    let judged_for = |wall_ms: u64| {
        let program = json!({ "language": "c", "source": "", "limits": { "run": { "wall_ms": wall_ms } } });
        let many: Vec<Value> = (0..1000).map(|_| json!({})).collect();
        judged(json!({ "cases": many, "interactor": program }))
    };
    assert!(admit_json(&judged_for(20_000)).is_ok(), "the most cases, with every default");
    check(&judged_for(30_000), 422, "limit_too_high", Some("cases"));
    let long: Vec<Value> = (0..361).map(|_| json!({ "limits": { "wall_ms": 120_000 } })).collect();
    check(&cases(json!(long)), 422, "limit_too_high", Some("cases"));
    assert!(admit_json(&cases(json!(long[1..]))).is_ok());
}

#[test]
fn what_contradicts_cases_is_refused() {
    let program = json!({ "language": "c", "source": "" });
    check_all(&[
        (judged(json!({ "stdin": "" })), "invalid_value", "stdin"),
        (judged(json!({ "stdin_base64": "" })), "invalid_value", "stdin_base64"),
        (judged(json!({ "keep_files": ["a"] })), "invalid_value", "keep_files"),
        (judged(json!({ "checker": "exact", "interactor": program })), "invalid_value", "interactor"),
        (judged(json!({ "merge_stderr": true, "interactor": program })), "invalid_value", "merge_stderr"),
        (judged(json!({ "isolation": "gvisor", "interactor": program })), "invalid_value", "interactor"),
        (with(json!({ "checker": "exact" })), "invalid_value", "checker"),
        (with(json!({ "interactor": program })), "invalid_value", "interactor"),
        (with(json!({ "stop_on_first_failure": false })), "invalid_value", "stop_on_first_failure"),
        (with(json!({ "groups": [] })), "invalid_value", "groups"),
    ]);
    assert!(admit_json(&judged(json!({ "merge_stderr": true, "checker": "exact" }))).is_ok());
}

#[test]
fn a_checker_is_one_of_a_few() {
    let checker = |v: Value| judged(json!({ "checker": v }));
    check_all(&[
        (checker(json!("exactly")), "invalid_value", "checker"),
        (checker(json!("float")), "invalid_value", "checker"),
        (checker(json!(7)), "invalid_value", "checker"),
        (checker(json!({})), "invalid_value", "checker"),
        (checker(json!({ "fuzzy": {} })), "unknown_field", "checker"),
        (checker(json!({ "tokens": {}, "float": {} })), "invalid_value", "checker"),
        (checker(json!({ "tokens": { "case": true } })), "unknown_field", "checker.tokens.case"),
        (checker(json!({ "float": {} })), "invalid_value", "checker.float"),
        (checker(json!({ "float": { "ignore_case": true } })), "invalid_value", "checker.float"),
        (checker(json!({ "float": { "abs": -1e-9 } })), "invalid_value", "checker.float.abs"),
        (checker(json!({ "float": { "rel": "1e-9" } })), "invalid_value", "checker.float.rel"),
        (judged(json!({ "checker": "trim", "cases": [{ "expected_stdout": "" }, {}] })), "invalid_value", "cases[1]"),
    ]);
    let judging = |v: Value| admit_json(&checker(v)).unwrap().spec.cases.unwrap().judging;
    let tolerance = |n: f64| n.try_into().unwrap();
    for (asked, made) in [
        (json!("exact"), Checker::Exact),
        (json!("trim"), Checker::Trim),
        (Value::Null, Checker::Trim),
        (json!("unordered_lines"), Checker::UnorderedLines),
        (json!("tokens"), Checker::Tokens { ignore_case: false }),
        (json!({ "tokens": { "ignore_case": true } }), Checker::Tokens { ignore_case: true }),
        (
            json!({ "float": { "abs": 1e-3 } }),
            Checker::Float { abs: tolerance(1e-3), rel: tolerance(0.0), ignore_case: false },
        ),
    ] {
        assert_eq!(judging(asked), Judging::Output(made));
    }
    assert!(admit_json(&judged(json!({ "cases": [{}] }))).is_ok(), "nothing need be expected");
}

#[test]
fn a_judges_program_is_checked_as_a_job_is() {
    let program = |field: &str, v: Value| {
        judged(if field == "interactor" { json!({ "interactor": v }) } else { json!({ "checker": { "program": v } }) })
    };
    for at in ["interactor", "checker.program"] {
        for (wrong, code, field) in [
            (json!({}), "no_source", "files"),
            (json!({ "source": "" }), "invalid_value", "language"),
            (json!({ "source": "", "language": "pyton" }), "unknown_language", "language"),
            (json!({ "files": [{ "path": "../a.c", "content": "" }] }), "invalid_value", "files[0].path"),
            (json!({ "source": "", "language": "c", "args": ["\u{0}"] }), "invalid_value", "args[0]"),
            (
                json!({ "source": "", "language": "python", "compile": { "args": ["-O"] } }),
                "invalid_value",
                "compile.args",
            ),
            (
                json!({ "source": "", "language": "c", "limits": { "run": { "pids": 0 } } }),
                "limit_too_low",
                "limits.run.pids",
            ),
        ] {
            check(&program(at, wrong), 422, code, Some(&format!("{at}.{field}")));
        }
        let right = json!({ "files": [{ "path": "v.py", "content": "x" }], "args": ["a b"] });
        let job = admit_json(&program(at, right)).unwrap();
        let plan = job.spec.cases.unwrap();
        let companion = plan.judging.companion().unwrap();
        assert_eq!((companion.language.as_str(), companion.entry.as_str()), ("python", "v.py"));
        assert_eq!((&companion.args[..], job.input.companion.len()), (&["a b".to_owned()][..], 1));
    }
    let both = |name: &str, own: u64, judges: u64| {
        let program = json!({ "language": "c", "source": "", "limits": { "run": { name: judges } } });
        judged(json!({ "interactor": program, "limits": { "run": { name: own } } }))
    };
    for (name, own, judges) in [("memory_bytes", 1 << 30, 1 << 30), ("pids", 256, 256)] {
        assert!(admit_json(&both(name, own, judges)).is_ok(), "{name}");
        let field = format!("interactor.limits.run.{name}");
        check(&both(name, own, judges + 1), 422, "limit_too_high", Some(&field));
    }
    let much = json!({ "checker": { "program": { "source": "", "language": "c" } },
        "limits": { "run": { "output_bytes": CHECKED_BYTES_MAX + 1 } } });
    check(&judged(much), 422, "limit_too_high", Some("limits.run.output_bytes"));
}

#[test]
fn groups_hold_each_case_once() {
    let groups = |v: Value| judged(json!({ "groups": v }));
    let g = |name: &str, cases: Value| json!({ "name": name, "weight": 1, "cases": cases });
    let many: Vec<Value> = (0..101).map(|n| g(&n.to_string(), json!(["a"]))).collect();
    check_all(&[
        (groups(json!([g("", json!(["a"]))])), "invalid_value", "groups[0].name"),
        (groups(json!([g("x", json!(["a"])), g("x", json!(["b"]))])), "invalid_value", "groups[1].name"),
        (groups(json!([g("x", json!([]))])), "invalid_value", "groups[0].cases"),
        (groups(json!([g("x", json!(["a", "c"]))])), "invalid_value", "groups[0].cases[1]"),
        (groups(json!([g("x", json!(["a"])), g("y", json!(["a"]))])), "invalid_value", "groups[1].cases[0]"),
        (groups(json!([{ "name": "x", "weight": 1_000_001, "cases": ["a"] }])), "invalid_value", "groups[0].weight"),
        (groups(json!([{ "name": "x", "weight": 0.5, "cases": ["a"] }])), "invalid_value", "groups[0].weight"),
        (groups(json!([{ "name": "x", "cases": ["a"] }])), "invalid_value", "groups[0]"),
        (groups(json!(many)), "invalid_value", "groups"),
    ]);
    let job = admit_json(&groups(json!([{ "name": "x", "weight": 30, "cases": ["b"] }]))).unwrap();
    assert_eq!((job.scoring.groups[0].weight, &job.scoring.groups[0].cases[..]), (30, &[1][..]));
}

#[test]
fn files_to_keep_are_patterns_below_the_job() {
    let keep = |v: Value| with(json!({ "keep_files": v }));
    check_all(&[
        (keep(json!(["/etc/passwd"])), "invalid_value", "keep_files[0]"),
        (keep(json!(["a", "../b"])), "invalid_value", "keep_files[1]"),
        (keep(json!([""])), "invalid_value", "keep_files[0]"),
        (keep(json!(vec!["a"; KEEP_GLOBS_MAX + 1])), "invalid_value", "keep_files"),
        (keep(json!("a")), "invalid_value", "keep_files"),
    ]);
    let kept = admit_json(&keep(json!(["out/**/*.png"]))).unwrap().spec.keep_files;
    assert_eq!(kept[0].as_str(), "out/**/*.png");
}

#[test]
fn cases_arrive_as_they_were_asked() {
    let body = json!({ "limits": { "run": { "cpu_ms": 500, "memory_bytes": 64 << 20 } }, "stop_on_first_failure": true,
        "cases": [
            { "stdin": "1", "expected_stdout_base64": "/w==", "args": ["x"] },
            { "name": "big", "limits": { "memory_bytes": 128 << 20 } },
        ] });
    let job = admit_json(&judged(body)).unwrap();
    let plan = job.spec.cases.unwrap();
    assert_eq!((plan.count, plan.stop_on_first_failure), (2, true));
    assert_eq!((plan.largest.cpu_ms, plan.largest.memory_bytes), (500, 128 << 20));
    let [first, second] = &job.cases[..] else { panic!("two") };
    assert_eq!((first.name.as_str(), first.case.stdin.as_slice()), ("1", &b"1"[..]));
    assert_eq!(first.case.expected.as_deref().map(Vec::as_slice), Some(&[0xff][..]));
    assert_eq!(first.case.args.as_deref(), Some(&["x".to_owned()][..]));
    assert_eq!(
        (second.name.as_str(), second.case.limits.unwrap().cpu_ms),
        ("big", 500),
        "the run's, where it says none"
    );
    assert_eq!(second.case.expected, None);
}

#[test]
fn two_ways_to_name_a_checker_are_one_submission() {
    let digest = |checker: Value| admit_json(&judged(json!({ "checker": checker }))).unwrap().body_digest;
    assert_eq!(digest(json!("tokens")), digest(json!({ "tokens": {} })));
    assert_ne!(digest(json!("tokens")), digest(json!("trim")));
}

#[test]
fn a_compile_step_has_a_key_unless_it_must_be_done_anew() {
    let key = |changes: Value| admit_json(&with(changes)).unwrap().compile_key;
    assert!(key(json!({})).is_some());
    assert_eq!(key(json!({})), key(json!({ "run": { "args": ["x"] } })));
    assert_ne!(key(json!({})), key(json!({ "compile": { "args": ["-g"] } })));
    assert_eq!(key(json!({ "no_cache": true })), None);
    assert_eq!(key(json!({ "language": "python" })), None);
}

#[test]
fn the_description_of_the_largest_job_fits_a_message_alone() {
    let args: Vec<String> = vec!["é".repeat(32); 256];
    let env: Map<String, Value> = (0..60).map(|n| (format!("V{n:0>60}"), json!("é".repeat(35)))).collect();
    let program = json!({ "language": "c", "source": "", "compile": { "args": args }, "args": args });
    let body = json!({ "language": "c", "source": "", "scope": "s".repeat(128), "interactor": program, "cases": [{}],
        "compile": { "args": args }, "run": { "args": args, "env": env } });
    let job = admit_json(&body).unwrap();
    let token = FencingToken { epoch: u64::MAX, counter: u64::MAX };
    let attempt = AttemptId { job: JobId::generate(), token };
    let input = InputSource::Fetch { size_bytes: u64::MAX };
    frame::encode_body(&FromMaster::Dispatch { attempt, spec: Box::new(job.spec), input }).expect("it fits");
}
