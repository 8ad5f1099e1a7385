//! Why there is no image: for a caller ([`ImageError`]) and for one preparation ([`PrepareError`]).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{error, fmt, io};

/// Why [`super::ImageStore::ensure`] gives no image.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ImageError {
    /// No folder has this name.
    #[error("there is no image '{0}'")]
    Unknown(String),
    /// Its preparation failed just now.
    #[error("image '{image}' cannot be made")]
    Failed {
        /// Which image.
        image: String,
        /// What failed; shared by all who waited for it.
        source: Arc<PrepareError>,
    },
    /// It failed a moment ago and is not tried again yet.
    #[error("image '{image}' could not be made ({reason}); tried again in {} s", retry_in.as_secs() + 1)]
    BackingOff {
        /// Which image.
        image: String,
        /// Why it failed.
        reason: String,
        /// When a call tries again.
        retry_in: Duration,
    },
    /// The store shuts down.
    #[error("image '{0}' is not made: the agent is ending")]
    ShuttingDown(String),
}

/// Which step of a preparation failed.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The engine did not say whether an image is there.
    #[error("engine cannot inspect '{reference}'")]
    Inspect {
        /// Which image.
        reference: String,
        #[source]
        /// The engine's answer.
        source: bollard::errors::Error,
    },
    /// A registry did not give the image.
    #[error("cannot pull '{reference}'")]
    Pull {
        /// Which image.
        reference: String,
        #[source]
        /// The engine's answer.
        source: bollard::errors::Error,
    },
    /// What a registry gave is not what the folder describes.
    #[error("'{reference}' from the registry has digest label '{found}', not '{wanted}'")]
    WrongDigest {
        /// Which image.
        reference: String,
        /// Of its folder.
        wanted: String,
        /// On the image.
        found: String,
    },
    /// The engine cannot name an image.
    #[error("cannot tag '{reference}'")]
    Tag {
        /// The new name.
        reference: String,
        #[source]
        /// The engine's answer.
        source: bollard::errors::Error,
    },
    /// `bootstrap.sh` cannot be written or started.
    #[error("cannot start the bootstrap of the base")]
    Bootstrap(#[source] io::Error),
    /// `bootstrap.sh` failed.
    #[error("bootstrap of the base ended with {status}: {output}")]
    BootstrapExit {
        /// Its exit status.
        status: String,
        /// The last of what it wrote.
        output: String,
    },
    /// The bootstrapped base does not get into the engine.
    #[error("engine cannot import the base")]
    Import(#[source] bollard::errors::Error),
    /// The build context cannot be made.
    #[error("cannot make the build context")]
    Context(#[source] io::Error),
    /// The file of `--build-ca` cannot be read.
    #[error("cannot read the certificate authorities in {}", path.display())]
    BuildCa {
        /// The file.
        path: PathBuf,
        #[source]
        /// Why.
        source: io::Error,
    },
    /// A step of a Dockerfile failed.
    #[error("build failed at {step}: {output}")]
    Build {
        /// The step's text.
        step: String,
        /// The last of what it wrote.
        output: String,
        #[source]
        /// The engine's answer.
        source: bollard::errors::Error,
    },
    /// A toolchain does not say its version: the image does not work.
    #[error("version command of '{language}' failed: {problem}")]
    Version {
        /// Which language.
        language: String,
        /// What happened.
        problem: String,
    },
    /// A step took too long.
    #[error("{step} took longer than {} s", limit.as_secs())]
    TooLong {
        /// What was done.
        step: &'static str,
        /// How long it might take.
        limit: Duration,
    },
    /// The preparation this one waited for failed.
    #[error("the base cannot be made")]
    Base(#[source] Box<ImageError>),
    /// An archive cannot be read, or written.
    #[error("cannot use the archive {}", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        #[source]
        /// Why.
        source: io::Error,
    },
    /// The engine does not take an archive, or give one.
    #[error("engine cannot exchange '{reference}' with the archive {}", path.display())]
    Exchange {
        /// Which image.
        reference: String,
        /// The file.
        path: PathBuf,
        #[source]
        /// The engine's answer.
        source: bollard::errors::Error,
    },
    /// An archive holds something else.
    #[error("the archive {} has '{reference}' with digest label '{found}', not '{wanted}'", path.display())]
    WrongArchive {
        /// The file.
        path: PathBuf,
        /// Which image.
        reference: String,
        /// Of its folder.
        wanted: String,
        /// On the image; empty where it is not in there.
        found: String,
    },
    /// It is not there.
    #[error("'{0}' is not there; 'images build' makes it")]
    Missing(String),
    /// It may not be built here.
    #[error("neither archive nor registry has '{0}', and this agent builds no images (--image-builds deny)")]
    BuildsDenied(String),
    /// The task ended without an answer.
    #[error("preparation ended without an answer")]
    Lost,
}

/// An error and its causes, as one line for a person.
pub(super) struct Chain<'a>(pub &'a (dyn error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
