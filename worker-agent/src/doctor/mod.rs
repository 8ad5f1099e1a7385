//! `enclos-agent doctor`: what this host can do, each with a verdict and what to do.
//!
//! Facts are collected once (`collect`, thin), judged without any I/O
//! (`checks`, pure), and shown (`show`). `fix` does the one thing that may be
//! done without asking anyone: load the AppArmor profile.
//!
//! It must not change anything on the host without `--fix`, except a cgroup
//! that it makes and removes to see whether it may.

mod checks;
mod collect;
mod facts;
mod fix;
mod show;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

pub use checks::{Check, Verdict, evaluate};
pub use facts::Facts;

/// Arguments of `doctor`.
#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// Load the AppArmor profile of sandboxes where it is missing (needs root)
    #[arg(long)]
    fix: bool,
    /// Only what is not as it should be, and the sum
    #[arg(long)]
    brief: bool,
    /// One JSON document instead of text
    #[arg(long)]
    json: bool,
    /// Folder of image folders instead of those that this build carries
    #[arg(long, env = "ENCLOS_IMAGES_DIR", value_name = "DIR")]
    images_dir: Option<PathBuf>,
}

/// Looks, judges, shows. Exit code 1 when a check fails.
pub async fn run(args: DoctorArgs) -> ExitCode {
    let mut facts = collect::collect(args.images_dir.as_deref()).await;
    let mut fixed = Vec::new();
    if args.fix {
        if facts.apparmor.needs_profile() {
            match fix::load_apparmor().await {
                Ok(done) => fixed.push(done),
                Err(e) => fixed.push(format!("AppArmor profile not loaded: {e}")),
            }
            facts = collect::collect(args.images_dir.as_deref()).await;
        } else {
            fixed.push("nothing to fix".to_owned());
        }
    }
    let checks = evaluate(&facts);
    if args.json {
        println!("{}", show::json(&checks));
    } else {
        print!("{}", show::text(&checks, args.brief, std::io::stdout().is_terminal()));
    }
    for line in fixed {
        eprintln!("enclos-agent doctor: {line}");
    }
    let failed = checks.iter().any(|c| c.verdict == Verdict::Fail);
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
