//! A pod of a rendered manifest, made by the host's engine: what a kubelet would make of it, as far as containers go.
//!
//! | the manifest says | the engine does |
//! |---|---|
//! | a pod | a container that only waits; the others join its network and process namespace, all beneath one cgroup |
//! | limits | of each container, and their sum on the pod's cgroup |
//! | emptyDir, a claim, a secret | a volume that ends with the pod, one that outlives it, a folder of the test |
//! | privileged | every capability that this host gives anybody, no profile, all devices |
//! | a sidecar, an init container | started and proved, or run to its end, in their order |
//! | the end of a pod | SIGTERM to its containers, the grace period, then to its sidecars |

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::{Instant, timeout};

use super::manifests::{items, text_of, thousandths};
use crate::cluster::look_until;

/// Longest that one call to the engine may take; loading images keeps it busy.
const CALL_WAIT: Duration = Duration::from_secs(120);
/// Longest that an init container may run.
const INIT_WAIT: Duration = Duration::from_secs(60);
/// Capabilities by their numbers (linux/capability.h), as far as engines of 2020 know them.
const CAPABILITIES: [&str; 38] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
];

/// What a pod is made of beside its manifest.
#[derive(Clone, Debug)]
pub struct Ground {
    /// Begin of all names that the engine gets.
    pub prefix: String,
    /// The network of all pods.
    pub network: String,
    /// Folders that stand for secrets and for claims that somebody else fills, by their name.
    pub folders: BTreeMap<String, PathBuf>,
}

/// A pod that runs.
pub struct Pod {
    /// Its name.
    pub name: String,
    template: Value,
    ground: Ground,
    more: Vec<(String, String)>,
    containers: Vec<String>,
}

