//! The door for agents, by its bytes on the wire: what the clients of its makers do is in `tests/it/mcp`.

use enclos_protocol::agent_link::FromMaster;
use enclos_protocol::cases::Verdict;
use enclos_protocol::ids::AttemptId;
use enclos_protocol::outcome::Outcome;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::fake_agent::{FakeAgent, report};
use super::keys::Keyed;
use super::{LONG, Running, config, id_of};
use crate::access::Secret;

const ACCEPT: &str = "application/json, text/event-stream";

/// A client of the version before the last, with a session.
struct Client<'a> {
    running: &'a Running,
    key: Option<String>,
    session: Option<String>,
}

/// The messages of one answer, as they come.
struct Messages {
    response: reqwest::Response,
    text: String,
}

impl Messages {
    /// The next; `None` where the answer has ended.
    async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                if let Some(data) = event.lines().find_map(|line| line.strip_prefix("data:")) {
                    return Some(serde_json::from_str(data).expect("it is JSON"));
                }
            }
            let piece =
                timeout(LONG, self.response.chunk()).await.expect("it goes on").expect("it is not broken off")?;
            self.text.push_str(std::str::from_utf8(&piece).expect("events are text"));
        }
    }

    /// All that is left.
    async fn all(mut self) -> Vec<Value> {
        let mut all = Vec::new();
        while let Some(message) = self.next().await {
            all.push(message);
        }
        all
    }
}

fn call(id: u32, tool: &str, arguments: &Value) -> Value {
    let params = json!({ "name": tool, "arguments": arguments, "_meta": { "progressToken": "p" } });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
}

fn code() -> Value {
    json!({ "language": "python", "code": "print(1)" })
}

impl<'a> Client<'a> {
    async fn new(running: &'a Running, key: Option<&Secret>) -> Self {
        let key = key.map(|key| key.expose().to_string());
        let mut client = Self { running, key, session: None };
        let about = json!({ "name": "test", "version": "1" });
        let params = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": about });
        let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        let response = client.post(&hello).await;
        assert_eq!(response.status(), 200);
        client.session = Some(response.headers()["mcp-session-id"].to_str().unwrap().to_owned());
        client
    }

    fn request(&self, method: Method) -> reqwest::RequestBuilder {
        let mut request =
            self.running.http.request(method, format!("{}/mcp", self.running.url)).header("accept", ACCEPT);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        match &self.session {
            Some(session) => request.header("mcp-session-id", session),
            None => request,
        }
    }

    async fn post(&self, message: &Value) -> reqwest::Response {
        timeout(LONG, self.request(Method::POST).json(message).send()).await.expect("it is answered").unwrap()
    }

    async fn messages(&self, message: &Value) -> Messages {
        let response = self.post(message).await;
        assert_eq!(response.status(), 200);
        Messages { response, text: String::new() }
    }

    /// The result of a tool.
    async fn result(&self, tool: &str, arguments: &Value) -> Value {
        let mut all = self.messages(&call(7, tool, arguments)).await.all().await;
        all.pop().expect("an answer").get("result").cloned().expect("a result")
    }

    /// What a tool says that refuses.
    async fn refusal(&self, tool: &str, arguments: &Value) -> String {
        let result = self.result(tool, arguments).await;
        assert_eq!(result["isError"], true, "{result:#}");
        assert!(result.get("structuredContent").is_none(), "{result:#}");
        result["content"][0]["text"].as_str().expect("a text").to_owned()
    }

    async fn cancel(&self, id: u32) {
        let cancelled = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } });
        assert_eq!(self.post(&cancelled).await.status(), 202);
    }
}

/// The agent is told to end this attempt, and does.
async fn is_cancelled(agent: &mut FakeAgent, attempt: AttemptId) {
    let told =
        agent.expect("a cancel", |m| matches!(m, FromMaster::Cancel { attempt: a } if *a == attempt).then_some(()));
    timeout(LONG, told).await.expect("its end is asked for");
    agent.finish(attempt, report(Outcome::Cancelled, 0)).await;
    assert!(agent.verdict(attempt).await);
}

