//! Dependencies of jobs: packages installed once, by a builder, into an image that later jobs start from.
//!
//! ```text
//!  attempt ─ ensure ─▶ Dependencies ── known ──────────────────────────────▶ derived image
//!                          │ not known (one at a time, joined by who asks the same; who finds no
//!                          │            place to wait in, or has no turn soon, goes back)
//!                          ▼
//!                      Bench: builder container ── installer ─▶ proxy ─▶ gate ─▶ package index
//!                          │                                (over the container's own streams)
//!                          └─ what it left, as a layer ─▶ engine ─▶ derived image
//! ```
//!
//! A builder is no sandbox for jobs: it has the same hardening, another program to run, and one way
//! out, which is the agent's to judge. What it installs is hostile until proven otherwise, and never
//! proven: it is read by nobody but the jobs that asked for it. So a derived image belongs to one
//! (tenant, scope), never stands on the agent's disk as files, and adds only below one directory.
//!
//! Modules in the order of use: what an operator sets (`flags`), names (`key`), what is remembered
//! (`shelf`, `refusals`, pure), one installation (`bench`, `conversation`, `layer`), its way out (`relay`,
//! `proxy`, `head`, `gate`, `address`), the handle (`store`).

mod address;
mod bench;
mod conversation;
pub mod flags;
pub mod gate;
mod head;
pub mod key;
mod layer;
mod proxy;
mod refusals;
mod relay;
pub mod shelf;
mod store;

use std::sync::Arc;

use enclos_images::Installer;
use enclos_protocol::dependencies::Package;
use enclos_protocol::outcome::Exit;
use futures::future::BoxFuture;

pub use bench::EngineBench;
pub use store::Dependencies;

use crate::pool::ImageKey;
use key::Key;

/// What is to be installed, for whom, on what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    /// Names all of it.
    pub key: Key,
    /// Whose turn it takes.
    pub tenant: String,
    /// How.
    pub installer: Installer,
    /// What, in canonical form.
    pub requirements: Vec<String>,
    /// The sandbox image that it is laid over.
    pub base: ImageKey,
}

/// An image with packages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Derived {
    /// What it is to the engine. Not its name, which an image that is made later takes over.
    pub id: String,
    /// What is in it, beyond its base.
    pub packages: Vec<Package>,
    /// Bytes that it adds.
    pub size_bytes: u64,
    /// When it was made, in seconds since 1970.
    pub made_unix_s: u64,
}

/// An installer that said no: the requirements cannot be met.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Why, in a sentence.
    pub problem: String,
    /// What it wrote, for a person.
    pub log: Vec<u8>,
    /// How it ended; `None`: it was ended.
    pub exit: Option<Exit>,
    /// How long it took, in microseconds.
    pub wall_us: u64,
    /// CPU time, in microseconds.
    pub cpu_us: u64,
    /// Largest memory of one process of it, in bytes.
    pub memory_peak_bytes: u64,
}

/// Why nothing was installed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotInstalled {
    /// The job asked for what cannot be had.
    #[error("the dependencies cannot be installed: {}", .0.problem)]
    Refused(Arc<Refusal>),
    /// The index, the engine or this agent failed; never the job's fault.
    #[error("{0}")]
    Failed(String),
    /// Too many wait already, or its turn did not come in time; later it may.
    #[error("too many installations are under way")]
    NoRoom,
    /// The engine does not have the base image any more.
    #[error("image '{0}' is gone")]
    NoBase(String),
    /// The agent ends.
    #[error("the agent is ending")]
    ShuttingDown,
}

/// A derived image as the engine lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The agent that made it.
    pub agent: String,
    /// What it was made for.
    pub key: Key,
    /// Its name; `None`: another image has it by now.
    pub reference: Option<String>,
    /// The image.
    pub image: Derived,
}

/// Where installations are done and derived images stand: the engine, or a fake in tests.
pub trait Bench: Send + Sync + 'static {
    /// Every derived image, whichever agent's. The error is a sentence for people.
    fn list(&self) -> BoxFuture<'_, Result<Vec<Listed>, String>>;
    /// Installs, and makes the image. May be dropped: [`Bench::tidy`] removes what that leaves.
    fn install<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<Derived, NotInstalled>>;
    /// Removes what the last installation left beside its image.
    fn tidy(&self) -> BoxFuture<'_, ()>;
    /// Removes the derived image with that id; `false`: a container still needs it.
    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, bool>;
}
