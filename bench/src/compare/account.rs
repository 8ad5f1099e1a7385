//! Whose processor time it was: what the kernel counted for processes and cgroups, before and after.
//!
//! ```text
//! all: what is known, and the rest
//!  ├─ master, agent            /proc/<pid>/stat
//!  ├─ bench                    the same: the client of one way, the parent of another
//!  ├─ engine                   dockerd, containerd and the engine's client, the same
//!  ├─ toolchain                what ran in sandboxes or containers: their cgroups, or what cells counted
//!  ├─ supervisors              the rest of our sandboxes' cgroups: supervisor and first processes
//!  ├─ shims and runc           shims that live, and what was waited for by them, the engine and process 1,
//!  │                           less what of it ran in containers' cgroups
//!  └─ rest                     what else was busy (/proc/stat), less what the machine does by itself: kernel threads,
//!                              interrupts, and whatever else ran
//! ```
//!
//! A process that ended is in the counters of whoever waited for it, and a shim that ended in those of process 1; so
//! shims and the runc that they call cannot be told apart once they are gone, and share a figure.

use std::collections::BTreeMap;

/// What the kernel says of one process in `/proc/<pid>/stat`, in ticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessTimes {
    /// Its name, at most 15 bytes.
    pub name: String,
    /// Its parent.
    pub parent: u32,
    /// Its own time.
    pub own: u64,
    /// That of its children that it waited for, and of theirs.
    pub waited: u64,
}

/// Reads the text of `/proc/<pid>/stat`; a name may hold anything, so it ends at the last parenthesis.
pub fn process_times(stat: &str) -> Option<ProcessTimes> {
    let (before, after) = stat.rsplit_once(") ")?;
    let name = before.split_once(" (")?.1.to_owned();
    let fields: Vec<&str> = after.split_whitespace().collect();
    // Fields are counted from 1 in proc(5), and the state (3) is the first here.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let parent = u32::try_from(field(4)?).ok()?;
    Some(ProcessTimes { name, parent, own: field(14)? + field(15)?, waited: field(16)? + field(17)? })
}

/// Ticks in which all processors were busy, and those of them in the kernel, of the text of `/proc/stat`.
pub fn busy_ticks(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [user, nice, system, _idle, _waits, interrupts, soft, ..] = ticks[..] else { return None };
    Some((user + nice + system + interrupts + soft, system + interrupts + soft))
}

/// Counters at one moment, in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub at_us: u64,
    pub busy: u64,
    pub kernel: u64,
    pub master: u64,
    pub agents: u64,
    pub bench: u64,
    pub engine: u64,
    /// Waited for by the engine, by process 1 and, of bare processes, by this program.
    pub reaped: u64,
    pub bench_reaped: u64,
    /// Of each living shim: its own and what it waited for.
    pub shims: BTreeMap<u32, u64>,
    /// Cgroups of our agents' sandboxes.
    pub sandboxes: u64,
    /// The cgroup of all other containers.
    pub containers: u64,
}

/// Whose work is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Processes that this program waits for.
    Bare,
    /// Containers, whose processes a shim waits for.
    Containers,
    /// Sandboxes that are kept: their processes are waited for in them.
    Kept,
    /// Sandboxes that end: a shim waits for their supervisor, and thereby for all.
    Ended,
}

/// Microseconds a job, by whose they were.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Split {
    pub all: f64,
    pub toolchain: f64,
    pub supervisors: f64,
    pub master: f64,
    pub agents: f64,
    pub bench: f64,
    pub engine: f64,
    pub shims: f64,
    pub rest: f64,
    /// Part of all that the kernel was busy itself, of whoever it was.
    pub kernel: f64,
}

