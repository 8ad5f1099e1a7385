//! `docs/LANGUAGES.md`: the languages, and what came of their smoke programs, rendered from kept results.
//!
//! In every run the page is held against the languages and programs that are there: it tells
//! nothing that is not so. A language that was not run yet is not on it, so that one is added by its folder alone.
//! `ENCLOS_RENDER_LANGUAGES=1` writes it anew from the results of the long test, language by
//! language: a row without a new result stays.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::data::{self, Kinds, Smoke};
use super::record::Record;

/// Set to write the page.
const RENDER: &str = "ENCLOS_RENDER_LANGUAGES";

const HEAD: &str = "\
# Languages

Each is data below `images/`: how its image is made, how it compiles and runs, and the
smoke programs below. An agent offers all, makes the images that its operator lists
(`--images`, `--languages`; else those marked •) when it starts, and every other one
when a job first needs it.

This page is rendered from results (`tests/it/smoke/page.rs`), and a test holds it
against the languages that are there. Times are of `hello` from submission to end,
with its compile step, the middle of three: **cold** in a sandbox that is made for it,
**warm** in one that is there. Sizes include the base (79 MB) and layers that images share.

| command | runs |
|---|---|
| `make test` | the images gcc, node, openjdk, python, scripting |
| `make test-full` | every language |
| `ENCLOS_SMOKE=go,ru cargo nextest run -p enclos --test it --run-ignored all smoke_programs_of_every` | those whose ids begin so |
| `ENCLOS_RENDER_LANGUAGES=1 cargo nextest run -p enclos --test it languages_are_those` | renders this page |
";

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/LANGUAGES.md")
}

fn row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// Rows of the page that begin with the id of a language, by that id.
fn rows(page: &str) -> BTreeMap<String, String> {
    let ids = page.lines().filter(|line| line.starts_with("| `"));
    ids.filter_map(|line| Some((line.split('`').nth(1)?.to_owned(), format!("{line}\n")))).collect()
}

/// What is known of a language without running it.
fn head_of(smoke: &Smoke) -> String {
    let language = &smoke.language;
    let core = if language.at_start { " •" } else { "" };
    let aliases: Vec<String> = language.aliases.iter().map(|alias| format!("`{alias}`")).collect();
    row(&[format!("`{}`{core}", language.id), cell(&language.name), aliases.join(" ")])
}

/// A language's row of results.
fn result_of(smoke: &Smoke, kinds: &Kinds, record: &Record) -> String {
    let Record { version, image, image_bytes, cold_ms, warm_ms, .. } = record;
    let size = format!("{} MB", image_bytes / 1_000_000);
    let mut cells = vec![format!("`{}`", smoke.language.id), cell(version), image.clone(), size];
    cells.extend([format!("{cold_ms} ms"), format!("{warm_ms} ms")]);
    for (kind, _) in kinds.purposes() {
        let came = record.entries.iter().find(|e| e.name == kind);
        cells.push(match came {
            Some(entry) => format!("{} ms", entry.wall_ms),
            None if smoke.skipped.contains_key(kind) => "–".to_owned(),
            None => "not run".to_owned(),
        });
    }
    row(&cells)
}

fn ruled(titles: &[String]) -> String {
    format!("{}{}", row(titles), row(&vec!["---".to_owned(); titles.len()]).replace(' ', ""))
}

/// The page up to the results: the same in every rendering of the same languages.
fn known(all: &[Smoke], kinds: &Kinds) -> String {
    let mut page = format!("{HEAD}\n## Names\n\n");
    page += &ruled(&["id", "language", "aliases"].map(str::to_owned));
    all.iter().for_each(|smoke| page += &head_of(smoke));
    page += "\n## Smoke programs\n\nWhat each must come to is in `images/smoke.toml`. One that a language has not is told with the reason.\n\n";
    page += &ruled(&["program", "is one that"].map(str::to_owned));
    for (kind, about) in kinds.purposes() {
        page += &row(&[kind.to_owned(), about.to_owned()]);
    }
    let mut reasons: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for smoke in all {
        for (kind, why) in &smoke.skipped {
            reasons.entry((kind, why)).or_default().push(&smoke.language.id);
        }
    }
    page += "\n";
    for ((kind, why), ids) in reasons {
        let _infallible = writeln!(page, "- no `{kind}`: {} ({why})", ids.join(", "));
    }
    page
}

