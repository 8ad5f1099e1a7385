//! Agents by name, a number at the end as a number: `agent-2` before `agent-10`.
//!
//! That is the order in which a StatefulSet makes its pods, and the reverse of that in which it takes
//! them away; a number that no counter reaches counts as none. Each has a label that grows in this order, so that who compares two needs no names.

use std::collections::BTreeMap;
use std::ops::Bound;

use enclos_protocol::ids::AgentName;

/// Between two labels that are given at the end.
const STEP: u64 = 1 << 40;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Natural {
    stem: String,
    number: Option<u64>,
    /// Names that are alike but for zeros before the number.
    name: String,
}

impl Natural {
    fn of(name: &AgentName) -> Self {
        let name = name.as_str();
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        Self { stem: stem.to_owned(), number: name[stem.len()..].parse().ok(), name: name.to_owned() }
    }
}

/// Names with the places of their agents.
#[derive(Default, Debug)]
pub(super) struct Names {
    places: BTreeMap<Natural, (usize, u64)>,
}

impl Names {
    /// Places by name.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        self.places.values().map(|(place, _)| *place)
    }

    pub(super) fn remove(&mut self, name: &AgentName) {
        self.places.remove(&Natural::of(name));
    }

    /// Adds a name; its label, or `None`: all have new labels.
    pub(super) fn insert(&mut self, name: &AgentName, place: usize) -> Option<u64> {
        let natural = Natural::of(name);
        let below = self.places.range(..&natural).next_back().map_or(0, |(_, (_, label))| *label);
        let above =
            self.places.range((Bound::Excluded(&natural), Bound::Unbounded)).next().map(|(_, (_, label))| *label);
        let label = match above {
            None => below.checked_add(STEP),
            Some(above) => Some(below + (above - below) / 2).filter(|label| *label > below),
        };
        self.places.insert(natural, (place, label.unwrap_or_default()));
        if label.is_none() {
            self.places.values_mut().zip(1..).for_each(|((_, label), n)| *label = n * STEP);
        }
        label
    }

    /// Every place with its label.
    pub(super) fn labels(&self) -> impl Iterator<Item = (usize, u64)> {
        self.places.values().copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> AgentName {
        text.parse().expect("a valid name")
    }

    #[test]
    fn numbers_at_the_end_are_numbers() {
        let mut names = Names::default();
        let sorted = ["7", "a", "agent-2", "agent-10", "agent-a1", "b-99999999999999999999999", "b-01", "b-1"];
        for (place, text) in sorted.iter().enumerate().rev() {
            names.insert(&name(text), place);
        }
        assert_eq!(names.places().collect::<Vec<_>>(), (0..sorted.len()).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn labels_grow_with_names(numbers in prop::collection::vec(0u32..500, 0..300)) {
            let mut names = Names::default();
            for (place, number) in numbers.iter().enumerate() {
                names.remove(&name(&format!("n{number}")));
                names.insert(&name(&format!("n{number}")), place);
            }
            let labels: Vec<u64> = names.labels().map(|(_, label)| label).collect();
            prop_assert!(labels.is_sorted_by(|a, b| a < b), "{labels:?}");
        }
    }

    #[test]
    fn labels_are_given_anew_where_there_is_no_room_between_two() {
        let mut names = Names::default();
        let anew = (0..200u32).rev().filter(|n| names.insert(&name(&format!("n{n}")), *n as usize).is_none()).count();
        assert!(anew > 0 && anew < 10, "{anew}");
        assert_eq!(names.places().collect::<Vec<_>>(), (0..200).collect::<Vec<_>>());
    }
}
