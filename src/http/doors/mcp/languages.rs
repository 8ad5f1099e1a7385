//! `list_languages`: what can be run, briefly; of one language, its limits too.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::Quota;
use crate::admission::{self, Refusal};
use crate::gate::Caller;
use crate::http::wire::LanguageView;
use crate::http::{Api, error, fleet};

/// Arguments of `list_languages`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListLanguages {
    /// Id or alias of one language, to see its limits; without this all are listed.
    language: Option<String>,
}

/// The languages.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub(super) struct LanguageList {
    /// By id.
    pub(super) languages: Vec<Language>,
}

/// A language.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub(super) struct Language {
    /// Its id.
    pub(super) id: String,
    /// Its name.
    pub(super) name: String,
    /// Other ids.
    pub(super) aliases: Vec<String>,
    /// Extensions of its files.
    pub(super) extensions: Vec<String>,
    /// What its toolchain says; empty until it was first made ready.
    pub(super) version: String,
    /// It starts at once; else its image is made first, while the job waits.
    pub(super) ready: bool,
    /// The key for `dependencies`, where packages can be installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) installer: Option<String>,
    /// Bounds of `limits`; only where one language was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) limits: Vec<Limit>,
}

/// Bounds of one limit of a run.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub(super) struct Limit {
    /// Its name in `limits`.
    pub(super) name: String,
    /// Where nothing is said.
    pub(super) default: u64,
    /// Smallest.
    pub(super) minimum: u64,
    /// Largest.
    pub(super) maximum: u64,
}

/// Limits that the tools take.
const NAMES: [&str; 5] = ["cpu_ms", "wall_ms", "memory_bytes", "output_bytes", "report_bytes"];

/// Serves the call.
pub(super) async fn list(api: &Api, caller: &Caller, asked: ListLanguages) -> Result<LanguageList, Refusal> {
    let one =
        asked.language.map(|name| admission::language(&api.catalogue, &name).map(|l| l.id.clone())).transpose()?;
    if let Some(id) = one.as_deref().filter(|id| !is_allowed(&caller.quota, id)) {
        return Err(error::language_denied("language", id));
    }
    let all = fleet::list(api).await?.languages.into_iter().filter(|l| is_allowed(&caller.quota, &l.id));
    let wanted = all.filter(|language| one.as_ref().is_none_or(|id| *id == language.id));
    Ok(LanguageList { languages: wanted.map(|view| language(view, one.is_some())).collect() })
}

fn is_allowed(quota: &Quota, id: &str) -> bool {
    quota.languages.as_ref().is_none_or(|allowed| allowed.contains(id))
}

fn language(view: LanguageView, with_limits: bool) -> Language {
    let LanguageView { id, name, aliases, extensions, version, limits, image, installer, .. } = view;
    let limit = |name: &str| {
        let bound = limits.run.get(name)?;
        let number = |n: &serde_json::Number| n.as_u64().unwrap_or_default();
        let (default, minimum, maximum) = (number(&bound.default), number(&bound.min), number(&bound.max));
        Some(Limit { name: name.to_owned(), default, minimum, maximum })
    };
    let limits = if with_limits { NAMES.into_iter().filter_map(limit).collect() } else { Vec::new() };
    Language { id, name, aliases, extensions, version, ready: image.ready, installer, limits }
}

/// The list as a text.
pub(super) fn text(list: &LanguageList) -> String {
    let mut text = String::new();
    for Language { id, name, aliases, extensions: _, version, ready, installer, limits } in &list.languages {
        let version = if version.is_empty() { name } else { version };
        let _ = write!(text, "{id}: {version}");
        if !aliases.is_empty() {
            let _ = write!(text, " (also {})", aliases.join(", "));
        }
        if let Some(installer) = installer {
            let _ = write!(text, ", dependencies: {installer}");
        }
        text.push_str(if *ready { "\n" } else { ", made ready on first use\n" });
        for Limit { name, default, minimum, maximum } in limits {
            let _ = writeln!(text, "  {name}: {default}, from {minimum} to {maximum}");
        }
    }
    text
}
