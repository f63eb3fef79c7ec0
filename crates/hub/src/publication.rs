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
        Self { channel, epoch, offset, data, meta, taken, json, text, binary }
    }

    /// Its place.
    pub fn position(&self) -> Position {
        Position { channel: self.channel.clone(), epoch: self.epoch, offset: self.offset }
    }

    /// What it counts in budgets: the payload, the envelope that is made of it, and a fixed overhead.
    pub fn weight(&self) -> usize {
        let meta = &self.meta;
        let texts = [meta.content_type.as_deref(), meta.client.as_deref(), meta.user.as_deref()];
        let texts: usize = texts.into_iter().flatten().map(str::len).sum();
        let fields = meta.fields.as_ref().map_or(0, |fields| fields.get().len());
        2 * (self.data.bytes().len() + self.channel.as_str().len() + texts + fields) + Self::OVERHEAD
    }

    /// What a publication without a payload counts: 512 bytes.
    pub const OVERHEAD: usize = 512;
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
}
