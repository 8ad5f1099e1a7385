//! The desk at which keys are made, beside a running master or without one.
//!
//! It has a connection of its own: SQLite orders its writes and the master's. Where no master runs
//! it makes the database, or brings it up to date, as a master would.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use tokio::time::{Instant, interval};

use super::rules::{self, KeyRefusal, NewKey, Ruled};
use super::{KeyRecord, rows};
use crate::access::{Secret, Settings, Tenant};
use crate::store::record::UnixTime;
use crate::store::{OpenError, StoreError, open};

/// Longest wait for the running master to say that it has seen a change.
const SEEN_WAIT: Duration = Duration::from_secs(5);
/// Pause between two looks whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Why something was not done; nothing of it was kept.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The database cannot be opened.
    #[error("the database cannot be opened")]
    Open(#[from] OpenError),
    /// It failed.
    #[error("the database failed")]
    Store(#[from] StoreError),
    /// A rule is against it.
    #[error(transparent)]
    Refused(#[from] KeyRefusal),
    /// The running master has another version of the database.
    #[error("{} has schema {found}, this program knows {known}; use the program of the running master", path.display())]
    OtherVersion {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
    },
}

impl From<rusqlite::Error> for DeskError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<io::Error> for DeskError {
    fn from(error: io::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Whether the change holds by now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// The running master goes by it.
    Seen,
    /// No master runs; the next one will.
    NoMaster,
    /// A master runs and has not said so in time; it looks several times a second.
    NotYet,
}

/// The desk.
#[derive(Debug)]
pub struct Desk {
    connection: Connection,
    /// Held while no master runs, so that none starts in between.
    _lock: Option<std::fs::File>,
    is_alone: bool,
}

impl Desk {
    /// Opens the database below `dir`.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn open(dir: &Path) -> Result<Self, DeskError> {
        match open::prepared(dir) {
            Ok((connection, lock)) => Ok(Self { connection, _lock: Some(lock), is_alone: true }),
            Err(OpenError::InUse { .. }) => {
                let (connection, path, found, known) = open::beside(dir)?;
                if found != known {
                    return Err(DeskError::OtherVersion { path, found, known });
                }
                Ok(Self { connection, _lock: None, is_alone: false })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a key; its secret is known to nobody else from here on.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn create(&mut self, new: NewKey, now: UnixTime) -> Result<(KeyRecord, Secret, u64), DeskError> {
        let (key, secret) = (new.record(now), Secret::generate());
        let ((), change) = self.change(|c| rules::create(c, &key, &secret.digest()))?;
        Ok((key, secret, change))
    }

    /// Every key, the oldest first.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn keys(&self) -> Result<Vec<KeyRecord>, DeskError> {
        Ok(rows::keys(&self.connection)?)
    }

    /// Ends a key for good; again and again if you like.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn revoke(&mut self, id: &str, now: UnixTime) -> Result<(KeyRecord, u64), DeskError> {
        self.change(|c| rules::revoke(c, id, now))
    }

    /// A new secret for a key; the one of before works for `grace`.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn rotate(&mut self, id: &str, grace: Duration, now: UnixTime) -> Result<(KeyRecord, Secret, u64), DeskError> {
        let secret = Secret::generate();
        let (key, change) = self.change(|c| rules::rotate(c, id, &secret.digest(), grace, now))?;
        Ok((key, secret, change))
    }

    /// The settings of every tenant that has any.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn settings(&self) -> Result<Vec<(Tenant, Settings)>, DeskError> {
        Ok(rows::all_settings(&self.connection)?)
    }

    /// Changes a tenant's settings.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn set(&mut self, tenant: &Tenant, change: impl Fn(&mut Settings)) -> Result<(Settings, u64), DeskError> {
        self.change(|c| rules::set(c, tenant, change))
    }

    /// Waits (bounded) until the running master goes by a change.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn told(&self, change: u64) -> Result<Told, DeskError> {
        if self.is_alone {
            return Ok(Told::NoMaster);
        }
        // Another process, which cannot be awaited: it is looked at again and again.
        let mut looks = interval(LOOK_EVERY);
        let deadline = Instant::now() + SEEN_WAIT;
        while Instant::now() < deadline {
            looks.tick().await;
            if rows::seen(&self.connection)? >= change {
                return Ok(Told::Seen);
            }
        }
        Ok(Told::NotYet)
    }

    /// Its connection, for what else a command of the operator changes.
    pub(in crate::store) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Makes a change whole or not at all; its number.
    fn change<T>(&mut self, make: impl FnOnce(&Connection) -> Ruled<T>) -> Result<(T, u64), DeskError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let made = make(&transaction)??;
        let number = rows::changed(&transaction)?;
        transaction.commit()?;
        Ok((made, number))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{KEY_ENDED_AGE, KEYS_MAX, SECRETS_MAX};
    use super::*;
    use crate::store::Store;

    fn new(tenant: &str) -> NewKey {
        let scopes = "submit".parse().unwrap();
        NewKey { tenant: tenant.parse().unwrap(), name: "n".into(), scopes, lasts: Some(Duration::from_secs(60)) }
    }

    #[tokio::test]
    async fn keys_are_made_before_and_beside_a_master_which_sees_them() {
        let dir = tempfile::tempdir().unwrap();
        let now = UnixTime::now();
        let (before, secret, change) = Desk::open(dir.path()).unwrap().create(new("a"), now).unwrap();
        let store = Store::open(dir.path(), Arc::default()).unwrap().store;
        let roll = store.roll(None).await.unwrap().unwrap();
        assert_eq!((roll.generation, roll.keys, roll.secrets[0].digest), (change, vec![before], secret.digest()));
        assert!(store.roll(Some(change)).await.unwrap().is_none(), "nothing has changed");

        let mut desk = Desk::open(dir.path()).unwrap();
        let (_, _, change) = desk.create(new("b"), now).unwrap();
        let roll = store.roll(Some(change - 1)).await.unwrap().unwrap();
        assert_eq!(roll.keys.len(), 2);
        store.roll_seen(change).await.unwrap();
        assert_eq!(desk.told(change).await.unwrap(), Told::Seen);
    }

    #[tokio::test]
    async fn no_secret_is_kept_and_a_revoked_key_has_none() {
        let dir = tempfile::tempdir().unwrap();
        let mut desk = Desk::open(dir.path()).unwrap();
        let now = UnixTime::now();
        let (key, secret, change) = desk.create(new("a"), now).unwrap();
        assert_eq!(desk.told(change).await.unwrap(), Told::NoMaster);
        for name in ["enclos.db", "enclos.db-wal"] {
            let bytes = std::fs::read(dir.path().join(name)).unwrap_or_default();
            let secret = secret.expose().as_bytes();
            assert!(!bytes.windows(secret.len()).any(|w| w == secret), "{name}");
        }
        desk.revoke(key.id.as_str(), now).unwrap();
        let roll = rows::roll_unless(&desk.connection, None).unwrap().unwrap();
        assert!(roll.secrets.is_empty() && !roll.keys[0].works(now));
        assert!(matches!(
            desk.rotate(key.id.as_str(), Duration::ZERO, now),
            Err(DeskError::Refused(KeyRefusal::Ended(_)))
        ));
        assert!(matches!(desk.revoke("key-0", now), Err(DeskError::Refused(KeyRefusal::NoSuchKey(_)))));
    }

    #[test]
    fn after_a_rotation_the_secret_of_before_ends_with_its_grace_and_never_later() {
        let dir = tempfile::tempdir().unwrap();
        let mut desk = Desk::open(dir.path()).unwrap();
        let (now, hour) = (UnixTime(1_000_000), Duration::from_secs(3600));
        let (key, first, _) = desk.create(new("a"), now).unwrap();
        let key = KeyRecord { expires: None, ..key };
        let id = key.id.as_str();
        let (_, second, _) = desk.rotate(id, hour, now).unwrap();
        let (_, third, _) = desk.rotate(id, hour * 2, now).unwrap();
        let roll = rows::roll_unless(&desk.connection, None).unwrap().unwrap();
        let end = |secret: &Secret| roll.secrets.iter().find(|s| s.digest == secret.digest()).map(|s| s.ends);
        assert_eq!(end(&first), Some(Some(now.after(hour))));
        assert_eq!(end(&second), Some(Some(now.after(hour * 2))));
        assert_eq!(end(&third), Some(None));
        desk.rotate(id, Duration::ZERO, now).unwrap();
        let roll = rows::roll_unless(&desk.connection, None).unwrap().unwrap();
        assert_eq!(roll.secrets.len(), 1, "without grace the old ones are gone");
    }

    #[test]
    fn a_key_that_is_rotated_again_and_again_has_few_secrets() {
        let dir = tempfile::tempdir().unwrap();
        let mut desk = Desk::open(dir.path()).unwrap();
        let (key, ..) = desk.create(new("a"), UnixTime(0)).unwrap();
        let rotated: Vec<Secret> = (0..20)
            .map(|second| {
                let now = UnixTime(0).after(Duration::from_secs(second));
                desk.rotate(key.id.as_str(), Duration::from_secs(3600), now).unwrap().1
            })
            .collect();
        let roll = rows::roll_unless(&desk.connection, None).unwrap().unwrap();
        assert_eq!(roll.secrets.len(), SECRETS_MAX);
        let newest = &rotated[rotated.len() - SECRETS_MAX..];
        assert!(newest.iter().all(|secret| roll.secrets.iter().any(|s| s.digest == secret.digest())));
    }

    #[test]
    fn keys_that_ended_long_ago_make_room_and_no_other_does() {
        let dir = tempfile::tempdir().unwrap();
        let mut desk = Desk::open(dir.path()).unwrap();
        let now = UnixTime::now();
        let long_ago = now.before(KEY_ENDED_AGE + Duration::from_secs(1));
        let (works, ..) = desk.create(NewKey { lasts: None, ..new("a") }, now).unwrap();
        let fill = |desk: &Desk, revoked: UnixTime| {
            let sql = "WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
                       INSERT OR REPLACE INTO keys (id, tenant, name, scopes, created_us, expires_us, revoked_us)
                       SELECT 'key-' || i, 'a', '', 1, 0, NULL, ?2 FROM n";
            desk.connection.execute(sql, rusqlite::params![KEYS_MAX as i64, revoked.0]).unwrap();
        };
        fill(&desk, now);
        let full = desk.create(new("b"), now);
        assert!(matches!(full, Err(DeskError::Refused(KeyRefusal::TooMany(KEYS_MAX, _)))), "{full:?}");
        fill(&desk, long_ago);
        let (made, ..) = desk.create(new("b"), now).unwrap();
        let left: Vec<_> = rows::keys(&desk.connection).unwrap().into_iter().map(|key| key.id).collect();
        assert_eq!(left.len(), 2);
        assert!(left.contains(&works.id) && left.contains(&made.id));
    }
}
