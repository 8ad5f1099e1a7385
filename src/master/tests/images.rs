//! Images that are made on first use, as clients see it.

use enclos_protocol::agent_link::{ImageState, LoadReport};
use enclos_protocol::outcome::Outcome;
use futures::StreamExt as _;
use serde_json::{Value, json};

use super::fake_agent::{FakeAgent, hello, load, report};
use super::{Running, TOKEN, python};

fn with_python(image: ImageState) -> LoadReport {
    let mut load = load();
    load.languages.retain(|language| language.id == "python" || language.id == "c");
    load.languages.iter_mut().filter(|l| l.id == "python").for_each(|l| l.image = image.clone());
    load
}

fn preparing(progress: &str) -> ImageState {
    ImageState::Preparing { progress: progress.into() }
}

async fn agent_with(master: &Running, image: ImageState) -> FakeAgent {
    let hello = enclos_protocol::agent_link::Hello { load: with_python(image), ..hello("lazy") };
    FakeAgent::connect(&master.link.to_string(), TOKEN, hello).await.unwrap()
}

async fn image_of_python(master: &Running) -> Value {
    let listed = master.get("/v1/languages").await;
    let languages = listed["languages"].as_array().unwrap();
    languages.iter().find(|l| l["id"] == "python").unwrap()["image"].clone()
}

#[tokio::test]
async fn a_job_shows_how_far_the_image_is_that_it_waits_for() {
    let (master, _dir) = Running::new().await;
    let mut agent = agent_with(&master, ImageState::Absent).await;
    assert_eq!(image_of_python(&master).await["state"], "absent");
    let id = master.submit(&python()).await;
    let (attempt, ..) = agent.job().await;
    let shown = async || {
        let job = master.get(&format!("/v1/jobs/{id}")).await;
        [&job["state"], &job["step"], &job["progress"]].map(Clone::clone)
    };
    for progress in ["step 1/4 RUN apt-get", "step 2/4 COPY"] {
        agent.heartbeat_with(with_python(preparing(progress))).await;
        assert_eq!(shown().await, [json!("running"), json!("image"), json!(progress)]);
        let image = image_of_python(&master).await;
        assert_eq!((&image["state"], &image["progress"]), (&json!("building"), &json!(progress)));
    }
    agent.heartbeat().await;
    assert_eq!(shown().await, [json!("running"), Value::Null, Value::Null]);
    assert_eq!(image_of_python(&master).await["state"], "ready");
    agent.finish(attempt, report(Outcome::Ok, 0)).await;
    assert_eq!(master.finished(&id).await["outcome"], "ok");
    master.end().await;
}

#[tokio::test]
async fn whoever_watches_is_told_of_each_step_of_the_image() {
    let (master, _dir) = Running::new().await;
    let mut agent = agent_with(&master, ImageState::Absent).await;
    let id = master.submit(&python()).await;
    let (attempt, ..) = agent.job().await;
    let events = master.http.get(format!("{}/v1/jobs/{id}/events", master.url)).send().await.unwrap();
    let mut events = events.bytes_stream();
    let mut told = String::new();
    for progress in ["pulls it", "step 1/1 RUN x"] {
        agent.heartbeat_with(with_python(preparing(progress))).await;
        let event = format!("\"step\":\"image\",\"progress\":\"{progress}\"");
        while !told.contains(&event) {
            told += std::str::from_utf8(&events.next().await.expect("it goes on").unwrap()).unwrap();
        }
    }
    agent.heartbeat().await;
    agent.finish(attempt, report(Outcome::Ok, 0)).await;
    while !told.contains("event: finished") {
        told += std::str::from_utf8(&events.next().await.expect("it goes on").unwrap()).unwrap();
    }
    master.end().await;
}

#[tokio::test]
async fn one_job_waits_for_an_image_and_the_others_leave_the_room_to_who_can_run() {
    let (master, _dir) = Running::new().await;
    let mut agent = agent_with(&master, ImageState::Absent).await;
    let first = master.submit(&python()).await;
    let (attempt, ..) = agent.job().await;
    agent.heartbeat_with(with_python(preparing("step 1/4"))).await;
    let mut waiting = Vec::new();
    for _ in 0..5 {
        waiting.push(master.submit(&python()).await);
    }
    // As many as the agent has slots: with room for one less they would not all be there at once.
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(master.submit(&json!({ "language": "c", "source": "int main(void) { return 0; }" })).await);
    }
    for id in &others {
        let (attempt, spec, _) = agent.job().await;
        assert_eq!(spec.language, "c");
        agent.finish(attempt, report(Outcome::Ok, 0)).await;
        assert_eq!(master.finished(id).await["outcome"], "ok");
    }
    for id in &waiting {
        assert_eq!(master.get(&format!("/v1/jobs/{id}")).await["state"], "queued");
    }
    agent.heartbeat_with(with_python(ImageState::Ready)).await;
    agent.finish(attempt, report(Outcome::Ok, 0)).await;
    assert_eq!(master.finished(&first).await["outcome"], "ok");
    for _ in &waiting {
        let (attempt, ..) = agent.job().await;
        agent.finish(attempt, report(Outcome::Ok, 0)).await;
    }
    for id in &waiting {
        assert_eq!(master.finished(id).await["outcome"], "ok");
    }
    master.end().await;
}
