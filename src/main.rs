//! `enclos`: master and command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    enclos::cli::main()
}
