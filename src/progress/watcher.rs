//! A watcher's way through one job's live state.

use std::sync::Arc;

use tokio::sync::watch;

use super::cursor::{Cursor, Phase};
use super::live::{Live, Snapshot};
use super::seen::{Seen, Written};
use super::told::Told;
use crate::store::{Outputs, PARTS};

/// Largest event that is kept for who is told the same, in bytes: the small ones are many.
const SHARED_BYTES_MAX: usize = 4096;

/// What a job has written that wrote nothing.
static NOTHING: Outputs = Outputs([const { Vec::new() }; PARTS]);

/// A cursor on one job's live state.
#[derive(Debug)]
pub struct Watcher {
    live: Arc<Live>,
    changes: watch::Receiver<u64>,
    cursor: Cursor,
    /// The last that it was told of the image. No part of the cursor: who comes back is told again.
    image: Option<String>,
}

impl Watcher {
    pub(super) fn new(live: Arc<Live>, changes: watch::Receiver<u64>, cursor: Cursor) -> Self {
        Self { live, changes, cursor, image: None }
    }

    /// What has been seen.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// The phase now, if it (or the attempt, or what is done for its image) is not the one last seen.
    pub fn next_phase(&mut self) -> Option<Snapshot> {
        let snapshot = self.live.snapshot();
        if snapshot.token != self.cursor.token {
            // Another attempt writes its output anew.
            self.cursor.offsets = [0; PARTS];
            self.cursor.case = 0;
        } else if self.cursor.phase == Some(snapshot.phase) && self.image == snapshot.image {
            return None;
        }
        self.image.clone_from(&snapshot.image);
        self.cursor.token = snapshot.token;
        self.cursor.phase = Some(snapshot.phase);
        Some(snapshot)
    }

    /// The next output or end of a case beyond the cursor, of the attempt that the cursor names.
    pub fn next_seen(&mut self) -> Option<Seen> {
        let state = self.live.lock();
        if state.token != self.cursor.token {
            return None;
        }
        let complete = state.phase == Phase::Finished;
        let case = |number| state.cases.get(&number);
        Written { outputs: state.outputs.as_deref().unwrap_or(&NOTHING), case, cases: self.live.cases, complete }
            .next(&mut self.cursor)
    }

    /// What somebody who stood here was told next, as it was written for them; the cursor moves past it.
    pub fn next_told(&mut self) -> Option<Told> {
        let state = self.live.lock();
        let (_, after, told) = &**state.told.as_ref().filter(|told| told.0 == self.cursor)?;
        // What an attempt wrote that is over is told to nobody.
        let told = (state.token == self.cursor.token).then(|| told.clone())?;
        self.cursor = *after;
        Some(told)
    }

    /// What came `after` that place was told by this event: it is kept for others who come there, if there are any.
    pub fn keep_told(&self, after: Cursor, told: &Told) {
        let has_others = self.live.changes.get().is_some_and(|changes| changes.receiver_count() > 1);
        let mut state = self.live.lock();
        if has_others && told.text().len() <= SHARED_BYTES_MAX && state.token == self.cursor.token {
            state.told = Some(Box::new((after, self.cursor, told.clone())));
        }
    }

    /// Waits until something has changed since the last call; cancel-safe.
    pub async fn changed(&mut self) {
        // The sender lives in `live`, which is held here, so this never fails.
        let _ = self.changes.changed().await;
    }
}
