//! How it goes, printed once as plain text.

use super::draw::{age, millis, percent};
use super::seen::{Agent, Row, Seen};
use crate::cli::table::{self, Cell};
use crate::cli::terminal::{Terminal, colour_of, say};

/// Prints it.
pub(super) fn print(seen: &Seen, terminal: Terminal) {
    lines(seen, &terminal).iter().for_each(|line| say(line));
}

fn lines(seen: &Seen, terminal: &Terminal) -> Vec<String> {
    let [accepted, ended, refused] = seen.rates;
    let [waits, runs] =
        [seen.waits_ms, seen.runs_ms].map(|[p50, p99]| format!("p50 {} p99 {}", millis(p50), millis(p99)));
    let capacity = seen.capacity().map(|slots| format!(" of {slots}")).unwrap_or_default();
    let finished = seen.finished.map(|count| format!(", {count} finished")).unwrap_or_default();
    let mut lines = vec![
        format!("jobs      {} queued, {} running{capacity}{finished}", seen.queued, seen.running),
        format!("a second  {accepted:.1} accepted, {ended:.1} ended, {refused:.1} refused"),
        format!("waits     {waits}"),
        format!("runs      {runs}"),
    ];
    for (name, counts) in [("outcomes", &seen.outcomes), ("refusals", &seen.refusals)] {
        if !counts.is_empty() {
            let counts: Vec<String> = counts.iter().map(|(what, times)| format!("{what} {times}")).collect();
            lines.push(format!("{name:<10}{} (in the last hour)", counts.join(", ")));
        }
    }
    if let Some(agents) = &seen.agents {
        lines.push(String::new());
        let rows: Vec<_> = agents.iter().map(agent).collect();
        let headings = ["agent", "state", "isolation", "running", "cpu", "memory", "sandboxes", "warm", "seen"];
        lines.extend(table::lines(terminal, &headings, &rows));
    }
    if !seen.queue.is_empty() {
        lines.push(String::new());
        let rows: Vec<_> = seen.queue.iter().map(row).collect();
        lines.extend(table::lines(terminal, &["tenant", "language", "priority", "queued", "oldest"], &rows));
    }
    lines
}

fn agent(agent: &Agent) -> Vec<Cell> {
    let Agent { name, state, isolation, running, busy, sandboxes, seen_s } = agent;
    vec![
        Cell::text(name),
        Cell::text(state).in_colour(colour_of(state)),
        Cell::text(isolation),
        Cell::figure(format!("{}/{}", running.0, running.1)),
        Cell::figure(percent(busy.0)),
        Cell::figure(percent(busy.1)),
        Cell::figure(sandboxes.0.to_string()),
        Cell::figure(sandboxes.1.to_string()),
        Cell::figure(age(*seen_s)),
    ]
}

fn row(row: &Row) -> Vec<Cell> {
    let rest = || ("(others)".to_owned(), String::new(), String::new());
    let (tenant, language, priority) = row.named.clone().unwrap_or_else(rest);
    let oldest = Cell::figure(age(row.oldest_ms / 1000));
    vec![Cell::text(tenant), Cell::text(language), Cell::text(priority), Cell::figure(row.count.to_string()), oldest]
}

#[cfg(test)]
mod tests {
    use super::super::draw::tests::busy;
    use super::*;

    #[test]
    fn it_is_plain_text_with_all_that_there_is() {
        let terminal = Terminal { stdout: false, stderr: false, colours: false };
        insta::assert_snapshot!(lines(&busy(), &terminal).join("\n"));
    }
}
