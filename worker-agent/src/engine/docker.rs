//! The engine behind Docker's API, by bollard.
//!
//! Thin: each call is one request, bounded in time, its failure told by which
//! call it was. Decisions about containers are in `profile.rs`.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error as ClientError;
use bollard::models::SystemInfoCgroupDriverEnum;
use bollard::query_parameters::{
    AttachContainerOptions, CreateContainerOptions, CreateImageOptions, ListContainersOptions, RemoveContainerOptions,
    StartContainerOptions,
};
use enclos_protocol::ids::AgentName;
use enclos_protocol::supervisor_link::{CGROUP_DIR, JOB_DIR, SUPERVISOR_PATH};
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt};
use tokio::time::timeout;
use tokio_util::bytes::Bytes;

use super::presence::Presence;
use super::{
    Answer, Cause, ContainerId, Engine, EngineError, EngineFacts, KIND_SANDBOX, LABEL_AGENT, LABEL_DEADLINE,
    LABEL_KIND, LABEL_NUMBER, Labelled, Piece, SandboxSpec, Wires, has_option, profile,
};
use crate::supervisor;

/// Longest that one call to the engine may take; a busy engine takes seconds to start a container.
const CALL_WAIT: Duration = Duration::from_secs(60);
/// Directories of the probe image: where cells mount, and where cgroups are bound.
const PROBE_DIRS: [&str; 6] = [JOB_DIR, "/tmp", "/proc", "/sys", "/dev", CGROUP_DIR];

const NOT_FOUND: u16 = 404;
const NOT_MODIFIED: u16 = 304;
const CONFLICT: u16 = 409;

/// An engine that speaks Docker's API.
#[derive(Clone)]
pub struct DockerEngine {
    docker: Docker,
    presence: Presence,
}

impl DockerEngine {
    /// Connects as the environment says (`DOCKER_HOST`, else the usual socket) and agrees on an API version.
    ///
    /// # Errors
    /// [`EngineError::Connect`].
    pub async fn connect() -> Result<Self, EngineError> {
        Self::agree(Docker::connect_with_defaults()).await
    }

    /// The same to the engine at `host` (`unix:///…`), whatever the environment says.
    ///
    /// # Errors
    /// [`EngineError::Connect`].
    pub async fn connect_to(host: &str) -> Result<Self, EngineError> {
        Self::agree(Docker::connect_with_unix(host, CALL_WAIT.as_secs(), bollard::API_DEFAULT_VERSION)).await
    }

    async fn agree(docker: Result<Docker, ClientError>) -> Result<Self, EngineError> {
        let docker = docker.map_err(|e| EngineError::Connect(e.into()))?;
        let docker = bounded(docker.negotiate_version()).await.map_err(EngineError::Connect)?;
        Ok(Self { docker, presence: Presence::default() })
    }

    /// Sees when the engine goes away, for [`Engine::is_gone`]; to be run for as long as that is asked. Never ends.
    pub async fn watch(self) {
        self.presence.hold(self.docker).await;
    }

    /// The client, for who makes images.
    #[must_use]
    pub fn client(&self) -> Docker {
        self.docker.clone()
    }
}

/// `call`, ended after [`CALL_WAIT`].
async fn bounded<T>(call: impl Future<Output = Result<T, ClientError>>) -> Result<T, Cause> {
    match timeout(CALL_WAIT, call).await {
        Ok(answer) => answer.map_err(Cause::from),
        Err(_) => Err(format!("no answer within {} s", CALL_WAIT.as_secs()).into()),
    }
}

fn status_of(error: &Cause) -> Option<u16> {
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::DockerResponseServerError { status_code, .. }) => Some(*status_code),
        _ => None,
    }
}

/// A tar of the supervisor and the directories that a sandbox mounts on.
fn probe_archive() -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for dir in PROBE_DIRS {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        header.set_mode(0o755);
        archive.append_data(&mut header, dir.trim_start_matches('/'), std::io::empty())?;
    }
    let mut header = tar::Header::new_ustar();
    header.set_size(supervisor::SUPERVISOR.len() as u64);
    header.set_mode(0o555);
    archive.append_data(&mut header, SUPERVISOR_PATH.trim_start_matches('/'), supervisor::SUPERVISOR)?;
    archive.into_inner()
}

