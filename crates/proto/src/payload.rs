//! The bytes of a message: short ones stand inline, longer ones are shared.

use crate::mask::append;
use bytes::{Bytes, BytesMut};
use std::fmt;
use std::ops::Deref;

/// Payloads up to this many bytes are stored without an allocation.
const INLINE: usize = PADDED - 1;

/// Three words.
const PADDED: usize = 24;

/// The bytes of a message or of a control frame.
///
/// Cheap to clone, and cheap to make from and to turn into [`Bytes`]. How it stores the bytes is not part of its
/// contract; short ones cost no allocation.
#[derive(Clone)]
pub struct Payload(Repr);

#[derive(Clone)]
enum Repr {
    /// The bytes, then anything, and in the last byte how many they are. They are made as three words and copied as such: a
    /// processor that loads a word of which parts were just stored waits for them.
    Inline([u8; PADDED]),
    Shared(Bytes),
}

impl Payload {
    /// Bytes that [`padded`](Self::padded) gives.
    pub(crate) const PADDED: usize = PADDED;

    /// An empty payload.
    pub const fn new() -> Self {
        Self(Repr::Inline([0; PADDED]))
    }

    /// A payload with its own copy of `bytes`, which never pins the buffer they came from.
    pub fn copy_from_slice(bytes: &[u8]) -> Self {
        if bytes.len() > INLINE {
            return Self(Repr::Shared(Bytes::copy_from_slice(bytes)));
        }
        Self::inline(words_of(bytes), bytes.len())
    }

    /// A payload with an unmasked copy of the first `len` bytes of `bytes`.
    #[inline(always)]
    pub(crate) fn unmask(bytes: &[u8], len: usize, key: [u8; 4]) -> Self {
        if len > INLINE {
            return unmask_long(&bytes[..len], key);
        }
        let masked = match bytes.first_chunk() {
            Some(padded) => to_words(padded), // what stands behind the payload is never looked at
            None => words_of(&bytes[..len]),
        };
        Self::inline(mask_words(masked, key), len)
    }

    /// The first `len` bytes of the words, at most `INLINE`.
    #[inline(always)]
    fn inline([first, second, third]: [u64; 3], len: usize) -> Self {
        let last = (third & (u64::MAX >> 8)) + ((len as u64) << 56);
        Self(Repr::Inline(from_words([first, second, last])))
    }

    /// The same, moved word by word where it stands inline: for one that may have been made just before. The compiler
    /// moves a value by larger parts than it was stored in.
    #[inline(always)]
    pub(crate) fn by_words(self) -> Self {
        match self.0 {
            Repr::Inline(padded) => Self(Repr::Inline(from_words(to_words(&padded)))),
            shared @ Repr::Shared(_) => Self(shared),
        }
    }

    /// An array that begins with the masked bytes, where they stand inline.
    #[inline(always)]
    pub(crate) fn padded(&self, key: [u8; 4]) -> Option<[u8; PADDED]> {
        match &self.0 {
            Repr::Inline(padded) => Some(from_words(mask_words(to_words(padded), key))),
            Repr::Shared(_) => None,
        }
    }

    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline(padded) => &padded[..usize::from(padded[INLINE])],
            Repr::Shared(bytes) => bytes,
        }
    }
}

#[inline(never)]
fn unmask_long(bytes: &[u8], key: [u8; 4]) -> Payload {
    let mut copy = Vec::with_capacity(bytes.len());
    append(&mut copy, bytes, key);
    copy.into()
}

