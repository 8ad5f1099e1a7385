//! The frame codec: the same messages whatever the cuts of the stream, and never more held than it may.
#![no_main]

use enclos_protocol::frame::{self, Decoder, FRAME_BYTES_MAX, FrameError};
use enclos_protocol::supervisor_link::{Report, Request};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// All messages of the stream, cut into pieces of this size, and whether it ended in an error.
fn messages<T: DeserializeOwned>(stream: &[u8], piece_bytes: usize) -> (Vec<T>, bool) {
    let (mut decoder, mut taken) = (Decoder::default(), Vec::new());
    for piece in stream.chunks(piece_bytes) {
        decoder.feed(piece);
        loop {
            match decoder.take() {
                Ok(Some(message)) => taken.push(message),
                Ok(None) => break,
                Err(FrameError::Unencodable(why)) => panic!("nothing is encoded here: {why}"),
                Err(FrameError::TooLarge(_) | FrameError::Malformed(_)) => return (taken, true),
            }
        }
    }
    (taken, false)
}

fn check<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(stream: &[u8], piece_bytes: usize) {
    let whole = messages::<T>(stream, stream.len().max(1));
    assert_eq!(messages::<T>(stream, piece_bytes), whole, "cut into pieces of {piece_bytes}");
    for message in &whole.0 {
        // What came may be written at more length than ours, never at less.
        let Ok(frame) = frame::encode(message) else { continue };
        assert!(frame.len() <= FRAME_BYTES_MAX + 4);
        assert_eq!(messages::<T>(&frame, 7), (vec![frame::decode_body::<T>(&frame[4..]).unwrap()], false));
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((first, stream)) = data.split_first() else { return };
    let piece_bytes = usize::from(*first).max(1);
    check::<Request>(stream, piece_bytes);
    check::<Report>(stream, piece_bytes);
});
