//! The words in which the pool's plan is asked, and answers.

use std::time::Duration;

use enclos_protocol::agent_link::ClosedSandboxes;
use enclos_protocol::ids::Binding;
use enclos_protocol::job::Reuse;

/// An image as the pool knows it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ImageKey {
    /// Name of the image (`gcc`).
    pub name: String,
    /// What the engine calls the sandbox image; it changes with the image's content.
    pub reference: String,
}

/// Stands in the name of an image with packages that were installed for one binding, and in no other name.
pub const DERIVED_MARK: char = '+';

impl ImageKey {
    /// Only one binding has jobs for it.
    #[must_use]
    pub fn is_derived(&self) -> bool {
        self.name.contains(DERIVED_MARK)
    }
}

/// Bounds of the plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Number of the first sandbox.
    pub first_number: u64,
    /// Sandboxes of any phase.
    pub sandboxes_max: usize,
    /// Sandboxes that are being started at once: each start costs half a CPU-second.
    pub starting_max: usize,
    /// Cores for jobs and starts: stock is started only while one of them is idle.
    pub cores: usize,
    /// Unbound sandboxes of all images together that demand may ask for beyond [`Input::Stock`].
    pub stock_max: usize,
    /// Bindings of which it is remembered how often they come; those that came longest ago are forgotten.
    pub bindings_max: usize,
    /// How long a bound sandbox waits for its binding's next job at most.
    pub bound_idle_max: Duration,
    /// How long a sandbox lives at most.
    pub age_max: Duration,
    /// Jobs that a sandbox serves at most.
    pub jobs_max: u32,
    /// How long after a failed start the pool starts none of that image for its own stock.
    pub retry_after: Duration,
}

/// One claim.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Ticket(pub u64);

/// How a sandbox came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum After {
    /// Its base state is back.
    Clean,
    /// It is not, or its stream cannot be trusted.
    Unfit,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// Someone wants a sandbox.
    Claim {
        /// Which claim.
        ticket: Ticket,
        /// Of which image.
        image: ImageKey,
        /// For whom.
        binding: Binding,
        /// Whether it may have served before and after.
        reuse: Reuse,
    },
    /// They do not want it any more.
    Withdraw(Ticket),
    /// At least this many unbound ones of the image are to be kept ready.
    Stock {
        /// Which image.
        image: ImageKey,
        /// How many.
        target: usize,
    },
    /// A start succeeded.
    Opened(u64),
    /// A start failed.
    OpenFailed(u64),
    /// A job is over.
    Returned(u64, After),
    /// A sandbox that was idle ended by itself.
    Lost(u64),
    /// A closed one is gone.
    Closed(u64),
    /// Time passed.
    Tick,
    /// No more sandboxes: idle ones close, others when they come back.
    Shutdown,
}

/// Why a sandbox is closed; a closed set, for logs and counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// One job was all it was for.
    SingleUse,
    /// It came back unfit.
    Unfit,
    /// It served the most jobs that one may.
    JobsMax,
    /// It lived as long as one may.
    AgeMax,
    /// Its binding had no job for it for long enough.
    Idle,
    /// Its place was needed.
    Evicted,
    /// The agent ends.
    Shutdown,
    /// It ended by itself.
    Lost,
}

impl Reason {
    /// Its count among all.
    pub(super) fn count_of(self, closed: &mut ClosedSandboxes) -> &mut u64 {
        match self {
            Self::SingleUse => &mut closed.single_use,
            Self::Unfit => &mut closed.unfit,
            Self::JobsMax => &mut closed.jobs_max,
            Self::AgeMax => &mut closed.age_max,
            Self::Idle => &mut closed.idle,
            Self::Evicted => &mut closed.evicted,
            Self::Shutdown => &mut closed.shutdown,
            Self::Lost => &mut closed.lost,
        }
    }
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Start a sandbox.
    Open(u64, ImageKey),
    /// Destroy one.
    Close(u64, Reason),
    /// Hand one to a claim.
    Assign(u64, Ticket),
    /// Start a forerunner in an idle one.
    SendAhead(u64, ImageKey),
    /// End the forerunner that waits in an idle one.
    Recall(u64),
    /// Tell a claim that there will be none.
    Refuse(Ticket),
}
