//! The bounds of values, from where they are held, put into the schemas.
//!
//! A limit's bounds differ by language; the document has the widest of them,
//! so what it rules out is refused for every language, and what it allows may
//! still be refused (422) for one.

use std::collections::BTreeMap;

use enclos_images::Catalogue;
use enclos_images::bounds::{Bound, LimitBounds};
use enclos_protocol::dependencies::{REQUIREMENT_BYTES_MAX, REQUIREMENTS_MAX};
use enclos_protocol::job::{PATH_BYTES_MAX, PATH_DEPTH_MAX};
use serde_json::{Value, json};

use super::super::render;
use super::{judging, operations, parameters};
use crate::access::{KEY_LASTS_MAX, KEY_NAME_CHARS_MAX, LANGUAGES_MAX, NUMBER_MAX, RATE_MAX, WEIGHT_MAX};
use crate::admission::bounds::{
    ARGS_MAX, FILES_MAX, INSTALLERS_MAX, LABEL_NAME_BYTES_MAX, LABEL_VALUE_BYTES_MAX, LABELS_MAX, LIVE_EXCLUDES,
    NAME_BYTES_MAX, SCOPE_BYTES_MAX, VARIABLES_MAX,
};
use crate::config::QUEUE_TTL_MS_MAX;
use crate::http::many::WAIT_IDS_MAX;
use crate::http::query::{PAGE_MAX, WAIT_MS_MAX};
use crate::http::session;
use crate::http::submit::KEY_CHARS_MAX;
use crate::http::wire::keys::SCOPES_MAX;
use crate::outbound::URL_BYTES_MAX;
use crate::progress::Cursor;

/// Texts without NUL.
pub(super) const NO_NUL: &str = "^[^\\x00]*$";

/// What a URL of a callback begins with, and what is not in it.
const CALLBACK_URL: &str = "^[Hh][Tt][Tt][Pp][Ss]?://[!\"$-\\[\\]-~]+$";

