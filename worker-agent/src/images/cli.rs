//! `enclos-agent images build|list|pull|export|verify`.
//!
//! Progress and problems go to standard error, the answer to standard output.
//! Exit codes: 0 all well, 1 an image could not be had or is not right, 2 wrong
//! use, 3 no engine.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use bollard::Docker;
use clap::{Args, Subcommand};
use enclos_images::folder::BASE;
use enclos_images::{Catalogue, ImageFolder};
use futures::future::join_all;

use super::derived::DerivedImages;
use super::display::{ProgressLines, size, table};
use super::error::Chain;
use super::prepare::labels_of;
use super::store::Silent;
use super::tags::{
    LABEL_DIGEST, LABEL_SUPERVISOR, base_tag, folder_digest, language_tag, sandbox_image, sha256_hex, version_label,
};
use super::{ImageOptions, ImageStore, PrepareError, SourceFlags, archive, version};
use crate::builder::Listed;

const FAILED: u8 = 1;
const WRONG_USE: u8 = 2;
const NO_ENGINE: u8 = 3;
/// Digits of a digest in a table.
const DIGEST_DIGITS: usize = 12;

/// Arguments of `images`.
#[derive(Clone, Debug, Args)]
pub struct ImagesArgs {
    #[command(subcommand)]
    command: ImagesCommand,
    /// Folder of image folders instead of those that this build carries
    #[arg(long, env = "ENCLOS_IMAGES_DIR", value_name = "DIR", global = true)]
    images_dir: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
enum ImagesCommand {
    /// Make the images that are missing (all, or those named)
    Build {
        /// Images to make; none: all
        names: Vec<String>,
        /// Builds at once
        #[arg(long, value_name = "N", default_value_t = ImageOptions::BUILDS_MAX_DEFAULT)]
        jobs: usize,
        #[command(flatten)]
        sources: SourceFlags,
    },
    /// Show each image: state, size, digest, versions
    List {
        /// One JSON document instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Pull the language images from a registry, without building what it lacks
    Pull {
        /// Images to pull; none: all
        names: Vec<String>,
        #[command(flatten)]
        sources: SourceFlags,
    },
    /// Write the language images that are there to a folder, one archive each, for agents with --image-archives
    Export {
        /// Images to write; none: all that are there
        names: Vec<String>,
        /// The folder
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Check each image: digest, supervisor, and that every toolchain runs in it
    Verify {
        /// Images to check; none: all
        names: Vec<String>,
    },
}

/// Runs the command.
pub async fn run(args: ImagesArgs) -> ExitCode {
    let catalogue = match Catalogue::open(args.images_dir.as_deref()) {
        Ok(catalogue) => Arc::new(catalogue),
        Err(e) => return complain(WRONG_USE, &Chain(&e)),
    };
    let docker = match connect().await {
        Ok(docker) => docker,
        Err(e) => {
            return complain(NO_ENGINE, &format!("no engine answers: {}; 'enclos doctor' says what to do", Chain(&e)));
        }
    };
    let folders = match chosen(&catalogue, args.command.names()) {
        Ok(folders) => folders,
        Err(name) => return complain(WRONG_USE, &format!("there is no image '{name}'; 'images list' shows all")),
    };
    let sources = args.command.sources().cloned().unwrap_or_default();
    let mut options = ImageOptions::new(crate::supervisor::SUPERVISOR, sources);
    if let ImagesCommand::Build { jobs, .. } = args.command {
        options.builds_max = jobs;
    }
    let view = View { docker: docker.clone(), catalogue: Arc::clone(&catalogue) };
    let store = ImageStore::new(docker, catalogue, options);
    match args.command {
        ImagesCommand::Build { .. } => build(&view, &store, &folders).await,
        ImagesCommand::List { json } => list(&view, json).await,
        ImagesCommand::Pull { sources, .. } => match sources.image_registry {
            Some(registry) => pull(&view, &store, &folders, &registry).await,
            None => complain(WRONG_USE, &"say where from: --image-registry host/path"),
        },
        ImagesCommand::Export { names, to } => export(&view, &folders, !names.is_empty(), &to).await,
        ImagesCommand::Verify { .. } => verify(&view, &folders).await,
    }
}

impl ImagesCommand {
    fn names(&self) -> &[String] {
        match self {
            Self::Build { names, .. }
            | Self::Pull { names, .. }
            | Self::Export { names, .. }
            | Self::Verify { names } => names,
            Self::List { .. } => &[],
        }
    }

    fn sources(&self) -> Option<&SourceFlags> {
        match self {
            Self::Build { sources, .. } | Self::Pull { sources, .. } => Some(sources),
            Self::List { .. } | Self::Export { .. } | Self::Verify { .. } => None,
        }
    }
}

/// What the commands look at.
struct View {
    docker: Docker,
    catalogue: Arc<Catalogue>,
}

async fn connect() -> Result<Docker, bollard::errors::Error> {
    Docker::connect_with_defaults()?.negotiate_version().await
}

/// The folders named, or all; the base is made with whatever needs it.
fn chosen(catalogue: &Catalogue, names: &[String]) -> Result<Vec<ImageFolder>, String> {
    if names.is_empty() {
        return Ok(catalogue.folders().iter().filter(|f| f.name != BASE).cloned().collect());
    }
    names.iter().map(|name| catalogue.folder(name).cloned().ok_or_else(|| name.clone())).collect()
}

async fn build(view: &View, store: &ImageStore, folders: &[ImageFolder]) -> ExitCode {
    let mut lines = ProgressLines::new();
    let mut changes = store.changes();
    let mut all = std::pin::pin!(join_all(folders.iter().map(|f| store.ensure(&f.name))));
    let results = loop {
        tokio::select! {
            results = &mut all => break results,
            // Cancel-safe: the generation that was seen is kept in the receiver.
            _ = changes.changed() => lines.show(&store.states()),
        }
    };
    lines.show(&store.states());
    store.shutdown().await;
    let mut code = ExitCode::SUCCESS;
    for error in results.iter().filter_map(|r| r.as_ref().err()) {
        code = complain(FAILED, &Chain(error));
    }
    let listed = list(view, false).await;
    if listed == ExitCode::SUCCESS { code } else { listed }
}

async fn list(view: &View, json: bool) -> ExitCode {
    let mut rows = vec![["IMAGE", "STATE", "SIZE", "DIGEST", "VERSIONS"].map(str::to_owned).to_vec()];
    let mut objects = Vec::new();
    for folder in view.catalogue.folders() {
        let entry = match entry(view, folder).await {
            Ok(entry) => entry,
            Err(e) => return complain(NO_ENGINE, &Chain(&e)),
        };
        let digest = entry.digest.get(..DIGEST_DIGITS).unwrap_or(&entry.digest).to_owned();
        let shown = entry.size_bytes.map(size).unwrap_or_default();
        rows.push(vec![folder.name.clone(), entry.state.into(), shown, digest, entry.versions.join(", ")]);
        objects.push(serde_json::json!({
            "name": folder.name, "state": entry.state, "size_bytes": entry.size_bytes,
            "reference": entry.reference, "digest": entry.digest, "versions": entry.versions,
        }));
    }
    let derived = match DerivedImages::new(view.docker.clone()).list().await {
        Ok(derived) => derived,
        Err(e) => return complain(NO_ENGINE, &Chain(&e)),
    };
    if json {
        let derived: Vec<_> = derived.iter().map(derived_object).collect();
        println!("{}", serde_json::json!({ "images": objects, "derived": derived }));
    } else {
        print!("{}", table(&rows));
        print!("{}", derived_table(&derived));
    }
    ExitCode::SUCCESS
}

fn derived_object(listed: &Listed) -> serde_json::Value {
    let packages: Vec<_> = listed.image.packages.iter().map(|p| format!("{} {}", p.name, p.version)).collect();
    serde_json::json!({
        "agent": listed.agent, "reference": listed.reference, "id": listed.image.id, "size_bytes": listed.image.size_bytes,
        "made_unix_s": listed.image.made_unix_s, "packages": packages,
    })
}

/// Images with installed packages; nothing where there are none.
fn derived_table(derived: &[Listed]) -> String {
    if derived.is_empty() {
        return String::new();
    }
    let mut rows = vec![["DEPENDENCIES OF", "ADDS", "DIGEST", "PACKAGES"].map(str::to_owned).to_vec()];
    for listed in derived {
        let key = listed.key.to_string();
        let packages: Vec<String> = listed.image.packages.iter().map(|p| format!("{} {}", p.name, p.version)).collect();
        let digest = key.get(..DIGEST_DIGITS).unwrap_or(&key).to_owned();
        rows.push(vec![listed.agent.clone(), size(listed.image.size_bytes), digest, packages.join(", ")]);
    }
    format!("\n{}", table(&rows))
}

struct Entry {
    state: &'static str,
    reference: String,
    digest: String,
    size_bytes: Option<u64>,
    versions: Vec<String>,
}

/// The sandbox image where it is there, else the language image.
async fn entry(view: &View, folder: &ImageFolder) -> Result<Entry, bollard::errors::Error> {
    let digest = folder_digest(&view.catalogue, folder);
    let is_base = folder.name == BASE;
    let sandbox = sandbox_image(&view.catalogue, folder, crate::supervisor::SUPERVISOR);
    let language = if is_base { base_tag(&view.catalogue) } else { language_tag(&view.catalogue, folder) };
    let candidates = [(sandbox.reference, "ready"), (language, if is_base { "ready" } else { "no supervisor layer" })];
    for (reference, state) in candidates {
        match view.docker.inspect_image(&reference).await {
            Ok(image) => {
                let labels = image.config.and_then(|c| c.labels).unwrap_or_default();
                let languages = view.catalogue.languages().iter().filter(|l| l.image == folder.name);
                let versions = languages.filter_map(|l| labels.get(&version_label(&l.id)).cloned()).collect();
                let size_bytes = image.size.and_then(|s| u64::try_from(s).ok());
                return Ok(Entry { state, reference, digest, size_bytes, versions });
            }
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(Entry { state: "absent", reference: String::new(), digest, size_bytes: None, versions: Vec::new() })
}

async fn pull(view: &View, store: &ImageStore, folders: &[ImageFolder], registry: &str) -> ExitCode {
    let preparation = store.preparation(&Silent);
    let mut code = ExitCode::SUCCESS;
    for folder in folders.iter().filter(|f| f.name != BASE) {
        eprintln!("{}: pulls from {registry}", folder.name);
        let pulled = match preparation.pull_language(registry, folder).await {
            Ok(()) => preparation.sandbox(folder).await.map(drop),
            Err(e) => Err(e),
        };
        if let Err(e) = pulled {
            code = complain(FAILED, &format!("{}: {}", folder.name, Chain(&e)));
        }
    }
    let listed = list(view, false).await;
    if listed == ExitCode::SUCCESS { code } else { listed }
}

/// Writes what is there of `folders`; that one is missing is a failure where it was `named`.
async fn export(view: &View, folders: &[ImageFolder], named: bool, to: &Path) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for folder in folders.iter().filter(|f| f.name != BASE) {
        let reference = language_tag(&view.catalogue, folder);
        let there = labels_of(&view.docker, &reference).await;
        let written = match there {
            Ok(Some(_)) => archive::save(&view.docker, &reference, &to.join(archive::file_name(&reference))).await,
            Ok(None) if named => Err(PrepareError::Missing(reference.clone())),
            Ok(None) => continue,
            Err(e) => Err(e),
        };
        match written {
            Ok(bytes) => println!("{}: {}, {}", folder.name, archive::file_name(&reference), size(bytes)),
            Err(e) => code = complain(FAILED, &format!("{}: {}", folder.name, Chain(&e))),
        }
    }
    code
}

async fn verify(view: &View, folders: &[ImageFolder]) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for folder in folders.iter().filter(|f| f.name != BASE) {
        match verify_one(view, folder).await {
            Ok(found) => println!("{}: ok: {}", folder.name, found.join(", ")),
            Err(problem) => {
                println!("{}: FAILED: {problem}", folder.name);
                code = ExitCode::from(FAILED);
            }
        }
    }
    code
}

async fn verify_one(view: &View, folder: &ImageFolder) -> Result<Vec<String>, String> {
    let sandbox = sandbox_image(&view.catalogue, folder, crate::supervisor::SUPERVISOR);
    let language = language_tag(&view.catalogue, folder);
    let expected = [
        (language.as_str(), LABEL_DIGEST, folder_digest(&view.catalogue, folder)),
        (&sandbox.reference, LABEL_DIGEST, sandbox.digest.clone()),
        (&sandbox.reference, LABEL_SUPERVISOR, sha256_hex(crate::supervisor::SUPERVISOR)),
    ];
    for (reference, label, wanted) in expected {
        let labels = labels_of(&view.docker, reference).await.map_err(|e| Chain(&e).to_string())?;
        let labels = labels.ok_or_else(|| format!("'{reference}' is not there; 'images build' makes it"))?;
        let found = labels.get(label).map_or("nothing", String::as_str);
        if found != wanted {
            return Err(format!("label {label} of '{reference}' is {found}, not {wanted}"));
        }
    }
    let mut versions = Vec::new();
    for language in view.catalogue.languages().iter().filter(|l| l.image == folder.name) {
        let version = version::read(&view.docker, &sandbox.reference, language).await;
        versions.push(version.map_err(|e| Chain(&e).to_string())?);
    }
    Ok(versions)
}

fn complain(code: u8, what: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("enclos-agent images: {what}");
    ExitCode::from(code)
}
