//! Jobs with dependencies: to agents that install them, and back with what was installed.

use enclos_protocol::agent_link::FromAgent;
use enclos_protocol::dependencies::{Installed, Package, Wanted};
use enclos_protocol::job::JobReport;
use enclos_protocol::outcome::Outcome;
use serde_json::{Value, json};

use super::fake_agent::{FakeAgent, hello, report};
use super::{Running, TOKEN, python};

fn numpy() -> Value {
    let mut job = python();
    job["dependencies"] = json!({ "python": ["NumPy == 2.*"] });
    job
}

fn installed() -> Installed {
    let packages = vec![Package { name: "numpy".into(), version: "2.3.1\u{1b}[2J".into() }];
    Installed { installer: "python".into(), packages, cached: false, install_us: 5_000 }
}

#[tokio::test]
async fn a_job_with_dependencies_waits_for_an_agent_that_installs_them() {
    let (master, _dir) = Running::new().await;
    let mut without = hello("without");
    without.installs = false;
    let mut without = FakeAgent::connect(&master.link.to_string(), TOKEN, without).await.unwrap();
    let id = master.submit(&numpy()).await;
    let other = master.submit(&python()).await;
    without.answer_one(b"").await;
    assert_eq!(master.finished(&other).await["outcome"], "ok");
    assert_eq!(master.get(&format!("/v1/jobs/{id}")).await["state"], "queued");

    let mut with = master.agent("with").await;
    let (attempt, spec, _) = with.job().await;
    let wanted = Wanted { installer: "python".into(), requirements: vec!["numpy==2.*".into()] };
    assert_eq!(spec.dependencies, Some(wanted));
    with.send(FromAgent::Installing { attempt }).await.unwrap();
    // Answered in order, so the message before it was taken.
    with.heartbeat().await;
    let job = master.get(&format!("/v1/jobs/{id}")).await;
    assert_eq!((&job["state"], &job["step"]), (&json!("running"), &json!("install")), "{job:#}");

    let report = JobReport { dependencies: Some(installed()), ..report(Outcome::Ok, 0) };
    with.finish(attempt, report).await;
    assert!(with.verdict(attempt).await);
    let job = master.finished(&id).await;
    let told = json!({ "python": [{ "name": "numpy", "version": "2.3.1 [2J" }], "cached": false, "install_ms": 5 });
    assert_eq!((&job["dependencies"], &job["timing"]["install_ms"]), (&told, &json!(5)), "{job:#}");
    assert!(master.finished(&other).await.get("dependencies").is_none());
    master.end().await;
}

#[tokio::test]
async fn an_installer_is_told_with_its_language() {
    let (master, _dir) = Running::new().await;
    let listed = master.get("/v1/languages").await;
    let of =
        |id: &str| listed["languages"].as_array().unwrap().iter().find(|l| l["id"] == id).unwrap()["installer"].clone();
    assert_eq!((of("python"), of("c")), (json!("python"), Value::Null));
    master.end().await;
}
