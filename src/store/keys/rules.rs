//! What a change of keys or tenants has to keep to, whoever asks for it: the command line beside the
//! master, or the master itself. Each looks before it writes, so that a refusal has changed nothing.

use std::time::Duration;

use rusqlite::Connection;

use super::{KEY_ENDED_AGE, KEYS_MAX, KeyRecord, SECRETS_MAX, TENANTS_MAX, rows};
use crate::access::{Digest256, KeyId, Scopes, Settings, Tenant};
use crate::store::record::UnixTime;

/// Why a change was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyRefusal {
    /// There is no such key.
    #[error("there is no key '{0}'; `enclos keys list` shows them")]
    NoSuchKey(String),
    /// It does not work any more.
    #[error("'{0}' was revoked or has expired; create a new key")]
    Ended(String),
    /// There are as many as there may be.
    #[error("there are {0} {1} already, which is the most there may be")]
    TooMany(usize, &'static str),
}

/// A key to make.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Whose.
    pub tenant: Tenant,
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// For how long it works.
    pub lasts: Option<Duration>,
}

impl NewKey {
    /// The key, made at `now`.
    pub(super) fn record(self, now: UnixTime) -> KeyRecord {
        let Self { tenant, name, scopes, lasts } = self;
        let expires = lasts.map(|lasts| now.after(lasts));
        KeyRecord { id: KeyId::generate(), tenant, name, scopes, created: now, expires, revoked: None }
    }
}

/// What a change came to.
pub(super) type Ruled<T> = rusqlite::Result<Result<T, KeyRefusal>>;

pub(super) fn create(c: &Connection, key: &KeyRecord, digest: &Digest256) -> Ruled<()> {
    if rows::counted(c, "keys")? >= KEYS_MAX {
        rows::forget_keys_ended_before(c, key.created.before(KEY_ENDED_AGE))?;
    }
    if rows::counted(c, "keys")? >= KEYS_MAX {
        return Ok(Err(KeyRefusal::TooMany(KEYS_MAX, "keys")));
    }
    rows::insert(c, key, digest).map(Ok)
}

/// Again and again if you like; the key as it was.
pub(super) fn revoke(c: &Connection, id: &str, now: UnixTime) -> Ruled<KeyRecord> {
    let Some(key) = rows::key_of(c, id)? else { return Ok(Err(KeyRefusal::NoSuchKey(id.to_owned()))) };
    rows::revoke(c, &key.id, now)?;
    Ok(Ok(key))
}

/// From here on the key has the secret of this digest; the one of before works for `grace`.
pub(super) fn rotate(c: &Connection, id: &str, digest: &Digest256, grace: Duration, now: UnixTime) -> Ruled<KeyRecord> {
    let Some(key) = rows::key_of(c, id)? else { return Ok(Err(KeyRefusal::NoSuchKey(id.to_owned()))) };
    if !key.works(now) {
        return Ok(Err(KeyRefusal::Ended(id.to_owned())));
    }
    rows::end_secrets(c, &key.id, now, now.after(grace))?;
    rows::insert_secret(c, &key.id, digest)?;
    rows::keep_secrets(c, &key.id, SECRETS_MAX)?;
    Ok(Ok(key))
}

pub(super) fn set(c: &Connection, tenant: &Tenant, change: impl Fn(&mut Settings)) -> Ruled<Settings> {
    let known = rows::settings_of(c, tenant)?;
    if known.is_none() && rows::counted(c, "tenants")? >= TENANTS_MAX {
        return Ok(Err(KeyRefusal::TooMany(TENANTS_MAX, "tenants with settings")));
    }
    let mut settings = known.unwrap_or_default();
    change(&mut settings);
    rows::set_settings(c, tenant, &settings)?;
    Ok(Ok(settings))
}
