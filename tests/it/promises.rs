//! SECURITY.md keeps its word: every promise names tests, and every test that it names is there.

use std::path::Path;

use crate::tidy::{read, root, rust_files};

/// Where the table begins.
const HEADING: &str = "## Promises, and the tests that hold them";

/// Rows that are none: the head, and what divides the table.
const NO_PROMISE: [&str; 2] = ["| promise |", "| **"];

/// One row: the promise, and what stands between backticks in its second column.
fn rows(page: &str) -> Vec<(String, Vec<String>)> {
    let table = page.split_once(HEADING).expect("SECURITY.md has the table of promises").1;
    let lines = table.lines().filter(|line| line.starts_with("| ") && !NO_PROMISE.iter().any(|n| line.starts_with(n)));
    lines
        .map(|line| {
            let mut columns = line.trim_matches('|').split(" | ");
            let promise = columns.next().unwrap_or_default().trim().to_owned();
            let tests = columns.next().unwrap_or_default();
            (promise, tests.split('`').skip(1).step_by(2).map(str::to_owned).collect())
        })
        .collect()
}

/// A folder of programs (`hostile/time`), one program, or a test function of any crate.
fn is_there(name: &str, sources: &[String]) -> bool {
    if name.contains('/') {
        return root().join("tests/programs").join(name).is_dir() || root().join(name).is_file();
    }
    let function = name.rsplit("::").next().unwrap_or(name);
    sources.iter().any(|text| text.contains(&format!("fn {function}(")))
}

#[test]
fn every_promise_names_tests_that_are_there() {
    let sources: Vec<String> = rust_files().iter().map(|path| read(path)).collect();
    let rows = rows(&read(Path::new("SECURITY.md")));
    let mut wrong = Vec::new();
    for (promise, tests) in &rows {
        if tests.is_empty() {
            wrong.push(format!("{promise}: no test"));
        }
        wrong.extend(tests.iter().filter(|t| !is_there(t, &sources)).map(|t| format!("{promise}: no {t}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rows.len() >= PROMISES_MIN, "the table has {} rows", rows.len());
}

/// Fewer would mean that the table was not understood.
const PROMISES_MIN: usize = 30;

/// Every group of hostile programs stands in the table: none is there for nobody.
#[test]
fn every_group_of_hostile_programs_holds_a_promise() {
    let page = read(Path::new("SECURITY.md"));
    let groups = std::fs::read_dir(root().join("tests/programs/hostile")).expect("the suite is there");
    let names = groups.map(|g| g.expect("it can be read").file_name().to_string_lossy().into_owned());
    let missing: Vec<_> = names.filter(|g| !page.contains(&format!("`hostile/{g}"))).collect();
    assert!(missing.is_empty(), "not in SECURITY.md: {missing:?}");
}
