//! A sandbox while an attempt owns it, and its way back.

use enclos_protocol::measured::Claims;

use super::{Condition, Event, Place};
use crate::sandbox::{Remains, Sandbox};

/// A sandbox in someone's hands.
pub struct Claimed {
    sandbox: Option<Box<Sandbox>>,
    remains: Remains,
    place: Option<Place>,
    claims: Claims,
    /// Somebody may have asked something of it.
    touched: bool,
}

impl Claimed {
    pub(super) fn new(sandbox: Box<Sandbox>, remains: Remains, place: Place, claims: Claims) -> Self {
        Self { sandbox: Some(sandbox), remains, place: Some(place), claims, touched: false }
    }

    /// The sandbox.
    pub fn sandbox(&mut self) -> &mut Sandbox {
        self.touched = true;
        self.sandbox.as_mut().expect("it is taken only by give_back, which consumes the claim")
    }

    /// Where it came from.
    #[must_use]
    pub fn claims(&self) -> Claims {
        self.claims
    }

    /// Gives it back.
    pub fn give_back(mut self, condition: Condition) {
        self.return_to_pool(condition);
    }

    fn return_to_pool(&mut self, condition: Condition) {
        if let Some(place) = self.place.take() {
            place.send(Event::Returned { remains: self.remains.clone(), sandbox: self.sandbox.take(), condition });
        }
    }
}

impl Drop for Claimed {
    /// The net: whoever lost it in the middle of something left it in an unknown state. Whoever went away before
    /// he had anything of it left it as it was.
    fn drop(&mut self) {
        // The plan takes its forerunner for gone.
        let untouched = !self.touched && self.sandbox.as_mut().is_none_or(|sandbox| sandbox.end_forerunner());
        self.return_to_pool(if untouched { Condition::Clean } else { Condition::Broken });
    }
}
