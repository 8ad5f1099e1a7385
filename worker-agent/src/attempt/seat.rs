//! Where a program of an attempt runs: a sandbox, entered, compiled in, left.
//!
//! ```text
//!  enter ─▶ compile (or a result that is remembered) ─▶ ready ─ a run ─ used … ─▶ leave
//! ```
//!
//! In namespaced cells one sandbox serves all runs. Plain cells keep nothing of
//! one run from the next, so there each of many runs gets a sandbox of its own,
//! into which the compiled tree is brought.

use std::sync::Arc;

use enclos_protocol::dependencies::Installed;
use enclos_protocol::ids::Binding;
use enclos_protocol::job::{Reuse, StepReport};
use enclos_protocol::measured::Claims;
use enclos_protocol::outcome::{self, Outcome};
use enclos_protocol::supervisor_link::{KEPT_BYTES_MAX, Keep, Tree};
use tokio::time::Instant;

use super::packages::Source;
use super::steps::Program;
use super::teller::{Left, Pieces, Sink, Teller};
use super::{Attempt, AttemptError, Broken, Progress, Workshop};
use crate::cache::{CacheKey, Compiled, TREE_BYTES_MAX};
use crate::pool::{ClaimError, Claimed, Condition};
use crate::sandbox::{JobRoom, Sandbox, SandboxError, chain};
use crate::stop::Cause;

/// Sandboxes that are tried before an attempt fails: an idle one can have ended unnoticed.
const ENTER_TRIES_MAX: u32 = 3;
/// Times that an attempt has an image made anew that the engine turned out not to have.
pub(super) const REMAKES_MAX: u32 = 2;

/// What of a seat does not change.
#[derive(Clone)]
pub(super) struct Place<'a> {
    pub(super) attempt: &'a Attempt,
    pub(super) workshop: &'a Workshop,
    pub(super) program: Program<'a>,
    /// Whose sandboxes it takes.
    pub(super) binding: Binding,
    pub(super) reuse: Reuse,
    pub(super) room: JobRoom,
    /// It runs more than once.
    pub(super) runs_often: bool,
}

/// A compile step to remember.
struct Fresh {
    key: CacheKey,
    report: StepReport,
    output: Pieces,
}

/// A program's seat.
pub(super) struct Seat<'a> {
    place: Place<'a>,
    source: Source,
    claimed: Option<Claimed>,
    /// What its compile step left, where each run gets it anew.
    tree: Option<Vec<u8>>,
    fresh: Option<Fresh>,
    claims: Claims,
}

impl<'a> Seat<'a> {
    /// Takes a sandbox of the program's language and brings the program's files.
    pub(super) async fn enter(place: Place<'a>) -> Result<Self, Broken> {
        let image = place.attempt.language_image(place.workshop, place.program.language).await?;
        Self::enter_from(place, Source::of_language(image)).await
    }

    /// As [`Seat::enter`], from this image.
    pub(super) async fn enter_from(place: Place<'a>, source: Source) -> Result<Self, Broken> {
        let mut seat = Self { place, source, claimed: None, tree: None, fresh: None, claims: Claims::default() };
        seat.begin().await?;
        Ok(seat)
    }

    async fn begin(&mut self) -> Result<&mut Sandbox, Broken> {
        let mut tries = 0;
        loop {
            tries += 1;
            let mut claimed = self.claim().await?;
            self.claims = self.claims.and(claimed.claims());
            // Not raced with the stop: a request cut short would cost the sandbox, and it takes moments.
            match claimed.sandbox().begin_job(self.place.program.files, self.place.room.clone()).await {
                Ok(()) => return Ok(self.claimed.insert(claimed).sandbox()),
                Err(error) => {
                    claimed.give_back(Condition::Broken);
                    // No program has run yet, so another sandbox may be tried.
                    if tries >= ENTER_TRIES_MAX {
                        return Err(error.into());
                    }
                    tracing::debug!(error = chain(&error), "sandbox could not be entered");
                }
            }
        }
    }

    /// A sandbox. An image that the engine has lost (someone pruned it) is made anew.
    async fn claim(&mut self) -> Result<Claimed, Broken> {
        let Place { attempt, workshop, program, binding, reuse, .. } = &self.place;
        let mut remakes = 0;
        loop {
            let claim = workshop.pool.claim(self.source.image.clone(), binding.clone(), *reuse);
            match attempt.stop.or(claim).await.map_err(Broken::Stopped)? {
                Err(ClaimError::NoImage(reason)) if remakes < REMAKES_MAX => {
                    remakes += 1;
                    tracing::warn!(image = self.source.image.name, reason, "image is gone, it is made anew");
                    self.source = attempt.again(workshop, program.language, &self.source).await?;
                }
                claimed => return Ok(claimed?),
            }
        }
    }

    /// Compiles, where the language has a compile step, or brings what an earlier one left.
    pub(super) async fn compile(&mut self) -> Result<Option<StepReport>, Broken> {
        let Some(mut request) = self.place.program.compile() else {
            if self.renews() {
                self.leave(&Ok(())).await;
            }
            return Ok(None);
        };
        let key = self.key();
        if let Some(known) = key.and_then(|key| self.place.workshop.cache.find(&key)) {
            return self.bring(&known).await.map(Some);
        }
        if self.sandbox().await?.is_plain() && key.is_none() && !self.renews() {
            // What it leaves is simply there, and nobody else wants it.
            request.keep = Keep::Nothing;
        }
        let (step, limits) = (self.place.program.step, self.place.program.compile_limits);
        let mut output = Pieces::new();
        let mut left_together = u64::MAX;
        let attempt = self.place.attempt;
        let mut teller = Teller {
            attempt,
            step,
            left: Left::of_each(limits.report_bytes),
            left_together: &mut left_together,
            sink: Sink::Nobody,
            told: key.is_some().then_some(&mut output),
            sink_error: None,
        };
        let facts = attempt.step(self.sandbox().await?, request, &mut teller).await?;
        let outcome = outcome::decide(step, &facts, &limits);
        let report = StepReport { outcome, facts, cached: false };
        if outcome == Outcome::Ok {
            self.fresh = key.map(|key| Fresh { key, report: report.clone(), output });
            if self.renews() {
                self.tree = self.sandbox().await?.take_tree(Tree::Kept, KEPT_BYTES_MAX).await?;
                self.leave(&Ok(())).await;
            }
        }
        Ok(Some(report))
    }

