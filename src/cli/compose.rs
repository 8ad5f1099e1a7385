//! From the command line's words to a submission: files are read here, rules are the master's.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use enclos_protocol::supervisor_link::INPUT_BYTES_MAX;
use serde_json::{Map, Number, Value, json};

use super::exit::CliError;
use super::keys::lasting;
use super::package;
use crate::admission::bounds::ARCHIVE_BYTES_MAX;

/// What `enclos run` sends.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    /// Sources and data; the first is compiled or run. Relative paths are kept below the job's directory
    #[arg(required_unless_present = "archive", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// A tar archive whose files are added, not compressed; large ones are uploaded as blobs
    #[arg(long, value_name = "FILE.tar")]
    pub archive: Option<PathBuf>,
    /// The file that is compiled or run (default: the first FILE, else what the language usually begins with)
    #[arg(long, value_name = "PATH")]
    pub entry: Option<String>,
    /// Language (default: told by the first file's extension)
    #[arg(long, short, value_name = "ID")]
    pub language: Option<String>,
    /// Standard input: a file, or - for our own; piped input is sent without asking
    #[arg(long, value_name = "FILE")]
    pub stdin: Option<PathBuf>,
    /// Speak with the program while it runs: our input is its input, Ctrl-D ends it, Ctrl-C interrupts it (twice: cancels)
    #[arg(long, short, conflicts_with_all = ["stdin", "cases", "json"])]
    pub interactive: bool,
    /// Run it once for each NAME.in in this folder (and below), judged by the NAME.ans or NAME.out beside it
    #[arg(long = "case", value_name = "DIR", conflicts_with = "stdin")]
    pub cases: Option<PathBuf>,
    /// What makes the output of a case right (default: trim)
    #[arg(long, value_name = "exact|trim|tokens|unordered_lines", requires = "cases")]
    pub checker: Option<String>,
    /// Files to give back after the run, such as 'out/*.png' (repeat for more); `enclos fetch` saves them
    #[arg(long = "keep", value_name = "PATTERN", conflicts_with = "cases")]
    pub keep: Vec<String>,
    /// An argument for the program (repeat for more)
    #[arg(long = "arg", value_name = "ARG", allow_hyphen_values = true)]
    pub args: Vec<String>,
    /// An argument for the compiler (repeat for more)
    #[arg(long = "compile-arg", value_name = "ARG", allow_hyphen_values = true)]
    pub compile_args: Vec<String>,
    /// An environment variable of the program (repeat for more)
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = parse_pair)]
    pub env: Vec<(String, String)>,
    /// A package to be installed for the program, such as numpy or 'numpy==2.*' (repeat for more)
    #[arg(long = "dependency", value_name = "NAME[VERSIONS]")]
    pub dependencies: Vec<String>,
    /// A limit, such as run.memory_bytes=134217728, run.cpus=0.5 or compile.wall_ms=60000 (repeat for more)
    #[arg(long = "limit", value_name = "STEP.NAME=N", value_parser = parse_limit)]
    pub limits: Vec<Limit>,
    /// `never`: a sandbox of its own that is destroyed afterwards
    #[arg(long, value_name = "never|tenant")]
    pub reuse: Option<String>,
    /// At least this isolation
    #[arg(long, value_name = "runc|userns|gvisor")]
    pub isolation: Option<String>,
    /// How urgent it is
    #[arg(long, value_name = "low|normal|high")]
    pub priority: Option<String>,
    /// Cancel it if it still waits after so long, such as 90s, 10m or 24h
    #[arg(long, value_name = "TIME", value_parser = lasting)]
    pub queue_ttl: Option<Duration>,
    /// Jobs of different scopes never share a sandbox
    #[arg(long, value_name = "SCOPE")]
    pub scope: Option<String>,
    /// A label to find the job again (repeat for more)
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = parse_pair)]
    pub labels: Vec<(String, String)>,
    /// Print the finished job as JSON instead of its output
    #[arg(long)]
    pub json: bool,
}

