//! Changes of keys and tenants by the master itself, through its one writer.

use std::time::Duration;

use rusqlite::Connection;

use super::rules::{self, KeyRefusal, NewKey, Ruled};
use super::{DeskError, KeyRecord, rows};
use crate::access::{Secret, SettingArgs, Settings, Tenant};
use crate::store::Store;
use crate::store::record::UnixTime;
use crate::store::writer::Operation;

/// A change, and its number where it was made.
struct Change<M>(M);

impl<T: Send + 'static, M: Fn(&Connection) -> Ruled<T> + Send + 'static> Operation for Change<M> {
    type Answer = Result<(T, u64), KeyRefusal>;

    fn apply(&self, c: &Connection) -> rusqlite::Result<Self::Answer> {
        match (self.0)(c)? {
            Ok(made) => Ok(Ok((made, rows::changed(c)?))),
            Err(refusal) => Ok(Err(refusal)),
        }
    }
}

impl Store {
    /// Makes a key; its secret is known to nobody else from here on.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn create_key(&self, new: NewKey, now: UnixTime) -> Result<(KeyRecord, Secret, u64), DeskError> {
        let (key, secret) = (new.record(now), Secret::generate());
        let (record, digest) = (key.clone(), secret.digest());
        let ((), number) = self.change(move |c| rules::create(c, &record, &digest)).await?;
        Ok((key, secret, number))
    }

    /// Ends a key for good.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn revoke_key(&self, id: String, now: UnixTime) -> Result<u64, DeskError> {
        self.change(move |c| rules::revoke(c, &id, now)).await.map(|(_, number)| number)
    }

    /// A new secret for a key; the one of before works for `grace`.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn rotate_key(
        &self,
        id: String,
        grace: Duration,
        now: UnixTime,
    ) -> Result<(KeyRecord, Secret, u64), DeskError> {
        let secret = Secret::generate();
        let digest = secret.digest();
        let (key, number) = self.change(move |c| rules::rotate(c, &id, &digest, grace, now)).await?;
        Ok((key, secret, number))
    }

    /// Changes a tenant's settings.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn set_tenant(&self, tenant: Tenant, given: SettingArgs) -> Result<(Settings, u64), DeskError> {
        self.change(move |c| rules::set(c, &tenant, |settings| given.apply(settings))).await
    }

    /// A key without its secrets, or `None`.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn key(&self, id: String) -> Result<Option<KeyRecord>, DeskError> {
        Ok(self.readers.run(move |c| rows::key_of(c, &id)).await?)
    }

    /// Every key, the oldest first.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn keys(&self) -> Result<Vec<KeyRecord>, DeskError> {
        Ok(self.readers.run(rows::keys).await?)
    }

    /// The settings of every tenant that has any.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn settings(&self) -> Result<Vec<(Tenant, Settings)>, DeskError> {
        Ok(self.readers.run(rows::all_settings).await?)
    }

    async fn change<T: Send + 'static>(
        &self,
        make: impl Fn(&Connection) -> Ruled<T> + Send + 'static,
    ) -> Result<(T, u64), DeskError> {
        Ok(self.writer.write(Change(make)).await??)
    }
}
