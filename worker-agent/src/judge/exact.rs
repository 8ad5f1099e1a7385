//! The same bytes.

use super::Compare;

pub(super) struct Exact {
    expected: Vec<u8>,
    at: usize,
}

impl Exact {
    pub(super) fn new(expected: Vec<u8>) -> Self {
        Self { expected, at: 0 }
    }
}

impl Compare for Exact {
    fn take(&mut self, bytes: &[u8]) -> Result<(), usize> {
        let rest = &self.expected[self.at..];
        let same = bytes.iter().zip(rest).take_while(|(one, other)| one == other).count();
        self.at += same;
        if same == bytes.len() { Ok(()) } else { Err(same) }
    }

    fn is_complete(&mut self) -> bool {
        self.at == self.expected.len()
    }
}
