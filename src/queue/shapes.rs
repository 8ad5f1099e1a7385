//! Shapes: what jobs need of an agent, whoever they are of. Jobs of one shape find room on the same
//! agents, so where one of them finds none, those of all lines of its shape need not be tried.
//!
//! Shapes that lines have now are numbered, so that a set of them is a few words. Clients name
//! limits and languages, so there may be any number: those beyond the table share a number, and
//! nothing can be said of all of them at once.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use enclos_protocol::job::Isolation;

use super::demand::{Demand, Room};

/// Shapes that have a number of their own at one time.
const OWN_MAX: usize = 255;

/// A shape's number. When no line has the shape any more, it is given to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape(u8);

impl Shape {
    const SHARED: Self = Self(u8::MAX);

    /// Whether no other shape has this number now.
    #[must_use]
    pub fn is_own(self) -> bool {
        self != Self::SHARED
    }

    /// For tables of what is known of shapes: below 256.
    #[must_use]
    pub fn index(self) -> usize {
        self.0.into()
    }
}

/// Shapes; of those that share a number, any.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Shapes([u64; 4]);

impl Shapes {
    /// No shape.
    pub const NONE: Self = Self([0; 4]);
    /// Every shape.
    pub const ALL: Self = Self([u64::MAX; 4]);

    /// Only this one.
    #[must_use]
    pub fn of(shape: Shape) -> Self {
        let mut shapes = Self::NONE;
        shapes.insert(shape);
        shapes
    }

    /// Adds a shape.
    pub fn insert(&mut self, shape: Shape) {
        self.0[shape.index() / 64] |= 1 << (shape.index() % 64);
    }

    /// Whether it has a shape.
    #[must_use]
    pub fn has(&self, shape: Shape) -> bool {
        self.0[shape.index() / 64] & 1 << (shape.index() % 64) != 0
    }

    /// Those of either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.with(other, |a, b| a | b)
    }

    /// Those that `other` has not.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.with(other, |a, b| a & !b)
    }

    /// Whether both have one.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).any(|(a, b)| a & b != 0)
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Shape> {
        (0u8..).zip(self.0).flat_map(|(word, mut bits)| {
            std::iter::from_fn(move || {
                let bit = u8::try_from(bits.trailing_zeros()).ok().filter(|bit| *bit < 64)?;
                bits &= bits - 1;
                Some(Shape(64 * word + bit))
            })
        })
    }

    fn with(self, other: Self, both: impl Fn(u64, u64) -> u64) -> Self {
        let mut words = self.0;
        words.iter_mut().zip(other.0).for_each(|(word, other)| *word = both(*word, other));
        Self(words)
    }
}

type Parts<'a> = (&'a str, Option<&'a str>, Room, Isolation, (bool, bool), u64);

/// A demand by what of it is its shape.
#[derive(Clone, Debug)]
struct Needs(Arc<Demand>);

impl Needs {
    fn parts(&self) -> Parts<'_> {
        // Whose it is, and whether its input is live, is nothing to an agent's room.
        let Demand {
            tenant: _,
            language,
            companion,
            interactive,
            isolation,
            installs,
            live_stdin: _,
            room,
            report_bytes,
        } = &*self.0;
        (language, companion.as_deref(), *room, *isolation, (*interactive, *installs), *report_bytes)
    }
}

