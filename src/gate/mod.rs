//! The gate: which tenant a request is of, what it may do, and whether it is its turn.
//!
//! ```text
//! Authorization ─▶ secret? ─▶ its digest in the roll? ─▶ works now? ─▶ Caller (tenant, scopes, quota)
//!                     └───────────┴─────────────────────────┴─▶ Denied, counted against the address
//! cookie ─▶ its digest among the sessions ─▶ the secret's digest ─▶ as above
//! keeper ─ the store's roll, as it changes ─▶ roll · ended callers · bounds of the scheduler
//! ```
//!
//! A secret is found by its SHA-256: how long that takes tells something of the digest, from which
//! nobody comes back to 256 random bits. So there is nothing to compare in constant time.
//!
//! Where no key was ever made, and only this machine can connect, everybody is the default tenant.

mod audit;
mod keeper;
mod roll;
mod sessions;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::access::{Bucket, Digest256, KeyId, Logins, Quota, Scope, Scopes, Secret, Tenant};
use crate::scheduler::RunningBounds;
use crate::store::{Roll, UnixTime};
use crate::traces::Asked;
use roll::Entries;

pub use audit::{Audit, Deed, Kept, append as append_to_audit};
pub use keeper::Keeper;
pub use sessions::BySession;

/// Tenants whose rate is counted; more than there are keys for.
const RATES_MAX: usize = 16_384;
/// In so long as many requests pass as a tenant may make in a second.
const SECOND: Duration = Duration::from_secs(1);

/// Who makes a request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Whose.
    pub tenant: Tenant,
    /// By which key; `None`: no key was ever made, or it is the master's own.
    pub key: Option<KeyId>,
    /// What it may do.
    pub scopes: Scopes,
    /// How much.
    pub quota: Arc<Quota>,
    /// Cancelled when the key does not work any more, or its session has ended.
    pub ended: CancellationToken,
    /// When it came with its request, and in which trace.
    pub asked: Asked,
    /// By which session, where no key was shown.
    pub session: Option<BySession>,
}

impl Caller {
    /// The tenant's name, for the store.
    #[must_use]
    pub fn owner(&self) -> String {
        self.tenant.as_str().to_owned()
    }

    /// Whether it may do this.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.has(scope)
    }
}

/// Why nobody is let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Denied {
    /// No key was shown.
    NoKey,
    /// What was shown is no key that works.
    NoSuchKey,
    /// Too many from this address were no keys; when the next is looked at.
    Shut(Duration),
}

/// More requests than a tenant may make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooMany {
    /// As many as it may make in a second.
    pub maximum: u64,
    /// When it may again.
    pub retry_after: Duration,
}

/// What a gate is made of.
#[derive(Clone, Debug)]
pub struct GateParts {
    /// The roll as it is.
    pub roll: Roll,
    /// The quota of tenants without settings.
    pub quota: Quota,
    /// Only this machine can connect.
    pub is_local: bool,
}

/// The gate.
#[derive(Debug)]
pub struct Gate {
    entries: RwLock<Arc<Entries>>,
    quota: Arc<Quota>,
    /// Of the default tenant while no key was made: everybody there is the operator.
    open_quota: Arc<Quota>,
    is_local: bool,
    /// The master's own key, for what runs in its process; never kept.
    own: Secret,
    own_digest: Digest256,
    logins: Mutex<Logins>,
    sessions: Mutex<sessions::Table>,
    rates: Mutex<HashMap<Tenant, Bucket>>,
    /// The generation that holds, for who waits for it.
    holds: watch::Sender<u64>,
    /// Somebody waits for the keeper's next look.
    asked: Notify,
}

impl Gate {
    /// A gate with the roll of this moment.
    #[must_use]
    pub fn new(parts: GateParts, now: UnixTime) -> Self {
        let GateParts { roll, quota, is_local } = parts;
        let open_quota = Arc::new(Quota { priority_max: None, ..quota.clone() });
        let quota = Arc::new(quota);
        let entries = Entries::new(roll, &quota, &Entries::default(), now);
        let own = Secret::generate();
        Self {
            holds: watch::Sender::new(entries.generation()),
            asked: Notify::new(),
            entries: RwLock::new(Arc::new(entries)),
            quota,
            open_quota,
            is_local,
            own_digest: own.digest(),
            own,
            logins: Mutex::default(),
            sessions: Mutex::default(),
            rates: Mutex::default(),
        }
    }

    /// The key of the master's own process, for as long as it lives.
    #[must_use]
    pub fn own(&self) -> &Secret {
        &self.own
    }

