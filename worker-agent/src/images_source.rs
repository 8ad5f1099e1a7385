//! What attempts, pool and load report need of the images: a seam with a fake for tests.

use std::collections::BTreeMap;
use std::time::Duration;

use enclos_protocol::agent_link::ImageState;
use futures::future::BoxFuture;

use crate::images::{ImageError, ImageStore};
use crate::pool::ImageKey;
use crate::sandbox::chain;

/// Longest pause after a failed preparation that a job waits out.
const BACK_OFF_MAX: Duration = Duration::from_secs(60);

/// Where sandbox images come from.
pub trait ImageSource: Send + Sync + 'static {
    /// Makes the sandbox image of `image` if it is missing; joins a preparation that is under way.
    /// The error is a sentence for people.
    fn ensure<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<ImageKey, String>>;
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
        loop {
            match self.0.ensure(image).await {
                Ok(made) => return Ok(ImageKey { name: image.to_owned(), reference: made.reference }),
                // A failure a moment ago is no reason to spend one of the job's attempts: it waits for the next try.
                Err(ImageError::BackingOff { retry_in, .. }) if retry_in <= BACK_OFF_MAX => {
                    tokio::time::sleep(retry_in).await;
                }
                Err(error) => return Err(chain(&error)),
            }
        }
    }
}

impl ImageSource for StoreSource {
    fn ensure<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<ImageKey, String>> {
        Box::pin(self.make(image))
    }

    fn states(&self) -> BTreeMap<String, ImageState> {
        self.0.states()
    }

    fn versions(&self) -> BTreeMap<String, String> {
        self.0.versions()
    }
}
