//! Whether the kernel has our AppArmor profile: one reading for the agent and for `doctor`.

use super::profile;

/// Where the kernel lists the profiles that are loaded; for root only.
const PROFILES: &str = "/sys/kernel/security/apparmor/profiles";

/// Whether our profile is loaded; `None`: the list cannot be read.
#[must_use]
pub fn profile_loaded() -> Option<bool> {
    std::fs::read_to_string(PROFILES).ok().map(|text| is_listed(&text))
}

/// Whether the kernel's list (`name (mode)` on each line) has ours.
fn is_listed(profiles: &str) -> bool {
    profiles.lines().any(|line| line.split_once(" (").is_some_and(|(name, _)| name == profile::APPARMOR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_profile_is_found_by_its_whole_name() {
        assert!(is_listed("docker-default (enforce)\nenclos-sandbox (enforce)\n"));
        assert!(!is_listed("enclos-sandbox-old (enforce)\n/usr/bin/enclos-sandbox (enforce)\n"));
        assert!(!is_listed(""));
    }
}
