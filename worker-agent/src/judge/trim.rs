//! The same bytes, but for blanks at the end of lines and empty lines at the end.

use super::{Compare, is_blank};

/// Ends of lines and blanks are held back, as counts, until something follows them that makes them count.
pub(super) struct Trim {
    /// Without what does not count.
    expected: Vec<u8>,
    at: usize,
    /// Ends of lines since the last byte that counts.
    line_ends: usize,
    /// Blanks since then, or since the last of those ends.
    blanks: usize,
    /// Those blanks are the expected ones, should they count.
    blanks_fit: bool,
}

impl Trim {
    pub(super) fn new(expected: Vec<u8>) -> Self {
        Self { expected: trimmed(&expected), at: 0, line_ends: 0, blanks: 0, blanks_fit: true }
    }

    fn take_one(&mut self, byte: u8) -> bool {
        if byte == b'\n' {
            self.line_ends += 1;
            (self.blanks, self.blanks_fit) = (0, true);
            return true;
        }
        let place = self.at + self.line_ends + self.blanks;
        let fits = self.expected.get(place) == Some(&byte);
        if is_blank(byte) {
            self.blanks += 1;
            self.blanks_fit &= fits;
            return true;
        }
        let ends = self.expected.get(self.at..self.at + self.line_ends);
        let right = fits && self.blanks_fit && ends.is_some_and(|ends| ends.iter().all(|b| *b == b'\n'));
        self.at = place + 1;
        (self.line_ends, self.blanks) = (0, 0);
        right
    }
}

impl Compare for Trim {
    fn take(&mut self, bytes: &[u8]) -> Result<(), usize> {
        match bytes.iter().position(|byte| !self.take_one(*byte)) {
            None => Ok(()),
            Some(at) => Err(at),
        }
    }

    fn is_complete(&mut self) -> bool {
        self.at == self.expected.len()
    }
}

fn trimmed(text: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(text.len());
    for (index, line) in text.split(|b| *b == b'\n').enumerate() {
        if index > 0 {
            kept.push(b'\n');
        }
        let end = line.iter().rposition(|b| !is_blank(*b)).map_or(0, |last| last + 1);
        kept.extend_from_slice(&line[..end]);
    }
    let end = kept.iter().rposition(|b| *b != b'\n').map_or(0, |last| last + 1);
    kept.truncate(end);
    kept
}
