//! One agent: what it offers, what it said, what was promised there.

use std::time::{Duration, Instant};

use enclos_protocol::agent_link::{ImageState, LoadReport, OfferedLanguage};
use enclos_protocol::ids::AgentName;
use enclos_protocol::job::Isolation;
use uuid::Uuid;

use super::join::wear_since;
use super::languages::{Bit, Languages, Table};
use super::tree::Summary;
use super::trust::Trust;
use super::{Packing, Rules};
use crate::metrics::Wear;
use crate::queue::{Demand, Room};
use crate::scheduler::event::{Offer, SessionId};

/// An agent that had no room after all gets no job for so long.
const PAUSE: Duration = Duration::from_secs(1);
/// Cost of the master's own agent: any other that has room is better.
const EMBEDDED: u64 = 1 << 40;
/// Weight of busy processors: programs wait for them first.
const CPU_WEIGHT: u64 = 2;

/// One agent.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Its name.
    pub name: AgentName,
    /// Of its process.
    pub instance: Uuid,
    /// Its connection; `None`: it is suspect.
    pub session: Option<SessionId>,
    /// What it offers.
    pub offer: Offer,
    /// What the jobs placed on it need together.
    pub promised: Room,
    /// What it last said.
    pub load: LoadReport,
    /// When it last said something.
    pub last_seen: Instant,
    /// An operator asked it to drain.
    pub drain_asked: bool,
    pub(super) trust: Trust,
    pub(super) label: u64,
    /// Processor share that its jobs are expected to use, in thousandths of a core.
    expected_cpu_millis: u64,
    paused_until: Option<Instant>,
    /// The same for jobs that bring dependencies.
    installs_paused_until: Option<Instant>,
    offered: Languages,
    /// Languages whose images are made there, or will be for a job that was placed since the last report.
    images_awaited: u64,
    ready: Languages,
    warm: Languages,
    /// Of its languages, in the order in which it says them: bit, and sandboxes that wait, those taken
    /// since the last report left out.
    waiting: Vec<(Bit, u32)>,
}

impl Agent {
    pub(super) fn new(joining: &crate::scheduler::event::Joining, known: Option<&Self>, now: Instant) -> Self {
        let restarted = known.is_some_and(|a| a.instance != joining.instance);
        Self {
            name: joining.name.clone(),
            instance: joining.instance,
            session: Some(joining.session),
            offer: joining.offer.clone(),
            promised: known.map(|a| a.promised).unwrap_or_default(),
            load: LoadReport::default(),
            last_seen: now,
            drain_asked: !restarted && known.is_some_and(|a| a.drain_asked),
            trust: known.map_or_else(|| Trust::new(now), |a| a.trust),
            label: known.map_or(0, |a| a.label),
            expected_cpu_millis: known.map_or(0, |a| a.expected_cpu_millis),
            paused_until: None,
            installs_paused_until: None,
            offered: Languages::NONE,
            images_awaited: 0,
            ready: Languages::NONE,
            warm: Languages::NONE,
            waiting: Vec::new(),
        }
    }

    /// Its place by name.
    pub(in crate::scheduler) fn label(&self) -> u64 {
        self.label
    }

