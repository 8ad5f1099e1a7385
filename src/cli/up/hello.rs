//! The first jobs of a new cluster: one per core language, as a table.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::show::duration;
use crate::cli::table::{self, Cell};
use crate::cli::terminal::{Colour, Terminal, colour_of, say};

/// Longest that one of them may take; a missing image is made meanwhile.
const JOB_WAIT: Duration = Duration::from_secs(600);
/// Widths of the columns; rows are shown as they come, so they are not measured.
const WIDTHS: [usize; 5] = [8, 14, 9, 9, 9];

/// Id of a language and a program in it. Languages are data everywhere else;
/// these four are what a new installation is promised to have.
pub const PROGRAMS: [(&str, &str); 4] = [
    ("c", "#include <stdio.h>\nint main(void) { puts(\"Hello from C\"); return 0; }\n"),
    ("cpp", "#include <iostream>\nint main() { std::cout << \"Hello from C++\\n\"; }\n"),
    (
        "java",
        "public class Main { public static void main(String[] a) { System.out.println(\"Hello from Java\"); } }\n",
    ),
    ("python", "print('Hello from Python')\n"),
];

/// Runs the programs of the languages in `ids`, one after the other, a row for each.
///
/// # Errors
/// [`CliError`] when the master is gone; a program that does not end well is a row.
pub async fn table(client: &Client, ids: &[String], terminal: Terminal) -> Result<(), CliError> {
    let headings = ["language", "outcome", "compile", "run", "total"];
    let head: Vec<Cell> = headings.iter().enumerate().map(|(n, h)| column(n, h).in_colour(Colour::Faint)).collect();
    say(&table::line(&terminal, &head, &WIDTHS));
    for (id, source) in PROGRAMS.iter().filter(|(id, _)| ids.iter().any(|known| known == id)) {
        let submission = json!({ "language": id, "source": source, "labels": { "enclos": "hello" } });
        let job = client.post("/v1/jobs", &submission).await?;
        let job_id = job["id"].as_str().unwrap_or_default();
        let Ok(job) = timeout(JOB_WAIT, client.finished(job_id)).await else {
            let _ = client.cancel(job_id).await;
            say(&format!("{id}  not within {} s", JOB_WAIT.as_secs()));
            continue;
        };
        let job = job?;
        say(&table::line(&terminal, &row(id, &job), &WIDTHS));
        if let Some(message) = job["message"].as_str() {
            say(&format!("  {}", crate::cli::terminal::harmless_line(message)));
        }
    }
    Ok(())
}

fn column(number: usize, text: &str) -> Cell {
    if number < 2 { Cell::text(text) } else { Cell::figure(text) }
}

fn row(id: &str, job: &Value) -> Vec<Cell> {
    let outcome = job["outcome"].as_str().unwrap_or("internal_error");
    let figure = |name: &str| Cell::figure(job["timing"][name].as_u64().map(duration).unwrap_or_default());
    // A language without a compile step has no figure there, not a zero.
    let compile = if job["compile"].is_object() { figure("compile_ms") } else { Cell::figure("") };
    vec![
        Cell::text(id),
        Cell::text(outcome).in_colour(colour_of(outcome)),
        compile,
        figure("run_ms"),
        figure("total_ms"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Terminal = Terminal { stdout: false, stderr: false, colours: false };

    #[test]
    fn a_row_begins_with_the_language_and_holds_the_outcome() {
        let timing = json!({ "compile_ms": 61, "run_ms": 2, "total_ms": 70 });
        let compiled = json!({ "outcome": "ok", "compile": { "outcome": "ok" }, "timing": timing });
        let interpreted = json!({ "outcome": "time_limit", "timing": timing });
        let lines =
            [("c", compiled), ("python", interpreted)].map(|(id, job)| table::line(&PLAIN, &row(id, &job), &WIDTHS));
        insta::assert_snapshot!(lines.join("\n"), @r"
        c         ok                  61 ms       2 ms      70 ms
        python    time_limit                      2 ms      70 ms
        ");
    }

    #[test]
    fn the_programs_are_in_languages_that_the_build_carries() {
        let catalogue = enclos_images::Catalogue::embedded().unwrap();
        assert!(PROGRAMS.iter().all(|(id, _)| catalogue.by_id(id).is_some()));
    }
}
