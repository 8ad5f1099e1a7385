//! The API over HTTPS, as clients meet it.

use std::time::Duration;

use h2::client;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{dial, shown, trusting};
use crate::cluster::{Cluster, program};

/// Longest that anything may take here.
const LONG: Duration = Duration::from_secs(30);

/// Exit code and messages of a command.
async fn run(args: &[&str]) -> (i32, String) {
    let mut command = Command::new(program("enclos"));
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let running = command.args(args).current_dir(dir.path()).kill_on_drop(true).output();
    let output = timeout(LONG, running).await.expect("it ends").expect("it starts");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap_or(-1), text)
}

#[tokio::test]
async fn the_api_speaks_http2_and_http1_over_tls_and_nothing_in_clear() {
    let cluster = Cluster::secured(&[]).await;
    let mut config = enclos_tls::client::config(trusting(&cluster), None).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = dial(&cluster.url, config).await.unwrap();
    let (mut h2, connection) = client::handshake(stream).await.unwrap();
    let mut driver = JoinSet::new();
    driver.spawn(async move { drop(connection.await) });
    let request = hyper::Request::get(format!("{}/version", cluster.url)).body(()).unwrap();
    let answer = h2.send_request(request, true).unwrap().0;
    assert_eq!(timeout(LONG, answer).await.unwrap().unwrap().status(), 200);
    let answer = cluster.http.get(format!("{}/version", cluster.url)).send().await.unwrap();
    assert_eq!((answer.version(), answer.status().as_u16()), (reqwest::Version::HTTP_11, 200));
    let clear = cluster.url.replacen("https", "http", 1);
    assert!(cluster.http.get(format!("{clear}/version")).send().await.is_err());
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_client_that_cannot_trust_the_master_is_told_what_to_do() {
    let cluster = Cluster::secured(&[]).await;
    let (code, text) = run(&["languages", "--url", &cluster.url]).await;
    assert!(code == 125 && text.contains("unknown_issuer") && text.contains("--ca"), "{code} {text}");
    let ca = cluster.pki().join("ca.crt");
    let ca = ca.to_str().expect("it is text");
    let (code, text) = run(&["languages", "--url", &cluster.url, "--ca", ca]).await;
    assert!(code == 0 && text.contains("python"), "{code} {text}");
    // Over the WebSocket: the master refuses an unknown job only where it is trusted.
    let job = "00000000-0000-7000-8000-000000000000";
    let (code, text) = run(&["attach", job, "--url", &cluster.url]).await;
    assert!(code == 125 && text.contains("unknown_issuer"), "{code} {text}");
    let (code, text) = run(&["attach", job, "--url", &cluster.url, "--ca", ca]).await;
    assert_eq!(code, 124, "{text}");
    let (code, text) = run(&["languages", "--url", &cluster.url, "--ca", "missing.pem"]).await;
    assert!(code == 125 && text.contains("missing.pem"), "{code} {text}");
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_key_is_shown_over_tls_by_calls_and_conversations_alike() {
    let cluster = Cluster::secured(&[]).await;
    let (ca, store) = (cluster.pki().join("ca.crt"), cluster.store.clone());
    let (ca, store) = (ca.to_str().expect("it is text"), store.to_str().expect("it is text"));
    let (code, key) = run(&["keys", "--data-dir", store, "create", "--tenant", "acme", "--scope", "submit,read"]).await;
    assert_eq!(code, 0, "{key}");
    let file = cluster.data().join("acme.key");
    // Beside the key on its output, the command says on the other one that it is shown this once.
    let secret = key.lines().find(|line| line.starts_with("enclos_")).expect("a line is the key");
    std::fs::write(&file, secret).expect("it can be kept");
    let file = file.to_str().expect("it is text");
    let job = "00000000-0000-7000-8000-000000000000";
    for command in [&["languages"][..], &["attach", job]] {
        let asked = [command, &["--url", &cluster.url, "--ca", ca]].concat();
        let (code, text) = run(&asked).await;
        assert!(code == 124 && text.contains("unauthorized"), "{command:?}: {code} {text}");
        let (code, text) = run(&[&asked[..], &["--api-key-file", file]].concat()).await;
        assert!(!text.contains("unauthorized"), "{command:?}: {code} {text}");
        assert!(code == if command.len() == 1 { 0 } else { 124 }, "{command:?}: {code} {text}");
    }
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_renewed_certificate_is_served_without_a_restart() {
    let cluster = Cluster::secured(&[]).await;
    let first = shown(&cluster, &cluster.url).await;
    assert_eq!(first, shown(&cluster, &cluster.link_url()).await);
    cluster.operate(&["pki", "renew"], &["--name", "master.example"]).await;
    cluster
        .eventually("both ports show the new certificate", || async {
            let (api, link) = (shown(&cluster, &cluster.url).await, shown(&cluster, &cluster.link_url()).await);
            api != first && api == link
        })
        .await;
    cluster.shutdown().await;
}

#[tokio::test]
async fn no_port_is_opened_to_other_machines_in_clear() {
    let (code, text) = run(&["master", "--bind", "0.0.0.0:0", "--data-dir", "data"]).await;
    assert!(code == 1 && text.contains("--tls-cert") && text.contains("--insecure-http"), "{code} {text}");
    let (code, text) = run(&["master", "--bind", "0.0.0.0:0", "--insecure-http", "--data-dir", "data"]).await;
    assert!(code == 1 && text.contains("enclos keys create"), "{code} {text}");
    let (code, text) = run(&["master", "--link-bind", "0.0.0.0:0", "--data-dir", "data"]).await;
    assert!(code == 1 && text.contains("--pki"), "{code} {text}");
    let (code, text) = run(&["up", "--pki", "pki", "--data-dir", "data", "--no-demo"]).await;
    assert!(code == 1 && text.contains("enclos master"), "{code} {text}");
    let (code, text) = run(&["up", "--bind", "0.0.0.0:0", "--insecure-http", "--data-dir", "data", "--no-demo"]).await;
    assert!(code == 1 && text.contains("enclos master"), "{code} {text}");
    let agent =
        Command::new(program("enclos-agent")).args(["--master", "http://192.0.2.1:7301"]).output().await.unwrap();
    let text = String::from_utf8_lossy(&agent.stderr).into_owned();
    assert!(agent.status.code() == Some(2) && text.contains("TLS only"), "{text}");
}
