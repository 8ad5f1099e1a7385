//! A job's words put into a language's command.
//!
//! Each element of a command is one argument of the program: there is no
//! shell, so nothing in a word can become syntax. `{args}` and `{sources}`
//! stand alone and become as many arguments as there are words; the others may
//! stand inside an element.

use enclos_protocol::job::JobPath;

use crate::language::Language;

/// Elements that become many arguments.
const LISTS: [&str; 2] = ["{args}", "{sources}"];
/// Placeholders inside an element.
const WORDS: [&str; 4] = ["{entry}", "{entry_stem}", "{entry_class}", HEAP];
/// The one that follows from a limit alone.
const HEAP: &str = "{heap_mib}";

/// Environment of every step, before the language's own and the job's.
pub const ENVIRONMENT: [(&str, &str); 5] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/job"),
    ("TMPDIR", "/tmp"),
    ("LANG", "C.UTF-8"),
    ("USER", "runner"),
];

/// What is known of a job when its commands are made.
#[derive(Clone, Copy, Debug)]
pub struct JobWords<'a> {
    /// Arguments from the submission for this step.
    pub args: &'a [String],
    /// Paths of all the job's files.
    pub files: &'a [JobPath],
    /// The entry file.
    pub entry: &'a JobPath,
    /// Bytes of the entry file.
    pub entry_content: &'a [u8],
    /// Memory limit of this step, in bytes.
    pub memory_bytes: u64,
}

/// Whether `command` uses only placeholders that exist, each where it may stand.
///
/// # Errors
/// A sentence that names the element.
pub(crate) fn check(command: &[String]) -> Result<(), String> {
    for element in command {
        let mut rest = element.clone();
        if LISTS.contains(&rest.as_str()) {
            continue;
        }
        for word in WORDS {
            rest = rest.replace(word, "");
        }
        if rest.contains('{') || rest.contains('}') {
            return Err(format!("'{element}' is not a known placeholder, or a list inside a word"));
        }
    }
    Ok(())
}

/// Whether `command` can be started before there is a job.
///
/// # Errors
/// A sentence that names the element.
pub(crate) fn check_ahead(command: &[String]) -> Result<(), String> {
    if command.is_empty() {
        return Err("ahead needs at least the program".to_owned());
    }
    let wrong = command.iter().find(|element| element.replace(HEAP, "").contains(['{', '}']));
    wrong.map_or(Ok(()), |element| Err(format!("'{element}' in ahead: nothing but {HEAP} is known before a job")))
}

/// The command line that `command` comes to before there is a job, for a memory limit in bytes.
#[must_use]
pub fn expand_ahead(language: &Language, command: &[String], memory_bytes: u64) -> Vec<String> {
    let heap = heap_mib(language, memory_bytes).to_string();
    command.iter().map(|element| element.replace(HEAP, &heap)).collect()
}

/// The argument vector that `command` comes to for a job.
#[must_use]
pub fn expand(language: &Language, command: &[String], words: &JobWords<'_>) -> Vec<String> {
    let mut argv = Vec::with_capacity(command.len() + words.args.len());
    for element in command {
        match element.as_str() {
            "{args}" => argv.extend_from_slice(words.args),
            "{sources}" => argv.extend(sources(language, words).map(|p| p.as_str().to_owned())),
            _ => argv.push(expand_word(language, element, words)),
        }
    }
    argv
}

/// The entry first, then every other file with one of the language's extensions.
fn sources<'a>(language: &'a Language, words: &JobWords<'a>) -> impl Iterator<Item = &'a JobPath> {
    let entry = words.entry;
    let is_source = |p: &&JobPath| p.extension().is_some_and(|e| language.extensions.iter().any(|known| known == e));
    [entry].into_iter().chain(words.files.iter().filter(move |p| *p != entry).filter(is_source))
}

fn expand_word(language: &Language, element: &str, words: &JobWords<'_>) -> String {
    if !element.contains('{') {
        return element.to_owned();
    }
    let entry = words.entry.as_str();
    let stem = entry.rsplit_once('.').map_or(entry, |(stem, _)| stem);
    element
        .replace(HEAP, &heap_mib(language, words.memory_bytes).to_string())
        .replace("{entry_stem}", stem)
        .replace("{entry_class}", &entry_class(language, stem, words.entry_content))
        .replace("{entry}", entry)
}

fn heap_mib(language: &Language, memory_bytes: u64) -> u64 {
    (memory_bytes / (1024 * 1024) * u64::from(language.heap_percent) / 100).max(1)
}

/// The entry's class: its package, if the source names one, and its file name.
fn entry_class(language: &Language, stem: &str, content: &[u8]) -> String {
    let name = stem.rsplit('/').next().unwrap_or(stem);
    let text = String::from_utf8_lossy(content);
    let package = language.package_pattern.as_ref().and_then(|pattern| pattern.captures(&text)?.get(1));
    match package {
        Some(package) => format!("{}.{name}", package.as_str()),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language() -> Language {
        let text = r#"
[[language]]
id = "j"
name = "J"
extensions = ["java"]
entry = "Main.java"
version_command = ["java"]
package_pattern = '(?m)^\s*package\s+([\w.]+)\s*;'
heap_percent = 50
compile = { command = ["javac", "{args}", "{sources}"] }
run = { command = ["java", "-Xmx{heap_mib}m", "{entry_class}", "{args}"] }
"#;
        crate::language::parse("x", text).unwrap().remove(0)
    }

    fn path(text: &str) -> JobPath {
        JobPath::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn words_of_a_job_never_become_several_arguments_or_placeholders() {
        let language = language();
        let files = [path("data.txt"), path("B.java"), path("a b.java")];
        let args = ["; rm -rf /".to_owned(), "{entry}".to_owned()];
        let words =
            JobWords { args: &args, files: &files, entry: &files[2], entry_content: b"", memory_bytes: 256 << 20 };
        let compile = &language.compile.as_ref().unwrap().command;
        assert_eq!(expand(&language, compile, &words), ["javac", "; rm -rf /", "{entry}", "a b.java", "B.java"]);
        let run = expand(&language, &language.run.command, &words);
        assert_eq!(run, ["java", "-Xmx128m", "a b", "; rm -rf /", "{entry}"]);
    }

    #[test]
    fn the_package_of_the_entry_is_part_of_its_class() {
        let language = language();
        let files = [path("src/com/acme/Main.java")];
        let content = b"// package no;\n package com.acme;\nclass Main {}";
        let words =
            JobWords { args: &[], files: &files, entry: &files[0], entry_content: content, memory_bytes: 1 << 20 };
        assert_eq!(expand(&language, &language.run.command, &words)[2], "com.acme.Main");
    }
}
