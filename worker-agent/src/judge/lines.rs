//! The same lines in any order, each as often.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::{Compare, is_blank};

type LineHash = [u8; 32];

/// Lines are held as hashes, so that one of any length costs the same.
pub(super) struct Lines {
    /// How often each line must still come.
    missing: HashMap<LineHash, u64>,
    /// No expected line is longer, so neither are blanks within one.
    blanks_max: usize,
    line: Sha256,
    is_empty: bool,
    /// Blanks since the last byte that counts.
    blanks: Vec<u8>,
    /// They are more than any expected line has.
    too_many_blanks: bool,
}

impl Lines {
    pub(super) fn new(expected: &[u8]) -> Self {
        let (mut missing, mut blanks_max) = (HashMap::new(), 0);
        for line in expected.split(|b| *b == b'\n') {
            let end = line.iter().rposition(|b| !is_blank(*b)).map_or(0, |last| last + 1);
            if end > 0 {
                *missing.entry(Sha256::digest(&line[..end]).into()).or_default() += 1;
                blanks_max = blanks_max.max(end);
            }
        }
        Self { missing, blanks_max, line: Sha256::new(), is_empty: true, blanks: Vec::new(), too_many_blanks: false }
    }

    /// The part of a line without its end.
    fn take_part(&mut self, part: &[u8]) -> bool {
        let Some(last) = part.iter().rposition(|b| !is_blank(*b)) else {
            self.too_many_blanks |= self.blanks.len() + part.len() > self.blanks_max;
            if !self.too_many_blanks {
                self.blanks.extend_from_slice(part);
            }
            return true;
        };
        if self.too_many_blanks {
            return false;
        }
        self.line.update(&self.blanks);
        self.line.update(&part[..=last]);
        self.is_empty = false;
        self.blanks.clear();
        self.take_part(&part[last + 1..])
    }

    fn end_line(&mut self) -> bool {
        self.blanks.clear();
        self.too_many_blanks = false;
        if std::mem::replace(&mut self.is_empty, true) {
            return true;
        }
        let line: LineHash = self.line.finalize_reset().into();
        match self.missing.get_mut(&line) {
            Some(1) => self.missing.remove(&line).is_some(),
            Some(count) => {
                *count -= 1;
                true
            }
            None => false,
        }
    }
}

impl Compare for Lines {
    fn take(&mut self, bytes: &[u8]) -> Result<(), usize> {
        let mut at = 0;
        for part in bytes.split_inclusive(|b| *b == b'\n') {
            let (line, ends) = part.strip_suffix(b"\n").map_or((part, false), |line| (line, true));
            if !self.take_part(line) || (ends && !self.end_line()) {
                return Err(at);
            }
            at += part.len();
        }
        Ok(())
    }

    fn is_complete(&mut self) -> bool {
        self.end_line() && self.missing.is_empty()
    }
}
