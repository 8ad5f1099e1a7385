//! What a policy hears, and what it may say: the same for all of them.

use std::time::Duration;

use super::workload::Work;

/// One try to run a job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// Number of the job.
    pub job: u32,
    /// Counts up over all attempts of a run.
    pub number: u64,
}

/// What happens.
#[derive(Clone, Copy, Debug)]
pub enum Happening<'a> {
    /// An agent is there (again).
    Joined {
        /// Which.
        agent: usize,
        /// Jobs that it runs at once.
        slots: u32,
        /// Counts its processes.
        life: u32,
        /// Its process is new; what the one before held is lost.
        restarted: bool,
        /// What it holds, running or not yet answered.
        holding: &'a [Attempt],
    },
    /// An agent's connection ended; it goes on.
    Cut {
        /// Which.
        agent: usize,
    },
    /// An agent's process ended, and nobody says so: only the policies to compare with are told.
    Died {
        /// Which.
        agent: usize,
    },
    /// An agent says how loaded it is.
    Beat {
        /// Which.
        agent: usize,
        /// Busy part of its processors, in thousandths; it may lie.
        busy_permille: u16,
    },
    /// A job was submitted.
    Arrived(&'a Work),
    /// An attempt ended well.
    Done {
        /// Where.
        agent: usize,
        /// Which.
        attempt: Attempt,
        /// How long it took.
        took: Duration,
    },
    /// An agent could not run it.
    Failed {
        /// Where.
        agent: usize,
        /// Which.
        attempt: Attempt,
    },
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// An agent begins a job.
    Start {
        /// Where.
        agent: usize,
        /// Which.
        attempt: Attempt,
    },
    /// A job ended; with an answer, or it was given up.
    End {
        /// Its number.
        job: u32,
        /// It was not answered.
        given_up: bool,
    },
    /// An agent ends an attempt and says nothing of it.
    Abandon {
        /// Where.
        agent: usize,
        /// Which.
        attempt: Attempt,
    },
    /// The connection of an agent is closed.
    Close {
        /// Which.
        agent: usize,
    },
}

/// Who decides.
pub trait Policy {
    /// Takes what happens at `at`, and adds what is to be done to `orders`.
    fn handle(&mut self, happening: Happening<'_>, at: Duration, orders: &mut Vec<Order>);
}
