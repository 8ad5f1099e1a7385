//! The page as a whole.

use std::fmt::Write as _;

use serde_json::Value;

use super::operation::{self, verb};
use super::schema;
use super::text::{code, escaped, prose};
use crate::http::error::TITLES;
use crate::http::openapi::examples::{self, is_general};

const HEAD: &str = "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<meta name=\"color-scheme\" content=\"light dark\">
<title>Enclos API</title>
<link rel=\"icon\" href=\"/docs/icon.svg\">
<link rel=\"stylesheet\" href=\"/docs/style.css\">
<script src=\"/docs/copy.js\" defer></script>
</head>
<body>
<a class=\"skip\" href=\"#start\">To the content</a>
";

const START: &str = "<p>JSON over HTTP: post a program, get its output, its exit, and what it used. \
<a href=\"/openapi.json\"><code>/openapi.json</code></a> is this page for programs (OpenAPI 3.1).</p>
<ul>
<li>A member or parameter that is not known is refused, so that a misspelt limit is never taken for its default.</li>
<li>A refusal is a <a href=\"#type-Problem\">Problem</a> with a stable <a href=\"#problems\">code</a>.</li>
<li>Bytes that are not UTF-8 go in and out as base64, under names that end in <code>_base64</code>.</li>
<li>A body is sent as <code>application/json</code>, that of a blob as <code>application/octet-stream</code>.</li>
</ul>
";

/// The page for this document; `HOST` stands in it for the host.
pub(in crate::http) fn page(document: &Value) -> String {
    let tags: Vec<&Value> = document["tags"].as_array().into_iter().flatten().collect();
    let version = escaped(document["info"]["version"].as_str().unwrap_or_default());
    let mut html = HEAD.to_owned();
    let _ = writeln!(
        html,
        "<header class=\"top\"><h1>Enclos API</h1> <p class=\"version\">Version {version}</p></header>\n\
         <div class=\"columns\">\n<nav aria-label=\"Operations\">"
    );
    for tag in &tags {
        html.push_str(&links(tag, document));
    }
    html.push_str("<ul>\n<li><a href=\"#problems\">Problems</a></li>\n<li><a href=\"#types\">Types</a></li>\n</ul>\n");
    html.push_str("</nav>\n<main id=\"start\" tabindex=\"-1\">\n");
    html.push_str(START);
    for tag in tags {
        let name = escaped(tag["name"].as_str().unwrap_or_default());
        let said = prose(tag["description"].as_str().unwrap_or_default());
        let _ = writeln!(
            html,
            "<section aria-labelledby=\"tag-{name}\">\n<h2 id=\"tag-{name}\">{name}</h2>\n<p>{said}</p>"
        );
        for (method, path, one) in of_tag(document, tag) {
            html.push_str(&operation::section(method, path, one, &document["components"]["schemas"]));
        }
        html.push_str("</section>\n");
    }
    html.push_str(&problems(document));
    html.push_str(&types(document));
    html.push_str("</main>\n</div>\n</body>\n</html>\n");
    html
}

fn of_tag<'a>(document: &'a Value, tag: &Value) -> Vec<(&'a str, &'a str, &'a Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let all = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().into_iter().flatten();
        methods.map(move |(method, operation)| (method.as_str(), path.as_str(), operation))
    });
    let mut found: Vec<_> = all.filter(|(.., operation)| operation["tags"][0] == tag["name"]).collect();
    // What everyone begins with first: shorter paths, and in them writing before reading.
    found.sort_by_key(|(method, path, _)| (path.matches('/').count(), *path, *method != "post"));
    found
}

fn links(tag: &Value, document: &Value) -> String {
    let name = escaped(tag["name"].as_str().unwrap_or_default());
    let mut html = format!("<h2><a href=\"#tag-{name}\">{name}</a></h2>\n<ul>\n");
    for (method, path, operation) in of_tag(document, tag) {
        let id = escaped(operation["operationId"].as_str().unwrap_or_default());
        let path = path.trim_start_matches("/v1");
        let _ = writeln!(html, "<li><a href=\"#{id}\">{} {}</a></li>", verb(method), code(path));
    }
    html.push_str("</ul>\n");
    html
}

/// Every code, and what any request may be refused for.
fn problems(document: &Value) -> String {
    let mut html = String::from(
        "<section aria-labelledby=\"problems\">\n<h2 id=\"problems\">Problems</h2>\n\
         <p>A refusal is <code>application/problem+json</code> (RFC 9457). Its <code>code</code> stays what it is, \
         <code>detail</code> is for people; <code>field</code> is the member or parameter that is wrong, and \
         <code>maximum</code> or <code>minimum</code> the bound that was passed. Where coming back helps, \
         <code>Retry-After</code> and <code>retry_after_ms</code> say when.</p>\n<dl class=\"members\">\n",
    );
    for (one, title) in TITLES {
        let _ = writeln!(html, "<dt id=\"code-{one}\">{}</dt>\n<dd>{}.</dd>", code(one), prose(title));
    }
    html.push_str("</dl>\n<h3>Refusals of any request</h3>\n");
    let submit = &document["paths"]["/v1/jobs"]["post"];
    let cancel = &document["paths"]["/v1/jobs/{id}/cancel"]["post"];
    let nobodys = examples::of(cancel).into_iter().filter(|(_, name, _)| *name == "nobodys");
    for (status, name, example) in
        examples::of(submit).into_iter().filter(|(_, name, _)| is_general(name)).chain(nobodys)
    {
        html.push_str(&operation::example("post", (status, name), example, &format!("any-{name}")));
    }
    html.push_str("</section>\n");
    html
}

fn types(document: &Value) -> String {
    let mut html = String::from("<section aria-labelledby=\"types\">\n<h2 id=\"types\">Types</h2>\n");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let name = escaped(name);
        let said = prose(schema["description"].as_str().unwrap_or_default());
        let _ = writeln!(
            html,
            "<section class=\"type\" aria-labelledby=\"type-{name}\">\n<h3 id=\"type-{name}\">{name}</h3>\n<p>{said}</p>"
        );
        html.push_str(&schema::contents(schema));
        html.push_str("</section>\n");
    }
    html.push_str("</section>\n");
    html
}
