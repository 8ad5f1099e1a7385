//! `docs/HOSTILE.md`: what was run and what came of it, rendered from kept results.
//!
//! In every run the page is held against the programs that are there, so it
//! cannot list what is gone or miss what is new. `ENCLOS_RENDER_HOSTILE=1` writes it
//! anew; that needs the results of the long tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::catalogue;
use super::lateness::Percentiles;
use super::record::{Entry, Record};
use crate::programs::{self, Program, Setting};

/// Set to write the page.
const RENDER: &str = "ENCLOS_RENDER_HOSTILE";
/// The columns of outcomes, in their order.
const COLUMNS: [Setting; 3] = [Setting::Tenant, Setting::Never, Setting::Gvisor];
/// Where all programs are run.
const SETTINGS: [Setting; 4] = [Setting::Tenant, Setting::Never, Setting::Plain, Setting::Gvisor];

const HEAD: &str = "\
# Hostile programs

Each folder below `tests/programs/hostile` is one attempt to get more than a program
may have. It is submitted over HTTP to a real cluster; its outcome, output and figures
must be what its promise says. After each one a clean job must be right at the first
attempt, and processes, cgroups, containers, descriptors, memory and disk must be back
at base, as the engine and the kernel tell it.

This page is rendered from results (`tests/it/hostile/page.rs`), and a test holds it
against the programs that are there.

| command | runs |
|---|---|
| `make test` | the quick ones, and a sample of them in single-use sandboxes |
| `make test-full` | all, three times in random order; in single-use sandboxes; in plain cells; under gVisor |
| `ENCLOS_HOSTILE=files/,processes/fork cargo nextest run -p enclos --test it hostile_programs_find_nothing` | those whose names begin so |
| `ENCLOS_RENDER_HOSTILE=1 cargo nextest run -p enclos --test it published_table` | renders this page after `make test-full` |
";

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/HOSTILE.md")
}

fn load(setting: Setting) -> Vec<Program> {
    programs::load_for("hostile", setting, |_| true)
}

fn title(setting: Setting) -> &'static str {
    match setting {
        Setting::Tenant => "runc, reuse `tenant`",
        Setting::Never => "runc, reuse `never`",
        Setting::Plain => "runc, plain cells",
        Setting::Gvisor => "gVisor",
    }
}

/// A text as the cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn row(cells: &[&str]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// Names and outcomes of a record.
fn outcomes(record: &Record) -> BTreeMap<&str, BTreeSet<String>> {
    let mut by_name: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for entry in &record.entries {
        by_name.entry(&entry.name).or_default().insert(told(entry));
    }
    by_name
}

fn told(entry: &Entry) -> String {
    match &entry.limit {
        Some(limit) => format!("{} ({limit})", entry.outcome),
        None => entry.outcome.clone(),
    }
}

fn render(records: &[(Setting, Record)]) -> String {
    let mut page = format!("{HEAD}\n## What was run\n\n{}", row(&["where", "when", "machine", "programs", "right"]));
    page.truncate(page.len() - 1);
    page.push_str(" after a time limit: p50, p95, max (of) |\n|---|---|---|---|---|---|\n");
    for (setting, record) in records {
        let late = Percentiles::of(record.entries.iter().filter_map(|e| e.ms_after_limit));
        let runs = record.entries.len();
        let programs = outcomes(record).len();
        let count =
            if record.rounds == 1 { programs.to_string() } else { format!("{programs}, {} times", record.rounds) };
        let Percentiles { count: samples, p50_ms, p95_ms, max_ms } = late;
        let times = format!("{p50_ms}, {p95_ms}, {max_ms} ms ({samples})");
        let right = format!("{runs} of {runs}");
        page += &row(&[title(*setting), &record.date, &record.machine, &count, &right, &times]);
    }
    for setting in SETTINGS.iter().filter(|s| !records.iter().any(|(run, _)| run == *s)) {
        page += &row(&[title(*setting), "not yet", "", "", "", ""]);
    }
    page += &deviations();
    page += &catalogue::section();
    page += "\n## The programs\n";
    let shown: Vec<_> =
        COLUMNS.iter().map(|s| records.iter().find(|(of, _)| of == s).map(|(_, r)| outcomes(r))).collect();
    let mut group = "";
    let all = load(Setting::Tenant);
    for program in &all {
        let of = program.name().split('/').next().unwrap_or_default();
        if of != group {
            group = of;
            let _infallible = write!(
                page,
                "\n### {group}\n\n{}",
                row(&["program", "promise", "runc, `tenant`", "runc, `never`", "gVisor"])
            );
            page += "|---|---|---|---|---|\n";
        }
        let came = |column: &Option<BTreeMap<&str, BTreeSet<String>>>| -> String {
            let set = column.as_ref().and_then(|names| names.get(program.name()));
            set.map_or_else(|| "not run".to_owned(), |set| set.iter().cloned().collect::<Vec<_>>().join(" or "))
        };
        let cells: Vec<String> = shown.iter().map(came).collect();
        page += &row(&[
            &format!("`{}`", program.name()),
            &cell(program.description().purpose()),
            &cells[0],
            &cells[1],
            &cells[2],
        ]);
    }
    page
}

