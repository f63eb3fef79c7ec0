//! What is published: a payload with its place and its circumstances, shared by everyone who gets it.

use crate::channel::Channel;
use crate::position::{Epoch, Offset, Position};
use bytes::Bytes;
use serde_json::value::RawValue;
use std::sync::OnceLock;
use tokio::time::Instant;

/// A payload, checked: JSON is valid JSON without line breaks, text is UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// A JSON value as it came, its insignificant line breaks replaced by spaces; it stands in envelopes as it is.
    Json(Bytes),
    /// Text; a string in envelopes.
    Text(Bytes),
    /// Anything; base64 in envelopes, or raw in a binary frame of `sockeye.bin.v1`.
    Binary(Bytes),
}

/// What a publication tells about itself.
#[derive(Debug, Clone, Default)]
pub struct Meta {
    /// The media type of the payload, where it is none of `application/json`, `text/plain` and
    /// `application/octet-stream`.
    pub content_type: Option<Box<str>>,
    /// When the server took it, in milliseconds since 1970.
    pub time: u64,
    /// The id of the client that published it; none from the server's API.
    pub client: Option<Box<str>>,
    /// That client's user.
    pub user: Option<Box<str>>,
    /// Fields of the publisher's: a JSON object of at most [`Meta::MAX_FIELDS`] strings, numbers and booleans.
    pub fields: Option<Box<RawValue>>,
}

impl Meta {
    /// Fields that a publisher may add: 8.
    pub const MAX_FIELDS: usize = 8;
    /// Bytes that they may have as JSON: 1024.
    pub const MAX_FIELDS_LEN: usize = 1024;

    fn texts(&self) -> impl Iterator<Item = &str> {
        [&self.content_type, &self.client, &self.user].into_iter().flatten().map(|text| &**text)
    }

    fn fields_len(&self) -> usize {
        self.fields.as_ref().map_or(0, |fields| fields.get().len())
    }

    fn len(&self) -> usize {
        self.texts().map(str::len).sum::<usize>() + self.fields_len()
    }

    /// Bytes of its values in an envelope.
    fn json_len(&self) -> usize {
        self.texts().map(|text| string_len(text.as_bytes())).sum::<usize>() + self.fields_len()
    }
}

/// A publication in its channel's log. Immutable; what readers are sent is encoded at the first use and shared.
#[derive(Debug)]
pub struct Publication {
    /// Its channel.
    pub channel: Channel,
    /// The log that it stands in.
    pub epoch: Epoch,
    /// Its number there.
    pub offset: Offset,
    /// The payload.
    pub data: Data,
    /// Its circumstances.
    pub meta: Meta,
    envelope_len: usize,
    /// When this server took it, for measurements.
    pub(crate) taken: Instant,
    /// The envelope, made by [`crate::envelope`].
    pub(crate) json: OnceLock<Bytes>,
    /// The envelope as a message of `sockeye.json.v1`.
    pub(crate) text: OnceLock<sockeye::Prepared>,
    /// The message of `sockeye.bin.v1`, of binary data only.
    pub(crate) binary: OnceLock<sockeye::Prepared>,
}

impl Publication {
    /// Puts a payload at its place.
    pub fn new(position: Position, data: Data, meta: Meta) -> Self {
        let Position { channel, epoch, offset } = position;
        let (taken, json, text, binary) = (Instant::now(), OnceLock::new(), OnceLock::new(), OnceLock::new());
        // The channel's name stands in the position, too.
        let envelope_len = Self::ENVELOPE + 2 * channel.as_str().len() + data.json_len() + meta.json_len();
        Self { channel, epoch, offset, data, meta, envelope_len, taken, json, text, binary }
    }

    /// Its place.
    pub fn position(&self) -> Position {
        Position { channel: self.channel.clone(), epoch: self.epoch, offset: self.offset }
    }

    /// What it counts in budgets: all that it may keep, which is the payload, what is told about it, the encoded forms
    /// that readers share, and a fixed overhead.
    pub fn weight(&self) -> usize {
        let payload = self.data.bytes().len();
        let binary = match &self.data {
            // The header of the binary frame is the envelope without the payload.
            Data::Binary(_) => self.envelope_len() - self.data.json_len() + payload,
            Data::Json(_) | Data::Text(_) => 0,
        };
        payload + self.meta.len() + self.envelope_len() + binary + Self::OVERHEAD
    }

    /// Bytes of its envelope: at least as many as it has, and few more.
    pub(crate) fn envelope_len(&self) -> usize {
        self.envelope_len
    }

    /// What a publication counts beside its bytes: 512 bytes.
    pub const OVERHEAD: usize = 512;
    /// What an envelope has beside payload and names, at most: field names, position, time.
    pub(crate) const ENVELOPE: usize = 160;
}

/// Text.
impl From<&str> for Data {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// Text.
impl From<String> for Data {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

/// Binary.
impl From<Vec<u8>> for Data {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes.into())
    }
}

impl Data {
    /// The payload's bytes.
    pub fn bytes(&self) -> &Bytes {
        match self {
            Self::Json(bytes) | Self::Text(bytes) | Self::Binary(bytes) => bytes,
        }
    }

    /// Bytes that it has in an envelope.
    fn json_len(&self) -> usize {
        match self {
            Self::Json(bytes) => bytes.len(),
            Self::Text(bytes) => string_len(bytes),
            Self::Binary(bytes) => bytes.len().div_ceil(3) * 4 + 2,
        }
    }
}

/// Bytes of a text as a JSON string.
fn string_len(text: &[u8]) -> usize {
    let escaped = |byte: &u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | b'\x08' | b'\x0c' => 2,
        0..0x20 => 6, // \u0001
        _ => 1,
    };
    text.iter().map(escaped).sum::<usize>() + 2
}
