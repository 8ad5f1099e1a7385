//! Jobs that could run now, in order; those with equal demands share a line.
//!
//! Only the head of each line is offered: where it finds no agent, nobody
//! behind it in the line would. So a pass over a queue of ten thousand equal
//! jobs looks at one.

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

/// The ready jobs.
#[derive(Default, Debug)]
pub struct ReadyQueue {
    entries: BTreeMap<Order, Entry>,
    lines: HashMap<Arc<Demand>, BTreeSet<Order>>,
    /// The first of each line.
    heads: BTreeSet<Order>,
    ranks: Ranks,
}

impl ReadyQueue {
    /// Adds a job at its place in the order, which no other job has.
    pub fn insert(&mut self, order: Order, job: JobId, demand: Arc<Demand>) {
        let line = self.lines.entry(Arc::clone(&demand)).or_default();
        if let Some(head) = line.first() {
            if order < *head {
                self.heads.remove(head);
                self.heads.insert(order);
            }
        } else {
            self.heads.insert(order);
        }
        line.insert(order);
        self.entries.insert(order, Entry { job, demand });
        self.ranks.insert(order);
    }

    /// Takes a job out.
    pub fn remove(&mut self, order: Order) -> Option<JobId> {
        let Entry { job, demand } = self.entries.remove(&order)?;
        self.ranks.remove(order);
        let line = self.lines.get_mut(&demand).expect("every entry stands in the line of its demand");
        line.remove(&order);
        if self.heads.remove(&order)
            && let Some(next) = line.first()
        {
            self.heads.insert(*next);
        }
        if line.is_empty() {
            self.lines.remove(&demand);
        }
        Some(job)
    }

    /// The first head of a line after `after`.
    #[must_use]
    pub fn next_head(&self, after: Option<Order>) -> Option<(Order, JobId, Arc<Demand>)> {
        let from = after.map_or(0, |order| order + 1);
        let order = *self.heads.range(from..).next()?;
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
            isolation: Isolation::Runc,
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
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            3 => (0u8..4).prop_map(Op::Push),
            2 => (0u8..4).prop_map(Op::TakeHead),
            1 => any::<usize>().prop_map(Op::TakeAny),
            1 => Just(Op::Back),
        ]
    }

    fn check(queue: &ReadyQueue, model: &BTreeMap<Order, u8>) -> Result<(), TestCaseError> {
        prop_assert_eq!(queue.len(), model.len());
        for (index, order) in model.keys().enumerate() {
            prop_assert_eq!(queue.position(*order), index + 1);
        }
        let mut heads: BTreeMap<u8, Order> = BTreeMap::new();
        for (order, language) in model {
            heads.entry(*language).or_insert(*order);
        }
        let mut expected: Vec<Order> = heads.into_values().collect();
        expected.sort_unstable();
        let (mut seen, mut after) = (Vec::new(), None);
        while let Some((order, _, _)) = queue.next_head(after) {
            seen.push(order);
            after = Some(order);
        }
        prop_assert_eq!(seen, expected);
        Ok(())
    }

    proptest! {
        #[test]
        fn heads_and_positions_are_those_of_a_plain_list(operations in prop::collection::vec(op(), 0..120)) {
            let (mut queue, mut model, mut gone) = (ReadyQueue::default(), BTreeMap::new(), Vec::new());
            let mut next = 0;
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
                }
                check(&queue, &model)?;
            }
        }
    }
}
