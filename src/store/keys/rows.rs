//! The statements about keys and tenants.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{KeyRecord, Roll, SecretRecord};
use crate::access::{Digest256, KeyId, Scopes, Settings, Tenant};
use crate::store::read::{count, wrong};
use crate::store::record::UnixTime;
use crate::store::write::to_i64;

const COLUMNS: &str = "id, tenant, name, scopes, created_us, expires_us, revoked_us";

pub(super) fn generation(c: &Connection) -> rusqlite::Result<u64> {
    meta(c, "access")
}

pub(super) fn seen(c: &Connection) -> rusqlite::Result<u64> {
    meta(c, "access_seen")
}

fn meta(c: &Connection, key: &str) -> rusqlite::Result<u64> {
    c.prepare_cached("SELECT value FROM meta WHERE key = ?")?
        .query_row([key], |row| count(row, 0).map(Option::unwrap_or_default))
}

pub(super) fn set_seen(c: &Connection, generation: u64) -> rusqlite::Result<()> {
    let sql = "UPDATE meta SET value = ? WHERE key = 'access_seen'";
    c.prepare_cached(sql)?.execute([to_i64(generation)]).map(|_| ())
}

/// One change more; its number.
pub(super) fn changed(c: &Connection) -> rusqlite::Result<u64> {
    let sql = "UPDATE meta SET value = value + 1 WHERE key = 'access' RETURNING value";
    c.query_row(sql, [], |row| count(row, 0).map(Option::unwrap_or_default))
}

pub(super) fn roll_unless(c: &Connection, known: Option<u64>) -> rusqlite::Result<Option<Roll>> {
    if known.is_some() && known == Some(generation(c)?) {
        return Ok(None);
    }
    // One transaction: a key is never seen without its secrets, nor with those of later.
    let transaction = c.unchecked_transaction()?;
    let generation = generation(&transaction)?;
    let mut select = transaction.prepare("SELECT digest, key, ends_us FROM secrets")?;
    let secrets = select.query_map([], secret)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut select = transaction.prepare("SELECT name, settings FROM tenants")?;
    let settings = select.query_map([], |row| Ok((tenant(row, 0)?, settings(row, 1)?)))?;
    let settings = settings.collect::<rusqlite::Result<_>>()?;
    Ok(Some(Roll { generation, keys: keys(&transaction)?, secrets, settings }))
}

pub(super) fn keys(c: &Connection) -> rusqlite::Result<Vec<KeyRecord>> {
    let mut select = c.prepare(&format!("SELECT {COLUMNS} FROM keys ORDER BY created_us, id"))?;
    select.query_map([], key)?.collect()
}

pub(super) fn key_of(c: &Connection, id: &str) -> rusqlite::Result<Option<KeyRecord>> {
    c.query_row(&format!("SELECT {COLUMNS} FROM keys WHERE id = ?"), [id], key).optional()
}

fn key(row: &Row<'_>) -> rusqlite::Result<KeyRecord> {
    Ok(KeyRecord {
        id: KeyId::known(row.get_ref(0)?.as_str()?),
        tenant: tenant(row, 1)?,
        name: row.get(2)?,
        scopes: Scopes::from_code(row.get(3)?),
        created: UnixTime(row.get(4)?),
        expires: row.get::<_, Option<i64>>(5)?.map(UnixTime),
        revoked: row.get::<_, Option<i64>>(6)?.map(UnixTime),
    })
}

fn secret(row: &Row<'_>) -> rusqlite::Result<SecretRecord> {
    let key = KeyId::known(row.get_ref(1)?.as_str()?);
    Ok(SecretRecord { digest: row.get(0)?, key, ends: row.get::<_, Option<i64>>(2)?.map(UnixTime) })
}

fn tenant(row: &Row<'_>, column: usize) -> rusqlite::Result<Tenant> {
    row.get_ref(column)?.as_str()?.parse().map_err(|e: crate::access::NotAName| wrong(column, &e.to_string()))
}

fn settings(row: &Row<'_>, column: usize) -> rusqlite::Result<Settings> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|e| wrong(column, &e.to_string()))
}

