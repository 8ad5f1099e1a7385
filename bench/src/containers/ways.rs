//! The ways in which a container is made and removed.

use std::sync::Arc;
use std::time::Instant;

use enclos_agent::cgroup::{CgroupTree, Hold, Layout, TreeLimits};
use enclos_agent::engine::docker::DockerEngine;
use enclos_agent::engine::{
    Answer, Cause, ContainerId, Engine, EngineError, EngineFacts, Labelled, SandboxSpec, Wires, profile,
};
use enclos_agent::sandbox::{Host, Sandbox};
use enclos_agent::sweep::sweep;
use enclos_protocol::ids::AgentName;
use enclos_protocol::outcome::Exit;
use futures::future::BoxFuture;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use super::{Outcome, Times};
use crate::cells::{self, ROOM, step, take};
use crate::faults::engine::{IMAGE, OwnEngine, sandbox_image};

/// Name of the agent whose sandboxes these are, and the cgroup that it gets.
const AGENT: &str = "bench-containers";
pub const GROUP: &str = "enclos-bench-containers";
const MIB: u64 = 1024 * 1024;
/// What all of them run.
const PROGRAM: &str = "/bin/true";

/// One way.
#[derive(Clone, Copy)]
pub enum Way {
    /// What a program does that knows the engine's API alone.
    ContainerPerJob,
    /// A sandbox that serves one job.
    SandboxForOneJob,
    /// A sandbox that serves none.
    Sandbox(Network, End),
}

/// Who makes the network namespace.
#[derive(Clone, Copy)]
pub enum Network {
    /// The runtime, as the profile has it.
    Runtime,
    /// The engine, as it does for `none`.
    Engine,
    /// Nobody: it is that of an idle container.
    Idle,
}

/// How it ends.
#[derive(Clone, Copy)]
pub enum End {
    Itself,
    Killed,
}

pub const WAYS: [(&str, Way); 6] = [
    ("container per job by API, network `none`", Way::ContainerPerJob),
    ("sandbox for one job", Way::SandboxForOneJob),
    ("sandbox without a job", Way::Sandbox(Network::Runtime, End::Itself)),
    ("… that the engine kills", Way::Sandbox(Network::Runtime, End::Killed)),
    ("… whose network namespace the engine makes", Way::Sandbox(Network::Engine, End::Itself)),
    ("… in the network namespace of an idle container", Way::Sandbox(Network::Idle, End::Itself)),
];

/// Where all of it is done.
pub struct Workplace {
    api: Api,
    docker: DockerEngine,
    agent: AgentName,
    tree: CgroupTree,
    /// Keeps agents that start meanwhile from taking the tree for abandoned.
    _held: Hold,
    image: String,
    number: u64,
    /// With the network of the profile, of the engine, and of the idle container.
    hosts: [Host; 3],
    idle: Sandbox,
}

impl Workplace {
    pub async fn open(engine: &OwnEngine, layout: Layout) -> Outcome<Self> {
        let docker = DockerEngine::connect_to(&engine.host()).await?;
        let api = Api::at(&engine.host())?;
        let agent: AgentName = AGENT.parse()?;
        let tree = CgroupTree::new(layout, &agent);
        // What a run left that broke off.
        sweep(&docker, Some(&tree), &agent).await?;
        tree.make_agent(&TreeLimits { cpu_millis: 64_000, memory_bytes: 8192 * MIB, pids: 8192 })?;
        let held = tree.hold()?;
        let image =
            sandbox_image(Some(&engine.host())).await?.ok_or_else(|| format!("image '{IMAGE}' is not there"))?;
        let apparmor = docker.facts().await?.apparmor;
        let wires = cells::wires(&agent);
        let with = |network: Option<&str>| {
            let (docker, api) = (docker.clone(), api.clone());
            let engine = Networked { docker, api, network: network.map(str::to_owned) };
            Host { wires: wires.clone(), ..cells::host(Arc::new(engine), &tree, &agent, apparmor) }
        };
        let none = with(Some("none"));
        let idle = none.open(0, &image).await.map_err(|(error, _)| error)?;
        let container = idle.remains().container.ok_or("a sandbox without a container")?;
        let joined = with(Some(&format!("container:{}", container.0)));
        let hosts = [with(None), none, joined];
        Ok(Self { api, docker, agent, tree, _held: held, image, number: 0, hosts, idle })
    }

    pub async fn close(self) -> Outcome<()> {
        self.idle.end().await;
        self.hosts[0].wires.as_ref().inspect(|dir| dir.remove());
        Ok(sweep(&self.docker, Some(&self.tree), &self.agent).await?)
    }

    pub async fn take(&mut self, way: Way) -> Outcome<Times> {
        self.number += 1;
        match way {
            Way::ContainerPerJob => self.container().await,
            Way::SandboxForOneJob => self.sandbox(Network::Runtime, End::Itself, true).await,
            Way::Sandbox(network, end) => self.sandbox(network, end, false).await,
        }
    }

