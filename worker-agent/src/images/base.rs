//! The root file system under the base image: pulled, or bootstrapped from a Debian mirror.

use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;
use std::{fs, io};

use bollard::Docker;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures::StreamExt;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio_util::io::ReaderStream;

use super::PrepareError;
use super::build::{Progress, printable};
use super::error::Chain;
use super::tags::{KIND_IMAGE, LABEL_KIND, LABEL_ROOTFS};

/// What is pulled where nothing else is said: a dated tag, so that two sites get the same.
pub(super) const BASE_IMAGE_DEFAULT: &str = "debian:trixie-20260316-slim";
/// Given as the base image: do not pull.
pub(super) const BASE_IMAGE_NONE: &str = "none";

/// How long a registry may take to begin; a host without one must not wait for it.
const PULL_FIRST_ANSWER_MAX: Duration = Duration::from_secs(15);
/// How long a pull may take in all.
const PULL_TIME_MAX: Duration = Duration::from_secs(10 * 60);
/// How long a bootstrap may take.
const BOOTSTRAP_TIME_MAX: Duration = Duration::from_secs(15 * 60);
/// How long the engine may take to import the result.
const IMPORT_TIME_MAX: Duration = Duration::from_secs(5 * 60);
/// Lines of the bootstrap's output that an error carries.
const OUTPUT_LINES_MAX: usize = 8;
/// Longest such line, in characters.
const OUTPUT_CHARS_MAX: usize = 300;

/// Makes `tag`: from `image` where a registry answers, else by `script`.
pub(super) async fn root_file_system(
    docker: &Docker,
    image: &str,
    script: &[u8],
    tag: &str,
    progress: &dyn Progress,
) -> Result<(), PrepareError> {
    if image != BASE_IMAGE_NONE {
        progress.report(&format!("pulls {image}"));
        match pull(docker, image, progress).await {
            Ok(()) => return super::build::tag(docker, image, tag).await,
            Err(e) => {
                tracing::info!(image, reason = %Chain(&e), "no registry gave the base; it is bootstrapped");
            }
        }
    }
    let folder = PrivateFolder::create().map_err(PrepareError::Bootstrap)?;
    let tar = folder.0.join("rootfs.tar");
    progress.report("bootstraps Debian 13 from a mirror");
    let run = bootstrap(script, &folder.0, &tar, progress);
    let limit = BOOTSTRAP_TIME_MAX;
    tokio::time::timeout(limit, run).await.unwrap_or(Err(PrepareError::TooLong { step: "the bootstrap", limit }))?;
    progress.report("imports Debian 13 into the engine");
    import(docker, &tar, tag).await
}

/// Pulls `reference`; gives up early where no registry answers.
pub(super) async fn pull(docker: &Docker, reference: &str, progress: &dyn Progress) -> Result<(), PrepareError> {
    let failed = |source| PrepareError::Pull { reference: reference.to_owned(), source };
    let options = CreateImageOptionsBuilder::default().from_image(reference).build();
    let mut stream = pin!(docker.create_image(Some(options), None, None));
    let late = |limit| PrepareError::TooLong { step: "the pull", limit };
    let first = tokio::time::timeout(PULL_FIRST_ANSWER_MAX, stream.next());
    let first = first.await.map_err(|_| late(PULL_FIRST_ANSWER_MAX))?;
    first.transpose().map_err(failed)?;
    let rest = async {
        while let Some(message) = stream.next().await {
            if let Some(status) = message.map_err(failed)?.status {
                progress.report(&format!("pulls {reference}: {}", printable(&status, 40)));
            }
        }
        Ok(())
    };
    tokio::time::timeout(PULL_TIME_MAX, rest).await.unwrap_or(Err(late(PULL_TIME_MAX)))
}

async fn bootstrap(script: &[u8], folder: &Path, tar: &Path, progress: &dyn Progress) -> Result<(), PrepareError> {
    let file = folder.join("bootstrap.sh");
    write_private(&file, script).map_err(PrepareError::Bootstrap)?;
    let mut child = Command::new("/bin/sh")
        .arg(&file)
        .arg(tar)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(PrepareError::Bootstrap)?;
    let stderr = child.stderr.take().expect("stderr was asked for as a pipe");
    let mut lines = BufReader::new(stderr).lines();
    let mut output = std::collections::VecDeque::new();
    while let Some(line) = lines.next_line().await.map_err(PrepareError::Bootstrap)? {
        let line = printable(&line, OUTPUT_CHARS_MAX);
        progress.report(&format!("bootstraps Debian 13: {}", line.chars().take(60).collect::<String>()));
        if output.len() == OUTPUT_LINES_MAX {
            output.pop_front();
        }
        output.push_back(line);
    }
    let status = child.wait().await.map_err(PrepareError::Bootstrap)?;
    if status.success() {
        return Ok(());
    }
    let output = output.into_iter().collect::<Vec<_>>().join("; ");
    Err(PrepareError::BootstrapExit { status: status.to_string(), output })
}

async fn import(docker: &Docker, tar: &Path, tag: &str) -> Result<(), PrepareError> {
    let (repository, version) = tag.rsplit_once(':').unwrap_or((tag, "latest"));
    let options = CreateImageOptionsBuilder::default()
        .from_src("-")
        .repo(repository)
        .tag(version)
        .changes(vec![format!("LABEL {LABEL_KIND}={KIND_IMAGE} {LABEL_ROOTFS}=bootstrapped")])
        .build();
    let file = tokio::fs::File::open(tar).await.map_err(PrepareError::Bootstrap)?;
    let body = bollard::body_try_stream(ReaderStream::new(file));
    let docker = docker.clone().with_timeout(IMPORT_TIME_MAX);
    let mut stream = pin!(docker.create_image(Some(options), Some(body), None));
    while let Some(message) = stream.next().await {
        message.map_err(PrepareError::Import)?;
    }
    Ok(())
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    io::Write::write_all(&mut file, bytes)
}

/// A folder that only we can enter, gone when dropped.
struct PrivateFolder(PathBuf);

impl PrivateFolder {
    fn create() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("enclos-base-{}", uuid::Uuid::now_v7()));
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        if let Err(e) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), error = %e, "temporary folder was not removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Silent;

    impl Progress for Silent {
        fn report(&self, _: &str) {}
    }

    #[tokio::test]
    async fn a_failed_bootstrap_says_what_it_wrote_and_leaves_no_folder() {
        let folder = PrivateFolder::create().unwrap();
        let path = folder.0.clone();
        let script = b"echo 'no mirror' >&2; exit 3";
        let error = bootstrap(script, &path, &path.join("x.tar"), &Silent).await.unwrap_err();
        assert!(matches!(&error, PrepareError::BootstrapExit { output, .. } if output == "no mirror"), "{error}");
        drop(folder);
        assert!(!path.exists());
    }
}
