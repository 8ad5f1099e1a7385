//! The supervisor's program; the library says how it works.

use std::process::ExitCode;

use enclos_supervisor::Fault;

fn main() -> ExitCode {
    // Ending a cell signals every process that there is: only the first process of a container may.
    if std::process::id() != 1 {
        eprintln!("enclos-supervisor runs as the first process of a sandbox; use 'enclos up' to start Enclos");
        return ExitCode::from(2);
    }
    if let Err(error) = enclos_supervisor::leave_environment() {
        eprintln!("cannot start anew: {error}");
        return ExitCode::FAILURE;
    }
    match enclos_supervisor::serve() {
        Ok(Fault::AgentGone) => ExitCode::SUCCESS,
        Ok(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("cannot start: {error}");
            ExitCode::FAILURE
        }
    }
}
