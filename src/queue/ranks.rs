//! A sorted set of numbers that knows how many of them are smaller, in O(log n).
//!
//! A Fenwick tree counts the present numbers among slots; a slot keeps its
//! number after the number is removed, so that a job which comes back finds
//! its old place. When most slots are empty, all are laid anew.

/// Empty slots that never matter.
const EMPTY_SLOTS_MIN: usize = 64;

#[derive(Default, Debug)]
pub(super) struct Ranks {
    /// Numbers by slot, ascending, those of empty slots too.
    numbers: Vec<u64>,
    present: Vec<bool>,
    /// Fenwick tree over `present`, one-based.
    tree: Vec<usize>,
    count: usize,
}

impl Ranks {
    /// Adds a number that is not there.
    pub(super) fn insert(&mut self, number: u64) {
        match self.numbers.binary_search(&number) {
            Ok(slot) if self.present[slot] => {}
            Ok(slot) => {
                self.present[slot] = true;
                self.add(slot, true);
                self.count += 1;
            }
            Err(slot) if slot == self.numbers.len() => self.append(number),
            Err(slot) => {
                self.numbers.insert(slot, number);
                self.present.insert(slot, true);
                self.lay_anew();
            }
        }
    }

    /// Removes a number if it is there.
    pub(super) fn remove(&mut self, number: u64) {
        let Ok(slot) = self.numbers.binary_search(&number) else { return };
        if !std::mem::replace(&mut self.present[slot], false) {
            return;
        }
        self.add(slot, false);
        self.count -= 1;
        if self.numbers.len() > 2 * self.count + EMPTY_SLOTS_MIN {
            self.lay_anew();
        }
    }

    /// How many numbers are smaller than `number`, which need not be there.
    pub(super) fn smaller(&self, number: u64) -> usize {
        self.sum(self.numbers.partition_point(|n| *n < number))
    }

    fn append(&mut self, number: u64) {
        self.numbers.push(number);
        self.present.push(true);
        let node = self.numbers.len();
        let below = self.sum(node - 1) - self.sum(node - lowest_bit(node));
        self.tree.push(below + 1);
        self.count += 1;
    }

    fn lay_anew(&mut self) {
        let kept: Vec<u64> = self.numbers.iter().zip(&self.present).filter(|(_, p)| **p).map(|(n, _)| *n).collect();
        *self = Self::default();
        kept.into_iter().for_each(|number| self.append(number));
    }

    /// Present numbers among the first `slots`.
    fn sum(&self, slots: usize) -> usize {
        let (mut node, mut sum) = (slots, 0);
        while node > 0 {
            sum += self.tree[node - 1];
            node -= lowest_bit(node);
        }
        sum
    }

    fn add(&mut self, slot: usize, one_more: bool) {
        let mut node = slot + 1;
        while node <= self.tree.len() {
            let value = &mut self.tree[node - 1];
            *value = if one_more { *value + 1 } else { *value - 1 };
            node += lowest_bit(node);
        }
    }
}

fn lowest_bit(n: usize) -> usize {
    n & n.wrapping_neg()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranks_are_those_of_a_sorted_set(operations in prop::collection::vec((0u64..200, any::<bool>()), 0..400)) {
            let (mut ranks, mut model) = (Ranks::default(), BTreeSet::new());
            for (number, insert) in operations {
                if insert && model.insert(number) {
                    ranks.insert(number);
                } else if !insert {
                    model.remove(&number);
                    ranks.remove(number);
                }
                prop_assert_eq!(ranks.smaller(number), model.range(..number).count());
                prop_assert_eq!(ranks.smaller(u64::MAX), model.len());
            }
        }
    }

    #[test]
    fn slots_of_what_left_do_not_pile_up() {
        let mut ranks = Ranks::default();
        for number in 0..10_000 {
            ranks.insert(number);
            ranks.remove(number.saturating_sub(10));
        }
        assert!(ranks.numbers.len() < 200, "{}", ranks.numbers.len());
    }
}