/// Adds them.
pub(super) fn add(document: &mut Value, catalogue: &Catalogue) {
    let language = json!({ "pattern": language_pattern(catalogue) });
    for (_, path, operation) in operations(document) {
        for parameter in parameters(operation) {
            let bounds = parameter_bounds(path, parameter["name"].as_str().unwrap_or_default(), &language);
            merge(&mut parameter["schema"], bounds);
        }
        bytes_as_they_are(operation);
    }
    let schemas = &mut document["components"]["schemas"];
    let name = json!({ "pattern": format!("^[A-Za-z0-9][A-Za-z0-9._/-]{{0,{}}}$", LABEL_NAME_BYTES_MAX - 1) });
    let value = json!({ "maxLength": LABEL_VALUE_BYTES_MAX, "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*$" });
    let submission = &mut schemas["Submission"]["properties"];
    merge(&mut submission["language"], language);
    merge(&mut submission["files"], json!({ "minItems": 1, "maxItems": FILES_MAX }));
    merge(&mut submission["entry"], path_bounds());
    merge(&mut submission["stdin_base64"], base64());
    merge(&mut submission["stdin_blob"], digest());
    merge(&mut submission["scope"], json!({ "pattern": format!("^[!-~]{{1,{SCOPE_BYTES_MAX}}}$") }));
    let url = json!({ "maxLength": URL_BYTES_MAX, "pattern": CALLBACK_URL });
    merge(&mut submission["callback_url"], url);
    merge(&mut submission["labels"], json!({ "maxProperties": LABELS_MAX, "propertyNames": name }));
    merge(&mut submission["labels"]["additionalProperties"], value);
    merge(&mut submission["queue_ttl_ms"], json!({ "minimum": 1, "maximum": QUEUE_TTL_MS_MAX }));
    merge(&mut submission["dependencies"], json!({ "maxProperties": INSTALLERS_MAX }));
    let requirements = &mut submission["dependencies"]["additionalProperties"];
    merge(requirements, json!({ "maxItems": REQUIREMENTS_MAX }));
    merge(&mut requirements["items"], json!({ "minLength": 1, "maxLength": REQUIREMENT_BYTES_MAX }));

    let whole = json!({ "allOf": [
        { "oneOf": [given("source"), { "anyOf": [given("files"), given("archive")] }] },
        { "anyOf": [given("language"), given("entry"), given("files"), given("archive")] },
        at_most_one(&["stdin", "stdin_base64", "stdin_blob"]),
        { "not": { "allOf": [attached(), { "anyOf": LIVE_EXCLUDES.map(given) }] } },
    ] });
    merge(&mut schemas["Submission"], whole);
    let one_content = json!({ "oneOf": [given("content"), given("content_base64"), given("blob")] });
    merge(&mut schemas["SubmittedFile"], one_content);
    merge(&mut schemas["SubmittedArchive"], json!({ "oneOf": [given("content_base64"), given("blob")] }));
    let case = json!({ "allOf": [
        at_most_one(&["stdin", "stdin_base64", "stdin_blob"]),
        at_most_one(&["expected_stdout", "expected_stdout_base64", "expected_stdout_blob"]),
    ] });
    merge(&mut schemas["SubmittedCase"], case);
    for (schema, member) in [
        ("SubmittedFile", "blob"),
        ("SubmittedArchive", "blob"),
        ("SubmittedCase", "stdin_blob"),
        ("SubmittedCase", "expected_stdout_blob"),
        ("Blob", "sha256"),
    ] {
        merge(&mut schemas[schema]["properties"][member], digest());
    }
    merge(&mut schemas["SubmittedArchive"]["properties"]["content_base64"], base64());

    let file = &mut schemas["SubmittedFile"]["properties"];
    merge(&mut file["path"], path_bounds());
    merge(&mut file["content_base64"], base64());
    for options in ["CompileOptions", "RunOptions"] {
        let args = &mut schemas[options]["properties"]["args"];
        merge(args, json!({ "maxItems": ARGS_MAX }));
        merge(&mut args["items"], json!({ "pattern": NO_NUL }));
    }
    let name = json!({ "pattern": format!("^[A-Za-z_][A-Za-z0-9_]{{0,{}}}$", NAME_BYTES_MAX - 1) });
    let env = &mut schemas["RunOptions"]["properties"]["env"];
    merge(env, json!({ "maxProperties": VARIABLES_MAX, "propertyNames": name }));
    merge(&mut env["additionalProperties"], json!({ "pattern": NO_NUL }));
    // What one of a batch breaks refuses that one alone, so that none makes the whole wrong.
    let each = json!({ "anyOf": [{ "$ref": "#/components/schemas/Submission" }, {}] });
    merge(&mut schemas["Batch"]["properties"]["jobs"], json!({ "minItems": 1, "items": each }));
    merge(&mut schemas["WaitList"]["properties"]["ids"], json!({ "minItems": 1, "maxItems": WAIT_IDS_MAX }));
    access(schemas);
    step_limits(schemas, catalogue);
    judging::add(schemas);
}

fn parameter_bounds(path: &str, name: &str, language: &Value) -> Value {
    match name {
        "key" => json!({ "pattern": "^key-[0-9a-f]{12}$" }),
        "tenant" => tenant(),
        "state" if path == "/v1/callbacks" => json!({ "enum": ["waiting", "dead"] }),
        "of" => json!({ "enum": ["hour"] }),
        "wait_ms" => json!({ "maximum": WAIT_MS_MAX }),
        "limit" => json!({ "minimum": 1, "maximum": PAGE_MAX }),
        "cursor" => json!({ "type": "integer", "minimum": 1, "maximum": i64::MAX }),
        "state" => json!({ "enum": ["queued", "running", "finished"] }),
        "label" => json!({ "pattern": "=" }),
        "language" => language.clone(),
        "sha256" => digest(),
        "id" => json!({ "format": "uuid" }),
        "name" => tenant(),
        "Idempotency-Key" => json!({ "pattern": format!("^[!-~]([ -~]{{0,{}}}[!-~])?$", KEY_CHARS_MAX - 2) }),
        "Last-Event-ID" | "after" => {
            let cursor = Cursor::pattern();
            json!({ "pattern": format!("^({})?$", cursor.trim_matches(['^', '$'])) })
        }
        _ => json!({}),
    }
}

