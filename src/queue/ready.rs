//! Jobs that could run now, in order; those with equal demands share a line.
//!
//! Only the head of each line is offered: where it finds no agent, nobody
//! behind it in the line would. So a pass over a queue of ten thousand equal
//! jobs looks at one. A line that no agent could run, whatever room it had, is
//! set aside until one could, so that such lines never stand in others' way.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use enclos_protocol::ids::JobId;

use super::demand::Demand;
use super::ranks::Ranks;

/// A job's place in the order in which jobs came; it keeps it when it comes back.
pub type Order = u64;

#[derive(Clone, Debug)]
struct Entry {
    job: JobId,
    demand: Arc<Demand>,
}

/// Jobs with equal demands.
#[derive(Default, Debug)]
struct Line {
    orders: BTreeSet<Order>,
    aside: bool,
}

/// The ready jobs.
#[derive(Default, Debug)]
pub struct ReadyQueue {
    entries: BTreeMap<Order, Entry>,
    lines: HashMap<Arc<Demand>, Line>,
    /// The first of each line that is not set aside.
    heads: BTreeSet<Order>,
    /// The first of each line that is.
    aside: BTreeSet<Order>,
    ranks: Ranks,
}

impl ReadyQueue {
    /// Adds a job at its place in the order, which no other job has.
    pub fn insert(&mut self, order: Order, job: JobId, demand: Arc<Demand>) {
        let line = self.lines.entry(Arc::clone(&demand)).or_default();
        let heads = if line.aside { &mut self.aside } else { &mut self.heads };
        if let Some(head) = line.orders.first() {
            if order < *head {
                heads.remove(head);
                heads.insert(order);
            }
        } else {
            heads.insert(order);
        }
        line.orders.insert(order);
        self.entries.insert(order, Entry { job, demand });
        self.ranks.insert(order);
    }

    /// Takes a job out.
    pub fn remove(&mut self, order: Order) -> Option<JobId> {
        let Entry { job, demand } = self.entries.remove(&order)?;
        self.ranks.remove(order);
        let line = self.lines.get_mut(&demand).expect("every entry stands in the line of its demand");
        let heads = if line.aside { &mut self.aside } else { &mut self.heads };
        line.orders.remove(&order);
        if heads.remove(&order)
            && let Some(next) = line.orders.first()
        {
            heads.insert(*next);
        }
        if line.orders.is_empty() {
            self.lines.remove(&demand);
        }
        Some(job)
    }

    /// Sets the line with these demands aside, or takes it back; nothing happens if there is none.
    pub fn set_aside(&mut self, demand: &Demand, aside: bool) {
        let Some(line) = self.lines.get_mut(demand) else { return };
        if std::mem::replace(&mut line.aside, aside) == aside {
            return;
        }
        let (from, to) = if aside { (&mut self.heads, &mut self.aside) } else { (&mut self.aside, &mut self.heads) };
        if let Some(head) = line.orders.first() {
            from.remove(head);
            to.insert(*head);
        }
    }

    /// The first head of a line after `after`, lines that are set aside left out.
    #[must_use]
    pub fn next_head(&self, after: Option<Order>) -> Option<(Order, JobId, Arc<Demand>)> {
        self.next_of(&self.heads, after)
    }

    /// The first head after `after` of a line that is set aside.
    #[must_use]
    pub fn next_aside(&self, after: Option<Order>) -> Option<(Order, JobId, Arc<Demand>)> {
        self.next_of(&self.aside, after)
    }

    fn next_of(&self, heads: &BTreeSet<Order>, after: Option<Order>) -> Option<(Order, JobId, Arc<Demand>)> {
        let from = after.map_or(0, |order| order + 1);
        let order = *heads.range(from..).next()?;
        let entry = self.entries.get(&order).expect("every head is an entry");
        Some((order, entry.job, Arc::clone(&entry.demand)))
    }

    /// How many ready jobs are before `order`, plus one.
    #[must_use]
    pub fn position(&self, order: Order) -> usize {
        self.ranks.smaller(order) + 1
    }

