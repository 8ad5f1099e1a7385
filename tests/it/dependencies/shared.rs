//! Who shares an installation, and who does not.

use std::collections::BTreeSet;

use serde_json::json;

use crate::cluster::Cluster;
use crate::engine;

use super::index::Index;
use super::wheel::Wheel;
use super::{end, installed, job, scoped, stdout, with_index};

fn greeting() -> Wheel {
    Wheel::new("greeting", "1.0", "def greet(): return 'hello'\n")
}

const GREET: &str = "import greeting\nprint(greeting.greet())\n";

#[tokio::test(flavor = "multi_thread")]
async fn scopes_do_not_share_an_image_and_a_scope_shares_its_own() {
    let index = Index::of(&[greeting()]).await;
    let cluster = with_index(&index, &[]).await;
    let mut seen = Vec::new();
    for (scope, cached) in [("ann", false), ("bob", false), ("ann", true)] {
        let job = cluster.run(&scoped(scope, GREET, &["greeting"])).await;
        assert_eq!(stdout(&job), "hello\n", "{job:#}\n{}", cluster.logs());
        assert_eq!(job["dependencies"]["cached"], cached, "{scope}: {job:#}");
        seen.push(job["dependencies"].clone());
    }
    let images: BTreeSet<String> = engine::derived_of(&cluster.agents[0].name).await;
    assert_eq!(images.len(), 2, "{seen:#?}");
    assert_eq!(index.asked("/files/"), 2, "each for itself");
    end(cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_installation_serves_all_who_wait_for_it_and_is_seen_meanwhile() {
    let index = Index::of(&[greeting()]).await;
    let cluster = with_index(&index, &[]).await;
    index.open(false);
    let mut ids = Vec::new();
    for _ in 0..3 {
        let mut job = job(GREET, &["greeting"]);
        // All three at once on a machine with two cores.
        job["limits"] = json!({ "run": { "cpus": 0.5 } });
        ids.push(cluster.submit(&job).await);
    }
    for id in &ids {
        let path = format!("/v1/jobs/{id}");
        cluster
            .eventually("its dependencies are being installed", || async {
                let job = cluster.get(&path).await;
                (&job["state"], &job["step"]) == (&json!("running"), &json!("install"))
            })
            .await;
    }
    index.open(true);
    for id in &ids {
        let job = cluster.finished(id).await;
        assert_eq!((stdout(&job), &job["dependencies"]["cached"]), ("hello\n", &json!(false)), "{job:#}");
    }
    assert_eq!(index.asked("/files/"), 1);
    end(cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_that_nobody_waits_for_leaves_nothing() {
    let index = Index::of(&[greeting()]).await;
    let cluster = with_index(&index, &[]).await;
    let agent = cluster.agents[0].name.clone();
    index.open(false);
    let id = cluster.submit(&job(GREET, &["greeting"])).await;
    cluster.eventually("the index is asked", || async { index.asked("/simple/greeting/") > 0 }).await;
    cluster.cancel(&id).await;
    assert_eq!(cluster.finished(&id).await["outcome"], "cancelled");
    cluster.eventually("its builder is gone", || async { engine::containers_of(&agent).await.is_empty() }).await;
    index.open(true);
    let job = cluster.run(&job(GREET, &["greeting"])).await;
    assert_eq!(stdout(&job), "hello\n", "{job:#}\n{}", cluster.logs());
    end(cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_installed_is_there_after_a_restart_until_too_much_is() {
    let other = Wheel::new("other", "2.0", "").requires("greeting<2");
    let index = Index::of(&[greeting(), other]).await;
    let args = ["--dependency-images", "1", "--reuse", "never"];
    let mut cluster = with_index(&index, &args).await;
    assert_eq!(stdout(&cluster.run(&job(GREET, &["greeting"])).await), "hello\n");
    let agent = cluster.agents.remove(0);
    let name = agent.name.clone();
    agent.end(&cluster.logs()).await;
    let flag = index.flag();
    let args = [&["--slots", "1", "--languages", "python", "--warm", "0", flag.as_str()], &args[..]].concat();
    cluster.start_agent_named(&name, &args).await;
    let again = cluster.run(&job(GREET, &["greeting"])).await;
    assert_eq!((stdout(&again), &again["dependencies"]["cached"]), ("hello\n", &json!(true)), "{again:#}");
    assert_eq!(installed(&again), ["greeting 1.0"]);

    let first = engine::derived_of(&name).await;
    let more = cluster.run(&job(GREET, &["other"])).await;
    let mut packages = installed(&more);
    packages.sort();
    assert_eq!((stdout(&more), packages), ("hello\n", vec!["greeting 1.0".to_owned(), "other 2.0".to_owned()]));
    cluster
        .eventually("the image that was used longest ago is gone", || async {
            let left = engine::derived_of(&name).await;
            left.len() == 1 && left.is_disjoint(&first)
        })
        .await;
    end(cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_someone_removed_is_made_again() {
    let index = Index::of(&[greeting()]).await;
    let cluster = with_index(&index, &["--reuse", "never"]).await;
    let name = cluster.agents[0].name.clone();
    assert_eq!(stdout(&cluster.run(&job(GREET, &["greeting"])).await), "hello\n");
    cluster.eventually("no sandbox holds it", || async { engine::containers_of(&name).await.is_empty() }).await;
    engine::remove_derived_of(&name).await;
    let again = cluster.run(&job(GREET, &["greeting"])).await;
    assert_eq!((stdout(&again), &again["dependencies"]["cached"]), ("hello\n", &json!(false)), "{again:#}");
    end(cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_does_not_answer_is_our_failure_and_not_the_jobs() {
    let gone = "--package-index=python=http://127.0.0.1:9/simple/";
    let cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "python", "--warm", "0", gone]]).await;
    let job = cluster.run(&job("print(1)", &["greeting"])).await;
    assert_eq!((&job["outcome"], &job["attempts"]), (&json!("internal_error"), &json!(3)), "{job:#}");
    let message = job["message"].as_str().unwrap();
    assert!(message.contains("the package index cannot be reached: 127.0.0.1:9"), "{job:#}");
    end(cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_can_deny_dependencies() {
    let cluster = Cluster::master_with(&["--dependencies", "deny"]).await;
    let answer = cluster.http.post(format!("{}/v1/jobs", cluster.url)).json(&job("", &["greeting"])).send().await;
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 403);
    let problem: serde_json::Value = answer.json().await.unwrap();
    assert_eq!((&problem["code"], &problem["field"]), (&json!("dependencies_denied"), &json!("dependencies")));
    let listed = cluster.get("/v1/languages").await;
    assert!(!listed.to_string().contains("installer"), "{listed:#}");
    cluster.shutdown().await;
}
