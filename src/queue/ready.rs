//! Jobs that could run now, in order; those with equal demands share a line.
//!
//! Only the head of each line is offered: where it finds no agent, nobody
//! behind it in the line would. So a pass over a queue of ten thousand equal
//! jobs looks at one. A line that no agent could run, whatever room it had, is
//! set aside until one could, so that such lines never stand in others' way. A line
//! whose tenant has as many jobs at agents as it may is held likewise, until it has fewer.

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
    place: Place,
}

/// Where a line stands.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Place {
    #[default]
    Offered,
    /// No agent could run it.
    Aside,
    /// Its tenant has as many jobs at agents as it may.
    Held,
}

/// The first of each line that stands in one place.
#[derive(Default, Debug)]
struct Heads {
    offered: BTreeSet<Order>,
    aside: BTreeSet<Order>,
    /// By tenant; only those that have any.
    held: HashMap<Arc<str>, BTreeSet<Order>>,
}

impl Heads {
    fn insert(&mut self, place: Place, tenant: &Arc<str>, order: Order) {
        match place {
            Place::Offered => self.offered.insert(order),
            Place::Aside => self.aside.insert(order),
            Place::Held => self.held.entry(Arc::clone(tenant)).or_default().insert(order),
        };
    }

    fn remove(&mut self, place: Place, tenant: &Arc<str>, order: Order) -> bool {
        match place {
            Place::Offered => self.offered.remove(&order),
            Place::Aside => self.aside.remove(&order),
            Place::Held => {
                let Some(orders) = self.held.get_mut(tenant) else { return false };
                let removed = orders.remove(&order);
                if orders.is_empty() {
                    self.held.remove(tenant);
                }
                removed
            }
        }
    }
}

/// The ready jobs.
#[derive(Default, Debug)]
pub struct ReadyQueue {
    entries: BTreeMap<Order, Entry>,
    lines: HashMap<Arc<Demand>, Line>,
    heads: Heads,
    ranks: Ranks,
}

