//! What a toolchain says of its version: one short container per language.
//!
//! It doubles as the proof that the image works: an image whose version command
//! fails is not used.

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptions, RemoveContainerOptionsBuilder, StartContainerOptions,
    WaitContainerOptions,
};
use enclos_images::Language;
use enclos_images::command::ENVIRONMENT;
use futures::StreamExt;

use super::PrepareError;
use super::build::printable;

/// Longest run of a version command.
const RUN_TIME_MAX: Duration = Duration::from_secs(60);
/// Longest version text, in characters.
const VERSION_CHARS_MAX: usize = 120;
/// What is read of the output, in bytes.
const OUTPUT_BYTES_MAX: usize = 4096;
/// A JVM starts in this, in bytes.
const MEMORY_BYTES: i64 = 512 * 1024 * 1024;
/// A JVM starts with these.
const PIDS: i64 = 256;

/// The first line that the version command of `language` prints in `image`.
pub(super) async fn read(docker: &Docker, image: &str, language: &Language) -> Result<String, PrepareError> {
    let failed = |problem: String| PrepareError::Version { language: language.id.clone(), problem };
    let created = docker.create_container(None::<CreateContainerOptions>, container(image, language)).await;
    let id = created.map_err(|e| failed(e.to_string()))?.id;
    let outcome = tokio::time::timeout(RUN_TIME_MAX, output(docker, &id)).await;
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    let removed = docker.remove_container(&id, Some(options)).await;
    let (output, code) = match outcome {
        Ok(outcome) => outcome.map_err(|e| failed(e.to_string()))?,
        Err(_) => return Err(failed(format!("did not end within {} s", RUN_TIME_MAX.as_secs()))),
    };
    removed.map_err(|e| failed(e.to_string()))?;
    let line = printable(output.lines().next().unwrap_or_default(), VERSION_CHARS_MAX);
    match code {
        0 if !line.is_empty() => Ok(line),
        0 => Err(failed("it printed nothing".into())),
        code => Err(failed(format!("exit code {code}: {line}"))),
    }
}

fn container(image: &str, language: &Language) -> ContainerCreateBody {
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(language.version_command.clone()),
        user: Some("1000:1000".into()),
        env: Some(ENVIRONMENT.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        working_dir: Some("/tmp".into()),
        labels: Some(HashMap::from([label("enclos", "version"), label("enclos.language", &language.id)])),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        host_config: Some(HostConfig {
            network_mode: Some("none".into()),
            readonly_rootfs: Some(true),
            cap_drop: Some(vec!["ALL".into()]),
            security_opt: Some(vec!["no-new-privileges".into()]),
            memory: Some(MEMORY_BYTES),
            memory_swap: Some(MEMORY_BYTES),
            pids_limit: Some(PIDS),
            log_config: Some(HostConfigLogConfig { typ: Some("none".into()), config: None }),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// Its output, both streams in the order they came, and its exit code.
async fn output(docker: &Docker, id: &str) -> Result<(String, i64), bollard::errors::Error> {
    let options = AttachContainerOptionsBuilder::default().stdout(true).stderr(true).stream(true).build();
    let mut attached = docker.attach_container(id, Some(options)).await?;
    docker.start_container(id, None::<StartContainerOptions>).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = attached.output.next().await {
        let chunk = chunk?.into_bytes();
        let room = OUTPUT_BYTES_MAX.saturating_sub(bytes.len());
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    let code = match docker.wait_container(id, None::<WaitContainerOptions>).next().await {
        Some(Ok(ended)) => ended.status_code,
        Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. })) => code,
        Some(Err(e)) => return Err(e),
        None => -1,
    };
    Ok((String::from_utf8_lossy(&bytes).into_owned(), code))
}
