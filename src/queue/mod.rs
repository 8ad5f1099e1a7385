//! Jobs that wait: in which order, how many, how fast they leave.
//!
//! ```text
//! admission ─ backlog: is there a place? ─▶ store ─▶ ready queue ─▶ scheduler takes what fits
//!                    ▲                                   ▲ │
//!                    └── a place is given back ──────────┼─┘
//!                             requeued in its old order ─┘
//! ```
//!
//! Pure: no clock, no lock, no I/O; the scheduler drives it. It knows neither
//! agents nor the scheduler.

mod backlog;
mod demand;
mod drain;
mod forecast;
mod line;
mod ranked;
mod ready;
mod share;
mod standing;
mod survey;
mod walk;

#[cfg(test)]
mod tests;

pub use backlog::{Backlog, NORMAL_PERMILLE, Overloaded, SHED_PERMILLE, Shed, Wanted};
pub use demand::{Demand, Room, cases_time};
pub use forecast::{Ahead, Forecast, Standing};
pub use line::LineId;
pub use ready::{Order, ReadyQueue, Rules, Ticket, Waiting};
pub use share::Charge;
pub use survey::{Counts, Group, Survey, Waits};
pub use walk::{Cursor, Head};

pub use crate::access::Priority;
