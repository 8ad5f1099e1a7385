//! The packages that a submission asks for: held against the grammar of their installer, in one canonical form.
//!
//! What leaves here is an argument of an installer on some agent. So nothing but
//! a name, its extras and its versions gets through: no option, path, URL,
//! marker, white space or letter beyond ASCII, however PEP 508 may allow it.

use std::collections::BTreeMap;

use enclos_images::dependencies::Grammar;
use enclos_images::{Catalogue, Language};
use enclos_protocol::dependencies::{REQUIREMENT_BYTES_MAX, Wanted};

use super::refusal::{Refusal, SHOWN_CHARS_MAX};

/// Installers that a submission may name.
pub const INSTALLERS_MAX: usize = 8;
/// Bytes of a package's name.
const NAME_BYTES_MAX: usize = 100;
/// Extras of one requirement.
const EXTRAS_MAX: usize = 16;
/// Version clauses of one requirement.
const CLAUSES_MAX: usize = 8;

/// Comparisons of PEP 440 without `===`, which compares texts and means nothing here; longer ones first.
const OPERATORS: [&str; 7] = ["==", "!=", "<=", ">=", "~=", "<", ">"];

/// What `asked` comes to for a job in `language`; `None` where nothing is asked for.
pub(super) fn admitted(
    catalogue: &Catalogue,
    language: &Language,
    asked: Option<BTreeMap<String, Vec<String>>>,
) -> Result<Option<Wanted>, Refusal> {
    let mut wanted = None;
    for (name, requirements) in asked.unwrap_or_default() {
        let installer = language.installer.as_ref().filter(|installer| installer.name == name);
        let installer = installer.ok_or_else(|| unsupported(catalogue, language, &name))?;
        // By package, so that two requirements of one cannot contradict each other unseen.
        let mut canonical: BTreeMap<String, String> = BTreeMap::new();
        for (index, text) in requirements.iter().enumerate() {
            let field = format!("dependencies.{name}[{index}]");
            let requirement = match installer.grammar {
                Grammar::Pep508 => pep508(text),
            };
            let requirement = requirement.map_err(|problem| invalid(&field, text, problem))?;
            let Requirement { package, whole } = requirement;
            if canonical.insert(package, whole).is_some() {
                return Err(invalid(&field, text, "its package is named twice; write all its versions as one"));
            }
        }
        if !canonical.is_empty() {
            wanted = Some(Wanted { installer: name, requirements: canonical.into_values().collect() });
        }
    }
    Ok(wanted)
}

fn unsupported(catalogue: &Catalogue, language: &Language, name: &str) -> Refusal {
    let has: Vec<String> = catalogue
        .languages()
        .iter()
        .filter_map(|l| l.installer.as_ref().map(|installer| format!("{} ('{}')", l.name, installer.name)))
        .collect();
    let shown: String = name.chars().take(SHOWN_CHARS_MAX).collect();
    let detail = match &language.installer {
        Some(installer) => format!("dependencies of {} are called '{}'", language.name, installer.name),
        None if has.is_empty() => "no language here has dependencies installed".to_owned(),
        None => format!("{} has no installer for dependencies; {} has", language.name, has.join(", ")),
    };
    Refusal::new(422, "unsupported_dependencies", detail).at(format!("dependencies.{}", shown.escape_debug()))
}

fn invalid(field: &str, text: &str, problem: &str) -> Refusal {
    let shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    Refusal::new(422, "invalid_dependency", format!("'{}' is no dependency: {problem}", shown.escape_debug())).at(field)
}

/// A requirement in the form that all spellings of it share.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Requirement {
    package: String,
    whole: String,
}

/// `name[extra,…]` and version clauses with commas between.
fn pep508(text: &str) -> Result<Requirement, &'static str> {
    if text.is_empty() || text.len() > REQUIREMENT_BYTES_MAX {
        return Err("it has 1 to 200 bytes");
    }
    if text.contains(['@', '/', '\\', ':']) {
        return Err("URLs and paths are not taken, only names of an index");
    }
    if text.contains(';') {
        return Err("markers are not taken: every job runs on the same Python");
    }
    if !text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
        return Err("it is of visible ASCII characters");
    }
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c))).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let package = normal_name(name)?;
    let rest = rest.trim_start_matches(' ');
    let (extras, rest) = match rest.strip_prefix('[') {
        Some(inside) => {
            let (inside, rest) = inside.split_once(']').ok_or("its '[' has no ']'")?;
            (extras(inside)?, rest.trim_start_matches(' '))
        }
        None => (String::new(), rest),
    };
    let clauses = clauses(rest)?;
    Ok(Requirement { whole: format!("{package}{extras}{clauses}"), package })
}

