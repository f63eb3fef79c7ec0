//! The bytes of a message: short ones stand inline, longer ones are shared.

use crate::mask::{append, mask};
use bytes::{Bytes, BytesMut};
use std::fmt;
use std::ops::Deref;

/// Payloads up to this many bytes are stored without an allocation.
const INLINE: usize = 23;

/// The bytes of a message or of a control frame.
///
/// Cheap to clone, and cheap to make from and to turn into [`Bytes`]. How it stores the bytes is not part of its
/// contract; short ones cost no allocation.
#[derive(Clone)]
pub struct Payload(Repr);

#[derive(Clone)]
enum Repr {
    /// What stands behind the first `len` bytes has no meaning.
    Inline {
        len: u8,
        bytes: [u8; INLINE],
    },
    Shared(Bytes),
}

impl Payload {
    pub(crate) const INLINE: usize = INLINE;

    /// An empty payload.
    pub const fn new() -> Self {
        Self(Repr::Inline { len: 0, bytes: [0; INLINE] })
    }

    /// A payload with its own copy of `bytes`, which never pins the buffer they came from.
    pub fn copy_from_slice(bytes: &[u8]) -> Self {
        if bytes.len() > INLINE {
            return Self(Repr::Shared(Bytes::copy_from_slice(bytes)));
        }
        let mut inline = [0; INLINE];
        inline[..bytes.len()].copy_from_slice(bytes);
        #[expect(clippy::cast_possible_truncation, reason = "at most INLINE")]
        Self(Repr::Inline { len: bytes.len() as u8, bytes: inline })
    }

    /// A payload with an unmasked copy of the first `len` bytes of `bytes`.
    #[inline]
    pub(crate) fn unmask(bytes: &[u8], len: usize, key: [u8; 4]) -> Self {
        if len > INLINE {
            let mut copy = Vec::new();
            append(&mut copy, &bytes[..len], key);
            return copy.into();
        }
        let mut words = [0; INLINE + 1];
        match bytes.first_chunk::<INLINE>() {
            // A copy of a length that the compiler knows needs no call; what stands behind the payload is never looked at.
            Some(masked) => words[..INLINE].copy_from_slice(masked),
            None => words[..len].copy_from_slice(&bytes[..len]),
        }
        mask(&mut words, key);
        let mut inline = [0; INLINE];
        inline.copy_from_slice(&words[..INLINE]);
        #[expect(clippy::cast_possible_truncation, reason = "at most INLINE")]
        Self(Repr::Inline { len: len as u8, bytes: inline })
    }

    /// An array that begins with the bytes, where they stand inline.
    #[inline]
    pub(crate) fn padded(&self) -> Option<&[u8; INLINE]> {
        match &self.0 {
            Repr::Inline { bytes, .. } => Some(bytes),
            Repr::Shared(_) => None,
        }
    }

    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Repr::Shared(bytes) => bytes,
        }
    }
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
            Repr::Inline { len, bytes } => Self::copy_from_slice(&bytes[..usize::from(len)]),
            Repr::Shared(bytes) => bytes,
        }
    }
}
impl From<Payload> for Vec<u8> {
    fn from(payload: Payload) -> Self {
        match payload.0 {
            Repr::Inline { len, bytes } => bytes[..usize::from(len)].to_vec(),
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
        assert!(matches!(Payload::copy_from_slice(&[1; INLINE]).0, Repr::Inline { .. }));
        assert!(matches!(Payload::copy_from_slice(&[1; INLINE + 1]).0, Repr::Shared(_)));
    }
}
