//! The one task that owns the sandboxes nobody uses.
//!
//! ```text
//!  attempt ── claim ──▶ ┌────────────┐ ── open, destroy ──▶ tasks of the pool ──▶ sandbox::Host
//!          ◀─ Claimed ─ │ pool: Plan │ ◀─ opened, closed ──
//!          ─ give back ▶└────────────┘ ── View (watch) ──▶ load report
//! ```
//!
//! `plan` decides, this carries out. An attempt owns its sandbox outright
//! while it uses it; giving back, or dropping, always reaches the pool, because
//! the place in its queue is reserved with the claim.

mod claimed;
pub mod plan;
pub mod words;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use enclos_protocol::agent_link::ClosedSandboxes;
use enclos_protocol::forerunner::Forerunner;
use enclos_protocol::ids::Binding;
use enclos_protocol::job::Reuse;
use enclos_protocol::measured::{Claims, Durations};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

pub use claimed::Claimed;
use plan::{Plan, Wanted};
use words::{Action, After, Input, Ticket};
pub use words::{Bounds, ImageKey, Reason};

use crate::engine::{Engine, EngineError};
use crate::sandbox::{Host, Remains, Sandbox, SandboxError, chain};

/// Messages that may wait for the pool; each live claim has one place reserved.
const EVENTS_MAX: usize = 1024;
/// Longest that the pool sleeps without looking at its plan.
const TICK_MAX: Duration = Duration::from_secs(60);

/// Times that a sandbox is tried to be destroyed.
const DESTROY_TRIES_MAX: u32 = 12;
/// Pause between two tries.
const DESTROY_PAUSE: Duration = Duration::from_secs(10);

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// The engine lost the image since it was made.
    #[error("the engine does not have the image: {0}")]
    NoImage(String),
    /// It could not be started.
    #[error("no sandbox could be started: {0}")]
    Start(String),
    /// The agent ends.
    #[error("the pool is closed")]
    Closed,
}

/// How a sandbox comes back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Condition {
    /// Its base state is back.
    Clean,
    /// A job left something behind.
    Leftovers(Vec<String>),
    /// Its stream cannot be trusted any more, or it ended.
    Broken,
}

/// What the pool holds, for load reports.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct View {
    /// Sandboxes of any phase.
    pub sandboxes: u32,
    /// Unbound ones that wait, by name of image.
    pub warm: BTreeMap<String, u32>,
    /// What is kept unbound, by name of image.
    pub stock: BTreeMap<String, Wanted>,
    /// Sandboxes that were destroyed, by reason.
    pub closed: ClosedSandboxes,
    /// Jobs after which something was left.
    pub unclean_jobs: u64,
    /// Starts of sandboxes that succeeded.
    pub starts: Durations,
    /// Ends of sandboxes.
    pub stops: Durations,
}

enum Event {
    Claim { image: ImageKey, binding: Binding, reuse: Reuse, place: Place, reply: Reply },
    Withdrawn,
    Stock { image: ImageKey, target: usize },
    Returned { remains: Remains, sandbox: Option<Box<Sandbox>>, condition: Condition },
    Shutdown,
}

type Place = mpsc::OwnedPermit<Event>;
type Reply = oneshot::Sender<Result<Claimed, ClaimError>>;

/// A cheap handle of the pool.
#[derive(Clone)]
pub struct Pool {
    events: mpsc::Sender<Event>,
    view: watch::Receiver<View>,
    engine: Arc<dyn Engine>,
}

/// Tells the pool that a claim's asker is gone.
struct Withdrawal(Option<mpsc::Sender<Event>>);

impl Drop for Withdrawal {
    fn drop(&mut self) {
        // A full queue is no harm: the pool finds the reply closed when it wants to answer.
        if let Some(events) = self.0.take() {
            let _ = events.try_send(Event::Withdrawn);
        }
    }
}

