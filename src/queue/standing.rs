//! Where lines and tenants stand: the sets of a ready queue, kept to each other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::line::{Key, LineId, Place, TenantId};
use super::ready::{Order, ReadyQueue, TENANTS_REMEMBERED, micros};
use super::shapes::Shapes;
use super::share::{Rank, Tag, Tenant};
use crate::access::Priority;

/// The queue's clock begins so far before the queue, for jobs that came before it: a year.
pub(super) const CLOCK_BEGINS_US: u64 = 366 * 86_400 * 1_000_000;

impl ReadyQueue {
    /// The key of a job.
    pub(super) fn key(&self, order: Order, arrived: Instant, cost_us: u64) -> Key {
        Key { due: self.clock(arrived).saturating_add(self.rules.later(cost_us)), order }
    }

    /// Virtual time by which others may overtake a tenant's job that is expected to take so much.
    pub(super) fn later(&self, tenant: &Tenant, cost_us: u64) -> Tag {
        tenant.weighed(self.rules.later(cost_us))
    }

    /// The class that the head of a line has come to: by how long it waited, and only since a job of its
    /// tenant's last went that came with the same class. So a tenant with a long queue does not rise
    /// above the others with all of it, and a class that others starve rises.
    pub(super) fn class_of(&self, tenant: &Tenant, priority: Priority, key: Key) -> Priority {
        let since = key.due.max(tenant.turns[priority.index()]);
        let waited = Duration::from_micros(self.now.saturating_sub(since));
        priority.aged(waited, Duration::from_micros(self.ageing_us()))
    }

    /// A tenant's job went that came with this class: its lines of that class that had risen fall back.
    pub(super) fn had_turn(&mut self, id: TenantId, priority: Priority) {
        let Some(tenant) = self.tenants.get_mut(&id) else { return };
        tenant.turns[priority.index()] = self.now;
        let risen: Vec<LineId> = tenant.risen[priority.index()].iter().copied().collect();
        risen.into_iter().for_each(|line| self.relist(line));
    }

    pub(super) fn ageing_us(&self) -> u64 {
        micros(self.rules.ageing).max(1)
    }

    pub(super) fn now_us(&self) -> u64 {
        self.now
    }

    /// An instant by the queue's clock, in microseconds.
    pub(super) fn clock(&self, at: Instant) -> u64 {
        let since = micros(at.saturating_duration_since(self.begun));
        let until = micros(self.begun.saturating_duration_since(at));
        CLOCK_BEGINS_US.saturating_add(since).saturating_sub(until)
    }

    pub(super) fn tenant_of(&mut self, name: &Arc<str>) -> TenantId {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        self.forget_idle();
        let id = TenantId(self.next_tenant);
        self.next_tenant += 1;
        self.by_name.insert(Arc::clone(name), id);
        self.tenants.insert(id, Tenant::new(self.weights.get(name).copied().unwrap_or(1)));
        id
    }

    /// Forgets tenants that do not wait: what they owe is less than what remembering all would take.
    fn forget_idle(&mut self) {
        if self.tenants.len() < self.forget_at {
            return;
        }
        self.tenants.retain(|_, tenant| !tenant.is_idle());
        self.by_name.retain(|_, id| self.tenants.contains_key(id));
        self.forget_at = TENANTS_REMEMBERED.max(2 * self.tenants.len());
    }

    /// A line's head is another than `before`, or it has none any more: then it ends.
    pub(super) fn head_changed(&mut self, id: LineId, before: Option<Key>) {
        self.unlist(id, before);
        let line = self.lines.get(&id).expect("its head changed");
        let (tenant, place) = (line.tenant, line.place);
        if line.jobs.is_empty() {
            let line = self.lines.remove(&id).expect("it was just found");
            self.by_demand.remove(&(line.priority, line.demand));
            self.shapes.end(line.shape);
        } else {
            let place = if matches!(place, Place::Offered(_)) { self.offer(id) } else { place };
            self.list(id, place);
        }
        if let Place::Offered(class) = place {
            self.rank(tenant, class);
        }
    }

    /// The head of a line has waited for longer.
    pub(super) fn relist(&mut self, id: LineId) {
        self.move_line(id, self.offer(id));
    }

