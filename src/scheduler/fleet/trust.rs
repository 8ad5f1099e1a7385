//! How far an agent is trusted with jobs, by what became of them.
//!
//! ```text
//!            blamed, again and again             pause over              its job ends
//! trusted ───────────────────────────▶ shut ───────────────▶ probed ───────────────────▶ trusted
//!    │  each failure: its cost rises,   ▲                      │ one job at a time
//!    ▼  and halves in every half-life   └──────────────────────┘ it fails: a longer pause
//! ```
//!
//! A job that fails on an agent says little: some jobs kill whatever runs them. So a failure only
//! makes an agent dearer. It is blamed when the job then ends well on another agent, and only who is
//! blamed is shut: no client can shut agents, or have all of them shut, by what it sends.

use std::time::{Duration, Instant};

/// In so long what is held against an agent falls by half.
const HALF_LIFE: Duration = Duration::from_secs(60);
/// What a failure of which nobody knows whose it was counts, against one that was the agent's.
const DOUBT: f64 = 0.25;
/// From so many on it is shut.
const SHUT_AT: f64 = 3.0;
/// First pause of an agent that is shut; each that follows without a job that ended is twice as long.
const PAUSE_FIRST: Duration = Duration::from_secs(10);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// Cost of one failure that was the agent's, in thousandths of a busy agent.
const COST: f64 = 2000.0;
/// Largest cost.
const COST_MAX: f64 = 20_000.0;

/// What is held against an agent.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Trust {
    score: f64,
    at: Instant,
    /// It is shut until then, and probed from then on.
    shut_until: Option<Instant>,
    /// Pauses since a job ended.
    pauses: u32,
}

impl Trust {
    pub(super) fn new(now: Instant) -> Self {
        Self { score: 0.0, at: now, shut_until: None, pauses: 0 }
    }

    /// What is held against it now.
    fn score(&self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at).as_secs_f64() / HALF_LIFE.as_secs_f64();
        self.score * (-passed).exp2()
    }

    /// A job failed there. When it is probed next, if that changes by this.
    pub(super) fn failed(&mut self, now: Instant) -> Option<Instant> {
        self.add(DOUBT, now);
        self.shut_until.filter(|until| *until <= now)?;
        Some(self.shut(now))
    }

    /// A job that failed there ended on another agent. When it is probed next, if that changes by this.
    pub(super) fn blamed(&mut self, now: Instant) -> Option<Instant> {
        self.add(1.0 - DOUBT, now);
        (self.shut_until.is_none() && self.score >= SHUT_AT).then(|| self.shut(now))
    }

    /// A job ended there.
    pub(super) fn ended(&mut self, now: Instant) {
        self.score = self.score(now) / 2.0;
        (self.at, self.shut_until, self.pauses) = (now, None, 0);
    }

    /// Whether it is given a job while it has so many.
    pub(super) fn allows(&self, jobs: u64, now: Instant) -> bool {
        self.shut_until.is_none_or(|until| until <= now && jobs == 0)
    }

    /// What a job there costs more, in thousandths of a busy agent.
    pub(super) fn cost(&self, now: Instant) -> u64 {
        #[expect(clippy::cast_possible_truncation, reason = "it is within bounds")]
        #[expect(clippy::cast_sign_loss, reason = "a score is never negative")]
        let cost = (self.score(now) * COST).min(COST_MAX) as u64;
        cost
    }

    fn add(&mut self, weight: f64, now: Instant) {
        self.score = self.score(now) + weight;
        self.at = now;
    }

    fn shut(&mut self, now: Instant) -> Instant {
        let pause = PAUSE_FIRST.saturating_mul(1 << self.pauses.min(8)).min(PAUSE_MAX);
        self.pauses = self.pauses.saturating_add(1);
        *self.shut_until.insert(now + pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn failures_alone_make_it_dearer_and_never_shut_it() {
        let now = Instant::now();
        let mut trust = Trust::new(now);
        for _ in 0..100 {
            assert_eq!(trust.failed(now), None);
        }
        assert!(trust.allows(5, now) && trust.cost(now) == 20_000);
        assert!(trust.cost(now + HALF_LIFE * 20) < 100, "it is forgotten");
    }

    #[test]
    fn who_is_blamed_again_and_again_is_shut_then_probed_with_one_job_then_trusted() {
        let now = Instant::now();
        let mut trust = Trust::new(now);
        let fail = |trust: &mut Trust, now| {
            trust.failed(now);
            trust.blamed(now)
        };
        assert_eq!((fail(&mut trust, now), fail(&mut trust, now)), (None, None));
        let probed = fail(&mut trust, now).expect("three in a row");
        assert_eq!(probed, now + PAUSE_FIRST);
        assert!(!trust.allows(0, probed - SECOND) && trust.allows(0, probed) && !trust.allows(1, probed));
        let again = trust.failed(probed).expect("the probe failed");
        assert_eq!(again, probed + 2 * PAUSE_FIRST);
        assert!(!trust.allows(0, probed));
        trust.ended(again);
        assert!(trust.allows(7, again));
    }

    #[test]
    fn pauses_end() {
        let mut now = Instant::now();
        let mut trust = Trust::new(now);
        let shut = (0..5).find_map(|_| trust.blamed(now));
        assert_eq!(shut, Some(now + PAUSE_FIRST));
        for _ in 0..40 {
            let until = trust.shut_until.unwrap_or(now);
            assert!(until <= now + PAUSE_MAX);
            now = until;
            trust.failed(now);
        }
    }
}
