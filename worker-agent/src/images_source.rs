//! What attempts, pool and load report need of the images: a seam with a fake for tests.

use std::collections::BTreeMap;

use enclos_protocol::agent_link::ImageState;
use futures::future::BoxFuture;

use crate::images::ImageStore;
use crate::pool::ImageKey;
use crate::sandbox::chain;

/// Where sandbox images come from.
pub trait ImageSource: Send + Sync + 'static {
    /// Makes the sandbox image of `image` if it is missing; joins a preparation that is under way.
    /// Fails at once while a failed one is not to be tried again yet: a job must not hold its room for that.
    /// The error is a sentence for people.
    fn ensure<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<ImageKey, String>>;
    /// The engine turned out not to have `image`: the next [`ImageSource::ensure`] makes it anew.
    fn vanished(&self, image: &str);
    /// State of each image, by name.
    fn states(&self) -> BTreeMap<String, ImageState>;
    /// Version text of each language whose image is ready, by id.
    fn versions(&self) -> BTreeMap<String, String>;
}

/// The agent's own images.
pub struct StoreSource(ImageStore);

impl StoreSource {
    /// Of this store.
    #[must_use]
    pub fn new(store: ImageStore) -> Self {
        Self(store)
    }

    async fn make(&self, image: &str) -> Result<ImageKey, String> {
        let made = self.0.ensure(image).await.map_err(|error| chain(&error))?;
        Ok(ImageKey { name: image.to_owned(), reference: made.reference })
    }
}

impl ImageSource for StoreSource {
    fn ensure<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<ImageKey, String>> {
        Box::pin(self.make(image))
    }

    fn vanished(&self, image: &str) {
        self.0.vanished(image);
    }

    fn states(&self) -> BTreeMap<String, ImageState> {
        self.0.states()
    }

    fn versions(&self) -> BTreeMap<String, String> {
        self.0.versions()
    }
}
