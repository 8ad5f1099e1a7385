//! A cluster of pods: the master's, agents', and the operator who lets them in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use super::manifests::{named, objects};
use super::pod::{Ground, Pod, called, docker};
use crate::cluster::{look_until, program};
use crate::tidy::root;

/// Longest until a pod's agent is connected and its language is ready: an archive is loaded first.
const READY_WAIT: Duration = Duration::from_secs(240);
/// Longest that the images of the pods may take to be made.
const IMAGES_WAIT: Duration = Duration::from_secs(540);
/// Longest that a job may take here.
const JOB_WAIT: Duration = Duration::from_secs(240);
/// What the test adds to the manifest of an agent: it has one language's archive and needs no other.
const ONE_LANGUAGE: (&str, &str) = ("ENCLOS_LANGUAGES", "python");
/// Where the master's certificates are for who dials it as a client.
const CA: &str = "/var/lib/enclos/pki/ca.crt";

/// The cluster.
pub struct Site {
    objects: Vec<Value>,
    ground: Ground,
    /// Until the end of the site.
    master: Option<Pod>,
    url: String,
    key: String,
    http: reqwest::Client,
    _folder: TempDir,
    _clearing: Clearing,
}

impl Site {
    /// The overlay `dev` with its master.
    pub async fn new() -> Self {
        static SITES: AtomicUsize = AtomicUsize::new(0);
        let prefix = format!("enclos-kube-{}-{}", std::process::id(), SITES.fetch_add(1, Ordering::Relaxed));
        make_images().await;
        let folder = TempDir::new().expect("a folder can be made");
        let place = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir(&path).expect("a folder can be made");
            (name.to_owned(), path)
        };
        let folders: BTreeMap<String, PathBuf> = ["enclos-join", "enclos-language-images"].map(place).into();
        export(&folders["enclos-language-images"]).await;
        let clearing = Clearing(prefix.clone());
        docker(&["network", "create", "--label", "enclos=test", &prefix]).await;
        let ground = Ground { network: prefix.clone(), prefix, folders };
        let objects = objects("dev");
        let template = &named(&objects, "StatefulSet", "enclos-master")["spec"]["template"];
        let alias = ["--network-alias=enclos-master.enclos-system.svc", "--publish=127.0.0.1::7300"];
        let master = Pod::start(&ground, "enclos-master-0", template, &alias, &[]).await;
        let published = docker(&["port", &master.id("pause"), "7300/tcp"]).await;
        let url = format!("https://{}", published.lines().next().expect("it is published"));
        let ca = folder.path().join("ca.crt");
        docker(&["cp", &format!("{}:{CA}", master.id("master")), ca.to_str().expect("a path of text")]).await;
        let roots = enclos_tls::pem::authorities(&ca).expect("the master made one");
        let tls = enclos_tls::client::config(roots, None).expect("it can be trusted");
        let http = enclos_tls::client::http(Some(&tls)).build().expect("a client can be made");
        let master = Some(master);
        let mut site =
            Self { objects, ground, master, url, key: String::new(), http, _folder: folder, _clearing: clearing };
        let ready = look_until(READY_WAIT, || async {
            let answer = site.http.get(format!("{}/readyz", site.url)).send().await;
            answer.is_ok_and(|a| a.status().is_success()).then_some(())
        });
        assert!(ready.await.is_some(), "the master is ready: {}", site.master().logs("master").await);
        site.key = site.as_operator(&["keys", "create", "--tenant=it", "--scope=submit,read,operate"]).await;
        site
    }

    fn master(&self) -> &Pod {
        self.master.as_ref().expect("the site has not ended")
    }

    /// What an operator gets who runs `enclos` in the master's pod.
    pub async fn as_operator(&self, command: &[&str]) -> String {
        self.master().exec("master", &[&["/usr/bin/enclos"], command].concat()).await
    }

    /// Starts the agent of an ordinal, lets it in if it was not, and waits until its language is ready.
    pub async fn agent(&self, ordinal: usize, more: &[(&str, &str)]) -> Pod {
        let name = format!("enclos-agent-{ordinal}");
        let token = self.ground.folders["enclos-join"].join(&name);
        if !token.exists() {
            let minted = self.as_operator(&["agents", "token", "--agent", &name, "--ttl=1h"]).await;
            std::fs::write(&token, minted).expect("it can be written");
        }
        let template = &named(&self.objects, "StatefulSet", "enclos-agent")["spec"]["template"];
        let more = [&[ONE_LANGUAGE], more].concat();
        let pod = Pod::start(&self.ground, &name, template, &[], &more).await;
        let ready = look_until(READY_WAIT, || async {
            let agent = self.agent_of(&name).await;
            (agent["state"] == "connected" && agent["languages"][0]["image"] == "ready").then_some(())
        });
        let told = ready.await;
        assert!(told.is_some(), "{name} is ready: {}\n{}", pod.logs("agent").await, pod.logs("engine").await);
        pod
    }

    /// An agent as the master lists it.
    pub async fn agent_of(&self, name: &str) -> Value {
        let listed = self.get("/v1/agents").await;
        let found = listed["agents"].as_array().and_then(|all| all.iter().find(|a| a["name"] == name));
        found.cloned().unwrap_or(Value::Null)
    }

    /// The JSON of a path; null where there is none.
    pub async fn get(&self, path: &str) -> Value {
        match self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.key).send().await {
            Ok(answer) => answer.json().await.unwrap_or(Value::Null),
            Err(_) => Value::Null,
        }
    }

    /// Submits a Python program.
    pub async fn submit(&self, source: &str, limits: Value) -> String {
        let submission = json!({"language": "python", "source": source, "limits": {"run": limits}});
        let sent = self.http.post(format!("{}/v1/jobs", self.url)).bearer_auth(&self.key).json(&submission).send();
        let answer = sent.await.expect("the master answers");
        let (status, job) = (answer.status(), answer.json::<Value>().await.expect("it answers JSON"));
        assert_eq!(status, 201, "{job:#}");
        job["id"].as_str().expect("a job has an id").to_owned()
    }

    /// Asks for the end of a job.
    pub async fn cancel(&self, id: &str) {
        let sent = self.http.post(format!("{}/v1/jobs/{id}/cancel", self.url)).bearer_auth(&self.key).json(&json!({}));
        assert!(sent.send().await.expect("the master answers").status().is_success());
    }

    /// Waits until a job's program has begun to run.
    pub async fn running(&self, id: &str) -> Value {
        let path = format!("/v1/jobs/{id}");
        let look = || async {
            let job = self.get(&path).await;
            (job["state"] == "running" && job["step"] == "run").then_some(job)
        };
        look_until(JOB_WAIT, look).await.unwrap_or_else(|| panic!("job {id} runs"))
    }

    /// The job when it has ended.
    pub async fn finished(&self, id: &str) -> Value {
        let path = format!("/v1/jobs/{id}?wait_ms=10000");
        let look = || async {
            let job = self.get(&path).await;
            (job["state"] == "finished").then_some(job)
        };
        match look_until(JOB_WAIT, look).await {
            Some(job) => job,
            None => panic!("job {id} does not end: {:#}", self.get(&format!("/v1/jobs/{id}")).await),
        }
    }

    /// Ends everything; nothing of it is left.
    pub async fn end(mut self, agents: Vec<Pod>) {
        let prefix = self.ground.prefix.clone();
        for agent in agents {
            assert_eq!(agent.end().await.1, "0", "an agent ends well");
        }
        let master = self.master.take().expect("the site has not ended");
        assert_eq!(master.end().await.1, "0", "the master ends well");
        clear(&prefix).await;
        let left = docker(&["ps", "--all", "--quiet", "--filter", &format!("name={prefix}")]).await;
        assert_eq!(left, "", "no container is left");
    }
}

