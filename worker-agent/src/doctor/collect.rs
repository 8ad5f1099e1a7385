//! Reads the facts. Every question that gets no answer leaves its fact at "not known".

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bollard::Docker;
use bollard::models::SystemInfo;
use enclos_images::Catalogue;
use enclos_images::folder::BASE;
use tokio::process::Command;

use super::facts::{AppArmor, Cgroups, Engine, Facts, Namespaces, Timing};
use super::fix::PROFILE;
use crate::images::sandbox_image;

/// How long the engine may take for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Controllers that sandboxes need.
const CONTROLLERS: [&str; 4] = ["memory", "cpu", "cpuacct", "pids"];
/// Where cgroups are mounted.
const CGROUP_ROOT: &str = "/sys/fs/cgroup";

/// All facts of this host.
pub(super) async fn collect(images_dir: Option<&Path>) -> Facts {
    let mut facts = Facts {
        cgroups: cgroups(),
        namespaces: Namespaces {
            max: number("/proc/sys/user/max_user_namespaces"),
            unprivileged_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor_restricts: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        },
        apparmor: apparmor(),
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

/// v2 has one tree and no `cpuacct`; v1 one tree per controller, perhaps under joint names with links.
fn cgroups() -> Cgroups {
    let root = Path::new(CGROUP_ROOT);
    let name = format!("enclos-doctor-{}", std::process::id());
    let unified = fs::read_to_string(root.join("cgroup.controllers")).ok();
    let (missing, places) = match unified {
        Some(offered) => {
            let offered: Vec<&str> = offered.split_whitespace().collect();
            let missing = CONTROLLERS.iter().filter(|c| **c != "cpuacct" && !offered.contains(c));
            (missing.map(|c| (*c).to_owned()).collect(), vec![root.join(&name)])
        }
        None => {
            let (there, missing): (Vec<&str>, Vec<&str>) = CONTROLLERS.iter().partition(|c| root.join(c).is_dir());
            let places = there.iter().map(|c| root.join(c).join(&name)).collect();
            (missing.into_iter().map(str::to_owned).collect(), places)
        }
    };
    let mut make_problem = None;
    for place in places {
        match fs::create_dir(&place) {
            Ok(()) => {}
            // Two controllers on one hierarchy: the first made it for both.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => continue,
            Err(e) => {
                make_problem = Some(format!("{}: {e}", place.display()));
                continue;
            }
        }
        if let Err(e) = fs::remove_dir(&place) {
            make_problem = Some(format!("{} was made and cannot be removed: {e}", place.display()));
        }
    }
    Cgroups { missing, make_problem }
}

fn apparmor() -> AppArmor {
    let enabled = fs::read_to_string("/sys/module/apparmor/parameters/enabled").is_ok_and(|t| t.trim() == "Y");
    let listed = |text: String| text.lines().any(|l| l.split_whitespace().next() == Some(PROFILE));
    let profile_loaded = fs::read_to_string("/sys/kernel/security/apparmor/profiles").ok().map(listed);
    AppArmor { enabled, profile_loaded }
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
