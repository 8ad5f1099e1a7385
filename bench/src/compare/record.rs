//! Puts what another program of the bench has said into a section of a document.

use std::io::Read as _;
use std::path::PathBuf;

use clap::Args;

use super::{Outcome, document};

/// Longest text of a section, in bytes.
const BODY_BYTES_MAX: u64 = 1024 * 1024;

#[derive(Args)]
pub struct RecordArgs {
    /// Document with the section's marks
    #[arg(long)]
    document: PathBuf,
    /// Name of the section
    #[arg(long)]
    section: String,
    /// What was run
    #[arg(long)]
    command: String,
}

/// Writes standard input where the section stands.
///
/// # Errors
/// There is nothing to write or too much of it, or the document has no such section.
pub fn record(args: &RecordArgs) -> Outcome<()> {
    let mut body = String::new();
    std::io::stdin().take(BODY_BYTES_MAX + 1).read_to_string(&mut body)?;
    if body.trim().is_empty() || body.len() as u64 > BODY_BYTES_MAX {
        return Err(format!("a section has between 1 and {BODY_BYTES_MAX} bytes").into());
    }
    document::write(&args.document, &args.section, &args.command, &body)
}
