//! What is said and told, without a master.

use enclos_images::Catalogue;
use rmcp::model::RequestId;
use serde_json::{Value, json};

use super::Said;
use super::asked::{RunCode, RunTests};
use super::call::words;
use super::tools;
use crate::admission::{Refusal, strict_json};
use crate::http::wire::{JobState, StateEvent, StepName};

fn run_code(arguments: &Value) -> Value {
    let asked: RunCode = strict_json(arguments.to_string().as_bytes()).unwrap();
    serde_json::to_value(asked.submission()).unwrap()
}

fn run_tests(arguments: &Value) -> Result<Value, Refusal> {
    let asked: RunTests = strict_json(arguments.to_string().as_bytes())?;
    asked.submission().map(|submission| serde_json::to_value(submission).unwrap())
}

#[test]
fn what_is_asked_of_run_code_is_a_submission() {
    for (arguments, submission) in [
        (json!({ "language": "c", "code": "x" }), json!({ "language": "c", "source": "x" })),
        (
            json!({ "files": [{ "path": "a.py", "content": "1" }, { "path": "b", "content_base64": "AA==" }], "entry": "a.py" }),
            json!({ "files": [{ "path": "a.py", "content": "1" }, { "path": "b", "content_base64": "AA==" }], "entry": "a.py" }),
        ),
        (
            json!({ "code": "", "stdin": "1\n", "args": ["-v"], "compile_args": ["-O2"] }),
            json!({ "source": "", "stdin": "1\n", "run": { "args": ["-v"] }, "compile": { "args": ["-O2"] } }),
        ),
        (
            json!({ "code": "", "limits": { "cpu_ms": 1, "wall_ms": 2, "memory_bytes": 3, "output_bytes": 4, "report_bytes": 0 } }),
            json!({ "source": "", "limits": { "run":
                { "cpu_ms": 1, "wall_ms": 2, "memory_bytes": 3, "output_bytes": 4, "report_bytes": 0 } } }),
        ),
        (
            json!({ "code": "", "dependencies": { "python": ["numpy"] }, "args": [], "limits": {} }),
            json!({ "source": "", "dependencies": { "python": ["numpy"] } }),
        ),
    ] {
        assert_eq!(run_code(&arguments), submission, "{arguments}");
    }
}

#[test]
fn what_is_asked_of_run_tests_is_a_submission_with_cases() {
    let cases =
        json!([{ "stdin": "1", "expected_stdout": "2" }, { "name": "n", "args": ["a"], "expected_stdout": "" }]);
    let with = |more: Value| {
        let mut arguments = json!({ "language": "c", "code": "x", "cases": cases });
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        run_tests(&arguments)
    };
    let plain = with(json!({ "stop_on_first_failure": true })).unwrap();
    assert_eq!(plain, json!({ "language": "c", "source": "x", "cases": cases, "stop_on_first_failure": true }));
    for (more, checker) in [
        (json!({ "checker": "exact" }), json!("exact")),
        (json!({ "checker": "trim" }), json!("trim")),
        (json!({ "checker": "tokens" }), json!({ "tokens": {} })),
        (json!({ "checker": "unordered_lines" }), json!("unordered_lines")),
        (json!({ "checker": "float" }), json!({ "float": { "abs": 1e-9, "rel": 1e-9 } })),
        (json!({ "checker": "float", "tolerance": 0.5 }), json!({ "float": { "abs": 0.5, "rel": 0.5 } })),
    ] {
        let submission = with(more.clone()).unwrap();
        assert_eq!(submission["checker"], checker, "{more}");
        let catalogue = Catalogue::embedded().unwrap();
        let admitted = crate::admission::admit(&catalogue, "t", submission.to_string().as_bytes());
        assert!(admitted.is_ok(), "{more}: {admitted:?}");
    }
    assert_eq!(with(json!({ "checker": "exact", "tolerance": 1 })).unwrap_err().field.as_deref(), Some("tolerance"));
    let many = json!({ "code": "", "cases": vec![json!({}); 1001] });
    let refusal = run_tests(&many).unwrap_err();
    assert_eq!((refusal.field.as_deref(), &refusal.extras["maximum"]), (Some("cases"), &json!(1000)));
}

