//! What became of a job's dependencies.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

/// Packages that were installed for a job.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[schema(example = json!({ "python": [{ "name": "numpy", "version": "2.3.1" }], "cached": true, "install_ms": 4 }))]
pub struct Dependencies {
    /// All of them, those that others need among them, by installer.
    #[serde(flatten)]
    pub installed: BTreeMap<String, Vec<Package>>,
    /// They were there before the job came.
    pub cached: bool,
    /// How long the job waited for them.
    pub install_ms: u64,
}

/// A package.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Package {
    /// As it calls itself.
    pub name: String,
    /// Its version.
    pub version: String,
}
