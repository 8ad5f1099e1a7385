//! The statements by which callbacks come, are tried, and go.

use enclos_protocol::ids::JobId;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;

use super::list::{self, CallbackRecord};
use super::{CALLBACK_DEAD_AGE, CALLBACKS_DEAD_MAX, CALLBACKS_WAITING_MAX, CallbackProblem, FORGET_MAX, UnderWay};
use crate::outbound::Target;
use crate::store::record::UnixTime;
use crate::store::write::to_i64;
use crate::store::writer::Operation;

/// What became of the others when one more began to wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Enqueued {
    /// Something is due.
    pub is_due: bool,
    /// So many are dead because too many wait.
    pub crowded_out: u64,
}

/// What is due.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Due {
    /// Its sequence, host and tenant.
    pub callbacks: Vec<(i64, String, String)>,
    /// When the next is that is not due yet.
    pub next: Option<UnixTime>,
}

/// A callback that is the caller's to deliver.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claimed {
    /// By what it is settled.
    pub sequence: i64,
    /// Whose end it tells, and by what its receiver knows it.
    pub job: JobId,
    /// Whose.
    pub tenant: String,
    /// Where to.
    pub url: String,
    /// Attempts since `begun`, this one among them.
    pub attempts: u32,
    /// Since when it is tried.
    pub begun: UnixTime,
}

/// What an attempt came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallbackEnd {
    /// It was taken.
    Delivered,
    /// It was not; it is tried again then.
    Again {
        /// When.
        due: UnixTime,
        /// What was wrong.
        problem: CallbackProblem,
        /// What it was answered with.
        status: Option<u16>,
    },
    /// It was not, and is not tried again.
    Dead {
        /// Since when.
        at: UnixTime,
        /// What was wrong.
        problem: CallbackProblem,
        /// What it was answered with.
        status: Option<u16>,
    },
}

/// Has the end of a job told, in the transaction that records it. It has one end, so its id names the callback.
///
/// # Errors
/// Those of the database.
pub fn enqueue(c: &Connection, job: i64, tenant: &str, url: &str, ended: UnixTime) -> rusqlite::Result<Enqueued> {
    // What was admitted is a target; another host is only counted apart from its likes.
    let host = url.parse::<Target>().map_or_else(|_| url.to_owned(), |target| target.host_text().to_owned());
    let sql = "INSERT INTO callbacks (id, tenant, job, url, host, created_us, begun_us, due_us)
               VALUES ((SELECT id FROM jobs WHERE sequence = ?1), ?2, ?1, ?3, ?4, ?5, ?5, ?5)";
    c.prepare_cached(sql)?.execute(params![job, tenant, url, host, ended.0])?;
    Ok(Enqueued { is_due: true, crowded_out: crowd_out(c, tenant, ended)? })
}

/// Above the bound the oldest are dead: their receiver has not taken any for longest.
fn crowd_out(c: &Connection, tenant: &str, now: UnixTime) -> rusqlite::Result<u64> {
    let waiting = "SELECT count(*) FROM callbacks WHERE tenant = ? AND state = 0";
    let waiting: i64 = c.prepare_cached(waiting)?.query_row([tenant], |row| row.get(0))?;
    let too_many = waiting.saturating_sub(to_i64(CALLBACKS_WAITING_MAX as u64));
    if too_many <= 0 {
        return Ok(0);
    }
    let sql = "UPDATE callbacks SET state = 2, dead_us = ?2, problem = ?3 WHERE sequence IN
               (SELECT sequence FROM callbacks WHERE tenant = ?1 AND state = 0 ORDER BY sequence LIMIT ?4)";
    let problem = CallbackProblem::CrowdedOut.as_str();
    c.prepare_cached(sql)?.execute(params![tenant, now.0, problem, too_many]).map(|rows| rows as u64)
}

/// What was being delivered when the master ended waits again.
pub fn release(c: &Connection) -> rusqlite::Result<()> {
    c.execute("UPDATE callbacks SET state = 0 WHERE state = 1", []).map(|_| ())
}

/// Each tenant's longest due, those first that have least under way: nobody waits behind another's many.
pub(super) fn due(c: &Connection, now: UnixTime, going: &UnderWay, limit: usize) -> rusqlite::Result<Due> {
    // From name to name through the index: there are few tenants, and may be many callbacks of each.
    let sql = "WITH RECURSIVE names (tenant) AS (
                   SELECT min(tenant) FROM callbacks WHERE state = 0
                   UNION ALL
                   SELECT (SELECT min(tenant) FROM callbacks WHERE state = 0 AND tenant > names.tenant)
                   FROM names WHERE names.tenant IS NOT NULL),
               firsts (sequence) AS (
                   SELECT (SELECT sequence FROM callbacks c
                           WHERE c.state = 0 AND c.tenant = names.tenant AND c.due_us <= ?1
                             AND json_array(c.tenant, c.host) NOT IN (SELECT value FROM json_each(?2))
                           ORDER BY c.due_us LIMIT 1)
                   FROM names
                   WHERE tenant IS NOT NULL AND tenant NOT IN (SELECT value FROM json_each(?3)))
               SELECT c.sequence, c.host, c.tenant FROM firsts JOIN callbacks c USING (sequence)
               LEFT JOIN json_each(?4) AS going ON going.key = c.tenant
               ORDER BY coalesce(going.value, 0), c.due_us LIMIT ?5";
    let full_hosts: Vec<String> = going.full_hosts.iter().map(json).collect();
    let bound =
        params![now.0, json(&full_hosts), json(&going.full_tenants), json(&going.tenants), to_i64(limit as u64)];
    let mut select = c.prepare_cached(sql)?;
    let callbacks = select.query_map(bound, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let callbacks = callbacks.collect::<rusqlite::Result<Vec<_>>>()?;
    let next = "SELECT min(due_us) FROM callbacks WHERE state = 0 AND due_us > ?";
    let next: Option<i64> = c.prepare_cached(next)?.query_row([now.0], |row| row.get(0))?;
    Ok(Due { callbacks, next: next.map(UnixTime) })
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts and numbers can be written")
}

