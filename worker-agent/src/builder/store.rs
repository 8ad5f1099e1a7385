//! The handle on all installations: who asks for the same thing joins, and what was made is used again.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::key::Key;
use super::refusals::Refusals;
use super::shelf::{AGE_MAX, Shelf, ShelfBounds, Stock, is_young};
use super::{Bench, Derived, NotInstalled, Order};
use crate::sandbox::unix_seconds;

/// Times that a caller joins an installation that everyone else gave up in that moment.
const JOINS_MAX: u32 = 5;

/// Longest that an installation waits for its turn; the slots of who asked do nothing meanwhile.
const TURN_WAIT_MAX: Duration = Duration::from_secs(60);

type Answer = Option<Result<Arc<Derived>, NotInstalled>>;

/// An image, and whether it was there before anyone who waits now asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ready {
    /// The image.
    pub image: Arc<Derived>,
    /// It was there.
    pub cached: bool,
}

/// All installations of one agent. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Dependencies(Arc<Inner>);

struct Inner {
    bench: Arc<dyn Bench>,
    agent: String,
    /// One builder at a time: its memory and its processor are beside what is promised to jobs.
    turn: Semaphore,
    /// Callers that may wait at once: each holds a slot, and other jobs need some, too.
    places: Semaphore,
    tasks: TaskTracker,
    ending: CancellationToken,
    state: Mutex<State>,
}

struct State {
    shelf: Shelf,
    refusals: Refusals,
    under_way: BTreeMap<Key, Weak<watch::Sender<Answer>>>,
    /// By tenant: only one of each one's installations stands in the queue for the turn of all.
    lanes: BTreeMap<String, Weak<Semaphore>>,
    /// Ids of images that have to go and are still in use: each by a sandbox, so they are few.
    going: Vec<String>,
}

impl Dependencies {
    /// Of `agent`, over `bench`; of its `slots` half may wait here, and always one. Nothing is known
    /// yet, see [`Dependencies::survey`].
    #[must_use]
    pub fn new(bench: Arc<dyn Bench>, agent: &str, bounds: ShelfBounds, slots: u32) -> Self {
        let state = State {
            shelf: Shelf::new(bounds),
            refusals: Refusals::default(),
            under_way: BTreeMap::new(),
            lanes: BTreeMap::new(),
            going: Vec::new(),
        };
        Self(Arc::new(Inner {
            bench,
            agent: agent.to_owned(),
            turn: Semaphore::new(1),
            places: Semaphore::new((slots as usize / 2).max(1)),
            tasks: TaskTracker::new(),
            ending: CancellationToken::new(),
            state: Mutex::new(state),
        }))
    }

    /// Takes up what an earlier process of this agent made, and removes what it left without a name,
    /// and what is too old, whoever made it.
    pub async fn survey(&self) {
        let now = unix_seconds();
        let mut listed = match self.0.bench.list().await {
            Ok(listed) => listed,
            Err(error) => return tracing::warn!(error, "derived images were not looked for"),
        };
        listed.sort_by_key(|one| one.image.made_unix_s);
        for one in listed {
            let own = one.agent == self.0.agent;
            if own && one.reference.is_some() && is_young(&one.image, now) {
                let going = self.0.lock().shelf.put(one.key, one.image);
                self.remove(going).await;
            } else if own || one.image.made_unix_s.saturating_add(2 * AGE_MAX.as_secs()) < now {
                // Another agent uses none of that age, so it is no more.
                self.0.bench.remove(&one.image.id).await;
            }
        }
    }

    /// The image that `order` comes to, made if it is not there. May be dropped at any time: an
    /// installation that nobody waits for is given up.
    ///
    /// # Errors
    /// [`NotInstalled`].
    pub async fn ensure(&self, order: &Order) -> Result<Ready, NotInstalled> {
        let mut place: Option<SemaphorePermit<'_>> = None;
        for _ in 0..JOINS_MAX {
            let mut answer = {
                let mut state = self.0.lock();
                if let Some(image) = state.shelf.take(&order.key, unix_seconds()) {
                    return Ok(Ready { image, cached: true });
                }
                if let Some(refusal) = state.refusals.find(&order.key, Instant::now()) {
                    return Err(NotInstalled::Refused(refusal));
                }
                if place.is_none() {
                    place = Some(self.0.places.try_acquire().map_err(|_| NotInstalled::NoRoom)?);
                }
                let joined = state.under_way.get(&order.key).and_then(Weak::upgrade).map(|sender| sender.subscribe());
                joined.unwrap_or_else(|| self.start(&mut state, order.clone()))
            };
            if let Ok(answer) = answer.wait_for(Option::is_some).await
                && let Some(answer) = answer.clone()
            {
                return answer.map(|image| Ready { image, cached: false });
            }
        }
        Err(NotInstalled::Failed("the installation was given up again and again".to_owned()))
    }

