//! What came of a language's smoke programs, as it is kept for `docs/LANGUAGES.md`.

use std::fmt;
use std::path::PathBuf;

use enclos_images::Language;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::process::Command;

use super::data;
use crate::cluster::program;
use crate::programs::Program;

/// A whole run of one language in which all went right.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Its id.
    pub language: String,
    /// Day on which it was run, UTC.
    pub date: String,
    /// First line of what its toolchain says.
    pub version: String,
    /// Name of its image.
    pub image: String,
    /// Size of the sandbox image, the base included.
    pub image_bytes: u64,
    /// From submission to end of `hello` in a new sandbox.
    pub cold_ms: u64,
    /// The same in a sandbox that is there.
    pub warm_ms: u64,
    /// Its programs, by name.
    pub entries: Vec<Entry>,
}

/// One program.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Which of the smoke programs.
    pub name: String,
    /// What it came to.
    pub outcome: String,
    /// Time of its run, or of its compile step where there was none.
    pub wall_ms: u64,
}

impl Entry {
    /// What `job` came to.
    pub fn of(program: &Program, job: &Value) -> Self {
        let last = if job["run"].is_object() { &job["run"] } else { &job["compile"] };
        Self {
            name: program.name().rsplit('/').next().unwrap_or_default().to_owned(),
            outcome: job["outcome"].as_str().unwrap_or("refused").to_owned(),
            wall_ms: last["wall_ms"].as_u64().unwrap_or(0),
        }
    }
}

impl Record {
    /// Of a run that just ended; times are those of `hello`, cold and warm.
    pub async fn new(
        language: &Language,
        version: String,
        image_bytes: u64,
        [cold_ms, warm_ms]: [u64; 2],
        entries: Vec<Entry>,
    ) -> Self {
        let date = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC).date().to_string();
        let (language, image) = (language.id.clone(), language.image.clone());
        Self { language, date, version, image, image_bytes, cold_ms, warm_ms, entries }
    }

    /// Keeps it for the page.
    pub fn keep(&self) {
        let path = place(&self.language);
        std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("the folder can be made");
        let text = serde_json::to_string_pretty(self).expect("results are plain data");
        std::fs::write(&path, text).expect("the results can be written");
    }

    /// The last that was kept of a language.
    pub fn kept(language: &str) -> Option<Self> {
        let text = std::fs::read_to_string(place(language)).ok()?;
        Some(serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", place(language).display())))
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, image_bytes, cold_ms, warm_ms, .. } = self;
        write!(f, "{version}, {} MB, cold {cold_ms} ms, warm {warm_ms} ms:", image_bytes / 1_000_000)?;
        self.entries.iter().try_for_each(|e| write!(f, " {} {} {} ms,", e.name, e.outcome, e.wall_ms))
    }
}

/// `target/languages/<id>.json`, beside the programs under test.
fn place(language: &str) -> PathBuf {
    let target = program("enclos").ancestors().nth(2).expect("it is in target/<profile>").to_owned();
    target.join("languages").join(format!("{language}.json"))
}

/// Size of a sandbox image as the agent's own command lists it.
pub async fn image_bytes(image: &str) -> u64 {
    let mut list = Command::new(program("enclos-agent"));
    let output = list.args(["images", "list", "--json", "--images-dir"]).arg(data::root()).output().await;
    let output = output.expect("the command starts");
    let listed: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    let images = listed["images"].as_array().expect("it lists images");
    let found = images.iter().find(|i| i["name"] == image).and_then(|i| i["size_bytes"].as_u64());
    found.unwrap_or_else(|| panic!("{image} is listed with its size: {listed:#}"))
}
