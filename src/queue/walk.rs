//! Which lines are looked at, one after the other: in fair order, or each in its turn.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use enclos_protocol::ids::JobId;

use super::demand::Demand;
use super::line::{Key, LineId, Place};
use super::ready::{ReadyQueue, Ticket};
use super::shapes::{Shape, Shapes};
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
    /// The shape of that.
    pub shape: Shape,
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
        self.next_among(cursor, &Shapes::ALL)
    }

    /// The next head of an offered line that has one of these shapes, in fair order.
    #[must_use]
    pub fn next_among(&self, cursor: &mut Cursor, shapes: &Shapes) -> Option<Head> {
        loop {
            let class = &self.classes[cursor.class];
            if let Some((rank, last)) = cursor.tenant {
                let flow = self.tenants.get(&rank.tenant).map(|tenant| &tenant.flows[cursor.class]);
                let now = flow.and_then(|flow| flow.rank);
                let after = last.map_or(Bound::Unbounded, Bound::Excluded);
                let flow = flow.filter(|_| now == Some(rank));
                if let Some((key, line)) = flow.and_then(|flow| flow.heads.next(after, shapes)) {
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
            match class.ranks.next(cursor.from, shapes) {
                Some(rank) => cursor.tenant = Some((rank, None)),
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

    /// Whether an offered line comes before another in fair order.
    #[must_use]
    pub fn is_before(&self, line: LineId, other: LineId) -> bool {
        self.place_of(line) < self.place_of(other)
    }

    fn place_of(&self, id: LineId) -> Option<(Reverse<Priority>, Rank, Key, LineId)> {
        let line = self.lines.get(&id)?;
        let Place::Offered(class) = line.place else { return None };
        let rank = self.tenants.get(&line.tenant)?.flows[class.index()].rank?;
        Some((Reverse(class), rank, line.head()?.0, id))
    }

    /// A demand of a shape that lines have; whose it is says nothing. `None`: no line has it, or
    /// several shapes share the number.
    #[must_use]
    pub fn demand_of(&self, shape: Shape) -> Option<&Arc<Demand>> {
        self.shapes.demand(shape)
    }

    /// Shapes that lines have, but for those that share a number.
    #[must_use]
    pub fn shapes(&self) -> Shapes {
        self.shapes.all()
    }

    /// Numbers that were given to a shape since this was last asked.
    pub fn take_begun(&mut self) -> Shapes {
        self.shapes.take_begun()
    }

    /// The demand of a job's line, which all of the line share.
    #[must_use]
    pub fn demand(&self, ticket: Ticket) -> Arc<Demand> {
        Arc::clone(&self.lines.get(&ticket.line).expect("a ticket is of a line").demand)
    }

    fn head(&self, id: LineId) -> Head {
        let line = self.lines.get(&id).expect("what is listed is a line");
        let (_, member) = line.head().expect("a line has a job");
        Head { line: id, job: member.job, demand: Arc::clone(&line.demand), shape: line.shape }
    }
}

fn next_of(lines: &BTreeSet<LineId>, after: Option<LineId>) -> Option<LineId> {
    lines.range((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)).next().copied()
}
