//! The images that sandboxes are made from: found, pulled, or built.
//!
//! ```text
//!  base ── root file system (pulled pinned, else bootstrapped) + images/base
//!    │                                       enclos/base:<digest>
//!    ├─ gcc      + images/gcc                enclos/gcc:<digest>
//!    │    └─ sandbox layer (the supervisor)  enclos/sandbox-gcc:<digest>
//!    ├─ openjdk  …
//! ```
//!
//! Every tag is a digest of what the image is made of, so a tag that is there
//! is right and nothing is ever rebuilt. One [`phase`] per image decides, pure,
//! whether a caller starts a preparation, joins one, or waits out a failure;
//! each preparation is one task of the store, so it goes on when the job that
//! asked for it is cancelled. At most [`ImageOptions::builds_max`] run at once.
//!
//! Modules in the order of use: names and digests (`tags`), states (`phase`),
//! the engine's side (`context`, `build`, `base`, `version`), one preparation
//! from start to end (`prepare`), the handle (`store`), the command line (`display`, `cli`).
//!
//! This module must not create sandboxes, nor run anything in an image but its
//! languages' version commands.

mod archive;
mod base;
mod build;
pub mod cli;
mod context;
pub mod derived;
mod display;
mod error;
mod phase;
mod prepare;
mod store;
mod tags;
mod version;

use std::path::PathBuf;

pub use cli::ImagesArgs;
pub use error::{ImageError, PrepareError};
pub use store::ImageStore;
pub use tags::{SandboxImage, base_tag, language_tag, sandbox_image};

/// What a preparation may do.
#[derive(Clone, Debug)]
pub struct ImageOptions {
    /// The static program that becomes PID 1 of each sandbox.
    pub supervisor: &'static [u8],
    /// Preparations of different images at once; at least 1.
    pub builds_max: usize,
    /// The rest, as the operator gives it.
    pub sources: SourceFlags,
}

impl ImageOptions {
    /// Preparations at once where nothing else is said: the second overlaps the first one's
    /// downloads; a third would only share its processors.
    pub const BUILDS_MAX_DEFAULT: usize = 2;

    /// Options with the usual number of builds.
    #[must_use]
    pub fn new(supervisor: &'static [u8], sources: SourceFlags) -> Self {
        Self { supervisor, builds_max: Self::BUILDS_MAX_DEFAULT, sources }
    }
}

/// Whether language images are built where they are missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Builds {
    /// They are.
    #[default]
    Allow,
    /// They come from an archive or a registry, or the job's language is not to be had.
    Deny,
}

/// Where images come from; for the command line of the agent and of `images`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct SourceFlags {
    /// Registry (host and path) that has language images made by `images build`, tried before building
    #[arg(long, env = "ENCLOS_IMAGE_REGISTRY", value_name = "PREFIX")]
    pub image_registry: Option<String>,
    /// Folder of archives that `images export` made, tried before a registry
    #[arg(long, env = "ENCLOS_IMAGE_ARCHIVES", value_name = "DIR")]
    pub image_archives: Option<PathBuf>,
    /// Whether an image that is to be had nowhere is built here; where many agents deny it, all have the same toolchains
    #[arg(long, env = "ENCLOS_IMAGE_BUILDS", value_enum, default_value = "allow", value_name = "allow|deny")]
    pub image_builds: Builds,
    /// Extra certificate authorities (PEM) that image builds trust, for networks that inspect TLS
    #[arg(long, env = "ENCLOS_BUILD_CA", value_name = "FILE")]
    pub build_ca: Option<PathBuf>,
    /// Network of the engine that image builds use [default: the engine's own]
    #[arg(long, env = "ENCLOS_BUILD_NETWORK", value_name = "MODE")]
    pub build_network: Option<String>,
    /// Base to pull where a registry answers; 'none' always bootstraps it from a Debian mirror
    #[arg(long, env = "ENCLOS_BASE_IMAGE", value_name = "REFERENCE")]
    pub base_image: Option<String>,
}
