//! Shapes of which no job fits anywhere, and for which of them agents are kept free.
//!
//! That a shape is stuck stays true until some agent gains room or reach, and then it need only be
//! held against those that did. So a pass goes by what is stuck without a look at it, however many
//! lines and tenants have it.

use std::collections::BTreeSet;

use enclos_protocol::ids::AgentName;

use super::placing::LINES_MAX;
use super::{Core, Moment};
use crate::queue::{Cursor, LineId, ReadyQueue, Shape, Shapes};
use crate::scheduler::fleet::{Fleet, Gains, Languages};
use crate::scheduler::placement;

/// Agents that are kept free of which is remembered from what they are kept.
const KEEPERS_MAX: usize = 8;

/// What is kept of shapes from pass to pass.
#[derive(Default, Debug)]
pub(super) struct Stuck {
    /// No agent has room for them.
    nowhere: Shapes,
    /// Only agents that are kept free have room for them,
    kept: Shapes,
    /// which are these.
    keepers: BTreeSet<AgentName>,
    /// What was asked of the fleet, by shape.
    asked: Vec<Asked>,
    /// What the fleet could run when it was asked whom it would keep free.
    asked_at: (u64, u64),
}

/// What was asked of the fleet for one shape.
#[derive(Clone, Default, Debug)]
struct Asked {
    needed: Option<Languages>,
    /// Who would be kept free for it.
    holder: Option<Option<AgentName>>,
}

/// What of it is of one pass.
#[derive(Default, Debug)]
pub(super) struct Opened {
    /// Agents that have gained since the pass before, and that may be given something.
    gains: Gains,
    /// Shapes that nobody had room for before and that may fit on one of those.
    again: Shapes,
    /// An agent that gained is kept free.
    are_kept: bool,
    /// Shapes of which nothing fits in this pass, for whatever reason.
    closed: Shapes,
}

impl Opened {
    /// The master could not hold what these may print.
    pub(super) fn close(&mut self, shapes: Shapes) {
        self.closed = self.closed.or(shapes);
    }
}

impl Stuck {
    /// Numbers that stand for other shapes than before.
    pub(super) fn forget(&mut self, begun: Shapes) {
        (self.nowhere, self.kept) = (self.nowhere.minus(begun), self.kept.minus(begun));
        for shape in begun.iter() {
            if let Some(asked) = self.asked.get_mut(shape.index()) {
                *asked = Asked::default();
            }
        }
    }

    /// A pass begins: what is stuck is held against those that gained.
    pub(super) fn open(&mut self, queue: &ReadyQueue, fleet: &Fleet, gains: Gains) -> Opened {
        let stuck = self.nowhere.or(self.kept);
        let fitting = match gains.places() {
            Some(places) => self.fitting(queue, fleet, places, stuck),
            None => stuck,
        };
        let again = fitting.minus(self.kept);
        (self.nowhere, self.kept) = (self.nowhere.minus(fitting), self.kept.minus(fitting));
        Opened { gains, again, are_kept: false, closed: Shapes::NONE }
    }

    /// Something was given out: what may fit only where agents gained is held against them again.
    pub(super) fn given(&mut self, opened: &mut Opened, queue: &ReadyQueue, fleet: &Fleet) {
        let gone = self.fits_no_more(opened, queue, fleet);
        let stuck = if opened.are_kept { &mut self.kept } else { &mut self.nowhere };
        *stuck = stuck.or(gone);
    }

    /// An agent is kept free from all that is looked at from here on in this pass.
    pub(super) fn keep(&mut self, opened: &mut Opened, queue: &ReadyQueue, fleet: &Fleet, agent: AgentName) {
        if let Some(place) = fleet.place_of(&agent) {
            opened.gains.remove(place);
        }
        opened.are_kept = true;
        self.kept = self.kept.or(self.fits_no_more(opened, queue, fleet));
        self.keepers.insert(agent);
    }

    /// A job of a shape fits nowhere; `kept_by`: but on agents that are kept free.
    pub(super) fn is_stuck(&mut self, shape: Shape, kept_by: &BTreeSet<AgentName>) {
        if kept_by.is_empty() {
            self.nowhere.insert(shape);
        } else {
            self.kept.insert(shape);
            self.keepers.extend(kept_by.iter().cloned());
        }
    }

