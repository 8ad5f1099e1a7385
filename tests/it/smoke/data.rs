//! The smoke programs as `images/` tells them: what each must come to, and each language's own code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use enclos_images::{Catalogue, Language};
use toml::{Table, Value};

use crate::programs::Program;

/// Files of all languages beside the entry.
type Files = BTreeMap<String, String>;

/// Where the images are told.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("images")
}

/// The languages.
pub fn catalogue() -> Catalogue {
    Catalogue::load(&root()).expect("images/ is right")
}

/// What every smoke program is for, and what it must come to, by its name.
pub struct Kinds(BTreeMap<String, Table>);

/// The smoke programs of a language.
pub struct Smoke {
    /// Which.
    pub language: Language,
    /// Those that it has.
    pub programs: Vec<Program>,
    /// Those that it has not, and why.
    pub skipped: BTreeMap<String, String>,
}

impl Kinds {
    /// As `images/smoke.toml` tells them.
    pub fn read() -> Self {
        let tables = read(&root().join("smoke.toml"));
        Self(tables.into_iter().map(|(name, table)| (name, table.as_table().expect("a table").clone())).collect())
    }

    /// Their names and purposes.
    pub fn purposes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, kind)| (name.as_str(), kind["about"].as_str().expect("about is a text")))
    }
}

impl Smoke {
    /// Those of a language. It must have a table for each kind, with code or a reason why not.
    pub fn of(language: &Language, kinds: &Kinds) -> Self {
        let file = root().join(&language.image).join("smoke").join(format!("{}.toml", language.id));
        let mut tables = read(&file);
        let mut smoke = Self { language: language.clone(), programs: Vec::new(), skipped: BTreeMap::new() };
        for (kind, defaults) in &kinds.0 {
            let place = format!("{}/{kind}", language.id);
            let Some(Value::Table(own)) = tables.remove(kind) else { panic!("{place} is told in {}", file.display()) };
            match own.get("skip").and_then(Value::as_str) {
                Some(why) => drop(smoke.skipped.insert(kind.clone(), why.to_owned())),
                None => smoke.programs.push(program(&file, &place, language, defaults.clone(), own)),
            }
        }
        assert!(tables.is_empty(), "{}: there is no kind {tables:?}", file.display());
        smoke
    }
}

fn program(file: &Path, name: &str, language: &Language, mut all: Table, mut own: Table) -> Program {
    let code = own.remove("code").and_then(|code| code.as_str().map(str::to_owned));
    let code = code.unwrap_or_else(|| panic!("{name} has code"));
    let more: Files = own.remove("files").map(|files| files.try_into().expect("names and texts")).unwrap_or_default();
    all.extend(own);
    let file_of = |(path, content): (String, String)| {
        Value::Table(Table::from_iter([("path".to_owned(), path.into()), ("content".to_owned(), content.into())]))
    };
    let files = [(language.entry.clone(), code)].into_iter().chain(more).map(file_of).collect();
    let mut submission = Table::from_iter([("files".to_owned(), Value::Array(files))]);
    submission.extend(all.remove("stdin").map(|stdin| ("stdin".to_owned(), stdin)));
    all.insert("language".to_owned(), language.id.clone().into());
    all.insert("entry".to_owned(), language.entry.clone().into());
    all.insert("submission".to_owned(), submission.into());
    Program::told_in(file, name, &all.to_string())
}

fn read(file: &Path) -> Table {
    let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    text.parse().unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

#[test]
fn every_language_has_smoke_programs() {
    let (catalogue, kinds) = (catalogue(), Kinds::read());
    for language in catalogue.languages() {
        let smoke = Smoke::of(language, &kinds);
        let has = |kind: &str| !smoke.skipped.contains_key(kind);
        assert!(["hello", "echo", "runtime_error", "cpu", "memory"].into_iter().all(has), "{}", language.id);
        assert!(smoke.language.compile.is_none() || has("compile_error"), "{}", language.id);
    }
}
