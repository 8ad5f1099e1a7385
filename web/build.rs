//! Builds the page with npm and hands its files to `assets/lib.rs`.
//!
//! A plain `cargo build` is enough: a copy of the page's sources is built in OUT_DIR, so neither the
//! repository nor another build is touched. Where npm is missing, too old or cannot reach its registry, the
//! build says so and goes on with a page that says it too; it is tried again the next time. A page that does
//! not compile fails the build, as any other source does. `ENCLOS_PAGE=none` leaves it out.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, io};

use sha2::{Digest as _, Sha256};

/// What stands in the folder and is no input of the page.
const SKIPPED: [&str; 12] = [
    "node_modules",
    "dist",
    "e2e",
    "playwright.config.ts",
    "scripts",
    "assets",
    "target",
    "coverage",
    "test-results",
    "playwright-report",
    "Cargo.toml",
    "build.rs",
];
/// Oldest Node that Vite takes: major and minor.
const NODE_MIN: (u32, u32) = (20, 19);
/// Hex digits of a hash that name a file's bytes.
const HASH_DIGITS: usize = 32;
/// Lines of a failed command that are shown.
const LINES_MAX: usize = 8;
/// Does not exist: cargo looks again at each build.
const AGAIN: &str = "assets/never-there";

/// Why there is no page, and what to do.
struct NoPage(String);

fn main() {
    let web = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    println!("cargo::rerun-if-env-changed=ENCLOS_PAGE");
    for watched in inputs(&web).into_iter().chain(["assets".into(), "build.rs".into()]) {
        println!("cargo::rerun-if-changed={}", web.join(watched).display());
    }
    let page = out.join("page");
    let is_built = match env::var("ENCLOS_PAGE").as_deref() {
        Ok("none") => false,
        _ => match build(&web, &page) {
            Ok(()) => true,
            Err(NoPage(why)) => {
                println!("cargo::warning=the page is not built: {why}. The API works without it");
                println!("cargo::rerun-if-changed={}", web.join(AGAIN).display());
                false
            }
        },
    };
    let files = if is_built { files(&page) } else { vec![("/".to_owned(), web.join("assets/unbuilt.html"), None)] };
    fs::write(out.join("files.rs"), listed(&files)).expect("OUT_DIR can be written");
}

/// Names of what the page is made of.
fn inputs(web: &Path) -> Vec<String> {
    let entries = fs::read_dir(web).expect("the folder of the page can be read");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| !SKIPPED.contains(&name.as_str())).collect();
    names.sort();
    names
}

/// Builds a copy in `page`.
fn build(web: &Path, page: &Path) -> Result<(), NoPage> {
    let node = node_version()?;
    copy_anew(web, page).expect("OUT_DIR can be written");
    let lock = fs::read(page.join("package-lock.json")).expect("the page has a package-lock.json");
    // Node's version counts too: packages may be built for one.
    let (wanted, stamp) =
        (format!("{} {node}", hex::encode(Sha256::digest(&lock))), page.join("node_modules/.enclos-lock"));
    if fs::read_to_string(&stamp).ok().as_deref() != Some(&wanted) {
        // Whatever the environment leaves out: what builds the page is a dependency of development.
        let args = [
            "ci",
            "--include=dev",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--fetch-retries=1",
            "--fetch-timeout=60000",
        ];
        run(page, "npm", &args).map_err(|said| NoPage(format!("`npm ci` failed: {said}")))?;
        fs::write(&stamp, &wanted).expect("OUT_DIR can be written");
    }
    if let Err(said) = run(page, "npm", &["run", "build"]) {
        panic!("the page does not compile: {said}");
    }
    let compress = web.join("assets/precompress.mjs");
    let compress = compress.to_str().expect("the path of the repository is text");
    run(page, "node", &[compress, "dist", "packed"]).expect("files can be compressed");
    Ok(())
}

