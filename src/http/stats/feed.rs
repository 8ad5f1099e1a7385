//! The feed: each second one frame for each view that somebody watches, whoever many watch it.
//!
//! A watcher holds no queue: it is sent what is newest when it can take more. So a slow one costs the
//! bytes that its connection holds, and nothing grows.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use futures::Stream;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::super::Api;
use super::view::{self, View};
use super::{alive, event, wire};
use crate::admission::Refusal;
use crate::pulse::{Levels, STEP_SECONDS};
use crate::scheduler::SchedulerGone;
use crate::store::UnixTime;

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// Longest silence towards a watcher.
const SILENCE_MAX: Duration = Duration::from_secs(2);

/// What all watchers of a view are sent.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// Which of the frames with a change it is.
    number: u64,
    stats: Bytes,
    alive: Bytes,
}

#[derive(Debug)]
struct Told {
    frames: watch::Sender<Frame>,
    last: wire::Stats,
    at: Instant,
}

/// The views that are watched.
#[derive(Debug, Default)]
pub struct Feed {
    views: Mutex<HashMap<View, Told>>,
    numbers: AtomicU64,
    /// Jobs that had ended before this process began; `None` before it was asked.
    finished_before: Mutex<Option<u64>>,
}

impl Feed {
    /// The frames of a view. As many views are kept as somebody watches.
    pub(super) async fn watch(&self, api: &Api, view: View) -> Result<watch::Receiver<Frame>, Refusal> {
        if let Some(told) = self.lock().get(&view) {
            return Ok(told.frames.subscribe());
        }
        let now = UnixTime::now();
        let stats = view::stats(api, &view, now).await?;
        let frame = self.frame(api, &stats, now);
        let mut views = self.lock();
        let told = views.entry(view).or_insert_with(|| Told {
            frames: watch::Sender::new(frame),
            last: stats,
            at: Instant::now(),
        });
        Ok(told.frames.subscribe())
    }

    fn frame(&self, api: &Api, stats: &wire::Stats, now: UnixTime) -> Frame {
        let json = serde_json::to_string(stats).unwrap_or_default();
        let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        // Ids go up over a restart, too.
        let id = u64::try_from(api.begun.0 / 1000).unwrap_or(0).saturating_add(number);
        Frame { number, stats: event(Some(id), "stats", &json), alive: alive(now) }
    }

    /// How many jobs ended, ever. Counting them costs a look at every job that has not.
    pub(super) async fn finished(&self, api: &Api) -> Result<u64, Refusal> {
        let known = *self.finished_before.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match known {
            Some(before) => before,
            None => {
                let here = api.metrics.jobs_finished();
                let before = api.store.finished_count().await?.saturating_sub(here);
                *self.finished_before.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
                before
            }
        };
        Ok(before + api.metrics.jobs_finished())
    }

    /// Looks at each view that is watched, and forgets the others.
    async fn tell(&self, api: &Api) {
        let views: Vec<View> = {
            let mut views = self.lock();
            views.retain(|_, told| told.frames.receiver_count() > 0);
            views.keys().cloned().collect()
        };
        for view in views {
            let time = UnixTime::now();
            // Where the scheduler has ended, the streams do too.
            let Ok(stats) = view::stats(api, &view, time).await else { continue };
            let mut views = self.lock();
            let Some(told) = views.get_mut(&view) else { continue };
            let now = Instant::now();
            if !view::is_same(&stats, &told.last) {
                told.frames.send_replace(self.frame(api, &stats, time));
                (told.last, told.at) = (stats, now);
            } else if now.saturating_duration_since(told.at) >= SILENCE_MAX {
                told.frames.send_modify(|last| last.alive = alive(time));
                told.at = now;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<View, Told>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a watcher is sent: the newest at once, then what is newer whenever it can take more.
pub(super) fn told(shutdown: CancellationToken, frames: watch::Receiver<Frame>) -> impl Stream<Item = Bytes> + Send {
    futures::stream::unfold((shutdown, frames, None::<u64>), |(shutdown, mut frames, seen)| async move {
        if seen.is_some() {
            // Its sender is gone only where the service is.
            shutdown.run_until_cancelled(frames.changed()).await?.ok()?;
        }
        let frame = frames.borrow_and_update().clone();
        let bytes = if seen == Some(frame.number) { frame.alive } else { frame.stats };
        Some((bytes, (shutdown, frames, Some(frame.number))))
    })
}

/// Tells watchers how it goes and keeps the hour, until `stop`.
pub async fn keep(api: Arc<Api>, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut step = 0;
    // Cancel-safe: a tick that is not taken comes again, and what is being made is made anew.
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        step += 1;
        if sampled(&api, step % STEP_SECONDS == 0).await.is_err() {
            return;
        }
        api.feed.tell(&api).await;
    }
}

/// Writes down how many there are; of tenants at the end of a step alone.
async fn sampled(api: &Api, is_step: bool) -> Result<(), SchedulerGone> {
    let narrow = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let totals = api.scheduler.totals().await?;
    let levels = Levels {
        queued: narrow(totals.queued),
        running: narrow(totals.running),
        capacity: Some(u32::try_from(totals.slots).unwrap_or(u32::MAX)),
        agents: Some(narrow(totals.agents_connected)),
    };
    api.metrics.pulse.level(None, levels);
    if is_step {
        for (tenant, share) in api.scheduler.shares().await? {
            let levels = Levels { queued: narrow(share.queued), running: narrow(share.running), ..Levels::default() };
            api.metrics.pulse.level(Some(&tenant), levels);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

    use super::*;

    fn frame(number: u64) -> Frame {
        Frame { number, stats: Bytes::from(number.to_string()), alive: Bytes::from("alive") }
    }

    #[tokio::test]
    async fn who_reads_slowly_is_sent_the_newest_and_nothing_of_before() {
        let (sender, frames) = (watch::Sender::new(frame(1)), CancellationToken::new());
        let mut slow = std::pin::pin!(told(frames.clone(), sender.subscribe()));
        assert_eq!(slow.next().await.unwrap(), "1", "the first at once");
        (2..1000).for_each(|number| drop(sender.send_replace(frame(number))));
        assert_eq!(slow.next().await.unwrap(), "999");
        sender.send_replace(frame(1000));
        sender.send_modify(|last| last.alive = Bytes::from("still alive"));
        assert_eq!(slow.next().await.unwrap(), "1000", "a sign of life hides no change");
        sender.send_modify(|_| {});
        assert_eq!(slow.next().await.unwrap(), "still alive");
        frames.cancel();
        assert!(slow.next().await.is_none(), "it ends with the service");
    }
}