impl Pool {
    /// A pool of `host`, and the task that is to be run for it. The task ends after [`Pool::shutdown`]
    /// when every sandbox is destroyed.
    pub fn new(host: Arc<Host>, bounds: Bounds) -> (Self, impl Future<Output = ()> + Send) {
        Self::with_forerunners(host, bounds, BTreeMap::new(), 0)
    }

    /// The same, in which up to `max` of `forerunners` wait, by name of image.
    pub fn with_forerunners(
        host: Arc<Host>,
        bounds: Bounds,
        forerunners: BTreeMap<String, Forerunner>,
        max: usize,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (events, inbox) = mpsc::channel(EVENTS_MAX);
        let (view_sender, view) = watch::channel(View::default());
        let engine = Arc::clone(&host.engine);
        let driver = Driver {
            host,
            plan: Plan::new(bounds).with_forerunners(forerunners.keys().cloned().collect(), max),
            forerunners,
            begun: Instant::now(),
            next_ticket: 0,
            claims: BTreeMap::new(),
            claiming: None,
            idle: BTreeMap::new(),
            tasks: JoinSet::new(),
            last_failure: None,
            view: view_sender,
        };
        (Self { events, view, engine }, driver.run(inbox))
    }

    /// A sandbox of `image` for `binding`, as soon as there is one. May be dropped at any time.
    ///
    /// # Errors
    /// [`ClaimError`].
    pub async fn claim(&self, image: ImageKey, binding: Binding, reuse: Reuse) -> Result<Claimed, ClaimError> {
        let place = self.events.clone().reserve_owned().await.map_err(|_| ClaimError::Closed)?;
        let (reply, answer) = oneshot::channel();
        let claim = Event::Claim { image, binding, reuse, place, reply };
        self.events.send(claim).await.map_err(|_| ClaimError::Closed)?;
        let mut withdrawal = Withdrawal(Some(self.events.clone()));
        let claimed = answer.await.unwrap_or(Err(ClaimError::Closed));
        withdrawal.0 = None;
        claimed
    }

    /// Keeps at least `target` unbound sandboxes of the image ready from now on.
    pub async fn stock(&self, image: ImageKey, target: usize) {
        // Only a pool that has ended does not take it.
        let _ = self.events.send(Event::Stock { image, target }).await;
    }

    /// Takes no more claims, destroys what is idle, and the rest when it comes back.
    pub async fn shutdown(&self) {
        let _ = self.events.send(Event::Shutdown).await;
    }

    /// What its sandboxes run on.
    #[must_use]
    pub fn engine(&self) -> &dyn Engine {
        self.engine.as_ref()
    }

    /// What it holds now.
    #[must_use]
    pub fn view(&self) -> View {
        self.view.borrow().clone()
    }
}

enum Done {
    Opened(Box<Sandbox>, Duration),
    OpenFailed(SandboxError, Remains),
    Closed(u64, Duration),
}

struct Driver {
    host: Arc<Host>,
    plan: Plan,
    begun: Instant,
    next_ticket: u64,
    claims: BTreeMap<Ticket, (Place, Reply)>,
    /// The claim that has just come.
    claiming: Option<Ticket>,
    idle: BTreeMap<u64, (Remains, Option<Box<Sandbox>>)>,
    /// By name of image.
    forerunners: BTreeMap<String, Forerunner>,
    tasks: JoinSet<Done>,
    last_failure: Option<ClaimError>,
    view: watch::Sender<View>,
}

