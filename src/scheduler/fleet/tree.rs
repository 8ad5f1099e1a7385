//! All agents in a tournament tree: each node knows the best of everything beneath it.
//!
//! A question goes down only where it could be answered: where some agent has the memory, some the
//! processors, some the language, and none that is known to be cheaper was found. As the best of one
//! thing may be another agent than the best of the next, a node can promise what none beneath it has;
//! then the way back up is taken. In a fleet of few sizes that is rare, and a question or a change
//! looks at about as many nodes as the tree is high.

use super::languages::Languages;
use crate::queue::Room;
use enclos_protocol::job::Isolation;

/// What an agent has, or the most that any of several has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::scheduler) struct Summary {
    /// What is free for jobs now.
    pub(in crate::scheduler) free: Room,
    /// What there is in all, for jobs that it could run.
    pub(in crate::scheduler) capacity: Room,
    pub(in crate::scheduler) isolation: Isolation,
    /// It has cells that are apart from each other.
    pub(in crate::scheduler) interactive: bool,
    pub(in crate::scheduler) installs: bool,
    /// It installs now.
    pub(in crate::scheduler) installs_now: bool,
    pub(in crate::scheduler) offered: Languages,
    pub(in crate::scheduler) ready: Languages,
    pub(in crate::scheduler) warm: Languages,
    /// What a job costs there at least.
    pub(in crate::scheduler) cost: u64,
    /// Its place by name.
    pub(in crate::scheduler) label: u64,
}

impl Summary {
    /// Of nobody.
    pub(in crate::scheduler) const NONE: Self = Self {
        free: Room { memory_bytes: 0, cpu_millis: 0, pids: 0, slots: 0 },
        capacity: Room { memory_bytes: 0, cpu_millis: 0, pids: 0, slots: 0 },
        isolation: Isolation::Runc,
        interactive: false,
        installs: false,
        installs_now: false,
        offered: Languages::NONE,
        ready: Languages::NONE,
        warm: Languages::NONE,
        cost: u64::MAX,
        label: u64::MAX,
    };

    /// The best of both.
    fn with(self, other: Self) -> Self {
        Self {
            free: most(self.free, other.free),
            capacity: most(self.capacity, other.capacity),
            isolation: self.isolation.max(other.isolation),
            interactive: self.interactive | other.interactive,
            installs: self.installs | other.installs,
            installs_now: self.installs_now | other.installs_now,
            offered: self.offered.or(other.offered),
            ready: self.ready.or(other.ready),
            warm: self.warm.or(other.warm),
            cost: self.cost.min(other.cost),
            label: self.label.min(other.label),
        }
    }

    /// Whether it can take nothing now that `before` could not.
    pub(super) fn is_within(&self, before: &Self) -> bool {
        before.free.holds(self.free) && before.installs_now >= self.installs_now && self.reaches_within(before)
    }

    /// Whether it could run nothing that `before` could not. Of languages that share a bit, any may be
    /// new.
    pub(super) fn reaches_within(&self, before: &Self) -> bool {
        before.capacity.holds(self.capacity)
            && before.isolation >= self.isolation
            && before.interactive >= self.interactive
            && before.installs >= self.installs
            && before.offered.holds(self.offered)
            && !self.offered.is_shared()
    }
}

fn most(a: Room, b: Room) -> Room {
    Room {
        memory_bytes: a.memory_bytes.max(b.memory_bytes),
        cpu_millis: a.cpu_millis.max(b.cpu_millis),
        pids: a.pids.max(b.pids),
        slots: a.slots.max(b.slots),
    }
}

/// The tree; node 1 is its root, those of node `n` are `2n` and `2n + 1`.
#[derive(Debug)]
pub(in crate::scheduler) struct Tree {
    leaves: usize,
    nodes: Vec<Summary>,
}

impl Default for Tree {
    fn default() -> Self {
        Self { leaves: 1, nodes: vec![Summary::NONE; 2] }
    }
}

impl Tree {
    pub(in crate::scheduler) const ROOT: usize = 1;

    pub(in crate::scheduler) fn node(&self, node: usize) -> &Summary {
        &self.nodes[node]
    }

    /// The agent that is at a node, if that is a leaf.
    pub(in crate::scheduler) fn leaf(&self, node: usize) -> Option<usize> {
        node.checked_sub(self.leaves)
    }

    /// What stands at a leaf.
    pub(super) fn at(&self, leaf: usize) -> Summary {
        self.nodes.get(self.leaves + leaf).copied().filter(|_| leaf < self.leaves).unwrap_or(Summary::NONE)
    }

    /// Changes a leaf, and what is above it.
    pub(super) fn set(&mut self, leaf: usize, summary: Summary) {
        while leaf >= self.leaves {
            self.grow();
        }
        let mut node = self.leaves + leaf;
        self.nodes[node] = summary;
        while node > Self::ROOT {
            node /= 2;
            let best = self.nodes[2 * node].with(self.nodes[2 * node + 1]);
            if std::mem::replace(&mut self.nodes[node], best) == best {
                return;
            }
        }
    }

    fn grow(&mut self) {
        let leaves = 2 * self.leaves;
        let mut nodes = vec![Summary::NONE; 2 * leaves];
        nodes[leaves..leaves + self.leaves].copy_from_slice(&self.nodes[self.leaves..]);
        for node in (Self::ROOT..leaves).rev() {
            nodes[node] = nodes[2 * node].with(nodes[2 * node + 1]);
        }
        *self = Self { leaves, nodes };
    }
}
