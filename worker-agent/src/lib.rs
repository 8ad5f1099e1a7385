//! The worker agent: runs jobs in the sandboxes of one container engine.
//!
//! ```text
//!  master ◀── link ──▶ session ──▶ attempt ──▶ pool ──▶ sandbox ──▶ engine ──▶ container with our supervisor
//!                         │            └──▶ images
//!                         └──▶ load
//! ```
//!
//! Modules in the order a job meets them. Dangerous edges stand alone: only
//! `engine` and `images` speak to the engine, only `cgroup` writes cgroups,
//! only `session::link` holds the connection, which `member` lets it open. `agent` puts all together.

pub mod agent;
pub mod attempt;
pub mod builder;
pub mod cache;
pub mod cgroup;
pub mod config;
pub mod cores;
pub mod doctor;
pub mod engine;
pub mod headroom;
pub mod images;
pub mod images_source;
pub mod judge;
pub mod live;
pub mod load;
pub mod machine;
pub mod member;
pub mod pod;
pub mod pool;
pub mod probe;
pub mod sandbox;
pub mod session;
pub mod stop;
pub mod supervisor;
pub mod sweep;

#[cfg(test)]
mod testing;
