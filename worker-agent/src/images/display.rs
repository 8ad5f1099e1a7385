//! How the command line shows images: progress on standard error, tables as text.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Instant;

use enclos_protocol::agent_link::ImageState;

/// Longest line that is redrawn, in characters; a wrapped line could not be taken back.
const LINE_CHARS_MAX: usize = 78;

/// Progress of several images: redrawn in place on a terminal, else a line per step.
pub(super) struct ProgressLines {
    terminal: bool,
    drawn: usize,
    told: BTreeMap<String, String>,
    since: Instant,
}

impl ProgressLines {
    /// Lines on standard error.
    pub(super) fn new() -> Self {
        Self { terminal: io::stderr().is_terminal(), drawn: 0, told: BTreeMap::new(), since: Instant::now() }
    }

    /// Shows `states`. A closed standard error is no reason to stop a build.
    pub(super) fn show(&mut self, states: &BTreeMap<String, ImageState>) {
        let elapsed = self.since.elapsed().as_secs();
        let mut text = String::new();
        if self.terminal {
            if self.drawn > 0 {
                text = format!("\u{1b}[{}A\u{1b}[J", self.drawn);
            }
            let lines: Vec<String> = states.iter().filter_map(|(name, state)| line(name, state)).collect();
            self.drawn = lines.len();
            for line in lines {
                let line = format!("{line} ({elapsed} s)");
                text.push_str(&line.chars().take(LINE_CHARS_MAX).collect::<String>());
                text.push('\n');
            }
        } else {
            for (name, state) in states {
                let Some(line) = line(name, state) else { continue };
                let stage = stage(&line).to_owned();
                if self.told.insert(name.clone(), stage.clone()).as_ref() != Some(&stage) {
                    text.push_str(&format!("[{elapsed:>3} s] {line}\n"));
                }
            }
        }
        let mut stderr = io::stderr().lock();
        let _closed = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
    }
}

/// `gcc: step 2/3 RUN apt-get…`; nothing for an image that nobody asked for.
fn line(name: &str, state: &ImageState) -> Option<String> {
    match state {
        ImageState::Absent => None,
        ImageState::Preparing { progress } => Some(format!("{name}: {progress}")),
        ImageState::Ready => Some(format!("{name}: ready")),
        ImageState::Failed { reason } => Some(format!("{name}: failed: {reason}")),
    }
}

/// The part of a line whose change is worth a line in a log: without running counts after it.
fn stage(line: &str) -> &str {
    match line.match_indices(": ").nth(1) {
        Some((end, _)) => &line[..end],
        None => line,
    }
}

/// `rows` with each column as wide as its widest cell.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width =
        |column| rows.iter().filter_map(|r| r.get(column)).map(|c: &String| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Bytes as engines print them: powers of ten, three digits.
pub(super) fn size(bytes: u64) -> String {
    let megabytes = bytes / 1_000_000;
    if megabytes < 1000 {
        format!("{megabytes} MB")
    } else {
        format!("{}.{:02} GB", megabytes / 1000, megabytes % 1000 / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_have_no_trailing_space() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        insta::assert_snapshot!(table(&[row(["IMAGE", "SIZE"]), row(["openjdk", ""]), row(["gcc", "300 MB"])]), @r"
        IMAGE    SIZE
        openjdk
        gcc      300 MB
        ");
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!(size(299_999_999), "299 MB");
        assert_eq!(size(1_230_000_000), "1.23 GB");
    }

    #[test]
    fn a_log_gets_a_line_for_each_stage_and_not_for_each_count() {
        assert_eq!(stage("base: pulls x: 10 %"), stage("base: pulls x: 20 %"));
        assert_ne!(stage("gcc: step 1/3 FROM"), stage("gcc: step 2/3 RUN"));
    }
}
