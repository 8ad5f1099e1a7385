//! The bounds of cases and of what judges them, and what their types alone do not say.

use enclos_protocol::cases::CASES_MAX;
use enclos_protocol::glob::KEEP_GLOBS_MAX;
use serde_json::{Value, json};

use super::bounds::{NO_NUL, base64, given, merge, path_bounds};
use crate::admission::bounds::{ARGS_MAX, CASE_NAME_BYTES_MAX, FILES_MAX, GROUPS_MAX, WEIGHT_MAX};

/// Adds them.
pub(super) fn add(schemas: &mut Value) {
    let submission = &mut schemas["Submission"]["properties"];
    merge(&mut submission["cases"], json!({ "minItems": 1, "maxItems": CASES_MAX }));
    merge(&mut submission["groups"], json!({ "maxItems": GROUPS_MAX }));
    merge(&mut submission["keep_files"], json!({ "maxItems": KEEP_GLOBS_MAX }));

    let name = json!({ "minLength": 1, "maxLength": CASE_NAME_BYTES_MAX, "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*$" });
    let both = |one, other| json!({ "allOf": [given(one), given(other)] });
    let twice = json!({ "anyOf": [both("stdin", "stdin_base64"), both("expected_stdout", "expected_stdout_base64")] });
    let case = &mut schemas["SubmittedCase"];
    merge(case, json!({ "not": twice }));
    merge(&mut case["properties"]["name"], name.clone());
    for bytes in ["stdin_base64", "expected_stdout_base64"] {
        merge(&mut case["properties"][bytes], base64());
    }
    arguments(&mut case["properties"]["args"]);

    let group = &mut schemas["SubmittedGroup"]["properties"];
    merge(&mut group["name"], name);
    merge(&mut group["weight"], json!({ "maximum": WEIGHT_MAX }));
    merge(&mut group["cases"], json!({ "minItems": 1, "maxItems": CASES_MAX }));

    let companion = &mut schemas["SubmittedCompanion"]["properties"];
    merge(&mut companion["files"], json!({ "minItems": 1, "maxItems": FILES_MAX }));
    merge(&mut companion["entry"], path_bounds());
    arguments(&mut companion["args"]);
    let program = json!({ "oneOf": [given("source"), given("files")] });
    merge(&mut schemas["SubmittedCompanion"], program);

    // One of the checkers that take something, and nothing beside it; or its name alone.
    for choice in schemas["CheckerChoice"]["oneOf"].as_array_mut().into_iter().flatten() {
        if choice["type"] == "object" {
            merge(choice, json!({ "additionalProperties": false }));
        }
    }
    if let Some(choices) = schemas["CheckerChoice"]["oneOf"].as_array_mut() {
        choices.push(json!({ "type": "string", "enum": ["tokens"], "description": "The same words." }));
    }
    let tolerance = json!({ "minimum": 0 });
    for one in ["abs", "rel"] {
        merge(&mut schemas["FloatOptions"]["properties"][one], tolerance.clone());
    }
    let some = json!({ "anyOf": [given("abs"), given("rel")] });
    merge(&mut schemas["FloatOptions"], some);

    // A case that was not run has nothing of a step.
    let run = json!({ "$ref": "#/components/schemas/Step", "description": "Its run." });
    let none = json!({ "not": { "required": ["outcome"] } });
    schemas["Case"]["allOf"][0] = json!({ "anyOf": [run, none] });
}

fn arguments(schema: &mut Value) {
    merge(schema, json!({ "maxItems": ARGS_MAX }));
    merge(&mut schema["items"], json!({ "pattern": NO_NUL }));
}
