//! A sorted list that knows how many of its members are before a key, and what they weigh together.
//!
//! Members stand in chunks of bounded length; who asks adds up whole chunks and looks into one. Most
//! members come at the end and leave at the front, where a chunk costs no more than a push and a
//! shift; a tree that is balanced would take three times the memory for each of a million members,
//! to save some microseconds on a question that is asked far less often than members come and go.

use super::line::Key;

/// Longest chunk; it is halved when it is full.
const CHUNK_MAX: usize = 512;

#[derive(Debug)]
struct Chunk {
    members: Vec<(Key, u64)>,
    weight: u64,
}

/// How many, and what they weigh.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Sum {
    pub(super) count: usize,
    pub(super) weight: u64,
}

impl Sum {
    pub(super) fn plus(self, other: Self) -> Self {
        Self { count: self.count + other.count, weight: self.weight.saturating_add(other.weight) }
    }

    pub(super) fn minus(self, other: Self) -> Self {
        Self { count: self.count.saturating_sub(other.count), weight: self.weight.saturating_sub(other.weight) }
    }
}

/// Keys with weights.
#[derive(Default, Debug)]
pub(super) struct Ranked {
    chunks: Vec<Chunk>,
    all: Sum,
}

impl Ranked {
    /// All of them.
    pub(super) fn all(&self) -> Sum {
        self.all
    }

    /// Those before `key`, which need not be there.
    pub(super) fn before(&self, key: Key) -> Sum {
        let whole = self.chunks.partition_point(|chunk| chunk.members.last().is_some_and(|(last, _)| *last < key));
        let sum = |members: &[(Key, u64)]| Sum { count: members.len(), weight: members.iter().map(|m| m.1).sum() };
        let rest = self.chunks.get(whole).map_or(Sum::default(), |chunk| {
            sum(&chunk.members[..chunk.members.partition_point(|(member, _)| *member < key)])
        });
        // Whatever is nearer is added up: the front is asked for most.
        if whole <= self.chunks.len() / 2 {
            let whole = self.chunks[..whole].iter().fold(Sum::default(), |sum, chunk| sum.plus(chunk.sum()));
            return whole.plus(rest);
        }
        self.chunks[whole..].iter().fold(self.all, |sum, chunk| sum.minus(chunk.sum())).plus(rest)
    }

    /// The first key that is not before this one.
    pub(super) fn first_from(&self, key: Key) -> Option<Key> {
        let chunk = self.chunks.iter().nth(self.chunk_of(key))?;
        chunk.members.get(chunk.members.partition_point(|(member, _)| *member < key)).map(|(member, _)| *member)
    }

    /// Adds a key that is not there.
    pub(super) fn insert(&mut self, key: Key, weight: u64) {
        self.all = self.all.plus(Sum { count: 1, weight });
        let at = self.chunk_of(key);
        let Some(chunk) = self.chunks.get_mut(at) else {
            return self.chunks.push(Chunk { members: vec![(key, weight)], weight });
        };
        let place = chunk.members.partition_point(|(member, _)| *member < key);
        chunk.members.insert(place, (key, weight));
        chunk.weight = chunk.weight.saturating_add(weight);
        if chunk.members.len() > CHUNK_MAX {
            // A list that only grows at its end keeps full chunks behind it.
            let is_last = at + 1 == self.chunks.len();
            let chunk = &mut self.chunks[at];
            let members = chunk.members.split_off(if is_last { CHUNK_MAX } else { CHUNK_MAX / 2 });
            let weight = members.iter().map(|m| m.1).sum();
            chunk.weight = chunk.weight.saturating_sub(weight);
            self.chunks.insert(at + 1, Chunk { members, weight });
        }
    }

    /// Removes a key if it is there.
    pub(super) fn remove(&mut self, key: Key) {
        let at = self.chunk_of(key);
        let Some(chunk) = self.chunks.get_mut(at) else { return };
        let Ok(place) = chunk.members.binary_search_by_key(&key, |m| m.0) else { return };
        let (_, weight) = chunk.members.remove(place);
        chunk.weight = chunk.weight.saturating_sub(weight);
        if chunk.members.is_empty() {
            self.chunks.remove(at);
        }
        self.all = self.all.minus(Sum { count: 1, weight });
    }

    /// The chunk in which a key is or would be.
    fn chunk_of(&self, key: Key) -> usize {
        let before = self.chunks.partition_point(|chunk| chunk.members.last().is_some_and(|(last, _)| *last < key));
        before.min(self.chunks.len().saturating_sub(1))
    }
}

impl Chunk {
    fn sum(&self) -> Sum {
        Sum { count: self.members.len(), weight: self.weight }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn key(n: u64) -> Key {
        Key { due: n / 3, order: n }
    }

    proptest! {
        #[test]
        fn counts_and_weights_are_those_of_a_sorted_map(
            operations in prop::collection::vec((0u64..1500, any::<bool>(), 0u64..9), 0..2500),
        ) {
            let (mut ranked, mut model) = (Ranked::default(), BTreeMap::new());
            for (n, insert, weight) in operations {
                if insert && !model.contains_key(&key(n)) {
                    model.insert(key(n), weight);
                    ranked.insert(key(n), weight);
                } else if !insert {
                    model.remove(&key(n));
                    ranked.remove(key(n));
                }
                let before = model.range(..key(n));
                let sum = Sum { count: before.clone().count(), weight: before.map(|(_, w)| w).sum() };
                prop_assert_eq!(ranked.before(key(n)), sum);
                prop_assert_eq!(ranked.first_from(key(n)), model.range(key(n)..).next().map(|(key, _)| *key));
                prop_assert_eq!(ranked.all(), Sum { count: model.len(), weight: model.values().sum() });
            }
        }
    }

    #[test]
    fn what_left_leaves_nothing_behind() {
        let mut ranked = Ranked::default();
        for n in 0..10_000u64 {
            ranked.insert(key(n), 1);
            if n >= 10 {
                ranked.remove(key(n - 10));
            }
        }
        assert_eq!(ranked.all().count, 10);
        assert!(ranked.chunks.len() <= 2, "{}", ranked.chunks.len());
    }
}
