//! Which languages an agent offers, and which of their images it makes at its start.
//!
//! Names are exact, or patterns in which `*` stands for any characters. A pattern that
//! names nothing is refused like a name: it is a mistake that would else show late.

use enclos_images::Catalogue;

use super::ConfigError;

/// Given as the images to make at the start: none.
const NONE: &str = "none";

/// Ids of the languages that are `asked` for, sorted; all where nothing is.
pub(super) fn languages(asked: &[String], catalogue: &Catalogue) -> Result<Vec<String>, ConfigError> {
    let known: Vec<String> = catalogue.languages().iter().map(|l| l.id.clone()).collect();
    if asked.is_empty() {
        return Ok(known);
    }
    let mut ids = Vec::new();
    for name in asked.iter().map(|name| name.trim()) {
        match catalogue.find(name) {
            Some(language) => ids.push(language.id.clone()),
            None => ids.extend(matching("--languages", name, &known)?),
        }
    }
    Ok(sorted(ids))
}

/// Names of the images to make at the start, sorted: those `asked` for; else those of the `offered`
/// languages where an operator `chose` these, and the core's of them where nobody did.
pub(super) fn images(
    asked: &[String],
    offered: &[String],
    chose: bool,
    catalogue: &Catalogue,
) -> Result<Vec<String>, ConfigError> {
    let offered = || offered.iter().filter_map(|id| catalogue.by_id(id));
    if asked.is_empty() {
        return Ok(sorted(offered().filter(|l| chose || l.at_start).map(|l| l.image.clone()).collect()));
    }
    let known = sorted(offered().map(|l| l.image.clone()).collect());
    let mut names = Vec::new();
    for name in asked.iter().map(|name| name.trim()).filter(|name| *name != NONE) {
        names.extend(matching("--images", name, &known)?);
    }
    Ok(sorted(names))
}

fn matching(flag: &'static str, pattern: &str, known: &[String]) -> Result<Vec<String>, ConfigError> {
    let found: Vec<String> = known.iter().filter(|name| matches(pattern, name)).cloned().collect();
    if found.is_empty() {
        return Err(ConfigError::Unknown { flag, name: pattern.to_owned(), known: known.join(", ") });
    }
    Ok(found)
}

/// Whether `name` is `pattern`, in which each `*` stands for any characters.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(begin) else { return false };
    // Bytes of a prefix may be passed over at any character.
    name.char_indices().map(|(at, _)| at).chain([name.len()]).any(|at| matches(rest, &name[at..]))
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_star_stands_for_any_characters_and_nothing_else_does() {
        for (pattern, name, holds) in [
            ("c", "c", true),
            ("c", "cpp", false),
            ("*", "", true),
            ("c*", "cpp", true),
            ("*p", "cpp", true),
            ("c*p*", "cpp", true),
            ("*x*", "cpp", false),
            ("c.p", "cpp", false),
        ] {
            assert_eq!(matches(pattern, name), holds, "{pattern} {name}");
        }
    }

    #[test]
    fn what_an_operator_lists_is_made_at_the_start_and_else_the_core() {
        let catalogue = Catalogue::embedded().unwrap();
        let all = languages(&[], &catalogue).unwrap();
        assert!(all.len() > 24, "{all:?}");
        assert_eq!(images(&[], &all, false, &catalogue).unwrap(), ["gcc", "openjdk", "python"]);
        let chosen = languages(&texts(&["py*", "lua"]), &catalogue).unwrap();
        assert_eq!(chosen, ["lua", "python"]);
        assert_eq!(images(&[], &chosen, true, &catalogue).unwrap(), ["python", "scripting"]);
        assert_eq!(images(&texts(&["g*", "node"]), &all, false, &catalogue).unwrap(), ["gcc", "go", "groovy", "node"]);
        assert!(images(&texts(&["none"]), &all, true, &catalogue).unwrap().is_empty());
    }

    #[test]
    fn a_name_of_nothing_that_is_offered_is_refused_with_what_there_is() {
        let catalogue = Catalogue::embedded().unwrap();
        let told = images(&texts(&["gcc"]), &texts(&["python"]), true, &catalogue).unwrap_err().to_string();
        assert_eq!(told, "--images: 'gcc' is unknown; known are python");
        assert!(languages(&texts(&["klingon*"]), &catalogue).is_err());
    }
}
