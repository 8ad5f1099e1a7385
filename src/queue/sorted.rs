//! A sorted set whose members have shapes, in which the next member that has one of some shapes is
//! found without a look at the others.
//!
//! A treap (Aragon and Seidel 1989): each node knows the shapes of all beneath it, and a branch that has
//! none of those that are wanted is left. The weights are by chance, and only the form of the tree depends on them.

use std::ops::Bound;

use super::shapes::Shapes;

/// No node.
const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Node<K> {
    key: K,
    own: Shapes,
    /// Its own, and of all beneath it.
    all: Shapes,
    weight: u32,
    left: u32,
    right: u32,
}

/// The set.
#[derive(Debug)]
pub(super) struct Sorted<K> {
    nodes: Vec<Node<K>>,
    unused: Vec<u32>,
    root: u32,
    dice: u64,
}

impl<K> Default for Sorted<K> {
    fn default() -> Self {
        Self { nodes: Vec::new(), unused: Vec::new(), root: NONE, dice: 0x9e37_79b9_7f4a_7c15 }
    }
}

impl<K: Copy + Ord> Sorted<K> {
    /// The first of all.
    pub(super) fn first(&self) -> Option<K> {
        let (mut first, mut at) = (None, self.root);
        while let Some(node) = self.node(at) {
            (first, at) = (Some(node.key), node.left);
        }
        first
    }

    /// Shapes that its members have.
    pub(super) fn shapes(&self) -> Shapes {
        self.shapes_of(self.root)
    }

    /// The first beyond a bound that has one of these shapes.
    pub(super) fn next(&self, from: Bound<K>, among: &Shapes) -> Option<K> {
        self.next_of(self.root, from, among)
    }

    /// Adds a member, or gives one that is there other shapes.
    pub(super) fn put(&mut self, key: K, own: Shapes) {
        if self.give(self.root, key, own) {
            return;
        }
        // Marsaglia's xorshift.
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        let weight = u32::try_from(self.dice >> 32).expect("half of the bits are left");
        let node = Node { key, own, all: own, weight, left: NONE, right: NONE };
        let new = match self.unused.pop() {
            Some(at) => {
                self.nodes[at as usize] = node;
                at
            }
            None => {
                self.nodes.push(node);
                u32::try_from(self.nodes.len() - 1).expect("memory ends before numbers do")
            }
        };
        self.root = self.put_under(self.root, new);
    }

    /// Removes a member if it is there.
    pub(super) fn remove(&mut self, key: K) {
        self.root = self.without(self.root, key);
        if self.root == NONE {
            (self.nodes, self.unused) = (Vec::new(), Vec::new());
        }
    }

    fn node(&self, at: u32) -> Option<&Node<K>> {
        self.nodes.get(at as usize)
    }

    fn shapes_of(&self, at: u32) -> Shapes {
        self.node(at).map_or(Shapes::NONE, |node| node.all)
    }

    fn next_of(&self, at: u32, from: Bound<K>, among: &Shapes) -> Option<K> {
        let node = self.node(at).filter(|node| node.all.meets(among))?;
        let is_beyond = match from {
            Bound::Unbounded => true,
            Bound::Included(from) => node.key >= from,
            Bound::Excluded(from) => node.key > from,
        };
        if !is_beyond {
            return self.next_of(node.right, from, among);
        }
        let own = || node.own.meets(among).then_some(node.key);
        self.next_of(node.left, from, among).or_else(own).or_else(|| self.next_of(node.right, from, among))
    }

    /// Gives a member other shapes. Whether it is there.
    fn give(&mut self, at: u32, key: K, own: Shapes) -> bool {
        let Some(node) = self.node(at) else { return false };
        let is_there = match key.cmp(&node.key) {
            std::cmp::Ordering::Less => self.give(node.left, key, own),
            std::cmp::Ordering::Greater => self.give(node.right, key, own),
            std::cmp::Ordering::Equal => {
                self.nodes[at as usize].own = own;
                true
            }
        };
        if is_there {
            self.add_up(at);
        }
        is_there
    }

    fn put_under(&mut self, at: u32, new: u32) -> u32 {
        let Some(node) = self.node(at) else { return new };
        let (left, right) = (node.left, node.right);
        let (key, weight) = (self.nodes[new as usize].key, self.nodes[new as usize].weight);
        if weight > node.weight {
            let (before, after) = self.split(at, key);
            return self.joined(new, before, after);
        }
        if key < node.key {
            let left = self.put_under(left, new);
            self.joined(at, left, right)
        } else {
            let right = self.put_under(right, new);
            self.joined(at, left, right)
        }
    }

