//! Uploads, with their progress; and which parts of a submission are large enough for one.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio_util::io::ReaderStream;

use super::client::Client;
use super::exit::CliError;
use super::terminal::{Spinner, Terminal};
use crate::store::Digest;

/// Inputs and files from this size on are uploaded as blobs on their own, in bytes.
pub const BLOB_FROM_BYTES: usize = 1024 * 1024;
/// Uploads and downloads from this size on show how far they are, in bytes.
const PROGRESS_FROM_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes that are read and sent at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// What is uploaded.
#[derive(Debug)]
pub enum Bytes<'a> {
    /// A file, of which only a piece is in memory at a time.
    Of(&'a Path),
    /// What is in memory.
    At(Vec<u8>),
}

/// Uploads them, and says by which name they are known.
///
/// # Errors
/// [`CliError`] of the file, the connection, or a refusal.
pub async fn upload(client: &Client, bytes: Bytes<'_>, terminal: Terminal) -> Result<Digest, CliError> {
    let hash = Arc::new(Mutex::new(Sha256::new()));
    let (pieces, whole) = match bytes {
        Bytes::Of(path) => {
            let fail = |source| CliError::Read { path: path.to_owned(), source };
            let file = tokio::fs::File::open(path).await.map_err(fail)?;
            let facts = file.metadata().await.map_err(fail)?;
            if !facts.is_file() {
                return Err(CliError::Input(format!("{} is not a file", path.display())));
            }
            let pieces = ReaderStream::with_capacity(file, PIECE_BYTES).map_ok(Vec::from);
            (pieces.left_stream(), facts.len())
        }
        Bytes::At(bytes) => {
            let whole = bytes.len() as u64;
            let pieces: Vec<_> = bytes.chunks(PIECE_BYTES).map(|piece| Ok(piece.to_vec())).collect();
            (stream::iter(pieces).right_stream(), whole)
        }
    };
    let spinner = Spinner::new(terminal.stderr && whole >= PROGRESS_FROM_BYTES);
    let answer = client.upload(watched(pieces, Arc::clone(&hash), whole, spinner), whole).await;
    let digest = Digest(hash.lock().unwrap_or_else(PoisonError::into_inner).clone().finalize().into());
    let answer = answer?;
    // The master hashed what came to it.
    if answer["sha256"] == digest.to_string().as_str() {
        Ok(digest)
    } else {
        Err(CliError::Input("what arrived at the master is not what was sent".to_owned()))
    }
}

/// `pieces` as they are, hashed and shown on their way; the spinner goes with the stream.
fn watched(
    pieces: impl Stream<Item = std::io::Result<Vec<u8>>> + Send + 'static,
    hash: Arc<Mutex<Sha256>>,
    whole: u64,
    spinner: Spinner,
) -> impl Stream<Item = std::io::Result<Vec<u8>>> + Send + 'static {
    let (mut drawn, mut done) = (Drawn(spinner), 0);
    pieces.inspect_ok(move |piece| {
        hash.lock().unwrap_or_else(PoisonError::into_inner).update(piece);
        done += piece.len() as u64;
        drawn.0.draw(&progress("sent", done, whole));
    })
}

/// A spinner that is wiped away with its owner.
struct Drawn(Spinner);

impl Drop for Drawn {
    fn drop(&mut self) {
        self.0.clear();
    }
}

/// How far a transfer is.
pub(super) fn progress(verb: &str, done: u64, whole: u64) -> String {
    let mib = |bytes: u64| format!("{}.{}", bytes >> 20, ((bytes & 0xf_ffff) * 10) >> 20);
    let percent = done.saturating_mul(100).checked_div(whole).unwrap_or(100);
    format!("{} of {} MiB {verb} ({percent} %)", mib(done), mib(whole))
}

/// A member of a submission that is large: the object it stands in, as a JSON pointer, and its name
/// without `_base64`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Large {
    object: String,
    name: &'static str,
}

/// What of a submission is large.
pub(super) fn large(submission: &Value) -> Vec<Large> {
    let list = |pointer: &str| {
        let count = submission.pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len);
        (0..count).map(|index| format!("{pointer}/{index}")).collect::<Vec<_>>()
    };
    let files = ["/files", "/checker/program/files", "/interactor/files"].iter().flat_map(|files| list(files));
    let cases = list("/cases").into_iter().flat_map(|case| [(case.clone(), "stdin"), (case, "expected_stdout")]);
    let places = [(String::new(), "stdin"), ("/archive".to_owned(), "content")].into_iter();
    let places = places.chain(files.map(|file| (file, "content"))).chain(cases);
    let places = places.map(|(object, name)| Large { object, name });
    places.filter(|place| place.text(submission).is_some_and(|(text, _)| text.len() >= BLOB_FROM_BYTES)).collect()
}

impl Large {
    fn text<'a>(&self, submission: &'a Value) -> Option<(&'a str, bool)> {
        let object = submission.pointer(&self.object)?;
        let plain = object[self.name].as_str().map(|text| (text, false));
        plain.or_else(|| Some((object[format!("{}_base64", self.name)].as_str()?, true)))
    }

    /// Its bytes.
    pub(super) fn bytes(&self, submission: &Value) -> Option<Vec<u8>> {
        match self.text(submission)? {
            (text, false) => Some(text.as_bytes().to_vec()),
            (text, true) => BASE64.decode(text).ok(),
        }
    }

    /// Puts a reference in its place.
    pub(super) fn refer(&self, submission: &mut Value, digest: Digest) {
        let Some(object) = submission.pointer_mut(&self.object).and_then(Value::as_object_mut) else { return };
        object.remove(self.name);
        object.remove(&format!("{}_base64", self.name));
        let name = if self.name == "content" { "blob".to_owned() } else { format!("{}_blob", self.name) };
        object.insert(name, json!(digest.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_large_is_found_everywhere_and_referred_to() {
        let (long, short) = ("x".repeat(BLOB_FROM_BYTES), "y");
        let encoded = BASE64.encode(long.as_bytes());
        let mut submission = json!({
            "files": [{ "path": "a", "content": short }, { "path": "b", "content_base64": encoded }],
            "stdin": long,
            "archive": { "content_base64": encoded },
            "cases": [{ "stdin": short }, { "stdin_base64": encoded, "expected_stdout": long }],
            "checker": { "program": { "files": [{ "path": "c", "content": long }] } },
            "interactor": { "files": [{ "path": "d", "content": long }] },
        });
        let digest = Digest::of(long.as_bytes());
        let places = large(&submission);
        assert_eq!(places.len(), 7);
        for place in places {
            assert_eq!(place.bytes(&submission).unwrap(), long.as_bytes());
            place.refer(&mut submission, digest);
        }
        let name = digest.to_string();
        let referring = json!({
            "files": [{ "path": "a", "content": short }, { "path": "b", "blob": name }],
            "stdin_blob": name,
            "archive": { "blob": name },
            "cases": [{ "stdin": short }, { "stdin_blob": name, "expected_stdout_blob": name }],
            "checker": { "program": { "files": [{ "path": "c", "blob": name }] } },
            "interactor": { "files": [{ "path": "d", "blob": name }] },
        });
        assert_eq!(submission, referring);
        assert!(large(&submission).is_empty() && large(&json!({ "checker": "trim" })).is_empty());
    }

    #[test]
    fn progress_is_told_in_mebibytes() {
        assert_eq!(progress("sent", 3 << 19, 3 << 20), "1.5 of 3.0 MiB sent (50 %)");
        assert_eq!(progress("sent", 0, 0), "0.0 of 0.0 MiB sent (100 %)");
    }
}
