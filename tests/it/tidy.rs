//! What must hold for the sources themselves: who may name whom, and where dangerous things stand.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Longest source file, in lines.
const FILE_LINES_MAX: usize = 450;

/// Modules of the master from left to right: each names only what stands to its left.
/// Those of one row do not name each other.
const ORDER: [&[&str]; 18] = [
    &["access", "outbound", "pulse"],
    &["config", "metrics", "testing"],
    &["listen", "pki", "traces"],
    &["scoring"],
    &["store"],
    &["progress"],
    &["queue"],
    &["scheduler"],
    &["gate"],
    &["agents"],
    &["admission"],
    &["http/error"],
    &["http"],
    &["callbacks"],
    &["master"],
    &["cli"],
    &["lib"],
    &["main"],
];

/// Folders of the repository that hold its sources.
const SOURCES: [&str; 9] =
    ["src", "protocol", "images", "tls", "supervisor", "worker-agent", "bench", "web", "tests/it"];
/// Folders that hold nothing of the repository's own.
const SKIPPED: [&str; 3] = ["target", ".git", "node_modules"];

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files below `folder`, as paths from the root.
fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(root().join(folder)) else { return };
    for entry in entries.map(|e| e.expect("the folder can be read")) {
        let path = folder.join(entry.file_name());
        let kind = entry.file_type().expect("the kind of a file is known");
        let hidden = entry.file_name().to_string_lossy().starts_with('.') && folder == Path::new("");
        // In a linked worktree `.git` is a file, which names its repository.
        let skipped = SKIPPED.iter().any(|s| entry.file_name() == *s);
        if kind.is_dir() && !hidden && !skipped {
            files_below(&path, found);
        } else if kind.is_file() && !skipped {
            found.push(path);
        }
    }
}

pub fn rust_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in SOURCES {
        files_below(Path::new(folder), &mut found);
    }
    found.retain(|p| p.extension().is_some_and(|e| e == "rs"));
    found.sort();
    found
}

pub fn read(path: &Path) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The code without its comments. A `//` inside a text goes too, which hides at most the rest of its line.
fn code_of(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn has_word(code: &str, word: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word)
        .any(|(at, _)| !code[..at].ends_with(part_of_word) && !code[at + word.len()..].starts_with(part_of_word))
}

/// Where a module stands in [`ORDER`].
fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|row| row.contains(&module))
}

/// The module that a file below `src` belongs to.
fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix("src").expect("it is below src").with_extension("");
    let mut parts = inside.components().map(|c| c.as_os_str().to_string_lossy().into_owned());
    let first = parts.next().expect("a file has a name");
    match parts.next() {
        Some(second) if rank(&format!("{first}/{second}")).is_some() => format!("{first}/{second}"),
        _ => first,
    }
}

/// The modules that `code` names by `crate::`, one by one or in braces.
fn named_modules(code: &str) -> BTreeSet<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut named = BTreeSet::new();
    let mut name = |text: &str| {
        let first = word(text);
        let second = text[first.len()..].strip_prefix("::").map(word).unwrap_or_default();
        let both = format!("{first}/{second}");
        named.insert(if rank(&both).is_some() { both } else { first });
    };
    for (at, pattern) in code.match_indices("crate::") {
        let rest = &code[at + pattern.len()..];
        match rest.strip_prefix('{') {
            Some(list) => top_level_items(list).for_each(&mut name),
            None => name(rest),
        }
    }
    named
}

/// The items of a braced list up to its closing brace.
fn top_level_items(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    let inside = list.find(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth < 0
    });
    let mut nested = 0;
    list[..inside.unwrap_or(list.len())]
        .split(move |c| {
            nested += i32::from(c == '{') - i32::from(c == '}');
            c == ',' && nested == 0
        })
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

