//! The catalogue: what was promised, item by item, and which program or test shows it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::programs;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalogue {
    item: Vec<Item>,
}

/// One promise of the threat model.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    /// Heading that it stands under.
    line: String,
    /// What hostile programs try, and what must come of it.
    item: String,
    /// Programs below `tests/programs/hostile`, by name or by the begin of it (`files/upload_`).
    #[serde(default)]
    programs: Vec<String>,
    /// Tests elsewhere, by the name of their function.
    #[serde(default)]
    tests: Vec<String>,
}

fn read() -> Vec<Item> {
    let place = programs::root().join("catalogue.toml");
    let text = std::fs::read_to_string(&place).expect("the catalogue can be read");
    let catalogue: Catalogue = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", place.display()));
    catalogue.item
}

/// The section of the page.
pub fn section() -> String {
    let mut section = "\n## The catalogue\n\n| line | what is tried | shown by |\n|---|---|---|\n".to_owned();
    for item in read() {
        let programs = item.programs.iter().map(|name| format!("`{name}`"));
        let tests = item.tests.iter().map(|name| format!("test `{name}`"));
        let by = programs.chain(tests).collect::<Vec<_>>().join(", ");
        section += &format!("| {} | {} | {by} |\n", item.line, item.item.replace('|', "\\|"));
    }
    section
}

fn rust_sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()) {
        if path.is_dir() && !path.ends_with("target") {
            rust_sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_item_of_the_catalogue_is_shown_by_something_that_is_there() {
    let mut sources = Vec::new();
    for folder in ["src", "protocol", "images", "supervisor", "worker-agent", "tests"] {
        rust_sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut sources);
    }
    let code: String = sources.iter().map(|p| std::fs::read_to_string(p).expect("sources can be read")).collect();
    let names = programs::names("hostile");
    let mut wrong = Vec::new();
    for item in read() {
        let about = format!("{}: {}", item.line, item.item);
        if item.programs.is_empty() && item.tests.is_empty() {
            wrong.push(format!("{about}: shown by nothing"));
        }
        let gone = |prefix: &&String| !names.iter().any(|name| name.starts_with(prefix.as_str()));
        wrong.extend(item.programs.iter().filter(gone).map(|p| format!("{about}: no program {p}")));
        let gone = |name: &&String| !code.contains(&format!("fn {name}("));
        wrong.extend(item.tests.iter().filter(gone).map(|t| format!("{about}: no test {t}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where the service itself is tried.
const SERVICE: &str = "Against the service";

#[test]
fn every_test_against_the_service_stands_in_the_catalogue() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let mut sources = vec![tests.join("refusals.rs")];
    rust_sources(&tests.join("abuse"), &mut sources);
    rust_sources(&tests.join("refusals"), &mut sources);
    let code: String = sources.iter().map(|p| std::fs::read_to_string(p).expect("sources can be read")).collect();
    // Behind the attribute, perhaps with others between, stands the function.
    let functions = code.split("test(flavor").skip(1).filter_map(|rest| rest.split_once("fn ")?.1.split('(').next());
    let functions: Vec<&str> = functions.collect();
    assert!(functions.len() > 20, "{functions:?}");
    let listed: Vec<String> = read().into_iter().filter(|i| i.line == SERVICE).flat_map(|i| i.tests).collect();
    let missing: Vec<_> = functions.iter().filter(|f| !listed.iter().any(|l| l == *f)).collect();
    assert!(missing.is_empty(), "not under '{SERVICE}': {missing:?}");
}
