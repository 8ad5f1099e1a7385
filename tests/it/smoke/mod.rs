//! Every language by its smoke programs, as `images/` tells them, through HTTP, queue, agent and container.
//!
//! A few images are run by every `make test`, all of them by `make test-full`. What came of it is
//! kept, and `docs/LANGUAGES.md` is rendered from that.

mod data;
mod lazy;
mod page;
mod record;

use enclos_images::{Catalogue, Language};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::programs;
use data::{Kinds, Smoke};
use record::{Entry, Record};

/// Images whose languages every `make test` runs; `scripts/test.sh` makes them.
const QUICK: [&str; 5] = ["gcc", "node", "openjdk", "python", "scripting"];
/// Begins of the ids of the languages to run, with commas, instead of all.
const CHOSEN: &str = "ENCLOS_SMOKE";
/// Runs that a time is the middle of.
const TIMES: usize = 3;

/// A cluster on the images as they are told now, with an agent that makes each on first use.
async fn cluster(agent: &[&str]) -> Cluster {
    let root = data::root().display().to_string();
    let images = ["--images-dir", &root];
    let mut cluster = Cluster::master_with(&images).await;
    cluster.start_agent(&[&images, &["--warm", "0"], agent].concat()).await;
    cluster
}

fn chosen(catalogue: &Catalogue) -> Vec<&Language> {
    let asked = std::env::var(CHOSEN).unwrap_or_default();
    let wanted = |id: &str| asked.is_empty() || asked.split(',').any(|begin| id.starts_with(begin));
    catalogue.languages().iter().filter(|language| wanted(&language.id)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn smoke_programs_of_the_quick_images_come_to_what_they_must() {
    let catalogue = data::catalogue();
    let kinds = Kinds::read();
    let cluster = cluster(&["--slots", "2"]).await;
    for language in catalogue.languages().iter().filter(|l| QUICK.contains(&l.image.as_str())) {
        let smoke = Smoke::of(language, &kinds);
        programs::check_all(&cluster, &smoke.programs, &json!({})).await;
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "makes the image of every language"]
async fn smoke_programs_of_every_language_come_to_what_they_must() {
    let catalogue = data::catalogue();
    let kinds = Kinds::read();
    // Times are of steps that really ran: nothing of what a compiler did is remembered.
    let cluster = cluster(&["--slots", "1", "--compile-cache-bytes", "0"]).await;
    let mut failures = Vec::new();
    let mut count = 0;
    for language in chosen(&catalogue) {
        let smoke = Smoke::of(language, &kinds);
        count += smoke.programs.len();
        match measure(&cluster, &smoke).await {
            Ok((record, wrong)) => {
                println!("{}: {record}", language.id);
                if wrong.is_empty() {
                    record.keep();
                }
                failures.extend(wrong);
            }
            Err(wrong) => failures.push(wrong),
        }
    }
    programs::fail_with(&failures, count, &cluster);
    cluster.shutdown().await;
}

/// Runs all programs of a language; its record, and what was wrong. An error: it cannot be run at all.
async fn measure(cluster: &Cluster, smoke: &Smoke) -> Result<(Record, Vec<String>), String> {
    let id = &smoke.language.id;
    println!("{id}: begins");
    let hello = smoke.programs.iter().find(|p| p.name().ends_with("/hello")).expect("every language has it");
    let told = |wrong: Option<String>| wrong.map_or(Ok(()), |wrong| Err(format!("{id}/hello: {wrong}")));
    // The first has the image made.
    let (first, wrong) = lazy::patiently(cluster, &hello.submission(&json!({})), hello).await;
    told(wrong)?;
    let times = async |reuse: &str| {
        let mut all = Vec::new();
        for _ in 0..TIMES {
            let (job, wrong) = hello.run(cluster, &json!({ "reuse": reuse })).await;
            told(wrong)?;
            all.push(job["timing"]["total_ms"].as_u64().expect("it was measured"));
        }
        all.sort_unstable();
        Ok::<u64, String>(all[TIMES / 2])
    };
    let (cold_ms, warm_ms) = (times("never").await?, times("tenant").await?);
    let (mut entries, mut wrong) = (Vec::new(), Vec::new());
    for program in &smoke.programs {
        let (job, differs) = program.run(cluster, &json!({})).await;
        wrong.extend(differs.map(|differs| format!("{}: {differs}", program.name())));
        entries.push(Entry::of(program, &job));
    }
    let version = version(cluster, id).await;
    let image_bytes = record::image_bytes(&smoke.language.image).await;
    let record = Record::new(&smoke.language, version, image_bytes, [cold_ms, warm_ms], entries).await;
    assert_eq!(first["outcome"], "ok");
    Ok((record, wrong))
}

async fn version(cluster: &Cluster, id: &str) -> String {
    let listed = cluster.get("/v1/languages").await;
    let of =
        |all: &Vec<Value>| all.iter().find(|l| l["id"] == id).and_then(|l| l["version"].as_str().map(str::to_owned));
    listed["languages"].as_array().and_then(of).unwrap_or_default()
}
