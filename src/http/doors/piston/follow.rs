//! One job from its beginning to its end, for whoever waits for it.

use std::sync::Arc;

use enclos_protocol::ids::JobId;
use enclos_protocol::job::Step;

use super::super::claim::Claim;
use crate::admission::Refusal;
use crate::gate::Caller;
use crate::http::{Api, error};
use crate::progress::{Chunk, Cursor, Live, Phase, Seen, Watcher};
use crate::store::{Detail, JobRecord};

/// What happens to a job.
#[derive(Debug)]
pub(super) enum News {
    /// It waits, or a step runs.
    State {
        /// Which, if one does.
        step: Option<Step>,
        /// By another attempt than before, which writes all of it anew.
        is_anew: bool,
    },
    /// Something was written.
    Output(Chunk),
    /// It has ended, and the store has its end.
    Ended,
}

/// A job that is followed.
pub(super) struct Follow {
    /// `None`: it had ended before anybody looked.
    watcher: Option<Watcher>,
    has_ended: bool,
}

impl Follow {
    /// Follows the job of `claim`, which `caller` made.
    pub(super) fn new(live: Option<&Arc<Live>>) -> Self {
        Self { watcher: live.map(|live| live.watch(Cursor::default())), has_ended: false }
    }

    /// What happens next. Cancel-safe: it waits for nothing but a change.
    pub(super) async fn next(&mut self) -> News {
        let Some(watcher) = &mut self.watcher else { return News::Ended };
        loop {
            match watcher.next_seen() {
                Some(Seen::Chunk(chunk)) => return News::Output(chunk),
                Some(Seen::Case(..)) => continue,
                None if self.has_ended => return News::Ended,
                None => {}
            }
            let token = watcher.cursor().token;
            let Some(snapshot) = watcher.next_phase() else {
                watcher.changed().await;
                continue;
            };
            self.has_ended = snapshot.phase == Phase::Finished;
            let is_anew = token.is_some() && token != snapshot.token;
            match snapshot.phase {
                Phase::Running(step) => return News::State { step: Some(step), is_anew },
                _ if is_anew => return News::State { step: None, is_anew },
                _ => {}
            }
        }
    }

    /// What was seen so far.
    pub(super) fn cursor(&self) -> Cursor {
        self.watcher.as_ref().map(Watcher::cursor).unwrap_or_default()
    }
}

/// The live state of a claim's job; `None`: it has ended.
pub(super) fn live(api: &Api, caller: &Caller, claim: &Claim) -> Option<Arc<Live>> {
    api.progress.find_of(caller.tenant.as_str(), claim.job)
}

/// A job that has ended, with all it wrote.
pub(super) async fn ended(api: &Api, caller: &Caller, job: JobId) -> Result<(JobRecord, Detail), Refusal> {
    api.store.job_in_detail(caller.owner(), job).await?.ok_or_else(error::not_found)
}