    /// Whether the image of `key` is there, so that nobody has to wait for it.
    #[must_use]
    pub fn has(&self, key: &Key) -> bool {
        self.0.lock().shelf.take(key, unix_seconds()).is_some()
    }

    /// Whether nobody else may wait at this moment.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.places.available_permits() == 0
    }

    /// The engine turned out not to have the image of `key`: the next [`Dependencies::ensure`] makes it anew.
    pub fn vanished(&self, key: &Key) {
        self.0.lock().shelf.forget(key);
    }

    /// How many images there are.
    #[must_use]
    pub fn stock(&self) -> Stock {
        self.0.lock().shelf.stock()
    }

    /// Ends what is under way, and waits until it is gone. Images stay for the next start.
    pub async fn shutdown(&self) {
        self.0.ending.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    fn start(&self, state: &mut State, order: Order) -> watch::Receiver<Answer> {
        let (sender, receiver) = watch::channel(None);
        let sender = Arc::new(sender);
        state.under_way.insert(order.key.clone(), Arc::downgrade(&sender));
        let this = self.clone();
        self.0.tasks.spawn(async move {
            let made = this.carry_out(&order, &sender).await;
            let (answer, going) = {
                let mut state = this.0.lock();
                state.under_way.remove(&order.key);
                match made {
                    Some(Ok(image)) => {
                        let going = state.shelf.put(order.key.clone(), image.clone());
                        (Some(Ok(Arc::new(image))), going)
                    }
                    Some(Err(error)) => {
                        if let NotInstalled::Refused(refusal) = &error {
                            state.refusals.put(order.key.clone(), Arc::clone(refusal), Instant::now());
                        }
                        (Some(Err(error)), Vec::new())
                    }
                    None => (None, Vec::new()),
                }
            };
            sender.send_replace(answer);
            drop(sender);
            this.remove(going).await;
        });
        receiver
    }

    /// `None`: nobody waits for it any more.
    async fn carry_out(&self, order: &Order, asked: &watch::Sender<Answer>) -> Option<Result<Derived, NotInstalled>> {
        let mut stopped = pin!(async {
            // Cancel-safe: both only wait.
            tokio::select! {
                () = asked.closed() => None,
                () = self.0.ending.cancelled() => Some(Err(NotInstalled::ShuttingDown)),
            }
        });
        // Cancel-safe: a place in the queue is given up.
        let turn = tokio::select! {
            turn = timeout(TURN_WAIT_MAX, self.turn(&order.tenant)) => turn,
            stopped = &mut stopped => return stopped,
        };
        let Ok(turn) = turn else { return Some(Err(NotInstalled::NoRoom)) };
        // Cancel-safe: what an installation leaves where it is dropped is tidied up, in its own turn.
        let made = tokio::select! {
            made = self.0.bench.install(order) => Some(made),
            stopped = &mut stopped => stopped,
        };
        self.0.bench.tidy().await;
        drop(turn);
        made
    }

    /// Waits for a turn. Tenants take turns, and not their scopes, which clients choose.
    async fn turn(&self, tenant: &str) -> (Option<OwnedSemaphorePermit>, Option<SemaphorePermit<'_>>) {
        let lane = {
            let lanes = &mut self.0.lock().lanes;
            lanes.retain(|_, lane| lane.strong_count() > 0);
            lanes.get(tenant).and_then(Weak::upgrade).unwrap_or_else(|| {
                let lane = Arc::new(Semaphore::new(1));
                lanes.insert(tenant.to_owned(), Arc::downgrade(&lane));
                lane
            })
        };
        // Neither is ever closed.
        (lane.acquire_owned().await.ok(), self.0.turn.acquire().await.ok())
    }

    /// Removes images, and those of earlier times that were still in use then.
    async fn remove(&self, going: Vec<Arc<Derived>>) {
        let mut all = std::mem::take(&mut self.0.lock().going);
        all.extend(going.iter().map(|image| image.id.clone()));
        for id in all {
            if self.0.bench.remove(&id).await {
                tracing::info!(image = id, "derived image was removed");
            } else {
                self.0.lock().going.push(id);
            }
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
