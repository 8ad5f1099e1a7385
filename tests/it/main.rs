//! Every integration test of Enclos, in one binary.
//!
//! Modules stand in the order of what they need: nothing (`tidy`, `promises`), a master
//! alone (`refusals`, `abuse`, `piston/refusals`, most of `keys`), or a master, agents and a real engine (all others).
//! `cluster`, `engine`, `host`, `packages`, `programs` and `watch` are what the tests share.

mod abuse;
mod attach;
#[path = "../support/attached.rs"]
mod attached;
mod blobs;
mod callbacks;
mod cases;
mod cluster;
mod commands;
mod dependencies;
mod docs;
mod engine;
mod examples;
mod failing;
mod fleet;
mod forerunners;
mod host;
mod hostile;
mod isolation;
mod jobs;
mod judge;
mod keys;
mod kube;
mod levels;
mod mcp;
mod mixed;
mod networks;
mod observe;
mod ordinary;
mod packages;
mod page;
mod pinning;
mod piston;
mod plain;
mod poison;
mod programs;
mod promises;
mod refusals;
mod secrets;
mod smoke;
mod storage;
mod tidy;
mod tls;
mod upgrade;
mod watch;
mod wires;
