//! How far one image is. Pure: state + event + now → what to do.
//!
//! ```text
//!            ask                    done
//!  Absent ─────────▶ Preparing ───────────────▶ Ready ──┐ vanished
//!    ▲                  ▲   │ failed                    │
//!    │                  │   ▼                           │
//!    │   ask, later     └─ Failed (until retry_at)      │
//!    └──────────────────────────────────────────────────┘
//! ```

use std::time::{Duration, Instant};

use enclos_protocol::agent_link::ImageState;

use super::SandboxImage;

/// Wait after the first failure; doubled with each further one.
const RETRY_FIRST: Duration = Duration::from_secs(5);
/// Longest wait after a failure.
const RETRY_MAX: Duration = Duration::from_secs(300);
/// Longest reason that is kept, in characters.
const REASON_CHARS_MAX: usize = 1000;

/// How far one image is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) enum Phase {
    /// Nobody asked for it yet.
    #[default]
    Absent,
    /// A task makes it.
    Preparing { progress: String, failures: u32 },
    /// It is there.
    Ready(SandboxImage),
    /// It could not be made.
    Failed { reason: String, retry_at: Instant, failures: u32 },
}

/// What a caller who wants the image has to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Ask {
    /// Take it.
    Have(SandboxImage),
    /// Start a task; the phase is `Preparing` now.
    Start,
    /// Wait for the task that runs.
    Join,
    /// Give up for this long.
    BackOff { reason: String, retry_in: Duration },
}

impl Phase {
    /// Someone wants the image.
    pub(super) fn ask(&mut self, now: Instant) -> Ask {
        let failures = match self {
            Self::Ready(image) => return Ask::Have(image.clone()),
            Self::Preparing { .. } => return Ask::Join,
            Self::Failed { reason, retry_at, .. } if *retry_at > now => {
                return Ask::BackOff { reason: reason.clone(), retry_in: *retry_at - now };
            }
            Self::Failed { failures, .. } => *failures,
            Self::Absent => 0,
        };
        *self = Self::Preparing { progress: "waits for its turn".into(), failures };
        Ask::Start
    }

    /// The task does something else now. Ignored when none runs.
    pub(super) fn progressed(&mut self, text: String) {
        if let Self::Preparing { progress, .. } = self {
            *progress = text;
        }
    }

    /// The image was made, or found.
    pub(super) fn made(&mut self, image: SandboxImage) {
        *self = Self::Ready(image);
    }

    /// The task failed.
    pub(super) fn failed(&mut self, reason: &str, now: Instant) {
        let failures = match self {
            Self::Preparing { failures, .. } | Self::Failed { failures, .. } => failures.saturating_add(1),
            Self::Absent | Self::Ready(_) => 1,
        };
        let reason = reason.chars().take(REASON_CHARS_MAX).collect();
        *self = Self::Failed { reason, retry_at: now + back_off(failures), failures };
    }

    /// The engine no longer has the image.
    pub(super) fn vanished(&mut self) {
        if matches!(self, Self::Ready(_)) {
            *self = Self::Absent;
        }
    }

    /// As the master is told. It sends no job to an image that failed, and a job is what tries again:
    /// past the back-off it is told of nothing but the absence.
    pub(super) fn reported(&self, now: Instant) -> ImageState {
        match self {
            Self::Absent => ImageState::Absent,
            Self::Failed { retry_at, .. } if *retry_at <= now => ImageState::Absent,
            Self::Preparing { progress, .. } => ImageState::Preparing { progress: progress.clone() },
            Self::Ready(_) => ImageState::Ready,
            Self::Failed { reason, .. } => ImageState::Failed { reason: reason.clone() },
        }
    }
}

fn back_off(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    RETRY_FIRST.saturating_mul(1 << doublings).min(RETRY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> SandboxImage {
        SandboxImage { reference: "r".into(), digest: "d".into() }
    }

    #[test]
    fn the_second_caller_joins_the_first() {
        let mut phase = Phase::default();
        let now = Instant::now();
        assert_eq!(phase.ask(now), Ask::Start);
        assert_eq!(phase.ask(now), Ask::Join);
        phase.made(image());
        assert_eq!(phase.ask(now), Ask::Have(image()));
    }

    #[test]
    fn a_failure_is_tried_again_only_after_its_back_off_which_grows_to_a_bound() {
        let mut phase = Phase::default();
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..10 {
            assert_eq!(phase.ask(now), Ask::Start);
            phase.failed("no", now);
            let Ask::BackOff { retry_in, reason } = phase.ask(now) else { panic!("asked too early") };
            assert_eq!(reason, "no");
            waits.push(retry_in);
            now += retry_in;
        }
        assert_eq!(waits[..3], [5, 10, 20].map(Duration::from_secs));
        assert_eq!(waits[9], RETRY_MAX);
    }

    #[test]
    fn a_failure_is_told_until_it_may_be_tried_again() {
        let mut phase = Phase::default();
        let now = Instant::now();
        assert_eq!(phase.ask(now), Ask::Start);
        phase.failed("no", now);
        assert_eq!(phase.reported(now), ImageState::Failed { reason: "no".into() });
        let later = now + RETRY_FIRST;
        assert_eq!(phase.reported(later), ImageState::Absent);
        assert_eq!(phase.ask(later), Ask::Start);
    }

    #[test]
    fn an_image_that_vanished_is_made_again_at_once() {
        let mut phase = Phase::default();
        phase.made(image());
        phase.vanished();
        assert_eq!(phase.ask(Instant::now()), Ask::Start);
    }

    #[test]
    fn progress_after_the_end_changes_nothing() {
        let mut phase = Phase::Ready(image());
        phase.progressed("late".into());
        assert_eq!(phase.reported(Instant::now()), ImageState::Ready);
    }
}
