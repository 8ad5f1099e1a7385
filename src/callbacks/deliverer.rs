//! The one task that knows what is being delivered; each delivery is a task that it joins.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::body::body;
use super::post::{Answer, Post};
use super::schedule;
use super::seal::SealingKey;
use super::signature::{CallbackSecret, sign};
use crate::metrics::Metrics;
use crate::outbound::Target;
use crate::store::{CallbackEnd, CallbackProblem, Claimed, Store, StoreError, UnderWay, UnixTime};

/// Deliveries at once.
const AT_ONCE_MAX: usize = 32;
/// Deliveries at once of one tenant to one host: a slow receiver leaves its others most of the places.
const OF_HOST_MAX: usize = 4;
/// Deliveries at once of one tenant, however many hosts it names.
const OF_TENANT_MAX: usize = 16;
/// Bodies that are read and written at once: a job's outputs are many times what is sent of them.
const MAKING_MAX: usize = 4;
/// Pause where the master itself could not make the callback ready.
const OURS_PAUSE: Duration = Duration::from_secs(3600);
/// Longest pause between two looks: the clock of the calendar may be set meanwhile.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(60);
/// Pause after the store failed.
const STORE_PAUSE: Duration = Duration::from_secs(2);
/// How often dead callbacks are looked through.
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// At the end of the service, what is under way has so long; the rest comes again after its next start.
const END_WAIT: Duration = Duration::from_secs(5);

/// Headers of Standard Webhooks.
const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
/// What we call ourselves.
const AGENT: &str = concat!("enclos/", env!("CARGO_PKG_VERSION"));

/// What a deliverer is made of.
#[derive(Debug)]
pub struct Parts {
    /// What is to be told, and of which job.
    pub store: Arc<Store>,
    /// By what it is sent.
    pub post: Post,
    /// What opens the tenants' secrets.
    pub key: SealingKey,
    /// Where is counted.
    pub metrics: Arc<Metrics>,
}

/// The task, before it runs.
#[derive(Debug)]
pub struct Deliverer {
    parts: Arc<Parts>,
    making: Arc<Semaphore>,
    busy: Busy,
}

impl Deliverer {
    /// A deliverer of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), making: Arc::new(Semaphore::new(MAKING_MAX)), busy: Busy::default() }
    }

    /// Delivers until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let store = Arc::clone(&self.parts.store);
        let mut going: JoinSet<Place> = JoinSet::new();
        let mut forgets = interval(FORGET_EVERY);
        forgets.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            let pause = match self.begin_due(&mut going, &stop).await {
                Ok(pause) => pause,
                Err(StoreError::Closed) => break,
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "callbacks could not be read");
                    STORE_PAUSE
                }
            };
            // Cancel-safe: a stop and a delivery stay where they are, a wake that is not taken is kept, and what
            // was due is found by the next look.
            tokio::select! {
                () = stop.cancelled() => {}
                Some(ended) = going.join_next() => self.busy.free(ended.unwrap_or_else(panic_on)),
                () = store.callbacks_woken() => {}
                () = sleep(pause) => {}
                _ = forgets.tick() => forget(&store).await,
            }
        }
        let ended = timeout(END_WAIT, async { while going.join_next().await.is_some() {} }).await;
        if ended.is_err() {
            tracing::debug!(deliveries = going.len(), "callbacks under way are left to the next start");
            going.shutdown().await;
        }
    }

    /// Begins what is due and has a place; how long until there may be more.
    async fn begin_due(
        &mut self,
        going: &mut JoinSet<Place>,
        stop: &CancellationToken,
    ) -> Result<Duration, StoreError> {
        loop {
            let room = AT_ONCE_MAX.saturating_sub(going.len());
            if room == 0 {
                return Ok(LOOK_EVERY_MAX);
            }
            let now = UnixTime::now();
            let due = self.parts.store.callbacks_due(now, self.busy.under_way(), room).await?;
            if due.callbacks.is_empty() {
                let next = due.next.map_or(LOOK_EVERY_MAX, |next| Duration::from_micros(next.us_since(now)));
                return Ok(next.min(LOOK_EVERY_MAX));
            }
            let mut taken = HashMap::new();
            for (sequence, host, tenant) in due.callbacks {
                taken.extend(self.busy.take(Place { host, tenant }).map(|place| (sequence, place)));
            }
            let claimed = self.parts.store.claim_callbacks(taken.keys().copied().collect(), now).await;
            for callback in claimed.iter().flatten() {
                if let Some(place) = taken.remove(&callback.sequence) {
                    let (parts, making) = (Arc::clone(&self.parts), Arc::clone(&self.making));
                    going.spawn(deliver(parts, making, callback.clone(), place, stop.clone()));
                }
            }
            // Gone with their jobs in between, or not claimed because the store failed.
            taken.into_values().for_each(|place| self.busy.free(place));
            claimed?;
        }
    }
}

/// A failure of ours ends the service, as that of any of its parts.
fn panic_on(failed: tokio::task::JoinError) -> Place {
    std::panic::resume_unwind(failed.into_panic())
}

