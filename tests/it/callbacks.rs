//! Callbacks of a real master: told, verified by a library of others, told again after a crash, given up,
//! retried, refused where they would reach what is not a stranger's.

mod fleet;
mod receiver;

use std::collections::BTreeSet;
use std::net::TcpListener;

use reqwest::Method;
use serde_json::{Value, json};

use self::receiver::{Receiver, Told};
use crate::cluster::{Cluster, source};
use crate::keys::Keyed;

/// Beside loopback nothing is allowed.
const ALLOW: [&str; 2] = ["--callback-allow", "127.0.0.1"];

/// A job whose end is told there. It waits: nobody runs it.
fn told_to(url: &str) -> Value {
    let mut job = source("python", "print(42)");
    job["callback_url"] = json!(url);
    job
}

/// Ends a job that nobody runs; its id.
async fn cancelled(cluster: &Cluster, url: &str) -> String {
    let id = cluster.submit(&told_to(url)).await;
    cluster.cancel(&id).await;
    id
}

async fn listed(cluster: &Cluster, state: &str) -> Vec<Value> {
    let page = cluster.get(&format!("/v1/callbacks?state={state}")).await;
    page["callbacks"].as_array().cloned().unwrap_or_else(|| panic!("a page has callbacks: {page:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_waits_through_kill_9_and_is_told_by_the_same_id_after_the_next_start() {
    let mut receiver = Receiver::silent().await;
    let mut cluster = Cluster::master_with(&ALLOW).await;
    let id = cancelled(&cluster, &receiver.url).await;
    let first = receiver.told().await;
    // It has come and is not answered: the master does not know whether it was taken.
    cluster.kill_master().await;
    receiver.answer(204);
    cluster.start_master_with(&ALLOW).await;
    let second = receiver.told().await;
    assert_eq!((first.id(), second.id()), (id.as_str(), id.as_str()));
    assert_eq!(first.body, second.body, "and says the same");
    let job: Value = serde_json::from_slice(&second.body).expect("it is JSON");
    assert_eq!((&job["id"], &job["outcome"]), (&json!(id), &json!("cancelled")), "{job:#}");
    assert_eq!(job, cluster.get(&format!("/v1/jobs/{id}")).await, "what is told is what is shown");
    cluster.eventually("nothing waits", || async { listed(&cluster, "waiting").await.is_empty() }).await;
    assert!(listed(&cluster, "dead").await.is_empty());
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_was_down_is_told_when_it_is_up() {
    let cluster = Cluster::master_with(&ALLOW).await;
    let place = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let id = cancelled(&cluster, &format!("http://{place}/")).await;
    let failed = || async { listed(&cluster, "waiting").await.iter().any(|c| c["last_problem"] == "unreachable") };
    cluster.eventually("the first attempt fails", failed).await;
    let mut receiver = Receiver::at(place).await;
    let told = receiver.told().await;
    assert_eq!(told.id(), id);
    cluster.eventually("it is delivered", || async { listed(&cluster, "waiting").await.is_empty() }).await;
    let metrics = cluster.http.get(format!("{}/metrics", cluster.url)).send().await.expect("an answer");
    let metrics = metrics.text().await.expect("it is text");
    for line in ["enclos_callback_attempts_total{end=\"delivered\"} 1\n", "enclos_callbacks{state=\"dead\"} 0\n"] {
        assert!(metrics.contains(line), "{metrics}");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_callback_is_its_tenants_alone_and_is_delivered_when_it_is_retried() {
    let mut receiver = Receiver::answering(410).await;
    let keyed = Keyed(Cluster::master_with(&ALLOW).await);
    let mine = keyed.key("one", "submit,read").await;
    let yours = keyed.key("other", "submit,read").await;
    let (status, job) = keyed.parts(&mine, Method::POST, "/v1/jobs", Some(&told_to(&receiver.url))).await;
    assert_eq!(status, 201, "{job:#}");
    let id = job["id"].as_str().expect("an id").to_owned();
    keyed.parts(&mine, Method::POST, &format!("/v1/jobs/{id}/cancel"), Some(&json!({}))).await;
    receiver.told().await;
    let dead = || async { keyed.parts(&mine, Method::GET, "/v1/callbacks?state=dead", None).await.1 };
    keyed.0.eventually("it is dead", || async { dead().await["callbacks"][0]["id"] == id.as_str() }).await;
    let shown = &dead().await["callbacks"][0];
    assert_eq!((&shown["last_status"], &shown["attempts"]), (&json!(410), &json!(1)), "at once: {shown:#}");
    assert_eq!(shown["url"], receiver.url);
    let reader = keyed.key("one", "read").await;
    let (_, seen) = keyed.parts(&reader, Method::GET, "/v1/callbacks", None).await;
    let origin = seen["callbacks"][0]["url"].as_str().expect("it has one");
    let is_origin = receiver.url.strip_prefix(origin).is_some_and(|rest| rest.starts_with('/') && rest.len() > 1);
    assert!(is_origin, "who may only read sees no path, which may be a secret: {origin} of {}", receiver.url);

    let (_, theirs) = keyed.parts(&yours, Method::GET, "/v1/callbacks", None).await;
    assert_eq!(theirs["callbacks"], json!([]));
    let retry = format!("/v1/callbacks/{id}/retry");
    assert_eq!(keyed.parts(&yours, Method::POST, &retry, Some(&json!({}))).await.0, 404);

    let file = keyed.0.data().join("one.key");
    std::fs::write(&file, &mine).expect("it can be written");
    let file = file.to_str().expect("a path of text");
    let table = keyed.printed(&["callbacks", "list", "--state", "dead", "--api-key-file", file]).await;
    assert!(table.contains(&id) && table.contains("410"), "{table}");
    receiver.answer(200);
    keyed.printed(&["callbacks", "retry", &id, "--api-key-file", file]).await;
    assert_eq!(receiver.told().await.id(), id);
    keyed.0.eventually("it is delivered", || async { dead().await["callbacks"] == json!([]) }).await;
    keyed.0.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_a_job_drops_what_was_to_be_told_of_it() {
    let cluster = Cluster::master_with(&ALLOW).await;
    let gone = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let id = cancelled(&cluster, &format!("http://{gone}/")).await;
    cluster.eventually("it waits", || async { listed(&cluster, "waiting").await.len() == 1 }).await;
    let erased = cluster.http.delete(format!("{}/v1/jobs/{id}", cluster.url)).send().await.expect("an answer");
    assert_eq!(erased.status(), 204);
    assert!(listed(&cluster, "waiting").await.is_empty());
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_reach_this_machine_is_refused_and_nobody_connects() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("it can be looked at");
    let port = listener.local_addr().expect("an address").port();
    let cluster = Cluster::master_only().await;
    let hosts = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "localhost.",
        "user@127.0.0.1",
        "good.example@127.0.0.1",
        "10.0.0.1",
        "[fd00::1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ];
    for host in hosts {
        for scheme in ["http", "https", "ftp"] {
            let (status, problem) = cluster.post(&told_to(&format!("{scheme}://{host}:{port}/"))).await;
            assert_eq!((status, &problem["code"]), (422, &json!("callback_refused")), "{scheme}://{host}: {problem:#}");
            assert_eq!(problem["field"], "callback_url", "{problem:#}");
        }
    }
    // Its name is known only when it is resolved: each attempt does, and connects to none of what it finds.
    let id = cancelled(&cluster, &format!("https://localhost:{port}/")).await;
    let refused = || async { listed(&cluster, "waiting").await.iter().any(|c| c["last_problem"] == "not_allowed") };
    cluster.eventually("the attempt is refused", refused).await;
    assert_eq!(listed(&cluster, "waiting").await[0]["id"], id);
    assert!(listener.accept().is_err(), "nobody has come");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_during_a_rotation_is_signed_by_both_secrets_and_none_of_them_is_anywhere_else() {
    let mut receiver = Receiver::answering(200).await;
    let keyed = Keyed(Cluster::master_with(&ALLOW).await);
    let signatures =
        |told: &Told| told.header("webhook-signature").split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
    let first = keyed.printed(&["callbacks", "secret"]).await;
    assert_eq!(keyed.printed(&["callbacks", "secret"]).await, first, "it is made once");
    cancelled(&keyed.0, &receiver.url).await;
    let before = receiver.told().await;
    assert_eq!(signatures(&before), BTreeSet::from([before.signed_by(&first)]));
    let second = keyed.printed(&["callbacks", "secret", "--rotate", "--grace", "1h"]).await;
    assert_ne!(first, second);
    cancelled(&keyed.0, &receiver.url).await;
    let during = receiver.told().await;
    assert_eq!(signatures(&during), BTreeSet::from([during.signed_by(&first), during.signed_by(&second)]));
    keyed.printed(&["callbacks", "secret", "--rotate", "--grace", "0s"]).await;
    cancelled(&keyed.0, &receiver.url).await;
    let after = receiver.told().await;
    let third = keyed.printed(&["callbacks", "secret"]).await;
    assert_eq!(signatures(&after), BTreeSet::from([after.signed_by(&third)]));

    let backup = keyed.0.data().join("backup.tar");
    keyed.printed(&["backup", "--to", backup.to_str().expect("a path of text")]).await;
    let held = String::from_utf8_lossy(&std::fs::read(&backup).expect("it was made")).contains("callback-key");
    assert!(held, "a backup without the key would be one without secrets");
    let answers = keyed.0.get("/v1/callbacks").await.to_string() + &keyed.0.whole_log();
    for secret in [&first, &second, &third] {
        let digits = &secret["whsec_".len()..];
        let bytes = receiver::secret_bytes(secret);
        assert!(!answers.contains(digits), "in an answer or a log");
        for entry in std::fs::read_dir(&keyed.0.store).expect("the directory is there").flatten() {
            let file = std::fs::read(entry.path()).unwrap_or_default();
            let found = |part: &[u8]| file.windows(part.len()).any(|w| w == part);
            assert!(!found(digits.as_bytes()) && !found(&bytes), "in {}", entry.path().display());
        }
    }
    keyed.0.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_service_waits_for_no_receiver() {
    let mut receiver = Receiver::silent().await;
    let mut cluster = Cluster::master_with(&ALLOW).await;
    cancelled(&cluster, &receiver.url).await;
    receiver.told().await;
    let took = cluster.end_master().await;
    assert!(took < std::time::Duration::from_secs(30), "{took:?}");
    cluster.shutdown().await;
}
