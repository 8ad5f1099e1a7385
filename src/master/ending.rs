//! The end of a master: what was begun is waited for, within bounds, in the order in which it needs each other.

use std::time::Duration;

use tokio::task::JoinError;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::MasterError;
use crate::http::Api;

/// Longest that agents' sessions may take to end.
const SESSIONS_END: Duration = Duration::from_secs(5);

/// Waits for what requests began, each with a bound of its own; then tells the other parts to `stop`, and
/// waits for agents' `sessions`.
pub(super) async fn in_order(api: &Api, stop: [&CancellationToken; 2], sessions: &TaskTracker) {
    api.conversations.close();
    api.conversations.wait().await;
    api.admissions.close();
    api.admissions.wait().await;
    stop.iter().for_each(|stop| stop.cancel());
    sessions.close();
    if timeout(SESSIONS_END, sessions.wait()).await.is_err() {
        tracing::warn!("agents' sessions were cut at shutdown");
    }
}

/// What it comes to that a part ended before it was asked to; `None`: none did.
pub(super) fn outcome(early: Option<Option<Result<(), JoinError>>>) -> Result<(), MasterError> {
    match early {
        None => Ok(()),
        Some(Some(Err(failed))) => Err(failed.into()),
        Some(_) => Err(MasterError::Ended),
    }
}
