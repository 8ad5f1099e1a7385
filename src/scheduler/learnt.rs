//! Brings what was learnt back, and keeps it: some rows at a time, not often, and all of them at the end.
//!
//! It is a hint: nobody waits for these writes, and what a crash takes of them is learnt again.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::core::{Core, Policy};
use super::predict::{self, Predictor, Restored, Row};
use crate::store::{PredictionRow, Store, StoreError};

/// How often what has changed is kept.
const KEEP_EVERY: Duration = Duration::from_secs(10);
/// Rows of one write, so that no other waits for long.
const ROWS_MAX: usize = 256;

/// A predictor that knows what was learnt before; an empty one where nothing is to be learnt.
pub(super) fn taught(policy: Policy, rows: Vec<PredictionRow>) -> Predictor {
    let mut predictor = Predictor::new(predict::Bounds::default());
    if policy.prediction {
        let Restored { taken, ignored } = predictor.restore(rows);
        tracing::info!(taken, ignored, "what was learnt of jobs was read");
        if ignored > 0 {
            tracing::warn!(ignored, "rows of what was learnt are damaged or of another version; they go");
        }
    }
    predictor
}

/// The write that goes on, if one does; never two.
#[derive(Debug)]
pub(super) struct Keeping {
    store: Arc<Store>,
    write: JoinSet<Vec<Row>>,
    due: Instant,
}

impl Keeping {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store, write: JoinSet::new(), due: Instant::now() + KEEP_EVERY }
    }

    /// Begins a write where it is time for one, and takes up what became of the last.
    pub(super) fn tick(&mut self, core: &mut Core) {
        while let Some(ended) = self.write.try_join_next() {
            take_back(core, ended);
        }
        if !self.write.is_empty() || Instant::now() < self.due {
            return;
        }
        let rows = core.learnt(ROWS_MAX);
        // Where there were more, the rest follows at once.
        if rows.len() < ROWS_MAX {
            self.due = Instant::now() + KEEP_EVERY;
        }
        self.begin(rows);
    }

    /// Keeps all that has changed; the caller bounds how long.
    pub(super) async fn end(&mut self, core: &mut Core) {
        while let Some(ended) = self.write.join_next().await {
            take_back(core, ended);
        }
        loop {
            let rows = core.learnt(ROWS_MAX);
            if rows.is_empty() {
                return;
            }
            self.begin(rows);
            match self.write.join_next().await {
                Some(Ok(lost)) if lost.is_empty() => {}
                // What fails now would fail again.
                _ => return,
            }
        }
    }

    fn begin(&mut self, rows: Vec<Row>) {
        if !rows.is_empty() {
            self.write.spawn(keep(Arc::clone(&self.store), rows.into()));
        }
    }
}

/// The rows that were not kept.
async fn keep(store: Arc<Store>, rows: Arc<[Row]>) -> Vec<Row> {
    match store.keep_predictions(Arc::clone(&rows)).await {
        Ok(()) => Vec::new(),
        Err(StoreError::Closed) => Vec::new(),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "what was learnt of jobs could not be kept");
            rows.to_vec()
        }
    }
}

fn take_back(core: &mut Core, ended: Result<Vec<Row>, tokio::task::JoinError>) {
    match ended {
        Ok(lost) => core.not_kept(lost),
        Err(error) => tracing::error!(%error, "the task that keeps what was learnt failed"),
    }
}
