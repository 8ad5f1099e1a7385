//! What the master shows of itself: metrics on a port of their own, and traces.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::MasterError;
use crate::config::{Config, Connections};
use crate::http::{self, Api, Shown};
use crate::listen::Port;
use crate::listen::tls::Tls;
use crate::metrics::Metrics;
use crate::traces::{Exporter, Traces};

/// Connections of the port for metrics: a few Prometheus servers ask every some seconds.
const CONNECTIONS_MAX: usize = 16;

/// Longest that traces may take to be sent at the end.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// What is bound and made, before it runs.
#[derive(Debug)]
pub(super) struct Observed {
    /// Where metrics are served without a key.
    pub(super) port: Option<Port>,
    pub(super) shown: Shown,
    pub(super) traces: Traces,
    /// What sends traces.
    pub(super) exporter: Option<Exporter>,
}

impl Observed {
    /// As `config` has it; `ports`: those with a certificate.
    pub(super) async fn of(
        config: &Config,
        ports: Vec<(&'static str, Arc<Tls>)>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, MasterError> {
        let bounds = Connections::new(CONNECTIONS_MAX, config.clients.client_wait);
        let port = match config.observe.metrics_bind {
            Some(address) => Some(Port::bind(address, bounds, Arc::clone(metrics)).await?),
            None => None,
        };
        if let Some(port) = port.as_ref().filter(|port| !port.address().ip().is_loopback()) {
            tracing::info!(address = %port.address(), "metrics are served to other machines, without a key");
        }
        let (traces, exporter) = match config.observe.traces.clone() {
            None => (Traces::default(), None),
            Some(target) => {
                let (traces, exporter) = Traces::new(target, metrics)?;
                (traces, Some(exporter))
            }
        };
        Ok(Self { port, shown: Shown { data_dir: config.data_dir.clone(), ports }, traces, exporter })
    }
}

/// Sends traces, until all that had a last word has said it.
#[derive(Debug)]
pub(super) struct Sending {
    task: JoinSet<()>,
    stop: CancellationToken,
}

impl Sending {
    /// Sends what is left, within a bound.
    pub(super) async fn end(mut self) {
        self.stop.cancel();
        let sent = async { while self.task.join_next().await.is_some() {} };
        // A collector that takes and never answers must not keep the store from being closed.
        if timeout(END_TIMEOUT, sent).await.is_err() {
            self.task.shutdown().await;
        }
    }
}

/// Serves metrics among the master's `parts` until `stop`, and sends traces until [`Sending::end`].
pub(super) fn begin(
    (port, exporter): (Option<Port>, Option<Exporter>),
    parts: &mut JoinSet<()>,
    api: &Arc<Api>,
    stop: &CancellationToken,
) -> Sending {
    if let Some(port) = port {
        let router = http::metrics_router(Arc::clone(api), port.address().ip().is_loopback());
        parts.spawn(port.run(router, stop.clone()));
    }
    let mut sending = Sending { task: JoinSet::new(), stop: CancellationToken::new() };
    exporter.map(|exporter| sending.task.spawn(exporter.run(sending.stop.clone())));
    sending
}
