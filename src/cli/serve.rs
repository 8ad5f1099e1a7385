//! `enclos master`: the master alone; agents come by themselves.

use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

use super::exit::CliError;
use super::service_error;
use super::up::Signals;
use crate::config::{Config, MasterArgs};
use crate::master::Master;

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// [`CliError`] when it cannot start or does not stay.
pub async fn run(args: MasterArgs) -> Result<ExitCode, CliError> {
    let mut signals = Signals::new()?;
    let config = Config::from_args(&args).map_err(service_error("the master cannot be configured"))?;
    let master = Master::bind(config).await.map_err(service_error("the master cannot start"))?;
    let metrics = master.metrics_addr().map(tracing::field::display);
    tracing::info!(http = %master.http_addr(), link = %master.link_addr(), metrics, "listening");
    let stop = CancellationToken::new();
    let serving = master.run(stop.clone());
    tokio::pin!(serving);
    // Cancel-safe: the serving future is pinned and goes on below.
    tokio::select! {
        () = signals.next() => {}
        ended = &mut serving => return done(ended),
    }
    stop.cancel();
    // Cancel-safe: the process ends after either.
    tokio::select! {
        () = signals.next() => Err(CliError::Service("ended at once at the second signal".into())),
        ended = serving => done(ended),
    }
}

fn done<E: std::error::Error + Send + Sync + 'static>(ended: Result<(), E>) -> Result<ExitCode, CliError> {
    ended.map(|()| ExitCode::SUCCESS).map_err(service_error("the master did not end well"))
}
