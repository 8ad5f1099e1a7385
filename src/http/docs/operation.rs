//! An operation as HTML: parameters, body, answers, problems, examples.

use std::fmt::Write as _;

use serde_json::Value;

use super::schema::{self, Members};
use super::text::{block, code, escaped, prose};
use super::{curl, text};
use crate::http::error::PROBLEM_JSON;
use crate::http::openapi::examples::{self, is_general};

/// An operation, whole.
pub(super) fn section(method: &str, path: &str, operation: &Value, schemas: &Value) -> String {
    let id = escaped(operation["operationId"].as_str().unwrap_or_default());
    let mut html = format!(
        "<section class=\"operation\" aria-labelledby=\"{id}\">\n<h3 id=\"{id}\">{} {}</h3>\n",
        verb(method),
        code(path)
    );
    for said in ["summary", "description"] {
        if let Some(said) = operation[said].as_str().filter(|said| !said.is_empty()) {
            let _ = writeln!(html, "<p>{}</p>", prose(said));
        }
    }
    html.push_str(&parameters(operation));
    html.push_str(&body(operation, schemas));
    html.push_str(&answers(operation));
    let all = examples::of(operation);
    let shown: Vec<_> = all.into_iter().filter(|(_, name, _)| !is_general(name)).collect();
    if !shown.is_empty() {
        html.push_str("<h4>Examples</h4>\n");
    }
    for (status, name, one) in shown {
        html.push_str(&example(method, (status, name), one, &format!("example-{name}")));
    }
    html.push_str("</section>\n");
    html
}

/// A method, as a mark.
pub(super) fn verb(method: &str) -> String {
    format!("<span class=\"verb {0}\">{1}</span>", escaped(method), escaped(&method.to_uppercase()))
}

fn parameters(operation: &Value) -> String {
    let mut members = Members::default();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let place = match parameter["in"].as_str() {
            Some("path") => "In the path.",
            Some("header") => "A header.",
            _ => "In the query.",
        };
        let said = parameter["description"].as_str().unwrap_or_default();
        let said = if said.is_empty() { place.to_owned() } else { format!("{place} {}.", capital(said)) };
        let name = parameter["name"].as_str().unwrap_or_default();
        members.add(name, &parameter["schema"], parameter["required"] == true, &said);
    }
    let list = members.html();
    if list.is_empty() { list } else { format!("<h4>Parameters</h4>\n{list}") }
}

fn body(operation: &Value, schemas: &Value) -> String {
    let mut html = String::new();
    for (kind, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
        let _ = writeln!(html, "<h4>Body</h4>\n<p>{} ({})</p>", schema::kind(&content["schema"]), code(kind));
        let name = content["schema"]["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        if let Some(name) = name {
            html.push_str(&schema::contents(&schemas[name]));
        }
    }
    html
}

fn answers(operation: &Value) -> String {
    let mut html = String::from("<h4>Answers</h4>\n<dl class=\"members\">\n");
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        let contents = response["content"].as_object().into_iter().flatten();
        let kinds: Vec<String> = contents.map(|(kind, content)| answer(kind, &content["schema"])).collect();
        let said = capital(response["description"].as_str().unwrap_or_default());
        let stop = if said.is_empty() { "" } else { ". " };
        let headers: Vec<String> =
            response["headers"].as_object().into_iter().flatten().map(|(name, _)| code(name)).collect();
        let headers = if headers.is_empty() { String::new() } else { format!("With {}. ", headers.join(", ")) };
        let _ =
            writeln!(html, "<dt>{}</dt>\n<dd>{}{stop}{headers}{}</dd>", code(status), prose(&said), kinds.join(" "));
    }
    html.push_str("</dl>\n");
    html
}

fn answer(kind: &str, schema: &Value) -> String {
    if kind == PROBLEM_JSON {
        let coded = schema["allOf"].as_array().into_iter().flatten();
        let codes = coded.flat_map(|part| part["properties"]["code"]["enum"].as_array().into_iter().flatten());
        let codes =
            codes.filter_map(Value::as_str).map(|code| format!("<a href=\"#code-{code}\">{}</a>", text::code(code)));
        return codes.collect::<Vec<_>>().join(", ");
    }
    format!("{} ({}).", schema::kind(schema), code(kind))
}

/// One example: the line for a shell, and what it is answered with.
pub(super) fn example(method: &str, (status, name): (&str, &str), example: &Value, id: &str) -> String {
    let request = &example["x-request"];
    let summary = example["summary"].as_str().unwrap_or_default();
    let mut html = format!(
        "<details class=\"example\">\n<summary><span class=\"status\">{}</span> {}</summary>\n",
        escaped(status),
        prose(summary)
    );
    // Within the details: a browser that is led here opens them.
    let (id, before) = (escaped(id), before(request));
    let _ = writeln!(html, "<p class=\"about\" id=\"{id}\"><span class=\"name\">{}</span>{before}</p>", escaped(name));
    let value = &example["value"];
    let is_stream = value.as_str().is_some_and(|text| text.starts_with("id: ") || text.starts_with("{\"id\""));
    let frames = example["x-frames"].as_array();
    let line = if frames.is_some() { curl::socket(request) } else { curl::line(method, request, is_stream) };
    block(&mut html, &format!("Request of {name}"), "copy", &line);
    match value {
        _ if frames.is_some() => {
            let said: Vec<String> = frames.into_iter().flatten().map(frame).collect();
            block(&mut html, &format!("Frames of {name}"), "answer", &said.join("\n"));
        }
        Value::Null => html.push_str("<p>The answer has no body.</p>\n"),
        Value::String(text) => block(&mut html, &format!("Answer of {name}"), "answer", text.trim_end()),
        json => block(&mut html, &format!("Answer of {name}"), "answer", &curl::json(json)),
    }
    html.push_str("</details>\n");
    html
}

/// What has to be so before an example is answered as it is shown.
fn before(request: &Value) -> String {
    let mut html = String::new();
    if let Some(after) = request["after"].as_str() {
        let link = format!("<a href=\"#example-{0}\">{0}</a>", escaped(after));
        let _ = match request["path"].as_str() {
            Some(path) if path.contains(examples::JOB) => {
                write!(html, " The id is that of the job which {link} has submitted.")
            }
            _ => write!(html, " After {link}."),
        };
    }
    let options: Vec<&str> = request["master"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !options.is_empty() {
        let _ = write!(html, " With {} for <code>enclos master</code>.", code(&options.join(" ")));
    }
    html
}

/// A frame, as a line.
fn frame(frame: &Value) -> String {
    let from = frame["from"].as_str().unwrap_or_default();
    match (&frame["binary"], &frame["close"]) {
        (Value::String(bytes), _) => format!("{from}, binary: {bytes:?}"),
        (_, Value::Number(code)) => format!("{from} closes: {code}"),
        _ => format!("{from}: {}", frame["text"]),
    }
}

/// A piece of a sentence as a sentence.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