/// The rows of results.
fn results(page: &str) -> BTreeMap<String, String> {
    rows(page.split("## Languages × smoke").nth(1).unwrap_or_default())
}

/// Those of `all` that were run: now, or when the page was last written.
fn render(mut all: Vec<Smoke>, kinds: &Kinds, old: &str) -> String {
    let before = results(old);
    let new = |smoke: &Smoke| Record::kept(&smoke.language.id).map(|record| result_of(smoke, kinds, &record));
    let row_of = |smoke: &Smoke| new(smoke).or_else(|| before.get(&smoke.language.id).cloned());
    all.retain(|smoke| row_of(smoke).is_some());
    let mut page = known(&all, kinds);
    page += "\n## Languages × smoke\n\nEvery program that has a time came to what it must; the time is that of its run.\n\n";
    let titles = ["id", "version", "image", "size", "cold", "warm"].map(str::to_owned);
    page += &ruled(&titles.into_iter().chain(kinds.purposes().map(|(kind, _)| kind.to_owned())).collect::<Vec<_>>());
    all.iter().filter_map(row_of).for_each(|row| page += &row);
    page
}

/// What of the page is not so. It may lack languages, but not one of the core.
fn stale(page: &str, mut all: Vec<Smoke>, kinds: &Kinds) -> Vec<String> {
    let mut wrong = Vec::new();
    let listed = results(page);
    let gone = listed.keys().filter(|id| !all.iter().any(|smoke| smoke.language.id == **id));
    wrong.extend(gone.map(|id| format!("lists {id}, which is not there")));
    all.retain(|smoke| smoke.language.at_start || listed.contains_key(&smoke.language.id));
    if !page.contains(&known(&all, kinds)) {
        wrong.push("names, aliases or programs are not as they would be rendered".to_owned());
    }
    let columns = 6 + kinds.purposes().count();
    for Smoke { language, skipped, .. } in &all {
        let row = listed.get(&language.id).map(String::as_str).unwrap_or_default().trim();
        let cells: Vec<&str> = row.trim_start_matches("| ").trim_end_matches(" |").split(" | ").collect();
        let ran = cells.len() == columns && cells.iter().filter(|c| **c == "–").count() == skipped.len();
        if !ran || cells.contains(&"not run") {
            wrong.push(format!("{} has no row with all of its results", language.id));
        }
    }
    wrong
}

#[test]
fn published_languages_are_those_that_are_there() {
    let kinds = Kinds::read();
    let all = || data::catalogue().languages().iter().map(|l| Smoke::of(l, &kinds)).collect::<Vec<_>>();
    let mut page = std::fs::read_to_string(place()).unwrap_or_default();
    if std::env::var_os(RENDER).is_some() {
        page = render(all(), &kinds, &page);
        std::fs::write(place(), &page).expect("the page can be written");
    }
    let wrong = stale(&page, all(), &kinds);
    assert!(wrong.is_empty(), "docs/LANGUAGES.md is stale, render it ({RENDER}=1):\n{}", wrong.join("\n"));
    let listed = results(&page);
    let missing = all().into_iter().map(|s| s.language.id).filter(|id| !listed.contains_key(id));
    println!("not on the page until they are run: {:?}", missing.collect::<Vec<_>>());
}

#[test]
fn a_page_that_tells_what_is_not_so_is_stale() {
    let kinds = Kinds::read();
    let all = || data::catalogue().languages().iter().map(|l| Smoke::of(l, &kinds)).collect::<Vec<_>>();
    let page = std::fs::read_to_string(place()).expect("the page is there");
    let row = results(&page).remove("c").expect("C is of the core");
    assert_eq!(stale(&page.replace(&row, ""), all(), &kinds).len(), 1, "a row of the core is missing");
    assert_eq!(stale(&page.replace("`golang`", "`gopher`"), all(), &kinds).len(), 1, "another alias");
    let other = row.replace("`c`", "`klingon`");
    assert_eq!(stale(&format!("{page}{other}"), all(), &kinds).len(), 1, "a language that is not there");
    let less = row.rsplitn(3, " | ").last().expect("several cells").to_owned() + " |\n";
    assert_eq!(stale(&page.replace(&row, &less), all(), &kinds).len(), 1, "a row with less");
}
