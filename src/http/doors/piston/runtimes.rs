//! Runtimes: the languages as Piston lists them, with one version each, and how one is chosen.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use enclos_images::{Catalogue, Language};
use enclos_protocol::agent_link::{ImageState, OfferedLanguage};
use nodejs_semver::{Range, Version};
use serde::Serialize;

use super::refused;
use crate::admission::Refusal;
use crate::http::Api;
use crate::scheduler::{AgentState, AgentView};

/// Version of a language whose image no agent has yet: it is made when it is first asked for.
const UNKNOWN: (u64, u64, u64) = (0, 0, 0);
/// Longest version range, in bytes, as with npm.
const RANGE_BYTES_MAX: usize = 256;
/// Characters of a client's word that an answer repeats.
const SHOWN_CHARS_MAX: usize = 64;

/// A language, as one version of it.
#[derive(Clone, Debug)]
pub(super) struct Runtime<'a> {
    pub(super) language: &'a Language,
    pub(super) version: Version,
    /// Some agent has it, or makes it when it is needed.
    is_offered: bool,
    /// Some agent has it now.
    is_ready: bool,
    /// The image has other languages, too.
    is_shared: bool,
}

/// What the agents that are there have or make.
pub(super) fn offered(agents: &[AgentView]) -> Vec<&OfferedLanguage> {
    let present = agents.iter().filter(|agent| agent.state != AgentState::Suspect);
    present.flat_map(|agent| &agent.load.languages).collect()
}

/// The runtimes, by the names of their languages.
pub(super) fn all<'a>(catalogue: &'a Catalogue, offered: &[&OfferedLanguage]) -> Vec<Runtime<'a>> {
    let runtime = |language: &'a Language| {
        let offered = || offered.iter().filter(|offered| offered.id == language.id);
        let ready = || offered().filter(|offered| offered.image == ImageState::Ready);
        let known = ready().filter_map(|offered| version_in(&offered.version)).max();
        Runtime {
            language,
            version: known.unwrap_or_else(|| Version::from(UNKNOWN)),
            is_offered: offered().any(|offered| !matches!(offered.image, ImageState::Failed { .. })),
            is_ready: ready().next().is_some(),
            is_shared: catalogue.languages().iter().filter(|other| other.image == language.image).count() > 1,
        }
    };
    catalogue.languages().iter().map(runtime).collect()
}

/// The one of that name whose version is in `range`; of several, the highest.
///
/// # Errors
/// Piston's words where there is none.
pub(super) fn choose<'a>(runtimes: &[Runtime<'a>], name: &str, range: &str) -> Result<Runtime<'a>, Refusal> {
    let named = |runtime: &&Runtime<'_>| {
        let is_name = |known: &String| known.eq_ignore_ascii_case(name);
        is_name(&runtime.language.id) || runtime.language.aliases.iter().any(is_name)
    };
    let versions = Some(range).filter(|range| range.len() <= RANGE_BYTES_MAX).and_then(|r| Range::parse(r).ok());
    // Who has it from a list of before the image was made asks for no other.
    let is_listed = is_unknown(range);
    let fits = |runtime: &&Runtime<'_>| is_listed || versions.as_ref().is_some_and(|v| v.satisfies(&runtime.version));
    let chosen = runtimes.iter().filter(named).filter(fits).max_by(|a, b| a.version.cmp(&b.version));
    chosen.cloned().ok_or_else(|| {
        let shown = |text: &str| text.chars().take(SHOWN_CHARS_MAX).collect::<String>();
        refused(format!("{}-{} runtime is unknown", shown(name), shown(range)))
    })
}

/// Whether a version stands for one that is not known yet.
pub(super) fn is_unknown(version: &str) -> bool {
    version == Version::from(UNKNOWN).to_string()
}

/// The version in what a toolchain says of itself: the first number with a point, else the first at all.
pub(super) fn version_in(text: &str) -> Option<Version> {
    let words = || text.split(|c: char| !c.is_ascii_digit() && c != '.').map(|word| word.trim_matches('.'));
    let word = words().find(|word| word.contains('.')).or_else(|| words().find(|word| !word.is_empty()))?;
    let mut parts = word.split('.').map(|part| part.parse::<u64>().ok());
    let major = parts.next()??;
    let mut next = || parts.next().flatten().unwrap_or(0);
    let (minor, patch) = (next(), next());
    // What is out of its bounds is no version.
    Version::parse(format!("{major}.{minor}.{patch}")).ok()
}

/// A runtime as Piston lists it.
#[derive(Debug, Serialize)]
pub(super) struct Listed {
    language: String,
    version: String,
    aliases: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<String>,
}

/// A package as Piston lists it.
#[derive(Debug, Serialize)]
pub(super) struct Package {
    language: String,
    language_version: String,
    installed: bool,
}

pub(super) async fn runtimes(State(api): State<Arc<Api>>) -> Result<Json<Vec<Listed>>, Refusal> {
    let agents = api.scheduler.agents().await?;
    let listed =
        all(&api.catalogue, &offered(&agents)).into_iter().filter(|runtime| runtime.is_offered).map(|runtime| Listed {
            language: runtime.language.id.clone(),
            version: runtime.version.to_string(),
            aliases: runtime.language.aliases.clone(),
            runtime: runtime.is_shared.then(|| runtime.language.image.clone()),
        });
    Ok(Json(listed.collect()))
}

