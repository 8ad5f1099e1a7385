//! The judgement: facts → verdicts, with what to do. Pure.

use super::facts::{Engine, Facts};
use crate::engine::profile;

/// Oldest engine that has what sandboxes need: API 1.41, Docker 20.10.
const API_MIN: (u32, u32) = (1, 41);
/// Free disk below which images cannot be made.
const DISK_FAIL_BYTES: u64 = 2_000_000_000;
/// Free disk below which room gets short.
const DISK_WARN_BYTES: u64 = 5_000_000_000;
/// User namespaces that a busy agent needs: one per cell and some that are on their way out.
const NAMESPACES_MIN: u64 = 1024;

/// What it costs to be without cgroups of the agent's own.
const SAMPLED: &str = "without them the agent starts only with '--allow-sampled': a step's memory and process limits \
                       are then looked at from time to time and can be passed in between, its CPU time and memory are \
                       lower bounds, and only the limits of its container hold at every moment";

/// How a check came out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, with a loss that is named.
    Warn,
    /// Jobs cannot run until this is put right.
    Fail,
}

/// One check.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it came out.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do; empty where nothing is to be done.
    pub advice: String,
}

/// All checks that apply to a host with these facts.
#[must_use]
pub fn evaluate(facts: &Facts) -> Vec<Check> {
    let mut checks = vec![engine(facts)];
    if let Some(engine) = &facts.engine {
        checks.extend([cgroup_driver(engine), limits(engine), seccomp(engine), gvisor(engine)]);
    }
    checks.extend([cgroups(facts), namespaces(facts), apparmor(facts)]);
    if facts.engine.is_some() {
        checks.push(images(facts));
    }
    checks.extend([disk(facts), smt(facts), governor(facts), swap(facts)]);
    checks
}

fn check(name: &'static str, verdict: Verdict, found: impl Into<String>, advice: impl Into<String>) -> Check {
    Check { name, verdict, found: found.into(), advice: advice.into() }
}

fn ok(name: &'static str, found: impl Into<String>) -> Check {
    check(name, Verdict::Ok, found, "")
}

fn engine(facts: &Facts) -> Check {
    let Some(engine) = &facts.engine else {
        let advice = "run 'scripts/setup.sh' (Debian, Ubuntu), or install Docker Engine 20.10 or newer and start it; \
                      DOCKER_HOST names an engine that listens elsewhere; the user needs the right to its socket";
        return check("engine", Verdict::Fail, facts.engine_problem.clone(), advice);
    };
    let found = format!("Docker Engine {}, API {}", engine.version, engine.api);
    let version = engine.api.split_once('.').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    match version {
        Some(version) if version >= API_MIN => ok("engine", found),
        _ => check("engine", Verdict::Fail, found, "install Docker Engine 20.10 (API 1.41) or newer"),
    }
}

fn cgroup_driver(engine: &Engine) -> Check {
    let found = format!("cgroup v{}, driver {}", engine.cgroup_version, engine.cgroup_driver);
    if engine.cgroup_driver == "cgroupfs" {
        return ok("cgroup driver", found);
    }
    let advice = format!(
        "sandboxes need cgroups of their own beneath the agent's, which this driver does not allow: put \
         \"exec-opts\": [\"native.cgroupdriver=cgroupfs\"] into /etc/docker/daemon.json and restart the engine; \
         {SAMPLED}"
    );
    check("cgroup driver", Verdict::Warn, found, advice)
}

fn limits(engine: &Engine) -> Check {
    let limits = [
        ("memory", engine.memory_limit),
        ("CPU quota", engine.cpu_quota),
        ("pids", engine.pids_limit),
        ("swap accounting", engine.swap_limit),
    ];
    let names = |works: bool| limits.iter().filter(|l| l.1 == works).map(|l| l.0).collect::<Vec<_>>().join(", ");
    let (works, missing) = (names(true), names(false));
    if missing.is_empty() {
        return ok("limits", format!("work: {works}"));
    }
    let found = format!("work: {works}; missing: {missing}");
    if missing == "swap accounting" {
        let advice = "boot with 'swapaccount=1' (cgroup v1), or turn swap off, else a program may use swap beyond its \
                      memory limit";
        return check("limits", Verdict::Warn, found, advice);
    }
    let advice = "boot with 'cgroup_enable=memory' and enable the missing controllers; without them a job could take \
                  the whole host";
    check("limits", Verdict::Fail, found, advice)
}

fn seccomp(engine: &Engine) -> Check {
    if engine.has("seccomp") {
        return ok("seccomp", "the engine filters system calls");
    }
    let advice = "use an engine built with seccomp and a kernel with CONFIG_SECCOMP_FILTER";
    check("seccomp", Verdict::Fail, "the engine has no seccomp", advice)
}

fn gvisor(engine: &Engine) -> Check {
    if engine.runtimes.iter().any(|r| r == profile::GVISOR_RUNTIME) {
        return ok("gVisor", "runtime 'runsc' is registered");
    }
    let found = "not registered; needed only for '--isolation gvisor'";
    ok("gVisor", found)
}

