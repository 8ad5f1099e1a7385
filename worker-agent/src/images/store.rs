//! The handle on all images. See the module above for the picture.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use bollard::Docker;
use enclos_images::Catalogue;
use enclos_images::folder::BASE;
use enclos_protocol::agent_link::ImageState;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::build::Progress;
use super::error::Chain;
use super::phase::{Ask, Phase};
use super::prepare::{Preparation, Versions};
use super::{Builds, ImageError, ImageOptions, PrepareError, SandboxImage};

/// What an image's waiters say while the base is being made; `states` puts the base's own progress there.
const WAITS_FOR_BASE: &str = "waits for the base";

type Answer = Option<Result<SandboxImage, ImageError>>;

/// The images of one engine. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct ImageStore(Arc<Inner>);

struct Inner {
    docker: Docker,
    catalogue: Arc<Catalogue>,
    options: ImageOptions,
    builds: Semaphore,
    tasks: TaskTracker,
    ending: CancellationToken,
    slots: Mutex<BTreeMap<String, Slot>>,
    versions: Mutex<Versions>,
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct Slot {
    phase: Phase,
    /// Answer of the task that runs, while `phase` is `Preparing`.
    answer: Option<watch::Receiver<Answer>>,
}

impl ImageStore {
    /// A store in which nothing has been looked at yet; see [`ImageStore::survey`].
    #[must_use]
    pub fn new(docker: Docker, catalogue: Arc<Catalogue>, options: ImageOptions) -> Self {
        let slots = catalogue.folders().iter().map(|f| (f.name.clone(), Slot::default())).collect();
        Self(Arc::new(Inner {
            builds: Semaphore::new(options.builds_max.max(1)),
            docker,
            catalogue,
            options,
            tasks: TaskTracker::new(),
            ending: CancellationToken::new(),
            slots: Mutex::new(slots),
            versions: Mutex::default(),
            changes: watch::Sender::new(0),
        }))
    }

    /// Looks which images the engine has already, so that [`ImageStore::states`] tells it. Makes nothing.
    ///
    /// # Errors
    /// [`PrepareError`] when the engine does not answer, or an image that is there does not work.
    pub async fn survey(&self) -> Result<(), PrepareError> {
        for folder in self.0.catalogue.folders().iter().filter(|f| f.name != BASE) {
            if let Some((image, versions)) = self.preparation(&Silent).found(folder).await? {
                self.0.versions().extend(versions);
                self.0.change(&folder.name, |slot| slot.phase.made(image));
            }
        }
        Ok(())
    }

    /// The sandbox image of `image` (`base`: the base itself), made if it is missing.
    ///
    /// Joins a preparation that is under way. A preparation goes on when the
    /// caller gives up. After a failure it is tried again only past a back-off.
    ///
    /// # Errors
    /// [`ImageError`] says why there is none, and when a further call helps.
    pub async fn ensure(&self, image: &str) -> Result<SandboxImage, ImageError> {
        let mut answer = {
            let mut slots = self.0.slots();
            let slot = slots.get_mut(image).ok_or_else(|| ImageError::Unknown(image.to_owned()))?;
            match slot.phase.ask(Instant::now()) {
                Ask::Have(found) => return Ok(found),
                Ask::BackOff { reason, retry_in } => {
                    return Err(ImageError::BackingOff { image: image.to_owned(), reason, retry_in });
                }
                Ask::Start => slot.answer.insert(self.start(image)).clone(),
                Ask::Join => slot.answer.clone().expect("a preparation that runs has its answer's place"),
            }
        };
        let answered = answer.wait_for(Option::is_some).await.map(|answer| answer.clone());
        answered.ok().flatten().unwrap_or_else(|| Err(self.lost(image)))
    }

    /// How far each image is, by its name; the base is among them.
    #[must_use]
    pub fn states(&self) -> BTreeMap<String, ImageState> {
        let slots = self.0.slots();
        let now = Instant::now();
        let mut states: BTreeMap<String, ImageState> =
            slots.iter().map(|(name, slot)| (name.clone(), slot.phase.reported(now))).collect();
        drop(slots);
        if let Some(ImageState::Preparing { progress }) = states.get(BASE) {
            let told = format!("base: {progress}");
            for state in states.values_mut() {
                if *state == (ImageState::Preparing { progress: WAITS_FOR_BASE.into() }) {
                    *state = ImageState::Preparing { progress: told.clone() };
                }
            }
        }
        states
    }

    /// First line of each language's version command, by language id, for the images that are ready.
    #[must_use]
    pub fn versions(&self) -> BTreeMap<String, String> {
        self.0.versions().clone()
    }

    /// The engine turned out not to have `image` any more: the next `ensure` makes it anew.
    pub fn vanished(&self, image: &str) {
        self.0.change(image, |slot| slot.phase.vanished());
    }

