//! Messages: what users send and receive.

use crate::payload::Payload;
use crate::text::Text;
use bytes::Bytes;

/// What a message carries (RFC 6455 5.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// Bytes of any form.
    Binary,
}

/// One whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A text message; its UTF-8 has been checked.
    Text(Text),
    /// A binary message.
    Binary(Payload),
}

impl Message {
    /// A text message.
    pub fn text(text: impl Into<Text>) -> Self {
        Self::Text(text.into())
    }

    /// A binary message.
    pub fn binary(payload: impl Into<Payload>) -> Self {
        Self::Binary(payload.into())
    }

    /// Whether it is text or binary.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
        }
    }

    /// Its bytes, whichever kind it is.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(payload) => payload,
        }
    }

    /// Its text, or `None` where it is binary.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// Its length in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether it has no bytes; an empty message is a message all the same.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same, moved word by word where it is short: for one that may have been received just before. A processor that
    /// loads at once what was stored in parts waits until the parts are in its cache. For drivers.
    #[doc(hidden)]
    #[inline(always)]
    pub fn by_words(self) -> Self {
        match self {
            Self::Text(text) => Self::Text(text.by_words()),
            Self::Binary(payload) => Self::Binary(payload.by_words()),
        }
    }

    /// Its bytes, whichever kind it is.
    #[inline]
    pub fn into_payload(self) -> Payload {
        match self {
            Self::Text(text) => text.into_payload(),
            Self::Binary(payload) => payload,
        }
    }
}

impl From<Text> for Message {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}
impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}
impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}
impl From<Payload> for Message {
    fn from(payload: Payload) -> Self {
        Self::Binary(payload)
    }
}
impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::binary(bytes)
    }
}
impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::binary(bytes)
    }
}

/// Whether extensions may compress a message (RFC 7692 lets the sender choose for each).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compress {
    /// As configured: above the threshold, and only where it shrinks.
    #[default]
    Auto,
    /// Also below the threshold; still only where it shrinks.
    Always,
    /// Never: for what is compressed already, or secret (a length tells of a compressed secret).
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_knows_its_kind_and_its_bytes() {
        let (text, binary) = (Message::text("ä"), Message::binary(vec![0xff]));
        assert_eq!((text.kind(), binary.kind()), (Kind::Text, Kind::Binary));
        assert_eq!((text.len(), binary.len()), (2, 1));
        assert_eq!((text.as_text(), binary.as_text()), (Some("ä"), None));
        assert_eq!((text.as_bytes(), binary.as_bytes()), ("ä".as_bytes(), &[0xff][..]));
        assert!(!text.is_empty() && !binary.is_empty());
        assert!(Message::text("").is_empty() && Message::binary(vec![]).is_empty());
        assert_eq!(text.into_payload(), "ä");
        assert_eq!(binary.into_payload(), [0xff]);
    }

    #[test]
    fn a_message_is_made_of_what_carries_it() {
        assert_eq!(Message::from("a"), Message::text("a"));
        assert_eq!(Message::from("a".to_owned()), Message::text("a"));
        assert_eq!(Message::from(Text::from("a")), Message::text("a"));
        assert_eq!(Message::from(vec![1]), Message::binary(vec![1]));
        assert_eq!(Message::from(Bytes::from_static(&[1])), Message::binary(vec![1]));
        assert_eq!(Message::from(Payload::copy_from_slice(&[1])), Message::binary(vec![1]));
    }
}
