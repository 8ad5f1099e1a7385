//! One job's live state.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use enclos_protocol::cases::{CASES_REPORT_BYTES_MAX, CaseReport};
use enclos_protocol::ids::{AgentName, FencingToken};
use enclos_protocol::job::{JobSpec, Step, Stream};
use enclos_protocol::outcome::Outcome;
use tokio::sync::{Notify, watch};

use super::OutputError;
use super::cursor::{Cursor, Phase};
use super::holder::Holder;
use super::names::Names;
use super::stdin::{Heard, Stdin, Unfit};
use super::told::Told;
use super::watcher::Watcher;
use super::wish::EndWish;
use crate::scoring::{Judged, Scoring};
use crate::store::{CaseResult, Finish, Outputs, PARTS, Part};

#[derive(Debug)]
pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) token: Option<FencingToken>,
    holder: Option<Arc<Holder>>,
    /// What is done for the image that its attempt waits for; told in phase `Given` only.
    image: Option<String>,
    /// `None`: nothing was written. A job that waits holds none: it would be a third of what it takes.
    pub(super) outputs: Option<Box<Outputs>>,
    /// Cases of which something is known; a job that waits holds none.
    pub(super) cases: BTreeMap<u32, CaseResult>,
    /// Bytes that all of them have written together.
    case_bytes: u64,
    /// The last piece of output that somebody was told: after which place, and up to which.
    pub(super) told: Option<Box<(Cursor, Cursor, Told)>>,
    /// Somebody waits to be told how it ended.
    end_is_wanted: bool,
    /// That, for them.
    end: Option<Arc<Finish>>,
}

/// The live state of one job.
#[derive(Debug)]
pub struct Live {
    /// Whose it is.
    tenant: Arc<str>,
    /// Ids of the languages whose images it needs: its own, and that of who judges it.
    languages: (Arc<str>, Option<Arc<str>>),
    /// Most bytes of each part; those of the run are of each case, where there are cases.
    caps: [u64; PARTS],
    /// How many cases it has; 0: it is run once.
    pub(super) cases: u32,
    scoring: Scoring,
    /// What clients say to it, where its standard input is live.
    stdin: Option<Arc<Stdin>>,
    state: Mutex<State>,
    /// Counts changes: watchers wait for a number, so none is missed between looking and waiting. It is
    /// made for the first of them: it is a third of what a job that waits would take.
    pub(super) changes: OnceLock<watch::Sender<u64>>,
    /// Told when it has ended: who waits for that alone is woken once. Made for the first of them, too.
    ended: OnceLock<Arc<Notify>>,
}

/// A job's phase at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// How far it is.
    pub phase: Phase,
    /// Of which attempt.
    pub token: Option<FencingToken>,
    /// Who has it.
    pub holder: Option<Arc<Holder>>,
    /// What is done for the image that it waits for, for a person.
    pub image: Option<String>,
}

/// All that an attempt came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Results {
    /// What its steps wrote.
    pub outputs: Outputs,
    /// Its cases, all of them.
    pub cases: Vec<CaseResult>,
    /// What they come to; `None`: there are none.
    pub judged: Option<Judged>,
}

impl Live {
    /// A waiting job.
    pub(super) fn new(spec: &JobSpec, scoring: Scoring, names: &mut Names) -> Self {
        let companion = spec.cases.as_ref().and_then(|plan| plan.judging.companion());
        let run = spec.cases.as_ref().map_or(&spec.run_limits, |plan| &plan.largest);
        let caps = Part::ALL.map(|part| match part.step {
            Step::Compile => spec.compile_limits.report_bytes,
            Step::Companion => companion.map_or(0, |c| c.compile_limits.report_bytes),
            Step::Run | Step::Case(_) => run.report_bytes,
        });
        let state = State {
            phase: Phase::Queued,
            token: None,
            holder: None,
            image: None,
            outputs: None,
            cases: BTreeMap::new(),
            case_bytes: 0,
            told: None,
            end_is_wanted: false,
            end: None,
        };
        let cases = spec.cases.as_ref().map_or(0, |plan| plan.count);
        let stdin = spec.live_stdin.then(Arc::default);
        let tenant = names.shared(&spec.binding.tenant);
        let languages = (names.shared(&spec.language), companion.map(|c| names.shared(&c.language)));
        let (changes, ended) = (OnceLock::new(), OnceLock::new());
        Self { tenant, languages, caps, cases, scoring, stdin, state: Mutex::new(state), changes, ended }
    }

