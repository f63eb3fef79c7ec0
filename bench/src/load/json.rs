//! JSON messages as a chat or a stream of data has them, and their compressed frames.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use std::borrow::Cow;
use std::io;
use wire::{COMPRESSED, MASK, TEXT, push_frame};

/// What ends each flush, and is not sent (RFC 7692 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// What begins as a JSON array, and is `size` bytes long, of records that differ from message to message.
pub fn message(size: usize, index: usize) -> Vec<u8> {
    let mut text = records(size, index);
    // Cut in the middle of a record, and ended as a string would be: it need not be parsed, but be as long as asked for.
    text.truncate(size.saturating_sub(1));
    text.push(']');
    text.into_bytes()
}

/// A JSON array of such records, at least `size` bytes long.
pub fn array(size: usize, index: usize) -> String {
    let mut text = records(size, index);
    text.pop();
    text + "]"
}

fn records(size: usize, index: usize) -> String {
    const NAMES: [&str; 8] = ["ada", "blaise", "claude", "donald", "edsger", "frances", "grace", "haskell"];
    let mut state = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut text = String::from("[");
    while text.len() < size {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (name, id, price) = (NAMES[(state >> 61) as usize], state >> 40 & 0xf_ffff, state >> 20 & 0xffff);
        let record = format!(
            r#"{{"id":{id},"user":"{name}","price":{}.{:02},"open":true}},"#,
            price / 100,
            price % 100
        );
        text.push_str(&record);
    }
    text
}

/// What a message is compressed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// Those before it: context takeover.
    Earlier,
    Nothing,
}

/// The frames of compressed messages.
///
/// Even if each has a context of what came before in this list, the first one needs none, so that a connection may begin
/// anew behind the last one.
pub fn compressed(messages: &[Vec<u8>], context: Context) -> io::Result<Vec<Vec<u8>>> {
    let mut deflate = Compress::new(Compression::new(6), false);
    let frame = |message: &Vec<u8>| {
        if context == Context::Nothing {
            deflate.reset();
        }
        let mut bytes = Vec::with_capacity(message.len() + 64);
        deflate.compress_vec(message, &mut bytes, FlushCompress::Sync)?;
        let payload = bytes.strip_suffix(&TAIL).ok_or_else(|| io::Error::other("no flush at the end"))?;
        let mut frame = Vec::new();
        push_frame(&mut frame, TEXT | COMPRESSED, payload, Some(MASK));
        Ok(frame)
    };
    messages.iter().map(frame).collect()
}

/// The message of a frame with this first byte and payload, that was compressed without a context, or not at all.
pub fn plain((first, payload): (u8, &[u8])) -> io::Result<Cow<'_, [u8]>> {
    if first & COMPRESSED == 0 {
        return Ok(payload.into());
    }
    let (mut inflate, mut text) = (Decompress::new(false), Vec::with_capacity(64 << 10));
    for input in [payload, &TAIL] {
        inflate.decompress_vec(input, &mut text, FlushDecompress::Sync)?;
    }
    Ok(text.into())
}

/// The context of what a server has compressed on a connection.
pub struct Inflater(Decompress);

impl Inflater {
    pub fn new() -> Self {
        Self(Decompress::new(false))
    }

    /// Whether a frame with this first byte and payload has the message, compressed or not.
    pub fn is_frame_of(&mut self, (first, payload): (u8, &[u8]), message: &[u8]) -> io::Result<bool> {
        if first & COMPRESSED == 0 {
            return Ok(payload == message);
        }
        let mut text = Vec::with_capacity(message.len() + 64);
        for input in [payload, &TAIL] {
            self.0.decompress_vec(input, &mut text, FlushDecompress::Sync)?;
        }
        Ok(text == message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compressed_can_be_inflated_again_and_again() -> io::Result<()> {
        let messages: Vec<_> = (0..3).map(|index| message(1024, index)).collect();
        assert!(messages.iter().all(|message| message.len() == 1024));
        let frames = compressed(&messages, Context::Earlier)?;
        let mut inflater = Inflater::new();
        for index in (0..3).cycle().take(7) {
            let frame = &frames[index];
            let start = if frame.len() < 126 + 6 { 6 } else { 8 };
            let payload: Vec<_> =
                frame[start..].iter().zip(MASK.iter().cycle()).map(|(a, b)| a ^ b).collect();
            assert!(payload.len() < 700, "{} bytes", payload.len());
            assert!(inflater.is_frame_of((0xc1, &payload), &messages[index])?);
            if index == 0 {
                assert_eq!(*plain((0xc1, &payload))?, *messages[0]);
            }
        }
        assert_eq!(*plain((0x81, b"text"))?, *b"text");
        Ok(())
    }

    #[test]
    fn a_message_without_a_context_is_the_same_wherever_it_stands() -> io::Result<()> {
        let messages = vec![message(1024, 0); 2];
        let equal = |context| compressed(&messages, context).map(|frames| frames[0] == frames[1]);
        assert!(equal(Context::Nothing)? && !equal(Context::Earlier)?);
        Ok(())
    }

    #[test]
    fn an_array_is_json() -> io::Result<()> {
        let text = array(1024, 3);
        let records: Vec<serde_json::Value> = serde_json::from_str(&text)?;
        assert!((1024..1124).contains(&text.len()) && records.len() > 10, "{text}");
        Ok(())
    }
}
