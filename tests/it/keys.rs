//! Keys, tenants and quotas on real processes: made by commands beside a running master, used over
//! the network, revoked at once; and what a tenant at its quota costs another.

mod apart;
mod network;
mod quotas;
mod up;

use std::process::Output;
use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::{Instant, timeout};

use crate::cluster::{Cluster, JOB_WAIT, program, source};

/// Longest that a stream may live after its key was revoked; a busy machine has five times that.
const REVOKED_WITHIN: Duration = Duration::from_secs(1);
/// Guesses that are tried.
const GUESSES: usize = 40;

/// A cluster, used with keys.
pub struct Keyed(pub Cluster);

impl Keyed {
    /// Runs a command of `enclos` beside the master.
    pub async fn command(&self, args: &[&str]) -> Output {
        let mut command = Command::new(program("enclos"));
        command.args(args).env("ENCLOS_DATA_DIR", self.0.data().join("data")).env("ENCLOS_URL", &self.0.url);
        let output = timeout(JOB_WAIT, command.kill_on_drop(true).output()).await.expect("it ends");
        output.expect("it starts")
    }

    /// What a command that works prints.
    pub async fn printed(&self, args: &[&str]) -> String {
        let output = self.command(args).await;
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("it is text").trim_end().to_owned()
    }

    /// A new key.
    pub async fn key(&self, tenant: &str, scope: &str) -> String {
        self.printed(&["keys", "create", "--tenant", tenant, "--scope", scope]).await
    }

    /// The id of the only key of a tenant.
    pub async fn id_of(&self, tenant: &str) -> String {
        let listed: Value = serde_json::from_str(&self.printed(&["keys", "list", "--json"]).await).expect("it is JSON");
        let keys = listed["keys"].as_array().expect("a list").iter();
        let id = keys.filter(|key| key["tenant"] == tenant).map(|key| key["id"].as_str().expect("an id")).next();
        id.expect("it is listed").to_owned()
    }

    /// Asks with a key.
    pub async fn ask(&self, key: &str, method: Method, path: &str, body: Option<&Value>) -> Response {
        let request = self.0.http.request(method, format!("{}{path}", self.0.url)).bearer_auth(key);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        timeout(JOB_WAIT, request.send()).await.expect("it is answered in time").expect("the master answers")
    }

