//! `enclos backup`: the master's data directory as one archive, while the master runs.

use std::path::PathBuf;
use std::process::ExitCode;

use super::exit::CliError;
use super::service_error;
use super::terminal::{harmless_line, say};
use crate::store::{self, BackedUp};

/// Flags of the command.
#[derive(Clone, Debug, clap::Args)]
pub struct BackupArgs {
    /// The master's data directory, on this machine
    #[arg(long, env = "ENCLOS_DATA_DIR", default_value = "enclos-data", value_name = "DIR")]
    data_dir: PathBuf,
    /// Archive to make (tar); only its owner may read it, as it holds sources, the join token and the key of callbacks' secrets
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

/// Makes the backup and says how to use it.
///
/// # Errors
/// [`CliError`]; no archive is left then.
pub fn run(args: &BackupArgs) -> Result<ExitCode, CliError> {
    let BackupArgs { data_dir, to } = args;
    let made = store::back_up(data_dir, to).map_err(service_error("there is no backup"))?;
    let BackedUp { jobs, blobs, size_bytes } = made;
    let file = harmless_line(&to.display().to_string());
    say(&format!("{file}: {jobs} jobs and {blobs} blobs in {size_bytes} bytes, looked through"));
    say(&format!("To use it: mkdir DIR && tar -xf {file} -C DIR && enclos master --data-dir DIR"));
    Ok(ExitCode::SUCCESS)
}
