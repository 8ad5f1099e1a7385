//! Length-prefixed CBOR frames (RFC 8949) with a hard maximum.
//!
//! A frame is a big-endian `u32` length and that many bytes of CBOR. The
//! decoder holds at most one frame, whatever arrives: the other side of the
//! supervisor link sits next to hostile code. CBOR with named fields lets
//! neighbouring versions add fields.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Largest encoded message, in bytes.
pub const FRAME_BYTES_MAX: usize = 128 * 1024;

/// Largest piece of file, input or output inside one message, in bytes.
pub const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// Deepest nesting that a message may have; ours need fewer than ten.
const DEPTH_MAX: usize = 32;

const PREFIX_BYTES: usize = 4;

/// Why bytes are not a message, or a message not bytes.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The length prefix or the message is above [`FRAME_BYTES_MAX`].
    #[error("frame of {0} bytes is above the maximum of {FRAME_BYTES_MAX}")]
    TooLarge(usize),
    /// The body is not CBOR of the expected type.
    #[error("frame does not hold a message of the expected kind: {0}")]
    Malformed(String),
    /// The message cannot be written as CBOR.
    #[error("message cannot be encoded: {0}")]
    Unencodable(String),
}

/// `message` as CBOR, without a length prefix.
///
/// # Errors
/// [`FrameError::TooLarge`] above [`FRAME_BYTES_MAX`].
pub fn encode_body<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut body = Vec::with_capacity(256);
    ciborium::into_writer(message, &mut body).map_err(|e| FrameError::Unencodable(e.to_string()))?;
    within_maximum(body.len())?;
    Ok(body)
}

/// The message whose CBOR is exactly `body`.
///
/// # Errors
/// [`FrameError::TooLarge`] or [`FrameError::Malformed`].
pub fn decode_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    within_maximum(body.len())?;
    let mut rest = body;
    let message = ciborium::de::from_reader_with_recursion_limit(&mut rest, DEPTH_MAX)
        .map_err(|e| FrameError::Malformed(e.to_string()))?;
    if rest.is_empty() { Ok(message) } else { Err(FrameError::Malformed("bytes after the message".into())) }
}

/// `message` as one frame: prefix and CBOR.
///
/// # Errors
/// As [`encode_body`].
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut frame = vec![0; PREFIX_BYTES];
    ciborium::into_writer(message, &mut frame).map_err(|e| FrameError::Unencodable(e.to_string()))?;
    let length = frame.len() - PREFIX_BYTES;
    within_maximum(length)?;
    let prefix = u32::try_from(length).map_err(|_| FrameError::TooLarge(length))?;
    frame[..PREFIX_BYTES].copy_from_slice(&prefix.to_be_bytes());
    Ok(frame)
}

pub(crate) fn within_maximum(length: usize) -> Result<(), FrameError> {
    if length > FRAME_BYTES_MAX { Err(FrameError::TooLarge(length)) } else { Ok(()) }
}

/// Takes bytes as they come and gives messages as they are whole.
#[derive(Default, Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    start: usize,
}

impl Decoder {
    /// Adds bytes that arrived.
    ///
    /// The caller takes all messages out between two calls, so the buffer
    /// holds at most one frame and one read.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, or `None` until more bytes come.
    ///
    /// # Errors
    /// As [`decode_body`]; the stream cannot be used after an error.
    pub fn take<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let pending = &self.buffer[self.start..];
        let Some((prefix, rest)) = pending.split_first_chunk::<PREFIX_BYTES>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
        within_maximum(length)?;
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let message = decode_body(body)?;
        self.start += PREFIX_BYTES + length;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn messages_survive_any_cut_of_the_stream(texts in prop::collection::vec(".{0,40}", 0..8), cut in 1usize..9) {
            let stream: Vec<u8> = texts.iter().flat_map(|t| encode(t).unwrap()).collect();
            let mut decoder = Decoder::default();
            let mut seen = Vec::new();
            for piece in stream.chunks(cut) {
                decoder.feed(piece);
                while let Some(text) = decoder.take::<String>().unwrap() {
                    seen.push(text);
                }
            }
            prop_assert_eq!(seen, texts);
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            let mut decoder = Decoder::default();
            decoder.feed(&bytes);
            while let Ok(Some(_)) = decoder.take::<crate::supervisor_link::Request>() {}
        }
    }

    #[test]
    fn a_length_above_the_maximum_is_refused_before_its_body_comes() {
        let mut decoder = Decoder::default();
        decoder.feed(&u32::MAX.to_be_bytes());
        assert!(matches!(decoder.take::<String>(), Err(FrameError::TooLarge(_))));
    }

    #[test]
    fn bytes_after_the_message_are_refused() {
        let mut body = encode_body(&"x").unwrap();
        body.push(0);
        assert!(decode_body::<String>(&body).is_err());
    }
}
