//! The image that a job starts from: its language's, or that with the job's dependencies on it.

use enclos_images::Language;
use enclos_protocol::dependencies::Installed;
use enclos_protocol::frame::CHUNK_BYTES_MAX;
use enclos_protocol::ids::AgentName;
use enclos_protocol::job::{Step, StepReport, Stream};
use enclos_protocol::outcome::{Accounting, Outcome, StepFacts};
use tokio::time::Instant;

use super::seat::REMAKES_MAX;
use super::{Attempt, AttemptError, Broken, Known, Progress, Workshop};
use crate::builder::flags::DependencyConfig;
use crate::builder::key::Key;
use crate::builder::{Dependencies, NotInstalled, Order, Refusal};
use crate::pool::ImageKey;

/// How this agent installs.
pub struct Installs {
    /// Who it is: part of what an image is for.
    pub agent: AgentName,
    /// From where.
    pub config: DependencyConfig,
    /// What was installed.
    pub dependencies: Dependencies,
}

/// An image, and where it came from.
pub(super) struct Source {
    pub image: ImageKey,
    derived: Option<(Key, Installed)>,
}

impl Source {
    /// A language's own image.
    pub(super) fn of_language(image: ImageKey) -> Self {
        Self { image, derived: None }
    }

    /// What is in it beyond the language's own.
    pub(super) fn installed(&self) -> Option<&Installed> {
        self.derived.as_ref().map(|(_, installed)| installed)
    }
}

impl Attempt {
    /// The image of a language, made if it is missing.
    pub(super) async fn language_image(&self, workshop: &Workshop, language: &Language) -> Result<ImageKey, Broken> {
        let made = self.stop.or(workshop.images.ensure(&language.image)).await.map_err(Broken::Stopped)?;
        Ok(made.map_err(|reason| AttemptError::Image { image: language.image.clone(), reason })?)
    }

    /// The image to start from, made if it is missing. `None`: its dependencies cannot be had, and
    /// `known` says why.
    pub(super) async fn source(
        &self,
        workshop: &Workshop,
        language: &Language,
        known: &mut Known,
    ) -> Result<Option<Source>, Broken> {
        let mut remakes = 0;
        loop {
            let base = self.language_image(workshop, language).await?;
            if self.spec.dependencies.is_none() {
                return Ok(Some(Source::of_language(base)));
            }
            match self.installed(workshop, language, base, known).await {
                Err(Broken::Failed(AttemptError::Install(NotInstalled::NoBase(image)))) if remakes < REMAKES_MAX => {
                    remakes += 1;
                    workshop.images.vanished(&image);
                }
                other => return other,
            }
        }
    }

    /// The image that the engine turned out not to have, made anew.
    pub(super) async fn again(
        &self,
        workshop: &Workshop,
        language: &Language,
        lost: &Source,
    ) -> Result<Source, Broken> {
        let (Some((key, _)), Some(installs)) = (&lost.derived, &workshop.installs) else {
            workshop.images.vanished(&lost.image.name);
            return Ok(Source::of_language(self.language_image(workshop, language).await?));
        };
        installs.dependencies.vanished(key);
        let again = self.source(workshop, language, &mut Known::default()).await?;
        // They were there a moment ago: the next attempt tells what has become of them.
        again.ok_or_else(|| AttemptError::Lost.into())
    }

    /// The image with the job's dependencies on `base`.
    async fn installed(
        &self,
        workshop: &Workshop,
        language: &Language,
        base: ImageKey,
        known: &mut Known,
    ) -> Result<Option<Source>, Broken> {
        let wanted = self.spec.dependencies.as_ref();
        let installer = language.installer.as_ref().filter(|i| wanted.is_some_and(|w| w.installer == i.name));
        let (Some(installs), Some(wanted), Some(installer)) = (&workshop.installs, wanted, installer) else {
            return Err(AttemptError::NoInstaller.into());
        };
        let installer = installs.config.installer(installer);
        let requirements = wanted.requirements.clone();
        let key = Key::of(&installs.agent, &self.spec.binding, &base, &installer, &requirements);
        let tenant = self.spec.binding.tenant.clone();
        let order = Order { key, tenant, installer, requirements, base };
        if !installs.dependencies.has(&order.key) {
            if installs.dependencies.is_full() {
                // Before it is told: a job that goes back has not begun to install.
                return Err(NotInstalled::NoRoom.into());
            }
            self.tell(Progress::Installing).await;
        }
        let begun = Instant::now();
        let made = self.stop.or(installs.dependencies.ensure(&order)).await.map_err(Broken::Stopped)?;
        let installed = |packages, cached| Installed {
            installer: wanted.installer.clone(),
            packages,
            cached,
            install_us: u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
        };
        match made {
            Ok(ready) => {
                let installed = installed(ready.image.packages.clone(), ready.cached);
                let image = order.key.image(&order.base, &ready.image.id);
                Ok(Some(Source { image, derived: Some((order.key, installed)) }))
            }
            Err(NotInstalled::Refused(refusal)) => {
                known.dependencies = Some(installed(Vec::new(), false));
                self.refused(&refusal, known).await;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The job ends as if its compiler had refused it: what it needs is a part of what it is.
    async fn refused(&self, refusal: &Refusal, known: &mut Known) {
        let room = usize::try_from(self.spec.compile_limits.report_bytes).unwrap_or(usize::MAX);
        // The end of a log says what went wrong.
        let kept = &refusal.log[refusal.log.len().saturating_sub(room)..];
        for chunk in kept.chunks(CHUNK_BYTES_MAX) {
            self.tell(Progress::Output(Step::Compile, Stream::Stderr, chunk.to_vec())).await;
        }
        let facts = StepFacts {
            exit: refusal.exit,
            stop: None,
            cpu_us: refusal.cpu_us,
            wall_us: refusal.wall_us,
            memory_peak_bytes: refusal.memory_peak_bytes,
            oom_kills: 0,
            pids_refused: 0,
            stdout_bytes: 0,
            stderr_bytes: refusal.log.len() as u64,
            kill_us: None,
            accounting: Accounting::Sampled,
            start_error: None,
            keep_error: None,
        };
        known.compile = Some(StepReport { outcome: Outcome::CompileError, facts, cached: false });
        known.problem = Some(format!("the dependencies cannot be installed: {}", refusal.problem));
    }
}

#[cfg(test)]
#[path = "packages_tests.rs"]
mod tests;
