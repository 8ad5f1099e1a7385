//! `enclos-agent`: parses the command line, listens for signals, prints the error chain once.

use std::process::ExitCode;

use clap::Parser;
use enclos_agent::agent;
use enclos_agent::config::{Cli, Command, Config, LogFormat, RunArgs};
use enclos_agent::pod::Place;
use enclos_agent::sandbox::chain;
use enclos_agent::session::Leave;
use enclos_agent::{doctor, images};
use enclos_images::Catalogue;
use nix::sys::resource::{Resource, setrlimit};
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Exit code for a configuration that cannot be, as clap's own.
const EXIT_USAGE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    // A core file would hold keys and programs.
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Images(args)) => images::cli::run(args).await,
        Some(Command::Doctor(args)) => doctor::run(args).await,
        Some(Command::Run(args)) => run(*args).await,
        None => run(cli.run).await,
    }
}

async fn run(args: RunArgs) -> ExitCode {
    let filter = EnvFilter::try_from_env("ENCLOS_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let logging = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match args.log_format {
        LogFormat::Text => logging.init(),
        LogFormat::Json => logging.json().flatten_event(true).with_span_list(false).init(),
    }
    let catalogue = match Catalogue::open(args.images_dir.as_deref()) {
        Ok(catalogue) => catalogue,
        Err(error) => return complain(&error, EXIT_USAGE),
    };
    let token = std::env::var("ENCLOS_JOIN_TOKEN").ok();
    let place = match Place::find(&args.pod) {
        Ok(place) => place,
        Err(error) => return complain(&error, 1),
    };
    let config = match Config::check(&args, token.as_deref(), &place.machine(), &catalogue) {
        Ok(config) => config,
        Err(error) => return complain(&error, EXIT_USAGE),
    };
    let (Ok(terminate), Ok(interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        eprintln!("enclos-agent: signals cannot be handled");
        return ExitCode::FAILURE;
    };
    let leave = Leave { drain: CancellationToken::new(), now: CancellationToken::new() };
    let mut listeners = JoinSet::new();
    listeners.spawn(on_signals(terminate, interrupt, leave.clone()));
    if config.embedded {
        listeners.spawn(on_stdin_end(leave.drain.clone()));
    }
    let ended = agent::run(config, catalogue, args.sources, place, leave).await;
    listeners.abort_all();
    match ended {
        Ok(()) => end(0),
        Err(error) => complain(&error, 1),
    }
}

/// The first signal drains, the second stops what runs.
async fn on_signals(mut terminate: Signal, mut interrupt: Signal, leave: Leave) {
    for token in [&leave.drain, &leave.now] {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        token.cancel();
    }
}

/// An embedded agent ends with its parent, which holds the other end of its standard input.
async fn on_stdin_end(drain: CancellationToken) {
    let mut stdin = tokio::io::stdin();
    let mut bytes = [0; 256];
    // What is written there means nothing; only its end does.
    while matches!(stdin.read(&mut bytes).await, Ok(1..)) {}
    drain.cancel();
}

fn complain(error: &dyn std::error::Error, code: u8) -> ExitCode {
    eprintln!("enclos-agent: {}", chain(error));
    end(code)
}

/// Ends the process here: a read of standard input is a thread that the runtime would wait for.
fn end(code: u8) -> ExitCode {
    std::process::exit(i32::from(code))
}