pub(super) fn counted(c: &Connection, table: &str) -> rusqlite::Result<usize> {
    let rows: i64 = c.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
    Ok(usize::try_from(rows).unwrap_or(usize::MAX))
}

pub(super) fn insert(c: &Connection, key: &KeyRecord, digest: &Digest256) -> rusqlite::Result<()> {
    let KeyRecord { id, tenant, name, scopes, created, expires, revoked } = key;
    let (expires, revoked) = (expires.map(|t| t.0), revoked.map(|t| t.0));
    c.execute(
        &format!("INSERT INTO keys ({COLUMNS}) VALUES (?,?,?,?,?,?,?)"),
        params![id.as_str(), tenant.as_str(), name, scopes.code(), created.0, expires, revoked],
    )?;
    insert_secret(c, id, digest)
}

pub(super) fn insert_secret(c: &Connection, key: &KeyId, digest: &Digest256) -> rusqlite::Result<()> {
    let sql = "INSERT INTO secrets (digest, key, ends_us) VALUES (?,?,NULL)";
    c.execute(sql, params![digest, key.as_str()]).map(|_| ())
}

/// The secrets of before end at `end` and not later; what has ended is forgotten.
pub(super) fn end_secrets(c: &Connection, key: &KeyId, now: UnixTime, end: UnixTime) -> rusqlite::Result<()> {
    let sql = "UPDATE secrets SET ends_us = min(coalesce(ends_us, ?2), ?2) WHERE key = ?1";
    c.execute(sql, params![key.as_str(), end.0])?;
    c.execute("DELETE FROM secrets WHERE key = ? AND ends_us <= ?", params![key.as_str(), now.0]).map(|_| ())
}

/// Of a key's secrets those that end last.
pub(super) fn keep_secrets(c: &Connection, key: &KeyId, max: usize) -> rusqlite::Result<()> {
    let sql = "DELETE FROM secrets WHERE key = ?1 AND digest NOT IN
               (SELECT digest FROM secrets WHERE key = ?1 ORDER BY ends_us IS NULL DESC, ends_us DESC LIMIT ?2)";
    c.execute(sql, params![key.as_str(), to_i64(max as u64)]).map(|_| ())
}

pub(super) fn forget_keys_ended_before(c: &Connection, then: UnixTime) -> rusqlite::Result<()> {
    let ended = "SELECT id FROM keys WHERE min(coalesce(revoked_us, expires_us), coalesce(expires_us, revoked_us)) < ?";
    c.execute(&format!("DELETE FROM secrets WHERE key IN ({ended})"), [then.0])?;
    c.execute(&format!("DELETE FROM keys WHERE id IN ({ended})"), [then.0]).map(|_| ())
}

pub(super) fn revoke(c: &Connection, key: &KeyId, now: UnixTime) -> rusqlite::Result<()> {
    c.execute("UPDATE keys SET revoked_us = coalesce(revoked_us, ?2) WHERE id = ?1", params![key.as_str(), now.0])?;
    c.execute("DELETE FROM secrets WHERE key = ?", [key.as_str()]).map(|_| ())
}

pub(super) fn settings_of(c: &Connection, tenant: &Tenant) -> rusqlite::Result<Option<Settings>> {
    let sql = "SELECT settings FROM tenants WHERE name = ?";
    c.query_row(sql, [tenant.as_str()], |row| settings(row, 0)).optional()
}

pub(super) fn all_settings(c: &Connection) -> rusqlite::Result<Vec<(Tenant, Settings)>> {
    let mut select = c.prepare("SELECT name, settings FROM tenants ORDER BY name")?;
    select.query_map([], |row| Ok((tenant(row, 0)?, settings(row, 1)?)))?.collect()
}

pub(super) fn set_settings(c: &Connection, tenant: &Tenant, settings: &Settings) -> rusqlite::Result<()> {
    let text = serde_json::to_string(settings).map_err(|e| wrong(1, &e.to_string()))?;
    c.execute("INSERT OR REPLACE INTO tenants VALUES (?,?)", params![tenant.as_str(), text]).map(|_| ())
}
