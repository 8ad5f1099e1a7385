//! The schemas of the document, held against values (JSON Schema 2020-12, as OpenAPI 3.1 says).

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

use super::replay::Example;

/// The document, with which its schemas are read.
pub struct Schemas<'a> {
    document: &'a Value,
    /// The types, closed: what is not described must not be there.
    components: Value,
}

/// One schema.
pub struct Schema(Validator);

impl Schema {
    /// What in a value is not as the schema says.
    pub fn errors(&self, value: &Value) -> Vec<String> {
        self.0.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }
}

impl<'a> Schemas<'a> {
    pub fn new(document: &'a Value) -> Self {
        let mut components = document["components"].clone();
        closed(&mut components, false);
        Self { document, components }
    }

    /// Of this answer of an operation; an answer that is no JSON is a text.
    pub fn of(&self, example: &Example<'_>, kind: &str) -> Schema {
        let content = &example.document["responses"][example.status.to_string()]["content"][kind];
        let is_json = kind.ends_with("json") || kind == "text/event-stream";
        let mut schema = if is_json { content["schema"].clone() } else { json!({ "type": "string" }) };
        closed(&mut schema, false);
        self.compiled(&schema)
    }

    /// Of an operation's body of this media type.
    pub fn body(&self, operation: &Value, kind: &str) -> Schema {
        self.compiled(&operation["requestBody"]["content"][kind]["schema"])
    }

    /// Of the type of this name.
    pub fn named(&self, name: &str) -> Schema {
        let mut schema = json!({ "$ref": format!("#/components/schemas/{name}") });
        closed(&mut schema, false);
        self.compiled(&schema)
    }

    /// As it stands.
    pub fn plain(&self, schema: &Value) -> Schema {
        self.compiled(schema)
    }

    /// The data of a server-sent event, whose type its name tells; nothing is wrong with what is none.
    pub fn errors_of_event(&self, item: &Value) -> Vec<String> {
        let (Some(event), Some(data)) = (item["event"].as_str(), item["data"].as_str()) else { return Vec::new() };
        let described = &self.document["components"]["schemas"]["ServerEvent"]["properties"]["event"]["description"];
        let described = described.as_str().unwrap_or_default();
        let kind = described.split(&format!("`{event}`: ")).nth(1).and_then(|rest| rest.split([',', ' ', '.']).next());
        let Some(kind) = kind else { return vec![format!("'{event}' is not described")] };
        match serde_json::from_str(data) {
            Ok(data) => self.named(kind).errors(&data),
            Err(error) => vec![format!("data of '{event}': {error}")],
        }
    }

    fn compiled(&self, schema: &Value) -> Schema {
        // A schema with the types beside it: references are paths from its root.
        let whole = json!({ "allOf": [schema], "components": self.components });
        let built = jsonschema::options().with_draft(Draft::Draft202012).build(&whole);
        Schema(built.unwrap_or_else(|e| panic!("it is a schema: {e}: {schema:#}")))
    }
}

/// Has every type that is named deny what it does not describe, but where it is part of another one,
/// and but problems, of which further members depend on the code.
fn closed(value: &mut Value, is_part: bool) {
    match value {
        Value::Object(members) => {
            let reference = members.get("$ref").and_then(Value::as_str);
            if reference.is_some_and(|to| !is_part && !to.ends_with("/Problem")) {
                members.insert("unevaluatedProperties".into(), json!(false));
            }
            for (name, member) in members {
                // What stands in `anyOf` beside something else is part of it too.
                closed(member, name == "allOf" || (is_part && name == "anyOf"));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| closed(item, is_part)),
        _ => {}
    }
}

#[test]
fn what_is_not_described_is_seen_however_the_type_is_composed() {
    let document = json!({ "components": { "schemas": {
        "Step": { "type": "object", "properties": { "outcome": { "type": "string" } }, "required": ["outcome"] },
        "Case": { "allOf": [
            { "anyOf": [{ "$ref": "#/components/schemas/Step" }, { "not": { "required": ["outcome"] } }] },
            { "type": "object", "properties": { "name": { "type": "string" } }, "required": ["name"] },
        ] },
        "List": { "type": "array", "items": { "$ref": "#/components/schemas/Case" } },
    } } });
    let schemas = Schemas::new(&document);
    let list = schemas.compiled(&json!({ "$ref": "#/components/schemas/List" }));
    let errors = |case: Value| list.errors(&json!([case])).len();
    assert_eq!(errors(json!({ "name": "a", "outcome": "ok" })), 0);
    assert_eq!(errors(json!({ "name": "a" })), 0);
    assert!(errors(json!({ "name": "a", "colour": "red" })) > 0);
    assert!(errors(json!({ "name": "a", "outcome": 1 })) > 0);
    assert!(errors(json!({ "outcome": "ok" })) > 0);
}