    /// Whether it takes no more jobs.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drain_asked || self.load.draining
    }

    /// The language as it offers it.
    #[must_use]
    pub fn language(&self, id: &str) -> Option<&OfferedLanguage> {
        self.load.languages.iter().find(|l| l.id == id)
    }

    /// Sandboxes that wait for a job in this language, those taken since the last report left out.
    #[must_use]
    pub fn warm(&self, language: &str) -> u32 {
        let place = self.load.languages.iter().position(|l| l.id == language);
        place.and_then(|place| self.waiting.get(place)).map_or(0, |(_, waiting)| *waiting)
    }

    /// Whether it may remember what this compile step came to.
    #[must_use]
    pub fn has_compiled(&self, key: u64) -> bool {
        self.load.compiled.binary_search(&key).is_ok()
    }

    /// Whether it could run such a job if it ran nothing else.
    #[must_use]
    pub fn could_run(&self, demand: &Demand) -> bool {
        self.is_open()
            && self.offer.isolation >= demand.isolation
            // gVisor has plain cells only.
            && !(demand.interactive && self.offer.isolation == Isolation::Gvisor)
            && (self.offer.installs || !demand.installs)
            && demand.languages().all(|id| self.may_wait_for(id))
            && self.offer.capacity.holds(demand.room)
    }

    /// Whether a job may be where the image of its language is: one at most waits there while it is made.
    /// More would only take the room of others, who can run.
    fn may_wait_for(&self, id: &str) -> bool {
        let place = self.load.languages.iter().position(|l| l.id == id);
        place.is_some_and(|place| match self.load.languages[place].image {
            ImageState::Ready => true,
            ImageState::Absent => self.waiting.get(place).is_some_and(|(bit, _)| self.offered.has(*bit)),
            ImageState::Preparing { .. } | ImageState::Failed { .. } => false,
        })
    }

    /// Whether it can run such a job now.
    pub(in crate::scheduler) fn has_room(&self, demand: &Demand, rules: &Rules, now: Instant) -> bool {
        self.could_run(demand)
            && self.takes_jobs(rules, now)
            && (self.installs_now(now) || !demand.installs)
            && self.free(rules).holds(demand.room)
    }

    fn is_open(&self) -> bool {
        self.session.is_some() && !self.is_draining()
    }

    /// Whether it is given jobs at all now. One that missed its heartbeats may be cut off.
    fn takes_jobs(&self, rules: &Rules, now: Instant) -> bool {
        self.is_open()
            && self.paused_until.is_none_or(|until| until <= now)
            && self.trust.allows(self.promised.slots, now)
            && now.saturating_duration_since(self.last_seen) <= rules.silence_max
    }

    fn installs_now(&self, now: Instant) -> bool {
        self.offer.installs && self.installs_paused_until.is_none_or(|until| until <= now)
    }

    /// What of its offer is promised to nobody.
    fn free(&self, rules: &Rules) -> Room {
        let offered = self.offer.capacity;
        let is_busy = rules.prediction && self.expected_cpu_millis >= offered.cpu_millis;
        let permille = if is_busy { 1000 } else { u64::from(rules.cpu_promise_permille).max(1000) };
        let cpu_millis = offered.cpu_millis.saturating_mul(permille) / 1000;
        Room { cpu_millis, ..offered }.minus(self.promised)
    }

    /// What a job there costs at least.
    fn cost(&self, rules: &Rules, now: Instant) -> u64 {
        let kept = if self.offer.embedded { EMBEDDED } else { 0 };
        let kept = kept + self.trust.cost(now);
        match rules.packing {
            Packing::Spread => kept + self.busy(rules, now),
            Packing::Pack => kept,
        }
    }

    /// How busy it is, in thousandths of all. What was promised counts at once; what is reported
    /// beyond that counts the less the older it is, and nothing when it is as old as a silence.
    fn busy(&self, rules: &Rules, now: Instant) -> u64 {
        let Room { memory_bytes, cpu_millis, slots, .. } = self.offer.capacity;
        let age = now.saturating_duration_since(self.last_seen).as_millis();
        let silence = rules.silence_max.as_millis().max(1);
        let fresh = u64::try_from(1000 - (age * 1000 / silence).min(1000)).unwrap_or(0);
        let blend = |promised: u64, reported: u16| {
            promised + u64::from(reported).saturating_sub(promised).saturating_mul(fresh) / 1000
        };
        let expected = if rules.prediction { self.expected_cpu_millis } else { self.promised.cpu_millis };
        let cpu = blend(permille(expected, cpu_millis), self.load.cpu_busy_permille);
        let memory = blend(permille(self.promised.memory_bytes, memory_bytes), self.load.memory_busy_permille);
        CPU_WEIGHT * cpu + memory + permille(self.promised.slots, slots)
    }

    pub(super) fn summary(&self, rules: &Rules, now: Instant) -> Summary {
        if !self.is_open() {
            return Summary { label: self.label, ..Summary::NONE };
        }
        let free = self.free(rules);
        Summary {
            // Without a slot the rest is of no use, and must not make the tree promise it.
            free: if self.takes_jobs(rules, now) && free.slots > 0 { free } else { Room::default() },
            capacity: self.offer.capacity,
            isolation: self.offer.isolation,
            interactive: self.offer.isolation != Isolation::Gvisor,
            installs: self.offer.installs,
            installs_now: self.installs_now(now),
            offered: self.offered,
            ready: self.ready,
            warm: self.warm,
            cost: self.cost(rules, now),
            label: self.label,
        }
    }

    /// It had no room for such a job. One with dependencies may have lacked no more than a builder,
    /// so that others go on. Until when.
    pub(super) fn pause(&mut self, demand: &Demand, now: Instant) -> Instant {
        let paused = if demand.installs { &mut self.installs_paused_until } else { &mut self.paused_until };
        *paused.insert(now + PAUSE)
    }

    /// Its engine is gone. Until when it gets no job.
    pub(super) fn stand_still(&mut self, now: Instant) -> Instant {
        *self.paused_until.insert(now + PAUSE)
    }

    pub(super) fn take(&mut self, demand: &Demand, cpu_millis: u64) {
        self.promised = self.promised.plus(demand.room);
        self.expected_cpu_millis = self.expected_cpu_millis.saturating_add(cpu_millis);
        let place = self.load.languages.iter().position(|l| l.id == *demand.language);
        let Some(place) = place else { return };
        if let Some((bit, waiting)) = self.waiting.get_mut(place) {
            *waiting = waiting.saturating_sub(1);
            if *waiting == 0 {
                self.warm.remove(*bit);
            }
            if self.load.languages[place].image == ImageState::Absent {
                self.offered.remove(*bit);
                self.images_awaited += 1;
            }
        }
        self.leave_room_of_images();
    }

    /// Jobs that wait for images hold slots, for minutes, so half of the slots at most are theirs: beyond that no
    /// language is offered whose image is not there.
    fn leave_room_of_images(&mut self) {
        if self.images_awaited >= (self.offer.capacity.slots / 2).max(1) {
            self.offered = self.ready;
        }
    }

    pub(super) fn give_back(&mut self, demand: &Demand, cpu_millis: u64) {
        self.promised = self.promised.minus(demand.room);
        self.expected_cpu_millis = self.expected_cpu_millis.saturating_sub(cpu_millis);
    }

    /// What its jobs need and are expected to use, reckoned anew.
    pub(super) fn promise(&mut self, promised: Room, cpu_millis: u64) {
        (self.promised, self.expected_cpu_millis) = (promised, cpu_millis);
    }

    /// Takes what it says; gives what of it is to be counted.
    pub(super) fn report(&mut self, load: LoadReport, table: &mut Table, now: Instant) -> Option<Wear> {
        let wear = wear_since(&self.load, &load);
        self.load = load;
        self.last_seen = now;
        (self.offered, self.ready, self.warm) = (Languages::NONE, Languages::NONE, Languages::NONE);
        self.waiting.clear();
        self.images_awaited = 0;
        for language in &self.load.languages {
            let bit = table.bit(&language.id);
            self.waiting.push((bit, language.warm));
            match language.image {
                ImageState::Preparing { .. } => {
                    self.images_awaited += 1;
                    continue;
                }
                ImageState::Failed { .. } => continue,
                ImageState::Ready => self.ready.insert(bit),
                ImageState::Absent => {}
            }
            self.offered.insert(bit);
            if language.warm > 0 {
                self.warm.insert(bit);
            }
        }
        self.leave_room_of_images();
        wear
    }
}

fn permille(part: u64, whole: u64) -> u64 {
    (part.saturating_mul(1000) / whole.max(1)).min(1000)
}
