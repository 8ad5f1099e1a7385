//! What a job will use, learnt from those before it. Pure.
//!
//! ```text
//!  (tenant, language, source) ─ few runs? ─▶ (tenant, language) ─ few? ─▶ language ─ nothing? ─▶ none
//!        one normal of logs                     decayed histogram        sum of the tenants' histograms
//! ```
//!
//! Two shapes, each where it is the better one:
//!
//! - **A program known by its bytes** has a decayed mean and variance of the logarithm. One run says
//!   most of what there is to know, so what counts is how to weigh it: by empirical Bayes, with the
//!   variance within programs and that between them both learnt from the tenant's own runs
//!   (Efron and Morris 1975). A histogram of two runs would say nothing between its two bins.
//! - **A group of programs** has a histogram with bins of equal ratio, as in DDSketch (Masson et al.,
//!   VLDB 2019) but over a fixed range and with fading weights: it takes the form that the programs
//!   have, two heaps and a long tail among them, and its error is bounded by its bins: 2^(1/8), 9%.
//!   P² (Jain and Chlamtac 1985) is smaller, but cannot fade, be added up or be taken apart by tenant.
//!
//! What it costs: a group 0.8 KiB, a program about 130 bytes, an estimate some microseconds.
//!
//! Nobody's runs are trusted. A program is known by its tenant, so who lies, lies to himself. In the
//! language's histogram a tenant weighs at most [`Bounds::tenant_weight`] runs however many it sends,
//! and it says nothing before [`TENANTS_MIN`] tenants are in it, so that nobody reads another's use
//! from it. Where there are too many programs, the tenant with the most gives up its oldest.

mod group;
mod histogram;
mod posterior;
mod program;
mod rows;
mod table;
#[cfg(test)]
mod tests;
mod usage;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use group::Pool;
use posterior::Known;
pub use rows::Restored;
use table::{Key, Tenant};
pub use usage::Usage;

use crate::store::Prediction;
pub use crate::store::{Level, PredictionRow as Row};

/// What is estimated, in order: CPU time and time on the clock (microseconds), memory (bytes).
const MEASURES: usize = 3;
/// Tenants without which the language's histogram says nothing.
pub const TENANTS_MIN: usize = 3;

/// What may be remembered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Programs (tenant, language, source); beyond them the tenant with the most forgets its oldest.
    pub programs_max: usize,
    /// Pairs of tenant and language; beyond them the one that ran longest ago is forgotten.
    pub groups_max: usize,
    /// Runs that one tenant weighs at most in what is said of a language.
    pub tenant_weight: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { programs_max: 65_536, groups_max: 4096, tenant_weight: 32 }
    }
}

/// By what a job is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subject<'a> {
    /// Whose it is.
    pub tenant: &'a str,
    /// Id of its language.
    pub language: &'a str,
    /// Of what it brings, in the first bytes of a digest; 0: not known.
    pub source: u64,
}

/// One measure, in its unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spread {
    /// Half of the runs use at most this.
    pub p50: u64,
    /// Nine of ten use at most this.
    pub p90: u64,
    /// What a run uses on average, for sums of work.
    pub mean: u64,
}

/// What a job will use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Estimate {
    /// CPU time of all its steps, in microseconds.
    pub cpu_us: Spread,
    /// Time on the clock of all its steps, in microseconds.
    pub wall_us: Spread,
    /// Most memory of any of its steps, in bytes.
    pub memory_bytes: Spread,
    /// What it comes from.
    pub level: Level,
    /// Runs at that level, however old.
    pub observations: u64,
}

impl Estimate {
    /// What is kept and told of it: the medians.
    #[must_use]
    pub fn told(&self) -> Prediction {
        let Self { cpu_us, wall_us, memory_bytes, level, observations } = *self;
        let (cpu_us, wall_us, memory_bytes) = (cpu_us.p50, wall_us.p50, memory_bytes.p50);
        Prediction { cpu_us, wall_us, memory_bytes, level, observations }
    }
}

/// All that was learnt.
#[derive(Debug)]
pub struct Predictor {
    bounds: Bounds,
    /// Counts what is learnt: the time that recency is told by.
    now: u64,
    tenants: BTreeMap<Arc<str>, Tenant>,
    languages: BTreeMap<Arc<str>, Pool>,
    /// Tenants by how many programs they have.
    crowd: BTreeSet<(usize, Arc<str>)>,
    /// Groups by when they last ran.
    recent: BTreeMap<u64, (Arc<str>, Arc<str>)>,
    programs: usize,
    /// Keys whose rows are not as they are here; `None`: nobody keeps rows.
    changed: Option<BTreeSet<Key>>,
}

impl Predictor {
    /// One that knows nothing.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            now: 0,
            tenants: BTreeMap::new(),
            languages: BTreeMap::new(),
            crowd: BTreeSet::new(),
            recent: BTreeMap::new(),
            programs: 0,
            changed: None,
        }
    }

    /// What a job will use; `None` where nothing is known of anything like it.
    #[must_use]
    pub fn estimate(&self, subject: Subject<'_>) -> Option<Estimate> {
        let group = self.tenants.get(subject.tenant).and_then(|t| t.groups.get(subject.language));
        let pool = self.languages.get(subject.language).filter(|pool| pool.tenants >= TENANTS_MIN);
        let program = group.and_then(|group| group.programs.get(&subject.source));
        let (level, observations) = match (program, group, pool) {
            (Some(program), ..) => (Level::Source, u64::from(program.runs)),
            (None, Some(group), _) => (Level::Tenant, group.runs),
            (None, None, Some(pool)) => (Level::Language, pool.runs),
            (None, None, None) => return None,
        };
        let spread = |measure| posterior::spread(&Known { group, pool, program, measure });
        Some(Estimate { cpu_us: spread(0), wall_us: spread(1), memory_bytes: spread(2), level, observations })
    }

    /// Learns from a job that ended. What says nothing is no [`Usage`].
    pub fn observe(&mut self, subject: Subject<'_>, usage: Usage) {
        let (tenant, language) = self.make_group(subject);
        self.now += 1;
        let Self { bounds, now, tenants, languages, recent, .. } = self;
        let owner = tenants.get_mut(&tenant).expect("it was just made");
        let group = owner.groups.get_mut(&language).expect("it was just made");
        recent.remove(&group.seen);
        group.seen = *now;
        recent.insert(*now, (Arc::clone(&tenant), Arc::clone(&language)));
        let pool = languages.entry(Arc::clone(&language)).or_default();
        pool.take_out(group, bounds.tenant_weight);
        pool.runs += 1;
        let is_new = match group.learn(subject.source, &usage, *now) {
            Some(seen) => owner.recent.remove(&seen).is_none(),
            None => true,
        };
        pool.put_in(group, bounds.tenant_weight);
        if subject.source != 0 {
            owner.recent.insert(*now, (Arc::clone(&language), subject.source));
        }
        if subject.source != 0 {
            if is_new {
                self.count(&tenant, 1);
                self.forget_above();
            }
            self.note(Key { tenant: Arc::clone(&tenant), language: Arc::clone(&language), source: subject.source });
        }
        self.note(Key { tenant, language, source: 0 });
    }

    /// Programs and groups that are remembered.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        (self.programs, self.recent.len())
    }
}
