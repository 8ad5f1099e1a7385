//! Tables as Markdown, and figures as words.

use std::fmt;

use super::series::Estimate;

/// What stands where nothing was measured.
pub const NONE: &str = "–";

/// A table; every row has as many cells as its head.
#[derive(Debug)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// One without rows.
    pub fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|&cell| cell.to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row; cells that are missing are empty, and what is beyond the head is left out.
    pub fn row(&mut self, mut cells: Vec<String>) {
        cells.resize(self.head.len(), String::new());
        self.rows.push(cells);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
        writeln!(f, "{}\n|{}", line(&self.head), "---|".repeat(self.head.len()))?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{}", line(row)))
    }
}

/// With two decimals below 100, none above.
pub fn number(value: f64) -> String {
    // A sum of nothing is -0.
    let value = value + 0.0;
    if value.abs() < 100.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

/// A number, or the word for none.
pub fn maybe(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), number)
}

/// `1.10x (1.08 to 1.12)`.
pub fn times(estimate: Option<Estimate>) -> String {
    let words = |e: Estimate| format!("**{:.2}x** ({:.2} to {:.2})", e.value, e.low, e.high);
    estimate.map_or_else(|| NONE.to_owned(), words)
}

/// `12.3 (11.9 to 12.8)`.
pub fn ranged(estimate: Option<Estimate>) -> String {
    let words = |e: Estimate| format!("{} ({} to {})", number(e.value), number(e.low), number(e.high));
    estimate.map_or_else(|| NONE.to_owned(), words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown_with_a_cell_for_each_column() {
        let mut table = Table::new(&["way", "ms"]);
        table.row(vec!["bare".into(), number(1.5)]);
        table.row(vec!["docker".into()]);
        assert_eq!(table.to_string(), "| way | ms |\n|---|---|\n| bare | 1.50 |\n| docker |  |\n");
    }

    #[test]
    fn what_was_not_measured_is_never_a_number() {
        assert_eq!(maybe(None), NONE);
        assert_eq!(times(None), NONE);
        assert_eq!(times(Some(Estimate { value: 1.1, low: 1.0, high: 1.25 })), "**1.10x** (1.00 to 1.25)");
        assert_eq!(ranged(Some(Estimate { value: 456.7, low: 99.0, high: 500.0 })), "457 (99.00 to 500)");
    }
}
