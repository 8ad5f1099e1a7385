//! What an operator says of dependencies, and what it comes to.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use enclos_images::dependencies::host_of;
use enclos_images::{Catalogue, Installer};
use enclos_protocol::install_link::AUTHORITIES_BYTES_MAX;

use super::gate::Place;
use super::head::host_and_port;
use super::shelf::ShelfBounds;

/// Where most distributions keep the authorities that they trust.
const HOST_CA: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Least room of an installation, in bytes.
const ROOM_BYTES_MIN: u64 = 16 * 1024 * 1024;
/// Memory of a builder beyond its room, in bytes: the installer itself.
const BUILDER_MEMORY_BYTES: u64 = 256 * 1024 * 1024;

/// Whether jobs may bring dependencies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum Policy {
    /// They may.
    #[default]
    Allow,
    /// They may not: this agent never reaches a package index.
    Deny,
}

/// Flags of the agent.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Dependencies of jobs")]
pub struct DependencyFlags {
    /// Whether jobs may have packages installed.
    #[arg(long, env = "ENCLOS_DEPENDENCIES", value_enum, default_value = "allow", value_name = "allow|deny")]
    pub dependencies: Policy,
    /// Package index instead of the public one (may be repeated, one per installer).
    #[arg(long, env = "ENCLOS_PACKAGE_INDEX", value_delimiter = ',', value_name = "INSTALLER=URL")]
    pub package_index: Vec<String>,
    /// Further host that a package index of yours refers to (may be repeated).
    #[arg(long, env = "ENCLOS_PACKAGE_HOST", value_delimiter = ',', value_name = "HOST[:PORT]")]
    pub package_host: Vec<String>,
    /// Certificate authorities (PEM) that installers trust [default: this host's, if it has them].
    #[arg(long, env = "ENCLOS_PACKAGE_CA", value_name = "FILE")]
    pub package_ca: Option<PathBuf>,
    /// Memory that one installation may fill with what it downloads and installs, in bytes.
    #[arg(long, env = "ENCLOS_DEPENDENCY_BYTES", default_value_t = 512 * 1024 * 1024, value_name = "BYTES")]
    pub dependency_bytes: u64,
    /// Images with installed packages to keep.
    #[arg(long, env = "ENCLOS_DEPENDENCY_IMAGES", default_value_t = 32, value_name = "N")]
    pub dependency_images: u32,
    /// Disk that those images may take together, in bytes.
    #[arg(long, env = "ENCLOS_DEPENDENCY_DISK_BYTES", default_value_t = 8 << 30, value_name = "BYTES")]
    pub dependency_disk_bytes: u64,
}

/// How an agent installs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DependencyConfig {
    /// Where packages come from instead, by installer.
    indexes: BTreeMap<String, String>,
    /// Hosts that the operator named beside them.
    hosts: Vec<Place>,
    /// PEM; empty: none.
    pub authorities: Arc<Vec<u8>>,
    /// Room of one installation, in bytes of memory.
    pub room_bytes: u64,
    /// What is kept.
    pub bounds: ShelfBounds,
}

/// Why dependencies cannot be had so.
#[derive(Debug, thiserror::Error)]
pub enum DependencyFlagError {
    /// An index.
    #[error("--package-index: '{0}' is not INSTALLER=URL with an http:// or https:// URL")]
    Index(String),
    /// An installer that no language has.
    #[error("--package-index: no language has the installer '{name}'; there is {known}")]
    Installer {
        /// What was said.
        name: String,
        /// What there is.
        known: String,
    },
    /// A host.
    #[error("--package-host: '{0}' is not HOST or HOST:PORT")]
    Host(String),
    /// The authorities.
    #[error("--package-ca: {} cannot be used: {source}", path.display())]
    Authorities {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The room.
    #[error("--dependency-bytes must be at least {ROOM_BYTES_MIN}, not {0}")]
    Room(u64),
    /// Nothing may be kept.
    #[error("--dependency-images must be at least 1")]
    Images,
}

impl DependencyConfig {
    /// What `flags` come to; `None` where dependencies are denied.
    ///
    /// # Errors
    /// [`DependencyFlagError`] names the flag.
    pub fn check(flags: &DependencyFlags, catalogue: &Catalogue) -> Result<Option<Self>, DependencyFlagError> {
        if flags.dependencies == Policy::Deny {
            return Ok(None);
        }
        let mut indexes = BTreeMap::new();
        for text in &flags.package_index {
            let wrong = || DependencyFlagError::Index(text.clone());
            let (name, url) = text.split_once('=').ok_or_else(wrong)?;
            place_of(url).ok_or_else(wrong)?;
            let known: Vec<&str> = installers(catalogue).map(|i| i.name.as_str()).collect();
            if !known.contains(&name) {
                let known = known.join(", ");
                return Err(DependencyFlagError::Installer { name: name.to_owned(), known });
            }
            indexes.insert(name.to_owned(), url.to_owned());
        }
        let mut hosts = Vec::new();
        for text in &flags.package_host {
            let with_port = host_and_port(text, None).map(|(host, port)| (host, Some(port)));
            let without = || host_and_port(text, Some(443)).map(|(host, _)| (host, None));
            let (host, port) = with_port.or_else(without).ok_or_else(|| DependencyFlagError::Host(text.clone()))?;
            hosts.push(Place { host, port, private: true });
        }
        if flags.dependency_bytes < ROOM_BYTES_MIN {
            return Err(DependencyFlagError::Room(flags.dependency_bytes));
        }
        if flags.dependency_images == 0 {
            return Err(DependencyFlagError::Images);
        }
        Ok(Some(Self {
            indexes,
            hosts,
            authorities: Arc::new(authorities(flags.package_ca.as_ref())?),
            room_bytes: flags.dependency_bytes,
            bounds: ShelfBounds {
                images_max: flags.dependency_images as usize,
                bytes_max: flags.dependency_disk_bytes,
            },
        }))
    }