/// Node's version, where it is new enough.
fn node_version() -> Result<String, NoPage> {
    let wanted = format!("install Node {}.{} or newer with npm, and build again", NODE_MIN.0, NODE_MIN.1);
    let said = |program| {
        let output = Command::new(program).arg("--version").stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    if said("npm").is_none() {
        return Err(NoPage(format!("npm was not found; {wanted}")));
    }
    let version = said("node").unwrap_or_default();
    let mut numbers = version.trim_start_matches('v').split('.').filter_map(|n| n.parse::<u32>().ok());
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < NODE_MIN {
        return Err(NoPage(format!("node is {version}; {wanted}")));
    }
    Ok(version)
}

/// What a failed command said first is its error.
fn run(dir: &Path, program: &str, args: &[&str]) -> Result<(), String> {
    let mut command = Command::new(program);
    command.current_dir(dir).args(args).stdin(Stdio::null());
    // The outer build's own: npm would take some of them for its settings.
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO")) {
        command.env_remove(name);
    }
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stderr, output.stdout].concat();
    let said = String::from_utf8_lossy(&said);
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "npm error");
    Err(lines.take(LINES_MAX).collect::<Vec<_>>().join(" | "))
}

/// The inputs as they are now; what was installed before stays.
fn copy_anew(web: &Path, page: &Path) -> io::Result<()> {
    fs::create_dir_all(page)?;
    for entry in fs::read_dir(page)? {
        let entry = entry?;
        if entry.file_name() == "node_modules" {
            continue;
        }
        if entry.file_type()?.is_dir() { fs::remove_dir_all(entry.path())? } else { fs::remove_file(entry.path())? }
    }
    inputs(web).iter().try_for_each(|name| copy(&web.join(name), &page.join(name)))
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        copy(&from.join(&name), &to.join(&name))?;
    }
    Ok(())
}

/// Where each file is served, the file, and where its compressed forms are without their endings.
type Listed = (String, PathBuf, Option<PathBuf>);

fn files(page: &Path) -> Vec<Listed> {
    let (dist, packed) = (page.join("dist"), page.join("packed"));
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(dist.join(&folder)).expect("the page was built") {
            let entry = entry.expect("the page can be read");
            let path = folder.join(entry.file_name());
            if entry.file_type().expect("a file has a kind").is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.to_str().expect("names of the page are text").replace('\\', "/");
            let served = if name == "index.html" { "/".to_owned() } else { format!("/{name}") };
            found.push((served, dist.join(&path), Some(packed.join(&path))));
        }
    }
    found.sort();
    found
}

fn listed(files: &[Listed]) -> String {
    let mut code = String::from("/// The files of the page, by path.\npub static FILES: &[File] = &[\n");
    for (served, path, packed) in files {
        let bytes = fs::read(path).expect("the page can be read");
        let hash = &hex::encode(Sha256::digest(&bytes))[..HASH_DIGITS];
        let media_type = media_type(path.extension().and_then(|e| e.to_str()).unwrap_or_default());
        let is_immutable = served.starts_with("/assets/");
        let form = |ending: &str| {
            let path = packed.as_ref().map(|packed| PathBuf::from(format!("{}.{ending}", packed.display())));
            match path.filter(|path| path.is_file()) {
                Some(path) => format!("Some(include_bytes!({path:?}))"),
                None => "None".to_owned(),
            }
        };
        let (brotli, gzip) = (form("br"), form("gz"));
        let _ = writeln!(
            code,
            "    File {{ path: {served:?}, media_type: {media_type:?}, is_immutable: {is_immutable}, hash: {hash:?}, \
             plain: include_bytes!({path:?}), brotli: {brotli}, gzip: {gzip} }},"
        );
    }
    code + "];\n"
}

fn media_type(extension: &str) -> &'static str {
    match extension {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        other => panic!("the page has a file of a kind that is not known here: '.{other}'"),
    }
}
