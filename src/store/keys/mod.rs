//! Keys and tenants: kept in the database, changed by the command line beside a running master, or by the
//! master where an operator asks it to.
//!
//! ```text
//! enclos keys … ─▶ desk: its own connection ─┬─▶ rules ─▶ keys, secrets, tenants; counter + 1
//! POST /v1/keys … ─▶ within: the one writer ──┘
//! master ─▶ looks at the counter, again and again ─▶ reads all anew ─▶ writes down which it has seen
//! ```
//!
//! Of a secret only its SHA-256 is kept. A key has one secret, and for a while after it was rotated
//! the one of before.

mod desk;
mod rows;
mod rules;
mod within;

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::Connection;

use super::record::UnixTime;
use super::writer::Operation;
use super::{Store, StoreError};
use crate::access::{Digest256, KeyId, Scopes, Settings, Tenant};

pub use desk::{Desk, DeskError, Told};
pub use rules::{KeyRefusal, NewKey};

/// Keys that may be kept, revoked ones among them.
pub const KEYS_MAX: usize = 10_000;
/// Where there are so many, those that ended so long ago are forgotten.
pub const KEY_ENDED_AGE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Secrets of one key that work at once: the newest, and those whose grace is not over.
pub const SECRETS_MAX: usize = 4;
/// Tenants that may have settings of their own.
pub const TENANTS_MAX: usize = 1000;

/// A key, without its secrets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRecord {
    /// By what it is named.
    pub id: KeyId,
    /// Who it belongs to.
    pub tenant: Tenant,
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was made.
    pub created: UnixTime,
    /// When it ends by itself.
    pub expires: Option<UnixTime>,
    /// When it was revoked.
    pub revoked: Option<UnixTime>,
}

impl KeyRecord {
    /// Whether it works at this time.
    #[must_use]
    pub fn works(&self, now: UnixTime) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|end| now < end)
    }
}

/// A secret, as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecretRecord {
    /// Its SHA-256.
    pub digest: Digest256,
    /// Whose secret it is.
    pub key: KeyId,
    /// When it ends, after a rotation.
    pub ends: Option<UnixTime>,
}

/// Every key and every tenant's settings, read at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Roll {
    /// Count of the changes up to here.
    pub generation: u64,
    /// The keys.
    pub keys: Vec<KeyRecord>,
    /// Their secrets.
    pub secrets: Vec<SecretRecord>,
    /// Settings, by tenant.
    pub settings: BTreeMap<Tenant, Settings>,
}

impl Store {
    /// The roll; `None` where it is still of this generation.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn roll(&self, known: Option<u64>) -> Result<Option<Roll>, StoreError> {
        self.readers.run_promptly(move |c| rows::roll_unless(c, known)).await
    }

    /// Tells whoever waits for it that the roll of this generation holds from now on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn roll_seen(&self, generation: u64) -> Result<(), StoreError> {
        self.writer.write(Seen(generation)).await
    }
}

struct Seen(u64);

impl Operation for Seen {
    type Answer = ();

    fn apply(&self, c: &Connection) -> rusqlite::Result<()> {
        rows::set_seen(c, self.0)
    }
}
