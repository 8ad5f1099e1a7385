//! What a submitted checker or interactor says, as an output validator of the Kattis problem format. Pure.
//!
//! It is called with the paths of input, answer and a directory for its words,
//! and exits with 42 for right or 43 for wrong. In the directory it may leave
//! `judgemessage.txt` for people and `score.txt` with one number.

use enclos_protocol::cases::{FEEDBACK_BYTES_MAX, Verdict};
use enclos_protocol::glob::Glob;
use enclos_protocol::job::JobPath;
use enclos_protocol::outcome::{Exit, Outcome, StepFacts, signal_name};
use enclos_protocol::supervisor_link::JOB_DIR;

/// Directory of its own below the job's, so that it meets no file that was submitted.
const INPUT: &str = ".judge/input";
const ANSWER: &str = ".judge/answer";
const FEEDBACK: &str = ".judge/feedback";
const MESSAGE: &str = ".judge/feedback/judgemessage.txt";
const SCORE: &str = ".judge/feedback/score.txt";

const EXIT_RIGHT: i32 = 42;
const EXIT_WRONG: i32 = 43;
/// Millionths of a point.
const PPM: f64 = 1_000_000.0;

fn path(text: &str) -> JobPath {
    JobPath::try_from(text.to_owned()).expect("a constant that is a valid path")
}

/// Where its input stands.
#[must_use]
pub fn input() -> JobPath {
    path(INPUT)
}

/// Where the answer stands.
#[must_use]
pub fn answer() -> JobPath {
    path(ANSWER)
}

/// Where it may leave words.
#[must_use]
pub fn feedback() -> JobPath {
    path(FEEDBACK)
}

/// The words that are looked at.
///
/// # Panics
/// Never: the patterns are constants that are valid.
#[must_use]
pub fn words() -> Vec<Glob> {
    [MESSAGE, SCORE].map(|text| Glob::try_from(text.to_owned()).expect("a constant that is a valid pattern")).to_vec()
}

/// Its arguments, before the submitted ones. The directory ends with a slash: some validators put
/// the name of a file right behind it.
#[must_use]
pub fn arguments(submitted: &[String]) -> Vec<String> {
    let own = [format!("{JOB_DIR}/{INPUT}"), format!("{JOB_DIR}/{ANSWER}"), format!("{JOB_DIR}/{FEEDBACK}/")];
    own.into_iter().chain(submitted.iter().cloned()).collect()
}

/// What it left.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Words {
    /// For people.
    pub message: Option<String>,
    /// As it was written.
    pub score: Option<String>,
}

impl Words {
    /// From an archive of [`words`]; what is no archive says nothing.
    #[must_use]
    pub fn read(archive: &[u8]) -> Self {
        let mut words = Self::default();
        for record in enclos_protocol::archive::records(archive).unwrap_or_default() {
            let text = || text(record.content);
            match record.path {
                path if path == MESSAGE.as_bytes() => words.message = Some(text()).filter(|t| !t.is_empty()),
                path if path == SCORE.as_bytes() => words.score = Some(text()),
                _ => {}
            }
        }
        words
    }
}

/// What it comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Judgement {
    /// `Accepted`, `WrongAnswer` or `CheckerError`.
    pub verdict: Verdict,
    /// In millionths.
    pub score_ppm: Option<u32>,
    /// For people.
    pub feedback: Option<String>,
}

/// What follows from how it ended, what it left, and what it wrote to standard error.
#[must_use]
pub fn judge(outcome: Outcome, facts: &StepFacts, words: Words, stderr: &[u8]) -> Judgement {
    let failed = |why: String| {
        let detail = text(stderr);
        let feedback = if detail.is_empty() { why } else { format!("{why}: {detail}") };
        Judgement { verdict: Verdict::CheckerError, score_ppm: None, feedback: Some(text(feedback.as_bytes())) }
    };
    let Words { message, score } = words;
    let verdict = match (outcome, facts.exit) {
        // A program that judges ends with a code other than 0, which is a runtime error of any other.
        (Outcome::RuntimeError, Some(Exit::Code(EXIT_RIGHT))) => Verdict::Accepted,
        (Outcome::RuntimeError, Some(Exit::Code(EXIT_WRONG))) => {
            return Judgement { verdict: Verdict::WrongAnswer, score_ppm: None, feedback: message };
        }
        (Outcome::RuntimeError | Outcome::Ok, Some(Exit::Code(code))) => {
            return failed(format!("the checker ended with exit code {code}, not 42 or 43"));
        }
        (Outcome::RuntimeError, Some(Exit::Signal(signal))) => {
            return failed(format!("the checker was ended by {}", signal_name(signal)));
        }
        (outcome, _) => return failed(format!("the checker ended with {}", outcome.as_str())),
    };
    let score_ppm = match score.as_deref().map(str::trim) {
        None => None,
        Some(text) => match points(text) {
            Some(ppm) => Some(ppm),
            None => return failed(format!("the checker's score is not a number from 0 to 4294: '{text}'")),
        },
    };
    Judgement { verdict, score_ppm, feedback: message }
}