#[tokio::test]
async fn a_call_runs_a_job_tells_how_it_goes_and_ends_with_what_its_schema_says() {
    let (running, _dir) = Running::new().await;
    let client = Client::new(&running, None).await;
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let tools = client.messages(&list).await.all().await.pop().unwrap()["result"]["tools"].clone();
    let names: Vec<&str> = tools.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["run_code", "run_tests", "read_output", "list_languages"]);
    let valid = |tool: usize, told: &Value| {
        let schema = jsonschema::validator_for(&tools[tool]["outputSchema"]).expect("it is a schema");
        let wrong: Vec<String> = schema.iter_errors(told).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{wrong:?} in {told:#}");
    };

    let mut messages = client.messages(&call(2, "run_code", &code())).await;
    let waiting = messages.next().await.unwrap();
    assert_eq!(waiting["method"], "notifications/progress");
    assert_eq!(waiting["params"]["progressToken"], "p");
    assert_eq!(waiting["params"]["message"], "waiting at place 1");
    let mut agent = running.agent("a").await;
    let long = "€".repeat(5000);
    let answering = agent.answer_one(long.as_bytes());
    let (attempt, rest) = tokio::join!(answering, messages.all());
    let (answer, told) = rest.split_last().unwrap();
    let grows = told.iter().map(|m| m["params"]["progress"].as_f64().unwrap()).collect::<Vec<_>>();
    assert!(grows.is_sorted_by(|a, b| a < b) && grows.iter().all(|p| *p > 1.0), "{grows:?}");
    let result = &answer["result"];
    valid(0, &result["structuredContent"]);
    assert_eq!((&answer["id"], &result["isError"]), (&json!(2), &json!(false)));
    let job = attempt.job.to_string();
    let stdout = &result["structuredContent"]["run"]["stdout"];
    assert_eq!(result["structuredContent"]["job"], job);
    assert_eq!(stdout["written_bytes"], 15_000);
    let text = result["content"][0]["text"].as_str().unwrap();
    let offset = stdout["left_out_offset"].as_u64().unwrap();
    assert!(text.contains(&format!("read_output job={job} stream=stdout offset={offset} shows them")), "{text}");
    assert!(text.len() < 8 * 1024, "{}", text.len());

    let mut read = stdout["text"].as_str().unwrap().to_owned();
    let mut next = Some(offset);
    while let Some(offset) = next {
        let part = client.result("read_output", &json!({ "job": job, "offset": offset, "max_bytes": 4000 })).await;
        valid(2, &part["structuredContent"]);
        read.push_str(part["structuredContent"]["text"].as_str().unwrap());
        next = part["structuredContent"]["next_offset"].as_u64();
    }
    assert_eq!(read, long, "what was left out can be read");
    for arguments in [json!({}), json!({ "language": "py" })] {
        let languages = client.result("list_languages", &arguments).await;
        valid(3, &languages["structuredContent"]);
        assert!(languages["content"][0]["text"].as_str().unwrap().contains("python: "), "{languages:#}");
    }
    running.end().await;
}

#[tokio::test]
async fn tests_have_verdicts_and_show_what_failed() {
    let (running, _dir) = Running::new().await;
    let client = Client::new(&running, None).await;
    let mut agent = running.agent("a").await;
    let cases = json!([{ "stdin": "1", "expected_stdout": "1" }, { "name": "two", "expected_stdout": "2" }]);
    let tests = json!({ "language": "python", "code": "", "cases": cases, "checker": "tokens" });
    let serving = async {
        let (attempt, spec, _) = agent.job().await;
        agent.run_case(attempt, 0, b"1\n", Verdict::Accepted).await;
        agent.run_case(attempt, 1, b"3\n", Verdict::WrongAnswer).await;
        let judged = enclos_protocol::job::JobReport { run: None, ..report(Outcome::Ok, 0) };
        agent.finish(attempt, judged).await;
        assert!(agent.verdict(attempt).await);
        spec
    };
    let (spec, result) = tokio::join!(serving, client.result("run_tests", &tests));
    assert_eq!(spec.cases.expect("it has cases").count, 2);
    let told = &result["structuredContent"];
    assert_eq!((&told["verdict"], &told["passed"], &told["total"]), (&json!("wrong_answer"), &json!(1), &json!(2)));
    assert_eq!((&told["cases"][0]["index"], &told["cases"][0]["name"]), (&json!(1), &json!("two")), "the failed first");
    assert_eq!(told["cases"][0]["run"]["stdout"]["text"], "3\n");
    assert!(told["cases"][1]["run"].get("stdout").is_none(), "{told:#}");
    let job = told["job"].as_str().unwrap();
    let part = client.result("read_output", &json!({ "job": job, "case": 0 })).await;
    assert_eq!(part["structuredContent"]["text"], "1\n");
    let which = client.refusal("read_output", &json!({ "job": job })).await;
    assert_eq!(which, "invalid_value (argument 'case'): say which 'case': this job has 2, from 0 on");
    running.end().await;
}