    /// Grows with every change of any state or progress.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Ends all preparations and waits until they are gone. Callers of `ensure` get an error.
    pub async fn shutdown(&self) {
        self.0.ending.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// The task ended by a panic: without this its image would be `Preparing` for ever.
    fn lost(&self, image: &str) -> ImageError {
        self.0.change(image, |slot| slot.phase.failed(&PrepareError::Lost.to_string(), Instant::now()));
        ImageError::Failed { image: image.to_owned(), source: Arc::new(PrepareError::Lost) }
    }

    fn start(&self, image: &str) -> watch::Receiver<Answer> {
        let (sender, receiver) = watch::channel(None);
        let (store, image) = (self.clone(), image.to_owned());
        self.0.tasks.spawn(async move {
            // Cancel-safe: what a dropped preparation leaves are images under digest tags, which are right.
            let made = tokio::select! {
                made = store.prepare(&image) => made.map_err(Some),
                () = store.0.ending.cancelled() => Err(None),
            };
            let answer = made.map_err(|cause| match cause {
                Some(source) => ImageError::Failed { image: image.clone(), source: Arc::new(source) },
                None => ImageError::ShuttingDown(image.clone()),
            });
            store.0.change(&image, |slot| {
                match &answer {
                    Ok(made) => slot.phase.made(made.clone()),
                    Err(e) => slot.phase.failed(&reason(e), Instant::now()),
                }
                slot.answer = None;
            });
            if let Err(e) = &answer {
                tracing::warn!(image, reason = %Chain(e), "image could not be made");
            }
            sender.send_replace(Some(answer));
        });
        receiver
    }

    async fn prepare(&self, image: &str) -> Result<SandboxImage, PrepareError> {
        let progress = Reporter { store: &self.0, image };
        let preparation = self.preparation(&progress);
        if image == BASE {
            return preparation.base().await;
        }
        let folder = self.0.catalogue.folder(image).expect("slots are made from the catalogue's folders");
        if let Some((found, versions)) = preparation.found(folder).await? {
            self.0.versions().extend(versions);
            return Ok(found);
        }
        if !preparation.language_found(folder).await? {
            if self.0.options.sources.image_builds == Builds::Deny {
                return Err(PrepareError::BuildsDenied(image.to_owned()));
            }
            progress.report(WAITS_FOR_BASE);
            // It may have been removed since it was made; looking again costs one call.
            self.vanished(BASE);
            let base = Box::pin(self.ensure(BASE)).await.map_err(|e| PrepareError::Base(Box::new(e)))?;
            progress.report("waits for another build");
            let _turn = self.0.builds.acquire().await.map_err(|_| PrepareError::Lost)?;
            preparation.build_language(folder, &base.reference).await?;
        }
        let (made, versions) = preparation.sandbox(folder).await?;
        self.0.versions().extend(versions);
        tracing::info!(image, digest = made.digest, "image is ready");
        Ok(made)
    }

    pub(super) fn preparation<'a>(&'a self, progress: &'a dyn Progress) -> Preparation<'a> {
        Preparation { docker: &self.0.docker, catalogue: &self.0.catalogue, options: &self.0.options, progress }
    }
}

impl Inner {
    fn slots(&self) -> MutexGuard<'_, BTreeMap<String, Slot>> {
        self.slots.lock().expect("no holder of this lock panics")
    }

    fn versions(&self) -> MutexGuard<'_, Versions> {
        self.versions.lock().expect("no holder of this lock panics")
    }

    fn change(&self, image: &str, change: impl FnOnce(&mut Slot)) {
        if let Some(slot) = self.slots().get_mut(image) {
            change(slot);
        }
        self.changes.send_modify(|generation| *generation = generation.wrapping_add(1));
    }
}

fn reason(error: &ImageError) -> String {
    match error {
        ImageError::Failed { source, .. } => Chain(&**source).to_string(),
        other => Chain(other).to_string(),
    }
}

struct Reporter<'a> {
    store: &'a Inner,
    image: &'a str,
}

impl Progress for Reporter<'_> {
    fn report(&self, text: &str) {
        self.store.change(self.image, |slot| slot.phase.progressed(text.to_owned()));
    }
}

/// Nobody is told.
pub(super) struct Silent;

impl Progress for Silent {
    fn report(&self, _: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::SourceFlags;

    /// A store whose engine refuses every connection: port 1 of loopback has no listener.
    fn without_engine() -> ImageStore {
        let docker = Docker::connect_with_http("http://127.0.0.1:1", 5, bollard::API_DEFAULT_VERSION).unwrap();
        let catalogue = Arc::new(Catalogue::embedded().unwrap());
        ImageStore::new(docker, catalogue, ImageOptions::new(b"supervisor", SourceFlags::default()))
    }

    #[tokio::test]
    async fn callers_of_one_preparation_get_one_answer_and_the_next_is_told_to_wait() {
        let store = without_engine();
        let (one, two) = tokio::join!(store.ensure("gcc"), store.ensure("gcc"));
        let (Err(ImageError::Failed { source: one, .. }), Err(ImageError::Failed { source: two, .. })) = (one, two)
        else {
            panic!("both joined one failed preparation");
        };
        assert!(Arc::ptr_eq(&one, &two));
        assert!(matches!(store.ensure("gcc").await, Err(ImageError::BackingOff { .. })));
        assert!(matches!(&store.states()["gcc"], ImageState::Failed { reason } if reason.contains("inspect")));
        assert_eq!(store.states()["python"], ImageState::Absent);
        store.shutdown().await;
    }

    #[tokio::test]
    async fn a_preparation_goes_on_when_its_caller_gives_up() {
        let store = without_engine();
        {
            let mut ensure = std::pin::pin!(store.ensure("gcc"));
            assert!(futures::poll!(&mut ensure).is_pending());
        }
        let mut changes = store.changes();
        while !matches!(store.states()["gcc"], ImageState::Failed { .. }) {
            changes.changed().await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_name_without_a_folder_is_refused() {
        assert!(matches!(without_engine().ensure("nope").await, Err(ImageError::Unknown(_))));
    }
}
