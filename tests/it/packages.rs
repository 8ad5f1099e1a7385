//! Python packages that tests use: pinned, and installed once into the target directory.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::process::Command;
use tokio::time::timeout;

use crate::tidy::{read, root};

/// Longest that packages may take to be installed.
const INSTALL_WAIT: Duration = Duration::from_secs(240);

/// A Python that has the packages of a list.
pub struct Python {
    program: PathBuf,
    packages: Option<PathBuf>,
}

impl Python {
    /// One with what `pins` names, a list of the repository; made anew where the list has changed.
    pub async fn with(pins: &Path) -> Self {
        let text = read(pins);
        let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("python");
        let place = home.join(hex::encode(&Sha256::digest(&text)[..8]));
        if !place.is_dir() {
            std::fs::create_dir_all(&home).expect("the folder can be made");
            let beside = tempfile::tempdir_in(&home).expect("a folder can be made").keep();
            install(&beside, &root().join(pins)).await;
            // Where another test was faster, its own is as good.
            if std::fs::rename(&beside, &place).is_err() {
                std::fs::remove_dir_all(&beside).expect("it is ours");
            }
        }
        let own = place.join("venv/bin/python");
        match own.is_file() {
            true => Self { program: own, packages: None },
            false => Self { program: "python3".into(), packages: Some(place.join("lib")) },
        }
    }

    /// What a script of the repository comes to, with these variables.
    pub async fn run(&self, script: &Path, args: &[&str], envs: &[(&str, &str)], wait: Duration) -> Output {
        let mut command = Command::new(&self.program);
        command.arg(root().join(script)).args(args).envs(envs.iter().copied()).kill_on_drop(true);
        if let Some(packages) = &self.packages {
            command.env("PYTHONPATH", packages);
        }
        timeout(wait, command.output()).await.expect("the script ends").expect("python starts")
    }
}

/// A virtual environment where Python can make one, else a folder of its own.
async fn install(place: &Path, pins: &Path) {
    let environment = place.join("venv");
    let made = Command::new("python3").args(["-m", "venv"]).arg(&environment).output().await;
    let made = made.expect("python3 is installed").status.success();
    let mut pip = if made {
        Command::new(environment.join("bin/python"))
    } else {
        let _ = std::fs::remove_dir_all(&environment);
        Command::new("python3")
    };
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(pins);
    if !made {
        pip.arg("--target").arg(place.join("lib"));
    }
    let installed = timeout(INSTALL_WAIT, pip.kill_on_drop(true).output()).await.expect("pip ends");
    let installed = installed.expect("pip starts");
    let said = String::from_utf8_lossy(&installed.stderr);
    assert!(installed.status.success(), "the index that pip is configured for must answer: {said}");
}