    fn without(&mut self, at: u32, key: K) -> u32 {
        let Some(node) = self.node(at) else { return NONE };
        let (left, right) = (node.left, node.right);
        match key.cmp(&node.key) {
            std::cmp::Ordering::Less => {
                let left = self.without(left, key);
                self.joined(at, left, right)
            }
            std::cmp::Ordering::Greater => {
                let right = self.without(right, key);
                self.joined(at, left, right)
            }
            std::cmp::Ordering::Equal => {
                self.unused.push(at);
                self.merge(left, right)
            }
        }
    }

    /// What is before a key beneath a node, and what is after it.
    fn split(&mut self, at: u32, key: K) -> (u32, u32) {
        let Some(node) = self.node(at) else { return (NONE, NONE) };
        let (left, right) = (node.left, node.right);
        if node.key < key {
            let (before, after) = self.split(right, key);
            (self.joined(at, left, before), after)
        } else {
            let (before, after) = self.split(left, key);
            (before, self.joined(at, after, right))
        }
    }

    /// Both as one, the members of the first before those of the second.
    fn merge(&mut self, first: u32, second: u32) -> u32 {
        let (Some(a), Some(b)) = (self.node(first), self.node(second)) else {
            return if first == NONE { second } else { first };
        };
        if a.weight >= b.weight {
            let (left, right) = (a.left, a.right);
            let right = self.merge(right, second);
            self.joined(first, left, right)
        } else {
            let (left, right) = (b.left, b.right);
            let left = self.merge(first, left);
            self.joined(second, left, right)
        }
    }

    /// A node with these beneath it.
    fn joined(&mut self, at: u32, left: u32, right: u32) -> u32 {
        let node = &mut self.nodes[at as usize];
        (node.left, node.right) = (left, right);
        self.add_up(at);
        at
    }

    fn add_up(&mut self, at: u32) {
        let node = &self.nodes[at as usize];
        let all = node.own.or(self.shapes_of(node.left)).or(self.shapes_of(node.right));
        self.nodes[at as usize].all = all;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::shapes::Shape;
    use super::*;

    fn shape(n: u8) -> Shape {
        Shapes::ALL.iter().nth(n.into()).expect("there are 256")
    }

    proptest! {
        #[test]
        fn the_next_of_some_shapes_is_that_of_a_sorted_map(
            operations in prop::collection::vec((0u64..200, any::<bool>(), 0u8..6), 0..400),
            from in 0u64..200,
        ) {
            let (mut sorted, mut model) = (Sorted::default(), BTreeMap::new());
            for (key, put, n) in operations {
                if put {
                    let shapes = Shapes::of(shape(n * 50)).or(Shapes::of(shape(n)));
                    model.insert(key, shapes);
                    sorted.put(key, shapes);
                } else {
                    model.remove(&key);
                    sorted.remove(key);
                }
                prop_assert_eq!(sorted.first(), model.keys().next().copied());
                let all = model.values().fold(Shapes::NONE, |all, shapes| all.or(*shapes));
                prop_assert_eq!(sorted.shapes(), all);
            }
            for n in 0..6 {
                let among = Shapes::of(shape(n * 50));
                for bound in [Bound::Unbounded, Bound::Included(from), Bound::Excluded(from)] {
                    let mut range = model.range((bound, Bound::Unbounded));
                    let next = range.find(|(_, shapes)| shapes.meets(&among)).map(|(key, _)| *key);
                    prop_assert_eq!(sorted.next(bound, &among), next);
                }
            }
        }
    }

    #[test]
    fn what_left_leaves_nothing_behind_and_what_comes_in_order_makes_no_list_of_the_tree() {
        let mut sorted = Sorted::default();
        for key in 0..10_000u64 {
            sorted.put(key, Shapes::of(shape(1)));
            if key >= 100 {
                sorted.remove(key - 100);
            }
        }
        assert!(sorted.nodes.len() <= 101, "{}", sorted.nodes.len());
        (10_000..20_000u64).for_each(|key| sorted.put(key, Shapes::of(shape(1))));
        assert!(depth(&sorted, sorted.root) < 60);
    }

    fn depth(sorted: &Sorted<u64>, at: u32) -> usize {
        sorted.node(at).map_or(0, |node| 1 + depth(sorted, node.left).max(depth(sorted, node.right)))
    }
}
