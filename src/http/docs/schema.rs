//! A schema of the document as HTML: what a value is, what bounds it, which members it has.

use std::fmt::Write as _;

use serde_json::Value;

use super::text::{code, escaped, number, prose};

/// Longest pattern that stands in its line, in characters.
const PATTERN_CHARS_MAX: usize = 48;

/// What a value is, in a few words; types of the document are links.
pub(super) fn kind(schema: &Value) -> String {
    if let Some(name) = reference(schema) {
        return format!("<a href=\"#type-{0}\">{0}</a>", escaped(name));
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[choice].as_array().filter(|choices| choices.iter().any(says_what_it_is)) {
            let known = choices.iter().filter(|one| says_what_it_is(one) && one["type"] != "null");
            let mut kinds: Vec<String> = known.map(kind).collect();
            kinds.dedup();
            return kinds.join(" or ");
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().map(|v| code(&v.to_string())).collect();
        return values.join(" or ");
    }
    match type_of(schema) {
        Some("string") if schema["contentEncoding"] == "base64" => "base64".to_owned(),
        Some("string") if schema["format"] == "uuid" => "UUID".to_owned(),
        Some("string") => "text".to_owned(),
        Some("integer") => "whole number".to_owned(),
        Some("boolean") => "boolean".to_owned(),
        Some("array") if schema["items"]["format"] == "binary" => "bytes".to_owned(),
        Some("array") => format!("list of {}", kind(&schema["items"])),
        Some("object") => match schema["additionalProperties"].as_object() {
            Some(_) => format!("object: text to {}", kind(&schema["additionalProperties"])),
            None => "object".to_owned(),
        },
        Some(other) => escaped(other),
        None => "anything".to_owned(),
    }
}

/// What bounds a value, each as a piece of a sentence.
pub(super) fn bounds(schema: &Value) -> Vec<String> {
    let shown = |name: &str| schema.get(name).map(|value| number(&value.to_string()));
    let range = |least: &str, most: &str, unit: &str| match (shown(least), shown(most)) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}")),
        (Some(least), None) if least == "0" => None,
        (Some(least), None) => Some(format!("at least {least}{unit}")),
        (None, Some(most)) => Some(format!("at most {most}{unit}")),
        (None, None) => None,
    };
    let mut all: Vec<String> = [
        range("minimum", "maximum", ""),
        range("minLength", "maxLength", " characters"),
        range("minItems", "maxItems", " items"),
        range("minProperties", "maxProperties", " members"),
    ]
    .into_iter()
    .flatten()
    .collect();
    all.extend(schema["pattern"].as_str().map(pattern));
    all.extend(schema["propertyNames"]["pattern"].as_str().map(|p| format!("names: {}", pattern(p))));
    for (inner, word) in [("items", "each"), ("additionalProperties", "each value")] {
        let within = if schema[inner].is_object() { bounds(&schema[inner]) } else { Vec::new() };
        all.extend((!within.is_empty()).then(|| format!("{word}: {}", within.join("; "))));
    }
    all
}

fn pattern(pattern: &str) -> String {
    if pattern.chars().count() <= PATTERN_CHARS_MAX {
        return format!("matches {}", code(pattern));
    }
    format!("<details class=\"pattern\"><summary>matches a pattern</summary>{}</details>", code(pattern))
}

/// A list of names, what they are, and what is said of them.
#[derive(Default)]
pub(super) struct Members(String);

impl Members {
    /// One more.
    pub(super) fn add(&mut self, name: &str, schema: &Value, is_required: bool, description: &str) {
        let required = if is_required { " <span class=\"required\">required</span>" } else { "" };
        let _ = write!(self.0, "<dt>{} <span class=\"kind\">{}</span>{required}</dt>\n<dd>", code(name), kind(schema));
        self.0.push_str(&prose(description));
        let bounds = bounds(schema);
        if !bounds.is_empty() {
            let _ = write!(self.0, "\n<div class=\"bounds\">{}</div>", bounds.join("; "));
        }
        self.0.push_str("</dd>\n");
    }