/// The name of a tenant, or of an agent.
fn tenant() -> Value {
    json!({ "pattern": "^[a-z0-9][a-z0-9-]{0,62}$" })
}

/// Keys and the settings of tenants.
fn access(schemas: &mut Value) {
    let lasts = render::millis(KEY_LASTS_MAX);
    let shown = json!({ "minLength": 1, "maxLength": session::KEY_CHARS_MAX });
    merge(&mut schemas["SignIn"]["properties"]["key"], shown);
    let key = &mut schemas["NewKey"]["properties"];
    merge(&mut key["tenant"], tenant());
    merge(&mut key["scopes"], json!({ "minItems": 1, "maxItems": SCOPES_MAX }));
    merge(&mut key["name"], json!({ "maxLength": KEY_NAME_CHARS_MAX, "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*$" }));
    merge(&mut key["lasts_ms"], json!({ "minimum": 1, "maximum": lasts }));
    merge(&mut schemas["Rotation"]["properties"]["grace_ms"], json!({ "minimum": 0, "maximum": lasts }));
    merge(&mut schemas["Amount"]["oneOf"][0], json!({ "minimum": 1, "maximum": NUMBER_MAX }));
    let ids = &mut schemas["Languages"]["oneOf"][0];
    merge(ids, json!({ "minItems": 1, "maxItems": LANGUAGES_MAX }));
    merge(&mut ids["items"], json!({ "pattern": "^[a-z0-9-]{1,64}$" }));
    let settings = &mut schemas["TenantSettings"];
    let names = settings["properties"].as_object().map(|all| all.keys().cloned().collect::<Vec<_>>());
    let some: Vec<Value> = names.unwrap_or_default().iter().map(|name| given(name)).collect();
    merge(settings, json!({ "anyOf": some }));
    for (name, maximum) in [("requests_per_second", RATE_MAX), ("weight", u64::from(WEIGHT_MAX))] {
        let at_most = json!({ "anyOf": [{ "not": { "type": "number" } }, { "maximum": maximum }] });
        let setting = &mut settings["properties"][name];
        *setting = json!({ "allOf": [setting.take(), at_most] });
    }
}

/// A SHA-256 as it is written.
fn digest() -> Value {
    json!({ "pattern": "^[0-9a-f]{64}$" })
}

/// Every id and alias, in any case of letters.
fn language_pattern(catalogue: &Catalogue) -> String {
    let names = catalogue.languages().iter().flat_map(|language| language.aliases.iter().chain([&language.id]));
    let written = names.map(|name| {
        name.chars().fold(String::new(), |pattern, c| match c {
            'a'..='z' => format!("{pattern}[{}{c}]", c.to_ascii_uppercase()),
            '0'..='9' | '-' | '#' => format!("{pattern}{c}"),
            other => format!("{pattern}\\{other}"),
        })
    });
    format!("^({})$", written.collect::<Vec<_>>().join("|"))
}

/// The member is there, and not `null`.
pub(super) fn given(member: &str) -> Value {
    json!({ "required": [member], "properties": { member: { "not": { "type": "null" } } } })
}

/// Standard input is live.
fn attached() -> Value {
    let run = json!({ "type": "object", "required": ["attach"], "properties": { "attach": { "const": true } } });
    json!({ "required": ["run"], "properties": { "run": run } })
}

