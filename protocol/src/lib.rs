//! What the three programs of Enclos say to each other.
//!
//! Types and codecs only: no I/O, no async runtime, no clock. Modules stand in
//! the order a job meets them: it gets an id, is described with its limits,
//! travels to an agent, from there into a sandbox, and comes back as facts
//! from which its outcome is decided.

pub mod agent_link;
pub mod archive;
pub mod cases;
pub mod dependencies;
pub mod dispatch;
pub mod forerunner;
pub mod frame;
pub mod glob;
pub mod ids;
pub mod install_link;
pub mod job;
pub mod join;
pub mod limits;
pub mod live;
pub mod measured;
pub mod outcome;
pub mod supervisor_link;
