//! Where measured tables stand in a document: between `<!-- begin NAME -->` and `<!-- end NAME -->`.
//!
//! What stands outside of the marks is written by hand and is never touched. A section says when, where and by
//! which command it was measured, so that no table is older than it looks.

use std::path::Path;
use std::process::Command;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Puts `body` where the section stands; what is outside of its marks stays byte for byte.
///
/// # Errors
/// A mark is missing, stands twice, or the end stands before the begin.
pub fn placed(document: &str, section: &str, body: &str) -> Result<String, String> {
    let (begin, end) = (format!("<!-- begin {section} -->"), format!("<!-- end {section} -->"));
    let only = |mark: &str| match document.match_indices(mark).collect::<Vec<_>>()[..] {
        [(at, _)] => Ok(at),
        [] => Err(format!("the document has no {mark}")),
        _ => Err(format!("the document has {mark} twice")),
    };
    let (from, to) = (only(&begin)? + begin.len(), only(&end)?);
    if to < from {
        return Err(format!("{end} stands before its begin"));
    }
    Ok(format!("{}\n{}\n{}", &document[..from], body.trim_end(), &document[to..]))
}

/// Writes a section into the file at `path`, with date, machine and the command that measured it.
///
/// # Errors
/// The file cannot be read or written, or has no such section.
pub fn write(path: &Path, section: &str, command: &str, body: &str) -> Outcome<()> {
    let document = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let body = format!("{}; {}\n\n{body}", today()?, machine()) + &format!("\nMeasured by `{command}`.\n");
    let written = placed(&document, section, &body).map_err(|e| format!("{}: {e}", path.display()))?;
    // Whole or not at all: what is written by hand stands in the same file.
    let beside = path.with_extension("md.new");
    std::fs::write(&beside, written)?;
    Ok(std::fs::rename(beside, path)?)
}

fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

fn today() -> Outcome<String> {
    said("date", &["-u", "+%Y-%m-%d"]).ok_or_else(|| "no date".into())
}

/// What the figures depend on: processors, memory, kernel, cgroups, engine.
pub fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let info = read("/proc/cpuinfo");
    let model = value_of(&info, "model name").unwrap_or("processor unknown");
    let memory = read("/proc/meminfo");
    let kib = value_of(&memory, "MemTotal").and_then(|v| v.split(' ').next()?.parse::<u64>().ok()).unwrap_or(0);
    let kernel = read("/proc/sys/kernel/osrelease");
    let number = kernel.trim().split('-').next().unwrap_or_default();
    let version = if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() { 2 } else { 1 };
    let engine =
        said("docker", &["version", "--format", "{{.Server.Version}}"]).unwrap_or_else(|| "unknown".to_owned());
    let gib = (kib as f64 / f64::from(1 << 20)).round();
    format!("{cores} cores ({model}), {gib} GiB, Linux {number}, cgroup version {version}, Docker {engine}")
}

fn value_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| Some(line.strip_prefix(key)?.trim_start().strip_prefix(':')?.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "# Title\n\n<!-- begin a -->\nold\n<!-- end a -->\nby hand\n";

    #[test]
    fn only_what_stands_between_the_marks_changes() {
        let once = placed(DOCUMENT, "a", "| new |\n\n").unwrap();
        assert_eq!(once, "# Title\n\n<!-- begin a -->\n| new |\n<!-- end a -->\nby hand\n");
        assert_eq!(placed(&once, "a", "| new |").unwrap(), once);
    }

    #[test]
    fn a_document_without_the_marks_is_refused() {
        assert!(placed(DOCUMENT, "b", "").unwrap_err().contains("no <!-- begin b -->"));
        assert!(placed(&DOCUMENT.repeat(2), "a", "").unwrap_err().contains("twice"));
        assert!(placed("<!-- end a --><!-- begin a -->", "a", "").unwrap_err().contains("before"));
    }

    #[test]
    fn values_are_found_by_their_whole_key() {
        assert_eq!(value_of("MemTotalX: 1\nMemTotal:  42 kB\n", "MemTotal"), Some("42 kB"));
    }

    /// What the comparison writes.
    const SECTIONS: [&str; 10] =
        ["targets", "latency", "throughput", "open-loop", "mixes", "scaling", "cold", "cpu", "memory", "gvisor"];

    #[test]
    fn every_section_that_is_measured_has_its_place_in_the_document() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/BENCHMARKS.md");
        let document = std::fs::read_to_string(path).unwrap();
        for section in SECTIONS {
            placed(&document, section, "").unwrap();
        }
        // The script's own, each named once in a line "section NAME PROGRAM …".
        let script = include_str!("../../../scripts/bench.sh");
        let named: Vec<&str> = script.lines().filter_map(|l| l.trim().strip_prefix("section ")).collect();
        assert!(!named.is_empty());
        for line in named {
            placed(&document, line.split(' ').next().unwrap(), "").unwrap();
        }
    }
}