/// What gVisor does otherwise; the same text in every rendering of the same programs.
fn deviations() -> String {
    let mut section = "\n## What is otherwise under gVisor\n\n| program | why |\n|---|---|\n".to_owned();
    for program in load(Setting::Gvisor) {
        if let Some(deviation) = program.deviation() {
            let how = if deviation.skip { "not run: " } else { "" };
            section += &row(&[&format!("`{}`", program.name()), &cell(&format!("{how}{}", deviation.why))]);
        }
    }
    section
}

/// The rows of the programs: name and promise, and the outcomes of each column.
fn rows(page: &str) -> Vec<Vec<String>> {
    let programs = page.split("## The programs").nth(1).unwrap_or_default();
    let cells = |line: &str| -> Vec<String> {
        let inside = line.trim_start_matches("| ").trim_end_matches(" |");
        inside.split(" | ").map(str::to_owned).collect()
    };
    programs.lines().filter(|line| line.starts_with("| `")).map(cells).collect()
}

/// What of the page is not so.
fn stale(page: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for section in [HEAD.to_owned(), deviations(), catalogue::section()] {
        if !page.contains(&section) {
            wrong.push(format!("is not there as it would be rendered:\n{section}"));
        }
    }
    let listed = rows(page);
    let by_setting: Vec<Vec<Program>> = COLUMNS.iter().map(|s| load(*s)).collect();
    let head = |p: &Program| vec![format!("`{}`", p.name()), cell(p.description().purpose())];
    let there: Vec<Vec<String>> = by_setting[0].iter().map(head).collect();
    let heads: Vec<Vec<String>> = listed.iter().map(|r| r[..2].to_vec()).collect();
    wrong.extend(there.iter().filter(|h| !heads.contains(h)).map(|h| format!("lacks {h:?}")));
    wrong.extend(heads.iter().filter(|h| !there.contains(h)).map(|h| format!("lists {h:?}")));
    for (column, programs) in by_setting.iter().enumerate() {
        // A setting that was not run says so of every program; it tells nothing wrong.
        if listed.iter().all(|r| r.get(column + 2).is_some_and(|came| came == "not run")) {
            continue;
        }
        for program in programs {
            let name = format!("`{}`", program.name());
            let Some(row) = listed.iter().find(|r| r[0] == name) else { continue };
            let skipped = program.deviation().is_some_and(|d| d.skip);
            let may = |came: &str| match came.split(" (").next() {
                Some("not run") => skipped,
                Some(outcome) => program.description().outcomes().contains(&outcome),
                None => false,
            };
            let came = row.get(column + 2).map(String::as_str).unwrap_or_default();
            if !came.split(" or ").all(may) {
                wrong.push(format!("{name} came to {came} ({}), which is not right", title(COLUMNS[column])));
            }
        }
    }
    wrong
}

#[test]
fn published_table_is_of_the_programs_that_are_there() {
    if std::env::var_os(RENDER).is_some() {
        let records: Vec<_> = SETTINGS.iter().filter_map(|s| Some((*s, Record::kept(*s)?))).collect();
        assert!(!records.is_empty(), "there are no results: run `make test-full`");
        std::fs::write(place(), render(&records)).expect("the page can be written");
    }
    let page = std::fs::read_to_string(place()).expect("the page is there");
    let wrong = stale(&page);
    assert!(wrong.is_empty(), "docs/HOSTILE.md is stale, render it ({RENDER}=1):\n{}", wrong.join("\n"));
}

#[test]
fn a_page_that_lacks_a_program_or_tells_another_outcome_is_stale() {
    let entries = |setting: Setting| {
        let programs = load(setting);
        let run = programs.iter().filter(|p| p.deviation().is_none_or(|d| !d.skip));
        let entry = |p: &Program| Entry {
            name: p.name().to_owned(),
            outcome: p.description().outcomes()[0].to_owned(),
            limit: None,
            wall_ms: 1,
            ms_after_limit: None,
        };
        run.map(entry).collect::<Vec<_>>()
    };
    let record = |setting| {
        let (date, machine) = ("2026-01-01".to_owned(), "an example".to_owned());
        (setting, Record { date, machine, rounds: 1, seed: 1, entries: entries(setting) })
    };
    let page = render(&COLUMNS.map(record));
    assert_eq!(stale(&page), Vec::<String>::new());
    let first = page.split("### ").nth(1).and_then(|s| s.lines().find(|l| l.starts_with("| `"))).expect("a row");
    assert_eq!(stale(&page.replace(first, "")).len(), 1, "a missing row");
    let wrong = first.rsplitn(2, " | ").last().expect("several cells").to_owned() + " | internal_error |";
    assert_eq!(stale(&page.replace(first, &wrong)).len(), 1, "an outcome that was not expected");
}
