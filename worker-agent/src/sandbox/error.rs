//! What can go wrong with a sandbox.

use enclos_protocol::frame::FrameError;
use enclos_protocol::supervisor_link::SUPERVISOR_VERSION;

use crate::cgroup::CgroupError;
use crate::engine::EngineError;

/// Which step with a sandbox failed.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Its cgroups.
    #[error("the sandbox's cgroups cannot be made")]
    Cgroup(#[from] CgroupError),
    /// The engine.
    #[error("the engine failed the sandbox")]
    Engine(#[from] EngineError),
    /// Nothing came in time.
    #[error("the supervisor did not answer within {seconds} s while it should {doing}")]
    Late {
        /// What it should have done.
        doing: &'static str,
        /// How long was waited.
        seconds: u64,
    },
    /// The streams ended.
    #[error("the sandbox ended while it should {doing}")]
    Ended {
        /// What it should have done.
        doing: &'static str,
    },
    /// It cannot be written to.
    #[error("the supervisor takes no more requests")]
    Write(#[source] std::io::Error),
    /// Bytes that are no message.
    #[error("the supervisor's words are not understood")]
    Frame(#[from] FrameError),
    /// A message where another belongs.
    #[error("the supervisor spoke out of turn while it should {doing}")]
    OutOfTurn {
        /// What it should have done.
        doing: &'static str,
    },
    /// Versions differ: the image holds another build's supervisor.
    #[error("the supervisor speaks version {0}, this agent {SUPERVISOR_VERSION}")]
    Version(u16),
    /// The host lets it make no cell of the kind that was asked for.
    #[error("the supervisor reports that {0}")]
    NoCell(String),
    /// Its socket.
    #[error("the sandbox's socket failed")]
    Wire(#[source] std::io::Error),
    /// The supervisor gave up.
    #[error("the supervisor cannot go on: {0}")]
    Fault(String),
    /// The container is not what the profile says.
    #[error("the sandbox is not what was asked for: {}", .0.join("; "))]
    Violations(Vec<String>),
    /// More output than the step's answer may hold.
    #[error("the supervisor reported more output than was asked for")]
    TooMuchOutput,
    /// More live input than there was.
    #[error("the supervisor took more live input than it was given")]
    TooMuchInput,
    /// A tree above what was asked for.
    #[error("the supervisor gave more files than was asked for")]
    TooLargeTree,
}
