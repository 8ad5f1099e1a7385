//! What is remembered, within bounds.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::group::Group;
use super::{Predictor, Subject};

/// By what something is remembered.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Key {
    pub(super) tenant: Arc<str>,
    pub(super) language: Arc<str>,
    /// 0: the group of all of them.
    pub(super) source: u64,
}

/// What is known of a tenant.
#[derive(Debug, Default)]
pub(super) struct Tenant {
    /// By language.
    pub(super) groups: BTreeMap<Arc<str>, Group>,
    /// Programs of all languages by when they last ran.
    pub(super) recent: BTreeMap<u64, (Arc<str>, u64)>,
}

impl Predictor {
    /// Makes room for a group, and the group. Its names, shared.
    pub(super) fn make_group(&mut self, subject: Subject<'_>) -> (Arc<str>, Arc<str>) {
        let known = self.tenants.get_key_value(subject.tenant);
        let tenant = known.map_or_else(|| Arc::from(subject.tenant), |(name, _)| Arc::clone(name));
        let known = self.languages.get_key_value(subject.language);
        let language = known.map_or_else(|| Arc::from(subject.language), |(name, _)| Arc::clone(name));
        let is_there = self.tenants.get(&tenant).is_some_and(|t| t.groups.contains_key(&language));
        if !is_there {
            if self.recent.len() >= self.bounds.groups_max.max(1) {
                self.forget_oldest_group();
            }
            self.tenants.entry(Arc::clone(&tenant)).or_default().groups.insert(Arc::clone(&language), Group::default());
        }
        (tenant, language)
    }

    /// Counts a tenant's programs.
    pub(super) fn count(&mut self, tenant: &Arc<str>, more: usize) {
        let now = self.tenants.get(tenant).map_or(0, |t| t.recent.len());
        self.crowd.remove(&(now - more, Arc::clone(tenant)));
        self.crowd.insert((now, Arc::clone(tenant)));
        self.programs += more;
    }

    /// While there are too many programs, the tenant with the most forgets its oldest: so nobody with
    /// less than an equal share loses one to a flood of others.
    pub(super) fn forget_above(&mut self) {
        while self.programs > self.bounds.programs_max.max(1) {
            let Some((count, tenant)) = self.crowd.pop_last() else { return };
            let owner = self.tenants.get_mut(&tenant).expect("its programs are counted");
            let (_, (language, source)) = owner.recent.pop_first().expect("it has the most");
            owner.groups.get_mut(&language).expect("it has programs").programs.remove(&source);
            self.programs -= 1;
            if count > 1 {
                self.crowd.insert((count - 1, Arc::clone(&tenant)));
            }
            self.note_forgotten(Key { tenant, language, source });
        }
    }

    fn forget_oldest_group(&mut self) {
        let Some((_, (tenant, language))) = self.recent.pop_first() else { return };
        let owner = self.tenants.get_mut(&tenant).expect("it has a group");
        let group = owner.groups.remove(&language).expect("it was listed");
        self.crowd.remove(&(owner.recent.len(), Arc::clone(&tenant)));
        for program in group.programs.values() {
            owner.recent.remove(&program.seen);
        }
        let left = owner.recent.len();
        if owner.groups.is_empty() {
            self.tenants.remove(&tenant);
        } else if left > 0 {
            self.crowd.insert((left, Arc::clone(&tenant)));
        }
        self.programs -= group.programs.len();
        if let Some(pool) = self.languages.get_mut(&language) {
            pool.take_out(&group, self.bounds.tenant_weight);
            if pool.tenants == 0 {
                self.languages.remove(&language);
            }
        }
        for source in group.programs.into_keys() {
            self.note_forgotten(Key { tenant: Arc::clone(&tenant), language: Arc::clone(&language), source });
        }
        self.note_forgotten(Key { tenant, language, source: 0 });
    }

    /// Notes that a key's row is to be written anew.
    pub(super) fn note(&mut self, key: Key) {
        if let Some(changed) = &mut self.changed {
            changed.insert(key);
        }
    }

    /// Notes that a key's row is to go. Where nobody takes the changes, it is not noted for ever: the
    /// next start meets the row, and has it go then if it is too many.
    fn note_forgotten(&mut self, key: Key) {
        let bound = self.bounds.programs_max.saturating_add(self.bounds.groups_max).saturating_mul(2);
        if let Some(changed) = self.changed.as_mut().filter(|changed| changed.len() < bound) {
            changed.insert(key);
        }
    }
}
