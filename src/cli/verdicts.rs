//! Cases on the screen: a row for each as it ends, and what all come to.
//!
//! The names are known before the first row, so columns never move and a row,
//! once written, stays: the same table in a terminal and in a file.

use std::io::{self, Write as _};

use serde_json::Value;

use super::client::Client;
use super::events::Event;
use super::exit::CliError;
use super::run::{Show, place_line, write_output};
use super::show::{duration, size};
use super::table::{self, Cell};
use super::terminal::{Colour, Spinner, Terminal, colour_of, harmless_line};

/// Headings of the table of cases.
const HEADINGS: [&str; 6] = ["case", "verdict", "cpu", "wall", "memory", "note"];
/// Widths of its columns after the first; verdicts and figures are no longer.
const WIDTHS: [usize; 5] = [13, 8, 8, 8, 0];

/// The names of a submission's cases.
#[must_use]
pub fn case_names(cases: &Value) -> Vec<String> {
    let named = |(index, case): (usize, &Value)| case["name"].as_str().map_or((index + 1).to_string(), str::to_owned);
    cases.as_array().into_iter().flatten().enumerate().map(named).collect()
}

/// Cases that are named one by one where they lack what is expected.
const UNJUDGED_SHOWN_MAX: usize = 3;

/// Which cases of a submission nothing is compared with, for who thought otherwise.
#[must_use]
pub fn unjudged(cases: &Value) -> Option<String> {
    let lacks = |case: &Value| case.get("expected_stdout").or_else(|| case.get("expected_stdout_base64")).is_none();
    let all: Vec<&str> =
        cases.as_array().into_iter().flatten().filter(|case| lacks(case)).map(|c| text(&c["name"])).collect();
    let shown = all.get(..UNJUDGED_SHOWN_MAX).unwrap_or(&all).join(", ");
    let more = match all.len().saturating_sub(UNJUDGED_SHOWN_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let told = format!("enclos: no expected output beside {shown}{more}: accepted where the program ends well");
    (!all.is_empty()).then(|| harmless_line(&told))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn row(case: &Value) -> Vec<Cell> {
    let verdict = text(&case["verdict"]);
    let figure =
        |name: &str, shown: fn(u64) -> String| Cell::figure(case[name].as_u64().map(shown).unwrap_or_default());
    let mut cells = vec![
        Cell::text(text(&case["name"])),
        Cell::text(verdict).in_colour(colour_of(verdict)),
        figure("cpu_ms", duration),
        figure("wall_ms", duration),
        figure("memory_peak_bytes", size),
    ];
    // No cell where there is nothing to say: a line has no tail.
    let note = note(case);
    cells.extend((!note.is_empty()).then(|| Cell::text(note)));
    cells
}

/// What else is worth a word of a case.
fn note(case: &Value) -> String {
    let score = case["score"].as_f64().map(|score| format!("score {score}"));
    let feedback = case["feedback"].as_str().and_then(|f| f.lines().next()).map(str::to_owned);
    let verdict = text(&case["verdict"]);
    let end = match (verdict, case["exit_code"].as_u64(), case["signal"].as_str()) {
        ("time_limit", ..) => case["limit"].as_str().map(|limit| format!("{limit} time")),
        ("runtime_error", Some(code), _) => Some(format!("exit code {code}")),
        ("runtime_error", None, Some(signal)) => Some(signal.to_owned()),
        _ => None,
    };
    [end, score, feedback].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn widths<'a>(names: impl Iterator<Item = &'a str>) -> Vec<usize> {
    let widest = names.map(|name| Cell::text(name).width()).max().unwrap_or(0).max(HEADINGS[0].len());
    [widest].into_iter().chain(WIDTHS).collect()
}

fn heading(terminal: Terminal, widths: &[usize]) -> String {
    let cell = |(column, text): (usize, &&str)| {
        let cell = if (2..5).contains(&column) { Cell::figure(text) } else { Cell::text(text) };
        cell.in_colour(Colour::Faint)
    };
    table::line(&terminal, &HEADINGS.iter().enumerate().map(cell).collect::<Vec<_>>(), widths)
}

/// What all cases of a job came to, in a few words.
#[must_use]
pub fn summary(job: &Value, terminal: Terminal) -> Option<String> {
    let verdict = job["verdict"].as_str()?;
    let (passed, total) = (job["passed"].as_u64().unwrap_or(0), job["total"].as_u64().unwrap_or(0));
    let score = job["score"].as_f64().map(|score| format!(", score {score}")).unwrap_or_default();
    let painted = terminal.paint(colour_of(verdict), &harmless_line(verdict));
    Some(format!("{painted}, {passed} of {total} cases accepted{score}"))
}

/// The tables of cases and groups of a job that has ended.
#[must_use]
pub fn job_lines(job: &Value, terminal: Terminal) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(cases) = job["cases"].as_array() {
        let rows: Vec<Vec<Cell>> = cases.iter().map(row).collect();
        lines.extend(table::lines(&terminal, &HEADINGS, &rows));
    }
    lines.extend(group_lines(job, terminal));
    for file in job["files"].as_array().into_iter().flatten() {
        let bytes = file["size_bytes"].as_u64().unwrap_or(0);
        lines.push(format!("file      {}, {}", harmless_line(text(&file["path"])), size(bytes)));
    }
    lines
}

fn group_lines(job: &Value, terminal: Terminal) -> Vec<String> {
    let groups = job["groups"].as_array().into_iter().flatten();
    let rows: Vec<Vec<Cell>> = groups
        .map(|group| {
            let verdict = text(&group["verdict"]);
            vec![
                Cell::text(text(&group["name"])),
                Cell::text(verdict).in_colour(colour_of(verdict)),
                Cell::figure(format!("{} of {}", group["score"].as_f64().unwrap_or(0.0), group["weight"])),
            ]
        })
        .collect();
    if rows.is_empty() { Vec::new() } else { table::lines(&terminal, &["group", "verdict", "points"], &rows) }
}

/// A job with cases while it goes on.
pub struct CasesView {
    terminal: Terminal,
    spinner: Spinner,
    names: Vec<String>,
    widths: Vec<usize>,
    /// What the spinner says.
    doing: String,
    queued: bool,
    begun: bool,
}

impl CasesView {
    /// A view of a job whose cases have these names.
    #[must_use]
    pub fn new(terminal: Terminal, names: Vec<String>) -> Self {
        let widths = widths(names.iter().map(String::as_str));
        let spinner = Spinner::new(terminal.stderr);
        Self { terminal, spinner, names, widths, doing: "queued".to_owned(), queued: true, begun: false }
    }

    fn doing(&self, state: &Value) -> String {
        match (state["step"].as_str(), state["case"].as_u64()) {
            (Some("compile"), _) => "compiling".to_owned(),
            (Some("judge_compile"), _) => "compiling the judge's program".to_owned(),
            (_, Some(index)) => {
                let name = usize::try_from(index).ok().and_then(|i| self.names.get(i)).map_or("", String::as_str);
                format!("case {} of {}: {name}", index + 1, self.names.len())
            }
            _ => "waiting for a sandbox".to_owned(),
        }
    }

    fn lines(&mut self, lines: &[String]) -> io::Result<()> {
        self.spinner.clear();
        let mut stdout = io::stdout().lock();
        lines.iter().try_for_each(|line| writeln!(stdout, "{line}"))?;
        stdout.flush()
    }
}

impl Show for CasesView {
    fn waits(&self) -> bool {
        self.queued && self.terminal.stderr
    }

    fn turn(&mut self) {
        self.spinner.draw(&self.doing);
    }

    fn queued(&mut self, queue: &Value) {
        if let Some(text) = place_line(queue) {
            self.doing = text;
        }
    }

    async fn take(&mut self, event: &Event) -> io::Result<Option<Value>> {
        let data = &event.data;
        match event.kind.as_str() {
            "state" => {
                self.queued = data["state"] != "running";
                self.doing = if self.queued { "queued".to_owned() } else { self.doing(data) };
            }
            // What a compiler says is worth reading; what each case wrote is judged, not read.
            "output" if data["step"] != "case" => {
                self.spinner.clear();
                write_output(self.terminal, data).await?;
            }
            "case" => {
                let mut lines = Vec::new();
                if !self.begun {
                    lines.push(heading(self.terminal, &self.widths));
                    self.begun = true;
                }
                lines.push(table::line(&self.terminal, &row(data), &self.widths));
                self.lines(&lines)?;
            }
            "finished" => return Ok(Some(data.clone())),
            _ => {}
        }
        Ok(None)
    }

    async fn end(&mut self, client: &Client, job: &Value) -> Result<(), CliError> {
        self.spinner.clear();
        let mut lines = Vec::new();
        if let Some(id) = job["id"].as_str() {
            // Groups are not among what an event tells.
            let whole = client.get(&format!("/v1/jobs/{id}")).await?;
            lines.extend(group_lines(&whole, self.terminal));
        }
        lines.extend(summary(job, self.terminal));
        lines.extend(job["message"].as_str().map(harmless_line));
        self.lines(&lines).map_err(CliError::Output)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PLAIN: Terminal = Terminal { stdout: true, stderr: false, colours: false };

    #[test]
    fn cases_with_nothing_to_compare_are_told() {
        let case = |name: usize| json!({ "name": name.to_string(), "stdin": "" });
        assert_eq!(
            unjudged(&json!([{ "name": "a", "expected_stdout": "" }, { "expected_stdout_base64": "/w==" }])),
            None
        );
        let told = unjudged(&(0..5).map(case).collect()).unwrap();
        assert_eq!(told, "enclos: no expected output beside 0, 1, 2 and 2 more: accepted where the program ends well");
    }

    #[test]
    fn a_row_that_is_written_stands_under_its_heading() {
        let cases = [
            json!({ "name": "sample/1", "verdict": "accepted", "cpu_ms": 3, "wall_ms": 4, "memory_peak_bytes": 1 << 20 }),
            json!({ "name": "a\u{1b}b", "verdict": "time_limit", "limit": "cpu", "cpu_ms": 1001, "wall_ms": 1200,
                    "memory_peak_bytes": 9 }),
            json!({ "name": "x", "verdict": "wrong_answer", "cpu_ms": 0, "wall_ms": 61_000, "memory_peak_bytes": 9,
                    "feedback": "line 2\nis wrong" }),
            json!({ "name": "y", "verdict": "runtime_error", "signal": "SIGSEGV" }),
            json!({ "name": "z", "verdict": "skipped" }),
        ];
        let widths = widths(cases.iter().map(|c| text(&c["name"])));
        let mut lines = vec![heading(PLAIN, &widths)];
        lines.extend(cases.iter().map(|case| table::line(&PLAIN, &row(case), &widths)));
        insta::assert_snapshot!(lines.join("\n"), @r"
        case      verdict             cpu      wall    memory  note
        sample/1  accepted           3 ms      4 ms     1 MiB
        a␛b       time_limit        1.0 s     1.2 s     1 KiB  cpu time
        x         wrong_answer       0 ms  1 min 1 s     1 KiB  line 2
        y         runtime_error                                SIGSEGV
        z         skipped
        ");
    }

    #[test]
    fn groups_show_their_points() {
        let job = json!({ "verdict": "wrong_answer", "passed": 3, "total": 4, "score": 30.0, "groups": [
            { "name": "short", "weight": 30, "verdict": "accepted", "score": 30.0 },
            { "name": "all", "weight": 70, "verdict": "time_limit", "score": 0.0 } ] });
        let lines = [group_lines(&job, PLAIN), summary(&job, PLAIN).into_iter().collect()].concat();
        insta::assert_snapshot!(lines.join("\n"), @r"
        group  verdict       points
        short  accepted    30 of 30
        all    time_limit   0 of 70
        wrong_answer, 3 of 4 cases accepted, score 30
        ");
        assert!(group_lines(&json!({}), PLAIN).is_empty());
        assert_eq!(summary(&json!({ "outcome": "ok" }), PLAIN), None);
    }

    #[test]
    fn cases_without_a_name_have_their_number() {
        assert_eq!(case_names(&json!([{}, { "name": "b" }, {}])), ["1", "b", "3"]);
        assert!(case_names(&Value::Null).is_empty());
    }
}
