//! Images that are made while the job waits, as its client sees it.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::data;
use crate::cluster::{Cluster, source};
use crate::engine;
use crate::programs::Program;
use crate::watch::events;

/// Longest that an image may take to be made, on a machine that does much else.
const MADE_WITHIN: Duration = Duration::from_secs(25 * 60);

/// Runs a program whose image may have to be made first; the job, and what is not as it must be.
pub async fn patiently(cluster: &Cluster, submission: &Value, program: &Program) -> (Value, Option<String>) {
    let (status, answer) = cluster.post(submission).await;
    let Some(id) = answer["id"].as_str().filter(|_| status == 201) else {
        return (Value::Null, Some(format!("not admitted: {status} {answer:#}")));
    };
    let deadline = Instant::now() + MADE_WITHIN;
    loop {
        let job = cluster.get(&format!("/v1/jobs/{id}?wait_ms=10000")).await;
        if job["state"] == "finished" {
            let wrong = program.wrong_with(&job);
            return (job, wrong);
        }
        if Instant::now() > deadline {
            return (job, Some(format!("the image was not made within {MADE_WITHIN:?}")));
        }
    }
}

/// What making the image of the language `late` takes at least, in seconds: jobs of others come and go meanwhile.
const LATE_S: u32 = 20;

/// A folder of images: the base, one that is there, and one that takes long and was never made.
fn images_with_a_late_one(root: &Path) {
    let copy = |image: &str| {
        std::fs::create_dir(root.join(image)).expect("a folder can be made");
        for entry in std::fs::read_dir(data::root().join(image)).expect("the folder can be read").flatten() {
            if entry.path().is_file() {
                std::fs::copy(entry.path(), root.join(image).join(entry.file_name())).expect("it can be copied");
            }
        }
    };
    ["base", "scripting"].into_iter().for_each(copy);
    let late = root.join("late");
    std::fs::create_dir(&late).expect("a folder can be made");
    // The engine makes nothing twice, so that each run has a step of its own.
    let step = format!("RUN echo {} && ! timeout {LATE_S} tail -f /dev/null", uuid::Uuid::now_v7());
    std::fs::write(late.join("Dockerfile"), format!("ARG BASE\nFROM ${{BASE}}\n{step}\n")).expect("it can be written");
    let language = "[[language]]\nid = \"late\"\nname = \"Late\"\nextensions = [\"late\"]\nentry = \"main.late\"\n\
        version_command = [\"sh\", \"-c\", \"echo late\"]\nrun.command = [\"sh\", \"{entry}\"]\n";
    std::fs::write(late.join("language.toml"), language).expect("it can be written");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_made_while_its_job_waits_and_others_run() {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    images_with_a_late_one(root.path());
    let images = ["--images-dir", &root.path().display().to_string()];
    let mut cluster = Cluster::master_with(&images).await;
    // No step needs a network, so that this is shown where the engine has none, too.
    let agent = ["--images", "none", "--slots", "2", "--build-network", "none"];
    cluster.start_agent(&[&images[..], &agent].concat()).await;

    let late = source("late", "echo made");
    let first = cluster.submit(&late).await;
    let is_told =
        |data: &Value| data["step"] == "image" && data["progress"].as_str().is_some_and(|p| p.contains("RUN"));
    let told = events(&cluster, &first, None, |event| is_told(&event.data)).await;
    assert!(told.iter().any(|event| is_told(&event.data)), "its watcher is told");
    // The agent has two slots: if a second job waited in the other, nothing could run.
    let second = cluster.submit(&late).await;
    let other = cluster.run(&source("bash", "echo here")).await;
    assert_eq!(other["run"]["stdout"], "here\n", "{other:#}");
    let job = cluster.get(&format!("/v1/jobs/{first}")).await;
    assert!(job["state"] == "running" && is_told(&job), "{job:#}");
    assert_eq!(cluster.get(&format!("/v1/jobs/{second}")).await["state"], "queued");
    let listed = cluster.get("/v1/languages").await;
    let language = listed["languages"].as_array().and_then(|all| all.iter().find(|l| l["id"] == "late"));
    assert_eq!(language.expect("it is listed")["image"]["state"], "building");

    for id in [first, second] {
        assert_eq!(cluster.finished(&id).await["run"]["stdout"], json!("made\n"));
    }
    cluster.shutdown().await;
    engine::remove_images_of("late").await;
}
