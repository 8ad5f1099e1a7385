//! When a callback that was not taken is tried again. Pure.

use std::time::Duration;

use crate::store::UnixTime;

/// Pause after the first attempt; it doubles with each.
const PAUSE_FIRST: Duration = Duration::from_secs(5);
/// Longest pause of our own.
const PAUSE_MAX: Duration = Duration::from_secs(3600);
/// Longest pause that a receiver may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);
/// From its first attempt (or the first after a retry by hand) on a callback is tried for so long.
const TRIED_FOR: Duration = Duration::from_secs(24 * 3600);
/// More attempts than the pauses leave room for: where the clock was set back, this is the end.
const ATTEMPTS_MAX: u32 = 100;

/// When the next attempt is due after `attempts` that failed, the last at `now`; `None`: it is given up.
///
/// `asked`: what the receiver asked for; `chance`: from 0 to 1, so that what failed together does not
/// come back together.
#[must_use]
pub fn next(attempts: u32, begun: UnixTime, now: UnixTime, asked: Option<Duration>, chance: f64) -> Option<UnixTime> {
    let doubled = PAUSE_FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(20)).min(PAUSE_MAX);
    let pause = doubled / 2 + (doubled / 2).mul_f64(chance.clamp(0.0, 1.0));
    let due = now.after(pause.max(asked.unwrap_or_default().min(RETRY_AFTER_MAX)));
    (attempts < ATTEMPTS_MAX && due <= begun.after(TRIED_FOR)).then_some(due)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BEGUN: UnixTime = UnixTime(1_700_000_000_000_000);

    /// Every attempt of a receiver that never takes it.
    fn attempts(chances: &[f64], asked: Option<Duration>) -> Vec<UnixTime> {
        let mut all = vec![BEGUN];
        while let Some(due) = next(
            u32::try_from(all.len()).unwrap(),
            BEGUN,
            *all.last().unwrap(),
            asked,
            chances[all.len() % chances.len()],
        ) {
            all.push(due);
        }
        all
    }

    proptest! {
        #[test]
        fn a_receiver_that_is_down_is_tried_for_a_day_and_not_longer(chances in prop::collection::vec(0.0..=1.0, 1..50)) {
            let all = attempts(&chances, None);
            prop_assert!(all.len() < ATTEMPTS_MAX as usize, "the day ends it, not the count: {}", all.len());
            let last = all.last().unwrap().us_since(BEGUN);
            prop_assert!(last <= 24 * 3_600_000_000, "{last}");
            prop_assert!(last >= 23 * 3_600_000_000 - 1, "nor given up before the last pause: {last}");
        }

        #[test]
        fn pauses_are_at_least_half_of_what_they_double_to(chances in prop::collection::vec(0.0..=1.0, 1..50)) {
            let mut pause_max = 5_000_000u64;
            for pair in attempts(&chances, None).windows(2) {
                let pause = pair[1].us_since(pair[0]);
                prop_assert!((pause_max / 2..=pause_max).contains(&pause), "{pause} of {pause_max}");
                pause_max = (pause_max * 2).min(3_600_000_000);
            }
        }

        #[test]
        fn what_a_receiver_asks_for_is_kept_to_and_bounded(
            count in 1..200u32, seconds: u64, chance in 0.0..=1.0, now in 0..20 * 3_600_000_000i64,
        ) {
            let now = UnixTime(BEGUN.0 + now);
            let asked = Duration::from_secs(seconds);
            if let Some(due) = next(count, BEGUN, now, Some(asked), chance) {
                let wait = due.us_since(now);
                prop_assert!(wait >= u64::try_from(asked.min(RETRY_AFTER_MAX).as_micros()).unwrap());
                prop_assert!(wait <= 3_600_000_000);
            }
        }

        #[test]
        fn it_ends_whatever_the_clock_says(count: u32, begun: i64, now: i64, chance: f64) {
            let due = next(count, UnixTime(begun), UnixTime(now), None, chance);
            prop_assert!(count < ATTEMPTS_MAX || due.is_none());
        }
    }

    #[test]
    fn the_first_pause_is_some_seconds() {
        assert_eq!(next(1, BEGUN, BEGUN, None, 0.0), Some(BEGUN.after(PAUSE_FIRST / 2)));
        assert_eq!(next(1, BEGUN, BEGUN, None, 1.0), Some(BEGUN.after(PAUSE_FIRST)));
    }
}