impl DockerEngine {
    async fn make_probe_image(&self) -> Result<String, Cause> {
        let repository = "enclos/probe";
        let tag = supervisor::digest()[..16].to_owned();
        let reference = format!("{repository}:{tag}");
        if bounded(self.docker.inspect_image(&reference)).await.is_ok() {
            return Ok(reference);
        }
        let options = CreateImageOptions {
            from_src: Some("-".to_owned()),
            repo: Some(repository.to_owned()),
            tag: Some(tag),
            changes: vec!["LABEL enclos=image".to_owned(), "LABEL enclos.image=probe".to_owned()],
            ..Default::default()
        };
        let body = bollard::body_full(Bytes::from(probe_archive()?));
        bounded(self.docker.create_image(Some(options), Some(body), None).try_for_each(|_| async { Ok(()) })).await?;
        Ok(reference)
    }

    async fn describe(&self) -> Result<EngineFacts, Cause> {
        let info = bounded(self.docker.info()).await?;
        let options = info.security_options.unwrap_or_default();
        let has = |name: &str| has_option(&options, name);
        Ok(EngineFacts {
            version: info.server_version.unwrap_or_default(),
            cgroupfs: info.cgroup_driver == Some(SystemInfoCgroupDriverEnum::CGROUPFS),
            apparmor: has("apparmor"),
            userns: has("userns"),
            runtimes: info.runtimes.unwrap_or_default().into_keys().collect(),
        })
    }

    async fn open_wires(&self, id: &ContainerId) -> Result<Wires, Cause> {
        let options = AttachContainerOptions {
            stream: true,
            stdin: true,
            stdout: true,
            stderr: true,
            logs: false,
            ..Default::default()
        };
        let attached = bounded(self.docker.attach_container(&id.0, Some(options))).await?;
        let output = attached.output.map(|piece| match piece {
            Ok(LogOutput::StdErr { message }) => Ok(Piece::Log(message)),
            Ok(LogOutput::StdOut { message } | LogOutput::StdIn { message } | LogOutput::Console { message }) => {
                Ok(Piece::Frames(message))
            }
            Err(e) => Err(EngineError::Output(e.into())),
        });
        Ok(Wires { input: attached.input, output: output.boxed() })
    }

    async fn pid(&self, id: &ContainerId) -> Result<u32, Cause> {
        let inspected = bounded(self.docker.inspect_container(&id.0, None)).await?;
        let pid = inspected.state.and_then(|state| state.pid).and_then(|pid| u32::try_from(pid).ok());
        pid.filter(|pid| *pid > 0).ok_or_else(|| "the container does not run".into())
    }

    async fn list(&self) -> Result<Vec<Labelled>, Cause> {
        let filters = HashMap::from([("label".to_owned(), vec![LABEL_AGENT.to_owned()])]);
        let options = ListContainersOptions { all: true, filters: Some(filters), ..Default::default() };
        let listed = bounded(self.docker.list_containers(Some(options))).await?;
        let labelled = listed.into_iter().filter_map(|c| labelled(c.id?, &c.labels.unwrap_or_default()));
        Ok(labelled.collect())
    }
}