fn cgroups(facts: &Facts) -> Check {
    if !facts.cgroups.missing.is_empty() {
        let found = format!("no cgroup controller: {}", facts.cgroups.missing.join(", "));
        let advice = "enable it at boot; on cgroup v2 write it to cgroup.subtree_control of the root";
        return check("cgroups", Verdict::Fail, found, advice);
    }
    match &facts.cgroups.make_problem {
        None => ok("cgroups", "this user can make cgroups: each step gets its own, with exact limits and counters"),
        Some(problem) => {
            let advice = format!("run the agent as root, or delegate a cgroup to it; {SAMPLED}");
            check("cgroups", Verdict::Warn, format!("this user cannot make cgroups: {problem}"), advice)
        }
    }
}

fn namespaces(facts: &Facts) -> Check {
    const NAME: &str = "user namespaces";
    let advice = |sysctl: &str| {
        format!("'sysctl -w {sysctl}' as root (and in /etc/sysctl.d); else sandboxes serve one job each, far slower")
    };
    let found = &facts.namespaces;
    if let Some(max) = found.max.filter(|max| *max < NAMESPACES_MIN) {
        return check(NAME, Verdict::Warn, format!("at most {max}"), advice("user.max_user_namespaces=15000"));
    }
    if found.unprivileged_clone == Some(0) {
        let text = "kernel.unprivileged_userns_clone is 0";
        return check(NAME, Verdict::Warn, text, advice("kernel.unprivileged_userns_clone=1"));
    }
    if found.apparmor_restricts == Some(1) && facts.apparmor.needs_profile() {
        let text = "restricted to programs whose AppArmor profile allows them";
        return check(NAME, Verdict::Warn, text, "load the profile: 'enclos doctor --fix' as root");
    }
    match found.max {
        Some(max) => ok(NAME, format!("at most {max}")),
        None => check(NAME, Verdict::Warn, "this kernel has none", "sandboxes serve one job each, far slower"),
    }
}

fn apparmor(facts: &Facts) -> Check {
    const NAME: &str = "AppArmor";
    if !facts.apparmor.enabled {
        return ok(NAME, "not on this host; nothing to load");
    }
    match facts.apparmor.profile_loaded {
        Some(true) => ok(NAME, "profile 'enclos-sandbox' is loaded"),
        Some(false) => {
            let advice = "'enclos doctor --fix' as root loads it; without it no sandbox starts with cells";
            check(NAME, Verdict::Fail, "on, and profile 'enclos-sandbox' is not loaded", advice)
        }
        None => check(NAME, Verdict::Warn, "on; only root can list its profiles", "run doctor as root"),
    }
}

fn images(facts: &Facts) -> Check {
    let names =
        |ready: bool| facts.images.iter().filter(|i| i.1 == ready).map(|i| i.0.as_str()).collect::<Vec<_>>().join(", ");
    let (ready, missing) = (names(true), names(false));
    if missing.is_empty() {
        return ok("images", format!("ready: {ready}"));
    }
    let advice = "the agent makes them when it starts, which takes minutes once; 'enclos images build' makes them now";
    let ready = if ready.is_empty() { "none".to_owned() } else { ready };
    check("images", Verdict::Warn, format!("ready: {ready}; missing: {missing}"), advice)
}

fn disk(facts: &Facts) -> Check {
    let Some(free) = facts.disk_free_bytes else {
        return check("disk", Verdict::Warn, "free space of the engine's folder is not known", "");
    };
    let found = format!("{}.{} GB free where the engine keeps images", free / 1_000_000_000, free / 100_000_000 % 10);
    let advice = "the core images take about 1 GB, and their builds as much again: make room, or move 'data-root'";
    match free {
        0..DISK_FAIL_BYTES => check("disk", Verdict::Fail, found, advice),
        DISK_FAIL_BYTES..DISK_WARN_BYTES => check("disk", Verdict::Warn, found, advice),
        _ => ok("disk", found),
    }
}

fn smt(facts: &Facts) -> Check {
    match facts.timing.smt {
        Some(true) => {
            let advice = "for contests: 'echo off > /sys/devices/system/cpu/smt/control', else the CPU time of a \
                          program depends on its neighbour on the same core";
            check("SMT", Verdict::Warn, "two threads share each core", advice)
        }
        Some(false) => ok("SMT", "off"),
        None => ok("SMT", "the kernel does not say"),
    }
}

fn governor(facts: &Facts) -> Check {
    match facts.timing.governor.as_deref() {
        None => ok("CPU frequency", "not managed by this kernel"),
        Some("performance") => ok("CPU frequency", "governor performance"),
        Some(governor) => {
            let advice = "for contests: 'cpupower frequency-set -g performance', else the same program takes longer \
                          on an idle core";
            check("CPU frequency", Verdict::Warn, format!("governor {governor}"), advice)
        }
    }
}