#[tokio::test]
async fn a_call_that_its_client_cancels_or_leaves_takes_its_job_with_it() {
    let (running, _dir) = Running::new().await;
    let client = Client::new(&running, None).await;
    let mut agent = running.agent("a").await;

    let messages = client.messages(&call(3, "run_code", &code())).await;
    let (attempt, ..) = agent.job().await;
    client.cancel(4).await;
    client.cancel(3).await;
    let (all, ()) = tokio::join!(messages.all(), is_cancelled(&mut agent, attempt));
    assert_eq!(all.last().unwrap()["result"]["structuredContent"]["outcome"], "cancelled");

    let left = client.messages(&call(5, "run_code", &code())).await;
    let (attempt, ..) = agent.job().await;
    drop(left);
    is_cancelled(&mut agent, attempt).await;

    let ended = client.messages(&call(6, "run_code", &code())).await;
    let (attempt, ..) = agent.job().await;
    assert_eq!(client.request(Method::DELETE).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let (all, ()) = tokio::join!(ended.all(), is_cancelled(&mut agent, attempt));
    assert_eq!(all.last().unwrap()["result"]["isError"], true);
    running.end().await;
}

/// The last version has no sessions: a call is cancelled by leaving it, before it has said anything, too.
#[tokio::test]
async fn a_call_of_the_last_version_that_is_left_takes_its_job_with_it() {
    let (running, _dir) = Running::new().await;
    let mut agent = running.agent("a").await;
    let version = "2026-07-28";
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut message = call(1, "run_code", &code());
    let client = Client { running: &running, key: None, session: None };
    let request = |message: &Value| {
        let request = client.request(Method::POST).header("mcp-protocol-version", version);
        request.header("mcp-method", "tools/call").header("mcp-name", "run_code").json(message).send()
    };
    for progress in [None, Some("p")] {
        message["params"]["_meta"] = meta.clone();
        if let Some(token) = progress {
            message["params"]["_meta"]["progressToken"] = token.into();
        }
        let sent = request(&message);
        let attempt = if progress.is_some() {
            // Its answer begins with what is told of its progress.
            let (answer, (attempt, ..)) = tokio::join!(sent, agent.job());
            assert_eq!(answer.unwrap().status(), 200);
            attempt
        } else {
            tokio::select! {
                answer = sent => panic!("nothing is to be told yet: {answer:?}"),
                (attempt, ..) = agent.job() => attempt,
            }
        };
        is_cancelled(&mut agent, attempt).await;
    }
    running.end().await;
}

#[tokio::test]
async fn a_service_that_ends_tells_where_the_job_is_found_and_leaves_it_alone() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(config(dir.path())).await;
    let client = Client::new(&running, None).await;
    let mut agent = running.agent("a").await;
    let messages = client.messages(&call(1, "run_code", &code())).await;
    let (attempt, ..) = agent.job().await;
    running.stop.cancel();
    let answer = messages.all().await.pop().unwrap();
    let told = &answer["result"]["structuredContent"];
    assert_eq!((&told["job"], &told["state"]), (&json!(attempt.job.to_string()), &json!("running")), "{answer:#}");
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("still running: read_output"), "{text}");
    running.end().await;
    let again = Running::start(config(dir.path())).await;
    let job = again.get(&format!("/v1/jobs/{}", attempt.job)).await;
    assert_ne!(job["state"], "finished", "{job:#}");
    again.end().await;
}

