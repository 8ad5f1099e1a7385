//! The agent's program beside this one: `doctor` and `images` are its work, `up` starts it.
//!
//! Only the agent speaks to the engine, so only its program is linked with
//! what that takes. It is found by place, never by `PATH`: a program of the
//! same name elsewhere must not get the join token.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use super::exit::CliError;

/// File name of the agent's program.
const AGENT: &str = "enclos-agent";

/// Where the agent's program stands.
///
/// # Errors
/// [`CliError::Sibling`] when our own place cannot be told.
pub fn agent_program() -> Result<PathBuf, CliError> {
    let own = std::env::current_exe().map_err(|source| CliError::Sibling { path: AGENT.into(), source })?;
    Ok(own.with_file_name(AGENT))
}

/// Becomes `enclos-agent <command> <args>`; returns only when that is not possible.
///
/// # Errors
/// [`CliError::Sibling`], always.
pub fn become_agent(command: &str, args: &[OsString]) -> Result<std::convert::Infallible, CliError> {
    let path = agent_program()?;
    let source = Command::new(&path).arg(command).args(args).exec();
    Err(CliError::Sibling { path, source })
}
