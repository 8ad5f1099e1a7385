//! Agents that join, renew, are revoked and come back: real ones, over the real link.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use enclos_tls::certificate::Facts;
use enclos_tls::pem;
use serde_json::json;

use super::{SMALL, agent_name, log_of, turned_away};
use crate::cluster::{Cluster, source};

/// Longest that a revoked agent may be listed as connected; a second is promised.
const CUT_MAX: Duration = Duration::from_secs(5);

fn identity(cluster: &Cluster, name: &str) -> PathBuf {
    cluster.data().join(name).join("identity.pem")
}

fn serial(cluster: &Cluster, name: &str) -> String {
    let kept = pem::certificates(&identity(cluster, name)).expect("it is kept");
    Facts::of(&kept[0]).expect("it can be read").serial
}

async fn runs_a_job(cluster: &Cluster, agent: &str) {
    let job = cluster.run(&source("python", "print(6 * 7)")).await;
    assert_eq!((&job["run"]["stdout"], &job["agent"]), (&json!("42\n"), &json!(agent)), "{job:#}");
}

#[tokio::test]
async fn an_agent_joins_with_a_token_once_and_is_known_by_its_certificate_from_then_on() {
    use std::os::unix::fs::PermissionsExt as _;

    let mut cluster = Cluster::secured(&[]).await;
    let name = agent_name("joins");
    let token = cluster.operate(&["agents", "token"], &[]).await;
    cluster.start_agent_at(&cluster.link_url(), &name, &token, &SMALL).await;
    runs_a_job(&cluster, &name).await;
    let mode = std::fs::metadata(identity(&cluster, &name)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let first = serial(&cluster, &name);
    cluster.agents.remove(0).end(&cluster.logs()).await;
    // Without a token, and then with the one that is spent: it needs none.
    cluster.start_agent_at(&cluster.link_url(), &name, "", &SMALL).await;
    assert_eq!(serial(&cluster, &name), first);
    cluster.agents.remove(0).end(&cluster.logs()).await;
    let other = agent_name("late");
    let log = turned_away(&cluster, cluster.agent_process(&cluster.link_url(), &other, &token, &SMALL), &other).await;
    assert!(log.contains("token_used"), "{log}");
    assert!(log_of(&cluster, "master").contains("token_used"));
    let log = turned_away(&cluster, cluster.agent_process(&cluster.link_url(), &other, "", &SMALL), &other).await;
    assert!(log.contains("enclos agents token"), "{log}");
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_certificate_is_renewed_before_it_ends_and_no_job_notices() {
    let mut cluster = Cluster::secured(&["--agent-cert-ttl", "12"]).await;
    let name = agent_name("renews");
    let token = cluster.operate(&["agents", "token"], &[]).await;
    cluster.start_agent_at(&cluster.link_url(), &name, &token, &SMALL).await;
    let first = serial(&cluster, &name);
    let slow = cluster.submit(&source("python", "import time\ntime.sleep(8)\nprint('slept')")).await;
    cluster
        .eventually("two renewals", || async {
            log_of(&cluster, &name).matches("the certificate was renewed").count() >= 2
        })
        .await;
    assert_ne!(serial(&cluster, &name), first);
    let job = cluster.finished(&slow).await;
    assert_eq!(
        (&job["run"]["stdout"], &job["attempts"]),
        (&json!("slept\n"), &json!(1)),
        "{job:#}\n{}",
        cluster.logs()
    );
    // The first has ended by now: what lets the agent in is a later one.
    runs_a_job(&cluster, &name).await;
    let log = cluster.whole_log();
    assert!(!log.contains("certificate_expired"), "{}", cluster.logs());
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_revoked_agent_is_cut_off_and_a_new_token_lets_it_in_again() {
    let mut cluster = Cluster::secured(&[]).await;
    let name = agent_name("revoked");
    let token = cluster.operate(&["agents", "token"], &[]).await;
    cluster.start_agent_at(&cluster.link_url(), &name, &token, &SMALL).await;
    let said = cluster.operate(&["pki", "revoke"], &[&name]).await;
    let revoked = Instant::now();
    assert!(said.contains(&serial(&cluster, &name)), "{said}");
    cluster.eventually("the link is cut", || async { cluster.agent(&name).await["state"] != "connected" }).await;
    assert!(revoked.elapsed() < CUT_MAX, "{:?}", revoked.elapsed());
    cluster
        .eventually("both sides say why", || async {
            let (agent, master) = (log_of(&cluster, &name), log_of(&cluster, "master"));
            agent.contains("certificate_revoked") && master.contains("certificate_revoked")
        })
        .await;
    let _gone = cluster.kill_agent(0).await;
    // Its own first start sees no more than that it is refused.
    let log = turned_away(&cluster, cluster.agent_process(&cluster.link_url(), &name, "", &SMALL), &name).await;
    assert!(log.contains("certificate_revoked"), "{log}");
    std::fs::remove_file(identity(&cluster, &name)).unwrap();
    let named = cluster.operate(&["agents", "token"], &["--agent", &name]).await;
    cluster.start_agent_at(&cluster.link_url(), &name, &named, &SMALL).await;
    runs_a_job(&cluster, &name).await;
    cluster.shutdown().await;
}

#[tokio::test]
async fn an_agent_whose_certificate_has_ended_needs_a_new_token() {
    let mut cluster = Cluster::secured(&["--agent-cert-ttl", "6"]).await;
    let name = agent_name("ended");
    let token = cluster.operate(&["agents", "token"], &[]).await;
    cluster.start_agent_at(&cluster.link_url(), &name, &token, &SMALL).await;
    cluster.kill_agent(0).await;
    let ended = async || {
        let kept = pem::certificates(&identity(&cluster, &name)).expect("it is kept");
        Facts::of(&kept[0]).expect("it can be read").not_after <= std::time::SystemTime::now()
    };
    cluster.eventually("the certificate ends", ended).await;
    let log = turned_away(&cluster, cluster.agent_process(&cluster.link_url(), &name, "", &SMALL), &name).await;
    assert!(log.contains("certificate_expired") && log.contains("enclos agents token"), "{log}");
    let token = cluster.operate(&["agents", "token"], &[]).await;
    cluster.start_agent_at(&cluster.link_url(), &name, &token, &SMALL).await;
    cluster.shutdown().await;
}
