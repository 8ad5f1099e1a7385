//! Language images as files: written once where they were made, and loaded by every agent that shares the folder.
//!
//! A name carries the digest of what its image was made of, so a folder may hold those of several releases, and an
//! agent never loads another one's.

use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::{ImportImageOptions, RemoveImageOptions};
use futures::StreamExt;
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;
use tokio_util::io::ReaderStream;

use super::PrepareError;

/// Longest that the engine may take for one archive.
const EXCHANGE_TIME_MAX: Duration = Duration::from_secs(15 * 60);
/// Piece in which an archive is read, in bytes.
const PIECE_BYTES: usize = 256 * 1024;

/// The file of the image that the engine knows by `reference` (`enclos/<name>:<digest>`).
pub(super) fn file_name(reference: &str) -> String {
    format!("{}.tar", reference.trim_start_matches("enclos/").replace([':', '/'], "-"))
}

/// Writes an image to `path`, which is there whole or not at all. Gives its size in bytes.
pub(super) async fn save(docker: &Docker, reference: &str, path: &Path) -> Result<u64, PrepareError> {
    let failed = |source| PrepareError::Archive { path: path.to_owned(), source };
    let partial = path.with_extension("partial");
    let written = async {
        let mut file = File::create(&partial).await.map_err(failed)?;
        let docker = docker.clone().with_timeout(EXCHANGE_TIME_MAX);
        let mut pieces = pin!(docker.export_image(reference));
        let mut bytes = 0;
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(exchange(reference, path))?;
            bytes += piece.len() as u64;
            file.write_all(&piece).await.map_err(failed)?;
        }
        file.sync_all().await.map_err(failed)?;
        fs::rename(&partial, path).await.map_err(failed)?;
        Ok(bytes)
    };
    let written = timeout(EXCHANGE_TIME_MAX, written).await.unwrap_or_else(|_| Err(late("the export")));
    if written.is_err() {
        // It was never whole; that it may not be there either says nothing new.
        let _ = fs::remove_file(&partial).await;
    }
    written
}

/// Gives the archive at `path` to the engine.
pub(super) async fn load(docker: &Docker, reference: &str, path: &Path) -> Result<(), PrepareError> {
    let failed = |source| PrepareError::Archive { path: path.to_owned(), source };
    let file = File::open(path).await.map_err(failed)?;
    let body = bollard::body_try_stream(ReaderStream::with_capacity(file, PIECE_BYTES));
    let docker = docker.clone().with_timeout(EXCHANGE_TIME_MAX);
    let loaded = async {
        let mut messages = pin!(docker.import_image(ImportImageOptions::default(), body, None));
        while let Some(message) = messages.next().await {
            message.map_err(exchange(reference, path))?;
        }
        Ok(())
    };
    timeout(EXCHANGE_TIME_MAX, loaded).await.unwrap_or_else(|_| Err(late("the load")))
}

/// Takes the name `reference` from whatever image has it.
pub(super) async fn forget(docker: &Docker, reference: &str) {
    if let Err(error) = docker.remove_image(reference, None::<RemoveImageOptions>, None).await {
        tracing::warn!(reference, %error, "an image that is not what its name says was not removed");
    }
}

fn late(step: &'static str) -> PrepareError {
    PrepareError::TooLong { step, limit: EXCHANGE_TIME_MAX }
}

fn exchange(reference: &str, path: &Path) -> impl Fn(bollard::errors::Error) -> PrepareError {
    move |source| PrepareError::Exchange { reference: reference.to_owned(), path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_image_and_digest() {
        assert_eq!(file_name("enclos/gcc:0123456789abcdef"), "gcc-0123456789abcdef.tar");
    }
}