#[test]
fn every_module_of_the_master_names_only_what_stands_to_its_left() {
    let mut wrong = Vec::new();
    for path in rust_files().iter().filter(|p| p.starts_with("src")) {
        let module = module_of(path);
        let Some(own) = rank(&module) else {
            wrong.push(format!("{}: '{module}' has no place in the order", path.display()));
            continue;
        };
        for named in named_modules(&code_of(&read(path))) {
            let right =
                rank(&named).is_some_and(|r| r < own) || named == module || module.starts_with(&format!("{named}/"));
            // Items at the root of the crate are not modules; what is no module of ours stands nowhere.
            let is_module = rank(&named).is_some() || root().join("src").join(&named).exists();
            if is_module && !right {
                wrong.push(format!("{}: '{module}' names '{named}'", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the order:\n{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_every_way_to_write_them() {
    let code = "use crate::{store::{self, Store}, queue::Queue, http::error::problem};\nlet x = crate::agents::x();";
    let named: Vec<String> = named_modules(code).into_iter().collect();
    assert_eq!(named, ["agents", "http/error", "queue", "store"]);
    assert!(has_word("a client::x", "client") && !has_word("my_client", "client"));
}

#[test]
fn only_two_files_lift_the_ban_on_unchecked_code() {
    let word = ["un", "safe"].concat();
    let found = rust_files().into_iter().filter(|p| has_word(&code_of(&read(p)), &word));
    // The second is of no program: it shows tests what reaches the disk.
    let allowed = ["supervisor/src/sys.rs", "src/store/tests/power/vfs.rs"];
    let elsewhere: Vec<_> = found.filter(|p| !allowed.iter().any(|a| p == Path::new(a))).collect();
    assert!(elsewhere.is_empty(), "'{word}' stands only in {allowed:?}, not in {elsewhere:?}");
}

#[test]
fn only_the_agent_speaks_to_the_engine() {
    let client = ["bol", "lard"].concat();
    let found = rust_files().into_iter().filter(|p| has_word(&code_of(&read(p)), &client));
    // The tests ask the engine themselves what is left: to ask the agent would prove less. The bench measures what
    // others do who have no agent.
    let others = ["tests/it/engine.rs", "bench/src/compare/engine.rs"].map(Path::new);
    let elsewhere: Vec<_> =
        found.filter(|p| !p.starts_with("worker-agent") && !others.contains(&p.as_path())).collect();
    assert!(elsewhere.is_empty(), "only the agent names {client}, not {elsewhere:?}");
}

#[test]
fn shared_and_sandboxed_crates_have_no_runtime() {
    for manifest in ["protocol/Cargo.toml", "images/Cargo.toml", "supervisor/Cargo.toml"] {
        let text = read(Path::new(manifest));
        let lines = text.lines().map(|l| l.split('#').next().unwrap_or_default());
        let runtime: Vec<_> = lines.filter(|l| l.starts_with("tokio") || l.starts_with("reqwest")).collect();
        assert!(runtime.is_empty(), "{manifest} stays without I/O and runtime: {runtime:?}");
    }
}

#[test]
fn every_file_says_what_it_is_and_is_read_in_one_sitting() {
    let mut wrong = Vec::new();
    for path in rust_files() {
        let text = read(&path);
        if !text.starts_with("//!") {
            wrong.push(format!("{}: no header", path.display()));
        }
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            wrong.push(format!("{}: {lines} lines, more than {FILE_LINES_MAX}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_names_a_place_of_one_machine() {
    let mut files = Vec::new();
    files_below(Path::new(""), &mut files);
    let places = [["/wo", "rk/"], ["/ro", "ot/"], ["/ho", "me/"]].map(|parts| parts.concat());
    let mut wrong = Vec::new();
    // Hostile programs look for what lies in such places.
    for path in files.iter().filter(|path| !path.starts_with("tests/programs/hostile")) {
        let Ok(text) = std::fs::read_to_string(root().join(path)) else { continue };
        // In `/proc/1/root/` the place is only part of a longer path.
        let begins = |at: usize| !text[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}".contains(c));
        let named = |place: &str| text.match_indices(place).any(|(at, _)| begins(at));
        for place in places.iter().filter(|place| named(place)) {
            wrong.push(format!("{}: {place}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "places of one machine:\n{}", wrong.join("\n"));
}

#[test]
fn a_folder_for_kubernetes_is_not_an_empty_promise() {
    let mut files = Vec::new();
    files_below(Path::new("k8s"), &mut files);
    let present = root().join("k8s").exists();
    let is_used = |file: &PathBuf| file.ends_with("k8s/base/kustomization.yaml");
    assert!(!present || files.iter().any(is_used), "k8s/ holds what `kubectl apply -k` takes");
}