/// The way of a test that failed, which must not leave an engine of its own running.
struct Clearing(String);

impl Drop for Clearing {
    fn drop(&mut self) {
        let filter = format!("name={}", self.0);
        let run = |args: &[&str]| {
            let output = std::process::Command::new("docker").args(args).output();
            output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default()
        };
        for id in run(&["ps", "--all", "--quiet", "--filter", &filter]).lines() {
            run(&["rm", "--force", "--volumes", id]);
        }
        for volume in run(&["volume", "ls", "--quiet", "--filter", &filter]).lines() {
            run(&["volume", "rm", "--force", volume]);
        }
        run(&["network", "rm", &self.0]);
    }
}

/// Removes the volumes and the network of a site.
async fn clear(prefix: &str) {
    let filter = format!("name={prefix}");
    for volume in docker(&["volume", "ls", "--quiet", "--filter", &filter]).await.lines() {
        docker(&["volume", "rm", volume]).await;
    }
    docker(&["network", "rm", prefix]).await;
    assert!(called(&["volume", "ls", "--quiet", "--filter", &filter]).await.stdout.is_empty());
}

/// Makes the images of master, agent and engine from the programs that the tests run.
async fn make_images() {
    let mut script = Command::new(root().join("scripts/containers.sh"));
    let made = timeout(IMAGES_WAIT, script.arg("--built").current_dir(root()).kill_on_drop(true).output()).await;
    let made = made.expect("the images are made in time").expect("the script starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Writes the language image to a folder, as the builder's job does.
async fn export(folder: &Path) {
    let agent = program("enclos-agent");
    for args in [&["images", "build", "python"][..], &["images", "export", "python", "--to"]] {
        let mut command = Command::new(&agent);
        command.args(args).kill_on_drop(true);
        if args.contains(&"--to") {
            command.arg(folder);
        }
        let done = timeout(IMAGES_WAIT, command.output()).await.expect("images are made in time").expect("it starts");
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
}
