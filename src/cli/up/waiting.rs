//! Until the agent has joined and its images are there: what it is doing, in lines.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::show::duration;
use crate::cli::terminal::{Spinner, Terminal, harmless_line, say};

/// Time between two looks at the agent.
const LOOK: Duration = Duration::from_millis(250);
/// Longest that the agent may take to join: it proves a sandbox first, for which it may have to make an image.
const JOIN_WAIT: Duration = Duration::from_secs(900);
/// An image that is not being made this long after the agent joined is made when a job needs it.
const ABSENT_WAIT: Duration = Duration::from_secs(3);
/// Where there is no spinner: time between two lines that say the same is still going on.
const REPEAT: Duration = Duration::from_secs(15);

/// How far one image is.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Image {
    Absent,
    Preparing(String),
    Ready,
    Failed(String),
}

/// Waits for the agent `name` and its images; the ids of the languages that jobs can run in.
///
/// # Errors
/// [`CliError`] when the agent does not join in time or the master is gone.
pub async fn until_ready(client: &Client, name: &str, terminal: Terminal) -> Result<Vec<String>, CliError> {
    let mut spinner = Spinner::new(terminal.stderr);
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (began, mut joined, mut repeated) = (Instant::now(), None, Instant::now());
    let mut shown: BTreeMap<String, Image> = BTreeMap::new();
    loop {
        looks.tick().await;
        let answer = client.get("/v1/agents").await?;
        let agent = answer["agents"].as_array().into_iter().flatten().find(|agent| agent["name"] == name);
        let Some(agent) = agent.filter(|agent| agent["state"] == "connected") else {
            if began.elapsed() > JOIN_WAIT {
                return Err(CliError::Service("the agent has not joined; its log is in the data directory".into()));
            }
            spinner.draw("the agent looks at its engine and proves a sandbox");
            continue;
        };
        let since = *joined.get_or_insert_with(|| {
            spinner.clear();
            say(&joined_line(agent));
            Instant::now()
        });
        let images = images_of(agent);
        for line in changes(&shown, &images) {
            spinner.clear();
            say(&line);
        }
        if settled(&images, since.elapsed()) {
            spinner.clear();
            return Ok(images.into_iter().filter(|(_, i)| !matches!(i, Image::Failed(_))).map(|(id, _)| id).collect());
        }
        let progress = progress_line(&images);
        spinner.draw(&format!("{progress} ({})", elapsed(since)));
        if !terminal.stderr && repeated.elapsed() > REPEAT {
            say(&format!("  {progress}, for {} now", elapsed(since)));
            repeated = Instant::now();
        }
        shown = images;
    }
}

fn elapsed(since: Instant) -> String {
    duration(since.elapsed().as_secs() * 1000)
}

fn joined_line(agent: &Value) -> String {
    let capacity = &agent["capacity"];
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    format!(
        "agent {} has joined: {} jobs at once, {} cores, {:.1} GiB, isolation {}",
        harmless_line(agent["name"].as_str().unwrap_or_default()),
        number(&capacity["slots"]),
        number(&capacity["cpus"]),
        number(&capacity["memory_bytes"]) / 1024.0 / 1024.0 / 1024.0,
        harmless_line(agent["isolation"].as_str().unwrap_or_default()),
    )
}

fn images_of(agent: &Value) -> BTreeMap<String, Image> {
    let text = |value: &Value| harmless_line(value.as_str().unwrap_or_default());
    let image = |language: &Value| match language["image"].as_str().unwrap_or_default() {
        "preparing" => Image::Preparing(text(&language["progress"])),
        "ready" => Image::Ready,
        "failed" => Image::Failed(text(&language["reason"])),
        _ => Image::Absent,
    };
    let languages = agent["languages"].as_array().into_iter().flatten();
    languages.map(|language| (text(&language["id"]), image(language))).collect()
}

/// What is to be said of the step from `before` to `now`: languages that come to the same share a line.
fn changes(before: &BTreeMap<String, Image>, now: &BTreeMap<String, Image>) -> Vec<String> {
    let mut lines: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (id, image) in now {
        let what = match (image, before.get(id)) {
            (Image::Ready, earlier) if earlier != Some(&Image::Ready) => "ready".to_owned(),
            (Image::Preparing(_), earlier) if !matches!(earlier, Some(Image::Preparing(_))) => "being made".to_owned(),
            (Image::Failed(reason), earlier) if earlier != Some(image) => format!("failed: {reason}"),
            _ => continue,
        };
        lines.entry(what).or_default().push(id);
    }
    lines.into_iter().map(|(what, ids)| format!("image of {}: {what}", ids.join(", "))).collect()
}

fn settled(images: &BTreeMap<String, Image>, since_joined: Duration) -> bool {
    images.values().all(|image| match image {
        Image::Ready | Image::Failed(_) => true,
        Image::Preparing(_) => false,
        Image::Absent => since_joined >= ABSENT_WAIT,
    })
}

fn progress_line(images: &BTreeMap<String, Image>) -> String {
    let mut parts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, image) in images {
        if let Image::Preparing(progress) = image {
            parts.entry(progress).or_default().push(id);
        }
    }
    let parts: Vec<String> = parts.into_iter().map(|(what, ids)| format!("{}: {what}", ids.join(", "))).collect();
    if parts.is_empty() { "images wait for their turn".to_owned() } else { parts.join(" · ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn agent(c: &str, java: &str) -> Value {
        let language =
            |id: &str, image: &str| json!({ "id": id, "image": image, "progress": "step 2", "reason": "no disk" });
        json!({ "name": "local", "isolation": "runc", "capacity": { "slots": 4, "cpus": 2.0, "memory_bytes": 3u64 << 30 },
            "languages": [language("c", c), language("cpp", c), language("java", java)] })
    }

    #[test]
    fn only_changes_are_said_and_languages_share_a_line() {
        let first = images_of(&agent("preparing", "absent"));
        let second = images_of(&agent("ready", "failed"));
        assert_eq!(changes(&BTreeMap::new(), &first), ["image of c, cpp: being made"]);
        assert!(changes(&first, &first).is_empty());
        assert_eq!(changes(&first, &second), ["image of java: failed: no disk", "image of c, cpp: ready"]);
        assert_eq!(progress_line(&first), "c, cpp: step 2");
    }

    #[test]
    fn an_image_that_nobody_makes_is_not_waited_for() {
        let absent = images_of(&agent("ready", "absent"));
        assert!(!settled(&absent, Duration::ZERO));
        assert!(settled(&absent, ABSENT_WAIT));
        assert!(!settled(&images_of(&agent("ready", "preparing")), JOIN_WAIT));
        assert!(settled(&images_of(&agent("ready", "failed")), Duration::ZERO));
    }

    #[test]
    fn the_agent_is_introduced_in_a_line() {
        assert_eq!(
            joined_line(&agent("ready", "ready")),
            "agent local has joined: 4 jobs at once, 2 cores, 3.0 GiB, isolation runc"
        );
    }
}
