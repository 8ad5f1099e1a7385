//! Names, digests and labels of images. Pure.

use std::collections::HashMap;

use enclos_images::folder::BASE;
use enclos_images::{Catalogue, ImageFolder};
use sha2::{Digest, Sha256};

/// Hex digits of a digest that a tag carries: 64 bits, which no two of a site's images share.
const TAG_DIGITS: usize = 16;

/// Marks every image of ours.
pub(super) const LABEL_KIND: &str = "enclos";
/// Value of [`LABEL_KIND`] on an image.
pub(super) const KIND_IMAGE: &str = "image";
/// Which image it is.
pub(super) const LABEL_IMAGE: &str = "enclos.image";
/// Full digest of what it is made of.
pub(super) const LABEL_DIGEST: &str = "enclos.digest";
/// SHA-256 of the supervisor in a sandbox layer.
pub(super) const LABEL_SUPERVISOR: &str = "enclos.supervisor";
/// Where the root file system came from.
pub(super) const LABEL_ROOTFS: &str = "enclos.rootfs";
/// `<this>.<language>` is what the toolchain said of its version.
const LABEL_VERSION: &str = "enclos.version";

/// An image that sandboxes of a language are made from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SandboxImage {
    /// What the engine knows it by.
    pub reference: String,
    /// SHA-256 as hex over the language image's digest and the supervisor's: what ran a job.
    pub digest: String,
}

/// Digest of the base that this catalogue describes; empty without a base folder.
pub(super) fn base_digest(catalogue: &Catalogue) -> String {
    catalogue.folder(BASE).map(|folder| folder.digest("")).unwrap_or_default()
}

/// Digest of the image that `folder` describes.
pub(super) fn folder_digest(catalogue: &Catalogue, folder: &ImageFolder) -> String {
    if folder.name == BASE { base_digest(catalogue) } else { folder.digest(&base_digest(catalogue)) }
}

/// Tag of the root file system that the base is built on.
pub(super) fn rootfs_tag(catalogue: &Catalogue) -> String {
    tagged("enclos/rootfs", &base_digest(catalogue))
}

/// Tag of the base image.
#[must_use]
pub fn base_tag(catalogue: &Catalogue) -> String {
    tagged("enclos/base", &base_digest(catalogue))
}

/// Tag of the language image that `folder` describes.
#[must_use]
pub fn language_tag(catalogue: &Catalogue, folder: &ImageFolder) -> String {
    tagged(&format!("enclos/{}", folder.name), &folder_digest(catalogue, folder))
}

/// The sandbox image of `folder` with this supervisor.
#[must_use]
pub fn sandbox_image(catalogue: &Catalogue, folder: &ImageFolder, supervisor: &[u8]) -> SandboxImage {
    let mut hash = Sha256::new();
    hash.update(folder_digest(catalogue, folder).as_bytes());
    hash.update(sha256_hex(supervisor).as_bytes());
    let digest = hex::encode(hash.finalize());
    SandboxImage { reference: tagged(&format!("enclos/sandbox-{}", folder.name), &digest), digest }
}

/// Where a registry has `tag`.
pub(super) fn remote_reference(registry: &str, tag: &str) -> String {
    format!("{}/{tag}", registry.trim_end_matches('/'))
}

/// Labels of an image named `image` with this digest.
pub(super) fn labels(image: &str, digest: &str) -> HashMap<String, String> {
    [(LABEL_KIND, KIND_IMAGE), (LABEL_IMAGE, image), (LABEL_DIGEST, digest)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// Label that holds the version of `language`.
pub(super) fn version_label(language: &str) -> String {
    format!("{LABEL_VERSION}.{language}")
}

/// SHA-256 of `bytes`, as hex.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn tagged(repository: &str, digest: &str) -> String {
    format!("{repository}:{}", digest.get(..TAG_DIGITS).unwrap_or(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_image_changes_with_the_language_image_and_with_the_supervisor() {
        let catalogue = Catalogue::embedded().unwrap();
        let gcc = catalogue.folder("gcc").unwrap();
        let python = catalogue.folder("python").unwrap();
        let one = sandbox_image(&catalogue, gcc, b"one");
        assert_eq!(one, sandbox_image(&catalogue, gcc, b"one"));
        assert_ne!(one.digest, sandbox_image(&catalogue, gcc, b"two").digest);
        assert_ne!(one.digest, sandbox_image(&catalogue, python, b"one").digest);
        assert!(one.reference.starts_with("enclos/sandbox-gcc:"));
        assert_eq!(one.reference.rsplit(':').next().unwrap().len(), TAG_DIGITS);
    }

    #[test]
    fn a_registry_prefix_may_end_with_a_slash() {
        assert_eq!(remote_reference("r.example/x/", "enclos/gcc:1"), "r.example/x/enclos/gcc:1");
    }
}
