//! A request of an example, as a line for a shell.

use serde_json::Value;

use super::HOST;

/// Longest JSON that stays on its line, in characters.
const LINE_CHARS_MAX: usize = 72;

/// The line: it can be pasted into any POSIX shell.
pub(super) fn line(method: &str, request: &Value, is_stream: bool) -> String {
    let path = request["path"].as_str().unwrap_or_default();
    let mut line = String::from(if is_stream { "curl -sN " } else { "curl -s " });
    let has_body = request.get("body").or_else(|| request.get("text")).is_some();
    // With a body, curl sends a POST by itself; told to send HEAD, it would wait for a body.
    if method == "head" {
        line.push_str("-I ");
    } else if method != "get" && !(method == "post" && has_body) {
        line.push_str(&format!("-X {} ", method.to_uppercase()));
    }
    line.push_str(&quoted(&format!("http://{HOST}{path}")));
    for (name, value) in request["headers"].as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        line.push_str(&format!(" \\\n  -H {}", quoted(&format!("{name}: {value}"))));
    }
    if let Some(body) = request.get("body") {
        line.push_str(&format!(" \\\n  -d {}", quoted(&json(body))));
    } else if let Some(text) = request["text"].as_str() {
        line.push_str(&format!(" \\\n  -d {}", quoted(text)));
    }
    line
}

/// What begins a WebSocket, for the console of a browser: a shell has nothing for it.
pub(super) fn socket(request: &Value) -> String {
    let path = request["path"].as_str().unwrap_or_default();
    // A path is of letters that a text in JavaScript takes as they are.
    format!("new WebSocket(\"ws://{HOST}{path}\")")
}

/// JSON as one would write it: short on one line, else indented.
pub(super) fn json(value: &Value) -> String {
    let short = value.to_string();
    let long = || serde_json::to_string_pretty(value).unwrap_or_else(|_| short.clone());
    if short.chars().count() <= LINE_CHARS_MAX { short } else { long() }
}

/// One word for a shell, whatever it holds.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_shell_takes_every_example_as_it_is_meant() {
        let body = json!({ "source": "print('a', \"b\", \"$HOME `id`\")" });
        let request = json!({ "path": "/v1/jobs?a=1&b=2", "headers": { "x-a": "it's" }, "body": body });
        let line = line("post", &request, false);
        // In place of curl, what it is given.
        let shell = line.replacen("curl", "printf '%s\\n'", 1);
        let output = std::process::Command::new("sh").args(["-c", &shell]).output().expect("there is a shell");
        let words: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        assert_eq!(words[..2], ["-s".to_owned(), format!("http://{HOST}/v1/jobs?a=1&b=2")]);
        assert_eq!(words[2..5], ["-H", "x-a: it's", "-d"]);
        assert_eq!(serde_json::from_str::<Value>(&words[5..].join("\n")).unwrap(), body);
    }

    #[test]
    fn a_socket_is_at_the_host_of_the_page() {
        assert_eq!(socket(&json!({ "path": "/a?b=1" })), format!("new WebSocket(\"ws://{HOST}/a?b=1\")"));
    }

    #[test]
    fn the_method_is_said_where_curl_would_take_another() {
        let bare = json!({ "path": "/" });
        assert!(line("delete", &bare, false).contains("-X DELETE"));
        assert!(!line("get", &bare, true).contains("-X"));
        assert!(line("head", &bare, false).starts_with("curl -s -I '"));
        assert!(!line("post", &json!({ "path": "/", "body": {} }), false).contains("-X"));
    }
}