    /// `installer` with the index that the operator wants for it.
    #[must_use]
    pub fn installer(&self, installer: &Installer) -> Installer {
        let mut installer = installer.clone();
        if let Some(index) = self.indexes.get(&installer.name) {
            installer.index.clone_from(index);
        }
        installer
    }

    /// What an installation by `installer`, as [`DependencyConfig::installer`] gives it, may reach.
    #[must_use]
    pub fn places(&self, installer: &Installer) -> Vec<Place> {
        // The public hosts belong to the public index: behind one's own, they are not asked.
        let own = self.indexes.get(&installer.name).and_then(|url| place_of(url));
        let public = |host: &String| Place { host: host.clone(), port: None, private: false };
        match own {
            Some(own) => [own].into_iter().chain(self.hosts.iter().cloned()).collect(),
            None => installer.hosts.iter().map(public).chain(self.hosts.iter().cloned()).collect(),
        }
    }

    /// Memory of a builder, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.room_bytes.saturating_add(BUILDER_MEMORY_BYTES)
    }
}

fn installers(catalogue: &Catalogue) -> impl Iterator<Item = &Installer> {
    catalogue.languages().iter().filter_map(|language| language.installer.as_ref())
}

/// Where the index at `url` is.
fn place_of(url: &str) -> Option<Place> {
    host_of(url)?;
    let (scheme, rest) = url.split_once("://")?;
    let default = if scheme == "https" { 443 } else { 80 };
    let (host, port) = host_and_port(rest.split(['/', '?', '#']).next()?, Some(default))?;
    Some(Place { host, port: Some(port), private: true })
}

fn authorities(named: Option<&PathBuf>) -> Result<Vec<u8>, DependencyFlagError> {
    let path = named.cloned().unwrap_or_else(|| PathBuf::from(HOST_CA));
    match fs::read(&path) {
        Ok(bytes) if bytes.len() > AUTHORITIES_BYTES_MAX => {
            let source = io::Error::other(format!("it is larger than {AUTHORITIES_BYTES_MAX} bytes"));
            Err(DependencyFlagError::Authorities { path, source })
        }
        Ok(bytes) => Ok(bytes),
        // An index in plain HTTP needs none, and one without says what it lacks.
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(DependencyFlagError::Authorities { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: DependencyFlags,
    }

    fn config(line: &str) -> Result<Option<DependencyConfig>, DependencyFlagError> {
        let words = ["agent"].into_iter().chain(line.split_whitespace());
        DependencyConfig::check(&Line::parse_from(words).flags, &Catalogue::embedded().unwrap())
    }

    fn python() -> Installer {
        Catalogue::embedded().unwrap().by_id("python").unwrap().installer.clone().unwrap()
    }

    fn place(host: &str, port: Option<u16>, private: bool) -> Place {
        Place { host: host.into(), port, private }
    }

    #[test]
    fn without_flags_the_public_index_is_reached_and_nothing_of_ones_own() {
        let config = config("").unwrap().unwrap();
        assert_eq!(config.installer(&python()), python());
        let places = config.places(&python());
        assert!(places.iter().all(|p| !p.private && p.port.is_none()) && places.len() == 2);
    }

    #[test]
    fn an_index_of_ones_own_takes_the_place_of_the_public_one() {
        let config = config("--package-index python=http://10.0.0.1:8080/simple/ --package-host cdn:81,files").unwrap();
        let config = config.unwrap();
        assert_eq!(config.installer(&python()).index, "http://10.0.0.1:8080/simple/");
        let expected = [place("10.0.0.1", Some(8080), true), place("cdn", Some(81), true), place("files", None, true)];
        assert_eq!(config.places(&python()), expected);
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_flag() {
        for (line, flag) in [
            ("--package-index https://x/", "--package-index"),
            ("--package-index python=ftp://x/", "--package-index"),
            ("--package-index python=https://u:p@x/", "--package-index"),
            ("--package-index cobol=https://x/", "there is python"),
            ("--package-host a/b", "--package-host"),
            ("--package-ca /nowhere.pem", "--package-ca"),
            ("--dependency-bytes 5", "--dependency-bytes"),
            ("--dependency-images 0", "--dependency-images"),
        ] {
            let message = config(line).unwrap_err().to_string();
            assert!(message.contains(flag), "{line}: {message}");
        }
        assert_eq!(config("--dependencies deny --package-ca /nowhere.pem").unwrap(), None);
    }
}
