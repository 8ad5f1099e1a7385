//! The checks as text and as JSON. Pure.

use std::fmt::Write as _;

use super::checks::{Check, Verdict};

/// Width of the column of names, in characters; the longest is "user namespaces".
const NAME_WIDTH: usize = 16;

/// A line per check (`brief`: per check that is not well), with advice below it, and the sum.
pub(super) fn text(checks: &[Check], brief: bool, colours: bool) -> String {
    let mut text = String::new();
    for check in checks.iter().filter(|c| !brief || c.verdict != Verdict::Ok) {
        let (word, colour) = match check.verdict {
            Verdict::Ok => ("ok  ", "32"),
            Verdict::Warn => ("warn", "33"),
            Verdict::Fail => ("FAIL", "31"),
        };
        let word = if colours { format!("\u{1b}[{colour}m{word}\u{1b}[0m") } else { word.to_owned() };
        writeln!(text, "{word}  {:<NAME_WIDTH$} {}", check.name, check.found).expect("writing to a string");
        if !check.advice.is_empty() {
            writeln!(text, "      {:<NAME_WIDTH$} → {}", "", check.advice).expect("writing to a string");
        }
    }
    let count = |verdict| checks.iter().filter(|c| c.verdict == verdict).count();
    let (failed, warned) = (count(Verdict::Fail), count(Verdict::Warn));
    let sum = match (failed, warned) {
        (0, 0) => "all well".to_owned(),
        (0, _) => format!("jobs can run; warnings: {warned}"),
        _ => format!("jobs cannot run; failed: {failed}, warnings: {warned}"),
    };
    writeln!(text, "{sum}").expect("writing to a string");
    text
}

/// `{"ok":bool,"checks":[{name,verdict,found,advice}]}`.
pub(super) fn json(checks: &[Check]) -> serde_json::Value {
    let ok = checks.iter().all(|c| c.verdict != Verdict::Fail);
    serde_json::json!({ "ok": ok, "checks": checks })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks() -> Vec<Check> {
        let check = |name, verdict, found: &str, advice: &str| Check {
            name,
            verdict,
            found: found.to_owned(),
            advice: advice.to_owned(),
        };
        vec![check("engine", Verdict::Ok, "20.10", ""), check("swap", Verdict::Warn, "8 MB on", "swapoff")]
    }

    #[test]
    fn text_has_a_line_per_check_and_no_colours_unless_asked() {
        insta::assert_snapshot!(text(&checks(), false, false), @r"
        ok    engine           20.10
        warn  swap             8 MB on
                               → swapoff
        jobs can run; warnings: 1
        ");
        assert!(text(&checks(), false, true).contains("\u{1b}[33mwarn\u{1b}[0m"));
    }

    #[test]
    fn a_brief_text_leaves_out_what_is_well() {
        let text = text(&checks(), true, false);
        assert!(text.starts_with("warn  swap") && text.ends_with("jobs can run; warnings: 1\n"), "{text}");
    }

    #[test]
    fn json_says_first_whether_jobs_can_run() {
        assert_eq!(json(&checks())["ok"], true);
        assert_eq!(json(&checks())["checks"][1]["verdict"], "warn");
    }
}
