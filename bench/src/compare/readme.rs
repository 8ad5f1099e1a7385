//! The one sentence of the README that has figures: between its marks it is written by the run, and is what the document says.

use std::collections::BTreeMap;
use std::path::Path;

use super::Outcome;
use super::series::Estimate;

const BEGIN: &str = "<!-- begin speed -->";
const END: &str = "<!-- end speed -->";

/// The figures of the sentence, in its order: name, and what stands before it.
const FIGURES: [(&str, &str); 5] = [
    ("Python.tenant.best", ""),
    ("Python.bare.best", " Python jobs a second of one user ("),
    ("Python.container.best", " as bare processes, "),
    ("mix.failing.rate", " in a container each), "),
    ("mix.scopes.rate", " where three of ten fail, "),
];
const LAST: &str = " where every job is of another of 1,000 users";

/// Jobs a second, without what nobody needs to read.
fn sentence(figures: &BTreeMap<String, Estimate>) -> Option<String> {
    let mut sentence = String::new();
    for (name, before) in FIGURES {
        sentence += &format!("{before}{:.0}", figures.get(name)?.value);
    }
    Some(sentence + LAST)
}

/// Puts the sentence where it stands; nothing where not all of it was measured.
///
/// # Errors
/// The file cannot be read or written, or has no such marks.
pub fn write(path: &Path, figures: &BTreeMap<String, Estimate>) -> Outcome<()> {
    let Some(sentence) = sentence(figures) else { return Ok(()) };
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let (before, old, after) = parts(&text).ok_or_else(|| format!("{} has no {BEGIN} … {END}", path.display()))?;
    if old != sentence {
        std::fs::write(path, format!("{before}{BEGIN}{sentence}{END}{after}"))?;
    }
    Ok(())
}

/// What stands before, between and after the marks.
fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (between, after) = rest.split_once(END)?;
    Some((before, between, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The greatest first number of this column in rows that begin so.
    fn figure(section: &str, row: &str, column: usize) -> f64 {
        let rows = section.lines().filter(|line| line.starts_with(row));
        let cells = rows.filter_map(|line| line.split('|').nth(column)?.split_whitespace().next()?.parse::<f64>().ok());
        cells.max_by(f64::total_cmp).unwrap_or_else(|| panic!("no row {row}"))
    }

    #[test]
    fn the_readme_says_what_the_document_says() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
        let (document, readme) = (read("docs/BENCHMARKS.md"), read("README.md"));
        let section = |name: &str| {
            let (_, rest) = document.split_once(&format!("<!-- begin {name} -->")).unwrap();
            rest.split_once(&format!("<!-- end {name} -->")).unwrap().0
        };
        let (throughput, mixes) = (section("throughput"), section("mixes"));
        let found = [
            figure(throughput, "| Python | **Enclos**, reuse `tenant` |", 4),
            figure(throughput, "| Python | bare (chroot) |", 4),
            figure(throughput, "| Python | container per job (API) |", 4),
            figure(mixes, "| **Enclos**, 30% fail |", 2),
            figure(mixes, "| **Enclos**, Python hello of 1,000 scopes in turn |", 2),
        ];
        let figures = FIGURES.iter().zip(found).map(|((name, _), value)| ((*name).to_owned(), Estimate::exact(value)));
        assert_eq!(parts(&readme).unwrap().1, sentence(&figures.collect()).unwrap());
    }

    #[test]
    fn only_the_sentence_is_written_and_only_whole() {
        let path = std::env::temp_dir().join(format!("enclos-readme-{}", std::process::id()));
        std::fs::write(&path, format!("- Fast: {BEGIN}old{END}.\nby hand\n")).unwrap();
        let mut figures: BTreeMap<_, _> =
            FIGURES.iter().map(|(name, _)| ((*name).to_owned(), Estimate::exact(12.4))).collect();
        write(&path, &figures).unwrap();
        let written = std::fs::read_to_string(&path).unwrap();
        figures.remove("mix.scopes.rate");
        figures.insert("mix.failing.rate".to_owned(), Estimate::exact(99.0));
        write(&path, &figures).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), written, "a part of it is none");
        std::fs::remove_file(&path).unwrap();
        let expected = format!(
            "- Fast: {BEGIN}12 Python jobs a second of one user (12 as bare processes, 12 in a container each), \
             12 where three of ten fail, 12 where every job is of another of 1,000 users{END}.\nby hand\n"
        );
        assert_eq!(written, expected);
        assert!(write(Path::new("/nonexistent"), &figures).is_ok(), "nothing to write, nothing is read");
    }
}