pub(super) struct Claim {
    pub(super) sequences: Vec<i64>,
    pub(super) now: UnixTime,
}

impl Operation for Claim {
    type Answer = Vec<Claimed>;

    fn apply(&self, c: &Connection) -> rusqlite::Result<Vec<Claimed>> {
        // Its day begins with its first attempt: while nothing could be sent, none of it passes.
        let sql = "UPDATE callbacks SET state = 1, attempts = attempts + 1, tried_us = ?2, status = NULL,
                       begun_us = CASE attempts WHEN 0 THEN ?2 ELSE begun_us END
                   WHERE sequence = ?1 AND state = 0
                   RETURNING id, tenant, url, attempts, begun_us";
        let mut claimed = Vec::with_capacity(self.sequences.len());
        for sequence in &self.sequences {
            let row = c.prepare_cached(sql)?.query_row(params![sequence, self.now.0], |row| {
                Ok(Claimed {
                    sequence: *sequence,
                    job: JobId::from_bytes(row.get(0)?),
                    tenant: row.get(1)?,
                    url: row.get(2)?,
                    attempts: row.get(3)?,
                    begun: UnixTime(row.get(4)?),
                })
            });
            claimed.extend(row.optional()?);
        }
        Ok(claimed)
    }
}

pub(super) struct Settle {
    pub(super) sequence: i64,
    pub(super) end: CallbackEnd,
}

impl Operation for Settle {
    type Answer = ();

    fn apply(&self, c: &Connection) -> rusqlite::Result<()> {
        let sequence = self.sequence;
        // A row that is not claimed has gone with its job, or is another delivery by now.
        match self.end {
            CallbackEnd::Delivered => {
                c.prepare_cached("DELETE FROM callbacks WHERE sequence = ? AND state = 1")?.execute([sequence])?;
            }
            CallbackEnd::Again { due, problem, status } => {
                let sql = "UPDATE callbacks SET state = 0, due_us = ?2, problem = ?3, status = ?4
                           WHERE sequence = ?1 AND state = 1";
                c.prepare_cached(sql)?.execute(params![sequence, due.0, problem.as_str(), status])?;
            }
            CallbackEnd::Dead { at, problem, status } => {
                let sql = "UPDATE callbacks SET state = 2, dead_us = ?2, problem = ?3, status = ?4
                           WHERE sequence = ?1 AND state = 1";
                c.prepare_cached(sql)?.execute(params![sequence, at.0, problem.as_str(), status])?;
            }
        }
        Ok(())
    }
}

pub(super) struct Retry {
    pub(super) tenant: String,
    pub(super) job: JobId,
    pub(super) now: UnixTime,
}

impl Operation for Retry {
    type Answer = (Option<CallbackRecord>, Enqueued);

    fn apply(&self, c: &Connection) -> rusqlite::Result<Self::Answer> {
        // One that is being delivered at this moment stays so.
        let sql = "UPDATE callbacks SET state = 0, begun_us = ?3, due_us = ?3, attempts = 0, dead_us = NULL
                   WHERE id = ?1 AND tenant = ?2 AND state <> 1";
        let changed = c.prepare_cached(sql)?.execute(params![self.job.as_bytes(), self.tenant, self.now.0])?;
        let crowded_out = if changed == 0 { 0 } else { crowd_out(c, &self.tenant, self.now)? };
        Ok((list::one(c, &self.tenant, self.job)?, Enqueued { is_due: changed > 0, crowded_out }))
    }
}

pub(super) struct Forget {
    pub(super) now: UnixTime,
}

impl Operation for Forget {
    type Answer = ();

    fn apply(&self, c: &Connection) -> rusqlite::Result<()> {
        let age = i64::try_from(CALLBACK_DEAD_AGE.as_micros()).unwrap_or(i64::MAX);
        let limit = to_i64(FORGET_MAX as u64);
        let sql = "DELETE FROM callbacks WHERE sequence IN
                   (SELECT sequence FROM callbacks WHERE state = 2 AND dead_us < ? ORDER BY dead_us LIMIT ?)";
        c.prepare_cached(sql)?.execute(params![self.now.0.saturating_sub(age), limit])?;
        let sql = "DELETE FROM callbacks WHERE sequence IN
                   (SELECT sequence FROM (SELECT sequence, row_number() OVER
                           (PARTITION BY tenant ORDER BY sequence DESC) AS place FROM callbacks WHERE state = 2)
                    WHERE place > ? LIMIT ?)";
        let kept = to_i64(CALLBACKS_DEAD_MAX as u64);
        c.prepare_cached(sql)?.execute(params![kept, limit]).map(|_| ())
    }
}
