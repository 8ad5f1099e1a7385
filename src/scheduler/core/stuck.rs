//! Shapes of which no job fits anywhere, and for which of them agents are kept free.
//!
//! That a shape is stuck stays true until some agent gains room or reach, and then it need only be
//! held against those that did. So a pass goes by what is stuck without a look at it, however many
//! lines and tenants have it.

use enclos_protocol::ids::AgentName;

use super::placing::LINES_MAX;
use super::{Core, Moment};
use crate::queue::{Cursor, Demand, Head, ReadyQueue, Shape, Shapes};
use crate::scheduler::fleet::{Fleet, Gains};
use crate::scheduler::placement;

/// What is kept of shapes from pass to pass.
#[derive(Default, Debug)]
pub(super) struct Stuck {
    /// No agent has room for them.
    nowhere: Shapes,
    /// By shape, where it was asked: the agent that would be kept free for it.
    holders: Vec<Option<Option<AgentName>>>,
    /// What the fleet could run when they were asked.
    asked_at: (u64, u64),
}

/// What of it is of one pass.
#[derive(Default, Debug)]
pub(super) struct Opened {
    /// Agents that have gained since the pass before.
    gains: Gains,
    /// Shapes that were stuck and may fit on one of those.
    again: Shapes,
    /// Shapes that do not fit in this pass, whoever gained: agents are kept free, or the master
    /// could not hold what they may print.
    closed: Shapes,
}

impl Stuck {
    /// Numbers that stand for other shapes than before.
    pub(super) fn forget(&mut self, begun: Shapes) {
        self.nowhere = self.nowhere.minus(begun);
        for shape in begun.iter() {
            if let Some(holder) = self.holders.get_mut(shape.index()) {
                *holder = None;
            }
        }
    }

    /// A pass begins: what is stuck is held against those that gained.
    pub(super) fn open(&mut self, queue: &ReadyQueue, fleet: &Fleet, gains: Gains) -> Opened {
        let again = match gains.places() {
            Some(places) => fitting(queue, fleet, places, self.nowhere),
            None => self.nowhere,
        };
        self.nowhere = self.nowhere.minus(again);
        Opened { gains, again, closed: Shapes::NONE }
    }

    /// Something was given out: what may fit only where agents gained is held against them again.
    pub(super) fn given(&mut self, opened: &mut Opened, queue: &ReadyQueue, fleet: &Fleet) {
        let Some(places) = opened.gains.places() else { return };
        let still = fitting(queue, fleet, places, opened.again);
        self.nowhere = self.nowhere.or(opened.again.minus(still));
        opened.again = still;
    }

    /// A job of a shape fits nowhere; `kept`: it might, were no agent kept free.
    pub(super) fn is_stuck(&mut self, opened: &mut Opened, shape: Shape, kept: bool) {
        if kept {
            opened.closed.insert(shape);
        } else {
            self.nowhere.insert(shape);
        }
    }

    /// Shapes that are worth a look.
    pub(super) fn others(&self, opened: &Opened) -> Shapes {
        Shapes::ALL.minus(self.nowhere).minus(opened.closed)
    }

    /// Of the shapes that do not fit now, those for which this agent would be kept free.
    fn held_for(&mut self, opened: &Opened, queue: &ReadyQueue, fleet: &Fleet, agent: &AgentName) -> Shapes {
        let now = (fleet.reach(), fleet.losses());
        if self.asked_at != now {
            (self.asked_at, self.holders) = (now, Vec::new());
        }
        self.holders.resize(usize::from(u8::MAX) + 1, None);
        let mut held_for = Shapes::NONE;
        for shape in self.nowhere.or(opened.closed).iter() {
            let Some(demand) = queue.demand_of(shape) else { continue };
            let holder = self.holders[shape.index()]
                .get_or_insert_with(|| placement::hold(fleet, demand).map(|agent| agent.name.clone()));
            if holder.as_ref() == Some(agent) {
                held_for.insert(shape);
            }
        }
        held_for
    }
}

/// Of these shapes, those that may fit at one of these places.
fn fitting(queue: &ReadyQueue, fleet: &Fleet, places: &[usize], shapes: Shapes) -> Shapes {
    let mut fitting = Shapes::NONE;
    for place in places {
        let leaf = fleet.leaf(*place);
        let fits = |demand: &Demand| placement::may_have_room(fleet, &leaf, demand);
        let those = shapes.minus(fitting).iter().filter(|shape| queue.demand_of(*shape).is_some_and(|d| fits(d)));
        those.collect::<Vec<_>>().into_iter().for_each(|shape| fitting.insert(shape));
    }
    fitting
}

impl Core {
    /// Whether an agent is kept free for a job that waits for long, fits nowhere, and comes before this one.
    pub(super) fn is_kept_from(&mut self, head: &Head, agent: &AgentName, opened: &Opened, now: Moment) -> bool {
        let shapes = self.turns.stuck.held_for(opened, &self.queue, &self.fleet, agent);
        if shapes.is_empty() {
            return false;
        }
        let mut cursor = Cursor::default();
        for _ in 0..LINES_MAX {
            let older = self.queue.next_among(&mut cursor, &shapes);
            let Some(older) = older.filter(|older| self.queue.is_before(older.line, head.line)) else { return false };
            if self.waits_for_long(older.job, now) {
                return true;
            }
        }
        false
    }
}