    /// Status and JSON of an answer.
    pub async fn parts(&self, key: &str, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let response = self.ask(key, method, path, body).await;
        (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_made_used_rotated_and_revoked_beside_a_running_master() {
    let keyed = Keyed(Cluster::master_only().await);
    assert!(keyed.command(&["jobs"]).await.status.success(), "nobody needs a key before the first");
    let key = keyed.key("acme", "submit,read").await;
    assert!(key.starts_with("enclos_") && !key.contains(char::is_whitespace), "it stands alone");

    let without = keyed.command(&["jobs"]).await;
    let said = String::from_utf8_lossy(&without.stderr).into_owned();
    assert_eq!(without.status.code(), Some(124), "{said}");
    assert!(said.contains("unauthorized") && said.contains("--api-key-file"), "{said}");
    let file = keyed.0.data().join("acme.key");
    std::fs::write(&file, &key).expect("it can be written");
    let file = file.to_str().expect("a path of text");
    assert!(keyed.command(&["jobs", "--api-key-file", file]).await.status.success());
    let agents = keyed.command(&["agents", "--api-key-file", file]).await;
    assert!(String::from_utf8_lossy(&agents.stderr).contains("missing_scope"), "{agents:?}");

    let id = keyed.id_of("acme").await;
    let new = keyed.printed(&["keys", "rotate", &id, "--grace", "0s"]).await;
    assert_eq!(keyed.ask(&key, Method::GET, "/v1/jobs", None).await.status(), 401, "the old one, without grace");
    assert_eq!(keyed.ask(&new, Method::GET, "/v1/jobs", None).await.status(), 200);

    let (status, job) = keyed.parts(&new, Method::POST, "/v1/jobs", Some(&source("c", ""))).await;
    assert_eq!(status, 201, "{job:#}");
    let path = format!("/v1/jobs/{}/events", job["id"].as_str().expect("an id"));
    let mut events = keyed.ask(&new, Method::GET, &path, None).await;
    events.chunk().await.expect("it goes on").expect("the first event");
    let began = Instant::now();
    keyed.printed(&["keys", "revoke", &id]).await;
    let ended = async { while let Ok(Some(_)) = events.chunk().await {} };
    timeout(JOB_WAIT, ended).await.expect("the stream ends");
    let took = began.elapsed();
    println!("from the begin of `enclos keys revoke` to the end of a running event stream: {took:?}");
    assert!(took < REVOKED_WITHIN * 5, "{took:?}");
    assert_eq!(keyed.ask(&new, Method::GET, "/v1/jobs", None).await.status(), 401, "when the command has returned");
    keyed.0.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_keys_is_slowed_and_keeps_no_key_that_works_out() {
    let keyed = Keyed(Cluster::master_only().await);
    let key = keyed.key("acme", "read").await;
    let began = Instant::now();
    let mut looked_at = 0;
    for n in 0..GUESSES {
        let guess = format!("enclos_{n:072x}");
        let (status, problem) = keyed.parts(&guess, Method::GET, "/v1/jobs", None).await;
        match status {
            401 => looked_at += 1,
            429 => assert!(problem["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0), "{problem:#}"),
            other => panic!("guess {n} is answered {other}: {problem:#}"),
        }
    }
    let took = began.elapsed();
    // Ten, and one more for every six seconds.
    let allowed = 10 + usize::try_from(took.as_secs() / 6).expect("it is short") + 1;
    println!("{looked_at} of {GUESSES} guesses in {took:?} were looked at");
    assert!(looked_at <= allowed, "{looked_at} in {took:?}");
    assert_eq!(
        keyed.ask(&key, Method::GET, "/v1/jobs", None).await.status(),
        200,
        "for the first time, from the same address"
    );
    keyed.0.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_is_written_down_all_the_same() {
    let keyed = Keyed(Cluster::master_only().await);
    let key = keyed.key("acme", "submit,read").await;
    let body = source("c", "int main(void) { return 0; }");
    let is_kept = async || {
        let (_, list) = keyed.parts(&key, Method::GET, "/v1/jobs", None).await;
        list["jobs"].as_array().is_some_and(|jobs| jobs.len() == 1)
    };
    tokio::select! {
        response = keyed.ask(&key, Method::POST, "/v1/jobs?wait_ms=60000", Some(&body)) => panic!("{response:?}"),
        () = keyed.0.eventually("the job is kept", is_kept) => {}
    }
    let book = keyed.0.data().join("data").join("audit-jobs.jsonl");
    let is_noted = async || {
        let text = std::fs::read_to_string(&book).unwrap_or_default();
        text.lines().any(|line| line.contains("POST /v1/jobs") && line.contains("\"left\"") && line.contains("acme"))
    };
    keyed.0.eventually("the line is there", is_noted).await;
    keyed.0.shutdown().await;
}

/// Secrets, guesses, sources, inputs: nowhere but in the database, and of secrets not even there.
#[tokio::test(flavor = "multi_thread")]
async fn who_did_what_is_written_down_without_secrets_and_programs() {
    let keyed = Keyed(Cluster::master_only().await);
    let key = keyed.key("acme", "submit,read").await;
    let guess = format!("enclos_{}", "5a".repeat(36));
    let (program, input) = ("a-program-nobody-else-reads", "an-input-nobody-else-reads");
    let body = json!({ "language": "python", "source": program, "stdin": input });
    let (status, job) = keyed.parts(&key, Method::POST, "/v1/jobs", Some(&body)).await;
    assert_eq!(status, 201, "{job:#}");
    let id = job["id"].as_str().expect("an id").to_owned();
    let wrong = keyed.ask(&guess, Method::GET, &format!("/v1/jobs/{id}?wait_ms=0"), None).await;
    let said = wrong.text().await.expect("it is text");
    let cancel = format!("/v1/jobs/{id}/cancel");
    assert_eq!(keyed.parts(&key, Method::POST, &cancel, Some(&json!({}))).await.0, 200);
    assert_eq!(keyed.parts(&key, Method::GET, "/v1/agents", None).await.0, 403);
    keyed.printed(&["tenants", "set", "acme", "--running-jobs", "3"]).await;
    let key_id = keyed.id_of("acme").await;
    keyed.printed(&["keys", "revoke", &key_id]).await;
    let data = keyed.0.data().to_owned();
    let read = || {
        let book = |name: &str| std::fs::read_to_string(data.join("data").join(name)).unwrap_or_default();
        book("audit-jobs.jsonl") + &book("audit.jsonl")
    };
    keyed.0.eventually("the deeds are written", || async { read().contains("/v1/agents") }).await;
    let log = keyed.0.whole_log();

    let text = read();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let outcome = |what: &str| {
        let line = lines.iter().find(|line| line["what"] == what);
        line.unwrap_or_else(|| panic!("{what} is written down:\n{text}")).clone()
    };
    let submitted = outcome("POST /v1/jobs");
    assert_eq!((&submitted["tenant"], &submitted["key"]), (&json!("acme"), &json!(key_id)), "{submitted:#}");
    assert_eq!((&submitted["outcome"], &submitted["from"]), (&json!("201"), &json!("127.0.0.1")), "{submitted:#}");
    assert_eq!(submitted["target"], format!("/v1/jobs/{id}"));
    let refused = outcome("GET /v1/jobs/{id}");
    assert_eq!((&refused["outcome"], refused.get("key")), (&json!("401"), None), "{refused:#}");
    assert_eq!(outcome("POST /v1/jobs/{id}/cancel")["outcome"], "200");
    assert_eq!(outcome("GET /v1/agents")["outcome"], "403");
    for command in ["keys create", "tenants set", "keys revoke"] {
        assert_eq!(outcome(command)["outcome"], "done");
    }
    for (what, secret) in [("the key", &key), ("a guess", &guess)] {
        let digits = &secret["enclos_".len()..][..24];
        for (place, text) in [("the log", &log), ("the audit log", &text), ("the refusal", &said)] {
            assert!(!text.contains(digits), "{what} is in {place}");
        }
        for entry in std::fs::read_dir(data.join("data")).expect("the directory is there").flatten() {
            let bytes = std::fs::read(entry.path()).unwrap_or_default();
            let found = bytes.windows(digits.len()).any(|w| w == digits.as_bytes());
            assert!(!found, "{what} is in {}", entry.path().display());
        }
    }
    for words in [program, input] {
        assert!(!text.contains(words) && !log.contains(words), "{words}");
    }
    keyed.0.shutdown().await;
}