impl PartialEq for Needs {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Needs {}

impl Hash for Needs {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

/// Which number is whose.
#[derive(Default, Debug)]
pub(super) struct Table {
    known: HashMap<Needs, Shape>,
    /// By number: a demand of the shape, and how many lines have it.
    used: Vec<(Arc<Demand>, usize)>,
    unused: Vec<Shape>,
    /// Those that lines have.
    all: Shapes,
    /// Given to a shape since that was last asked.
    begun: Shapes,
}

impl Table {
    /// A line with this demand begins.
    pub(super) fn begin(&mut self, demand: &Arc<Demand>) -> Shape {
        let needs = Needs(Arc::clone(demand));
        if let Some(shape) = self.known.get(&needs).copied() {
            self.used[shape.index()].1 += 1;
            return shape;
        }
        let next = u8::try_from(self.used.len()).ok().filter(|next| usize::from(*next) < OWN_MAX).map(Shape);
        let Some(shape) = self.unused.pop().or(next) else { return Shape::SHARED };
        let user = (Arc::clone(demand), 1);
        match self.used.get_mut(shape.index()) {
            Some(used) => *used = user,
            None => self.used.push(user),
        }
        self.known.insert(needs, shape);
        self.all.insert(shape);
        self.begun.insert(shape);
        shape
    }

    /// A line of this shape has ended.
    pub(super) fn end(&mut self, shape: Shape) {
        let Some((demand, lines)) = self.used.get_mut(shape.index()) else { return };
        *lines -= 1;
        if *lines == 0 {
            self.known.remove(&Needs(Arc::clone(demand)));
            self.all = self.all.minus(Shapes::of(shape));
            self.unused.push(shape);
        }
    }

    /// A demand of a shape that lines have; whose it is says nothing.
    pub(super) fn demand(&self, shape: Shape) -> Option<&Arc<Demand>> {
        self.used.get(shape.index()).filter(|(_, lines)| *lines > 0).map(|(demand, _)| demand)
    }

    /// Shapes that lines have, but for those that share a number.
    pub(super) fn all(&self) -> Shapes {
        self.all
    }

    /// Numbers that were given to a shape since this was last asked.
    pub(super) fn take_begun(&mut self) -> Shapes {
        std::mem::take(&mut self.begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(tenant: &str, report_bytes: u64) -> Arc<Demand> {
        Arc::new(Demand {
            tenant: tenant.into(),
            language: "c".into(),
            companion: None,
            interactive: false,
            isolation: Isolation::Runc,
            installs: false,
            live_stdin: false,
            room: Room::default(),
            report_bytes,
        })
    }

    #[test]
    fn a_shape_is_the_same_whoever_has_it_and_its_number_is_given_on_when_nobody_has() {
        let mut table = Table::default();
        let shape = table.begin(&demand("a", 1));
        assert_eq!(table.begin(&demand("b", 1)), shape);
        assert_eq!(table.take_begun(), Shapes::of(shape));
        table.end(shape);
        assert!(table.demand(shape).is_some() && table.take_begun().is_empty());
        table.end(shape);
        assert!(table.demand(shape).is_none() && table.all().is_empty());
        assert_eq!(table.begin(&demand("a", 2)), shape);
        assert_eq!(table.take_begun(), Shapes::of(shape));
    }

    #[test]
    fn shapes_beyond_the_table_share_a_number_until_others_end() {
        let mut table = Table::default();
        let shapes: Vec<Shape> = (0..300).map(|n| table.begin(&demand("a", n))).collect();
        assert_eq!(shapes.iter().filter(|shape| shape.is_own()).count(), OWN_MAX);
        assert!(!shapes[299].is_own() && table.demand(shapes[299]).is_none());
        table.end(shapes[299]);
        table.end(shapes[7]);
        assert_eq!(table.begin(&demand("a", 1000)), shapes[7]);
    }

    #[test]
    fn a_set_has_what_was_put_into_it() {
        let shapes = [Shape(0), Shape(63), Shape(64), Shape(255)];
        let mut set = Shapes::NONE;
        shapes.iter().for_each(|shape| set.insert(*shape));
        assert_eq!(set.iter().collect::<Vec<_>>(), shapes);
        let rest = set.minus(Shapes::of(Shape(63)));
        assert!(!rest.has(Shape(63)) && rest.has(Shape(64)) && !rest.meets(&Shapes::of(Shape(63))));
        assert_eq!(rest.or(Shapes::of(Shape(63))), set);
        assert!(Shapes::ALL.minus(Shapes::ALL).is_empty());
    }
}
