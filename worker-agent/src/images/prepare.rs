//! One preparation from start to end. What is there is taken, what is missing is made.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use bollard::Docker;
use enclos_images::folder::BASE;
use enclos_images::{Catalogue, ImageFolder};

use super::base::{self, BASE_IMAGE_DEFAULT};
use super::build::{Build, Progress, build, tag};
use super::error::Chain;
use super::tags::{
    LABEL_DIGEST, LABEL_SUPERVISOR, base_digest, base_tag, folder_digest, labels, language_tag, remote_reference,
    rootfs_tag, sandbox_image, sha256_hex, version_label,
};
use super::{ImageOptions, PrepareError, SandboxImage, archive, context, version};

/// Versions by language id.
pub(super) type Versions = BTreeMap<String, String>;

/// What one preparation works with.
pub(super) struct Preparation<'a> {
    pub docker: &'a Docker,
    pub catalogue: &'a Catalogue,
    pub options: &'a ImageOptions,
    pub progress: &'a dyn Progress,
}

impl Preparation<'_> {
    /// Makes the base image.
    pub(super) async fn base(&self) -> Result<SandboxImage, PrepareError> {
        let digest = base_digest(self.catalogue);
        let reference = base_tag(self.catalogue);
        if labels_of(self.docker, &reference).await?.is_none() {
            let folder = self.catalogue.folder(BASE).cloned();
            let folder = folder.unwrap_or(ImageFolder { name: BASE.into(), files: Vec::new() });
            let rootfs = rootfs_tag(self.catalogue);
            if labels_of(self.docker, &rootfs).await?.is_none() {
                let image = self.options.sources.base_image.as_deref().unwrap_or(BASE_IMAGE_DEFAULT);
                let script = folder.file("bootstrap.sh").unwrap_or_default();
                base::root_file_system(self.docker, image, script, &rootfs, self.progress).await?;
            }
            let context = context::of_folder(&folder).map_err(PrepareError::Context)?;
            let labels = labels(BASE, &digest);
            build(
                self.docker,
                Build { tag: &reference, base: &rootfs, context, labels: &labels, network: self.network() },
                self.progress,
            )
            .await?;
        }
        Ok(SandboxImage { reference, digest })
    }

    /// Takes the sandbox image of `folder` if the engine has it, with its versions.
    pub(super) async fn found(&self, folder: &ImageFolder) -> Result<Option<(SandboxImage, Versions)>, PrepareError> {
        let image = sandbox_image(self.catalogue, folder, self.options.supervisor);
        let Some(labels) = labels_of(self.docker, &image.reference).await? else { return Ok(None) };
        let versions = self.versions(folder, &image.reference, &labels).await?;
        Ok(Some((image, versions)))
    }

    /// Takes the language image of `folder` from the engine or a registry.
    pub(super) async fn language_found(&self, folder: &ImageFolder) -> Result<bool, PrepareError> {
        let reference = language_tag(self.catalogue, folder);
        if labels_of(self.docker, &reference).await?.is_some() {
            return Ok(true);
        }
        if let Some(archives) = &self.options.sources.image_archives {
            match self.load_language(archives, folder).await {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(e) => tracing::warn!(image = folder.name, reason = %Chain(&e), "archive did not give the image"),
            }
        }
        let Some(registry) = &self.options.sources.image_registry else { return Ok(false) };
        match self.pull_language(registry, folder).await {
            Ok(()) => Ok(true),
            Err(e) => {
                tracing::info!(image = folder.name, reason = %Chain(&e), "registry did not give the image");
                Ok(false)
            }
        }
    }

    /// Loads the language image of `folder` from its archive; `false` where there is none.
    async fn load_language(&self, archives: &Path, folder: &ImageFolder) -> Result<bool, PrepareError> {
        let reference = language_tag(self.catalogue, folder);
        let path = archives.join(archive::file_name(&reference));
        if !path.exists() {
            return Ok(false);
        }
        self.progress.report(&format!("loads {}", path.display()));
        archive::load(self.docker, &reference, &path).await?;
        let labels = labels_of(self.docker, &reference).await?.unwrap_or_default();
        let wanted = folder_digest(self.catalogue, folder);
        let found = labels.get(LABEL_DIGEST).cloned().unwrap_or_default();
        if found == wanted {
            return Ok(true);
        }
        // A name that is there is taken for right by the next who looks.
        archive::forget(self.docker, &reference).await;
        Err(PrepareError::WrongArchive { path, reference, wanted, found })
    }

    /// Pulls the language image of `folder` and holds its digest against the folder's.
    pub(super) async fn pull_language(&self, registry: &str, folder: &ImageFolder) -> Result<(), PrepareError> {
        let local = language_tag(self.catalogue, folder);
        let remote = remote_reference(registry, &local);
        self.progress.report(&format!("pulls {remote}"));
        base::pull(self.docker, &remote, self.progress).await?;
        let labels = labels_of(self.docker, &remote).await?.unwrap_or_default();
        let wanted = folder_digest(self.catalogue, folder);
        let found = labels.get(LABEL_DIGEST).cloned().unwrap_or_default();
        if found != wanted {
            return Err(PrepareError::WrongDigest { reference: remote, wanted, found });
        }
        tag(self.docker, &remote, &local).await
    }

    /// Builds the language image of `folder` on `base`.
    pub(super) async fn build_language(&self, folder: &ImageFolder, base: &str) -> Result<(), PrepareError> {
        let with_ca = self.base_with_ca(base).await?;
        let tag = language_tag(self.catalogue, folder);
        let context = context::of_folder(folder).map_err(PrepareError::Context)?;
        let labels = labels(&folder.name, &folder_digest(self.catalogue, folder));
        let base = with_ca.as_deref().unwrap_or(base);
        build(self.docker, Build { tag: &tag, base, context, labels: &labels, network: self.network() }, self.progress)
            .await
    }

    /// Lays the supervisor on the language image of `folder`, which must be there.
    pub(super) async fn sandbox(&self, folder: &ImageFolder) -> Result<(SandboxImage, Versions), PrepareError> {
        let language_image = language_tag(self.catalogue, folder);
        let image = sandbox_image(self.catalogue, folder, self.options.supervisor);
        let versions = self.versions(folder, &language_image, &HashMap::new()).await?;
        self.progress.report("adds the supervisor");
        let mut labels = labels(&folder.name, &image.digest);
        labels.insert(LABEL_SUPERVISOR.into(), sha256_hex(self.options.supervisor));
        labels.extend(versions.iter().map(|(id, version)| (version_label(id), version.clone())));
        let context = context::of_sandbox(self.options.supervisor).map_err(PrepareError::Context)?;
        let layer =
            Build { tag: &image.reference, base: &language_image, context, labels: &labels, network: self.network() };
        build(self.docker, layer, self.progress).await?;
        Ok((image, versions))
    }

    /// The versions of `folder`'s languages: from `labels`, else asked in `reference`.
    async fn versions(
        &self,
        folder: &ImageFolder,
        reference: &str,
        labels: &HashMap<String, String>,
    ) -> Result<Versions, PrepareError> {
        let mut versions = Versions::new();
        for language in self.catalogue.languages().iter().filter(|l| l.image == folder.name) {
            let version = match labels.get(&version_label(&language.id)) {
                Some(version) => version.clone(),
                None => {
                    self.progress.report(&format!("asks {} for its version", language.id));
                    version::read(self.docker, reference, language).await?
                }
            };
            versions.insert(language.id.clone(), version);
        }
        Ok(versions)
    }

    fn network(&self) -> Option<&str> {
        self.options.sources.build_network.as_deref()
    }

    /// `base` with the operator's authorities on it, where some are given.
    async fn base_with_ca(&self, base: &str) -> Result<Option<String>, PrepareError> {
        let Some(path) = &self.options.sources.build_ca else { return Ok(None) };
        let failed = |source| PrepareError::BuildCa { path: path.clone(), source };
        let authorities = tokio::fs::read(path).await.map_err(failed)?;
        let digest = sha256_hex(&[base.as_bytes(), &authorities].concat());
        let tag = format!("enclos/base-ca:{}", &digest[..16]);
        if labels_of(self.docker, &tag).await?.is_none() {
            let context = context::of_build_ca(&authorities).map_err(PrepareError::Context)?;
            let labels = labels("base-ca", &digest);
            build(
                self.docker,
                Build { tag: &tag, base, context, labels: &labels, network: self.network() },
                self.progress,
            )
            .await?;
        }
        Ok(Some(tag))
    }
}

/// The labels of `reference`; `None` where the engine does not have it.
pub(super) async fn labels_of(
    docker: &Docker,
    reference: &str,
) -> Result<Option<HashMap<String, String>>, PrepareError> {
    match docker.inspect_image(reference).await {
        Ok(image) => Ok(Some(image.config.and_then(|c| c.labels).unwrap_or_default())),
        Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        Err(source) => Err(PrepareError::Inspect { reference: reference.to_owned(), source }),
    }
}
