//! Text that was checked once: the one place that turns checked bytes into `str`.

use crate::mask::append;
use crate::payload::Payload;
use crate::utf8::{Utf8Error, Validator};
use bytes::buf::{Limit, UninitSlice};
use bytes::{BufMut, Bytes};
use std::fmt;
use std::iter;
use std::ops::Deref;

#[cfg(test)]
mod tests;

/// The text of a message: a [`Payload`] that is known to be UTF-8.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Text(Payload);

impl Text {
    /// An empty text.
    pub const fn new() -> Self {
        Self(Payload::new())
    }

    /// A text with its own copy of `text`.
    pub fn copy_from_str(text: &str) -> Self {
        Self(Payload::copy_from_slice(text.as_bytes()))
    }

    /// The text as a string slice; no check is left to do.
    #[expect(unsafe_code, reason = "every constructor has checked the bytes")]
    pub fn as_str(&self) -> &str {
        // SAFETY: `Text` is only made from a `str`, or from bytes that passed the whole UTF-8 check.
        unsafe { std::str::from_utf8_unchecked(&self.0) }
    }

    /// As [`Payload::by_words`].
    #[inline(always)]
    pub(crate) fn by_words(self) -> Self {
        Self(self.0.by_words())
    }

    /// The bytes of the text.
    pub fn into_payload(self) -> Payload {
        self.0
    }
}

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}
impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}
impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}
impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}
impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::copy_from_str(text)
    }
}
impl From<&String> for Text {
    fn from(text: &String) -> Self {
        Self::copy_from_str(text)
    }
}
impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.as_str().to_owned()
    }
}
impl TryFrom<Payload> for Text {
    type Error = Utf8Error;
    fn try_from(payload: Payload) -> Result<Self, Utf8Error> {
        check_whole(&payload)?;
        Ok(Self(payload))
    }
}
impl TryFrom<Bytes> for Text {
    type Error = Utf8Error;
    fn try_from(bytes: Bytes) -> Result<Self, Utf8Error> {
        Self::try_from(Payload::from(bytes))
    }
}

/// Checks a text that is all here.
fn check_whole(bytes: &[u8]) -> Result<(), Utf8Error> {
    simdutf8::compat::from_utf8(bytes)
        .map(drop)
        .map_err(|error| Utf8Error { valid_up_to: error.valid_up_to() })
}

/// The growing bytes of a message, of which a prefix has been checked.
///
/// It exists so that no unchecked byte can become part of a [`Text`]: the prefix only grows through
/// [`check`](Self::check), and nobody can write to it again.
#[derive(Debug, Default)]
pub(crate) struct MessageBuffer {
    bytes: Vec<u8>,
    /// What has come behind them of a long payload, until there is a place for all of it.
    pieces: Vec<Piece>,
    /// The prefix that is accounted for.
    accepted: usize,
    /// The prefix that the validator has seen.
    checked: usize,
    validator: Validator,
}

/// Bytes as they were read.
#[derive(Debug)]
struct Piece {
    bytes: Vec<u8>,
    /// What unmasks them.
    key: [u8; 4],
}

/// The shortest piece: else the last one might be but a few bytes.
const PIECE_MIN: usize = 16 << 10;

