//! What sandboxes need beyond what their jobs may use. Pure.

use enclos_protocol::agent_link::Capacity;
use enclos_protocol::forerunner::{FORERUNNER_BYTES_MAX, FORERUNNER_PIDS_MAX};
use enclos_protocol::job::Isolation;
use enclos_protocol::supervisor_link::{SANDBOX_HEADROOM_BYTES, SANDBOX_HEADROOM_PIDS};

use crate::cgroup::TreeLimits;
use crate::engine::SandboxLimits;

/// Largest memory that a single cell may be asked for, in bytes; the catalogue's bounds have the same.
const CELL_MEMORY_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// Largest process count of a single cell.
const CELL_PIDS_MAX: u32 = 512;
/// Largest processor share of a single cell.
const CELL_CPU_MILLIS_MAX: u32 = 1000;
/// Cells that a sandbox may run at once: an interactor's beside the program's.
const CELLS_AT_ONCE: u32 = 2;
/// Sandboxes that hold a job's files at once: the program's, and its checker's.
const SANDBOXES_PER_JOB: u64 = 2;
/// Processor share that a sandbox has beyond its largest cells, so that its supervisor wakes in time.
pub const HEADROOM_CPU_MILLIS: u32 = 500;
/// Sandboxes that a slot may have at once: one that works and others that begin or end.
const SANDBOXES_PER_SLOT: u32 = 4;

/// What an idle sandbox takes of its agent's memory, in bytes.
const IDLE_BYTES: u64 = 4 << 20;
/// The same with a kernel in user space: 15 MiB were seen.
const GVISOR_IDLE_BYTES: u64 = 16 << 20;

/// Tasks of the host for each process of a program under gVisor: one, and one for each thread of the
/// user-space kernel that ever ran it. Fork bombs were seen with 9 to 26, 250 busy processes with 34 after 20 s.
/// Without room for them the user-space kernel dies, and with it a job that only made processes.
const GVISOR_TASKS_PER_PID: u32 = 24;
/// Part of the host's process ids that all gVisor sandboxes of an agent together may take.
const GVISOR_HOST_DIVISOR: u32 = 2;

/// Processes and threads of an installer.
const BUILDER_PIDS: u32 = 64;
/// Processor share of a builder, in thousandths of a core.
const BUILDER_CPU_MILLIS: u32 = 1000;

/// The most that any sandbox of an agent with `capacity` may use.
pub fn of_sandbox(capacity: &Capacity, isolation: Isolation) -> SandboxLimits {
    SandboxLimits {
        memory_bytes: CELL_MEMORY_BYTES_MAX.min(capacity.memory_bytes) + SANDBOX_HEADROOM_BYTES,
        // Under version 1 of cgroups nothing may have more than what it is beneath.
        cpu_millis: (CELLS_AT_ONCE * CELL_CPU_MILLIS_MAX).min(capacity.cpu_millis) + HEADROOM_CPU_MILLIS,
        pids: tasks(isolation, CELL_PIDS_MAX.min(capacity.pids) + SANDBOX_HEADROOM_PIDS),
    }
}

/// Memory that the sandboxes of so many slots take beside their jobs, in bytes.
#[must_use]
pub fn beside_jobs(slots: u32) -> u64 {
    SANDBOXES_PER_JOB * SANDBOX_HEADROOM_BYTES * u64::from(slots)
}

/// Memory that so many idle sandboxes take, in bytes.
#[must_use]
pub fn spare_bytes(isolation: Isolation, spare: u32) -> u64 {
    let each = if isolation == Isolation::Gvisor { GVISOR_IDLE_BYTES } else { IDLE_BYTES };
    each * u64::from(spare)
}

/// What is offered to jobs, and what supervisors need beside it, those of `spare` idle sandboxes that no slot needs
/// among them: a full agent must not make the kernel kill, or the scheduler stop, a supervisor. The host has
/// `host_pids` process ids.
pub fn of_tree(capacity: &Capacity, isolation: Isolation, spare: u32, host_pids: u32) -> TreeLimits {
    let sandboxes = (capacity.slots * SANDBOXES_PER_SLOT).saturating_add(spare);
    let supervisors = SANDBOX_HEADROOM_PIDS.saturating_mul(sandboxes);
    let pids = tasks(isolation, capacity.pids.saturating_add(supervisors));
    TreeLimits {
        cpu_millis: capacity.cpu_millis + HEADROOM_CPU_MILLIS,
        memory_bytes: capacity.memory_bytes + beside_jobs(capacity.slots) + spare_bytes(isolation, spare),
        pids: if isolation == Isolation::Gvisor { pids.min(host_pids / GVISOR_HOST_DIVISOR) } else { pids },
    }
}

/// What a builder may use, of which an agent has one at a time.
pub fn of_builder(memory_bytes: u64, isolation: Isolation) -> SandboxLimits {
    SandboxLimits { memory_bytes, cpu_millis: BUILDER_CPU_MILLIS, pids: tasks(isolation, BUILDER_PIDS) }
}

