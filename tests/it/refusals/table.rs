//! The bad inputs, and the rule that each must be answered with.

mod inputs;

use reqwest::Method;
use serde_json::{Value, json};

/// What is sent.
pub enum Send {
    /// A submission.
    Submit(Value),
    /// The bytes of a submission.
    Raw(Vec<u8>),
    /// A submission with these headers instead of the usual ones.
    Headers(&'static [(&'static str, &'static str)]),
    /// A GET.
    Get(&'static str),
    /// A submission to a path with a query.
    PostTo(&'static str),
    /// Bytes to a path with a query.
    Octets(&'static str, Vec<u8>),
    /// Another method on a path, without a body.
    Other(Method, &'static str),
}
use Send::{Get, Headers, Other, PostTo, Raw, Submit};

/// What is sent, and the answer that it must get.
pub struct Case {
    pub name: &'static str,
    pub send: Send,
    pub status: u16,
    pub code: &'static str,
    pub field: Option<&'static str>,
    /// One more member of the answer.
    pub says: Option<(&'static str, Value)>,
}

impl Case {
    fn at(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }

    fn says(mut self, member: &'static str, value: Value) -> Self {
        self.says = Some((member, value));
        self
    }
}

fn case(name: &'static str, send: Send, status: u16, code: &'static str) -> Case {
    Case { name, send, status, code, field: None, says: None }
}

fn malformed(name: &'static str, send: Send) -> Case {
    case(name, send, 400, "malformed_json")
}

fn unknown(name: &'static str, send: Send, field: &'static str) -> Case {
    case(name, send, 400, "unknown_field").at(field)
}

fn invalid(name: &'static str, send: Send, field: &'static str) -> Case {
    case(name, send, 422, "invalid_value").at(field)
}

fn too_low(name: &'static str, send: Send, field: &'static str, minimum: Value) -> Case {
    case(name, send, 422, "limit_too_low").at(field).says("minimum", minimum)
}

fn too_high(name: &'static str, send: Send, field: &'static str, maximum: Value) -> Case {
    case(name, send, 422, "limit_too_high").at(field).says("maximum", maximum)
}

/// Every case there is.
pub fn all() -> Vec<Case> {
    [shapes(), limits(), sources(), words(), cases(), doors(), inputs::all()].into_iter().flatten().collect()
}

/// A submission that is right but for the members of `wrong`.
fn with(wrong: &Value) -> Send {
    let mut submission = json!({ "language": "python", "source": "print(1)" });
    for (name, value) in wrong.as_object().expect("cases are objects") {
        submission[name] = value.clone();
    }
    Submit(submission)
}

fn run_limit(name: &str, value: Value) -> Send {
    with(&json!({ "limits": { "run": { name: value } } }))
}

fn files(files: Value) -> Send {
    Submit(json!({ "language": "python", "files": files }))
}

fn raw(text: &str) -> Send {
    Raw(text.as_bytes().to_vec())
}

fn shapes() -> Vec<Case> {
    let deep = format!("{}{}{}", "{\"labels\":", "[".repeat(100_000), "]".repeat(100_000));
    let deeper_field = "{\"limits\":".repeat(2000);
    vec![
        malformed("no body", raw("")),
        malformed("half a body", raw("{\"language\": \"c\"")),
        malformed("an array", raw("[]")),
        malformed("a text", raw("\"print(1)\"")),
        malformed("two objects", raw("{\"language\":\"c\",\"source\":\"\"}{}")),
        malformed("not UTF-8", Raw(b"{\"source\":\"\xff\"}".to_vec())),
        malformed("half a surrogate pair", raw(r#"{"source":"\ud800"}"#)),
        malformed("not a number", raw(r#"{"source":"","limits":{"run":{"cpu_ms":NaN}}}"#)),
        malformed("a number beyond all", raw(r#"{"source":"","limits":{"run":{"cpu_ms":1e999}}}"#)),
        invalid("deep brackets where a map is due", Raw(deep.into_bytes()), "labels"),
        unknown("deep objects", Raw(deeper_field.into_bytes()), "limits.limits"),
        unknown("an unknown field", with(&json!({ "colour": 1 })), "colour"),
        unknown("a nested unknown field", run_limit("cpu", json!(1)), "limits.run.cpu"),
        unknown("a field of a later release", with(&json!({ "callback_url": "http://x" })), "callback_url"),
        unknown("a field of a file", files(json!([{ "path": "a.py", "content": "", "mode": 7 }])), "files[0].mode"),
        invalid("a repeated field", raw(r#"{"language":"c","language":"cpp","source":""}"#), "language"),
        invalid("a repeated label", raw(r#"{"language":"c","source":"","labels":{"a":"1","a":"2"}}"#), "labels.a"),
        invalid("a number for a text", with(&json!({ "source": 7 })), "source"),
        invalid("a text for a list", with(&json!({ "run": { "args": "-x" } })), "run.args"),
        invalid("a text for a boolean", with(&json!({ "merge_stderr": "yes" })), "merge_stderr"),
        invalid("a choice that is none", with(&json!({ "on_output_limit": "burst" })), "on_output_limit"),
        invalid("an isolation that is none", with(&json!({ "isolation": "none" })), "isolation"),
        invalid("a priority that is none", with(&json!({ "priority": "urgent" })), "priority"),
        invalid("a time to wait of nothing", with(&json!({ "queue_ttl_ms": 0 })), "queue_ttl_ms")
            .says("minimum", json!(1)),
        invalid("a time to wait of more than a week", with(&json!({ "queue_ttl_ms": 604_800_001u64 })), "queue_ttl_ms")
            .says("maximum", json!(604_800_000u64)),
        invalid("a time to wait that is no whole number", with(&json!({ "queue_ttl_ms": 1.5 })), "queue_ttl_ms"),
        invalid("a reuse that is none", with(&json!({ "reuse": "always" })), "reuse"),
    ]
}

fn limits() -> Vec<Case> {
    let beyond_u64 = r#"{"language":"c","source":"","limits":{"run":{"cpu_ms":18446744073709551616}}}"#;
    let cpu = "limits.run.cpu_ms";
    vec![
        too_low("0 is never unlimited", run_limit("cpu_ms", json!(0)), cpu, json!(10)),
        too_low("below the minimum", run_limit("memory_bytes", json!(1)), "limits.run.memory_bytes", json!(16 << 20)),
        invalid("a negative number", run_limit("cpu_ms", json!(-1)), cpu),
        invalid("half a millisecond", run_limit("cpu_ms", json!(1000.5)), cpu),
        invalid("a whole float", run_limit("cpu_ms", json!(1000.0)), cpu),
        invalid("a number as text", run_limit("cpu_ms", json!("1000")), cpu),
        invalid("true", run_limit("cpu_ms", json!(true)), cpu),
        invalid("beyond 64 bits", raw(beyond_u64), cpu),
        too_high("above the maximum", run_limit("cpu_ms", json!(60_001)), cpu, json!(60_000)),
        too_high(
            "the largest number",
            run_limit("output_bytes", json!(u64::MAX)),
            "limits.run.output_bytes",
            json!(64 << 20),
        ),
        too_high("too many processes", run_limit("pids", json!(1u64 << 33)), "limits.run.pids", json!(512)),
        too_low("no cores", run_limit("cpus", json!(0)), "limits.run.cpus", json!(0.1)),
        too_high("too many cores", run_limit("cpus", json!(1.5)), "limits.run.cpus", json!(1.0)),
        invalid("negative cores", run_limit("cpus", json!(-0.5)), "limits.run.cpus"),
        invalid("too fine a share", run_limit("cpus", json!(0.12345)), "limits.run.cpus"),
        too_high(
            "a compile limit",
            with(&json!({ "language": "c", "limits": { "compile": { "wall_ms": 200_000 } } })),
            "limits.compile.wall_ms",
            json!(120_000),
        ),
        too_low(
            "a language's own minimum",
            with(&json!({ "language": "java", "limits": { "run": { "memory_bytes": 32 << 20 } } })),
            "limits.run.memory_bytes",
            json!(64 << 20),
        ),
    ]
}

fn sources() -> Vec<Case> {
    let at = |path: &str| files(json!([{ "path": "main.py", "content": "" }, { "path": path, "content": "" }]));
    let path = "files[1].path";
    let many: Vec<Value> = (0..300).map(|n| json!({ "path": format!("{n}.py"), "content": "" })).collect();
    vec![
        case("an unknown language", with(&json!({ "language": "pyton" })), 422, "unknown_language")
            .at("language")
            .says("nearest", json!(["python", "python3", "cpython"])),
        case("nothing like a language", with(&json!({ "language": "zzzzz" })), 422, "unknown_language")
            .at("language")
            .says("nearest", json!([])),
        case("an unknown extension", Submit(json!({ "entry": "main.xyz", "source": "" })), 422, "unknown_extension")
            .at("entry"),
        invalid("neither language nor entry", Submit(json!({ "source": "" })), "language"),
        case("no program", Submit(json!({ "language": "c" })), 422, "no_source").at("files"),
        case("no files", files(json!([])), 422, "no_source").at("files"),
        invalid("files and source", with(&json!({ "files": [{ "path": "a.py", "content": "" }] })), "source"),
        invalid(
            "an entry that is not there",
            Submit(json!({ "entry": "b.py", "files": [{ "path": "a.py", "content": "" }] })),
            "entry",
        ),
        invalid("an absolute path", at("/etc/passwd"), path),
        invalid("a path upwards", at("../up.py"), path),
        invalid("a path upwards inside", at("a/../../up.py"), path),
        invalid("an empty component", at("a//b.py"), path),
        invalid("a dot", at("./b.py"), path),
        invalid("an empty path", at(""), path),
        invalid("a path with NUL", at("a\0b"), path),
        invalid("a path with a newline", at("a\nb"), path),
        invalid("a path like an option", at("-rf"), path),
        invalid("a long name", at(&"n".repeat(256)), path),
        invalid("a deep path", at(&"d/".repeat(20)), path),
        invalid("the same path twice", at("main.py"), path),
        invalid("a file where a directory is needed", at("main.py/x"), path),
        invalid("too many files", files(json!(many)), "files").says("maximum", json!(256)),
        invalid("a file without content", files(json!([{ "path": "a.py" }])), "files[0]"),
        invalid(
            "a file with two contents",
            files(json!([{ "path": "a.py", "content": "", "content_base64": "" }])),
            "files[0]",
        ),
        invalid(
            "content that is not base64",
            files(json!([{ "path": "a.py", "content_base64": "%%" }])),
            "files[0].content_base64",
        ),
    ]
}

fn words() -> Vec<Case> {
    vec![
        invalid("stdin that is not base64", with(&json!({ "stdin_base64": "!" })), "stdin_base64"),
        invalid("two standard inputs", with(&json!({ "stdin": "", "stdin_base64": "" })), "stdin"),
        invalid("an argument with NUL", with(&json!({ "run": { "args": ["a", "\0"] } })), "run.args[1]"),
        invalid("too many arguments", with(&json!({ "run": { "args": vec!["a"; 300] } })), "run.args"),
        invalid(
            "compile arguments without a compiler",
            with(&json!({ "compile": { "args": ["-O2"] } })),
            "compile.args",
        ),
        invalid(
            "a variable of the loader",
            with(&json!({ "run": { "env": { "LD_PRELOAD": "x" } } })),
            "run.env.LD_PRELOAD",
        ),
        invalid(
            "options of a runtime",
            with(&json!({ "run": { "env": { "_JAVA_OPTIONS": "x" } } })),
            "run.env._JAVA_OPTIONS",
        ),
        invalid("a variable that Enclos sets", with(&json!({ "run": { "env": { "PATH": "/" } } })), "run.env.PATH"),
        invalid("a variable without a name", with(&json!({ "run": { "env": { "": "x" } } })), "run.env."),
        invalid("an empty scope", with(&json!({ "scope": "" })), "scope"),
        invalid("a scope with a space", with(&json!({ "scope": "a b" })), "scope"),
        invalid("a label's odd name", with(&json!({ "labels": { "a b": "" } })), "labels"),
        invalid("a label's odd value", with(&json!({ "labels": { "a": "\u{1b}[2J" } })), "labels.a"),
    ]
}

fn cases() -> Vec<Case> {
    let one = |case: Value| with(&json!({ "cases": [case] }));
    let judged = |changes: Value| {
        let mut body = json!({ "cases": [{ "name": "a", "expected_stdout": "" }] });
        body.as_object_mut().expect("it is one").extend(changes.as_object().expect("changes are one").clone());
        with(&body)
    };
    let program = json!({ "language": "c", "source": "" });
    let group = |v: Value| judged(json!({ "groups": [v] }));
    vec![
        invalid("no cases", with(&json!({ "cases": [] })), "cases"),
        invalid("too many cases", with(&json!({ "cases": vec![json!({}); 1001] })), "cases")
            .says("maximum", json!(1000)),
        unknown("a field that cases have not", one(json!({ "input": "" })), "cases[0].input"),
        invalid("two inputs of a case", one(json!({ "stdin": "", "stdin_base64": "" })), "cases[0].stdin"),
        invalid("two cases of one name", with(&json!({ "cases": [{ "name": "2" }, {}] })), "cases[1].name"),
        too_high(
            "a limit of a case",
            one(json!({ "limits": { "wall_ms": 120_001 } })),
            "cases[0].limits.wall_ms",
            json!(120_000),
        ),
        invalid("cases and an input beside them", judged(json!({ "stdin": "" })), "stdin"),
        invalid("cases and files to keep", judged(json!({ "keep_files": [] })), "keep_files"),
        invalid("a checker of nothing", with(&json!({ "checker": "exact" })), "checker"),
        invalid("an odd checker", judged(json!({ "checker": "exactly" })), "checker"),
        invalid("a checker without tolerance", judged(json!({ "checker": { "float": {} } })), "checker.float"),
        invalid("nothing to compare with", with(&json!({ "checker": "trim", "cases": [{}] })), "cases[0]"),
        invalid("two judges", judged(json!({ "checker": "trim", "interactor": program })), "interactor"),
        case("a judge without a program", judged(json!({ "interactor": {} })), 422, "no_source").at("interactor.files"),
        invalid("a group of nobody", group(json!({ "name": "g", "weight": 1, "cases": [] })), "groups[0].cases"),
        invalid(
            "a group of strangers",
            group(json!({ "name": "g", "weight": 1, "cases": ["b"] })),
            "groups[0].cases[0]",
        ),
        invalid("a pattern that leaves the job", with(&json!({ "keep_files": ["../*"] })), "keep_files[0]"),
        unknown("a word beside ids", PostTo("/v1/jobs/wait"), "language"),
        unknown("a submission for a batch", PostTo("/v1/jobs/batch"), "language"),
        case(
            "erasing nobody's job",
            Other(Method::DELETE, "/v1/jobs/01900000-0000-7000-8000-000000000000"),
            404,
            "not_found",
        ),
        case("a file of nobody's job", Get("/v1/jobs/01900000-0000-7000-8000-000000000000/files/a"), 404, "not_found"),
    ]
}

fn doors() -> Vec<Case> {
    let nobodys = "/v1/jobs/01900000-0000-7000-8000-000000000000";
    vec![
        case("no content type", Headers(&[("content-type", "")]), 415, "unsupported_media_type"),
        case(
            "a form",
            Headers(&[("content-type", "application/x-www-form-urlencoded")]),
            415,
            "unsupported_media_type",
        ),
        case("text", Headers(&[("content-type", "text/plain")]), 415, "unsupported_media_type"),
        case("a foreign host", Headers(&[("host", "evil.example")]), 421, "host_not_allowed"),
        case("a host that only begins well", Headers(&[("host", "127.0.0.1.evil.example")]), 421, "host_not_allowed"),
        case("a foreign origin", Headers(&[("origin", "http://evil.example")]), 403, "origin_not_allowed"),
        case("no origin in particular", Headers(&[("origin", "null")]), 403, "origin_not_allowed"),
        invalid("an empty key", Headers(&[("idempotency-key", "")]), "Idempotency-Key"),
        case("an unknown job", Get(nobodys), 404, "not_found"),
        case("its events", Get("/v1/jobs/01900000-0000-7000-8000-000000000000/events"), 404, "not_found"),
        case("not a job's id", Get("/v1/jobs/..%2f..%2fetc%2fpasswd"), 404, "not_found"),
        case("not even a text", Get("/v1/jobs/%ff"), 404, "not_found"),
        case(
            "a file that is no text",
            Get("/v1/jobs/01900000-0000-7000-8000-000000000000/files/%ff"),
            404,
            "not_found",
        ),
        unknown("a parameter of the version", Get("/version?colour=red"), "colour"),
        case("nothing there", Get("/v1/nothing"), 404, "not_found"),
        case("above the roots", Get("/v2/jobs"), 404, "not_found"),
        invalid("too long a wait", PostTo("/v1/jobs?wait_ms=60001"), "wait_ms"),
        invalid("a negative wait", PostTo("/v1/jobs?wait_ms=-1"), "wait_ms"),
        unknown("an unknown parameter", PostTo("/v1/jobs?wait=1"), "wait"),
        invalid("an odd state", Get("/v1/jobs?state=lost"), "state"),
        invalid("an odd cursor", Get("/v1/jobs?cursor=%00"), "cursor"),
        invalid("a page of nothing", Get("/v1/jobs?limit=0"), "limit"),
        invalid("too large a page", Get("/v1/jobs?limit=100000"), "limit"),
        unknown("an unknown filter", Get("/v1/jobs?colour=red"), "colour"),
        case("a PUT", Other(Method::PUT, "/v1/jobs"), 405, "method_not_allowed"),
        case("a POST where one reads", PostTo("/v1/languages"), 405, "method_not_allowed"),
        case(
            "reading a cancel",
            Get("/v1/jobs/01900000-0000-7000-8000-000000000000/cancel"),
            405,
            "method_not_allowed",
        ),
    ]
}
