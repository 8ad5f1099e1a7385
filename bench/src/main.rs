//! Load and latency programs. Not begun.
fn main() {}
