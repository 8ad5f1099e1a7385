//! How often each binding comes, of as many bindings as are remembered. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use enclos_protocol::ids::Binding;

use super::super::words::ImageKey;

/// Part that the newest gap has of what is expected.
const NEWEST_PART: f64 = 0.3;
/// Part of the bindings that come again, before any came.
const RETURNS_GUESS: f64 = 0.5;
/// Part that the newest binding has of that.
const NEWEST_BINDING_PART: f64 = 0.05;

type Who = (ImageKey, Binding);

#[derive(Clone, Debug)]
struct Habit {
    /// Its place in the order of last claims.
    turn: u64,
    last: Duration,
    /// What lies between two claims, in seconds; `None`: it came once.
    gap: Option<f64>,
}

/// What is remembered of bindings.
#[derive(Clone, Debug)]
pub struct Habits {
    max: usize,
    turn: u64,
    /// Part of the bindings that came a second time.
    returns: f64,
    of: BTreeMap<Who, Habit>,
    /// Whose claim is the longest ago stands first.
    by_turn: BTreeMap<u64, Who>,
}

impl Habits {
    /// Remembers `max` bindings.
    pub fn new(max: usize) -> Self {
        Self { max, turn: 0, returns: RETURNS_GUESS, of: BTreeMap::new(), by_turn: BTreeMap::new() }
    }

    /// A claim came: after how many seconds the next is expected, if it came before. A pause of more than
    /// `gap_max` seconds counts as no longer: one night must not outweigh all claims of the morning after.
    pub fn came(&mut self, now: Duration, image: &ImageKey, binding: &Binding, gap_max: f64) -> Option<f64> {
        let who = (image.clone(), binding.clone());
        self.turn += 1;
        let earlier = self.of.remove(&who);
        // Each binding counts once, however often it comes: the first claim weighs, the second says yes.
        match &earlier {
            None => self.returns *= 1.0 - NEWEST_BINDING_PART,
            Some(Habit { gap: None, .. }) => self.returns = (self.returns + NEWEST_BINDING_PART).min(1.0),
            Some(_) => {}
        }
        let gap = earlier.map(|earlier| {
            self.by_turn.remove(&earlier.turn);
            let newest = now.saturating_sub(earlier.last).as_secs_f64().min(gap_max);
            earlier.gap.map_or(newest, |gap| gap + (newest - gap) * NEWEST_PART)
        });
        self.by_turn.insert(self.turn, who.clone());
        self.of.insert(who, Habit { turn: self.turn, last: now, gap });
        while self.of.len() > self.max
            && let Some((_, oldest)) = self.by_turn.pop_first()
        {
            self.of.remove(&oldest);
        }
        gap
    }

    /// How likely who came once is to come again; who remembers nobody expects everybody.
    pub fn returns(&self) -> f64 {
        if self.max == 0 { 1.0 } else { self.returns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(name: &str) -> Who {
        let image = ImageKey { name: "py".into(), reference: "r".into() };
        (image, Binding { tenant: name.into(), scope: String::new() })
    }

    fn came(habits: &mut Habits, seconds: u64, name: &str) -> Option<f64> {
        let (image, binding) = who(name);
        habits.came(Duration::from_secs(seconds), &image, &binding, 1000.0)
    }

    #[test]
    fn the_next_claim_is_expected_after_a_gap_like_the_last_ones() {
        let mut habits = Habits::new(10);
        assert_eq!(came(&mut habits, 0, "a"), None);
        assert_eq!(came(&mut habits, 10, "a"), Some(10.0));
        assert_eq!(came(&mut habits, 40, "a"), Some(16.0));
    }

    #[test]
    fn where_nobody_comes_again_nobody_is_expected_to() {
        let (mut once, mut often) = (Habits::new(1000), Habits::new(1000));
        for n in 0..100 {
            came(&mut once, n, &n.to_string());
            came(&mut often, n, &(n / 2).to_string());
        }
        assert!(once.returns() < 0.1 && often.returns() > 0.9, "{} {}", once.returns(), often.returns());
    }

    #[test]
    fn one_who_comes_often_says_nothing_about_others() {
        let mut habits = Habits::new(1000);
        for n in 0..100 {
            came(&mut habits, n, &n.to_string());
            came(&mut habits, n, "a");
        }
        assert!(habits.returns() < 0.1, "{}", habits.returns());
        // Of the next, every other comes again.
        for n in 100..300 {
            came(&mut habits, n, &n.to_string());
            (n % 2 == 0).then(|| came(&mut habits, n, &n.to_string()));
        }
        assert!((0.4..0.6).contains(&habits.returns()), "{}", habits.returns());
    }

    #[test]
    fn who_came_longest_ago_is_forgotten_first() {
        let mut habits = Habits::new(2);
        for (seconds, name) in [(0, "a"), (1, "b"), (2, "a"), (3, "c")] {
            came(&mut habits, seconds, name);
        }
        assert_eq!((habits.of.len(), habits.by_turn.len()), (2, 2));
        assert!(!habits.of.contains_key(&who("b")));
        assert_eq!(came(&mut habits, 4, "a"), Some(2.0));
    }
}