fn points(text: &str) -> Option<u32> {
    let ppm = text.parse::<f64>().ok().filter(|p| p.is_finite())? * PPM;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked before")]
    (0.0..=f64::from(u32::MAX)).contains(&ppm).then_some(ppm.round() as u32)
}

/// Words for people: printable, and not longer than is reported.
fn text(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(FEEDBACK_BYTES_MAX)];
    let mut text = String::from_utf8_lossy(start).trim().to_owned();
    text.retain(|c| !c.is_control() || c == '\n');
    // What stands for a broken character is longer than what it stands for.
    while text.len() > FEEDBACK_BYTES_MAX {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests {
    use enclos_protocol::archive;
    use enclos_protocol::job::JobFile;
    use enclos_protocol::outcome::Accounting;

    use super::*;

    fn facts(exit: Exit) -> StepFacts {
        StepFacts {
            exit: Some(exit),
            stop: None,
            cpu_us: 0,
            wall_us: 0,
            memory_peak_bytes: 0,
            oom_kills: 0,
            pids_refused: 0,
            stdout_bytes: 0,
            stderr_bytes: 0,
            kill_us: None,
            accounting: Accounting::Cgroup,
            start_error: None,
            keep_error: None,
        }
    }

    fn words(message: &str, score: &str) -> Words {
        let file = |name: &str, text: &str| JobFile { path: path(name), content: text.as_bytes().to_vec().into() };
        Words::read(&archive::pack(&[file(MESSAGE, message), file(SCORE, score), file("other", "x")]))
    }

    fn of(code: i32, words: Words) -> Judgement {
        judge(Outcome::RuntimeError, &facts(Exit::Code(code)), words, b"why\x1b[31m")
    }

    #[test]
    fn its_exit_code_is_its_verdict() {
        let right = of(42, words("well done\n", " 0.5 \n"));
        let expected =
            Judgement { verdict: Verdict::Accepted, score_ppm: Some(500_000), feedback: Some("well done".into()) };
        assert_eq!(right, expected);
        assert_eq!(of(42, Words::default()).score_ppm, None);
        let wrong = of(43, words("no", "1"));
        assert_eq!((wrong.verdict, wrong.score_ppm), (Verdict::WrongAnswer, None));
        assert_eq!(wrong.feedback.as_deref(), Some("no"));
    }

    #[test]
    fn whatever_else_it_does_is_its_own_failure() {
        let broken = [
            of(1, Words::default()),
            of(42, words("", "many")),
            of(42, words("", "-1")),
            of(42, words("", "1e9")),
            of(42, words("", "nan")),
            judge(Outcome::Ok, &facts(Exit::Code(0)), Words::default(), b""),
            judge(Outcome::RuntimeError, &facts(Exit::Signal(11)), Words::default(), b""),
            judge(Outcome::TimeLimit, &facts(Exit::Code(42)), Words::default(), b""),
        ];
        for judgement in &broken {
            assert_eq!((judgement.verdict, judgement.score_ppm), (Verdict::CheckerError, None), "{judgement:?}");
        }
        let feedback = broken[0].feedback.as_deref();
        assert_eq!(feedback, Some("the checker ended with exit code 1, not 42 or 43: why[31m"));
    }

    #[test]
    fn its_words_are_cut_and_printable() {
        let long = of(43, words(&"\u{fffd}\u{7}".repeat(FEEDBACK_BYTES_MAX), ""));
        let feedback = long.feedback.unwrap();
        assert!(feedback.len() <= FEEDBACK_BYTES_MAX && !feedback.contains('\u{7}'));
        let broken = text(&[0xff; FEEDBACK_BYTES_MAX]);
        assert!(broken.len() <= FEEDBACK_BYTES_MAX);
    }
}