    /// The whole list; nothing where none was added.
    pub(super) fn html(self) -> String {
        if self.0.is_empty() { self.0 } else { format!("<dl class=\"members\">\n{}</dl>\n", self.0) }
    }
}

/// All that a type consists of.
pub(super) fn contents(schema: &Value) -> String {
    let mut html = String::new();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        let optional = part["anyOf"].as_array().and_then(|parts| parts.iter().find(|part| reference(part).is_some()));
        if let Some(part) = optional {
            let _ = writeln!(html, "<p>All members of {}, or none of them.</p>", kind(part));
        } else if reference(part).is_some() {
            let _ = writeln!(html, "<p>All members of {}, and these:</p>", kind(part));
        } else {
            html.push_str(&contents(part));
        }
    }
    let choices = schema["oneOf"].as_array().into_iter().flatten().filter(|one| says_what_it_is(one));
    let choices: Vec<String> = choices.map(choice).collect();
    if !choices.is_empty() {
        let _ = writeln!(html, "<ul class=\"choices\">\n{}\n</ul>", choices.join("\n"));
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().filter_map(Value::as_str).map(code).collect();
        let _ = writeln!(html, "<p>One of {}.</p>", values.join(", "));
    }
    html.push_str(&members(schema));
    if schema["additionalProperties"].is_object() {
        let _ = writeln!(html, "<p>Every other member: {}.</p>", kind(&schema["additionalProperties"]));
    }
    html
}

/// One of the things that a value may be.
fn choice(schema: &Value) -> String {
    let description = prose(schema["description"].as_str().unwrap_or_default());
    let what = match schema["properties"].as_object() {
        Some(properties) => {
            let named = properties.iter().map(|(name, value)| format!("{}: {}", code(name), kind(value)));
            format!("an object with {}", named.collect::<Vec<_>>().join(", "))
        }
        None => kind(schema),
    };
    format!("<li>{what}. {description}</li>")
}

fn members(schema: &Value) -> String {
    let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let mut members = Members::default();
    let mut all: Vec<_> = schema["properties"].as_object().into_iter().flatten().collect();
    // What must be there first; within each by name.
    all.sort_by_key(|(name, _)| (!required(name), name.as_str()));
    for (name, member) in all {
        members.add(name, member, required(name), described(member));
    }
    members.html()
}

/// What is said of a member, beside its type where that has words of its own.
fn described(schema: &Value) -> &str {
    let beside = schema["oneOf"].as_array().into_iter().flatten().find_map(|one| one["description"].as_str());
    schema["description"].as_str().or(beside).unwrap_or_default()
}

fn says_what_it_is(schema: &Value) -> bool {
    reference(schema).is_some() || schema["type"].is_string() || schema["enum"].is_array()
}

fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

/// `null` left out: what is not given is simply not there.
fn type_of(schema: &Value) -> Option<&str> {
    match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        one => one.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_value_is_reads_well() {
        let there = json!({ "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Job" }] });
        let cases = [
            (there, "<a href=\"#type-Job\">Job</a>"),
            (json!({ "type": ["string", "null"] }), "text"),
            (json!({ "type": "array", "items": { "type": "integer" } }), "list of whole number"),
            (json!({ "type": "object", "additionalProperties": { "type": "string" } }), "object: text to text"),
            (
                json!({ "enum": ["a", "b"], "type": "string" }),
                "<code>&quot;a&quot;</code> or <code>&quot;b&quot;</code>",
            ),
        ];
        for (schema, words) in cases {
            assert_eq!(kind(&schema), words);
        }
    }

    #[test]
    fn every_bound_is_said() {
        let schema = json!({ "minimum": 10, "maximum": 60000, "maxLength": 5, "minItems": 1, "maxItems": 1000,
                             "maxProperties": 16, "pattern": "^a$", "items": { "minLength": 1 } });
        let said = bounds(&schema).join("; ");
        assert_eq!(
            said,
            "10 to 60,000; at most 5 characters; 1 to 1000 items; at most 16 members; \
             matches <code>^a$</code>; each: at least 1 characters"
        );
    }
}