    /// Whose job it is.
    pub(super) fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Whether it is a job of this tenant.
    #[must_use]
    pub fn is_of(&self, tenant: &str) -> bool {
        *self.tenant == *tenant
    }

    /// What clients say to it, where its standard input is live.
    #[must_use]
    pub fn stdin(&self) -> Option<&Arc<Stdin>> {
        self.stdin.as_ref()
    }

    /// How far the job is now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let state = self.lock();
        let image = state.image.clone().filter(|_| state.phase == Phase::Given);
        Snapshot { phase: state.phase, token: state.token, holder: state.holder.clone(), image }
    }

    /// Someone who wants to see what comes after `cursor`.
    #[must_use]
    pub fn watch(self: &Arc<Self>, cursor: Cursor) -> Watcher {
        let changes = self.changes.get_or_init(|| watch::Sender::new(0)).subscribe();
        Watcher::new(Arc::clone(self), changes, cursor)
    }

    pub(super) fn queued(&self) {
        self.change(|state| {
            state.phase = Phase::Queued;
            state.holder = None;
            state.forget_output();
            true
        });
        self.stdin.iter().for_each(|stdin| stdin.begin_anew());
    }

    pub(super) fn running(&self, token: FencingToken, holder: Holder) {
        self.change(|state| {
            // An attempt that is taken up again after a restart or reconnect goes on where it was.
            if state.token != Some(token) || state.phase == Phase::Queued {
                state.forget_output();
                state.phase = Phase::Given;
            }
            state.token = Some(token);
            state.holder = Some(Arc::new(holder));
            state.image = None;
            true
        });
    }

    pub(super) fn advance(&self, token: FencingToken, agent: &AgentName, next: Phase) {
        self.change(|state| {
            // Sent again after a reconnect, an earlier phase must not turn the phase back.
            let news = state.is_current(token, agent) && state.phase < next;
            if news {
                state.phase = next;
            }
            news
        });
    }

    /// Its agent makes images: `told` has the progress of each that a language waits for. Whether the job
    /// may wait for one at all.
    pub(super) fn imaging(&self, agent: &AgentName, told: &BTreeMap<&str, &str>) -> bool {
        let mut waits = false;
        self.change(|state| {
            waits = state.phase == Phase::Given;
            if !waits || !state.is_at(agent) {
                return false;
            }
            let languages = [Some(&self.languages.0), self.languages.1.as_ref()];
            let image = languages.into_iter().flatten().find_map(|id| told.get(&**id)).map(|text| (*text).to_owned());
            let news = state.image != image;
            state.image = image;
            news
        });
        waits
    }

    pub(super) fn output(
        &self,
        (token, agent): (FencingToken, &AgentName),
        part: Part,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), OutputError> {
        let cap = self.caps[part.index()];
        match part.step {
            Step::Case(number) if number >= self.cases => return Err(OutputError::NoSuchCase(number)),
            Step::Run if self.cases > 0 => return Err(OutputError::TooMuch(0)),
            _ => {}
        }
        let mut answer = Ok(());
        self.change(|state| {
            if !state.is_current(token, agent) {
                return false;
            }
            let taken = match part.step {
                Step::Case(number) => state.case_output(number, part.stream, cap, offset, bytes),
                _ => append(&mut state.outputs.get_or_insert_default().0[part.index()], cap, offset, bytes)
                    .map(|new| new > 0),
            };
            taken.unwrap_or_else(|error| {
                answer = Err(error);
                false
            })
        });
        if part.step == Step::Run {
            self.stdin.iter().for_each(|stdin| stdin.touch());
        }
        answer
    }

    pub(super) fn stdin_taken(&self, (token, agent): (FencingToken, &AgentName), heard: Heard) -> Result<(), Unfit> {
        let current = self.lock().is_current(token, agent);
        self.stdin.as_ref().filter(|_| current).map_or(Ok(()), |stdin| stdin.taken(token, heard))
    }

    pub(super) fn case_done(
        &self,
        (token, agent): (FencingToken, &AgentName),
        number: u32,
        report: CaseReport,
    ) -> Result<(), OutputError> {
        if number >= self.cases {
            return Err(OutputError::NoSuchCase(number));
        }
        self.change(|state| {
            if !state.is_current(token, agent) {
                return false;
            }
            let case = state.cases.entry(number).or_default();
            // Sent again after a reconnect.
            if case.report.is_some() {
                return false;
            }
            case.report = Some(report);
            true
        });
        Ok(())
    }

    /// What an attempt came to that ended a job with `outcome`; without one nothing was written.
    pub(super) fn results(&self, token: Option<FencingToken>, outcome: Outcome) -> Results {
        let state = self.lock();
        let current = token.is_some() && state.token == token;
        let outputs = state.outputs.as_deref().filter(|_| current).cloned().unwrap_or_default();
        let of = |number| state.cases.get(&number).filter(|_| current).cloned().unwrap_or_default();
        let cases: Vec<CaseResult> = (0..self.cases).map(of).collect();
        drop(state);
        let judged = (self.cases > 0).then(|| {
            let reports: Vec<Option<&CaseReport>> = cases.iter().map(|case| case.report.as_ref()).collect();
            self.scoring.judge(outcome, &reports)
        });
        Results { outputs, cases, judged }
    }

    /// Has the job's end kept for who waits for it, while they do.
    #[must_use]
    pub fn wish_for_end(self: &Arc<Self>) -> EndWish {
        EndWish::of(Arc::clone(self))
    }

    pub(super) fn wish_end(&self, is_wanted: bool) {
        let mut state = self.lock();
        state.end_is_wanted = is_wanted;
        state.end = None;
    }

    pub(super) fn take_end(&self) -> Option<(Arc<Finish>, Arc<Holder>)> {
        let mut state = self.lock();
        state.end.take().zip(state.holder.clone())
    }

    pub(super) fn finished(&self, end: Option<Arc<Finish>>) {
        self.change(|state| {
            state.phase = Phase::Finished;
            // Cases are shown with what the store alone has.
            state.end = end.filter(|_| state.end_is_wanted && self.cases == 0);
            true
        });
        if let Some(ended) = self.ended.get() {
            ended.notify_waiters();
        }
        self.stdin.iter().for_each(|stdin| stdin.end());
    }

    /// Waits until the job has ended; cancel-safe.
    pub async fn ended(&self) {
        let mut ended = pin!(self.ended.get_or_init(Arc::default).notified());
        // Before the look: an end that comes after it is not missed.
        ended.as_mut().enable();
        if self.lock().phase != Phase::Finished {
            ended.await;
        }
    }

    /// Makes a change under the lock and wakes the watchers if there was one.
    fn change(&self, change: impl FnOnce(&mut State) -> bool) {
        let changed = change(&mut self.lock());
        // Who is not there yet makes it before they look, and then sees what was changed.
        if changed && let Some(changes) = self.changes.get() {
            changes.send_modify(|count| *count += 1);
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_current(&self, token: FencingToken, agent: &AgentName) -> bool {
        self.token == Some(token) && self.is_at(agent) && self.phase != Phase::Queued
    }

    fn is_at(&self, agent: &AgentName) -> bool {
        self.holder.as_ref().is_some_and(|holder| holder.agent == *agent)
    }

    fn forget_output(&mut self) {
        self.outputs = None;
        self.told = None;
        self.cases.clear();
        self.case_bytes = 0;
    }

    /// Whether anything was new.
    fn case_output(
        &mut self,
        number: u32,
        stream: Stream,
        cap: u64,
        offset: u64,
        bytes: &[u8],
    ) -> Result<bool, OutputError> {
        let case = self.cases.entry(number).or_default();
        // A watcher has gone on to the next case by now.
        if case.report.is_some() {
            return Ok(false);
        }
        let kept = if stream == Stream::Stdout { &mut case.stdout } else { &mut case.stderr };
        let room = CASES_REPORT_BYTES_MAX - self.case_bytes;
        let cap = cap.min(kept.len() as u64 + room);
        let new = append(kept, cap, offset, bytes)?;
        self.case_bytes += new;
        Ok(new > 0)
    }
}

/// How many of `bytes` were new.
fn append(kept: &mut Vec<u8>, cap: u64, offset: u64, bytes: &[u8]) -> Result<u64, OutputError> {
    let known = kept.len();
    let gap = OutputError::Gap { offset, known };
    let offset = usize::try_from(offset).map_err(|_| OutputError::TooMuch(cap))?;
    let Some(seen) = known.checked_sub(offset) else { return Err(gap) };
    let new = bytes.get(seen..).unwrap_or_default();
    if (known + new.len()) as u64 > cap {
        return Err(OutputError::TooMuch(cap));
    }
    kept.extend_from_slice(new);
    Ok(new.len() as u64)
}
