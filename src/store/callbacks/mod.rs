//! Ends of jobs that are to be told: a row each, written in the transaction that records the end.
//!
//! ```text
//! end of a job ─▶ waiting ─ claim ─▶ being delivered ─▶ gone: it was delivered
//!                    ▲                      ├──────────▶ waiting, due later
//!                    └─ retry ─── dead ◀────┴─ too long, or the receiver is gone for good
//! ```
//!
//! A claim does not outlive its master: what was being delivered when it ended waits again at the
//! next start, so it may come twice, by the same id. Rows go with their job, whatever ends it.

mod list;
mod ops;
mod secrets;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use enclos_protocol::ids::JobId;
use tokio::sync::Notify;

use super::record::UnixTime;
use super::{Store, StoreError};
use crate::metrics::Metrics;

pub use list::{CallbackFilter, CallbackList, CallbackRecord, CallbackState};
pub use ops::{CallbackEnd, Claimed, Due};
pub(super) use ops::{Enqueued, enqueue, release};

/// Callbacks of one tenant that may wait; beyond, the oldest are dead.
pub const CALLBACKS_WAITING_MAX: usize = 10_000;
/// Dead callbacks of one tenant that are kept; beyond, the oldest are forgotten.
pub const CALLBACKS_DEAD_MAX: usize = 10_000;
/// How long a dead callback is kept.
pub const CALLBACK_DEAD_AGE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Dead callbacks that one transaction forgets.
const FORGET_MAX: usize = 1000;

/// What was wrong with an attempt at delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallbackProblem {
    /// The operator does not allow where it would go.
    NotAllowed,
    /// The name has no address.
    Unresolved,
    /// Nobody listens there.
    Unreachable,
    /// The receiver has not proved who it is.
    Untrusted,
    /// It took too long.
    TimedOut,
    /// The connection broke, or what came was no HTTP.
    BrokenOff,
    /// Another status than 2xx.
    Status,
    /// It cannot be signed: the secret cannot be opened.
    NoSecret,
    /// Too many of the tenant's wait.
    CrowdedOut,
    /// Enclos failed; the operator's log says why.
    Internal,
}

impl CallbackProblem {
    /// Every one.
    pub const ALL: [Self; 10] = [
        Self::NotAllowed,
        Self::Unresolved,
        Self::Unreachable,
        Self::Untrusted,
        Self::TimedOut,
        Self::BrokenOff,
        Self::Status,
        Self::NoSecret,
        Self::CrowdedOut,
        Self::Internal,
    ];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAllowed => "not_allowed",
            Self::Unresolved => "unresolved",
            Self::Unreachable => "unreachable",
            Self::Untrusted => "untrusted",
            Self::TimedOut => "timed_out",
            Self::BrokenOff => "broken_off",
            Self::Status => "status",
            Self::NoSecret => "no_secret",
            Self::CrowdedOut => "crowded_out",
            Self::Internal => "internal",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|problem| problem.as_str() == text)
    }
}

/// What is being delivered.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UnderWay {
    /// How many of each tenant.
    pub tenants: HashMap<String, usize>,
    /// Tenants that have no place left.
    pub full_tenants: Vec<String>,
    /// Tenants, each with a host to which it has no place left.
    pub full_hosts: Vec<(String, String)>,
}

/// Who is told that something is due, and where it is counted.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    woken: Arc<Notify>,
    metrics: Arc<Metrics>,
}

impl Outbox {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { woken: Arc::default(), metrics }
    }

    /// After a commit.
    pub(super) fn enqueued(&self, enqueued: Enqueued) {
        let Enqueued { is_due, crowded_out } = enqueued;
        self.metrics.callbacks_crowded_out.add(crowded_out);
        if is_due {
            self.woken.notify_one();
        }
    }
}

impl Store {
    /// Waits until there may be something new to deliver. One waits for it at a time.
    pub async fn callbacks_woken(&self) {
        self.outbox.woken.notified().await;
    }

    /// What is due at `now`: the longest of each tenant, those first that have least under way.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn callbacks_due(&self, now: UnixTime, going: UnderWay, limit: usize) -> Result<Due, StoreError> {
        self.readers.run_promptly(move |c| ops::due(c, now, &going, limit)).await
    }

    /// Takes these out of the waiting ones, to be delivered by the caller; each attempt counts.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn claim_callbacks(&self, sequences: Vec<i64>, now: UnixTime) -> Result<Vec<Claimed>, StoreError> {
        self.writer.write(ops::Claim { sequences, now }).await
    }

    /// Records what an attempt came to.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn settle_callback(&self, sequence: i64, end: CallbackEnd) -> Result<(), StoreError> {
        self.writer.write(ops::Settle { sequence, end }).await
    }

    /// Has the callback of a tenant's job tried at once and as if it were new; `None`: there is none such.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn retry_callback(
        &self,
        tenant: String,
        job: JobId,
        now: UnixTime,
    ) -> Result<Option<CallbackRecord>, StoreError> {
        let (found, enqueued) = self.writer.write(ops::Retry { tenant, job, now }).await?;
        self.outbox.enqueued(enqueued);
        Ok(found)
    }

    /// A page of a tenant's callbacks that were not delivered, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn callbacks(&self, filter: CallbackFilter) -> Result<CallbackList, StoreError> {
        self.readers.run(move |c| list::list(c, &filter)).await
    }

    /// How many wait, and how many are dead.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn callback_counts(&self) -> Result<(u64, u64), StoreError> {
        self.readers.run(list::counts).await
    }

    /// Forgets callbacks that were dead for long, or are too many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_callbacks(&self, now: UnixTime) -> Result<(), StoreError> {
        self.writer.write(ops::Forget { now }).await
    }

    /// The secrets of a tenant that are good at `now`, sealed, the newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn callback_secrets(&self, tenant: String, now: UnixTime) -> Result<Vec<Vec<u8>>, StoreError> {
        self.readers.run_promptly(move |c| secrets::of(c, &tenant, now)).await
    }

    /// Keeps a tenant's first secret, unless it has one by now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add_first_callback_secret(
        &self,
        tenant: String,
        sealed: Vec<u8>,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        self.writer.write(secrets::AddFirst { tenant, sealed, now }).await
    }
}
