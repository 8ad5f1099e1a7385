//! Packages that a job wants beside its language: asked for, and as they were installed.

use serde::{Deserialize, Serialize};

/// Requirements of one job.
pub const REQUIREMENTS_MAX: usize = 32;
/// Bytes of one requirement.
pub const REQUIREMENT_BYTES_MAX: usize = 200;
/// Packages of one installation, those that others need among them.
pub const PACKAGES_MAX: usize = 256;
/// Bytes of a package's name or version.
pub const PACKAGE_WORD_BYTES_MAX: usize = 100;

/// What a job asks of an installer: each requirement in its one canonical form, sorted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Wanted {
    /// Name of the installer, as `language.toml` has it.
    pub installer: String,
    /// At least one, at most [`REQUIREMENTS_MAX`].
    pub requirements: Vec<String>,
}

/// A package as it was installed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Package {
    /// Its name, as it calls itself.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What became of a job's [`Wanted`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Installed {
    /// Name of the installer.
    pub installer: String,
    /// All that were installed; none where the installer refused.
    pub packages: Vec<Package>,
    /// They were there before this job came.
    pub cached: bool,
    /// How long the job waited for them, in microseconds.
    pub install_us: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FRAME_BYTES_MAX, encode_body};

    #[test]
    fn the_largest_installation_leaves_a_report_more_than_half_of_its_frame() {
        let word = || "é".repeat(PACKAGE_WORD_BYTES_MAX / 2);
        let packages = (0..PACKAGES_MAX).map(|_| Package { name: word(), version: word() }).collect();
        let installed = Installed { installer: "i".repeat(32), packages, cached: false, install_us: u64::MAX };
        assert!(encode_body(&installed).unwrap().len() < FRAME_BYTES_MAX / 2);
    }
}