/// One `--limit`.
#[derive(Clone, PartialEq, Debug)]
pub struct Limit {
    step: String,
    name: String,
    value: Number,
}

pub(super) fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("needs the form NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn parse_limit(text: &str) -> Result<Limit, String> {
    let form = "needs the form run.NAME=NUMBER or compile.NAME=NUMBER";
    let (path, value) = text.split_once('=').ok_or(form)?;
    let (step, name) = path.split_once('.').ok_or(form)?;
    let value: Number = serde_json::from_str(value).map_err(|_| form)?;
    if !matches!(step, "run" | "compile") || name.is_empty() {
        return Err(form.to_owned());
    }
    Ok(Limit { step: step.to_owned(), name: name.to_owned(), value })
}

/// The submission that `args` ask for, with files and standard input read.
///
/// # Errors
/// [`CliError::Read`] or [`CliError::Input`] names the file.
pub fn submission(args: &RunArgs) -> Result<Value, CliError> {
    let mut left = INPUT_BYTES_MAX;
    let mut body = program(&args.files, &mut left)?;
    if let Some(path) = &args.archive {
        body["archive"] = json!({ "content_base64": BASE64.encode(read(path, ARCHIVE_BYTES_MAX)?) });
    }
    if let Some(folder) = &args.cases {
        body["cases"] = package::folder_of_cases(folder)?;
    } else if let Some(bytes) = if args.interactive { None } else { stdin(args.stdin.as_deref(), left)? } {
        body = content(body, "stdin", bytes);
    }
    let pairs = |pairs: &[(String, String)]| {
        Value::Object(pairs.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<Map<_, _>>())
    };
    body["run"] = json!({ "args": args.args, "env": pairs(&args.env) });
    if args.interactive {
        body["run"]["attach"] = json!(true);
    }
    body["compile"] = json!({ "args": args.compile_args });
    body["labels"] = pairs(&args.labels);
    if !args.keep.is_empty() {
        body["keep_files"] = json!(args.keep);
    }
    for limit in &args.limits {
        body["limits"][&limit.step][&limit.name] = Value::Number(limit.value.clone());
    }
    let words = [
        ("entry", &args.entry),
        ("language", &args.language),
        ("checker", &args.checker),
        ("reuse", &args.reuse),
        ("isolation", &args.isolation),
        ("priority", &args.priority),
        ("scope", &args.scope),
    ];
    for (name, value) in words {
        if let Some(value) = value {
            body[name] = json!(value);
        }
    }
    if let Some(ttl) = args.queue_ttl {
        body["queue_ttl_ms"] = json!(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
    }
    Ok(body)
}

/// Adds what `args` ask to be installed; the master's `languages` tell what its installer is called.
pub fn with_dependencies(body: &mut Value, args: &RunArgs, languages: &Value) {
    let extension = args.files.first().and_then(|file| file.extension()).and_then(|e| e.to_str());
    let wanted = args.language.as_deref().map(str::to_ascii_lowercase);
    let has = |list: &Value, word: &str| list.as_array().is_some_and(|list| list.iter().any(|item| item == word));
    let is_meant = |language: &&Value| match &wanted {
        Some(name) => language["id"] == name.as_str() || has(&language["aliases"], name),
        None => extension.is_some_and(|extension| has(&language["extensions"], extension)),
    };
    let language = languages["languages"].as_array().into_iter().flatten().find(is_meant);
    let installer = language.and_then(|l| l["installer"].as_str().or(l["id"].as_str()));
    // The master says what is wrong with a language that it does not know, or that has no installer.
    body["dependencies"] = json!({ installer.or(wanted.as_deref()).unwrap_or("packages"): args.dependencies });
}

/// `files` and `entry` of a submission: the first of these files and all of them, taken from `bytes_left`.
///
/// # Errors
/// As [`submission`].
pub(super) fn program(files: &[PathBuf], bytes_left: &mut usize) -> Result<Value, CliError> {
    if files.is_empty() {
        return Ok(json!({}));
    }
    let paths = job_paths(files)?;
    let mut sent = Vec::with_capacity(paths.len());
    for (file, path) in files.iter().zip(&paths) {
        let bytes = read(file, *bytes_left)?;
        *bytes_left -= bytes.len();
        sent.push(content(json!({ "path": path }), "content", bytes));
    }
    Ok(json!({ "files": sent, "entry": paths.first() }))
}

/// `object` with `bytes` as text under `name`, or as base64 under `<name>_base64`.
pub(super) fn content(mut object: Value, name: &str, bytes: Vec<u8>) -> Value {
    match String::from_utf8(bytes) {
        Ok(text) => object[name] = json!(text),
        Err(error) => object[format!("{name}_base64")] = json!(BASE64.encode(error.into_bytes())),
    }
    object
}

/// Where each file stands in the job: as named, when all are named below the working directory;
/// else below the directory that all have in common.
fn job_paths(files: &[PathBuf]) -> Result<Vec<String>, CliError> {
    let below = |path: &&PathBuf| path.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    let placed: Vec<PathBuf> = if files.iter().all(|f| below(&f)) {
        files.iter().map(|f| f.components().filter(|c| *c != Component::CurDir).collect()).collect()
    } else {
        let mut whole = Vec::with_capacity(files.len());
        for file in files {
            whole.push(fs::canonicalize(file).map_err(|source| CliError::Read { path: file.clone(), source })?);
        }
        let root = common_directory(&whole);
        whole.iter().map(|f| f.strip_prefix(&root).unwrap_or(f).to_owned()).collect()
    };
    placed.iter().map(|path| as_text(path)).collect()
}

pub(super) fn as_text(path: &Path) -> Result<String, CliError> {
    let text = path.to_str().filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or_else(|| CliError::Input(format!("{} cannot name a file of a job", path.display())))
}

/// The longest directory that all of these absolute paths lie in.
fn common_directory(paths: &[PathBuf]) -> PathBuf {
    let mut common = paths.first().and_then(|p| p.parent()).unwrap_or(Path::new("/")).to_owned();
    while !paths.iter().all(|path| path.starts_with(&common)) && common.pop() {}
    common
}

pub(super) fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, CliError> {
    let fail = |source| CliError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(fail)?;
    if file.metadata().map_err(fail)?.is_dir() {
        return Err(fail(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    read_whole(file, &path.display().to_string(), bytes_max).map_err(|e| e.unwrap_or_else(fail))
}

/// Standard input of the job: `named`, or what is piped into us.
fn stdin(named: Option<&Path>, bytes_max: usize) -> Result<Option<Vec<u8>>, CliError> {
    match named {
        Some(path) if path != Path::new("-") => read(path, bytes_max).map(Some),
        Some(_) => own_stdin(bytes_max).map(Some),
        // A terminal or /dev/null has nothing for the program; a pipe, socket or file has.
        None if is_piped() => own_stdin(bytes_max).map(Some),
        None => Ok(None),
    }
}

fn is_piped() -> bool {
    fs::metadata("/proc/self/fd/0").is_ok_and(|m| {
        let kind = m.file_type();
        kind.is_fifo() || kind.is_file() || kind.is_socket()
    })
}

fn own_stdin(bytes_max: usize) -> Result<Vec<u8>, CliError> {
    let fail = |source| CliError::Read { path: "standard input".into(), source };
    read_whole(io::stdin().lock(), "standard input", bytes_max).map_err(|e| e.unwrap_or_else(fail))
}

/// What could go wrong while a reader is read.
enum ReadFailure {
    TooLarge(CliError),
    Io(io::Error),
}

impl ReadFailure {
    fn unwrap_or_else(self, fail: impl FnOnce(io::Error) -> CliError) -> CliError {
        match self {
            Self::TooLarge(error) => error,
            Self::Io(error) => fail(error),
        }
    }
}

fn read_whole(reader: impl io::Read, name: &str, bytes_max: usize) -> Result<Vec<u8>, ReadFailure> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(limit).read_to_end(&mut bytes).map_err(ReadFailure::Io)?;
    if bytes.len() > bytes_max {
        let text = format!("{name} is too large: only {bytes_max} bytes are left of what a job may bring");
        return Err(ReadFailure::TooLarge(CliError::Input(text)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_a_step_a_name_and_a_number() {
        let limit = parse_limit("run.cpus=0.5").unwrap();
        assert_eq!((limit.step.as_str(), limit.name.as_str(), limit.value.as_f64()), ("run", "cpus", Some(0.5)));
        for bad in ["cpus=1", "run.cpus", "run.=1", "link.cpus=1", "run.cpus=x", "run.cpus=1 2", "run.cpus="] {
            assert!(parse_limit(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn dependencies_go_to_the_installer_of_the_language() {
        let languages = json!({ "languages": [
            { "id": "c", "aliases": ["gcc"], "extensions": ["c"] },
            { "id": "python", "aliases": ["py"], "extensions": ["py"], "installer": "pypi" },
        ] });
        for (line, installer) in
            [("x.py", "pypi"), ("x.txt --language PY", "pypi"), ("x.c", "c"), ("x.zig", "packages")]
        {
            #[derive(clap::Parser)]
            struct Line {
                #[command(flatten)]
                args: RunArgs,
            }
            let words = ["run"].into_iter().chain(line.split(' ')).chain(["--dependency", "numpy==2.*"]);
            let args = <Line as clap::Parser>::parse_from(words).args;
            let mut body = json!({});
            with_dependencies(&mut body, &args, &languages);
            assert_eq!(body["dependencies"][installer], json!(["numpy==2.*"]), "{line}");
        }
    }

    #[test]
    fn an_archive_stands_for_files_or_beside_them() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: RunArgs,
        }
        let parse = |line: &str| <Line as clap::Parser>::try_parse_from(line.split(' ')).map(|line| line.args);
        assert!(parse("run").is_err(), "nothing to run");
        let root = tempfile::tempdir().unwrap();
        let tar = root.path().join("x.tar");
        fs::write(&tar, b"\xff").unwrap();
        let args = parse(&format!("run --archive {} --entry a.c", tar.display())).unwrap();
        let body = program(&args.files, &mut 0).unwrap();
        assert_eq!(body, json!({}), "no list of files, which would have to have some");
        let body = submission(&RunArgs { stdin: Some("/dev/null".into()), ..args }).unwrap();
        assert_eq!((&body["archive"], &body["entry"]), (&json!({ "content_base64": "/w==" }), &json!("a.c")));
    }

    #[test]
    fn relative_paths_are_kept_as_they_are_named() {
        let paths = job_paths(&["./com/acme/Main.java".into(), "com/acme/./Util.java".into()]).unwrap();
        assert_eq!(paths, ["com/acme/Main.java", "com/acme/Util.java"]);
    }

    #[test]
    fn other_paths_stand_below_their_common_directory() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("inc")).unwrap();
        let files: Vec<PathBuf> = ["main.c", "inc/a.h"].iter().map(|f| root.path().join(f)).collect();
        for file in &files {
            fs::write(file, "x").unwrap();
        }
        assert_eq!(job_paths(&files).unwrap(), ["main.c", "inc/a.h"]);
        assert_eq!(job_paths(&files[1..]).unwrap(), ["a.h"]);
        assert!(matches!(job_paths(&[root.path().join("absent")]), Err(CliError::Read { .. })));
    }

    #[test]
    fn bytes_that_are_not_text_travel_as_base64() {
        assert_eq!(content(json!({}), "stdin", vec![0xff]), json!({ "stdin_base64": "/w==" }));
        assert_eq!(content(json!({}), "stdin", b"a".to_vec()), json!({ "stdin": "a" }));
    }

    #[test]
    fn a_file_above_the_largest_input_is_refused_here() {
        assert!(matches!(read_whole(&[0; 9][..], "x", 8), Err(ReadFailure::TooLarge(_))));
        assert!(read_whole(&[0; 8][..], "x", 8).is_ok());
    }
}
