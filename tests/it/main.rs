//! Every integration test of Enclos, in one binary.
//!
//! Modules stand in the order of what they need: nothing (`tidy`), a master
//! alone (`refusals`), or a master, agents and a real engine (all others).
//! `cluster`, `engine`, `programs` and `watch` are what the tests share.

mod cluster;
mod commands;
mod dependencies;
mod engine;
mod fleet;
mod isolation;
mod jobs;
mod levels;
mod ordinary;
mod pinning;
mod plain;
mod programs;
mod refusals;
mod tidy;
mod watch;
