//! What a `program.toml` says, and what of it differs under one way of running sandboxes.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use toml::Table;

/// How the sandboxes are run that a program meets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setting {
    /// runc, one sandbox for many jobs: the default, which has no table of its own.
    Tenant,
    /// runc, a sandbox for each job.
    Never,
    /// runc, where user namespaces cannot be had.
    Plain,
    /// gVisor.
    Gvisor,
}

impl Setting {
    /// Those that a `program.toml` may have a table for.
    pub const DEVIATING: [Self; 3] = [Self::Never, Self::Plain, Self::Gvisor];

    /// Name of the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Never => "never",
            Self::Plain => "plain",
            Self::Gvisor => "gvisor",
        }
    }
}

/// What a program is, and what it must come to.
#[derive(Clone, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Description {
    about: Option<String>,
    /// What a hostile program tests.
    pub promise: Option<String>,
    /// Among those that every `make test` runs.
    #[serde(default)]
    pub quick: bool,
    pub language: String,
    pub entry: String,
    #[serde(default)]
    pub args: Vec<String>,
    #[serde(default)]
    pub compile_args: Vec<String>,
    pub run_env: Option<BTreeMap<String, String>>,
    pub stdin_repeat: Option<Repeated>,
    #[serde(default)]
    pub files_generated: Vec<GeneratedFile>,
    pub limits: Option<Value>,
    /// Merged into the submission last.
    pub submission: Option<Value>,

    pub outcome: Option<OneOrMore>,
    pub refused: Option<Refused>,
    pub compile_outcome: Option<OneOrMore>,
    pub limit: Option<String>,
    pub exit_code: Option<i64>,
    pub signal: Option<String>,
    /// The exact output; without it, the file `stdout` says it.
    pub stdout: Option<String>,
    pub stdout_sha256: Option<String>,
    pub stdout_bytes: Option<u64>,
    pub stdout_contains: Option<Texts>,
    pub stdout_excludes: Option<Texts>,
    pub stderr_contains: Option<Texts>,
    pub stderr_excludes: Option<Texts>,
    pub compile_stdout_contains: Option<Texts>,
    pub compile_stderr_contains: Option<Texts>,
    pub compile_stderr_excludes: Option<Texts>,
    /// What a program hides is counted too.
    pub cpu_ms_min: Option<u64>,
    pub cpu_ms_max: Option<u64>,
    pub wall_ms_max: Option<u64>,
    pub memory_peak_bytes_min: Option<u64>,
    pub memory_peak_bytes_max: Option<u64>,
}

impl Description {
    /// What it is for, in a few words.
    pub fn purpose(&self) -> &str {
        self.promise.as_deref().or(self.about.as_deref()).expect("it was looked at when it was read")
    }

    /// What it may come to; `refused` for a submission that is not to be admitted.
    pub fn outcomes(&self) -> Vec<&str> {
        self.outcome.as_ref().map_or_else(|| vec!["refused"], OneOrMore::all)
    }
}

/// One outcome, or several where the moment decides which limit is met first.
#[derive(Clone, Deserialize, Debug)]
#[serde(untagged)]
pub enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// One text or several, each of which is looked for.
pub type Texts = OneOrMore;

impl OneOrMore {
    /// Those that are named.
    pub fn all(&self) -> Vec<&str> {
        match self {
            Self::One(only) => vec![only],
            Self::More(all) => all.iter().map(String::as_str).collect(),
        }
    }

    /// Whether `outcome` is among them.
    pub fn holds(&self, outcome: &Value) -> bool {
        self.all().iter().any(|one| outcome == one)
    }
}

/// How a submission must be refused.
#[derive(Clone, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    pub status: u16,
    pub code: String,
}

/// A text many times, for inputs too big to keep.
#[derive(Clone, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Repeated {
    text: String,
    times: usize,
}

impl Repeated {
    /// The whole of it.
    pub fn expand(&self) -> String {
        self.text.repeat(self.times)
    }
}

/// A file of which only the pattern is kept.
#[derive(Clone, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct GeneratedFile {
    pub path: String,
    text: String,
    times: usize,
}

impl GeneratedFile {
    /// The whole of it.
    pub fn expand(&self) -> String {
        self.text.repeat(self.times)
    }
}

/// That a program comes to something else under one setting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deviation {
    /// Why that is right.
    pub why: String,
    /// It is not run there at all.
    pub skip: bool,
}

/// The description in `text` under `setting`, and the deviation that was applied.
///
/// Every table is read, not only the one that is asked for: a wrong key is found in any run.
pub fn read(text: &str, setting: Setting, place: &Path) -> (Description, Option<Deviation>) {
    let fail = |error: &dyn std::fmt::Display| -> ! { panic!("{}: {error}", place.display()) };
    let mut base: Table = text.parse().unwrap_or_else(|e| fail(&e));
    let tables: Vec<_> = Setting::DEVIATING.into_iter().filter_map(|s| Some((s, base.remove(s.name())?))).collect();
    let describe = |table: Table| -> Description { table.try_into().unwrap_or_else(|e| fail(&e)) };
    let mut chosen = (describe(base.clone()), None);
    for (of, table) in tables {
        let Some(table) = table.as_table().cloned() else { fail(&format!("{} is a table", of.name())) };
        let (changes, deviation) = deviation(table).unwrap_or_else(|e| fail(&e));
        let described = describe(changed(base.clone(), changes));
        if of == setting {
            chosen = (described, Some(deviation));
        }
    }
    let described = &chosen.0;
    if described.about.is_none() && described.promise.is_none() {
        fail(&"about or promise is given");
    }
    if described.outcome.is_some() == described.refused.is_some() {
        fail(&"exactly one of outcome and refused is given");
    }
    chosen
}

fn deviation(mut table: Table) -> Result<(Table, Deviation), &'static str> {
    let why = table.remove("why").and_then(|w| w.as_str().map(str::to_owned)).filter(|w| !w.is_empty());
    let skip = match table.remove("skip") {
        None => false,
        Some(value) => value.as_bool().ok_or("skip is true or false")?,
    };
    Ok((table, Deviation { why: why.ok_or("a deviation says why")?, skip }))
}

/// Keys that say how a program ended: another outcome has other ones.
const OF_THE_OUTCOME: [&str; 4] = ["limit", "exit_code", "signal", "refused"];

fn changed(mut base: Table, changes: Table) -> Table {
    if changes.contains_key("outcome") {
        base.retain(|key, _| !OF_THE_OUTCOME.contains(&key));
    }
    merge(&mut base, changes);
    base
}

fn merge(base: &mut Table, changes: Table) {
    for (key, value) in changes {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => merge(old, new),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

#[test]
fn a_deviation_changes_what_it_names_and_says_why() {
    let text = "about='a'\nlanguage='c'\nentry='main.c'\noutcome='time_limit'\nlimit='cpu'\n\
                limits.run={cpu_ms=1,wall_ms=2}\n[gvisor]\nwhy='slow'\noutcome='ok'\nlimits.run={cpu_ms=9}";
    let place = Path::new("example");
    let (base, none) = read(text, Setting::Tenant, place);
    assert_eq!((base.limit.as_deref(), none), (Some("cpu"), None));
    let (there, deviation) = read(text, Setting::Gvisor, place);
    assert_eq!(there.limit, None, "another outcome has no limit that it met");
    assert_eq!(there.limits, Some(serde_json::json!({ "run": { "cpu_ms": 9, "wall_ms": 2 } })));
    assert_eq!(deviation, Some(Deviation { why: "slow".to_owned(), skip: false }));
}