impl ReadyQueue {
    /// Adds a job at its place in the order, which no other job has.
    pub fn insert(&mut self, order: Order, job: JobId, demand: Arc<Demand>) {
        let line = self.lines.entry(Arc::clone(&demand)).or_default();
        let (place, tenant) = (line.place, &demand.tenant);
        match line.orders.first() {
            Some(head) if order < *head => {
                self.heads.remove(place, tenant, *head);
                self.heads.insert(place, tenant, order);
            }
            Some(_) => {}
            None => self.heads.insert(place, tenant, order),
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
        line.orders.remove(&order);
        if self.heads.remove(line.place, &demand.tenant, order)
            && let Some(next) = line.orders.first()
        {
            self.heads.insert(line.place, &demand.tenant, *next);
        }
        if line.orders.is_empty() {
            self.lines.remove(&demand);
        }
        Some(job)
    }

    /// Sets the line with these demands aside, or takes it back; nothing happens if there is none.
    pub fn set_aside(&mut self, demand: &Demand, aside: bool) {
        let (from, to) = if aside { (Place::Offered, Place::Aside) } else { (Place::Aside, Place::Offered) };
        self.move_line(demand, from, to);
    }

    /// Holds the line with these demands until its tenant's lines are offered again.
    pub fn hold(&mut self, demand: &Demand) {
        self.move_line(demand, Place::Offered, Place::Held);
    }

    /// Offers the tenant's held lines again, the oldest first, at most `lines_max`.
    pub fn let_go(&mut self, tenant: &str, lines_max: usize) {
        for _ in 0..lines_max {
            let Some(order) = self.heads.held.get(tenant).and_then(|orders| orders.first()) else { return };
            let demand = Arc::clone(&self.entries.get(order).expect("every head is an entry").demand);
            self.move_line(&demand, Place::Held, Place::Offered);
        }
    }

    /// Tenants of which lines are held.
    pub fn held_tenants(&self) -> impl Iterator<Item = &Arc<str>> {
        self.heads.held.keys()
    }

    fn move_line(&mut self, demand: &Demand, from: Place, to: Place) {
        let Some(line) = self.lines.get_mut(demand).filter(|line| line.place == from) else { return };
        line.place = to;
        if let Some(head) = line.orders.first() {
            self.heads.remove(from, &demand.tenant, *head);
            self.heads.insert(to, &demand.tenant, *head);
        }
    }

    /// The first head of a line after `after`, lines that are set aside or held left out.
    #[must_use]
    pub fn next_head(&self, after: Option<Order>) -> Option<(Order, JobId, Arc<Demand>)> {
        self.next_of(&self.heads.offered, after)
    }

    /// The first head after `after` of a line that is set aside.
    #[must_use]
    pub fn next_aside(&self, after: Option<Order>) -> Option<(Order, JobId, Arc<Demand>)> {
        self.next_of(&self.heads.aside, after)
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
            tenant: Arc::from((language % 2).to_string()),
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
        Hold(u8),
        LetGo(u8, usize),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            3 => (0u8..4).prop_map(Op::Push),
            2 => (0u8..4).prop_map(Op::TakeHead),
            1 => any::<usize>().prop_map(Op::TakeAny),
            1 => Just(Op::Back),
            1 => (0u8..4, any::<bool>()).prop_map(|(language, aside)| Op::Aside(language, aside)),
            1 => (0u8..4).prop_map(Op::Hold),
            1 => (0u8..2, 0usize..3).prop_map(|(tenant, lines)| Op::LetGo(tenant, lines)),
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

    fn check(
        queue: &ReadyQueue,
        model: &BTreeMap<Order, u8>,
        aside: &BTreeSet<u8>,
        held: &BTreeSet<u8>,
    ) -> Result<(), TestCaseError> {
        prop_assert_eq!(queue.len(), model.len());
        for (index, order) in model.keys().enumerate() {
            prop_assert_eq!(queue.position(*order), index + 1);
        }
        let mut heads: BTreeMap<u8, Order> = BTreeMap::new();
        for (order, language) in model {
            heads.entry(*language).or_insert(*order);
        }
        let sorted = |is_there: &dyn Fn(&u8) -> bool| {
            let those = heads.iter().filter(|(language, _)| is_there(language));
            let mut orders: Vec<Order> = those.map(|(_, order)| *order).collect();
            orders.sort_unstable();
            orders
        };
        let offered = sorted(&|language| !aside.contains(language) && !held.contains(language));
        prop_assert_eq!(walk(&|after| queue.next_head(after)), offered);
        prop_assert_eq!(walk(&|after| queue.next_aside(after)), sorted(&|language| aside.contains(language)));
        let tenants: BTreeSet<String> = held.iter().map(|language| (language % 2).to_string()).collect();
        prop_assert_eq!(queue.held_tenants().map(|t| t.to_string()).collect::<BTreeSet<_>>(), tenants);
        Ok(())
    }

    proptest! {
        #[test]
        fn heads_and_positions_are_those_of_a_plain_list(operations in prop::collection::vec(op(), 0..120)) {
            let (mut queue, mut model, mut gone) = (ReadyQueue::default(), BTreeMap::new(), Vec::new());
            let (mut next, mut aside, mut held) = (0, BTreeSet::new(), BTreeSet::new());
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
                    Op::Aside(language, true) if model.values().any(|l| *l == language) && !held.contains(&language) => {
                        queue.set_aside(&demand(language), true);
                        aside.insert(language);
                    }
                    Op::Aside(language, _) => {
                        queue.set_aside(&demand(language), false);
                        aside.remove(&language);
                    }
                    Op::Hold(language) => {
                        queue.hold(&demand(language));
                        if model.values().any(|l| *l == language) && !aside.contains(&language) {
                            held.insert(language);
                        }
                    }
                    Op::LetGo(tenant, lines_max) => {
                        queue.let_go(&tenant.to_string(), lines_max);
                        let first = |language: &u8| model.iter().find(|(_, l)| *l == language).map(|(o, _)| *o);
                        let mut lines: Vec<u8> = held.iter().copied().filter(|l| l % 2 == tenant).collect();
                        lines.sort_by_key(first);
                        for language in lines.iter().take(lines_max) {
                            held.remove(language);
                        }
                    }
                }
                // A line that is empty is forgotten; who comes then begins a new one.
                aside.retain(|language| model.values().any(|l| l == language));
                held.retain(|language| model.values().any(|l| l == language));
                check(&queue, &model, &aside, &held)?;
            }
        }
    }
}
