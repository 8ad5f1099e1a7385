//! `enclos blobs`: bytes uploaded once, for many submissions; and how large inputs go the same way.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use super::client::Client;
use super::exit::CliError;
use super::terminal::{Spinner, Terminal, harmless_line, say};
use super::upload::{self, Bytes};
use crate::store::Digest;

/// What is done with blobs.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum BlobsCommand {
    /// Upload files; prints the digest by which submissions name each
    Put {
        /// Files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Write the bytes of a blob to a file or to standard output
    Get {
        /// Its SHA-256
        digest: Digest,
        /// File to write; one that is there is written over
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Delete blobs; jobs that refer to them keep them until they end
    Rm {
        /// Their SHA-256
        #[arg(required = true, value_name = "DIGEST")]
        digests: Vec<Digest>,
    },
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] of the connection or a refusal, or of a file.
pub async fn run(client: &Client, command: &BlobsCommand, terminal: Terminal) -> Result<ExitCode, CliError> {
    match command {
        BlobsCommand::Put { files } => {
            for file in files {
                let digest = upload::upload(client, Bytes::Of(file), terminal).await?;
                say(&format!("{digest}  {}", harmless_line(&file.display().to_string())));
            }
        }
        BlobsCommand::Get { digest, output: Some(path) } => save(client, *digest, path, terminal).await?,
        BlobsCommand::Get { output: None, .. } if terminal.stdout => {
            return Err(CliError::Input("the bytes would go to a terminal; give --output FILE".to_owned()));
        }
        BlobsCommand::Get { digest, output: None } => {
            let taken = take(client, *digest, terminal, async |piece| {
                // Blocks: nothing else goes on in this process.
                io::stdout().write_all(piece)
            });
            taken.await?.map_err(CliError::Output)?;
            io::stdout().flush().map_err(CliError::Output)?;
        }
        BlobsCommand::Rm { digests } => {
            for digest in digests {
                client.delete(&format!("/v1/blobs/{digest}")).await?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Saves a blob under `path`, whole or not at all.
async fn save(client: &Client, digest: Digest, path: &Path, terminal: Terminal) -> Result<(), CliError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    let beside = PathBuf::from(beside);
    let fail = |source| CliError::Write { path: path.to_owned(), source };
    let mut file = tokio::fs::File::create_new(&beside).await.map_err(fail)?;
    let taken = take(client, digest, terminal, async |piece| file.write_all(piece).await).await;
    let saved = match taken {
        Ok(written) => match written.and(file.flush().await) {
            Ok(()) => tokio::fs::rename(&beside, path).await.map_err(fail),
            Err(error) => Err(fail(error)),
        },
        Err(error) => Err(error),
    };
    if saved.is_err() {
        // It tells nothing that the first error does not.
        let _ = tokio::fs::remove_file(&beside).await;
    }
    saved
}

/// Gives `write` the bytes of a blob, and checks that they are its own. The inner error is of `write`.
async fn take(
    client: &Client,
    digest: Digest,
    terminal: Terminal,
    mut write: impl AsyncFnMut(&[u8]) -> io::Result<()>,
) -> Result<io::Result<()>, CliError> {
    let mut response = client.open(&format!("/v1/blobs/{digest}")).await?;
    let (mut hash, mut spinner, mut done) = (Sha256::new(), Spinner::new(terminal.stderr), 0);
    let whole = response.content_length().unwrap_or(0);
    while let Some(piece) = client.piece(&mut response).await? {
        hash.update(&piece);
        done += piece.len() as u64;
        spinner.draw(&upload::progress("received", done, whole));
        if let Err(error) = write(&piece).await {
            return Ok(Err(error));
        }
    }
    spinner.clear();
    if Digest(hash.finalize().into()) == digest {
        Ok(Ok(()))
    } else {
        Err(CliError::Input(format!("what came is not {digest}")))
    }
}

/// Uploads what is large in `submission`, and refers to it instead. Where the master does not take
/// it, it stays where it is: the submission says the same.
///
/// # Errors
/// [`CliError`] of the connection.
pub(super) async fn lift(client: &Client, submission: &mut Value, terminal: Terminal) -> Result<(), CliError> {
    let mut uploaded = BTreeSet::new();
    for place in upload::large(submission) {
        let Some(bytes) = place.bytes(submission) else { continue };
        let digest = Digest::of(&bytes);
        if uploaded.contains(&digest) {
            place.refer(submission, digest);
            continue;
        }
        match upload::upload(client, Bytes::At(bytes), terminal).await {
            Ok(digest) => {
                uploaded.insert(digest);
                place.refer(submission, digest);
            }
            Err(CliError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
