//! What is written to the agent's cgroup. Pure.

use enclos_protocol::limits::SOCKET_MEMORY_DIVISOR;

use super::Layout;

/// Length of a period of the processor quota, in microseconds.
const CPU_PERIOD_US: u64 = 100_000;

/// Limits of all sandboxes of an agent together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TreeLimits {
    /// Processor share in thousandths of a core.
    pub cpu_millis: u32,
    /// Memory and swap together, in bytes.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub pids: u32,
}

/// One value for one file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Write {
    /// Name of the file in the cgroup's directory.
    pub file: &'static str,
    /// What it gets.
    pub value: String,
    /// Some kernels do not have the file, and then there is nothing to limit.
    pub optional: bool,
}

fn needed(file: &'static str, value: impl ToString) -> Write {
    Write { file, value: value.to_string(), optional: false }
}

fn optional(file: &'static str, value: impl ToString) -> Write {
    Write { file, value: value.to_string(), optional: true }
}

/// What limits the memory and swap of a group in a hierarchy with the memory controller.
#[must_use]
pub fn memory(layout: &Layout, memory_bytes: u64) -> Vec<Write> {
    match layout {
        Layout::V1 { .. } => vec![
            needed("memory.limit_in_bytes", memory_bytes),
            // Only where the kernel counts swap; without, no program of a sandbox gets any by its own limit.
            optional("memory.memsw.limit_in_bytes", memory_bytes),
            // What waits in internet sockets is counted apart, and otherwise not at all.
            optional("memory.kmem.tcp.limit_in_bytes", memory_bytes / SOCKET_MEMORY_DIVISOR),
        ],
        Layout::V2 { .. } => vec![needed("memory.max", memory_bytes), optional("memory.swap.max", 0)],
    }
}

/// What limits the processor share of a group in a hierarchy with the cpu controller.
#[must_use]
pub fn cpu(layout: &Layout, cpu_millis: u32) -> Vec<Write> {
    let quota_us = u64::from(cpu_millis) * CPU_PERIOD_US / 1000;
    match layout {
        Layout::V1 { .. } => vec![needed("cpu.cfs_period_us", CPU_PERIOD_US), needed("cpu.cfs_quota_us", quota_us)],
        Layout::V2 { .. } => vec![needed("cpu.max", format!("{quota_us} {CPU_PERIOD_US}"))],
    }
}

/// A group's part of the cores beside its siblings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weight {
    /// The least that the kernel takes.
    Least,
    /// What a new group has.
    Usual,
}

/// What sets it, in a hierarchy with the cpu controller (sched-design-CFS.rst, cgroup-v2.rst).
#[must_use]
pub fn weight(layout: &Layout, weight: Weight) -> Write {
    match (layout, weight) {
        (Layout::V1 { .. }, Weight::Least) => needed("cpu.shares", 2),
        (Layout::V1 { .. }, Weight::Usual) => needed("cpu.shares", 1024),
        (Layout::V2 { .. }, Weight::Least) => needed("cpu.weight", 1),
        (Layout::V2 { .. }, Weight::Usual) => needed("cpu.weight", 100),
    }
}

/// v2: lets the children of a group have these controllers; one write each, so that a failure names its controller.
#[must_use]
pub fn subtree(controllers: &[String]) -> Vec<Write> {
    controllers.iter().map(|controller| needed("cgroup.subtree_control", format!("+{controller}"))).collect()
}

/// What is written to the agent's directory in a hierarchy with these controllers, in order.
#[must_use]
pub fn agent(layout: &Layout, controllers: &[String], limits: &TreeLimits) -> Vec<Write> {
    let of_controller = |controller: &str| match (layout, controller) {
        (_, "memory") => memory(layout, limits.memory_bytes),
        (_, "cpu") => cpu(layout, limits.cpu_millis),
        (_, "pids") => vec![needed("pids.max", limits.pids)],
        _ => Vec::new(),
    };
    controllers.iter().flat_map(|c| of_controller(c)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::detect::tests::V1_SPLIT;
    use super::*;

    const LIMITS: TreeLimits = TreeLimits { cpu_millis: 2500, memory_bytes: 1 << 30, pids: 4096 };

    fn text(layout: &Layout) -> String {
        let all = layout.used().into_iter().flat_map(|h| agent(layout, &h.controllers, &LIMITS));
        all.map(|w| format!("{} = {}{}\n", w.file, w.value, if w.optional { " (optional)" } else { "" })).collect()
    }

    #[test]
    fn each_controller_of_v1_gets_its_limit() {
        insta::assert_snapshot!(text(&Layout::from_texts(V1_SPLIT, "").unwrap()), @r"
        cpu.cfs_period_us = 100000
        cpu.cfs_quota_us = 250000
        memory.limit_in_bytes = 1073741824
        memory.memsw.limit_in_bytes = 1073741824 (optional)
        memory.kmem.tcp.limit_in_bytes = 268435456 (optional)
        pids.max = 4096
        ");
    }

    #[test]
    fn v2_gets_the_same_in_its_own_words() {
        let mount = "1 0 0:1 / /c rw - cgroup2 cgroup2 rw\n";
        insta::assert_snapshot!(text(&Layout::from_texts(mount, "cpu memory pids").unwrap()), @r"
        cpu.max = 250000 100000
        memory.max = 1073741824
        memory.swap.max = 0 (optional)
        pids.max = 4096
        ");
    }

    #[test]
    fn v2_hands_down_cores_where_the_host_has_the_controller() {
        let handed_down = |offered: &str| {
            let layout = Layout::from_texts("1 0 0:1 / /c rw - cgroup2 cgroup2 rw\n", offered).unwrap();
            subtree(&layout.used()[0].controllers).into_iter().map(|w| w.value).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(handed_down("cpuset cpu io memory pids"), "+cpu +cpuset +memory +pids");
        assert_eq!(handed_down("cpu io memory pids"), "+cpu +memory +pids");
    }
}
