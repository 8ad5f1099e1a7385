//! `enclos fetch`: the files that a job gives back, saved below a folder.
//!
//! A program chose their names. Each is a path that cannot leave the folder,
//! nothing that is there is written over, and no link in it is followed.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use enclos_protocol::job::JobPath;
use serde_json::Value;

use super::client::{Client, query_escaped};
use super::exit::CliError;
use super::show::whole_id;
use super::terminal::{harmless_line, say};

/// What is fetched, and where it goes.
#[derive(Clone, Debug, clap::Args)]
pub struct FetchArgs {
    /// The job's id, or the last digits of it
    pub id: String,
    /// Folder that the files are saved in
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub into: PathBuf,
}

/// Fetches all files of a job.
///
/// # Errors
/// [`CliError`] of the connection or a refusal, or where a file cannot be saved.
pub async fn fetch(client: &Client, args: &FetchArgs) -> Result<ExitCode, CliError> {
    let id = whole_id(client, &args.id).await?;
    let job = client.get(&format!("/v1/jobs/{id}")).await?;
    let files = job["files"].as_array().map(Vec::as_slice).unwrap_or_default();
    if files.is_empty() {
        say("the job gives no files back; `enclos run --keep PATTERN` asks for some");
    }
    for file in files {
        let path = safe(&file["path"])?;
        let escaped: Vec<String> = path.as_str().split('/').map(query_escaped).collect();
        let bytes = client.bytes(&format!("/v1/jobs/{id}/files/{}", escaped.join("/"))).await?;
        let saved = save(&args.into, &path, &bytes);
        saved.map_err(|source| CliError::Write { path: args.into.join(path.as_str()), source })?;
        say(&harmless_line(path.as_str()));
    }
    Ok(ExitCode::SUCCESS)
}

/// What a master says is a path, if it is one that stays below a folder.
fn safe(path: &Value) -> Result<JobPath, CliError> {
    let text = path.as_str().unwrap_or_default().to_owned();
    let shown = harmless_line(&text);
    JobPath::try_from(text).map_err(|e| CliError::Input(format!("'{shown}' is not saved: {e}")))
}

fn save(folder: &Path, path: &JobPath, bytes: &[u8]) -> io::Result<()> {
    let mut place = folder.to_owned();
    fs::create_dir_all(&place)?;
    let (parents, name) = path.as_str().rsplit_once('/').map_or((None, path.as_str()), |(p, n)| (Some(p), n));
    for parent in parents.into_iter().flat_map(|p| p.split('/')) {
        place.push(parent);
        match fs::create_dir(&place) {
            // A link to a folder elsewhere is none.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && place.symlink_metadata()?.is_dir() => {}
            made => made?,
        }
    }
    place.push(name);
    OpenOptions::new().write(true).create_new(true).open(&place)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> JobPath {
        safe(&json!(text)).unwrap()
    }

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        for bad in [json!("../x"), json!("/etc/passwd"), json!("a/../../x"), json!(""), json!(7), json!("a\0b")] {
            assert!(safe(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_is_written_over_and_no_link_is_followed() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        save(folder.path(), &path("a/b.txt"), b"x").unwrap();
        save(folder.path(), &path("a/c.txt"), b"y").unwrap();
        assert_eq!(fs::read(folder.path().join("a/b.txt")).unwrap(), b"x");
        assert!(save(folder.path(), &path("a/b.txt"), b"z").is_err());
        std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("link")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path().join("new"), folder.path().join("file")).unwrap();
        for bad in ["link/x", "file"] {
            assert!(save(folder.path(), &path(bad), b"z").is_err(), "{bad}");
        }
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }
}
