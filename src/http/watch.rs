//! What happens to a job, as its watchers are told: from its start, or from where one stopped.
//!
//! ```text
//! Live ─ output, state ─▶ … ─▶ its end ─▶ Stored ─ output not seen yet ─▶ finished ─▶ Over
//!   (while it has not finished)              ▲
//!                      (a late client begins here)
//! ```

use std::sync::Arc;

use enclos_protocol::ids::JobId;
use futures::Stream;

use super::render::{self, Beside};
use super::room::Held;
use super::{Api, error, jobs};
use crate::admission::Refusal;
use crate::gate::Caller;
use crate::progress::{Cursor, Phase, Seen, Told, Watcher, Written};
use crate::store::{CaseRecord, Detail, JobRecord, PARTS, StoredState};

/// Name of the last event.
pub(super) const FINISHED: &str = "finished";

/// A cursor as a client gives it back; empty, it is what a browser knows before the first event.
pub(super) fn cursor(name: &str, text: &str) -> Result<Cursor, Refusal> {
    if text.is_empty() {
        return Ok(Cursor::default());
    }
    text.parse().map_err(|_| error::invalid_value(name, "give the id of an event of this job"))
}

/// Where the next event comes from.
enum Source {
    Live(Watcher),
    /// Also the memory that the outputs have until they were taken.
    Stored(Box<(JobRecord, Detail, Option<Held>)>, Cursor),
    Over,
}

impl Source {
    /// `None`: the client has seen all.
    async fn find(api: &Api, caller: &Caller, id: JobId, cursor: Cursor) -> Result<Option<Self>, Refusal> {
        if let Some(live) = api.progress.find_of(caller.tenant.as_str(), id) {
            // One that is erased runs on until its agent has heard of it.
            api.store.job(caller.owner(), id).await?.ok_or_else(error::not_found)?;
            return Ok(Some(Self::Live(live.watch(cursor))));
        }
        let _turn = api.room.reading().await?;
        let (record, detail) = api.store.job_in_detail(caller.owner(), id).await?.ok_or_else(error::not_found)?;
        if cursor.phase == Some(Phase::Finished) && cursor.token == record.token {
            return Ok(None);
        }
        Self::stored((api, caller), record, detail, cursor).map(Some)
    }

    fn stored(
        (api, caller): (&Api, &Caller),
        record: JobRecord,
        detail: Detail,
        mut cursor: Cursor,
    ) -> Result<Self, Refusal> {
        if cursor.token != record.token {
            cursor = Cursor { token: record.token, phase: cursor.phase, offsets: [0; PARTS], case: 0 };
        }
        let held = api.room.answer(caller, detail.size_bytes())?;
        Ok(Self::Stored(Box::new((record, detail, held)), cursor))
    }
}

/// One watcher's way through a job.
pub(super) struct Watch {
    api: Arc<Api>,
    caller: Caller,
    id: JobId,
    source: Source,
    /// The job and its cases, read when the first of them has ended while it is live.
    heads: Option<Box<(JobRecord, Vec<CaseRecord>)>>,
    _place: Held,
}

impl Watch {
    /// A watcher who has seen what comes before `cursor`; `None`: that is all.
    pub(super) async fn open(
        api: &Arc<Api>,
        caller: &Caller,
        id: JobId,
        cursor: Cursor,
    ) -> Result<Option<Self>, Refusal> {
        let place = api.room.watcher(caller)?;
        let source = Source::find(api, caller, id, cursor).await?;
        let (api, caller) = (Arc::clone(api), caller.clone());
        Ok(source.map(|source| Self { api, caller, id, source, heads: None, _place: place }))
    }

    /// Its events. Waiting for the next is cancel-safe: what is being made ready stays with the stream.
    pub(super) fn events(self) -> impl Stream<Item = Told> + Send {
        futures::stream::unfold(self, |mut watch| async move {
            let told = watch.next().await?;
            Some((told, watch))
        })
    }