/// A name as PEP 503 writes it.
fn normal_name(name: &str) -> Result<String, &'static str> {
    let alphanumeric = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let ends = alphanumeric(name.chars().next()) && alphanumeric(name.chars().next_back());
    if !ends || !name.chars().all(allowed) {
        return Err("it begins with a name: letters and digits, and . - _ between them");
    }
    if name.len() > NAME_BYTES_MAX {
        return Err("its name has at most 100 characters");
    }
    let parts = name.split(['.', '-', '_']).filter(|part| !part.is_empty());
    Ok(parts.collect::<Vec<_>>().join("-").to_ascii_lowercase())
}

fn extras(inside: &str) -> Result<String, &'static str> {
    let names = inside.split(',').map(|extra| normal_name(extra.trim_matches(' ')));
    let mut names: Vec<String> = names.collect::<Result<_, _>>().map_err(|_| "an extra is a name")?;
    names.sort();
    names.dedup();
    if names.len() > EXTRAS_MAX {
        return Err("it has at most 16 extras");
    }
    Ok(format!("[{}]", names.join(",")))
}

fn clauses(text: &str) -> Result<String, &'static str> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let clauses = text.split(',').map(|clause| {
        let clause = clause.trim_matches(' ');
        if clause.starts_with("===") {
            return Err("'===' is not taken; '==' compares versions");
        }
        let operator = OPERATORS.iter().find(|operator| clause.starts_with(**operator));
        let operator = operator.ok_or("after the name come versions, such as ==2.*, or >=1.0,<2")?;
        let version = clause[operator.len()..].trim_start_matches(' ');
        check_version(operator, version)?;
        Ok(format!("{operator}{}", version.to_ascii_lowercase()))
    });
    let mut clauses: Vec<String> = clauses.collect::<Result<_, _>>()?;
    clauses.sort();
    clauses.dedup();
    if clauses.len() > CLAUSES_MAX {
        return Err("it has at most 8 version clauses");
    }
    Ok(clauses.join(","))
}

/// Whether it is a version in the canonical form of PEP 440, which the tolerant ones only paraphrase.
fn check_version(operator: &str, version: &str) -> Result<(), &'static str> {
    const WRONG: &str = "a version is as PEP 440 writes it: 1.2, 2.0rc1, 1.0.post1, 1!2.0";
    let version = version.to_ascii_lowercase();
    let (public, local) = match version.split_once('+') {
        Some((public, local)) => (public, Some(local)),
        None => (version.as_str(), None),
    };
    let is_local = |text: &str| text.split('.').all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric()));
    if local.is_some_and(|local| !is_local(local) || !matches!(operator, "==" | "!=")) {
        return Err(WRONG);
    }
    let (public, any) = match public.strip_suffix(".*") {
        Some(prefix) => (prefix, true),
        None => (public, false),
    };
    let rest = match public.split_once('!') {
        Some((epoch, rest)) if is_number(epoch) => rest,
        Some(_) => return Err(WRONG),
        None => public,
    };
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
    let (release, suffix) = rest.split_at(end);
    // The dot before `post` and `dev` is theirs.
    let (release, dotted) = release.strip_suffix('.').map_or((release, false), |r| (r, true));
    let components = release.split('.').count();
    if !release.split('.').all(is_number) || !is_suffix(suffix, dotted) {
        return Err(WRONG);
    }
    match operator {
        _ if any && (!matches!(operator, "==" | "!=") || !suffix.is_empty() || local.is_some()) => {
            Err("'.*' stands after == and !=, behind plain numbers")
        }
        "~=" if components < 2 => Err("'~=' needs a version with a dot, such as ~=1.4"),
        _ => Ok(()),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Pre-release, post-release, development release, each at most once and in this order.
fn is_suffix(suffix: &str, dotted: bool) -> bool {
    let mut rest = if dotted { format!(".{suffix}") } else { suffix.to_owned() };
    for words in [&["a", "b", "rc"][..], &[".post"], &[".dev"]] {
        let Some(after) = words.iter().find_map(|word| rest.strip_prefix(word)) else { continue };
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return false;
        }
        rest = after[digits..].to_owned();
    }
    rest.is_empty()
}

#[cfg(test)]
#[path = "dependencies_tests.rs"]
mod tests;