/// `tree` with room for a builder: it comes on top of what jobs were promised.
pub fn with_builder(tree: TreeLimits, builder: &SandboxLimits) -> TreeLimits {
    TreeLimits {
        cpu_millis: tree.cpu_millis.saturating_add(builder.cpu_millis),
        memory_bytes: tree.memory_bytes.saturating_add(builder.memory_bytes),
        pids: tree.pids.saturating_add(builder.pids),
    }
}

/// Memory that so many forerunners may take while they wait, in bytes.
#[must_use]
pub fn forerunner_bytes(count: u32) -> u64 {
    FORERUNNER_BYTES_MAX * u64::from(count)
}

/// `tree` with room for so many forerunners: what waits takes nothing of what jobs were promised, nor does the one that
/// starts, of which the kernel's quota knows no weight.
pub fn with_forerunners(tree: TreeLimits, count: u32) -> TreeLimits {
    TreeLimits {
        memory_bytes: tree.memory_bytes.saturating_add(forerunner_bytes(count)),
        pids: tree.pids.saturating_add(FORERUNNER_PIDS_MAX.saturating_mul(count)),
        cpu_millis: tree.cpu_millis.saturating_add(CELL_CPU_MILLIS_MAX * count.min(1)),
    }
}

/// Tasks of the host that so many processes of programs need.
fn tasks(isolation: Isolation, pids: u32) -> u32 {
    match isolation {
        Isolation::Gvisor => pids.saturating_mul(GVISOR_TASKS_PER_PID),
        Isolation::Runc | Isolation::Userns => pids,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: Capacity = Capacity { slots: 2, cpu_millis: 2000, memory_bytes: 4 << 30, pids: 1024 };

    #[test]
    fn processes_of_programs_are_as_many_tasks_of_the_host_but_under_gvisor() {
        assert_eq!(of_sandbox(&CAPACITY, Isolation::Runc).pids, 520);
        assert_eq!(of_sandbox(&CAPACITY, Isolation::Gvisor).pids, 520 * 24);
        assert_eq!(of_tree(&CAPACITY, Isolation::Runc, 0, 1 << 15).pids, 1024 + 64);
    }

    #[test]
    fn no_sandbox_may_have_more_cores_than_what_it_is_beneath() {
        let one = Capacity { cpu_millis: 1000, ..CAPACITY };
        let (sandbox, tree) = (of_sandbox(&one, Isolation::Runc), of_tree(&one, Isolation::Runc, 0, 1 << 15));
        assert_eq!((sandbox.cpu_millis, tree.cpu_millis), (1500, 1500));
        assert_eq!(of_sandbox(&CAPACITY, Isolation::Runc).cpu_millis, 2500);
    }

    #[test]
    fn a_builder_takes_nothing_of_what_jobs_were_promised() {
        let tree = of_tree(&CAPACITY, Isolation::Runc, 0, 1 << 15);
        let builder = of_builder(1 << 30, Isolation::Runc);
        let both = with_builder(tree, &builder);
        assert_eq!((both.memory_bytes - tree.memory_bytes, both.cpu_millis - tree.cpu_millis), (1 << 30, 1000));
        assert_eq!(both.pids - tree.pids, 64);
        assert_eq!(of_builder(1, Isolation::Gvisor).pids, 64 * 24);
    }

    #[test]
    fn forerunners_take_nothing_of_what_jobs_were_promised() {
        let tree = of_tree(&CAPACITY, Isolation::Runc, 0, 1 << 15);
        let both = with_forerunners(tree, 2);
        assert_eq!((both.memory_bytes - tree.memory_bytes, both.pids - tree.pids), (256 << 20, 96));
        assert_eq!(both.cpu_millis - tree.cpu_millis, 1000, "one starts at a time");
        assert_eq!(with_forerunners(tree, 0), tree);
    }

    #[test]
    fn idle_sandboxes_take_nothing_of_what_jobs_were_promised() {
        let more = |isolation| {
            let of = |spare| of_tree(&CAPACITY, isolation, spare, 1 << 22);
            (of(10).memory_bytes - of(0).memory_bytes, of(10).pids - of(0).pids)
        };
        assert_eq!(more(Isolation::Runc), (40 << 20, 80));
        assert_eq!(more(Isolation::Gvisor), (160 << 20, 80 * 24));
    }

    #[test]
    fn gvisor_leaves_half_of_the_process_ids_to_the_host() {
        assert_eq!(of_tree(&CAPACITY, Isolation::Gvisor, 0, 1 << 22).pids, 1088 * 24);
        assert_eq!(of_tree(&CAPACITY, Isolation::Gvisor, 0, 1 << 15).pids, 1 << 14);
        assert_eq!(of_tree(&CAPACITY, Isolation::Gvisor, 1000, 1 << 15).pids, 1 << 14);
    }
}
