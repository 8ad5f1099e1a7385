//! The one task that decides which job goes where, and when an attempt is over.
//!
//! ```text
//!            submitted ─▶ Ready ◀──────────── lease ended, returned, agent restarted
//!                         │   ▲                      │ (counted: 3 attempts, then internal_error)
//!                 placed  │   └── Delayed ◀── failed ┤
//!                         ▼                          │
//!                      Running ──────────────────────┘
//!                         │ report, or cancelled, or attempts used up
//!                         ▼
//!                      Ending ─ recorded ─▶ gone (the store has it)
//! ```
//!
//! [`core`] is pure: state + event + now → actions; it can be run a thousand
//! times faster than life. [`driver`](self::driver) feeds it events one by one
//! and does what it says. A session registers its own bounded sender; nothing
//! here names a session's type. Events never wait for the disk: what becomes of
//! a write is another event.

mod core;
mod driver;
mod event;
mod fleet;
mod handle;
mod learnt;
mod notes;
mod placement;
pub mod predict;
mod view;
mod writes;

#[cfg(test)]
mod model;

pub use self::core::{Core, Policy};
pub use driver::{Driver, Parts};
pub use event::{
    Action, Event, Finishing, Joining, Moment, Offer, RunningBounds, SessionId, Submitted, Survivor, ToSession, Traits,
};
pub use fleet::Packing;
pub use handle::{PlaceReply, Reservation, Scheduler, SchedulerGone};
pub use view::{AgentState, AgentView, Place, Share, Totals};
