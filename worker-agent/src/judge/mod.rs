//! Whether what a program wrote is what was expected, found out while it is written.
//!
//! ```text
//!  checker + expected ─▶ Judge ◀─ take(bytes)… ── finish ─▶ Judged
//! ```
//!
//! A judge holds what is expected and a few counters, never the output: ten
//! mebibytes of it cost no more memory than ten bytes. It knows nothing of
//! programs and their ends; a program that has already given a wrong answer runs
//! on, because how it ends counts before what it wrote. Pure.

mod exact;
mod lines;
mod tokens;
mod trim;
pub mod validator;

use enclos_protocol::cases::Checker;

/// What a judge comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Judged {
    /// It is what was expected.
    Right,
    /// It is not: where, for a person. Never what was expected.
    Wrong(String),
}

/// One way to compare.
trait Compare: Send {
    /// Takes the next bytes; `Err`: the first of them that cannot be right.
    fn take(&mut self, bytes: &[u8]) -> Result<(), usize>;

    /// No more comes; whether something is missing.
    fn is_complete(&mut self) -> bool;
}

/// Compares one output.
pub struct Judge {
    compare: Box<dyn Compare>,
    /// Lines that have ended.
    lines: u64,
    wrong_in_line: Option<u64>,
}

impl Judge {
    /// A judge that holds output against `expected`; `None` for a checker that is a program.
    #[must_use]
    pub fn new(checker: &Checker, expected: Vec<u8>) -> Option<Self> {
        let compare: Box<dyn Compare> = match *checker {
            Checker::Exact => Box::new(exact::Exact::new(expected)),
            Checker::Trim => Box::new(trim::Trim::new(expected)),
            Checker::Tokens { ignore_case } => Box::new(tokens::Tokens::new(expected, ignore_case)),
            Checker::Float { abs, rel, ignore_case } => {
                Box::new(tokens::Floats::new(expected, abs.value(), rel.value(), ignore_case))
            }
            Checker::UnorderedLines => Box::new(lines::Lines::new(&expected)),
            Checker::Program(_) => return None,
        };
        Some(Self { compare, lines: 0, wrong_in_line: None })
    }

    /// Takes the next bytes of the output.
    pub fn take(&mut self, bytes: &[u8]) {
        if self.wrong_in_line.is_some() {
            return;
        }
        let seen = match self.compare.take(bytes) {
            Ok(()) => bytes,
            Err(at) => &bytes[..at.min(bytes.len())],
        };
        self.lines += seen.iter().filter(|b| **b == b'\n').count() as u64;
        if seen.len() < bytes.len() {
            self.wrong_in_line = Some(self.lines + 1);
        }
    }

    /// The output is over.
    #[must_use]
    pub fn finish(mut self) -> Judged {
        match self.wrong_in_line {
            Some(line) => Judged::Wrong(format!("the output is wrong in line {line}")),
            None if self.compare.is_complete() => Judged::Right,
            None => Judged::Wrong("the output ends too early".to_owned()),
        }
    }
}

/// Blanks within a line.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}

/// White space between words.
fn is_space(byte: u8) -> bool {
    byte == b'\n' || is_blank(byte)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
