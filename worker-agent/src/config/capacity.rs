//! What an agent offers of what its machine, or its pod, has.

use enclos_protocol::agent_link::Capacity;

use super::places::{self, Places};
use super::{CellsArg, ConfigError, IsolationArg, RunArgs, range};
use crate::builder::flags::DependencyConfig;
use crate::headroom;
use crate::machine::Machine;

/// Most jobs at once that an agent can be configured for.
const SLOTS_MAX: u32 = 256;
/// Least memory that is worth offering, in bytes.
const MEMORY_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// Processes offered per slot where nothing else is said.
const PIDS_PER_SLOT: u32 = 512;
/// Most forerunners that can be asked for.
const FORERUNNERS_MAX: u32 = 256;
/// Slots per core where nothing else is said: one job compiles while another waits for memory or disk.
const SLOTS_PER_CORE: u32 = 2;

/// Most slots: with pinned jobs each needs a core.
fn slots_max(args: &RunArgs, machine: &Machine) -> Result<u32, ConfigError> {
    if !args.pin_cores {
        return Ok(SLOTS_MAX);
    }
    if args.isolation == IsolationArg::Gvisor {
        let why = "cells have no cgroups in gVisor";
        return Err(ConfigError::Exclusive { flag: "--pin-cores", other: "--isolation gvisor", why });
    }
    Ok(u32::try_from(machine.cores.len()).unwrap_or(SLOTS_MAX).min(SLOTS_MAX))
}

/// What is offered, by `args`, of what `machine` has, and places for sandboxes; `stock` are always kept.
pub(super) fn of(
    args: &RunArgs,
    machine: &Machine,
    dependencies: Option<&DependencyConfig>,
    stock: u32,
) -> Result<(Capacity, Places), ConfigError> {
    let cpus = args.cpus.unwrap_or(f64::from(machine.cpu_millis) / 1000.0);
    if !(0.1..=1024.0).contains(&cpus) {
        return Err(range("--cpus", "0.1 to 1024".to_owned(), cpus));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was just checked")]
    let cpu_millis = (cpus * 1000.0).round() as u32;
    let slots_max = slots_max(args, machine)?;
    let slots = args.slots.unwrap_or((cpu_millis.div_ceil(1000) * SLOTS_PER_CORE).min(slots_max));
    if !(1..=slots_max).contains(&slots) {
        let why = if args.pin_cores { " (with --pin-cores, one for each core that the agent may use)" } else { "" };
        return Err(range("--slots", format!("1 to {slots_max}{why}"), slots));
    }
    let asked = places::asked(args, slots, stock)?;
    let spare_bytes = headroom::spare_bytes(args.isolation.into(), asked.map_or(0, |places| places.spare))
        + headroom::forerunner_bytes(asked_forerunners(args)?);
    let beside = headroom::beside_jobs(slots) + dependencies.map_or(0, DependencyConfig::memory_bytes);
    let memory_bytes = memory(args, machine, slots, beside, spare_bytes)?;
    let pids = args.pids.unwrap_or(slots * PIDS_PER_SLOT);
    if pids == 0 {
        return Err(range("--pids", "at least 1".to_owned(), pids));
    }
    let places = asked.unwrap_or_else(|| places::usual(args, machine, slots, stock, memory_bytes));
    Ok((Capacity { cpu_millis, memory_bytes, pids, slots }, places))
}

/// Forerunners that were asked for.
fn asked_forerunners(args: &RunArgs) -> Result<u32, ConfigError> {
    let asked = args.forerunners.unwrap_or(0);
    let exclusive = |other| {
        let why = "a compiler waits in a cell of its own, with a cgroup of its own and on any core";
        Err(ConfigError::Exclusive { flag: "--forerunners", other, why })
    };
    match asked {
        0 => Ok(0),
        _ if asked > FORERUNNERS_MAX => Err(range("--forerunners", format!("0 to {FORERUNNERS_MAX}"), asked)),
        _ if args.pin_cores => exclusive("--pin-cores"),
        _ if args.isolation == IsolationArg::Gvisor => exclusive("--isolation gvisor"),
        _ if args.cells == CellsArg::Plain => exclusive("--cells plain"),
        _ => Ok(asked),
    }
}

/// Forerunners that may wait: what was asked for, else as many as cores, within a part of the memory that jobs leave:
/// the machine has other uses for it.
pub(super) fn forerunners(args: &RunArgs, machine: &Machine, capacity: &Capacity, places: Places) -> u32 {
    /// The part of what is left.
    const DIVISOR: u64 = 4;
    let can = !args.pin_cores && args.isolation != IsolationArg::Gvisor && args.cells != CellsArg::Plain;
    let spare_bytes = headroom::spare_bytes(args.isolation.into(), places.spare);
    let left = machine.memory_bytes.saturating_sub(capacity.memory_bytes + spare_bytes);
    let have = u32::try_from(left / DIVISOR / headroom::forerunner_bytes(1)).unwrap_or(u32::MAX);
    let usual = if can && !machine.is_pod { capacity.cpu_millis.div_ceil(1000).min(have) } else { 0 };
    args.forerunners.unwrap_or(usual).min(FORERUNNERS_MAX)
}

/// Memory for jobs. What supervisors and installers may take `beside` is room of a machine, but has to be had of a
/// pod's limit; what idle sandboxes take is always gone.
fn memory(args: &RunArgs, machine: &Machine, slots: u32, beside: u64, spare_bytes: u64) -> Result<u64, ConfigError> {
    let left = machine.memory_bytes.saturating_sub(spare_bytes);
    let (most, usual) = if machine.is_pod {
        let left = left.saturating_sub(beside);
        (left, left)
    } else {
        (left, left.min(machine.memory_bytes / 4 * 3))
    };
    if (machine.is_pod || spare_bytes > 0) && most < MEMORY_BYTES_MIN {
        return Err(ConfigError::NoRoom { slots });
    }
    let memory_bytes = args.memory_bytes.unwrap_or(usual);
    if !(MEMORY_BYTES_MIN..=most).contains(&memory_bytes) {
        let may = format!("{MEMORY_BYTES_MIN} to {most} (what this machine may use)");
        return Err(range("--memory-bytes", may, memory_bytes));
    }
    Ok(memory_bytes)
}
