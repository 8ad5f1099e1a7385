//! Many jobs at once: how many a second (closed loop), and how long each takes when they come by themselves (open loop).
//!
//! A closed loop has so many clients, each with its next job when the last is answered. It finds the limit, but
//! hides delays: a client that waits sends nothing. In the open loop jobs come by a Poisson clock whatever became of
//! those before, and each one's time counts from when it was due.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::Outcome;
use super::cluster::Cluster;
use super::quiet;
use super::series::Samples;
use super::stage::SLOTS_MAX;
use crate::chance::Chance;

/// Jobs a second with so many clients, each calling `once` with its own number again and again.
///
/// # Errors
/// One of the jobs fails.
pub async fn closed(clients: usize, time: Duration, once: impl AsyncFn(usize) -> Outcome<()>) -> Outcome<f64> {
    assert!(clients <= SLOTS_MAX, "each client has a directory of its own");
    let begun = Instant::now();
    let client = async |slot: usize| {
        let mut done = 0_u32;
        while begun.elapsed() < time {
            once(slot).await?;
            done += 1;
        }
        Outcome::Ok(done)
    };
    let all = futures::future::try_join_all((0..clients).map(client)).await?;
    // The last ones end after the time; what they took is counted with them.
    Ok(f64::from(all.iter().sum::<u32>()) / begun.elapsed().as_secs_f64())
}

/// Part of a series that runs before it, untimed.
const WARM_UP_PART: u32 = 2;

/// Jobs a second of a service that has warmed to this load: the same for half of the time, until the pool has what that
/// made it want and the engine is quiet, and then the series. What the series itself causes is in its time.
///
/// # Errors
/// One of the jobs fails.
pub async fn sustained(
    cluster: &Cluster,
    clients: usize,
    time: Duration,
    once: impl AsyncFn(usize) -> Outcome<()>,
) -> Outcome<f64> {
    closed(clients, time / WARM_UP_PART, &once).await?;
    quiet::wait(cluster).await;
    closed(clients, time, &once).await
}

/// When each job of an open loop is due: `rate` a second for `time`, the same for the same seed.
pub fn arrivals(rate: f64, time: Duration, seed: u64) -> Vec<Duration> {
    let mut chance = Chance::of(seed, 2);
    let mut at = Duration::ZERO;
    std::iter::from_fn(|| {
        at += Duration::from_secs_f64(chance.exponential() / rate);
        (at < time).then_some(at)
    })
    .collect()
}

/// Sends a job at each of these times; from when each was due to its answer.
///
/// # Errors
/// One of them fails.
pub async fn open(due: &[Duration], run: usize, once: impl AsyncFn(usize) -> Outcome<()>) -> Outcome<Samples> {
    let begun = Instant::now();
    let mut samples = Samples::default();
    let mut free: Vec<usize> = (0..SLOTS_MAX).collect();
    let mut on_their_way = FuturesUnordered::new();
    let one = async |number: usize, at: Duration| {
        once(number).await?;
        Outcome::Ok((number, (begun + at).elapsed()))
    };
    let mut waiting = due.iter().copied().peekable();
    while waiting.peek().is_some() || !on_their_way.is_empty() {
        let next = waiting.peek().map(|&at| begun + at);
        // Both arms are cancel-safe: a time that was waited for in vain is waited for again.
        tokio::select! {
            () = sleep_until(next.unwrap_or(begun)), if next.is_some() && !free.is_empty() => {
                if let (Some(at), Some(slot)) = (waiting.next(), free.pop()) {
                    on_their_way.push(one(slot, at));
                }
            }
            Some(answered) = on_their_way.next() => {
                let (slot, time) = answered?;
                free.push(slot);
                samples.push(run, time);
            }
        }
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_come_at_their_rate_in_order_and_the_same_for_a_seed() {
        let due = arrivals(200.0, Duration::from_secs(50), 3);
        assert!((9_600..10_400).contains(&due.len()), "{}", due.len());
        assert!(due.is_sorted());
        assert_eq!(due, arrivals(200.0, Duration::from_secs(50), 3));
        assert_ne!(due, arrivals(200.0, Duration::from_secs(50), 4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_loop_counts_what_its_clients_did() {
        let work = async |_| {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok(())
        };
        let rate = closed(4, Duration::from_secs(1), work).await.unwrap();
        assert!((rate - 400.0).abs() < 8.0, "{rate}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_is_late_to_start_is_timed_from_when_it_was_due() {
        // All are due at once, more than there are slots; each takes 10 ms, so the last waits for two others.
        let due = vec![Duration::ZERO; SLOTS_MAX * 3];
        let work = async |_| {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok(())
        };
        let samples = open(&due, 0, work).await.unwrap();
        assert_eq!(samples.count(), due.len());
        assert!(samples.percentile(99).unwrap() >= 30.0);
        assert!(samples.percentile(1).unwrap() < 20.0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_job_that_fails_ends_a_series() {
        let fails = async |_| Outcome::<()>::Err("wrong answer".into());
        assert!(closed(2, Duration::from_secs(1), fails).await.is_err());
        assert!(open(&[Duration::ZERO], 0, fails).await.is_err());
    }
}
