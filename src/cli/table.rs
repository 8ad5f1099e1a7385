//! Aligned tables: pure, widths in characters, colours outside the widths.

use super::terminal::{Colour, Terminal};

/// Spaces between two columns.
const GAP: &str = "  ";
/// Widest cell; longer ones are cut, so that one value cannot push a table apart.
const CELL_CHARS_MAX: usize = 60;

/// One cell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cell {
    text: String,
    colour: Colour,
    right: bool,
}

impl Cell {
    /// Text, to the left; what could harm a terminal is made harmless.
    #[must_use]
    pub fn text(text: impl AsRef<str>) -> Self {
        let text = super::terminal::harmless_line(text.as_ref());
        let cut = match text.char_indices().nth(CELL_CHARS_MAX) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        };
        Self { text: cut, colour: Colour::Plain, right: false }
    }

    /// A figure, to the right.
    #[must_use]
    pub fn figure(text: impl AsRef<str>) -> Self {
        Self { right: true, ..Self::text(text) }
    }

    /// In a colour.
    #[must_use]
    pub fn in_colour(mut self, colour: Colour) -> Self {
        self.colour = colour;
        self
    }

    /// Characters that it takes.
    #[must_use]
    pub fn width(&self) -> usize {
        self.text.chars().count()
    }
}

/// The lines of a table with these headings; figures' headings stand to the right as their columns do.
#[must_use]
pub fn lines(terminal: &Terminal, headings: &[&str], rows: &[Vec<Cell>]) -> Vec<String> {
    let right = |column: usize| rows.first().and_then(|row| row.get(column)).is_some_and(|cell| cell.right);
    let head: Vec<Cell> = headings
        .iter()
        .enumerate()
        .map(|(column, h)| Cell { text: (*h).to_owned(), colour: Colour::Faint, right: right(column) })
        .collect();
    let all: Vec<&Vec<Cell>> = std::iter::once(&head).chain(rows).collect();
    let width = |column: usize| all.iter().filter_map(|row| row.get(column)).map(Cell::width).max().unwrap_or(0);
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    all.iter().map(|row| line(terminal, row, &widths)).collect()
}

/// One row in columns of these widths.
#[must_use]
pub fn line(terminal: &Terminal, row: &[Cell], widths: &[usize]) -> String {
    let mut text = String::new();
    for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
        let pad = " ".repeat(width.saturating_sub(cell.width()));
        let painted = terminal.paint(cell.colour, &cell.text);
        if cell.right {
            text.push_str(&pad);
            text.push_str(&painted);
        } else {
            text.push_str(&painted);
            // Nothing after the last column, so that copied lines have no tail.
            if column + 1 < row.len() {
                text.push_str(&pad);
            }
        }
        if column + 1 < row.len() {
            text.push_str(GAP);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Terminal = Terminal { stdout: false, stderr: false, colours: false };

    #[test]
    fn columns_are_aligned_and_lines_have_no_tail() {
        let rows = vec![
            vec![Cell::text("c"), Cell::figure("12 ms"), Cell::text("ok")],
            vec![Cell::text("python"), Cell::figure("1204 ms"), Cell::text("time_limit")],
        ];
        insta::assert_snapshot!(lines(&PLAIN, &["language", "run", "outcome"], &rows).join("\n"), @r"
        language      run  outcome
        c           12 ms  ok
        python    1204 ms  time_limit
        ");
    }

    #[test]
    fn a_long_or_hostile_cell_keeps_the_table_together() {
        let cell = Cell::text(format!("a\n\x1b[2J{}", "x".repeat(100)));
        assert!(cell.width() <= CELL_CHARS_MAX + 1 && !cell.text.contains(['\n', '\x1b']));
    }
}
