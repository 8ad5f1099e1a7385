//! In which order standard output and standard error came. Pure.

use enclos_protocol::job::Stream;

/// Pieces that are remembered; what comes after them is told stream by stream.
const PIECES_MAX: usize = 4096;

/// The order of what one step wrote: from which stream how many bytes, one after the other.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Order {
    pieces: Vec<(Stream, usize)>,
    is_full: bool,
}

impl Order {
    /// So many bytes of `stream` came.
    pub(super) fn add(&mut self, stream: Stream, bytes: usize) {
        let count = self.pieces.len();
        match self.pieces.last_mut() {
            _ if self.is_full => {}
            Some((last, so_far)) if *last == stream => *so_far += bytes,
            _ if count == PIECES_MAX => self.is_full = true,
            _ => self.pieces.push((stream, bytes)),
        }
    }

    /// Both streams in that order; what is not in it comes last.
    pub(super) fn merge(&self, stdout: &[u8], stderr: &[u8]) -> Vec<u8> {
        let (mut out, mut err) = (stdout, stderr);
        let mut merged = Vec::with_capacity(stdout.len() + stderr.len());
        for (stream, bytes) in &self.pieces {
            let rest = if *stream == Stream::Stdout { &mut out } else { &mut err };
            let (piece, left) = rest.split_at(rest.len().min(*bytes));
            merged.extend_from_slice(piece);
            *rest = left;
        }
        merged.extend_from_slice(out);
        merged.extend_from_slice(err);
        merged
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn order(pieces: &[(Stream, usize)]) -> Order {
        let mut order = Order::default();
        pieces.iter().for_each(|(stream, bytes)| order.add(*stream, *bytes));
        order
    }

    #[test]
    fn what_came_first_stands_first_and_what_was_not_seen_last() {
        let (out, err) = (Stream::Stdout, Stream::Stderr);
        let merged = |pieces: &[(Stream, usize)]| String::from_utf8(order(pieces).merge(b"abc", b"XYZ")).unwrap();
        assert_eq!(merged(&[(out, 1), (err, 2), (out, 2), (err, 1)]), "aXYbcZ");
        assert_eq!(merged(&[(err, 1)]), "XabcYZ");
        assert_eq!(merged(&[]), "abcXYZ");
        assert_eq!(merged(&[(err, 900), (out, 900)]), "XYZabc", "more than is kept");
    }

    #[test]
    fn a_program_that_alternates_for_ever_costs_only_so_much() {
        let mut order = Order::default();
        for _ in 0..3 * PIECES_MAX {
            order.add(Stream::Stdout, 1);
            order.add(Stream::Stderr, 1);
        }
        assert_eq!(order.pieces.len(), PIECES_MAX);
        let merged = order.merge(&vec![b'o'; 3 * PIECES_MAX], &vec![b'e'; 3 * PIECES_MAX]);
        assert!(merged.starts_with(b"oeoe") && merged.len() == 6 * PIECES_MAX);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_changes_places_within_its_stream(
            pieces in prop::collection::vec((any::<bool>(), 0usize..9), 0..20),
            counts in (0usize..40, 0usize..40),
        ) {
            let pieces: Vec<_> = pieces.into_iter()
                .map(|(is_out, bytes)| (if is_out { Stream::Stdout } else { Stream::Stderr }, bytes)).collect();
            let (out, err): (Vec<u8>, Vec<u8>) = ((0..100).take(counts.0).collect(), (100..200).take(counts.1).collect());
            let merged = order(&pieces).merge(&out, &err);
            let (is_out, is_err): (Vec<u8>, Vec<u8>) = merged.iter().partition(|byte| **byte < 100);
            prop_assert_eq!((is_out, is_err), (out, err));
        }
    }
}
