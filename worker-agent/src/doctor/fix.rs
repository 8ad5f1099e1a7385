//! Loads the AppArmor profile, now and for later boots.

use std::process::Stdio;
use std::{fs, io};

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::engine::profile::APPARMOR as PROFILE;

/// Where the host loads profiles from when it boots.
const INSTALLED: &str = "/etc/apparmor.d/enclos-sandbox";

const TEXT: &str = include_str!("../../profile/apparmor");

/// Why the profile is not loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum FixError {
    /// The parser cannot be run.
    #[error("cannot run apparmor_parser ({0}); Debian's and Ubuntu's package is 'apparmor'")]
    Parser(#[source] io::Error),
    /// It refuses the profile.
    #[error("apparmor_parser refuses the profile (root is needed): {0}")]
    Refused(String),
    /// It is loaded, but would be gone after the next boot.
    #[error("the profile is loaded, and cannot be kept in {INSTALLED}: {0}")]
    Keep(#[source] io::Error),
}

/// Loads the profile and keeps it for later boots; says what was done.
pub(super) async fn load_apparmor() -> Result<String, FixError> {
    let old = for_apparmor_3(TEXT);
    let loaded = match parse(TEXT).await {
        Ok(()) => TEXT,
        // Hosts with AppArmor 3 do not restrict user namespaces.
        Err(FixError::Refused(_)) => parse(&old).await.map(|()| old.as_str())?,
        Err(e) => return Err(e),
    };
    fs::write(INSTALLED, loaded).map_err(FixError::Keep)?;
    Ok(format!("AppArmor profile '{PROFILE}' is loaded and kept in {INSTALLED}"))
}

async fn parse(text: &str) -> Result<(), FixError> {
    let mut child = Command::new("apparmor_parser")
        .args(["--replace", "--write-cache"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(FixError::Parser)?;
    let mut stdin = child.stdin.take().expect("stdin was asked for as a pipe");
    // A parser that ends without reading says why on its standard error.
    let _unread = stdin.write_all(text.as_bytes()).await;
    drop(stdin);
    let output = child.wait_with_output().await.map_err(FixError::Parser)?;
    if output.status.success() {
        return Ok(());
    }
    Err(FixError::Refused(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// Without the two lines that only AppArmor 4 knows.
fn for_apparmor_3(text: &str) -> String {
    let known = |line: &&str| !["abi <abi/4.0>,", "userns,"].contains(&line.trim());
    text.lines().filter(known).fold(String::new(), |text, line| text + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_has_the_name_that_sandboxes_are_given_and_two_lines_of_apparmor_4() {
        assert!(TEXT.contains(&format!("profile {PROFILE} ")));
        assert_eq!(TEXT.lines().count(), for_apparmor_3(TEXT).lines().count() + 2);
        assert!(TEXT.lines().any(|l| l == "  mount,") && !TEXT.lines().any(|l| l.trim() == "deny mount,"));
    }
}
