//! What tenants share: so much in all, of which one tenant may have only a part.
//!
//! Whoever takes all that it can get, and gives it back slowly, leaves the others theirs. Who comes
//! without a key is the only tenant there is, and may have all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::access::Tenant;
use crate::gate::Caller;

/// Tenants whose part is kept in mind before those that hold nothing are forgotten.
const IDLE_TENANTS_MAX: usize = 1024;

/// Places, or units of memory, of all tenants together.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    all: Arc<Semaphore>,
    /// Of one tenant.
    part: usize,
    parts: Arc<Mutex<HashMap<Tenant, Arc<Semaphore>>>>,
}

/// Some of it, given back when dropped.
#[derive(Debug)]
pub struct Held {
    all: OwnedSemaphorePermit,
    own: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// How many units it is.
    pub(super) fn units(&self) -> usize {
        self.all.num_permits()
    }

    /// Both together; of the same tenant.
    pub(super) fn merge(&mut self, other: Self) {
        self.all.merge(other.all);
        if let (Some(own), Some(others)) = (&mut self.own, other.own) {
            own.merge(others);
        }
    }
}

impl Shared {
    /// So many, of which one tenant may have `part`.
    pub(super) fn new(all: usize, part: usize) -> Self {
        let places = |count: usize| count.clamp(1, Semaphore::MAX_PERMITS);
        Self { all: Arc::new(Semaphore::new(places(all))), part: places(part), parts: Arc::default() }
    }

    /// So many now; `None` where they are not there, or not the tenant's.
    pub(super) fn try_take(&self, caller: &Caller, units: u32) -> Option<Held> {
        let own = match self.part_of(caller) {
            Some(part) => Some(part.try_acquire_many_owned(units).ok()?),
            None => None,
        };
        let all = Arc::clone(&self.all).try_acquire_many_owned(units).ok()?;
        Some(Held { all, own })
    }

    /// So many when they are there. Dropped while it waits, it has taken nothing.
    pub(super) async fn take(&self, caller: &Caller, units: u32) -> Option<Held> {
        let own = match self.part_of(caller) {
            Some(part) => Some(part.acquire_many_owned(units).await.ok()?),
            None => None,
        };
        let all = Arc::clone(&self.all).acquire_many_owned(units).await.ok()?;
        Some(Held { all, own })
    }

    /// How many are free in all.
    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.all.available_permits()
    }

    fn part_of(&self, caller: &Caller) -> Option<Arc<Semaphore>> {
        caller.key.as_ref()?;
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        if parts.len() >= IDLE_TENANTS_MAX && !parts.contains_key(&caller.tenant) {
            // Whoever holds some of it, or is about to, shares the semaphore.
            parts.retain(|_, part| Arc::strong_count(part) > 1 || part.available_permits() < self.part);
        }
        let new = || Arc::new(Semaphore::new(self.part));
        Some(Arc::clone(parts.entry(caller.tenant.clone()).or_insert_with(new)))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::access::{KeyId, Scopes};

    pub(in crate::http) fn caller(tenant: &str, has_key: bool) -> Caller {
        Caller {
            tenant: tenant.parse().expect("a name"),
            key: has_key.then(KeyId::generate),
            scopes: Scopes::ALL,
            quota: Arc::default(),
            ended: CancellationToken::new(),
            asked: Default::default(),
            session: None,
        }
    }

    #[test]
    fn one_tenant_never_has_more_than_its_part_whatever_keys_it_comes_with() {
        let (shared, other) = (Shared::new(10, 6), caller("b", true));
        let held: Vec<Held> = (0..6).map(|_| shared.try_take(&caller("a", true), 1).unwrap()).collect();
        assert!(shared.try_take(&caller("a", true), 1).is_none());
        let mut others = shared.try_take(&other, 3).unwrap();
        others.merge(shared.try_take(&other, 1).unwrap());
        assert_eq!((others.units(), shared.free()), (4, 0));
        assert!(shared.try_take(&other, 1).is_none(), "there is no more");
        drop((held, others));
        assert_eq!(shared.free(), 10);
        assert!(shared.try_take(&other, 6).is_some());
    }

    #[test]
    fn who_is_alone_may_have_all() {
        let shared = Shared::new(10, 6);
        assert!(shared.try_take(&caller("default", false), 10).is_some());
    }

    #[tokio::test]
    async fn tenants_that_hold_nothing_are_forgotten_and_others_are_not() {
        let shared = Shared::new(10, 6);
        let held = shared.take(&caller("holds", true), 6).await.unwrap();
        for n in 0..2 * IDLE_TENANTS_MAX {
            assert!(shared.try_take(&caller(&format!("t{n}"), true), 1).is_some());
        }
        assert!(shared.parts.lock().unwrap().len() <= IDLE_TENANTS_MAX);
        assert!(shared.try_take(&caller("holds", true), 1).is_none());
        drop(held);
    }
}
