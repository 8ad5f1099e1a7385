//! Derived images in the engine: a language's sandbox image with packages on it.
//!
//! Only their making and removing is here; what is in them is `builder`'s to say.

use std::collections::HashMap;
use std::io;
use std::pin::pin;
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::{BuildImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder};
use enclos_protocol::dependencies::{PACKAGES_MAX, Package};
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio_util::bytes::Bytes;

use super::tags::{LABEL_DIGEST, LABEL_IMAGE, labels as image_labels};
use crate::builder::key::Key;
use crate::builder::{Derived, Listed};

/// Value of `enclos.image` on a derived image.
const IMAGE: &str = "dependencies";
/// The agent that made it.
const LABEL_AGENT: &str = "enclos.dependencies.agent";
/// What is in it, as JSON.
const LABEL_PACKAGES: &str = "enclos.dependencies.packages";
/// Size of its base, which the engine tells only together with what is on it.
const LABEL_BASE_BYTES: &str = "enclos.dependencies.base_bytes";
/// Longest that the engine may take to make one.
const BUILD_TIME_MAX: Duration = Duration::from_secs(600);

const NOT_FOUND: u16 = 404;
const CONFLICT: u16 = 409;

/// Which call to the engine failed.
#[derive(Debug, thiserror::Error)]
pub enum DerivedError {
    /// Looking for one.
    #[error("the engine cannot say whether it has '{0}'")]
    Inspect(String, #[source] bollard::errors::Error),
    /// Listing.
    #[error("derived images cannot be listed")]
    List(#[source] bollard::errors::Error),
    /// Making.
    #[error("the engine cannot make the image")]
    Build(#[source] bollard::errors::Error),
    /// Making took too long.
    #[error("the engine took longer than {} s to make the image", BUILD_TIME_MAX.as_secs())]
    Slow,
    /// Removing.
    #[error("the image cannot be removed")]
    Remove(#[source] bollard::errors::Error),
}

/// What the engine says of an image.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    /// Its id, which no registry is asked for.
    pub id: String,
    /// Its size with all below it, in bytes.
    pub size_bytes: u64,
}

/// Labels of a derived image.
#[must_use]
pub fn labels(agent: &str, key: &Key, packages: &[Package], base: &Known) -> HashMap<String, String> {
    let packages: Vec<[&str; 2]> = packages.iter().map(|p| [p.name.as_str(), p.version.as_str()]).collect();
    let mut labels = image_labels(IMAGE, &key.to_string());
    labels.insert(LABEL_AGENT.to_owned(), agent.to_owned());
    labels.insert(LABEL_BASE_BYTES.to_owned(), base.size_bytes.to_string());
    labels.insert(LABEL_PACKAGES.to_owned(), serde_json::json!(packages).to_string());
    labels
}

/// The derived images of one engine.
#[derive(Clone)]
pub struct DerivedImages {
    docker: Docker,
}

impl DerivedImages {
    /// Those of this engine.
    #[must_use]
    pub fn new(docker: Docker) -> Self {
        Self { docker }
    }

    /// Whether the engine has `reference`, and as what.
    ///
    /// # Errors
    /// [`DerivedError::Inspect`].
    pub async fn find(&self, reference: &str) -> Result<Option<Known>, DerivedError> {
        match self.docker.inspect_image(reference).await {
            Ok(image) => {
                let size_bytes = image.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
                Ok(image.id.map(|id| Known { id, size_bytes }))
            }
            Err(error) if is(&error, NOT_FOUND) => Ok(None),
            Err(error) => Err(DerivedError::Inspect(reference.to_owned(), error)),
        }
    }

    /// Makes `reference` from a context that comes in pieces; only after a `None` it is whole.
    ///
    /// # Errors
    /// [`DerivedError`]; then there is no such image.
    pub async fn build(
        &self,
        reference: &str,
        labels: &HashMap<String, String>,
        pieces: mpsc::Receiver<Option<Bytes>>,
    ) -> Result<(), DerivedError> {
        let options = BuildImageOptionsBuilder::default()
            .dockerfile("Dockerfile")
            .t(reference)
            .rm(true)
            .forcerm(true)
            // The same context would be the same layer, and what is whose must not be shared.
            .nocache(true)
            .labels(labels)
            .build();
        let docker = self.docker.clone().with_timeout(BUILD_TIME_MAX);
        let body = bollard::body_try_stream(context(pieces));
        let mut stream = pin!(docker.build_image(options, None, Some(body)));
        let follow = async {
            while let Some(message) = stream.next().await {
                message.map_err(DerivedError::Build)?;
            }
            Ok(())
        };
        tokio::time::timeout(BUILD_TIME_MAX, follow).await.unwrap_or(Err(DerivedError::Slow))
    }

    /// Every one, whichever agent's, with those that lost their names.
    ///
    /// # Errors
    /// [`DerivedError`].
    pub async fn list(&self) -> Result<Vec<Listed>, DerivedError> {
        let filters = HashMap::from([("label".to_owned(), vec![format!("{LABEL_IMAGE}={IMAGE}")])]);
        let options = ListImagesOptionsBuilder::default().filters(&filters).build();
        let listed = self.docker.list_images(Some(options)).await.map_err(DerivedError::List)?;
        let mut found = Vec::new();
        for image in listed {
            let size = u64::try_from(image.size).unwrap_or(0);
            let added = image.labels.get(LABEL_BASE_BYTES).and_then(|text| text.parse().ok());
            let made_unix_s = u64::try_from(image.created).unwrap_or(0);
            let size_bytes = size.saturating_sub(added.unwrap_or(0));
            found.extend(listed_of(&image.labels, &image.repo_tags, image.id, size_bytes, made_unix_s));
        }
        Ok(found)
    }

    /// Removes the one with that id; `false`: a container uses it.
    ///
    /// # Errors
    /// [`DerivedError::Remove`].
    pub async fn remove(&self, id: &str) -> Result<bool, DerivedError> {
        let options = RemoveImageOptionsBuilder::default().force(false).noprune(false).build();
        match self.docker.remove_image(id, Some(options), None).await {
            Ok(_) => Ok(true),
            Err(error) if is(&error, NOT_FOUND) => Ok(true),
            Err(error) if is(&error, CONFLICT) => Ok(false),
            Err(error) => Err(DerivedError::Remove(error)),
        }
    }
}

/// The context as the engine gets it. One that breaks off is an error, and no image.
fn context(pieces: mpsc::Receiver<Option<Bytes>>) -> impl futures::Stream<Item = io::Result<Bytes>> + Send + 'static {
    futures::stream::unfold(Some(pieces), |pieces| async move {
        let mut pieces = pieces?;
        match pieces.recv().await {
            Some(Some(piece)) => Some((Ok(piece), Some(pieces))),
            Some(None) => None,
            None => Some((Err(io::ErrorKind::BrokenPipe.into()), None)),
        }
    })
}

/// What the labels of an image say; `None` where they are not ours.
fn listed_of(
    labels: &HashMap<String, String>,
    tags: &[String],
    id: String,
    size_bytes: u64,
    made_unix_s: u64,
) -> Option<Listed> {
    let packages: Vec<[String; 2]> = serde_json::from_str(labels.get(LABEL_PACKAGES)?).ok()?;
    let packages = packages.into_iter().take(PACKAGES_MAX).map(|[name, version]| Package { name, version }).collect();
    let key = Key::parse(labels.get(LABEL_DIGEST)?)?;
    let reference = tags.iter().find(|tag| tag.ends_with(&format!(":{key}"))).cloned();
    let image = Derived { id, packages, size_bytes, made_unix_s };
    Some(Listed { agent: labels.get(LABEL_AGENT)?.clone(), key, reference, image })
}

fn is(error: &bollard::errors::Error, code: u16) -> bool {
    matches!(error, bollard::errors::Error::DockerResponseServerError { status_code, .. } if *status_code == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_as_they_are_written() {
        let key = Key::parse(&"ab".repeat(32)).unwrap();
        let packages = vec![Package { name: "numpy".into(), version: "2.3.1".into() }];
        let written = labels("a", &key, &packages, &Known { id: "i".into(), size_bytes: 1 });
        let tags = [key.reference("python")];
        let read = listed_of(&written, &tags, "i".into(), 5, 6).unwrap();
        assert_eq!((read.image.id.as_str(), read.reference.as_ref()), ("i", Some(&tags[0])));
        assert_eq!((read.agent.as_str(), &read.key, &read.image.packages), ("a", &key, &packages));
        for none in [&[][..], &["<none>:<none>".to_owned()]] {
            let read = listed_of(&written, none, "i".into(), 5, 6).unwrap();
            assert_eq!(read.reference, None, "another image has its name");
        }
        assert_eq!(listed_of(&HashMap::new(), &tags, "i".into(), 5, 6), None);
    }

    #[tokio::test]
    async fn a_context_that_breaks_off_is_an_error() {
        let (taker, pieces) = mpsc::channel(2);
        taker.send(Some(Bytes::from_static(b"x"))).await.unwrap();
        drop(taker);
        let seen: Vec<_> = context(pieces).collect().await;
        assert!(matches!(seen.as_slice(), [Ok(_), Err(_)]));
        let (taker, pieces) = mpsc::channel(2);
        taker.send(Some(Bytes::from_static(b"x"))).await.unwrap();
        taker.send(None).await.unwrap();
        let seen: Vec<_> = context(pieces).collect().await;
        assert!(matches!(seen.as_slice(), [Ok(_)]));
    }
}