impl Driver {
    async fn run(mut self, mut inbox: mpsc::Receiver<Event>) {
        let mut ending = false;
        while !(ending && self.plan.is_empty() && self.tasks.is_empty()) {
            let now = self.begun.elapsed();
            let next = self.plan.next_tick().unwrap_or(TICK_MAX).saturating_sub(now).min(TICK_MAX);
            tokio::select! {
                // Cancel-safe: an event is taken out only when it is delivered.
                event = inbox.recv() => match event {
                    Some(Event::Shutdown) | None if !ending => {
                        ending = true;
                        self.apply(Input::Shutdown);
                    }
                    Some(event) => self.take(event),
                    // Every handle and every claim is gone.
                    None if self.tasks.is_empty() => return,
                    None => {}
                },
                // Cancel-safe: a result is taken out only when it is delivered.
                Some(done) = self.tasks.join_next() => match done {
                    Ok(done) => self.finish(done),
                    Err(error) => tracing::error!(%error, "a task of the pool failed"),
                },
                // Cancel-safe: it only waits.
                () = sleep_until(Instant::now() + next) => self.apply(Input::Tick),
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Claim { image, binding, reuse, place, reply } => {
                self.drop_ended();
                self.next_ticket += 1;
                let ticket = Ticket(self.next_ticket);
                self.claims.insert(ticket, (place, reply));
                self.claiming = Some(ticket);
                self.apply(Input::Claim { ticket, image, binding, reuse });
                self.claiming = None;
            }
            Event::Withdrawn => {
                let gone: Vec<Ticket> =
                    self.claims.iter().filter(|(_, (_, reply))| reply.is_closed()).map(|(t, _)| *t).collect();
                for ticket in gone {
                    self.claims.remove(&ticket);
                    self.apply(Input::Withdraw(ticket));
                }
            }
            Event::Stock { image, target } => self.apply(Input::Stock { image, target }),
            Event::Returned { remains, sandbox, condition } => self.put_back(remains, sandbox, &condition),
            Event::Shutdown => {}
        }
    }

    fn put_back(&mut self, remains: Remains, sandbox: Option<Box<Sandbox>>, condition: &Condition) {
        let number = remains.number;
        if let Condition::Leftovers(left) = condition {
            tracing::warn!(
                sandbox = number,
                left = left.join(", ").escape_debug().to_string(),
                "job left its sandbox unclean"
            );
            self.view.send_modify(|view| view.unclean_jobs += 1);
        }
        let after = if *condition == Condition::Clean { After::Clean } else { After::Unfit };
        self.idle.insert(number, (remains, sandbox));
        self.apply(Input::Returned(number, after));
    }

    /// Idle sandboxes can end by themselves (the engine restarted): found before a claim could get one.
    fn drop_ended(&mut self) {
        let ended = self
            .idle
            .iter_mut()
            .filter_map(|(number, (_, sandbox))| sandbox.as_mut().is_some_and(|s| s.has_ended()).then_some(*number));
        for number in ended.collect::<Vec<_>>() {
            self.apply(Input::Lost(number));
        }
    }

    fn finish(&mut self, done: Done) {
        match done {
            Done::Opened(sandbox, took) => {
                self.view.send_modify(|view| view.starts.count(micros(took)));
                let number = sandbox.number();
                self.idle.insert(number, (sandbox.remains(), Some(sandbox)));
                self.apply(Input::Opened(number));
            }
            Done::OpenFailed(error, remains) => {
                let text = chain(&error);
                tracing::warn!(sandbox = remains.number, error = text, "sandbox could not be started");
                self.last_failure = Some(match error {
                    SandboxError::Engine(EngineError::NoImage(_)) => ClaimError::NoImage(text),
                    _ => ClaimError::Start(text),
                });
                self.apply(Input::OpenFailed(remains.number));
                self.last_failure = None;
                self.destroy(remains, None);
            }
            Done::Closed(number, took) => {
                self.view.send_modify(|view| view.stops.count(micros(took)));
                self.apply(Input::Closed(number));
            }
        }
    }

    fn apply(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            for action in self.plan.apply(self.begun.elapsed(), input) {
                inputs.extend(self.carry_out(action));
            }
        }
        let (sandboxes, warm) = (u32::try_from(self.plan.len()).unwrap_or(u32::MAX), self.plan.warm());
        let stock = self.plan.stock(self.begun.elapsed());
        self.view.send_modify(|view| {
            view.sandboxes = sandboxes;
            view.warm = warm;
            view.stock = stock;
        });
    }