    fn key(&self) -> Option<CacheKey> {
        let Place { attempt, workshop, program, binding, .. } = &self.place;
        let wanted = workshop.cache.is_enabled() && !attempt.spec.no_cache;
        program.key(binding).filter(|_| wanted).map(|key| CacheKey::new(&key, &self.source.image))
    }

    /// Tells what an earlier step wrote, and brings what it left.
    async fn bring(&mut self, known: &Arc<Compiled>) -> Result<StepReport, Broken> {
        let Place { attempt, program, .. } = &self.place;
        let (attempt, step) = (*attempt, program.step);
        if let Some(cause) = attempt.stop.cause() {
            return Err(Broken::Stopped(cause));
        }
        attempt.tell(Progress::Started(step)).await;
        for (stream, bytes) in &known.output {
            attempt.tell(Progress::Output(step, *stream, bytes.clone())).await;
        }
        self.sandbox().await?.put_compiled(known).await?;
        if self.renews() {
            self.tree = Some(known.tree.clone());
        }
        Ok(StepReport { cached: true, ..known.report.clone() })
    }

    /// What does not change.
    pub(super) fn place(&self) -> Place<'a> {
        self.place.clone()
    }

    /// What its image has beyond the language's own.
    pub(super) fn installed(&self) -> Option<Installed> {
        self.source.installed().cloned()
    }

    /// Where the sandboxes came from that it took.
    pub(super) fn claims(&self) -> Claims {
        self.claims
    }

    /// Of which attempt.
    pub(super) fn attempt(&self) -> &'a Attempt {
        self.place.attempt
    }

    /// What all attempts share.
    pub(super) fn workshop(&self) -> &'a Workshop {
        self.place.workshop
    }

    /// Whose seat it is.
    pub(super) fn program(&self) -> Program<'a> {
        self.place.program
    }

    /// Whether what the compile step left is taken out at the end.
    pub(super) fn wants_tree(&self) -> bool {
        self.fresh.is_some()
    }

    /// What the compile step left, as an archive.
    pub(super) async fn take_tree(&mut self) -> Result<Vec<u8>, Broken> {
        let tree = self.sandbox().await?.take_tree(Tree::Kept, KEPT_BYTES_MAX).await?;
        tree.ok_or_else(|| AttemptError::Tree.into())
    }

    /// The sandbox for the next run.
    pub(super) async fn sandbox(&mut self) -> Result<&mut Sandbox, Broken> {
        if self.claimed.is_none() {
            let tree = self.tree.take();
            let sandbox = self.begin().await?;
            if let Some(tree) = &tree {
                sandbox.put_tree(Tree::Kept, tree).await?;
            }
            self.tree = tree;
        }
        Ok(self.claimed.as_mut().expect("it was just made").sandbox())
    }

    /// A run is over.
    pub(super) async fn used(&mut self) {
        if self.renews() {
            self.leave(&Ok(())).await;
        }
    }

    /// Each run has a sandbox of its own.
    fn renews(&mut self) -> bool {
        self.place.runs_often && self.claimed.as_mut().is_some_and(|c| c.sandbox().is_plain())
    }

    /// Ends the job in its sandbox and gives the sandbox back as it is.
    pub(super) async fn leave(&mut self, ended: &Result<(), Broken>) {
        let Some(mut claimed) = self.claimed.take() else { return };
        if let Err(Broken::Failed(_)) = ended {
            return claimed.give_back(Condition::Broken);
        }
        let begun = Instant::now();
        let left = match self.remember(claimed.sandbox()).await {
            Ok(()) => claimed.sandbox().end_job().await,
            Err(error) => Err(error),
        };
        let number = claimed.sandbox().number();
        tracing::debug!(sandbox = number, took_us = begun.elapsed().as_micros(), "job left its sandbox");
        claimed.give_back(match left {
            Ok(leftovers) if leftovers.is_empty() => Condition::Clean,
            Ok(leftovers) => Condition::Leftovers(leftovers),
            Err(error) => {
                // The job's answer is whole; only the sandbox is lost.
                tracing::warn!(sandbox = number, error = chain(&error), "job could not be ended");
                Condition::Broken
            }
        });
    }

    /// Keeps what a compile step left for the next that has the same to do: at the end, so that no run waits for it.
    async fn remember(&mut self, sandbox: &mut Sandbox) -> Result<(), SandboxError> {
        let gone = self.place.attempt.stop.cause() == Some(Cause::Abandoned);
        let Some(Fresh { key, report, output }) = self.fresh.take().filter(|_| !gone) else { return Ok(()) };
        if let Some(tree) = sandbox.take_tree(Tree::Kept, TREE_BYTES_MAX).await? {
            self.place.workshop.cache.remember(key, Compiled { tree, report, output });
        }
        Ok(())
    }
}