    /// The next event; `None`: the stream ends, after the last one or because the service does.
    async fn next(&mut self) -> Option<Told> {
        loop {
            match &mut self.source {
                Source::Live(watcher) => {
                    if let Some(told) = watcher.next_told() {
                        return Some(told);
                    }
                    let before = watcher.cursor();
                    if let Some(seen) = watcher.next_seen() {
                        let cursor = watcher.cursor();
                        if let Seen::Chunk(_) = &seen {
                            let told = seen_event(&cursor, seen, None, &[])?;
                            watcher.keep_told(before, &told);
                            return Some(told);
                        }
                        let (record, heads) = self.heads().await?;
                        return seen_event(&cursor, seen, Some(record), heads);
                    }
                    match watcher.next_phase() {
                        Some(snapshot) if snapshot.phase == Phase::Finished => self.turn_to_the_store().await?,
                        Some(snapshot) => {
                            let cursor = watcher.cursor();
                            let place = jobs::place(&self.api, self.id, Some(&snapshot)).await.unwrap_or(None);
                            return Told::new(&cursor, "state", &render::state_event(&snapshot, place));
                        }
                        None => self.api.shutdown.run_until_cancelled(watcher.changed()).await?,
                    }
                }
                Source::Stored(job, cursor) => {
                    let (record, detail, _) = &**job;
                    if let Some(seen) = next_stored(detail, cursor) {
                        return seen_event(cursor, seen, Some(record), &detail.cases);
                    }
                    cursor.phase = Some(Phase::Finished);
                    let finished = Told::new(cursor, FINISHED, &render::job(record, Beside::default()));
                    self.source = Source::Over;
                    return finished;
                }
                Source::Over => return None,
            }
        }
    }

    /// Names and limits of the cases, read once. Where the store fails, the stream breaks off and the
    /// client comes back with its cursor.
    async fn heads(&mut self) -> Option<(&JobRecord, &[CaseRecord])> {
        if self.heads.is_none() {
            let record = self.api.store.job(self.caller.owner(), self.id).await.ok()??;
            let cases = self.api.store.case_heads(self.caller.owner(), self.id).await.ok()?;
            self.heads = Some(Box::new((record, cases)));
        }
        self.heads.as_ref().map(|heads| (&heads.0, heads.1.as_slice()))
    }

    /// The live state said that the job has ended: the rest is in the store.
    async fn turn_to_the_store(&mut self) -> Option<()> {
        let Source::Live(watcher) = &self.source else { return Some(()) };
        let cursor = watcher.cursor();
        let _turn = self.api.room.reading().await.ok()?;
        let found = self.api.store.job_in_detail(self.caller.owner(), self.id).await;
        // Where the store fails or there is no memory, the stream breaks off and the client comes
        // back with its cursor.
        let (record, detail) = found.ok().flatten().filter(|(r, _)| r.state == StoredState::Finished)?;
        self.source = Source::stored((&self.api, &self.caller), record, detail, cursor).ok()?;
        Some(())
    }
}

/// What a watcher has not seen of a job that has ended.
pub(super) fn next_stored(detail: &Detail, cursor: &mut Cursor) -> Option<Seen> {
    let cases = u32::try_from(detail.cases.len()).unwrap_or(u32::MAX);
    let case = |number| detail.cases.get(number as usize).map(|case| &case.result);
    Written { outputs: &detail.outputs, case, cases, complete: true }.next(cursor)
}

fn seen_event(cursor: &Cursor, seen: Seen, record: Option<&JobRecord>, heads: &[CaseRecord]) -> Option<Told> {
    match seen {
        Seen::Chunk(chunk) => Told::new(cursor, "output", &render::output_event(chunk)),
        Seen::Case(index, report) => {
            Told::new(cursor, "case", &render::case_event(&record?.spec, heads, index, &report)?)
        }
    }
}
