//! Live standard input: what a client says to a program while it runs.
//!
//! One window holds from end to end. A byte is in it from when the master took it until the
//! program's pipe did, so whoever stands between holds at most [`STDIN_WINDOW_BYTES`] of one
//! attempt, and a program that does not read makes its client wait.

use serde::{Deserialize, Serialize};

/// Bytes of an attempt's live standard input that are on their way at most; they fit one message.
pub const STDIN_WINDOW_BYTES: usize = crate::frame::CHUNK_BYTES_MAX;

/// A signal that a client may send. The set is closed: no client stops a program for good while
/// its clock runs, or speaks with its runtime by numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Signal {
    /// `SIGHUP`.
    Hup,
    /// `SIGINT`, as Ctrl-C sends it.
    Int,
    /// `SIGQUIT`.
    Quit,
    /// `SIGKILL`.
    Kill,
    /// `SIGUSR1`.
    Usr1,
    /// `SIGUSR2`.
    Usr2,
    /// `SIGTERM`.
    Term,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::Hup, Self::Int, Self::Quit, Self::Kill, Self::Usr1, Self::Usr2, Self::Term];

    /// Its number (signal(7); the same on every architecture that Enclos runs on).
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Hup => 1,
            Self::Int => 2,
            Self::Quit => 3,
            Self::Kill => 9,
            Self::Usr1 => 10,
            Self::Usr2 => 12,
            Self::Term => 15,
        }
    }

    /// The one of this number.
    #[must_use]
    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.number() == number)
    }
}

/// Signals that were sent and not delivered yet: one of each at most, as the kernel has it, so a
/// flood of them needs no bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SignalSet(u16);

impl SignalSet {
    /// Adds one.
    pub fn add(&mut self, signal: Signal) {
        self.0 |= 1 << signal.number();
    }

    /// Takes one out.
    pub fn take(&mut self) -> Option<Signal> {
        let signal = Signal::ALL.into_iter().find(|signal| self.0 & (1 << signal.number()) != 0)?;
        self.0 &= !(1 << signal.number());
        Some(signal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_known_by_its_number_and_written_by_its_name() {
        for signal in Signal::ALL {
            assert_eq!(Signal::of_number(signal.number()), Some(signal));
        }
        assert_eq!(Signal::of_number(19), None, "SIGSTOP");
        let mut body = Vec::new();
        ciborium::into_writer(&Signal::Usr1, &mut body).unwrap();
        assert_eq!(ciborium::from_reader::<String, _>(body.as_slice()).unwrap(), "USR1");
    }

    #[test]
    fn a_signal_that_waits_already_is_one() {
        let mut set = SignalSet::default();
        for signal in [Signal::Term, Signal::Int, Signal::Int] {
            set.add(signal);
        }
        assert_eq!((set.take(), set.take(), set.take()), (Some(Signal::Int), Some(Signal::Term), None));
    }
}