    /// Whether everybody is let in.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_local && self.entries().is_empty()
    }

    /// Who shows this from there.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn admit(&self, shown: Option<&str>, from: IpAddr, now: Instant, time: UnixTime) -> Result<Caller, Denied> {
        let entries = self.entries();
        let is_open = self.is_local && entries.is_empty();
        let Some(shown) = shown else { return if is_open { Ok(self.anybody(&entries)) } else { Err(Denied::NoKey) } };
        let digest = Secret::parse(shown).map(|secret| secret.digest());
        if digest.is_some_and(|digest| digest == self.own_digest) {
            let (ended, quota) = (CancellationToken::new(), Arc::default());
            return Ok(Caller { ended, quota, ..self.anybody(&entries) });
        }
        let found = digest.and_then(|digest| entries.find(&digest, time));
        if is_open {
            // Nothing is there to be guessed, and whoever believes to have a key must hear of it.
            return Err(Denied::NoSuchKey);
        }
        // A key that works is let in whatever others do from its address: 256 bits are not guessed, so
        // nothing is bought by not looking, and it would be anybody's to keep a proxy's clients out.
        found.ok_or_else(|| {
            let mut logins = lock(&self.logins);
            match logins.look(from, now) {
                Ok(()) => {
                    logins.failed(from, now);
                    Denied::NoSuchKey
                }
                Err(wait) => Denied::Shut(wait),
            }
        })
    }

    /// Counts a request of a tenant.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn take_turn(&self, caller: &Caller, now: Instant) -> Result<(), TooMany> {
        let Some(maximum) = caller.quota.requests_per_second else { return Ok(()) };
        let capacity = u32::try_from(maximum).unwrap_or(u32::MAX);
        let mut rates = lock(&self.rates);
        if rates.len() >= RATES_MAX {
            rates.retain(|_, bucket| !bucket.is_full(now));
        }
        let bucket = rates.entry(caller.tenant.clone()).or_insert_with(|| Bucket::new(capacity, SECOND));
        if !bucket.is_of(capacity) {
            *bucket = Bucket::new(capacity, SECOND);
        }
        bucket.take(now).map_err(|retry_after| TooMany { maximum, retry_after })
    }

    /// How much a tenant may take.
    #[must_use]
    pub fn quota_of(&self, tenant: &str) -> Arc<Quota> {
        self.entries().quota_of(tenant).unwrap_or_else(|| Arc::clone(&self.quota))
    }

    /// Every tenant that has a key or settings.
    #[must_use]
    pub fn tenants(&self) -> Vec<Tenant> {
        self.entries().tenants()
    }

    /// How many jobs of each tenant may be at agents at once.
    #[must_use]
    pub fn running_bounds(&self) -> RunningBounds {
        let entries = self.entries();
        let (tenants, weights) = (entries.running_bounds(), entries.weights());
        RunningBounds { default: self.quota.running_jobs, tenants, weights }
    }

    /// From here on this roll holds: callers whose key is not in it are ended.
    pub fn replace(&self, roll: Roll, now: UnixTime) {
        let before = self.entries();
        let entries = Arc::new(Entries::new(roll, &self.quota, &before, now));
        *self.entries.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&entries);
        before.end_those_not_in(&entries);
        self.holds.send_replace(entries.generation());
    }

    /// Waits until the gate goes by this change of the store; the keeper looks at once.
    pub async fn goes_by(&self, change: u64) {
        let mut holds = self.holds.subscribe();
        self.asked.notify_one();
        // It fails only where the gate is gone, which this holds.
        let _ = holds.wait_for(|generation| *generation >= change).await;
    }

    /// Until somebody waits for a look. One waits for that at a time.
    async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Ends callers whose key has expired, and sessions that are over.
    pub fn expire(&self, now: UnixTime) {
        self.entries().expire(now);
        self.sweep_sessions(Instant::now(), now);
    }

    /// The generation of the roll that holds.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.entries().generation()
    }

    /// The default tenant, that may everything.
    fn anybody(&self, entries: &Entries) -> Caller {
        let tenant = Tenant::default();
        let quota = entries.quota_of(tenant.as_str()).unwrap_or_else(|| Arc::clone(&self.open_quota));
        let (ended, asked) = (entries.open_ends(), Asked::default());
        Caller { tenant, key: None, scopes: Scopes::ALL, quota, ended, asked, session: None }
    }

    fn entries(&self) -> Arc<Entries> {
        Arc::clone(&self.entries.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
