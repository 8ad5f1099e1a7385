//! The master of Enclos: takes submissions over HTTP, keeps them, and gives them to agents.
//!
//! Modules stand in the order of the direction of imports: each names only
//! what stands above it. Untrusted bytes enter in `http` (clients) and
//! `agents` (whose numbers are bounded there); only `store` speaks to the disk,
//! and only the scheduler's one task decides where a job goes.

// Who may what, and what may be connected to; what is set, what is counted, and what listens.
pub mod access;

pub mod outbound;

pub mod pulse;

pub mod config;
pub mod metrics;

pub mod listen;

// Where a job's time went, for collectors.
pub mod traces;

// Who may be an agent.
pub mod pki;

// What verdicts come to.
pub mod scoring;

#[cfg(test)]
mod testing;

// What is kept, and what is live.
pub mod store;

pub mod progress;

// Who is next, who gets it, who does it.
pub mod queue;

pub mod scheduler;

// Who is let in.
pub mod gate;

pub mod agents;

// What clients may ask.
pub mod admission;

pub mod http;

// Whom the master calls.
pub mod callbacks;

// All of it together, and the command line.
pub mod master;

pub mod cli;