impl Split {
    /// In the order of the table, with their names.
    pub fn parts(&self) -> [(&'static str, f64); 8] {
        [
            ("toolchain", self.toolchain),
            ("supervisors", self.supervisors),
            ("agent", self.agents),
            ("master", self.master),
            ("engine", self.engine),
            ("shims and runc", self.shims),
            ("bench", self.bench),
            ("rest", self.rest),
        ]
    }
}

/// Tells apart what was counted between two moments, for each of `jobs`. `idle` is the part of one processor that
/// the machine is busy when nothing is measured; `steps` what cells counted of all these jobs' steps, in microseconds.
pub fn split(before: &Counters, after: &Counters, jobs: u64, whose: Whose, steps: u64, idle: f64) -> Split {
    let since = |of: fn(&Counters) -> u64| of(after).saturating_sub(of(before)) as f64;
    let sandboxes = since(|c| c.sandboxes);
    let containers = since(|c| c.containers);
    let toolchain = match whose {
        Whose::Bare => since(|c| c.bench_reaped),
        Whose::Containers => containers,
        Whose::Kept | Whose::Ended => steps as f64,
    };
    let supervisors = match whose {
        Whose::Bare | Whose::Containers => 0.0,
        Whose::Kept | Whose::Ended => (sandboxes - steps as f64).max(0.0),
    };
    let lived: u64 = after.shims.values().sum();
    let known: u64 = before.shims.values().sum();
    // Those that ended are in what process 1 waited for, with all that they had before; signs matter.
    let shims = lived as f64 - known as f64 + since(|c| c.reaped);
    let shims = match whose {
        Whose::Bare | Whose::Kept => shims,
        Whose::Containers => shims - containers,
        Whose::Ended => shims - sandboxes,
    };
    // The only children that this program has then are the engine's client.
    let client = if whose == Whose::Containers { since(|c| c.bench_reaped) } else { 0.0 };
    let by_itself = idle * after.at_us.saturating_sub(before.at_us) as f64;
    let busy = since(|c| c.busy) - by_itself;
    let part_of_kernel = since(|c| c.kernel) / since(|c| c.busy).max(1.0);
    let mut split = Split {
        all: 0.0,
        toolchain,
        supervisors,
        master: since(|c| c.master),
        agents: since(|c| c.agents),
        bench: since(|c| c.bench),
        engine: since(|c| c.engine) + client,
        shims: shims.max(0.0),
        rest: 0.0,
        kernel: part_of_kernel,
    };
    // What is known was used, also where the machine did less by itself meanwhile than before.
    let known = split.parts().iter().map(|(_, time)| time).sum::<f64>();
    split.rest = (busy - known).max(0.0);
    split.all = known + split.rest;
    per_job(split, jobs)
}

fn per_job(whole: Split, jobs: u64) -> Split {
    let each = |time: f64| time / jobs.max(1) as f64;
    Split {
        all: each(whole.all),
        toolchain: each(whole.toolchain),
        supervisors: each(whole.supervisors),
        master: each(whole.master),
        agents: each(whole.agents),
        bench: each(whole.bench),
        engine: each(whole.engine),
        shims: each(whole.shims),
        rest: each(whole.rest),
        kernel: whole.kernel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_process_is_read_whatever_its_name() {
        let stat = "4242 (con (tai) ner d) S 1 4242 4242 0 -1 1077936384 5000 700 0 0 31 12 250 90 20 0 11 0 5 1 2 3";
        let expected = ProcessTimes { name: "con (tai) ner d".into(), parent: 1, own: 43, waited: 340 };
        assert_eq!(process_times(stat), Some(expected));
        assert_eq!(process_times("4242 (short) S 1 2"), None);
    }

    #[test]
    fn a_recorded_machine_is_busy_with_all_but_idling_and_waiting() {
        let stat = "cpu  1000 5 300 90000 777 20 30 9 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\nintr 5\n";
        assert_eq!(busy_ticks(stat), Some((1355, 350)));
        assert_eq!(busy_ticks("cpu0 1 2 3"), None);
    }

    fn counters(at_us: u64, busy: u64) -> Counters {
        Counters { at_us, busy, kernel: busy / 4, ..Counters::default() }
    }

    #[test]
    fn the_parts_of_a_kept_sandbox_add_up_to_all() {
        let before = Counters { sandboxes: 1000, ..counters(0, 0) };
        let after = Counters {
            master: 2000,
            agents: 3000,
            bench: 1000,
            engine: 500,
            sandboxes: 81_000,
            shims: BTreeMap::from([(7, 500)]),
            ..counters(1_000_000, 110_000)
        };
        let split = split(&before, &after, 10, Whose::Kept, 70_000, 0.01);
        assert_eq!((split.all, split.toolchain, split.supervisors), (10_000.0, 7000.0, 1000.0));
        assert_eq!((split.shims, split.rest, split.kernel), (50.0, 1300.0, 0.25));
        assert_eq!(split.parts().iter().map(|(_, time)| time).sum::<f64>(), split.all);
    }

    #[test]
    fn shims_that_came_and_went_are_counted_once_and_without_what_ran_in_their_containers() {
        // One shim lived before with 40, and ended with 60: process 1 has all of it. Another was there for a
        // moment and ended with 300, of which 200 ran in its container. A third is there now with 25.
        let before = Counters { shims: BTreeMap::from([(1, 40)]), ..counters(0, 0) };
        let after =
            Counters { reaped: 60 + 300, containers: 200, shims: BTreeMap::from([(3, 25)]), ..counters(10_000, 1000) };
        let split = split(&before, &after, 1, Whose::Containers, 0, 0.0);
        assert_eq!((split.toolchain, split.shims, split.rest), (200.0, 145.0, 655.0));
    }

    #[test]
    fn what_is_known_was_used_whatever_the_machine_did_by_itself() {
        let after = Counters { containers: 5000, engine: 1000, ..counters(1_000_000, 4000) };
        let split = split(&counters(0, 0), &after, 2, Whose::Containers, 0, 1.0);
        assert_eq!((split.all, split.rest, split.toolchain), (3000.0, 0.0, 2500.0));
    }

    #[test]
    fn what_cannot_be_is_nothing_rather_than_less() {
        let split = split(&counters(0, 100), &counters(1_000_000, 90), 0, Whose::Bare, 0, 0.5);
        assert_eq!((split.all, split.rest, split.shims), (0.0, 0.0, 0.0));
    }
}