/// Calls the host's engine; what it printed.
pub async fn docker(args: &[&str]) -> String {
    let output = called(args).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {}: {said}", args.join(" "));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The same where it may fail.
pub async fn called(args: &[&str]) -> Output {
    let call = Command::new("docker").args(args).kill_on_drop(true).output();
    timeout(CALL_WAIT, call).await.unwrap_or_else(|_| panic!("docker {args:?} ends")).expect("docker is there")
}

impl Pod {
    /// Starts the pod of a template under this name, with `more` variables for its containers.
    pub async fn start(ground: &Ground, name: &str, template: &Value, options: &[&str], more: &[(&str, &str)]) -> Self {
        let more = more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut pod = Self {
            name: name.to_owned(),
            template: template.clone(),
            ground: ground.clone(),
            more,
            containers: Vec::new(),
        };
        pod.wait_here(options).await;
        let inits: Vec<Value> = items(&template["spec"], "initContainers").cloned().collect();
        for container in &inits {
            if container["restartPolicy"] == "Always" {
                pod.run(container).await;
                pod.prove(container).await;
            } else {
                let id = pod.run(container).await;
                let code = timeout(INIT_WAIT, docker(&["wait", &id])).await.expect("an init container ends");
                assert_eq!(code, "0", "{}: {}", text_of(container, "name"), pod.logs(text_of(container, "name")).await);
            }
        }
        for container in items(&template["spec"], "containers").cloned().collect::<Vec<_>>() {
            pod.run(&container).await;
        }
        pod
    }

    /// The container that holds the namespaces.
    async fn wait_here(&mut self, options: &[&str]) {
        let id = self.id("pause");
        let engine = "enclos/engine:local";
        let cgroup = format!("--cgroup-parent={}", self.cgroup());
        let mut args = vec!["run", "--detach", "--name", &id, "--network", &self.ground.network, &cgroup];
        args.extend(["--hostname", &self.name, "--entrypoint", "sleep"]);
        args.extend(options);
        args.extend([engine, "infinity"]);
        docker(&args).await;
        self.containers.push("pause".to_owned());
        let all = items(&self.template["spec"], "initContainers").filter(|c| c["restartPolicy"] == "Always");
        let limits =
            all.chain(items(&self.template["spec"], "containers")).map(|c| &c["resources"]["limits"]["memory"]);
        let bytes: u64 = limits.map(|memory| thousandths(memory) / 1000).sum();
        self.limit_memory(bytes);
    }

    /// Limits the pod as a whole, in bytes.
    pub fn limit_memory(&self, bytes: u64) {
        std::fs::write(self.memory_file("memory.limit_in_bytes"), bytes.to_string()).expect("the pod can be limited");
    }

    /// A file of the pod's memory cgroup (version 1).
    pub fn memory_file(&self, name: &str) -> PathBuf {
        PathBuf::from("/sys/fs/cgroup/memory").join(self.cgroup().trim_start_matches('/')).join(name)
    }

    /// A number in such a file.
    pub fn memory(&self, name: &str) -> u64 {
        let text = std::fs::read_to_string(self.memory_file(name)).expect("the pod's cgroup is there");
        text.trim().parse().expect("it holds a number")
    }

    /// The pod's cgroup.
    pub fn cgroup(&self) -> String {
        format!("/{}-{}", self.ground.prefix, self.name)
    }

    /// What the engine calls a container of this pod.
    pub fn id(&self, container: &str) -> String {
        format!("{}-{}-{container}", self.ground.prefix, self.name)
    }

    async fn run(&mut self, container: &Value) -> String {
        let name = text_of(container, "name");
        let id = self.id(name);
        let mut args: Vec<String> = ["run", "--detach", "--name", &id].map(str::to_owned).to_vec();
        let pause = self.id("pause");
        args.push(format!("--network=container:{pause}"));
        args.push(format!("--cgroup-parent={}", self.cgroup()));
        if self.template["spec"]["shareProcessNamespace"] == true {
            args.push(format!("--pid=container:{pause}"));
        }
        args.extend(limits(container));
        args.extend(self.security(container));
        args.extend(self.mounts(container));
        args.extend(self.variables(container).into_iter().map(|(key, value)| format!("--env={key}={value}")));
        args.push(text_of(container, "image").to_owned());
        args.extend(items(container, "args").filter_map(Value::as_str).map(str::to_owned));
        assert!(container["command"].is_null(), "no manifest of ours replaces an entry");
        self.containers.push(name.to_owned());
        docker(&args.iter().map(String::as_str).collect::<Vec<_>>()).await;
        id
    }

    fn security(&self, container: &Value) -> Vec<String> {
        let (own, pod) = (&container["securityContext"], &self.template["spec"]["securityContext"]);
        let mut args = Vec::new();
        if own["readOnlyRootFilesystem"] == true {
            args.push("--read-only".to_owned());
        }
        let user = |key: &str| own[key].as_u64().or(pod[key].as_u64());
        if let Some(uid) = user("runAsUser") {
            args.push(format!("--user={uid}:{}", user("runAsGroup").unwrap_or(uid)));
        }
        if own["privileged"] == true {
            args.extend(privileged());
            return args;
        }
        if own["allowPrivilegeEscalation"] == false {
            args.push("--security-opt=no-new-privileges".to_owned());
        }
        if own["appArmorProfile"]["type"] == "Unconfined" {
            args.push("--security-opt=apparmor=unconfined".to_owned());
        }
        let each = |key: &str, flag: &'static str| {
            items(&own["capabilities"], key)
                .filter_map(Value::as_str)
                .map(move |c| format!("{flag}={c}"))
                .collect::<Vec<_>>()
        };
        args.extend(each("drop", "--cap-drop").into_iter().chain(each("add", "--cap-add")));
        args
    }

    fn mounts(&self, container: &Value) -> Vec<String> {
        let mount = |mount: &Value| {
            let name = text_of(mount, "name");
            let mode = if mount["readOnly"] == true { "ro" } else { "rw" };
            format!("--volume={}:{}:{mode}", self.source(name), text_of(mount, "mountPath"))
        };
        items(container, "volumeMounts").map(mount).collect()
    }

    /// Where a volume comes from: a folder of the test's, or the engine.
    fn source(&self, name: &str) -> String {
        let volume = items(&self.template["spec"], "volumes").find(|v| v["name"] == name);
        let outside = volume.map(|v| {
            let secret = text_of(&v["secret"], "secretName");
            if secret.is_empty() { text_of(&v["persistentVolumeClaim"], "claimName") } else { secret }
        });
        match outside.filter(|name| !name.is_empty()) {
            Some(name) => self.ground.folders[name].display().to_string(),
            None if volume.is_some() => self.id(&format!("empty-{name}")),
            // A claim of this pod, by its template.
            None => self.id(&format!("claim-{name}")),
        }
    }

    /// The variables of a container; values may name those before them.
    fn variables(&self, container: &Value) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = Vec::new();
        for variable in items(container, "env") {
            let from = &variable["valueFrom"];
            let value = match text_of(&from["resourceFieldRef"], "resource").strip_prefix("limits.") {
                Some(resource) => self.downward(&from["resourceFieldRef"], resource),
                None if from["fieldRef"]["fieldPath"] == "metadata.name" => self.name.clone(),
                None => text_of(variable, "value").to_owned(),
            };
            let named = |value: String, (key, known): &(String, String)| value.replace(&format!("$({key})"), known);
            let value = all.iter().fold(value, named);
            all.push((text_of(variable, "name").to_owned(), value));
        }
        all.extend(self.more.iter().cloned());
        all
    }

    /// A limit of a container as the downward API gives it.
    fn downward(&self, reference: &Value, resource: &str) -> String {
        let of = text_of(reference, "containerName");
        let container = super::manifests::containers(&self.template).find(|c| c["name"] == of).expect("it is there");
        let limit = thousandths(&container["resources"]["limits"][resource]);
        limit.div_ceil(thousandths(&reference["divisor"])).to_string()
    }

    /// Waits until a sidecar's startup probe succeeds, as often as it may fail.
    async fn prove(&self, container: &Value) {
        let (id, probe) = (self.id(text_of(container, "name")), &container["startupProbe"]);
        let command: Vec<&str> = items(&probe["exec"], "command").filter_map(Value::as_str).collect();
        let tries =
            probe["failureThreshold"].as_u64().expect("a bound") * probe["periodSeconds"].as_u64().expect("a period");
        let args = [&["exec", &id], command.as_slice()].concat();
        let proved =
            look_until(Duration::from_secs(tries), || async { called(&args).await.status.success().then_some(()) });
        assert!(proved.await.is_some(), "{id} is not ready: {}", self.logs(text_of(container, "name")).await);
    }

    /// What a container wrote.
    pub async fn logs(&self, container: &str) -> String {
        let output = called(&["logs", "--tail", "60", &self.id(container)]).await;
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// Runs a command in a container.
    pub async fn exec(&self, container: &str, command: &[&str]) -> String {
        docker(&[&["exec", &self.id(container)], command].concat()).await
    }

    /// Ends the pod as a kubelet does: how long its containers took, and with which exit code. Its claims stay.
    pub async fn end(self) -> (Duration, String) {
        let grace =
            Duration::from_secs(self.template["spec"]["terminationGracePeriodSeconds"].as_u64().expect("a number"));
        let begun = Instant::now();
        let mut code = String::new();
        for container in items(&self.template["spec"], "containers") {
            let id = self.id(text_of(container, "name"));
            docker(&["kill", "--signal=TERM", &id]).await;
            let ended = timeout(grace, Command::new("docker").args(["wait", &id]).kill_on_drop(true).output()).await;
            let ended = ended.unwrap_or_else(|_| panic!("{id} has not ended within its grace period"));
            code = String::from_utf8_lossy(&ended.expect("docker is there").stdout).trim().to_owned();
        }
        let took = begun.elapsed();
        self.remove().await;
        (took, code)
    }

    /// Kills one container, and waits for the end of another: its exit code.
    pub async fn lose(&self, killed: &str, ends: &str) -> String {
        docker(&["kill", "--signal=KILL", &self.id(killed)]).await;
        docker(&["wait", &self.id(ends)]).await
    }

    /// Removes what is left of it.
    pub async fn gone(self) {
        self.remove().await;
    }

    async fn remove(&self) {
        for container in self.containers.iter().rev() {
            // Sidecars get the rest of the grace period; nothing is in them any more.
            let _ = called(&["stop", "--time=20", &self.id(container)]).await;
            let _ = called(&["rm", "--force", &self.id(container)]).await;
        }
        for volume in items(&self.template["spec"], "volumes").filter(|v| v["emptyDir"].is_object()) {
            let _ = called(&["volume", "rm", &self.id(&format!("empty-{}", text_of(volume, "name")))]).await;
        }
        let parents = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
        for hierarchy in parents.map(|e| e.path()) {
            let _ = std::fs::remove_dir(hierarchy.join(self.cgroup().trim_start_matches('/')));
        }
    }
}

fn limits(container: &Value) -> Vec<String> {
    let limits = &container["resources"]["limits"];
    let bytes = thousandths(&limits["memory"]) / 1000;
    let millis = thousandths(&limits["cpu"]);
    vec![
        format!("--cpus={}.{:03}", millis / 1000, millis % 1000),
        format!("--memory={bytes}"),
        format!("--memory-swap={bytes}"),
    ]
}

/// Flags of a privileged container, on a host that may itself be without some capability.
fn privileged() -> Vec<String> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bounding = status.lines().find_map(|line| line.strip_prefix("CapBnd:")).unwrap_or_default();
    let bounding = u64::from_str_radix(bounding.trim(), 16).expect("the kernel says which there are");
    let has = |number: &usize| bounding >> number & 1 == 1;
    if (0..CAPABILITIES.len()).all(|number| has(&number)) {
        return vec!["--privileged".to_owned()];
    }
    let capabilities = (0..CAPABILITIES.len()).filter(has).map(|number| format!("--cap-add={}", CAPABILITIES[number]));
    let open = ["seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined"];
    let open = open.iter().map(|option| format!("--security-opt={option}"));
    capabilities.chain(open).chain(["--device-cgroup-rule=a *:* rwm".to_owned()]).collect()
}