#[tokio::test]
async fn a_refusal_is_a_result_that_says_what_to_do() {
    let (running, dir) = Running::new().await;
    let client = Client::new(&running, None).await;
    for (arguments, expected) in [
        (json!({ "language": "pyton", "code": "" }), "there is no language 'pyton'; did you mean python"),
        (json!({ "language": "c", "code": "", "limits": { "cpu_ms": 99_999_999 } }), "is above the maximum of "),
        (json!({ "language": "c", "code": "", "sandbox": 1 }), "unknown_field (argument 'sandbox')"),
        (json!({ "language": "c", "code": "", "limits": 7 }), "(argument 'limits')"),
        (json!({ "language": "c" }), "no_source"),
        (json!({ "language": "c", "code": "", "args": ["a\u{0}"] }), "(argument 'args[0]')"),
    ] {
        let said = client.refusal("run_code", &arguments).await;
        assert!(said.contains(expected), "{said} has not '{expected}'");
    }
    let tolerance = json!({ "language": "c", "code": "", "cases": [{}], "tolerance": 0.1 });
    assert!(client.refusal("run_tests", &tolerance).await.contains("(argument 'tolerance')"));
    let unknown = client.messages(&call(1, "rm", &json!({}))).await.all().await.pop().unwrap();
    assert_eq!(unknown["error"]["code"], -32602, "what is no tool is no result: {unknown}");
    running.end().await;
    drop(dir);

    let dir = tempfile::tempdir().unwrap();
    let mut full = config(dir.path());
    full.queue.jobs_max = 0;
    let running = Running::start(full).await;
    let said = Client::new(&running, None).await.refusal("run_code", &code()).await;
    assert!(said.starts_with("overloaded: the queue holds 0 jobs, of 0 at most; come back in "), "{said}");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_door_has_the_same_keys_and_scopes_and_tenants_know_nothing_of_each_other() {
    let mut keyed = Keyed::new().await;
    let (_, mine) = keyed.key("a", "submit,read").await;
    let (_, yours) = keyed.key("b", "submit,read").await;
    let (_, reads) = keyed.key("a", "read").await;
    let (_, submits) = keyed.key("a", "submit").await;
    let running = &keyed.running;
    let nobody = Client { running, key: None, session: None };
    let refused = nobody.post(&call(1, "run_code", &code())).await;
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["www-authenticate"]),
        (401, &"Bearer realm=\"enclos\"".parse().unwrap())
    );
    let reader = Client::new(running, Some(&reads)).await;
    assert!(reader.refusal("run_code", &code()).await.contains("a key with the scope 'submit'"));
    let submitter = Client::new(running, Some(&submits)).await;
    assert!(submitter.refusal("list_languages", &json!({})).await.contains("a key with the scope 'read'"));

    let (me, mut you) = (Client::new(running, Some(&mine)).await, Client::new(running, Some(&yours)).await);
    let mut agent = running.agent("x").await;
    let messages = me.messages(&call(3, "run_code", &code())).await;
    let (attempt, ..) = agent.job().await;
    // Even with the session and the number of the call.
    you.session.clone_from(&me.session);
    you.cancel(3).await;
    assert_eq!(you.request(Method::DELETE).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let job = attempt.job.to_string();
    let of = async |job: &str| you.refusal("read_output", &json!({ "job": job })).await;
    assert_eq!(of(&job).await, of(&uuid::Uuid::now_v7().to_string()).await, "the same answer as for what there is not");
    agent.finish(attempt, report(Outcome::Ok, 0)).await;
    assert!(agent.verdict(attempt).await);
    assert_eq!(messages.all().await.last().unwrap()["result"]["structuredContent"]["outcome"], "ok");
    let listed = keyed.running.http.get(format!("{}/v1/jobs", running.url)).bearer_auth(mine.expose()).send().await;
    assert_eq!(id_of(&listed.unwrap().json::<Value>().await.unwrap()["jobs"][0]), job, "a job as any other");
    keyed.running.end().await;
}

#[tokio::test]
async fn what_is_no_message_of_a_client_for_us_is_refused() {
    let (running, _dir) = Running::new().await;
    let client = Client::new(&running, None).await;
    let with = async |name: &'static str, value: &'static str| {
        let request = client.request(Method::POST).json(&call(1, "list_languages", &json!({}))).header(name, value);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(with("origin", "https://evil.example").await, 403);
    assert_eq!(with("origin", "null").await, 403);
    let host = client.running.http.post(format!("{}/mcp", running.url)).header("host", "evil.example").json(&json!({}));
    assert_eq!(host.send().await.unwrap().status(), 421);
    assert_eq!(client.request(Method::GET).send().await.unwrap().status(), 405, "there is nothing to listen to");
    let text = client.request(Method::POST).header("content-type", "text/plain").body("{}").send().await.unwrap();
    assert_eq!(text.status(), 415);
    let large = json!({ "jsonrpc": "2.0", "id": 1, "method": "x".repeat(1 << 20) });
    assert_eq!(client.post(&large).await.status(), 413);
    let mut named = call(1, "list_languages", &json!({}));
    named["id"] = "x".repeat(300).into();
    let refused = client.messages(&named).await.all().await.pop().unwrap();
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    for session in ["x", "0123456789abcdef0123456789abcdeF"] {
        let other = Client { running: &running, key: None, session: Some(session.to_owned()) };
        assert_eq!(other.post(&call(1, "list_languages", &json!({}))).await.status(), 404, "{session}");
    }
    running.end().await;
}
