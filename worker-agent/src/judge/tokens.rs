//! The same words, whatever white space is between them; words that are numbers may differ a little.

use super::{Compare, is_space};

/// Longest word that is taken for a number, in bytes.
const NUMBER_BYTES_MAX: usize = 512;

fn same(one: u8, other: u8, ignore_case: bool) -> bool {
    one == other || (ignore_case && one.eq_ignore_ascii_case(&other))
}

/// Where the next word begins; the end where there is none.
fn word_from(text: &[u8], at: usize) -> usize {
    text[at..].iter().position(|b| !is_space(*b)).map_or(text.len(), |skip| at + skip)
}

/// Where the word ends that begins at `at`.
fn word_end(text: &[u8], at: usize) -> usize {
    text[at..].iter().position(|b| is_space(*b)).map_or(text.len(), |length| at + length)
}

/// Words that are the same byte by byte.
pub(super) struct Tokens {
    expected: Vec<u8>,
    ignore_case: bool,
    at: usize,
    in_word: bool,
}

impl Tokens {
    pub(super) fn new(expected: Vec<u8>, ignore_case: bool) -> Self {
        Self { expected, ignore_case, at: 0, in_word: false }
    }

    fn take_one(&mut self, byte: u8) -> bool {
        if is_space(byte) {
            let ended = std::mem::take(&mut self.in_word);
            return !ended || self.word_is_over();
        }
        if !self.in_word {
            self.in_word = true;
            self.at = word_from(&self.expected, self.at);
        }
        let expected = self.expected.get(self.at).filter(|b| !is_space(**b));
        self.at += 1;
        expected.is_some_and(|expected| same(*expected, byte, self.ignore_case))
    }

    fn word_is_over(&self) -> bool {
        self.expected.get(self.at).is_none_or(|b| is_space(*b))
    }
}

impl Compare for Tokens {
    fn take(&mut self, bytes: &[u8]) -> Result<(), usize> {
        match bytes.iter().position(|byte| !self.take_one(*byte)) {
            None => Ok(()),
            Some(at) => Err(at),
        }
    }

    fn is_complete(&mut self) -> bool {
        self.word_is_over() && word_from(&self.expected, self.at) == self.expected.len()
    }
}

/// Words of which numbers may differ.
pub(super) struct Floats {
    expected: Vec<u8>,
    abs: f64,
    rel: f64,
    ignore_case: bool,
    at: usize,
    /// Where the expected word that begins at `at` ends.
    end: usize,
    /// The word that is being written.
    word: Vec<u8>,
}

impl Floats {
    pub(super) fn new(expected: Vec<u8>, abs: f64, rel: f64, ignore_case: bool) -> Self {
        Self { expected, abs, rel, ignore_case, at: 0, end: 0, word: Vec::new() }
    }

    fn take_one(&mut self, byte: u8) -> bool {
        if is_space(byte) {
            return self.end_word();
        }
        if self.word.is_empty() {
            self.at = word_from(&self.expected, self.end);
            self.end = word_end(&self.expected, self.at);
        }
        self.word.push(byte);
        let length = self.end - self.at;
        length > 0 && self.word.len() <= length.max(NUMBER_BYTES_MAX)
    }

    /// Whether the word that was written, if one was, is the expected one.
    fn end_word(&mut self) -> bool {
        if self.word.is_empty() {
            return true;
        }
        let expected = &self.expected[self.at..self.end];
        let word = std::mem::take(&mut self.word);
        let equal =
            word.len() == expected.len() && word.iter().zip(expected).all(|(a, b)| same(*a, *b, self.ignore_case));
        equal || matches!((number(&word), number(expected)), (Some(a), Some(b)) if self.is_near(a, b))
    }

    fn is_near(&self, number: f64, expected: f64) -> bool {
        let difference = (number - expected).abs();
        difference <= self.abs || difference <= self.rel * expected.abs()
    }
}

impl Compare for Floats {
    fn take(&mut self, bytes: &[u8]) -> Result<(), usize> {
        match bytes.iter().position(|byte| !self.take_one(*byte)) {
            None => Ok(()),
            Some(at) => Err(at),
        }
    }

    fn is_complete(&mut self) -> bool {
        self.end_word() && word_from(&self.expected, self.end) == self.expected.len()
    }
}

/// A decimal number; never infinite, and no other name of one.
fn number(word: &[u8]) -> Option<f64> {
    let decimal = word.iter().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    let number: f64 = std::str::from_utf8(word).ok().filter(|_| decimal)?.parse().ok()?;
    number.is_finite().then_some(number)
}