/// Bytes are written as a list of numbers where a type alone is known of them.
fn bytes_as_they_are(operation: &mut Value) {
    let octets = |body: &mut Value| {
        if let Some(kind) = body.pointer_mut("/content/application~1octet-stream") {
            kind["schema"] = json!({ "type": "string", "format": "binary" });
        }
    };
    operation.get_mut("requestBody").into_iter().for_each(octets);
    operation["responses"].as_object_mut().into_iter().flat_map(|all| all.values_mut()).for_each(octets);
}

/// No two of the members are there.
fn at_most_one(members: &[&str]) -> Value {
    let none = json!({ "not": { "anyOf": members.iter().map(|member| given(member)).collect::<Vec<_>>() } });
    let one = members.iter().map(|member| given(member));
    json!({ "oneOf": one.chain([none]).collect::<Vec<_>>() })
}

/// Components that are neither empty nor `.` nor `..`, parted by `/`, the first not like an option.
pub(super) fn path_bounds() -> Value {
    const CONTROLS: &str = "\\x00-\\x1f\\x7f-\\x9f";
    let any = format!("[^/{CONTROLS}]");
    let dots = format!("\\.[^./{CONTROLS}]{any}*|\\.\\.{any}+");
    let (first, later) = (format!("[^./{CONTROLS}-]{any}*|{dots}"), format!("[^./{CONTROLS}]{any}*|{dots}"));
    let pattern = format!("^({first})(/({later})){{0,{}}}$", PATH_DEPTH_MAX - 1);
    json!({ "minLength": 1, "maxLength": PATH_BYTES_MAX, "pattern": pattern })
}

/// Padded or not; the bits beyond the last byte are none.
pub(super) fn base64() -> Value {
    let any = "[A-Za-z0-9+/]";
    let pattern = format!("^({any}{{4}})*({any}[AQgw](==)?|{any}{{2}}[AEIMQUYcgkosw048]=?)?$");
    json!({ "contentEncoding": "base64", "pattern": pattern })
}

/// One schema for the limits of each step, where the type is one.
fn step_limits(schemas: &mut Value, catalogue: &Catalogue) {
    let of = |bounds: fn(&enclos_images::Language) -> &LimitBounds| {
        let mut widest = BTreeMap::<&'static str, Bound>::new();
        for (name, bound) in catalogue.languages().iter().flat_map(|language| bounds(language).fields()) {
            let known = widest.entry(name).or_insert(bound);
            known.min = known.min.min(bound.min);
            known.max = known.max.max(bound.max);
        }
        widest
    };
    let steps = [("compile", "CompileLimits", of(|l| &l.compile_bounds)), ("run", "RunLimits", of(|l| &l.run_bounds))];
    for (step, name, bounds) in steps {
        let mut schema = schemas["StepLimitsRequest"].clone();
        for (limit, bound) in bounds {
            // Shares are in thousandths inside, and in cores outside.
            if limit == "cpu_millis" {
                let cores = |millis: u64| millis as f64 / 1000.0;
                let bounds = json!({ "minimum": cores(bound.min), "maximum": cores(bound.max) });
                merge(&mut schema["properties"]["cpus"], bounds);
            } else {
                merge(&mut schema["properties"][limit], json!({ "minimum": bound.min, "maximum": bound.max }));
            }
        }
        schemas[name] = schema;
        let there = json!({ "oneOf": [{ "type": "null" }, { "$ref": format!("#/components/schemas/{name}") }] });
        if step == "run" {
            schemas["SubmittedCase"]["properties"]["limits"] = there.clone();
        }
        schemas["Limits"]["properties"][step] = there;
    }
    if let Some(schemas) = schemas.as_object_mut() {
        schemas.remove("StepLimitsRequest");
    }
}

/// Adds `members` to a schema that is there.
pub(super) fn merge(schema: &mut Value, members: Value) {
    if let (Some(schema), Value::Object(members)) = (schema.as_object_mut(), members) {
        schema.extend(members);
    }
}