    async fn sandbox(&self, network: Network, end: End, job: bool) -> Outcome<Times> {
        let host = &self.hosts[network as usize];
        let begun = Instant::now();
        let mut sandbox = host.open(self.number, &self.image).await.map_err(|(error, _)| error)?;
        if job {
            sandbox.begin_job(&[], ROOM).await?;
            let facts = take(&mut sandbox, step(&[PROGRAM], 1000)).await.map_err(|error| error.to_string())?;
            if facts.exit != Some(Exit::Code(0)) {
                return Err(format!("{PROGRAM}: {facts:?}").into());
            }
        }
        let (open, ending) = (begun.elapsed(), Instant::now());
        let remains = sandbox.remains();
        match end {
            End::Itself => sandbox.end().await,
            End::Killed => drop(sandbox),
        }
        if host.destroy(&remains).await {
            Ok(Times { open, close: ending.elapsed() })
        } else {
            Err("a sandbox was not destroyed".into())
        }
    }

    async fn container(&self) -> Outcome<Times> {
        let name = self.number.to_string();
        let parent = self.tree.make_sandbox(&name)?.parent;
        let begun = Instant::now();
        let body = json!({
            "Image": self.image,
            "Entrypoint": [PROGRAM],
            "AttachStdout": true,
            "AttachStderr": true,
            "HostConfig": { "NetworkMode": "none", "CgroupParent": parent },
        });
        let id = self.api.create(&body).await?;
        let container = format!("/containers/{id}");
        let attach = format!("{container}/attach?stream=1&stdout=1&stderr=1");
        let attached = self.api.call(Method::POST, &attach, None).await?;
        self.api.call(Method::POST, &format!("{container}/start"), None).await?;
        attached.bytes().await?;
        let ended: Value = self.api.call(Method::POST, &format!("{container}/wait"), None).await?.json().await?;
        if ended["StatusCode"] != 0 {
            return Err(format!("{PROGRAM}: {ended}").into());
        }
        let (open, ending) = (begun.elapsed(), Instant::now());
        self.api.call(Method::DELETE, &container, None).await?;
        let close = ending.elapsed();
        self.tree.remove_sandbox(&name).await?;
        Ok(Times { open, close })
    }
}

/// The engine's API, for what no agent does.
#[derive(Clone)]
struct Api(Client);

impl Api {
    fn at(host: &str) -> Outcome<Self> {
        let socket = host.strip_prefix("unix://").ok_or("the engine has no socket")?;
        Ok(Self(enclos_tls::client::http(None).unix_socket(socket).build()?))
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Response, Cause> {
        let request = self.0.request(method, format!("http://engine{path}"));
        let request = body.into_iter().fold(request, |request, body| request.json(body));
        Ok(request.send().await?.error_for_status()?)
    }

    async fn create(&self, body: &Value) -> Result<String, Cause> {
        let created: Value = self.call(Method::POST, "/containers/create", Some(body)).await?.json().await?;
        created["Id"].as_str().map(str::to_owned).ok_or_else(|| "no id".into())
    }
}

/// An engine whose containers get another network than the profile's.
struct Networked {
    docker: DockerEngine,
    api: Api,
    network: Option<String>,
}

impl Networked {
    async fn create_in(&self, spec: &SandboxSpec, network: &str) -> Result<ContainerId, EngineError> {
        let created = async {
            let mut body = serde_json::to_value(profile::container(spec))?;
            body["NetworkDisabled"] = json!(false);
            body["HostConfig"]["NetworkMode"] = json!(network);
            if network.starts_with("container:") {
                // An engine refuses a name where the namespace has one already.
                body["Hostname"] = Value::Null;
            }
            self.api.create(&body).await
        };
        created.await.map(ContainerId).map_err(EngineError::Create)
    }
}

impl Engine for Networked {
    fn facts(&self) -> Answer<'_, EngineFacts> {
        self.docker.facts()
    }

    fn probe_image(&self) -> Answer<'_, String> {
        self.docker.probe_image()
    }

    fn create<'a>(&'a self, spec: &'a SandboxSpec) -> Answer<'a, ContainerId> {
        match &self.network {
            Some(network) => Box::pin(self.create_in(spec, network)),
            None => self.docker.create(spec),
        }
    }

    fn attach<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, Wires> {
        self.docker.attach(id)
    }

    fn start<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, ()> {
        self.docker.start(id)
    }

    fn init_pid<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, u32> {
        self.docker.init_pid(id)
    }

    fn remove<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, ()> {
        self.docker.remove(id)
    }

    fn containers(&self) -> Answer<'_, Vec<Labelled>> {
        self.docker.containers()
    }

    fn ends(&self) -> u64 {
        self.docker.ends()
    }

    fn is_gone(&self, then: u64) -> BoxFuture<'_, bool> {
        self.docker.is_gone(then)
    }
}