#[inline(always)]
fn to_words(padded: &[u8; PADDED]) -> [u64; 3] {
    let mut words = [0; 3];
    for (word, bytes) in words.iter_mut().zip(padded.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

#[inline(always)]
fn from_words(words: [u64; 3]) -> [u8; PADDED] {
    let mut padded = [0; PADDED];
    for (bytes, word) in padded.as_chunks_mut().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
    padded
}

#[inline(always)]
fn mask_words(words: [u64; 3], key: [u8; 4]) -> [u64; 3] {
    let wide = u64::from(u32::from_le_bytes(key)) * 0x1_0000_0001; // the key twice
    words.map(|word| word ^ wide)
}

/// At most `INLINE` bytes as words, zeros behind them.
#[inline]
fn words_of(bytes: &[u8]) -> [u64; 3] {
    let Some(last) = bytes.last_chunk() else { return [word_of(bytes), 0, 0] };
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    // The end of a word that also holds what stands before it.
    let part = match bytes.len() % 8 {
        0 => 0,
        len => word(last) >> (64 - 8 * len),
    };
    match bytes.as_chunks().0 {
        [first, second, ..] => [word(first), word(second), part],
        [first] => [word(first), part, 0],
        [] => [part, 0, 0],
    }
}

/// Less than 8 bytes as a word, zeros behind them.
#[inline]
fn word_of(bytes: &[u8]) -> u64 {
    let len = bytes.len();
    let shifted = |part: u64, at: usize| part << (8 * at);
    // Parts that may overlap: nothing is counted.
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let [first, last] = [first, last].map(|half| u64::from(u32::from_le_bytes(*half)));
        return first | shifted(last, len - 4);
    }
    let byte = |at: usize| shifted(u64::from(bytes[at]), at);
    if len == 0 { 0 } else { byte(0) | byte(len / 2) | byte(len - 1) }
}

impl Default for Payload {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Payload {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.escape_ascii())
    }
}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Payload {
    fn eq(&self, other: &T) -> bool {
        self.as_slice() == other.as_ref()
    }
}
impl Eq for Payload {}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self(Repr::Shared(bytes))
    }
}
impl From<BytesMut> for Payload {
    fn from(bytes: BytesMut) -> Self {
        Self(Repr::Shared(bytes.freeze()))
    }
}
impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Repr::Shared(bytes.into()))
    }
}
impl From<String> for Payload {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}
impl From<&'static [u8]> for Payload {
    fn from(bytes: &'static [u8]) -> Self {
        Self(Repr::Shared(Bytes::from_static(bytes)))
    }
}
impl<const N: usize> From<&'static [u8; N]> for Payload {
    fn from(bytes: &'static [u8; N]) -> Self {
        Self::from(bytes.as_slice())
    }
}
impl From<&'static str> for Payload {
    fn from(text: &'static str) -> Self {
        Self::from(text.as_bytes())
    }
}
impl From<Payload> for Bytes {
    fn from(payload: Payload) -> Self {
        match payload.0 {
            Repr::Inline(padded) => Self::copy_from_slice(&padded[..usize::from(padded[INLINE])]),
            Repr::Shared(bytes) => bytes,
        }
    }
}
impl From<Payload> for Vec<u8> {
    fn from(payload: Payload) -> Self {
        match payload.0 {
            Repr::Inline(padded) => padded[..usize::from(padded[INLINE])].to_vec(),
            Repr::Shared(bytes) => bytes.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_no_larger_than_bytes() {
        assert_eq!(size_of::<Payload>(), size_of::<Bytes>());
    }

    #[test]
    fn keeps_its_bytes_at_every_short_length() {
        for len in 0..64u8 {
            let bytes: Vec<u8> = (0..len).collect();
            let payload = Payload::copy_from_slice(&bytes);
            assert_eq!(payload, bytes);
            assert_eq!(payload, Payload::from(bytes.clone()));
            assert_eq!(Bytes::from(payload.clone()), bytes);
            assert_eq!(Vec::from(payload), bytes);
        }
    }

    #[test]
    fn is_unmasked_whatever_stands_behind_it() {
        let key = [1, 2, 3, 4];
        let plain: Vec<u8> = (0..80).collect();
        let masked: Vec<u8> = plain.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        for len in 0..60 {
            for bytes in [&masked[..len], &masked[..=len], &masked] {
                assert_eq!(Payload::unmask(bytes, len, key), plain[..len]);
            }
        }
    }

    #[test]
    fn is_shown_as_a_byte_string() {
        assert_eq!(format!("{:?}", Payload::from(b"a\n\xff")), r#"b"a\n\xff""#);
    }

    #[test]
    fn short_copies_own_no_buffer() {
        assert!(matches!(Payload::copy_from_slice(&[1; INLINE]).0, Repr::Inline(_)));
        assert!(matches!(Payload::copy_from_slice(&[1; INLINE + 1]).0, Repr::Shared(_)));
    }
}
