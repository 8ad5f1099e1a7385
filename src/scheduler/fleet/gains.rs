//! Which agents have gained room or reach.

/// Agents that are told apart; of more, nothing is known but that there are more.
const PLACES_MAX: usize = 32;

/// Agents that can take what they could not before.
#[derive(Clone, Default, Debug)]
pub(in crate::scheduler) struct Gains {
    places: Vec<usize>,
    are_more: bool,
}

impl Gains {
    pub(super) fn add(&mut self, place: usize) {
        if self.places.contains(&place) {
            return;
        }
        if self.places.len() < PLACES_MAX {
            self.places.push(place);
        } else {
            self.are_more = true;
        }
    }

    pub(in crate::scheduler) fn remove(&mut self, place: usize) {
        self.places.retain(|other| *other != place);
    }

    pub(in crate::scheduler) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Their places; `None`: it may be any.
    pub(in crate::scheduler) fn places(&self) -> Option<&[usize]> {
        (!self.are_more).then_some(&self.places)
    }
}
