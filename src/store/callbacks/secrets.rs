//! The secrets by which tenants' callbacks are signed, sealed under a key that is not in the database.
//!
//! A tenant has one, and for a while after it was rotated the one of before.

use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior, params};

use crate::access::Tenant;
use crate::store::keys::{Desk, DeskError};
use crate::store::record::UnixTime;
use crate::store::writer::Operation;

/// Those that are good at `now`, the newest first.
pub(super) fn of(c: &Connection, tenant: &str, now: UnixTime) -> rusqlite::Result<Vec<Vec<u8>>> {
    let sql = "SELECT sealed FROM callback_secrets WHERE tenant = ? AND (ends_us IS NULL OR ends_us > ?)
               ORDER BY number DESC";
    c.prepare_cached(sql)?.query_map(params![tenant, now.0], |row| row.get(0))?.collect()
}

fn insert(c: &Connection, tenant: &str, sealed: &[u8], now: UnixTime) -> rusqlite::Result<()> {
    let sql = "INSERT INTO callback_secrets (tenant, number, sealed, created_us) VALUES
               (?1, (SELECT coalesce(max(number), 0) + 1 FROM callback_secrets WHERE tenant = ?1), ?2, ?3)";
    c.prepare_cached(sql)?.execute(params![tenant, sealed, now.0]).map(|_| ())
}

/// The newest of before ends at `end` and not later; all others are gone.
fn end_those_of_before(c: &Connection, tenant: &str, now: UnixTime, end: UnixTime) -> rusqlite::Result<()> {
    let sql = "DELETE FROM callback_secrets WHERE tenant = ?1 AND
               (ends_us <= ?2 OR ?3 <= ?2 OR number < (SELECT max(number) FROM callback_secrets WHERE tenant = ?1))";
    c.execute(sql, params![tenant, now.0, end.0])?;
    let sql = "UPDATE callback_secrets SET ends_us = min(coalesce(ends_us, ?2), ?2) WHERE tenant = ?1";
    c.execute(sql, params![tenant, end.0]).map(|_| ())
}

pub(super) struct AddFirst {
    pub(super) tenant: String,
    pub(super) sealed: Vec<u8>,
    pub(super) now: UnixTime,
}

impl Operation for AddFirst {
    type Answer = ();

    fn apply(&self, c: &Connection) -> rusqlite::Result<()> {
        if of(c, &self.tenant, self.now)?.is_empty() {
            insert(c, &self.tenant, &self.sealed, self.now)?;
        }
        Ok(())
    }
}

impl Desk {
    /// The secrets of a tenant that are good at `now`, sealed, the newest first; where there is none, `first`
    /// is kept before.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn callback_secrets(
        &mut self,
        tenant: &Tenant,
        first: Vec<u8>,
        now: UnixTime,
    ) -> Result<Vec<Vec<u8>>, DeskError> {
        let transaction = self.connection().transaction_with_behavior(TransactionBehavior::Immediate)?;
        AddFirst { tenant: tenant.to_string(), sealed: first, now }.apply(&transaction)?;
        let secrets = of(&transaction, tenant.as_str(), now)?;
        transaction.commit()?;
        Ok(secrets)
    }

    /// Keeps a new secret of a tenant; the one of before is good for `grace`.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn rotate_callback_secret(
        &mut self,
        tenant: &Tenant,
        sealed: &[u8],
        grace: Duration,
        now: UnixTime,
    ) -> Result<(), DeskError> {
        let transaction = self.connection().transaction_with_behavior(TransactionBehavior::Immediate)?;
        end_those_of_before(&transaction, tenant.as_str(), now, now.after(grace))?;
        insert(&transaction, tenant.as_str(), sealed, now)?;
        Ok(transaction.commit()?)
    }
}
