//! Who used how much processor time: from cgroups, and from `/proc` for what shares one.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use enclos_agent::cgroup::Layout;
use tokio::time::sleep;

use super::Outcome;
use crate::faults::engine::OwnEngine;

/// The engine's daemons and what they start. An agent may clear away whatever is named as its own are.
const GROUP: &str = "bench-enclos-engine";
/// Both daemons and the shim of the idle container: nothing is left of the last one.
const PROCESSES: usize = 3;
/// How often is looked whether that is so. Between the end of a shim and what cleans up behind it is a moment in which
/// it seems to be, so it has to be seen twice.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Longest that is waited for it.
const SETTLE_WAIT: Duration = Duration::from_secs(30);
/// `USER_HZ`, in which `/proc` counts on every architecture that we build for.
const TICK: Duration = Duration::from_millis(10);

/// Processor time, by who used it.
#[derive(Clone, Copy, Default)]
pub struct Spent {
    /// dockerd.
    pub engine: Duration,
    pub containerd: Duration,
    /// What both started outside of containers: shims, and their calls of the runtime.
    pub children: Duration,
    /// In containers: the runtime's own last process until it is the container's first, and all after it.
    pub inside: Duration,
    /// This program, in the agent's part.
    pub ours: Duration,
    /// The whole machine.
    pub machine: Duration,
}

impl Spent {
    fn each(self, other: Self, join: impl Fn(Duration, Duration) -> Duration) -> Self {
        Self {
            engine: join(self.engine, other.engine),
            containerd: join(self.containerd, other.containerd),
            children: join(self.children, other.children),
            inside: join(self.inside, other.inside),
            ours: join(self.ours, other.ours),
            machine: join(self.machine, other.machine),
        }
    }

    pub fn plus(self, other: Self) -> Self {
        self.each(other, |a, b| a + b)
    }

    /// `self - before`. Ticks and nanoseconds side by side may be a tick apart, which evens out over a series.
    pub fn since(self, before: Self) -> Self {
        self.each(before, Duration::saturating_sub)
    }

    /// All but the machine's.
    pub fn sum(self) -> Duration {
        self.engine + self.containerd + self.children + self.inside + self.ours
    }
}

/// Reads it.
pub struct Meter {
    /// The root of the hierarchy that counts.
    root: PathBuf,
    layout: Layout,
    engine: u32,
    containerd: u32,
}

impl Meter {
    /// Puts the daemons of `engine` into a cgroup. Needs root.
    pub fn of(engine: &OwnEngine) -> Outcome<Self> {
        let layout = Layout::of_host()?;
        let controller = if matches!(layout, Layout::V1 { .. }) { "cpuacct" } else { "cpu" };
        let root = layout.mount_of(controller).ok_or("no cgroup counts processor time")?.to_owned();
        let (engine, containerd) = engine.daemons().ok_or("the engine has ended")?;
        let group = root.join(GROUP);
        fs::create_dir_all(&group)?;
        for pid in [engine, containerd] {
            fs::write(group.join("cgroup.procs"), pid.to_string())?;
        }
        Ok(Self { root, layout, engine, containerd })
    }

    /// Removes the cgroup, when the engine has ended.
    pub fn end(self) -> Outcome<()> {
        Ok(fs::remove_dir(self.root.join(GROUP))?)
    }

    /// The host's cgroups.
    pub fn place(&self) -> Layout {
        self.layout.clone()
    }

    /// Waits until all that the engine does behind a container is done.
    pub async fn settle(&self) -> Outcome<()> {
        let deadline = Instant::now() + SETTLE_WAIT;
        let mut seen = 0;
        while seen < 2 {
            sleep(LOOK_EVERY).await;
            let there = fs::read_to_string(self.root.join(GROUP).join("cgroup.procs"))?.lines().count();
            seen = if there == PROCESSES { seen + 1 } else { 0 };
            if Instant::now() > deadline {
                return Err(format!("{there} processes of the engine are there instead of {PROCESSES}").into());
            }
        }
        Ok(())
    }

    pub fn read(&self) -> Outcome<Spent> {
        let (engine, containerd) = (of_process(&self.engine.to_string())?, of_process(&self.containerd.to_string())?);
        let group = self.of_group(GROUP)?;
        Ok(Spent {
            engine,
            containerd,
            children: group.saturating_sub(engine + containerd),
            inside: self.of_group(super::ways::GROUP)?,
            ours: of_process("self")?,
            machine: of_machine()?,
        })
    }

    fn of_group(&self, name: &str) -> Outcome<Duration> {
        let directory = self.root.join(name);
        match self.layout {
            Layout::V1 { .. } => {
                Ok(Duration::from_nanos(fs::read_to_string(directory.join("cpuacct.usage"))?.trim().parse()?))
            }
            Layout::V2 { .. } => {
                let text = fs::read_to_string(directory.join("cpu.stat"))?;
                let used = text.lines().find_map(|line| line.strip_prefix("usage_usec "));
                Ok(Duration::from_micros(used.ok_or("no usage_usec")?.trim().parse()?))
            }
        }
    }
}

/// Time of a process and its threads, without that of children.
fn of_process(pid: &str) -> Outcome<Duration> {
    let text = fs::read_to_string(Path::new("/proc").join(pid).join("stat"))?;
    // The name, in brackets, may hold anything; `utime` and `stime` are fields 14 and 15 (proc(5)).
    let (_, fields) = text.rsplit_once(')').ok_or("no name in stat")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>).sum::<Result<u32, _>>()?;
    Ok(TICK * ticks)
}

/// Busy time of all processors.
fn of_machine() -> Outcome<Duration> {
    let text = fs::read_to_string("/proc/stat")?;
    let fields = text.lines().next().ok_or("no line in stat")?.split_whitespace().skip(1);
    let ticks = fields.map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    // user, nice, system, (idle, iowait,) irq, softirq; what guests use is in user.
    let busy: u64 = [0, 1, 2, 5, 6].iter().filter_map(|&index| ticks.get(index)).sum();
    Ok(Duration::from_millis(busy * 10))
}
