//! Callbacks: the end of a job, told to the URL that its submission named, at least once.
//!
//! ```text
//! store: due ─▶ deliverer (one task) ─ claim ─▶ a task each: body ─ sign ─ resolve ─ check ─ POST
//!                  ▲                                                                       │
//!                  └──────────── gone, due later (schedule), or dead ◀─────────────────────┘
//! ```
//!
//! What is sent and how it is signed is that of Standard Webhooks (standardwebhooks.com), version 1.
//! Receivers are strangers: each attempt resolves their name once, checks every address, and
//! connects to those addresses and no other. A redirect is an answer like any other.

mod body;
mod deliverer;
mod post;
mod schedule;
mod seal;
mod signature;
#[cfg(test)]
mod tests;

pub use body::{OUTPUTS_BYTES_MAX, STREAM_BYTES_MAX};
pub use deliverer::{Deliverer, Parts};
pub use post::{Post, PostError, Resolve, SystemResolver};
pub use schedule::next;
pub use seal::{SealError, SealingKey};
pub use signature::{CallbackSecret, sign};