async fn forget(store: &Store) {
    if let Err(error) = store.forget_callbacks(UnixTime::now()).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "old callbacks were not removed");
    }
}

/// A place for one delivery.
#[derive(Debug)]
struct Place {
    host: String,
    tenant: String,
}

/// What is being delivered, by tenant, and by tenant and host: nobody's receivers take another's places.
#[derive(Debug, Default)]
struct Busy {
    tenants: HashMap<String, usize>,
    hosts: HashMap<(String, String), usize>,
}

impl Busy {
    fn take(&mut self, place: Place) -> Option<Place> {
        let to_host = (place.tenant.clone(), place.host.clone());
        let (of_tenant, of_host) = (self.tenants.get(&place.tenant), self.hosts.get(&to_host));
        if of_host.is_some_and(|n| *n >= OF_HOST_MAX) || of_tenant.is_some_and(|n| *n >= OF_TENANT_MAX) {
            return None;
        }
        *self.hosts.entry(to_host).or_default() += 1;
        *self.tenants.entry(place.tenant.clone()).or_default() += 1;
        Some(place)
    }

    fn free(&mut self, place: Place) {
        one_less(&mut self.tenants, place.tenant.clone());
        one_less(&mut self.hosts, (place.tenant, place.host));
    }

    fn under_way(&self) -> UnderWay {
        UnderWay {
            tenants: self.tenants.clone(),
            full_tenants: full(&self.tenants, OF_TENANT_MAX),
            full_hosts: full(&self.hosts, OF_HOST_MAX),
        }
    }
}

