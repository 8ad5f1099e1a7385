//! Sets of languages, as the bits of a few words.

use std::collections::HashMap;

/// Languages that have a bit of their own; all others share the last.
const OWN_MAX: usize = 255;

/// A language's bit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::scheduler) struct Bit(u8);

/// Languages; of those that share a bit, any.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in crate::scheduler) struct Languages([u64; 4]);

impl Languages {
    pub(in crate::scheduler) const NONE: Self = Self([0; 4]);

    pub(in crate::scheduler) fn insert(&mut self, bit: Bit) {
        self.0[usize::from(bit.0 / 64)] |= 1 << (bit.0 % 64);
    }

    pub(in crate::scheduler) fn remove(&mut self, bit: Bit) {
        self.0[usize::from(bit.0 / 64)] &= !(1 << (bit.0 % 64));
    }

    pub(in crate::scheduler) fn has(&self, bit: Bit) -> bool {
        self.0[usize::from(bit.0 / 64)] & 1 << (bit.0 % 64) != 0
    }

    /// Whether it has one that shares its bit.
    pub(super) fn is_shared(&self) -> bool {
        self.has(Bit(u8::MAX))
    }

    pub(in crate::scheduler) fn or(self, other: Self) -> Self {
        let mut words = self.0;
        words.iter_mut().zip(other.0).for_each(|(word, other)| *word |= other);
        Self(words)
    }

    /// Whether it has all of `other`.
    pub(in crate::scheduler) fn holds(self, other: Self) -> bool {
        self.or(other) == self
    }
}

/// Which bit is whose.
#[derive(Default, Debug)]
pub(super) struct Table {
    bits: HashMap<Box<str>, u8>,
}

impl Table {
    /// The bit of a language that an agent offers.
    pub(super) fn bit(&mut self, id: &str) -> Bit {
        if let Some(bit) = self.bits.get(id) {
            return Bit(*bit);
        }
        // Agents name them, so there may be any number.
        let bit = u8::try_from(self.bits.len().min(OWN_MAX)).expect("it was bounded");
        if usize::from(bit) < OWN_MAX {
            self.bits.insert(id.into(), bit);
        }
        Bit(bit)
    }

    /// The bit of a language that a job needs; `None`: no agent ever offered it.
    pub(super) fn known(&self, id: &str) -> Option<Bit> {
        let is_full = self.bits.len() >= OWN_MAX;
        self.bits.get(id).copied().or(is_full.then_some(u8::MAX)).map(Bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_beyond_the_table_share_a_bit_and_are_never_taken_for_unknown() {
        let mut table = Table::default();
        assert_eq!(table.known("c"), None);
        let bits: Vec<Bit> = (0..300).map(|n| table.bit(&n.to_string())).collect();
        assert_eq!(bits[299], Bit(255));
        assert_eq!(table.known("299"), Some(Bit(255)));
        assert_eq!(table.known("7"), Some(Bit(7)));
        let mut set = Languages::default();
        bits.iter().step_by(2).for_each(|bit| set.insert(*bit));
        assert!(set.has(bits[4]) && !set.has(bits[5]) && set.has(bits[299]));
        set.remove(bits[4]);
        assert!(!set.has(bits[4]));
    }
}
