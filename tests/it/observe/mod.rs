//! What operators see of a running cluster, as Prometheus, a collector of traces and a reader of logs see it.
//!
//! `promql` and `files` need nothing but the repository; the others real programs. Prometheus is Debian's, which
//! `scripts/setup.sh test` fetches.

mod collector;
mod files;
mod logs;
mod prometheus;
mod promql;
mod scrape;
mod traces;
