//! What is so at one moment, as others find it for the page.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// What is so at this moment, for the gauges.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Gauges {
    /// Jobs that wait.
    pub queued: usize,
    /// Jobs that wait, by language and priority.
    pub queue: Vec<QueueClass>,
    /// Jobs at agents.
    pub running: usize,
    /// Agents that are connected.
    pub agents_connected: usize,
    /// Agents whose connection is lost.
    pub agents_suspect: usize,
    /// Each of them.
    pub agents: Vec<AgentGauges>,
    /// Unbound sandboxes of connected agents, by image.
    pub warm: BTreeMap<String, u64>,
    /// As many as there should be.
    pub wanted: BTreeMap<String, u64>,
    /// Sessions of browsers.
    pub sessions: usize,
    /// Clients that are attached to jobs.
    pub attached: usize,
    /// Bytes that the database holds.
    pub store_bytes: u64,
    /// Callbacks that wait.
    pub callbacks_waiting: u64,
    /// Callbacks that are dead, and kept.
    pub callbacks_dead: u64,
    /// The disk of the data directory: free, and all, in bytes; `None`: it does not say.
    pub disk: Option<(u64, u64)>,
    /// When the certificates of the ports end; only those that have one.
    pub certificates: Vec<(&'static str, SystemTime)>,
    /// This process; `None`: the system does not say.
    pub process: Option<Process>,
}

/// Jobs of one language and class that wait.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueClass {
    /// Id of the language.
    pub language: String,
    /// Name of the priority.
    pub priority: &'static str,
    /// How many.
    pub jobs: usize,
    /// How long ago the oldest came.
    pub oldest: Duration,
}

/// One agent.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct AgentGauges {
    /// Its name: as many as the master knows agents, and checked when they joined.
    pub name: String,
    /// It is connected.
    pub connected: bool,
    /// It takes no more jobs.
    pub draining: bool,
    /// How long ago it last said something.
    pub silence: Duration,
    /// Slots that are promised.
    pub jobs: u64,
    /// Slots that it has.
    pub slots: u64,
    /// Busy part of its processors, in thousandths.
    pub cpu_permille: u16,
    /// Busy part of its memory, in thousandths.
    pub memory_permille: u16,
    /// Processor share that it offers, in thousandths of a core.
    pub cpu_millis: u64,
    /// Memory that it offers.
    pub memory_bytes: u64,
    /// Memory of it that is promised.
    pub promised_bytes: u64,
    /// Sandboxes.
    pub sandboxes: u32,
    /// Images with installed packages.
    pub derived_images: u32,
    /// What those take.
    pub derived_bytes: u64,
}

/// The master's own process, as proc(5) tells it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Process {
    /// Processor time, of user and system.
    pub cpu: Duration,
    /// Resident memory, in bytes.
    pub resident_bytes: u64,
    /// Address space, in bytes.
    pub virtual_bytes: u64,
    /// Open file descriptors.
    pub fds: u64,
    /// As many as there may be.
    pub fds_max: u64,
    /// When it was started, since 1970.
    pub started: Duration,
}