    pub(super) fn move_line(&mut self, id: LineId, to: Place) {
        let Some(line) = self.lines.get(&id) else { return };
        let (tenant, from, head) = (line.tenant, line.place, line.head().map(|(key, _)| key));
        self.unlist(id, head);
        self.list(id, to);
        if let Place::Offered(class) = from {
            self.rank(tenant, class);
        }
    }

    /// Where a line is offered: in the class that its head has come to.
    pub(super) fn offer(&self, id: LineId) -> Place {
        let line = self.lines.get(&id).expect("a line is offered that is there");
        let tenant = self.tenants.get(&line.tenant).expect("a line's tenant is known");
        Place::Offered(line.head().map_or(line.priority, |(key, _)| self.class_of(tenant, line.priority, key)))
    }

    /// Takes a line from where it stands.
    fn unlist(&mut self, id: LineId, head: Option<Key>) {
        let line = self.lines.get_mut(&id).expect("a line is listed that is there");
        if let Some(at) = line.rises.take() {
            self.rising.remove(&(at, id));
        }
        let Some(head) = head else { return };
        let tenant = self.tenants.get_mut(&line.tenant).expect("a line's tenant is known");
        match line.place {
            Place::Offered(class) => {
                self.offered.remove(&id);
                tenant.risen[line.priority.index()].remove(&id);
                tenant.flows[class.index()].heads.remove((head, id));
            }
            Place::Aside => drop(self.aside.remove(&id)),
            Place::Held => {
                tenant.held.remove(&(head, id));
                if tenant.held.is_empty() {
                    self.held.remove(&line.tenant);
                }
            }
        }
    }

    /// Has a line that has a head stand there.
    fn list(&mut self, id: LineId, place: Place) {
        let (ageing, line) = (self.ageing_us(), self.lines.get_mut(&id).expect("a line is listed that is there"));
        line.place = place;
        let (head, _) = line.head().expect("a line is listed for its head");
        let (tenant_id, priority, shape) = (line.tenant, line.priority, line.shape);
        let tenant = self.tenants.get_mut(&tenant_id).expect("a line's tenant is known");
        match place {
            Place::Offered(class) => {
                if class < Priority::High {
                    let classes = (class.index() - priority.index() + 1) as u64;
                    let since = head.due.max(tenant.turns[priority.index()]);
                    let at = since.saturating_add(classes.saturating_mul(ageing));
                    line.rises = Some(at);
                    self.rising.insert((at, id));
                }
                self.offered.insert(id);
                if class > priority {
                    tenant.risen[priority.index()].insert(id);
                }
                tenant.flows[class.index()].heads.put((head, id), Shapes::of(shape));
                self.rank(tenant_id, class);
            }
            Place::Aside => drop(self.aside.insert(id)),
            Place::Held => {
                tenant.held.insert((head, id));
                self.held.insert(tenant_id);
            }
        }
    }

    /// Puts a tenant where it belongs among the others of a class.
    pub(super) fn rank(&mut self, id: TenantId, class: Priority) {
        let Some(tenant) = self.tenants.get_mut(&id) else { return };
        let of_class = &mut self.classes[class.index()];
        let before = tenant.flows[class.index()].rank;
        let Some((head, line)) = tenant.flows[class.index()].heads.first() else {
            tenant.flows[class.index()].rank = None;
            if let Some(rank) = before {
                of_class.ranks.remove(rank);
            }
            return;
        };
        if before.is_none() {
            tenant.begin(class, of_class.virtual_time);
        }
        let cost = self.lines.get(&line).and_then(super::line::Line::head).map_or(0, |(_, member)| member.cost_us);
        let later = tenant.weighed(self.rules.later(cost));
        let tag = tenant.flows[class.index()].tag.saturating_add(later);
        let rank = Rank { tag, head, tenant: id };
        let flow = &mut tenant.flows[class.index()];
        let shapes = flow.heads.shapes();
        if before != Some(rank) {
            if let Some(before) = before {
                of_class.ranks.remove(before);
            }
            of_class.ranks.put(rank, shapes);
        } else if flow.shapes != shapes {
            of_class.ranks.put(rank, shapes);
        }
        (flow.rank, flow.shapes) = (Some(rank), shapes);
    }
}
