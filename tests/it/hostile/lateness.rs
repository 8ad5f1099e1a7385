//! How soon an answer comes after a limit was met.

use std::fmt;

use serde_json::Value;

use crate::programs::Setting;

/// The bound for 95 of 100, by the supervisor's own stamps, in milliseconds.
const P95_MS_MAX: u64 = 250;
/// The same under gVisor, where the supervisor is one more program of a kernel that is itself a program.
const P95_MS_MAX_GVISOR: u64 = 500;
/// The bound for each, in milliseconds.
const MS_MAX: u64 = 2000;
/// With fewer the 95th of a hundred is one program's accident.
const SAMPLES_MIN: usize = 20;

/// Milliseconds of the job's last step beyond the time limit that ended it; `None` where none did.
pub fn ms_after_limit(job: &Value, submission: &Value, languages: &Value) -> Option<u64> {
    let name = if job["run"].is_object() { "run" } else { "compile" };
    let step = &job[name];
    let limit = match step["limit"].as_str()? {
        "cpu" => "cpu_ms",
        "wall" => "wall_ms",
        other => panic!("a time limit that is new here: {other}"),
    };
    let bounds = languages["languages"].as_array()?.iter().find(|l| l["id"] == job["language"])?;
    let asked = submission["limits"][name][limit].as_u64();
    let allowed = asked.or_else(|| bounds["limits"][name][limit]["default"].as_u64())?;
    let beyond = |figure: &str| Some(step[figure].as_u64()?.saturating_sub(allowed));
    let late = beyond(limit)?;
    // Sampled CPU time may be more than there was. Of a step that has one core at most it passes no
    // faster than time on the clock.
    if step["accounting"] == "sampled" { Some(late.min(beyond("wall_ms")?)) } else { Some(late) }
}

/// What one job took beyond what it may.
pub struct Lateness {
    /// Beyond its time limit.
    pub ms_after_limit: u64,
    /// Of its attempt, beside sandbox and steps: making and unmaking cells, and the way back.
    pub ms_around: Option<u64>,
}

impl Lateness {
    /// Which bound it breaks.
    pub fn too_late(&self, setting: Setting) -> Option<String> {
        if self.ms_after_limit > MS_MAX {
            return Some(format!("{} ms after its limit", self.ms_after_limit));
        }
        let around = self.ms_around.unwrap_or(0);
        // A gVisor cell begins by starting processes of a kernel that takes its time.
        let bounded = setting != Setting::Gvisor;
        (bounded && around > MS_MAX).then(|| format!("{around} ms beside its steps"))
    }
}

/// Of milliseconds after limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Percentiles {
    /// How many there were.
    pub count: usize,
    /// Half are no later.
    pub p50_ms: u64,
    /// 95 of 100 are no later.
    pub p95_ms: u64,
    /// The latest.
    pub max_ms: u64,
}

impl Percentiles {
    /// Of `samples`, by nearest rank; zeroes of none.
    pub fn of(samples: impl Iterator<Item = u64>) -> Self {
        let mut sorted: Vec<u64> = samples.collect();
        sorted.sort_unstable();
        let rank = |per_cent: usize| {
            let index = (sorted.len() * per_cent).div_ceil(100).saturating_sub(1);
            sorted.get(index).copied().unwrap_or(0)
        };
        Self { count: sorted.len(), p50_ms: rank(50), p95_ms: rank(95), max_ms: rank(100) }
    }

    /// Fails where too many come late.
    pub fn assert_soon(&self, setting: Setting) {
        let most = if setting == Setting::Gvisor { P95_MS_MAX_GVISOR } else { P95_MS_MAX };
        let soon = self.count < SAMPLES_MIN || self.p95_ms <= most;
        assert!(soon, "95 of 100 answers come within {most} ms after a limit: {self}");
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, p50_ms, p95_ms, max_ms } = self;
        write!(f, "p50 {p50_ms} ms, p95 {p95_ms} ms, max {max_ms} ms (of {count})")
    }
}

#[test]
fn percentiles_are_by_nearest_rank() {
    let figures = Percentiles::of((1..=40).rev());
    assert_eq!((figures.p50_ms, figures.p95_ms, figures.max_ms), (20, 38, 40));
    assert_eq!(Percentiles::of(std::iter::empty()).max_ms, 0);
}
