//! What a step writes: counted, cut at its limits, and held until the agent takes it. No I/O.

use std::collections::VecDeque;

use enclos_protocol::limits::{OnOutputLimit, StepLimits};
use enclos_protocol::supervisor_link::OUTPUT_WAITING_BYTES_MAX;

/// One stream of a step.
#[derive(Debug)]
pub struct Capture {
    output_bytes_max: u64,
    report_bytes_max: u64,
    on_limit: OnOutputLimit,
    /// Pending bytes at which no more are taken.
    waiting_bytes_max: usize,
    produced_bytes: u64,
    reported_bytes: u64,
    pending: VecDeque<u8>,
}

/// Whether the stream may go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is within its limit, or is allowed to be above.
    Within,
    /// It produced more than it may; its program is to be ended.
    Above,
}

impl Capture {
    /// A stream under `limits`.
    pub fn new(limits: &StepLimits, on_limit: OnOutputLimit) -> Self {
        Self {
            output_bytes_max: limits.output_bytes,
            report_bytes_max: limits.report_bytes.min(limits.output_bytes),
            on_limit,
            // A stream of which so little is reported never waits.
            waiting_bytes_max: usize::MAX,
            produced_bytes: 0,
            reported_bytes: 0,
            pending: VecDeque::new(),
        }
    }

    /// A stream of which all is reported.
    pub fn whole(limits: &StepLimits, on_limit: OnOutputLimit) -> Self {
        Self {
            report_bytes_max: limits.output_bytes,
            waiting_bytes_max: OUTPUT_WAITING_BYTES_MAX,
            ..Self::new(limits, on_limit)
        }
    }

    /// Whether more may be taken now.
    pub fn has_room(&self) -> bool {
        self.pending.len() < self.waiting_bytes_max
    }

    /// Takes bytes that the step wrote. At most `report_bytes` are held, whatever comes.
    pub fn take(&mut self, bytes: &[u8]) -> Verdict {
        self.produced_bytes = self.produced_bytes.saturating_add(bytes.len() as u64);
        let room = self.report_bytes_max - self.reported_bytes;
        let kept = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        self.pending.extend(&bytes[..kept]);
        self.reported_bytes += kept as u64;
        if self.produced_bytes > self.output_bytes_max && self.on_limit == OnOutputLimit::Kill {
            self.produced_bytes = self.output_bytes_max;
            Verdict::Above
        } else {
            Verdict::Within
        }
    }

    /// Bytes written, up to the limit where that ended the step.
    pub fn produced_bytes(&self) -> u64 {
        self.produced_bytes
    }

    /// The next bytes for the agent, at most `bytes_max`; empty when there are none.
    pub fn drain(&mut self, bytes_max: usize) -> Vec<u8> {
        let count = self.pending.len().min(bytes_max);
        self.pending.drain(..count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(output_bytes: u64, report_bytes: u64) -> StepLimits {
        StepLimits {
            cpu_ms: 1,
            wall_ms: 1,
            memory_bytes: 1,
            pids: 1,
            output_bytes,
            report_bytes,
            file_bytes: 1,
            stack_bytes: 1,
            cpu_millis: 1,
        }
    }

    fn capture(output_bytes: u64, report_bytes: u64, on_limit: OnOutputLimit) -> Capture {
        Capture::new(&limits(output_bytes, report_bytes), on_limit)
    }

    #[test]
    fn a_whole_stream_reports_all_of_it_and_waits_while_much_is_pending() {
        let output_bytes = 2 * OUTPUT_WAITING_BYTES_MAX as u64;
        let mut capture = Capture::whole(&limits(output_bytes, 0), OnOutputLimit::Kill);
        assert!(capture.has_room());
        assert_eq!(capture.take(&vec![b'x'; OUTPUT_WAITING_BYTES_MAX]), Verdict::Within);
        assert!(!capture.has_room());
        assert_eq!(capture.drain(1).len(), 1);
        assert!(capture.has_room());
    }

    #[test]
    fn output_at_the_limit_is_within_and_one_byte_more_is_above() {
        let mut capture = capture(4, 100, OnOutputLimit::Kill);
        assert_eq!(capture.take(b"abcd"), Verdict::Within);
        assert_eq!(capture.take(b"e"), Verdict::Above);
        assert_eq!((capture.drain(100), capture.produced_bytes()), (b"abcd".to_vec(), 4), "cut exactly at the limit");
    }

    #[test]
    fn one_large_write_is_cut_at_the_limit() {
        let mut capture = capture(4, 100, OnOutputLimit::Kill);
        assert_eq!(capture.take(b"abcdefgh"), Verdict::Above);
        assert_eq!(capture.drain(100), b"abcd");
    }

    #[test]
    fn truncation_counts_on_and_keeps_only_what_is_reported() {
        let mut capture = capture(4, 2, OnOutputLimit::Truncate);
        assert_eq!(capture.take(b"abcdef"), Verdict::Within);
        assert_eq!(capture.take(b"ghi"), Verdict::Within);
        assert_eq!((capture.drain(1), capture.drain(9)), (b"a".to_vec(), b"b".to_vec()));
        assert_eq!(capture.produced_bytes(), 9);
    }
}