impl MessageBuffer {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() + self.pieces.iter().map(|piece| piece.bytes.len()).sum::<usize>()
    }

    pub(crate) fn capacity(&self) -> usize {
        let pieces = self.pieces.iter().map(|piece| piece.bytes.capacity()).sum::<usize>();
        self.bytes.capacity() + pieces + self.pieces.capacity() * size_of::<Piece>()
    }

    /// All bytes, checked or not. There are no pieces any more.
    pub(crate) fn as_slice(&self) -> &[u8] {
        debug_assert!(self.pieces.is_empty(), "bytes are missing");
        &self.bytes
    }

    /// Appends bytes, unmasked and not yet checked.
    pub(crate) fn extend(&mut self, masked: &[u8], key: [u8; 4], growth: Growth) {
        self.join(masked.len().saturating_add(growth.expected));
        self.reserve(masked.len(), growth);
        append(&mut self.bytes, masked, key);
    }

    /// The room behind the bytes, `len` of them, to be filled from elsewhere.
    pub(crate) fn spare(&mut self, len: usize, most: usize) -> Room<'_> {
        self.join(len);
        self.reserve(len, Growth { expected: 0, most });
        Room((&mut self.bytes).limit(len))
    }

    /// Room that is far from all that is `missing`, for bytes that need not be looked at one by one: they stay as they come
    /// until they move, once, to where all have room. A buffer that grows would move them again and again.
    pub(crate) fn room(&mut self, missing: usize, key: [u8; 4]) -> Room<'_> {
        let slack = self.bytes.capacity() - self.bytes.len();
        if self.pieces.is_empty() && slack > 0 {
            return Room((&mut self.bytes).limit(slack.min(missing)));
        }
        if self.pieces.last().is_none_or(|piece| piece.bytes.len() == piece.bytes.capacity()) {
            // At most as much as has come, and no more than it takes until as much has come as is missing.
            let most = self.len();
            let len = (missing.saturating_sub(most) / 2).max(PIECE_MIN).min(most);
            self.pieces.push(Piece { bytes: Vec::with_capacity(len), key });
        }
        let bytes = self.pieces.last_mut().map_or(&mut self.bytes, |piece| &mut piece.bytes);
        let slack = bytes.capacity() - bytes.len();
        Room(bytes.limit(slack.min(missing)))
    }

    /// Puts the pieces in one place, with room for `more` bytes as far as that does not double it.
    fn join(&mut self, more: usize) {
        if self.pieces.is_empty() {
            return;
        }
        let len = self.len();
        let plain = Piece { bytes: std::mem::take(&mut self.bytes), key: [0; 4] };
        self.bytes.reserve_exact(len + more.min(len));
        for piece in iter::once(plain).chain(std::mem::take(&mut self.pieces)) {
            append(&mut self.bytes, &piece.bytes, piece.key);
        }
    }

    /// Grows by doubling: what comes has its place already, and is not moved again.
    fn reserve(&mut self, additional: usize, growth: Growth) {
        let needed = self.bytes.len() + additional;
        if needed > self.bytes.capacity() {
            let ahead = needed + growth.expected.min(needed);
            let target = ahead.max((self.bytes.len() * 2).min(growth.most));
            self.bytes.reserve_exact(target - self.bytes.len());
        }
    }

    /// The bytes appended since the last [`check`](Self::check) or [`accept`](Self::accept), to unmask them.
    pub(crate) fn fresh_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.accepted..).unwrap_or_default()
    }

    /// How many bytes were appended to the pieces since, which need no unmasking yet.
    pub(crate) fn fresh_in_pieces(&self) -> usize {
        if self.pieces.is_empty() { 0 } else { self.len() - self.accepted }
    }

    /// Accepts the fresh bytes as they are (binary messages, compressed bytes).
    pub(crate) fn accept(&mut self) {
        self.accepted = self.len();
    }

    /// Checks the fresh bytes as the continuation of a text.
    pub(crate) fn check(&mut self) -> Result<(), Utf8Error> {
        self.validator.push(&self.bytes[self.checked..])?;
        self.checked = self.bytes.len();
        self.accept();
        Ok(())
    }

    /// Ends a text. Fails where it stops inside a character, or not every byte went through [`check`](Self::check).
    pub(crate) fn into_text(self) -> Result<Text, Utf8Error> {
        if self.validator.is_complete() && self.checked == self.bytes.len() {
            Ok(Text(self.into_payload()))
        } else {
            Err(Utf8Error { valid_up_to: self.checked })
        }
    }

    /// Ends a message. A buffer with much unused room is exchanged for a tight one.
    pub(crate) fn into_payload(mut self) -> Payload {
        self.join(0);
        if self.bytes.len() * 2 < self.bytes.capacity() {
            return Payload::copy_from_slice(&self.bytes);
        }
        self.bytes.into()
    }
}

/// How far a message's buffer grows beyond what it needs now: at most to twice that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Growth {
    /// Bytes that shall follow.
    pub(crate) expected: usize,
    /// The most bytes there may ever be.
    pub(crate) most: usize,
}

/// Room behind the bytes of a message in progress, to be filled by a read.
///
/// It lends no way to the bytes before it, which may have been checked already.
#[derive(Debug)]
pub struct Room<'a>(Limit<&'a mut Vec<u8>>);

// SAFETY: every method is that of `Limit<&mut Vec<u8>>`.
#[expect(unsafe_code, reason = "`Limit` itself would hand out the whole `Vec`, checked bytes included")]
unsafe impl BufMut for Room<'_> {
    fn remaining_mut(&self) -> usize {
        self.0.remaining_mut()
    }

    unsafe fn advance_mut(&mut self, count: usize) {
        // SAFETY: the caller has initialized `count` bytes of `chunk_mut`, as the trait asks.
        unsafe { self.0.advance_mut(count) }
    }

    fn chunk_mut(&mut self) -> &mut UninitSlice {
        self.0.chunk_mut()
    }
}