fn swap(facts: &Facts) -> Check {
    if facts.timing.swap_bytes == 0 {
        return ok("swap", "off");
    }
    let found = format!("{} MB on", facts.timing.swap_bytes / 1_000_000);
    check("swap", Verdict::Warn, found, "for contests: 'swapoff -a', else a busy host's neighbours slow a program")
}

#[cfg(test)]
mod tests {
    use super::super::facts::{AppArmor, Namespaces, Timing};
    use super::*;

    fn healthy() -> Facts {
        Facts {
            engine: Some(Engine {
                version: "20.10.24".into(),
                api: "1.41".into(),
                cgroup_driver: "cgroupfs".into(),
                cgroup_version: "1".into(),
                memory_limit: true,
                swap_limit: true,
                cpu_quota: true,
                pids_limit: true,
                security_options: vec!["name=seccomp,profile=default".into()],
                runtimes: vec!["runc".into()],
            }),
            namespaces: Namespaces { max: Some(94_000), ..Namespaces::default() },
            images: vec![("gcc".into(), true)],
            disk_free_bytes: Some(50_000_000_000),
            ..Facts::default()
        }
    }

    fn verdict(facts: &Facts, name: &str) -> Verdict {
        evaluate(facts).into_iter().find(|c| c.name == name).expect("the check exists").verdict
    }

    /// A healthy host changed in one way.
    fn with(change: impl FnOnce(&mut Facts)) -> Facts {
        let mut facts = healthy();
        change(&mut facts);
        facts
    }

    #[test]
    fn a_healthy_host_is_all_well_and_gets_no_advice() {
        for check in evaluate(&healthy()) {
            assert_eq!((check.verdict, check.advice.as_str()), (Verdict::Ok, ""), "{}", check.name);
        }
    }

    #[test]
    fn without_an_engine_only_what_needs_none_is_judged() {
        let facts = with(|f| {
            f.engine = None;
            f.engine_problem = "no such file".into();
        });
        assert_eq!(verdict(&facts, "engine"), Verdict::Fail);
        assert!(evaluate(&facts).iter().all(|c| c.name != "limits" && c.name != "images"));
    }

    #[test]
    fn an_engine_that_is_too_old_fails_by_number_not_by_text() {
        for (api, expected) in [("1.40", Verdict::Fail), ("1.100", Verdict::Ok), ("?", Verdict::Fail)] {
            assert_eq!(verdict(&with(|f| f.engine.as_mut().unwrap().api = api.into()), "engine"), expected, "{api}");
        }
    }

    #[test]
    fn a_limit_that_does_not_work_fails_but_swap_accounting_only_warns() {
        assert_eq!(verdict(&with(|f| f.engine.as_mut().unwrap().pids_limit = false), "limits"), Verdict::Fail);
        assert_eq!(verdict(&with(|f| f.engine.as_mut().unwrap().swap_limit = false), "limits"), Verdict::Warn);
    }

    #[test]
    fn an_ubuntu_host_is_told_to_load_the_profile() {
        let facts = with(|f| {
            f.apparmor = AppArmor { enabled: true, profile_loaded: Some(false) };
            f.namespaces.apparmor_restricts = Some(1);
        });
        assert_eq!(verdict(&facts, "AppArmor"), Verdict::Fail);
        assert_eq!(verdict(&facts, "user namespaces"), Verdict::Warn);
        let loaded = with(|f| {
            f.apparmor = AppArmor { enabled: true, profile_loaded: Some(true) };
            f.namespaces.apparmor_restricts = Some(1);
        });
        assert_eq!(verdict(&loaded, "AppArmor"), Verdict::Ok);
        assert_eq!(verdict(&loaded, "user namespaces"), Verdict::Ok);
    }

    #[test]
    fn without_cgroups_of_its_own_an_operator_is_told_which_limits_are_hard() {
        let changes: [fn(&mut Facts); 2] = [
            |f| f.cgroups.make_problem = Some("permission denied".into()),
            |f| f.engine.as_mut().unwrap().cgroup_driver = "systemd".into(),
        ];
        for change in changes {
            let warned = evaluate(&with(change)).into_iter().find(|c| c.verdict == Verdict::Warn);
            let advice = warned.expect("it is not well").advice;
            assert!(advice.contains("only the limits of its container hold at every moment"), "{advice}");
        }
    }

    #[test]
    fn everything_that_is_not_well_comes_with_advice() {
        let facts = with(|f| {
            *f.engine.as_mut().unwrap() = Engine { api: "1.41".into(), ..Engine::default() };
            f.cgroups.make_problem = Some("permission denied".into());
            f.namespaces.max = Some(0);
            f.images = vec![("gcc".into(), false)];
            f.disk_free_bytes = Some(1);
            f.timing = Timing { smt: Some(true), governor: Some("powersave".into()), swap_bytes: 1 << 30 };
        });
        let bad: Vec<_> = evaluate(&facts).into_iter().filter(|c| c.verdict != Verdict::Ok).collect();
        assert_eq!(bad.len(), 10, "{bad:#?}");
        assert!(bad.iter().all(|c| !c.advice.is_empty()), "{bad:#?}");
    }
}
