//! Builds the supervisor as a static program and hands its path to `src/supervisor.rs`.
//!
//! A plain `cargo build` is enough: a second cargo runs here, with a target
//! directory of its own (the outer build holds the lock of the shared one) and
//! without the outer build's variables (lint drivers and flags would leak in).
//! `ENCLOS_SUPERVISOR=path` uses a program that was built elsewhere.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Variables of the outer build that would change the inner one.
const SCRUBBED: [&str; 8] = [
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTDOC",
    "CLIPPY_ARGS",
    "RUSTC_LINKER",
];

fn main() {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let root = manifest.parent().expect("the crate stands in the workspace").to_owned();
    for watched in ["supervisor/src", "supervisor/Cargo.toml", "protocol/src", "protocol/Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    println!("cargo::rerun-if-env-changed=ENCLOS_SUPERVISOR");

    let built = env::var_os("ENCLOS_SUPERVISOR").map_or_else(|| build(&root, &out), PathBuf::from);
    let embedded = out.join("supervisor");
    fs::copy(&built, &embedded).unwrap_or_else(|e| panic!("{} cannot be embedded: {e}", built.display()));
    println!("cargo::rustc-env=ENCLOS_SUPERVISOR_EMBEDDED={}", embedded.display());
}

/// Builds `enclos-supervisor` and gives the path of the program.
fn build(root: &Path, out: &Path) -> PathBuf {
    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets it");
    let musl = format!("{arch}-unknown-linux-musl");
    // glibc links statically too, only larger: it serves where the musl target is not installed.
    let (target, flags) = if is_installed(root, &musl) {
        (musl, None)
    } else {
        (format!("{arch}-unknown-linux-gnu"), Some("-C target-feature=+crt-static"))
    };
    let target_dir = out.join("supervisor-target");
    let mut cargo = scrubbed(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()).as_ref());
    cargo.current_dir(root).args(["build", "--quiet", "--package", "enclos-supervisor"]);
    cargo.args(["--profile", "supervisor", "--target", &target, "--target-dir"]).arg(&target_dir);
    if let Some(flags) = flags {
        cargo.env("RUSTFLAGS", flags);
    }
    let status = cargo.status().expect("cargo can be run again");
    assert!(status.success(), "the supervisor could not be built for {target}");
    target_dir.join(target).join("supervisor/enclos-supervisor")
}

fn is_installed(root: &Path, target: &str) -> bool {
    let output = scrubbed(Path::new("rustc")).current_dir(root).args(["--print", "sysroot"]).output();
    let Ok(output) = output else { return false };
    let sysroot = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Path::new(&sysroot).join("lib/rustlib").join(target).join("lib").is_dir()
}

/// A command without the outer build's variables; `CARGO_HOME` stays, it says where the sources are.
fn scrubbed(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let cargo = text.starts_with("CARGO") && !["CARGO_HOME", "CARGO_NET_OFFLINE"].contains(&text.as_ref());
        if cargo || SCRUBBED.contains(&text.as_ref()) {
            command.env_remove(&name);
        }
    }
    command
}