#[test]
fn the_door_hears_what_concerns_it_and_nothing_else() {
    let cancelled =
        |id: Value| json!({ "method": "notifications/cancelled", "params": { "requestId": id, "reason": "x" } });
    for (message, expected) in [
        (json!({ "method": "initialize", "params": { "requestId": 1 } }), Said::Initialize),
        (cancelled(json!(3)), Said::Cancelled(RequestId::Number(3))),
        (cancelled(json!("3")), Said::Cancelled(RequestId::String("3".into()))),
        (cancelled(json!(null)), Said::Other),
        (json!({ "method": "notifications/cancelled" }), Said::Other),
        (json!({ "method": "tools/call", "params": { "name": "notifications/cancelled" } }), Said::Other),
        (json!([{ "method": "initialize" }]), Said::Other),
        (json!(null), Said::Other),
    ] {
        assert_eq!(Said::of(message.to_string().as_bytes()), expected, "{message}");
    }
}

#[test]
fn progress_is_told_in_words() {
    let event = |state, position, step, case| StateEvent {
        state,
        position,
        agent: None,
        step,
        progress: None,
        case,
        attempt: None,
    };
    let soon = Some(std::time::Duration::from_millis(1200));
    for (event, estimate, expected) in [
        (event(JobState::Queued, Some(3), None, None), soon, "waiting at place 3, about 2 s"),
        (event(JobState::Queued, Some(3), None, None), None, "waiting at place 3"),
        (event(JobState::Queued, None, None, None), None, "waiting"),
        (event(JobState::Running, None, None, None), None, "starting"),
        (event(JobState::Running, None, Some(StepName::Install), None), None, "installing dependencies"),
        (event(JobState::Running, None, Some(StepName::Compile), None), None, "compiling"),
        (event(JobState::Running, None, Some(StepName::Run), None), None, "running"),
        (event(JobState::Running, None, Some(StepName::Case), Some(4)), None, "running case 4"),
    ] {
        assert_eq!(words(&event, estimate), expected);
    }
}

/// Clients differ in what they follow for a model: what it is to fill in is one object that refers to nothing.
#[test]
fn every_schema_is_an_object_that_explains_its_fields() {
    for tool in tools::all() {
        let output = tool.output_schema.clone().unwrap();
        for schema in [&tool.input_schema, &output] {
            assert_eq!(schema["type"], "object", "{}", tool.name);
            for (name, field) in schema["properties"].as_object().unwrap() {
                assert!(field["description"].is_string(), "{}: {name}", tool.name);
            }
        }
        let input = serde_json::to_string(&tool.input_schema).unwrap();
        assert!(!input.contains("$ref") && !input.contains("$defs"), "{}: {input}", tool.name);
        assert_eq!(tool.input_schema["additionalProperties"], false, "{}", tool.name);
    }
}

/// A client asks for it at every start, and most of it is put before a model.
#[test]
fn the_list_of_tools_is_no_longer_than_it_has_to_be() {
    let bytes = serde_json::to_vec(&tools::all()).unwrap().len();
    assert!(bytes < 24 * 1024, "{bytes}");
}

/// The file that registries are given says what is true of this version.
#[test]
fn the_description_of_the_server_is_one() {
    let server: Value = serde_json::from_str(include_str!("../../../../server.json")).unwrap();
    assert_eq!(server["version"], env!("CARGO_PKG_VERSION"));
    assert!(server["description"].as_str().unwrap().len() <= 100);
    let (space, name) = server["name"].as_str().unwrap().split_once('/').unwrap();
    assert!(space.contains('.') && name == "enclos");
    let remote = &server["remotes"][0];
    assert_eq!(remote["type"], "streamable-http");
    assert!(remote["url"].as_str().unwrap().ends_with(super::PATH));
    let header = &remote["headers"][0];
    assert_eq!((&header["name"], &header["isSecret"]), (&json!("Authorization"), &json!(true)));
    for name in ["host", "key"] {
        let used =
            [&remote["url"], &header["value"]].iter().any(|t| t.as_str().unwrap().contains(&format!("{{{name}}}")));
        let declared = remote["variables"].get(name).or_else(|| header["variables"].get(name));
        assert!(used && declared.is_some(), "{name}");
    }
}