fn one_less<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: K) {
    if let Entry::Occupied(mut count) = counts.entry(key) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

fn full<K: Clone>(counts: &HashMap<K, usize>, max: usize) -> Vec<K> {
    counts.iter().filter(|(_, n)| **n >= max).map(|(key, _)| key.clone()).collect()
}

/// One attempt, and what it came to, written down.
async fn deliver(
    parts: Arc<Parts>,
    making: Arc<Semaphore>,
    callback: Claimed,
    place: Place,
    stop: CancellationToken,
) -> Place {
    let began = Instant::now();
    let sent = attempt(&parts, &making, &callback).await;
    parts.metrics.callback_time.observe(began.elapsed());
    let end = end(&callback, sent, UnixTime::now());
    match end {
        CallbackEnd::Delivered => parts.metrics.callbacks_delivered.increment(),
        CallbackEnd::Again { .. } => parts.metrics.callbacks_failed.increment(),
        CallbackEnd::Dead { .. } => parts.metrics.callbacks_dead.increment(),
    }
    tracing::debug!(job = %callback.job, attempts = callback.attempts, ?end, "tried a callback");
    // Unless it is written down the callback comes again, which its receiver need not like.
    while let Err(error) = parts.store.settle_callback(callback.sequence, end).await {
        if matches!(error, StoreError::Closed) {
            break;
        }
        tracing::error!(error = &error as &dyn std::error::Error, "a callback's end could not be recorded");
        if stop.run_until_cancelled(sleep(STORE_PAUSE)).await.is_none() {
            break;
        }
    }
    place
}

/// What follows from an answer, or from none.
fn end(callback: &Claimed, sent: Result<Answer, CallbackProblem>, now: UnixTime) -> CallbackEnd {
    let (problem, status, asked, is_final) = match sent {
        Ok(Answer { status: 200..=299, .. }) => return CallbackEnd::Delivered,
        // "Gone": the receiver itself says that it wants no more.
        Ok(Answer { status: 410, .. }) => (CallbackProblem::Status, Some(410), None, true),
        Ok(Answer { status: status @ (429 | 503), retry_after }) => {
            (CallbackProblem::Status, Some(status), retry_after, false)
        }
        Ok(Answer { status, .. }) => (CallbackProblem::Status, Some(status), None, false),
        // It is not the receiver's doing: it waits until somebody has mended it.
        Err(problem @ (CallbackProblem::NoSecret | CallbackProblem::Internal)) => {
            return CallbackEnd::Again { due: now.after(OURS_PAUSE), problem, status: None };
        }
        Err(problem) => (problem, None, None, false),
    };
    let due = schedule::next(callback.attempts, callback.begun, now, asked, rand::random_range(0.0..=1.0));
    match due.filter(|_| !is_final) {
        Some(due) => CallbackEnd::Again { due, problem, status },
        None => CallbackEnd::Dead { at: now, problem, status },
    }
}

async fn attempt(parts: &Parts, making: &Semaphore, callback: &Claimed) -> Result<Answer, CallbackProblem> {
    let target: Target = callback.url.parse().map_err(|_| CallbackProblem::NotAllowed)?;
    let turn = making.acquire().await.map_err(|error| ours(&error))?;
    let body = body(&parts.store, &callback.tenant, callback.job).await.map_err(|error| ours(&error))?;
    drop(turn);
    // Erased in between: its row has gone with it, and nothing is left to be told.
    let body = body.ok_or(CallbackProblem::Internal)?;
    let now = UnixTime::now();
    let secrets = secrets(parts, &callback.tenant, now).await?;
    let (id, seconds) = (callback.job.to_string(), now.0.div_euclid(1_000_000));
    let signature = sign(&secrets, &id, seconds, &body);
    let mut headers = HeaderMap::new();
    for (name, value) in [(ID, id), (TIMESTAMP, seconds.to_string()), (SIGNATURE, signature)] {
        headers.insert(name, HeaderValue::try_from(value).map_err(|_| CallbackProblem::Internal)?);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    parts.post.send(&target, headers, body).await
}

/// What a tenant's callbacks are signed by; made at first need.
async fn secrets(parts: &Parts, tenant: &str, now: UnixTime) -> Result<Vec<CallbackSecret>, CallbackProblem> {
    let known = || parts.store.callback_secrets(tenant.to_owned(), now);
    let mut sealed = known().await.map_err(|error| ours(&error))?;
    if sealed.is_empty() {
        let first = parts.key.seal(tenant, &CallbackSecret::generate()).map_err(|error| ours(&error))?;
        let adding = parts.store.add_first_callback_secret(tenant.to_owned(), first, now);
        adding.await.map_err(|error| ours(&error))?;
        sealed = known().await.map_err(|error| ours(&error))?;
    }
    let open: Vec<_> = sealed.iter().filter_map(|sealed| parts.key.unseal(tenant, sealed)).collect();
    if open.is_empty() {
        tracing::error!(
            tenant,
            "no secret of this tenant's callbacks opens under the key in the data directory: restore the key, or \
             run `enclos callbacks secret --tenant NAME --rotate` and give the new secret to the receivers"
        );
        return Err(CallbackProblem::NoSecret);
    }
    Ok(open)
}

fn ours(error: &(dyn std::error::Error + 'static)) -> CallbackProblem {
    tracing::error!(error, "a callback could not be made ready");
    CallbackProblem::Internal
}

#[cfg(test)]
mod tests {
    use enclos_protocol::ids::JobId;

    use super::*;

    #[test]
    fn one_host_and_one_tenant_leave_places_for_others() {
        let mut busy = Busy::default();
        let place = |host: usize, tenant: &str| Place { host: host.to_string(), tenant: tenant.to_owned() };
        let of_one: Vec<Place> = (0..10).filter_map(|_| busy.take(place(0, "a"))).collect();
        assert_eq!((of_one.len(), busy.under_way().full_hosts), (OF_HOST_MAX, vec![("a".to_owned(), "0".to_owned())]));
        assert!(busy.under_way().full_tenants.is_empty());
        let of_many: Vec<Place> = (1..AT_ONCE_MAX).filter_map(|host| busy.take(place(host, "a"))).collect();
        assert_eq!(of_one.len() + of_many.len(), OF_TENANT_MAX);
        assert_eq!(busy.under_way().full_tenants, ["a"]);
        let of_another = busy.take(place(0, "b")).expect("another tenant's places to the same host are its own");
        of_one.into_iter().chain(of_many).chain([of_another]).for_each(|place| busy.free(place));
        assert_eq!(busy.under_way(), UnderWay::default());
    }

    #[test]
    fn an_answer_decides_what_becomes_of_it() {
        let begun = UnixTime(1_700_000_000_000_000);
        let job = JobId::generate();
        let callback = Claimed { sequence: 1, tenant: String::new(), job, url: String::new(), attempts: 1, begun };
        let answer = |status, after| Ok(Answer { status, retry_after: Some(Duration::from_secs(after)) });
        for status in [200, 204, 299] {
            assert_eq!(end(&callback, answer(status, 0), begun), CallbackEnd::Delivered);
        }
        let wait = |sent| match end(&callback, sent, begun) {
            CallbackEnd::Again { due, .. } => due.us_since(begun) / 1_000_000,
            other => panic!("{other:?}"),
        };
        for status in [100, 301, 302, 400, 404, 500, 502] {
            assert!(wait(answer(status, 600)) <= 5, "{status} has no word in it");
        }
        assert_eq!((wait(answer(429, 600)), wait(answer(503, 99_999))), (600, 3600));
        assert!(wait(Err(CallbackProblem::Unreachable)) <= 5);
        let much_later = begun.after(Duration::from_secs(25 * 3600));
        for ours in [CallbackProblem::NoSecret, CallbackProblem::Internal] {
            let again = CallbackEnd::Again { due: much_later.after(OURS_PAUSE), problem: ours, status: None };
            assert_eq!(end(&callback, Err(ours), much_later), again, "our failure never ends it");
        }
        let gone = CallbackEnd::Dead { at: begun, problem: CallbackProblem::Status, status: Some(410) };
        assert_eq!(end(&callback, answer(410, 0), begun), gone);
        let late = begun.after(Duration::from_secs(24 * 3600));
        let dead = end(&callback, Err(CallbackProblem::TimedOut), late);
        assert_eq!(dead, CallbackEnd::Dead { at: late, problem: CallbackProblem::TimedOut, status: None });
    }
}
