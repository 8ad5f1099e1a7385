//! The roll as it is looked at: by the digest of a secret.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Caller;
use crate::access::{Digest256, KeyId, Quota, Scopes, Tenant};
use crate::store::{KeyRecord, Roll, SecretRecord, UnixTime};
use crate::traces::Asked;

#[derive(Debug)]
struct Entry {
    key: KeyId,
    tenant: Tenant,
    scopes: Scopes,
    ends: Option<UnixTime>,
    /// The same from roll to roll, for as long as the secret works.
    ended: CancellationToken,
}

/// What a roll comes to. Secrets of keys that do not work are left out.
#[derive(Debug, Default)]
pub(super) struct Entries {
    generation: u64,
    /// No key was ever made.
    is_empty: bool,
    by_digest: HashMap<Digest256, Entry>,
    quotas: BTreeMap<Tenant, Arc<Quota>>,
    default: Arc<Quota>,
    tenants: BTreeSet<Tenant>,
    /// Of callers without a key: ended when there is the first one.
    open: CancellationToken,
}

impl Entries {
    pub(super) fn new(roll: Roll, default: &Arc<Quota>, before: &Self, now: UnixTime) -> Self {
        let Roll { generation, keys, secrets, settings } = roll;
        let quotas: BTreeMap<_, _> = settings.into_iter().map(|(t, s)| (t, Arc::new(s.over(default)))).collect();
        let tenants = keys.iter().map(|key| &key.tenant).chain(quotas.keys()).cloned().collect();
        let is_empty = keys.is_empty();
        let keys: HashMap<KeyId, KeyRecord> =
            keys.into_iter().filter(|key| key.works(now)).map(|key| (key.id.clone(), key)).collect();
        let entry = |SecretRecord { digest, key, ends }: SecretRecord| {
            let KeyRecord { id, tenant, scopes, expires, .. } = keys.get(&key)?;
            let ends = [*expires, ends].into_iter().flatten().min();
            if ends.is_some_and(|end| end <= now) {
                return None;
            }
            let ended = before.by_digest.get(&digest).map(|entry| entry.ended.clone()).unwrap_or_default();
            let (key, tenant, scopes) = (id.clone(), tenant.clone(), *scopes);
            Some((digest, Entry { key, tenant, scopes, ends, ended }))
        };
        let by_digest = secrets.into_iter().filter_map(entry).collect();
        Self {
            generation,
            is_empty,
            by_digest,
            quotas,
            default: Arc::clone(default),
            tenants,
            open: before.open.clone(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn find(&self, digest: &Digest256, now: UnixTime) -> Option<Caller> {
        let entry = self.by_digest.get(digest).filter(|e| e.ends.is_none_or(|end| now < end))?;
        let Entry { key, tenant, scopes, ended, .. } = entry;
        let quota = self.quotas.get(tenant).unwrap_or(&self.default);
        Some(Caller {
            tenant: tenant.clone(),
            key: Some(key.clone()),
            scopes: *scopes,
            quota: Arc::clone(quota),
            ended: ended.clone(),
            asked: Asked::default(),
            session: None,
        })
    }

    pub(super) fn quota_of(&self, tenant: &str) -> Option<Arc<Quota>> {
        self.quotas.get(tenant).map(Arc::clone)
    }

    pub(super) fn tenants(&self) -> Vec<Tenant> {
        self.tenants.iter().cloned().collect()
    }

    pub(super) fn running_bounds(&self) -> HashMap<Arc<str>, Option<u64>> {
        self.quotas.iter().map(|(tenant, quota)| (tenant.shared(), quota.running_jobs)).collect()
    }

    pub(super) fn weights(&self) -> HashMap<Arc<str>, u32> {
        self.quotas.iter().filter_map(|(tenant, quota)| Some((tenant.shared(), quota.weight?))).collect()
    }

    pub(super) fn open_ends(&self) -> CancellationToken {
        self.open.clone()
    }

    pub(super) fn end_those_not_in(&self, now: &Self) {
        let gone = self.by_digest.iter().filter(|(digest, _)| !now.by_digest.contains_key(*digest));
        gone.for_each(|(_, entry)| entry.ended.cancel());
        if !now.is_empty {
            now.open.cancel();
        }
    }

    pub(super) fn expire(&self, now: UnixTime) {
        let over = self.by_digest.values().filter(|entry| entry.ends.is_some_and(|end| end <= now));
        over.for_each(|entry| entry.ended.cancel());
    }
}
