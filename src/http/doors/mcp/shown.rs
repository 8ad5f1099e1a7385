//! What of an output is shown: its beginning and its end, within a bound. Pure.
//!
//! Nothing is taken out of it: a program's words are a program's, and whoever reads them was told so.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Serialize;

/// How much of one output is shown, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// From its beginning.
    pub(super) head: usize,
    /// From the end of what is kept of it, where that is longer.
    pub(super) tail: usize,
}

/// Of a step: a few KiB.
pub(super) const STEP: Window = Window { head: 4096, tail: 2048 };
/// Of one case among many.
pub(super) const CASE: Window = Window { head: 512, tail: 256 };

/// What a program wrote to one stream: untrusted text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub(super) struct Shown {
    /// Its beginning, or all of it.
    pub(super) text: String,
    /// The end of what is kept of it, where something in between is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tail: Option<String>,
    /// Where what is left out begins; `read_output` with this offset shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) left_out_offset: Option<u64>,
    /// Bytes that are left out between `text` and `tail`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) left_out_bytes: Option<u64>,
    /// It is not UTF-8: what cannot be read is shown as U+FFFD, and `read_output` gives the bytes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_binary: bool,
    /// Bytes that are kept of it; what was written after them cannot be read.
    pub(super) kept_bytes: u64,
    /// Bytes that the program wrote.
    pub(super) written_bytes: u64,
}

/// An output of the wire: its text, or the base64 of its bytes.
pub(super) fn bytes_of(text: Option<&str>, base64: Option<&str>) -> Vec<u8> {
    match (text, base64) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(base64)) => STANDARD.decode(base64).unwrap_or_default(),
        (None, None) => Vec::new(),
    }
}

impl Shown {
    /// What of `kept` fits the window; `None`: nothing was written.
    pub(super) fn of(kept: &[u8], written_bytes: u64, window: Window) -> Option<Self> {
        if kept.is_empty() && written_bytes == 0 {
            return None;
        }
        let text = std::str::from_utf8(kept).ok();
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let whole = Self {
            text: String::new(),
            tail: None,
            left_out_offset: None,
            left_out_bytes: None,
            is_binary: text.is_none(),
            kept_bytes: kept.len() as u64,
            written_bytes,
        };
        if kept.len() <= window.head + window.tail {
            return Some(Self { text: lossy(kept), ..whole });
        }
        let (head, tail) = (window.head, kept.len() - window.tail);
        let (head, tail) =
            text.map_or((head, tail), |text| (text.floor_char_boundary(head), text.ceil_char_boundary(tail)));
        Some(Self {
            text: lossy(&kept[..head]),
            tail: Some(lossy(&kept[tail..])),
            left_out_offset: Some(head as u64),
            left_out_bytes: Some((tail - head) as u64),
            ..whole
        })
    }
}

/// A part of an output, cut between characters where it is UTF-8: where it begins and ends.
pub(super) fn part(kept: &[u8], offset: usize, bytes_max: usize) -> (usize, usize) {
    let offset = offset.min(kept.len());
    let end = offset.saturating_add(bytes_max).min(kept.len());
    let Ok(text) = std::str::from_utf8(kept) else { return (offset, end) };
    let (offset, end) = (text.floor_char_boundary(offset), text.floor_char_boundary(end));
    // One character is more than nothing was asked for, and going on from here would never end.
    if end > offset { (offset, end) } else { (offset, text.ceil_char_boundary((offset + 1).min(kept.len()))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Window = Window { head: 4, tail: 3 };

    #[test]
    fn what_fits_is_shown_whole_and_else_its_ends() {
        assert_eq!(Shown::of(b"", 0, SMALL), None);
        let whole = Shown::of(b"abcdefg", 7, SMALL).unwrap();
        assert_eq!((whole.text.as_str(), whole.tail, whole.left_out_bytes), ("abcdefg", None, None));
        let cut = Shown::of(b"abcdefgh", 100, SMALL).unwrap();
        assert_eq!((cut.text.as_str(), cut.tail.as_deref()), ("abcd", Some("fgh")));
        assert_eq!((cut.left_out_offset, cut.left_out_bytes), (Some(4), Some(1)));
        assert_eq!((cut.kept_bytes, cut.written_bytes), (8, 100));
    }

    #[test]
    fn a_cut_is_between_characters_and_other_bytes_are_said_to_be_none() {
        // Characters of three bytes: both cuts would be inside one.
        let cut = Shown::of("€€€€€".as_bytes(), 15, SMALL).unwrap();
        assert_eq!((cut.text.as_str(), cut.tail.as_deref(), cut.is_binary), ("€", Some("€"), false));
        assert_eq!((cut.left_out_offset, cut.left_out_bytes), (Some(3), Some(9)));
        let binary = Shown::of(&[0xff, 0, b'a'], 3, SMALL).unwrap();
        assert_eq!((binary.text.as_str(), binary.is_binary), ("\u{fffd}\0a", true));
        let no_text = Shown::of(&[0x80; 20], 20, SMALL).unwrap();
        assert_eq!((no_text.left_out_offset, no_text.left_out_bytes), (Some(4), Some(13)));
    }

    #[test]
    fn parts_put_together_are_the_whole() {
        for bytes in ["a€b€c€".as_bytes(), &[0x80; 11], b"plain", &[0xff, 0xe2, 0x82, 0xac, 0x80]] {
            for bytes_max in 1..6 {
                let (mut offset, mut read) = (0, Vec::new());
                while offset < bytes.len() {
                    let (begin, end) = part(bytes, offset, bytes_max);
                    assert_eq!(begin, offset, "{bytes:?} by {bytes_max}");
                    assert!(end > begin, "{bytes:?} by {bytes_max} at {offset}");
                    read.extend_from_slice(&bytes[begin..end]);
                    offset = end;
                }
                assert_eq!(read, bytes);
            }
        }
        assert_eq!(part(b"abc", usize::MAX, 10), (3, 3));
        assert_eq!(part("€€".as_bytes(), 4, 10), (3, 6), "from the begin of the character");
    }
}
