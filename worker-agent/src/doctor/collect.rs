//! Reads the facts. Every question that gets no answer leaves its fact at "not known".

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bollard::Docker;
use bollard::models::SystemInfo;
use enclos_images::Catalogue;
use enclos_images::folder::BASE;
use tokio::process::Command;

use super::facts::{AppArmor, Cgroups, Engine, Facts, Namespaces, Timing};
use crate::cgroup::{DetectError, Layout};
use crate::engine::apparmor;
use crate::images::sandbox_image;

/// How long the engine may take for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// All facts of this host.
pub(super) async fn collect(images_dir: Option<&Path>) -> Facts {
    let mut facts = Facts {
        cgroups: cgroups(),
        namespaces: Namespaces {
            max: number("/proc/sys/user/max_user_namespaces"),
            unprivileged_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor_restricts: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        },
        timing: timing(),
        ..Facts::default()
    };
    match describe().await {
        Ok((docker, api, info)) => {
            let root = info.docker_root_dir.clone().unwrap_or_else(|| "/var/lib/docker".into());
            facts.disk_free_bytes = free_bytes(&root).await;
            facts.images = images(&docker, images_dir).await;
            facts.engine = Some(engine(api, info));
        }
        Err(problem) => facts.engine_problem = problem,
    }
    facts.apparmor = apparmor(facts.engine.as_ref());
    facts
}

async fn describe() -> Result<(Docker, String, SystemInfo), String> {
    let ask = async {
        let docker = Docker::connect_with_defaults()?.negotiate_version().await?;
        let version = docker.version().await?;
        let info = docker.info().await?;
        Ok::<_, bollard::errors::Error>((docker, version.api_version.unwrap_or_default(), info))
    };
    match tokio::time::timeout(ANSWER_MAX, ask).await {
        Ok(Ok(described)) => Ok(described),
        Ok(Err(e)) => Err(format!("no engine answers: {e}")),
        Err(_) => Err(format!("the engine did not answer within {} s", ANSWER_MAX.as_secs())),
    }
}

fn engine(api: String, info: SystemInfo) -> Engine {
    Engine {
        version: info.server_version.unwrap_or_default(),
        api,
        cgroup_driver: info.cgroup_driver.map(|d| d.to_string()).unwrap_or_default(),
        cgroup_version: info.cgroup_version.map(|v| v.to_string()).unwrap_or_default(),
        memory_limit: info.memory_limit.unwrap_or_default(),
        swap_limit: info.swap_limit.unwrap_or_default(),
        cpu_quota: info.cpu_cfs_quota.unwrap_or_default(),
        pids_limit: info.pids_limit.unwrap_or_default(),
        security_options: info.security_options.unwrap_or_default(),
        runtimes: info.runtimes.unwrap_or_default().into_keys().collect(),
    }
}

async fn images(docker: &Docker, images_dir: Option<&Path>) -> Vec<(String, bool)> {
    let Ok(catalogue) = Catalogue::open(images_dir) else { return Vec::new() };
    let mut images = Vec::new();
    for folder in catalogue.folders().iter().filter(|f| f.name != BASE) {
        let image = sandbox_image(&catalogue, folder, crate::supervisor::SUPERVISOR);
        images.push((folder.name.clone(), docker.inspect_image(&image.reference).await.is_ok()));
    }
    images
}

/// As the agent sees them, and whether one can be made where it makes its own.
fn cgroups() -> Cgroups {
    let layout = match Layout::of_host() {
        Ok(layout) => layout,
        Err(DetectError::Missing { missing }) => return Cgroups { missing, make_problem: None },
    };
    let name = format!("enclos-doctor-{}", std::process::id());
    let make_problem = layout.used().into_iter().find_map(|hierarchy| try_make(&hierarchy.mount.join(&name)));
    Cgroups { missing: Vec::new(), make_problem }
}

/// Makes and removes a cgroup; gives what went wrong.
fn try_make(place: &Path) -> Option<String> {
    if let Err(e) = fs::create_dir(place) {
        return Some(format!("{}: {e}", place.display()));
    }
    let removed = fs::remove_dir(place);
    removed.err().map(|e| format!("{} was made and cannot be removed: {e}", place.display()))
}

/// The agent goes by its engine's word; without one, the kernel's tells what an engine will say.
fn apparmor(engine: Option<&Engine>) -> AppArmor {
    let by_kernel =
        || fs::read_to_string("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text.trim() == "Y");
    let enabled = engine.map_or_else(by_kernel, |engine| engine.has("apparmor"));
    AppArmor { enabled, profile_loaded: apparmor::profile_loaded() }
}

fn timing() -> Timing {
    let smt = fs::read_to_string("/sys/devices/system/cpu/smt/active").ok().map(|t| t.trim() == "1");
    let governor = fs::read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").ok();
    let swap_kib = line("/proc/meminfo", "SwapTotal:")
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or_default();
    Timing { smt, governor: governor.map(|g| g.trim().to_owned()), swap_bytes: swap_kib.saturating_mul(1024) }
}

/// By `df`: asking the kernel directly needs a call that safe Rust has no name for.
async fn free_bytes(folder: &str) -> Option<u64> {
    let mut command = Command::new("df");
    command.args(["--output=avail", "--block-size=1", "--", folder]).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(ANSWER_MAX, command.output()).await.ok()?.ok()?;
    String::from_utf8_lossy(&output.stdout).lines().nth(1)?.trim().parse().ok()
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// What follows `key` on its line of a small file in /proc.
fn line(path: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key)).map(|rest| rest.trim().to_owned())
}