pub(super) async fn packages(State(api): State<Arc<Api>>) -> Result<Json<Vec<Package>>, Refusal> {
    let agents = api.scheduler.agents().await?;
    let listed = all(&api.catalogue, &offered(&agents)).into_iter().map(|runtime| Package {
        language: runtime.language.id.clone(),
        language_version: runtime.version.to_string(),
        installed: runtime.is_ready,
    });
    Ok(Json(listed.collect()))
}

/// Packages come and go with the agents' images, which are their operators' to choose.
pub(super) async fn no_packages() -> Refusal {
    let message = "packages are read-only here: languages come with the agents (enclos-agent --languages)";
    Refusal::new(403, "read_only", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers(all: &[(&str, &str, ImageState)]) -> Vec<OfferedLanguage> {
        let offer = |(id, version, image): &(&str, &str, ImageState)| OfferedLanguage {
            id: (*id).to_owned(),
            version: (*version).to_owned(),
            image: image.clone(),
            warm: 0,
        };
        all.iter().map(offer).collect()
    }

    #[test]
    fn what_toolchains_print_becomes_a_version_of_three_numbers() {
        for (text, version) in [
            ("gcc (Debian 14.2.0-19) 14.2.0", "14.2.0"),
            ("Python 3.13.5", "3.13.5"),
            ("openjdk 25.0.3 2026-04-21", "25.0.3"),
            ("go version go1.24.4 linux/amd64", "1.24.4"),
            ("This is perl 5, version 40, subversion 1 (v5.40.1) built for", "5.40.1"),
            ("NASM version 2.16.03", "2.16.3"),
            ("Mono C# compiler version 6.12.0.199", "6.12.0"),
            ("Erlang/OTP 27", "27.0.0"),
            ("v18.", "18.0.0"),
            ("SBCL 2.5.2.debian", "2.5.2"),
        ] {
            assert_eq!(version_in(text).map(|v| v.to_string()).as_deref(), Some(version), "{text}");
        }
        for none in ["", "...", "unknown", "99999999999999999999.1"] {
            assert_eq!(version_in(none), None, "{none}");
        }
    }

    #[test]
    fn versions_are_asked_for_as_npm_writes_them() {
        let catalogue = Catalogue::embedded().unwrap();
        let offers = offers(&[("python", "Python 3.13.5", ImageState::Ready)]);
        let runtimes = all(&catalogue, &offers.iter().collect::<Vec<_>>());
        let takes = |range: &str| choose(&runtimes, "python", range).is_ok();
        for good in [
            "*",
            "x",
            "3",
            "3.x",
            "3.*",
            "3.13",
            "3.13.x",
            "^3.9",
            "^3.9.1",
            "~3.13",
            ">=3 <4",
            "3.13.5",
            "=3.13.5",
            "v3.13.5",
            "2 || 3",
            "1.x||3.x",
            "3.1 - 3.20",
            "0.0.0",
            ">2",
            " 3.x ",
        ] {
            assert!(takes(good), "{good}");
        }
        // Cargo would read the second as `^3.13.4`.
        for bad in
            ["2", "3.13.4", "3.10.0", "^2.9", "~3.12", "3.1 - 3.12", "1 || 2", "<3", "latest", "python", "3.13.5.1"]
        {
            assert!(!takes(bad), "{bad}");
        }
        assert!(!takes(&"3 || ".repeat(1000)), "as npm: 256 characters");
    }

    #[test]
    fn a_runtime_is_known_by_name_and_alias_and_what_is_none_is_told_as_piston_does() {
        let catalogue = Catalogue::embedded().unwrap();
        let offers = offers(&[
            ("cpp", "g++ 13.1.0", ImageState::Ready),
            ("cpp", "g++ 14.2.0", ImageState::Ready),
            ("java", "", ImageState::Absent),
            ("c", "", ImageState::Failed { reason: "x".into() }),
        ]);
        let runtimes = all(&catalogue, &offers.iter().collect::<Vec<_>>());
        for name in ["cpp", "c++", "g++", "C++"] {
            let chosen = choose(&runtimes, name, "*").unwrap();
            assert_eq!((chosen.language.id.as_str(), chosen.version.to_string().as_str()), ("cpp", "14.2.0"));
        }
        let refused = |name: &str, range: &str| choose(&runtimes, name, range).unwrap_err().detail;
        assert_eq!(refused("cobol", "1.x"), "cobol-1.x runtime is unknown");
        assert_eq!(refused("cpp", "13.x"), "cpp-13.x runtime is unknown", "of two agents the newer counts");
        assert!(refused(&"x".repeat(1 << 20), "*").len() < 200);
        // Its image is made when it is first asked for; what version that will be nobody knows yet.
        assert!(choose(&runtimes, "java", "*").is_ok() && choose(&runtimes, "java", "25.x").is_err());
        let listed =
            |id: &str| runtimes.iter().find(|r| r.language.id == id).map(|r| (r.is_offered, r.is_ready, r.is_shared));
        assert_eq!(listed("java"), Some((true, false, false)));
        assert_eq!(listed("c"), Some((false, false, true)));
        assert_eq!(listed("cpp"), Some((true, true, true)));
    }
}