    /// How many jobs are ready.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no job is ready.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use enclos_protocol::job::Isolation;
    use proptest::prelude::*;

    use super::super::demand::Room;
    use super::*;

    fn demand(language: u8) -> Arc<Demand> {
        Arc::new(Demand {
            language: Arc::from(language.to_string()),
            companion: None,
            interactive: false,
            isolation: Isolation::Runc,
            installs: false,
            live_stdin: false,
            room: Room::default(),
            report_bytes: 0,
        })
    }

    #[derive(Clone, Debug)]
    enum Op {
        Push(u8),
        TakeHead(u8),
        TakeAny(usize),
        Back,
        Aside(u8, bool),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            3 => (0u8..4).prop_map(Op::Push),
            2 => (0u8..4).prop_map(Op::TakeHead),
            1 => any::<usize>().prop_map(Op::TakeAny),
            1 => Just(Op::Back),
            1 => (0u8..4, any::<bool>()).prop_map(|(language, aside)| Op::Aside(language, aside)),
        ]
    }

    type Next<'a> = &'a dyn Fn(Option<Order>) -> Option<(Order, JobId, Arc<Demand>)>;

    fn walk(next: Next<'_>) -> Vec<Order> {
        let (mut seen, mut after) = (Vec::new(), None);
        while let Some((order, _, _)) = next(after) {
            seen.push(order);
            after = Some(order);
        }
        seen
    }

    fn check(queue: &ReadyQueue, model: &BTreeMap<Order, u8>, aside: &BTreeSet<u8>) -> Result<(), TestCaseError> {
        prop_assert_eq!(queue.len(), model.len());
        for (index, order) in model.keys().enumerate() {
            prop_assert_eq!(queue.position(*order), index + 1);
        }
        let mut heads: BTreeMap<u8, Order> = BTreeMap::new();
        for (order, language) in model {
            heads.entry(*language).or_insert(*order);
        }
        let sorted = |is_aside: bool| {
            let those = heads.iter().filter(|(language, _)| aside.contains(language) == is_aside);
            let mut orders: Vec<Order> = those.map(|(_, order)| *order).collect();
            orders.sort_unstable();
            orders
        };
        prop_assert_eq!(walk(&|after| queue.next_head(after)), sorted(false));
        prop_assert_eq!(walk(&|after| queue.next_aside(after)), sorted(true));
        Ok(())
    }

    proptest! {
        #[test]
        fn heads_and_positions_are_those_of_a_plain_list(operations in prop::collection::vec(op(), 0..120)) {
            let (mut queue, mut model, mut gone) = (ReadyQueue::default(), BTreeMap::new(), Vec::new());
            let (mut next, mut aside) = (0, BTreeSet::new());
            for operation in operations {
                match operation {
                    Op::Push(language) => {
                        queue.insert(next, JobId::generate(), demand(language));
                        model.insert(next, language);
                        next += 1;
                    }
                    Op::TakeHead(language) => {
                        if let Some(order) = model.iter().find(|(_, l)| **l == language).map(|(o, _)| *o) {
                            prop_assert!(queue.remove(order).is_some());
                            gone.push((order, model.remove(&order).unwrap()));
                        }
                    }
                    Op::TakeAny(n) if !model.is_empty() => {
                        let order = *model.keys().nth(n % model.len()).unwrap();
                        prop_assert!(queue.remove(order).is_some());
                        gone.push((order, model.remove(&order).unwrap()));
                    }
                    Op::TakeAny(_) => {}
                    Op::Back => {
                        if let Some((order, language)) = gone.pop() {
                            queue.insert(order, JobId::generate(), demand(language));
                            model.insert(order, language);
                        }
                    }
                    Op::Aside(language, true) if model.values().any(|l| *l == language) => {
                        queue.set_aside(&demand(language), true);
                        aside.insert(language);
                    }
                    Op::Aside(language, _) => {
                        queue.set_aside(&demand(language), false);
                        aside.remove(&language);
                    }
                }
                // A line that is empty is forgotten; who comes then begins a new one.
                aside.retain(|language| model.values().any(|l| l == language));
                check(&queue, &model, &aside)?;
            }
        }
    }
}
