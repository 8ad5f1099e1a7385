//! Which lines are looked at, one after the other: in fair order, or each in its turn.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use enclos_protocol::ids::JobId;

use super::demand::Demand;
use super::line::{Key, LineId, Place};
use super::ready::{ReadyQueue, Ticket};
use super::share::Rank;
use crate::access::Priority;

/// The first job of a line.
#[derive(Clone, Debug)]
pub struct Head {
    /// Its line.
    pub line: LineId,
    /// The job.
    pub job: JobId,
    /// What it needs.
    pub demand: Arc<Demand>,
}

/// How far a pass over the offered lines has come.
#[derive(Clone, Copy, Debug)]
pub struct Cursor {
    class: usize,
    /// The tenant that is being looked at, and its line that was looked at last.
    tenant: Option<(Rank, Option<(Key, LineId)>)>,
    from: Bound<Rank>,
}

impl Default for Cursor {
    fn default() -> Self {
        Self { class: Priority::ALL.len() - 1, tenant: None, from: Bound::Unbounded }
    }
}

impl ReadyQueue {
    /// The next head of an offered line, in fair order.
    #[must_use]
    pub fn next(&self, cursor: &mut Cursor) -> Option<Head> {
        loop {
            let class = &self.classes[cursor.class];
            if let Some((rank, last)) = cursor.tenant {
                let flow = self.tenants.get(&rank.tenant).map(|tenant| &tenant.flows[cursor.class]);
                let now = flow.and_then(|flow| flow.rank);
                let after = last.map_or(Bound::Unbounded, Bound::Excluded);
                let next = flow.and_then(|flow| flow.heads.range((after, Bound::Unbounded)).next());
                if let Some((key, line)) = next.copied().filter(|_| now == Some(rank)) {
                    cursor.tenant = Some((rank, Some((key, line))));
                    return Some(self.head(line));
                }
                cursor.tenant = None;
                // Who went on may stand before where it stood, if what it has next is short.
                cursor.from = match now {
                    Some(now) if now < rank => Bound::Included(now),
                    _ => Bound::Excluded(rank),
                };
            }
            match class.ranks.range((cursor.from, Bound::Unbounded)).next() {
                Some(rank) => cursor.tenant = Some((*rank, None)),
                None if cursor.class == 0 => return None,
                None => *cursor = Cursor { class: cursor.class - 1, ..Cursor::default() },
            }
        }
    }

    /// The head of the next offered line by its number.
    #[must_use]
    pub fn next_line(&self, after: Option<LineId>) -> Option<Head> {
        next_of(&self.offered, after).map(|id| self.head(id))
    }

    /// The head of the next line that is set aside, by its number.
    #[must_use]
    pub fn next_aside(&self, after: Option<LineId>) -> Option<Head> {
        next_of(&self.aside, after).map(|id| self.head(id))
    }

    /// The head of the line of this job, if that is offered and the job is its head.
    #[must_use]
    pub fn head_of(&self, ticket: Ticket) -> Option<Head> {
        let line = self.lines.get(&ticket.line)?;
        let is_head = line.head().is_some_and(|(key, _)| key == ticket.key);
        (is_head && matches!(line.place, Place::Offered(_))).then(|| self.head(ticket.line))
    }

    /// The demand of a job's line, which all of the line share.
    #[must_use]
    pub fn demand(&self, ticket: Ticket) -> Arc<Demand> {
        Arc::clone(&self.lines.get(&ticket.line).expect("a ticket is of a line").demand)
    }

    fn head(&self, id: LineId) -> Head {
        let line = self.lines.get(&id).expect("what is listed is a line");
        let (_, member) = line.head().expect("a line has a job");
        Head { line: id, job: member.job, demand: Arc::clone(&line.demand) }
    }
}

fn next_of(lines: &BTreeSet<LineId>, after: Option<LineId>) -> Option<LineId> {
    lines.range((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)).next().copied()
}
