//! The supervisor's program; the library says how it works.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use enclos_protocol::install_link::INSTALL_ARGUMENT;
use enclos_supervisor::{Fault, install};

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
    if std::env::args().nth(1).as_deref() == Some(INSTALL_ARGUMENT) {
        ended(enclos_supervisor::serve_install(), |fault| matches!(fault, install::Fault::AgentGone))
    } else {
        ended(enclos_supervisor::serve(), |fault| matches!(fault, Fault::AgentGone))
    }
}

fn ended<F: Display>(served: io::Result<F>, is_well: impl Fn(&F) -> bool) -> ExitCode {
    match served {
        Ok(fault) if is_well(&fault) => ExitCode::SUCCESS,
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