impl Engine for DockerEngine {
    fn facts(&self) -> Answer<'_, EngineFacts> {
        Box::pin(async { self.describe().await.map_err(EngineError::Describe) })
    }

    fn probe_image(&self) -> Answer<'_, String> {
        Box::pin(async { self.make_probe_image().await.map_err(EngineError::ProbeImage) })
    }

    fn create<'a>(&'a self, spec: &'a SandboxSpec) -> Answer<'a, ContainerId> {
        Box::pin(async {
            let options = CreateContainerOptions { name: Some(spec.name.clone()), ..Default::default() };
            let created = bounded(self.docker.create_container(Some(options), profile::container(spec)));
            let created = created.await.map_err(|e| match status_of(&e) {
                Some(NOT_FOUND) => EngineError::NoImage(e),
                _ => EngineError::Create(e),
            })?;
            for warning in &created.warnings {
                tracing::warn!(warning, container = spec.name, "engine warned about a container");
            }
            Ok(ContainerId(created.id))
        })
    }

    fn attach<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, Wires> {
        Box::pin(async { self.open_wires(id).await.map_err(EngineError::Attach) })
    }

    fn start<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, ()> {
        Box::pin(async {
            match bounded(self.docker.start_container(&id.0, None::<StartContainerOptions>)).await {
                Err(e) if status_of(&e) == Some(NOT_MODIFIED) => Ok(()),
                other => other.map_err(EngineError::Start),
            }
        })
    }

    fn init_pid<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, u32> {
        Box::pin(async { self.pid(id).await.map_err(EngineError::Inspect) })
    }

    fn remove<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, ()> {
        Box::pin(async {
            let options = RemoveContainerOptions { force: true, v: true, ..Default::default() };
            match bounded(self.docker.remove_container(&id.0, Some(options))).await {
                // Gone, or another removal of it is under way (a sweep and a close may meet).
                Err(e) if matches!(status_of(&e), Some(NOT_FOUND | CONFLICT)) => Ok(()),
                other => other.map_err(EngineError::Remove),
            }
        })
    }

    fn containers(&self) -> Answer<'_, Vec<Labelled>> {
        Box::pin(async { self.list().await.map_err(EngineError::List) })
    }

    fn ends(&self) -> u64 {
        self.presence.ends()
    }

    fn is_gone(&self, then: u64) -> BoxFuture<'_, bool> {
        Box::pin(self.presence.is_gone(&self.docker, then))
    }
}

/// Labels of sandbox `number`, its deadline in seconds since 1970 among them.
#[must_use]
pub fn labels(agent: &AgentName, instance: uuid::Uuid, number: u64, deadline_unix_s: u64) -> BTreeMap<String, String> {
    BTreeMap::from([
        (LABEL_KIND.to_owned(), KIND_SANDBOX.to_owned()),
        (LABEL_AGENT.to_owned(), agent.to_string()),
        (super::LABEL_INSTANCE.to_owned(), instance.to_string()),
        (LABEL_NUMBER.to_owned(), number.to_string()),
        (LABEL_DEADLINE.to_owned(), deadline_unix_s.to_string()),
    ])
}

/// Labels of a builder: as a sandbox's, without a number, of which it has none.
#[must_use]
pub fn builder_labels(agent: &AgentName, instance: uuid::Uuid, deadline_unix_s: u64) -> BTreeMap<String, String> {
    let mut labels = labels(agent, instance, 0, deadline_unix_s);
    labels.remove(LABEL_NUMBER);
    labels
}

/// What the labels of a container say; `None` where it is no agent's.
fn labelled(id: String, labels: &HashMap<String, String>) -> Option<Labelled> {
    Some(Labelled {
        id: ContainerId(id),
        agent: labels.get(LABEL_AGENT)?.clone(),
        is_sandbox: labels.get(LABEL_KIND).is_some_and(|kind| kind == KIND_SANDBOX),
        number: labels.get(LABEL_NUMBER).and_then(|text| text.parse().ok()),
        deadline_unix_s: labels.get(LABEL_DEADLINE).and_then(|text| text.parse().ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_labels_of_a_sandbox_are_read_as_they_are_written() {
        let written = labels(&"a".parse().expect("a valid name"), uuid::Uuid::nil(), 5, 1234);
        let read = labelled("c".to_owned(), &written.into_iter().collect()).expect("it is an agent's");
        let expected = Labelled {
            id: ContainerId("c".to_owned()),
            agent: "a".to_owned(),
            is_sandbox: true,
            number: Some(5),
            deadline_unix_s: Some(1234),
        };
        assert_eq!(read, expected);
        assert_eq!(labelled("c".to_owned(), &HashMap::new()), None);
    }
}
