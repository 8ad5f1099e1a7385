//! What was found on a host. Plain values: a test writes them down, `collect` reads them.

use crate::engine::has_option;

/// Everything that the checks judge.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// What the engine says of itself, or why it says nothing.
    pub engine: Option<Engine>,
    /// Why no engine answers.
    pub engine_problem: String,
    /// The host's cgroups.
    pub cgroups: Cgroups,
    /// User namespaces.
    pub namespaces: Namespaces,
    /// AppArmor.
    pub apparmor: AppArmor,
    /// Images: name and whether it is ready.
    pub images: Vec<(String, bool)>,
    /// What may make measured times unfair.
    pub timing: Timing,
    /// Free bytes where the engine keeps images; `None`: not known.
    pub disk_free_bytes: Option<u64>,
}

/// The engine's own words.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    /// Its version.
    pub version: String,
    /// Version of its API.
    pub api: String,
    /// `cgroupfs` or `systemd`.
    pub cgroup_driver: String,
    /// `1` or `2`.
    pub cgroup_version: String,
    /// Memory limits work.
    pub memory_limit: bool,
    /// Swap is accounted.
    pub swap_limit: bool,
    /// CPU quotas work.
    pub cpu_quota: bool,
    /// Process limits work.
    pub pids_limit: bool,
    /// `name=seccomp,profile=default` and their like.
    pub security_options: Vec<String>,
    /// Names of its runtimes.
    pub runtimes: Vec<String>,
}

impl Engine {
    /// Whether a security option has this name.
    pub(super) fn has(&self, name: &str) -> bool {
        has_option(&self.security_options, name)
    }
}

/// The host's cgroups, as this process sees them.
#[derive(Clone, Debug, Default)]
pub struct Cgroups {
    /// Controllers that are missing of those that sandboxes need, as the agent reads the host.
    pub missing: Vec<String>,
    /// Why this process cannot make a cgroup; `None`: it can.
    pub make_problem: Option<String>,
}

/// User namespaces.
#[derive(Clone, Debug, Default)]
pub struct Namespaces {
    /// `user.max_user_namespaces`.
    pub max: Option<u64>,
    /// `kernel.unprivileged_userns_clone` (Debian's switch).
    pub unprivileged_clone: Option<u64>,
    /// `kernel.apparmor_restrict_unprivileged_userns` (Ubuntu's switch).
    pub apparmor_restricts: Option<u64>,
}

/// AppArmor.
#[derive(Clone, Debug, Default)]
pub struct AppArmor {
    /// The engine confines containers by it; without an engine: the kernel has it on.
    pub enabled: bool,
    /// `enclos-sandbox` is loaded; `None`: the list cannot be read.
    pub profile_loaded: Option<bool>,
}

impl AppArmor {
    /// Whether loading the profile changes something.
    pub(super) fn needs_profile(&self) -> bool {
        self.enabled && self.profile_loaded != Some(true)
    }
}

/// What may make measured times unfair.
#[derive(Clone, Debug, Default)]
pub struct Timing {
    /// Two threads share a core.
    pub smt: Option<bool>,
    /// Frequency governor of the first processor.
    pub governor: Option<String>,
    /// Bytes of swap that are on.
    pub swap_bytes: u64,
}