    /// Shapes that are worth a look.
    pub(super) fn others(&self, opened: &Opened) -> Shapes {
        Shapes::ALL.minus(self.stuck(opened))
    }

    fn stuck(&self, opened: &Opened) -> Shapes {
        self.nowhere.or(self.kept).or(opened.closed)
    }

    /// Of the shapes that do not fit now, those for which this agent would be kept free.
    fn held_for(&mut self, opened: &Opened, queue: &ReadyQueue, fleet: &Fleet, agent: &AgentName) -> Shapes {
        let now = (fleet.reach(), fleet.losses());
        if self.asked_at != now {
            self.asked_at = now;
            self.asked.iter_mut().for_each(|asked| asked.holder = None);
        }
        let mut held_for = Shapes::NONE;
        for shape in self.stuck(opened).iter() {
            let Some(demand) = queue.demand_of(shape) else { continue };
            let holder = &mut self.asked(shape).holder;
            let holder = holder.get_or_insert_with(|| placement::hold(fleet, demand).map(|agent| agent.name.clone()));
            if holder.as_ref() == Some(agent) {
                held_for.insert(shape);
            }
        }
        held_for
    }

    /// Shapes that could fit where agents gained, and cannot any more. Nobody else has room for them.
    fn fits_no_more(&mut self, opened: &mut Opened, queue: &ReadyQueue, fleet: &Fleet) -> Shapes {
        let Some(places) = opened.gains.places() else { return Shapes::NONE };
        let still = self.fitting(queue, fleet, places, opened.again);
        let gone = opened.again.minus(still);
        opened.again = still;
        gone
    }

    /// Of these shapes, those that may fit at one of these places.
    fn fitting(&mut self, queue: &ReadyQueue, fleet: &Fleet, places: &[usize], shapes: Shapes) -> Shapes {
        let mut fitting = Shapes::NONE;
        for leaf in places.iter().map(|place| fleet.leaf(*place)).filter(|leaf| leaf.free.slots > 0) {
            for shape in shapes.minus(fitting).iter() {
                let Some(demand) = queue.demand_of(shape).filter(|d| leaf.free.holds(d.room)) else { continue };
                let asked = &mut self.asked(shape).needed;
                if asked.is_none() {
                    *asked = placement::needed(fleet, demand);
                }
                if asked.is_some_and(|needed| placement::may_have_room(&leaf, demand, needed)) {
                    fitting.insert(shape);
                }
            }
        }
        fitting
    }

    fn asked(&mut self, shape: Shape) -> &mut Asked {
        if self.asked.len() <= shape.index() {
            self.asked.resize_with(shape.index() + 1, Asked::default);
        }
        &mut self.asked[shape.index()]
    }
}

impl Core {
    /// Whether an agent is kept free for a job that waits for long, fits nowhere, and comes before this one.
    pub(super) fn is_kept_from(&mut self, line: LineId, agent: &AgentName, opened: &Opened, now: Moment) -> bool {
        let shapes = self.turns.stuck.held_for(opened, &self.queue, &self.fleet, agent);
        if shapes.is_empty() {
            return false;
        }
        let mut cursor = Cursor::default();
        for _ in 0..LINES_MAX {
            let older = self.queue.next_among(&mut cursor, &shapes);
            let Some(older) = older.filter(|older| self.queue.is_before(older.line, line)) else { return false };
            if self.waits_for_long(older.job, now) {
                return true;
            }
        }
        false
    }

    /// What only agents that are kept free have room for stays so while each of them is kept from the
    /// first of it, and so from all of it.
    pub(super) fn look_at_kept(&mut self, opened: &Opened, now: Moment) {
        let stuck = &mut self.turns.stuck;
        let first = self.queue.next_among(&mut Cursor::default(), &stuck.kept);
        let keepers = std::mem::take(&mut stuck.keepers);
        let Some(first) = first else { return stuck.kept = Shapes::NONE };
        if keepers.len() <= KEEPERS_MAX && keepers.iter().all(|agent| self.is_kept_from(first.line, agent, opened, now))
        {
            self.turns.stuck.keepers = keepers;
        } else {
            self.turns.stuck.kept = Shapes::NONE;
        }
    }
}