    /// Does `action`; gives what follows from it at once.
    fn carry_out(&mut self, action: Action) -> Option<Input> {
        match action {
            Action::Open(number, image) => {
                let host = Arc::clone(&self.host);
                self.tasks.spawn(async move {
                    let begun = Instant::now();
                    match host.open(number, &image.reference).await {
                        Ok(sandbox) => Done::Opened(Box::new(sandbox), begun.elapsed()),
                        Err((error, remains)) => Done::OpenFailed(error, remains),
                    }
                });
                None
            }
            Action::Close(number, reason) => {
                tracing::debug!(sandbox = number, ?reason, "sandbox is destroyed");
                self.view.send_modify(|view| *reason.count_of(&mut view.closed) += 1);
                match self.idle.remove(&number) {
                    Some((remains, sandbox)) => {
                        self.destroy(remains, sandbox);
                        None
                    }
                    None => Some(Input::Closed(number)),
                }
            }
            Action::Assign(number, ticket) => self.assign(number, ticket),
            Action::SendAhead(number, image) => {
                let forerunner = self.forerunners.get(&image.name)?;
                let sandbox = self.idle.get_mut(&number).and_then(|(_, sandbox)| sandbox.as_mut())?;
                (!sandbox.start_forerunner(forerunner)).then_some(Input::Lost(number))
            }
            Action::Recall(number) => {
                let sandbox = self.idle.get_mut(&number).and_then(|(_, sandbox)| sandbox.as_mut())?;
                (!sandbox.end_forerunner()).then_some(Input::Lost(number))
            }
            Action::Refuse(ticket) => {
                let reason = self.last_failure.take().unwrap_or(ClaimError::Closed);
                if let Some((_, reply)) = self.claims.remove(&ticket) {
                    let _ = reply.send(Err(reason));
                }
                None
            }
        }
    }

    fn assign(&mut self, number: u64, ticket: Ticket) -> Option<Input> {
        let claim = self.claims.remove(&ticket).filter(|(_, reply)| !reply.is_closed());
        let Some((place, reply)) = claim else {
            // The plan takes its forerunner for gone.
            let sandbox = self.idle.get_mut(&number).and_then(|(_, sandbox)| sandbox.as_mut());
            let listens = sandbox.is_none_or(|sandbox| sandbox.end_forerunner());
            return Some(Input::Returned(number, if listens { After::Clean } else { After::Unfit }));
        };
        let Some((remains, Some(sandbox))) = self.idle.remove(&number) else {
            let _ = reply.send(Err(ClaimError::Start("the sandbox ended".to_owned())));
            return Some(Input::Returned(number, After::Unfit));
        };
        // An asker that goes away now drops the claim, and with it the sandbox comes back.
        let claims = match (self.claiming == Some(ticket), self.plan.is_new(number)) {
            (true, true) => Claims { warm: 1, ..Claims::default() },
            (true, false) => Claims { bound: 1, ..Claims::default() },
            (false, _) => Claims { waited: 1, ..Claims::default() },
        };
        let _ = reply.send(Ok(Claimed::new(sandbox, remains, place, claims)));
        None
    }

    fn destroy(&mut self, remains: Remains, sandbox: Option<Box<Sandbox>>) {
        let host = Arc::clone(&self.host);
        self.tasks.spawn(async move {
            let begun = Instant::now();
            if let Some(sandbox) = sandbox {
                sandbox.end().await;
            }
            // A container with thousands of dying processes takes its time (gVisor), and keeps its place here meanwhile.
            let mut tries = 1;
            while !host.destroy(&remains).await && tries < DESTROY_TRIES_MAX {
                tries += 1;
                sleep(DESTROY_PAUSE).await;
            }
            Done::Closed(remains.number, begun.elapsed())
        });
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
