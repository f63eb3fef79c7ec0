//! A message for many connections: encoded once, compressed once.

use crate::message::{Kind, Message};
use bytes::Bytes;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A message that goes to many connections. Clones share its bytes and everything computed from them.
#[derive(Clone)]
pub struct Prepared(Arc<Shared>);

struct Shared {
    kind: Kind,
    payload: Bytes,
    /// What extensions made of the payload, by the extension's key; a handful at the most.
    transformed: Mutex<Vec<(u64, Option<Bytes>)>>,
}

impl Prepared {
    /// Takes the message's bytes; a short one is copied once here, never per connection.
    pub fn new(message: impl Into<Message>) -> Self {
        let message = message.into();
        let kind = message.kind();
        let payload = message.into_payload().into();
        Self(Arc::new(Shared { kind, payload, transformed: Mutex::default() }))
    }

    /// Text or binary.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The plain bytes.
    pub fn payload(&self) -> &Bytes {
        &self.0.payload
    }

    /// For extensions: what `make` makes of the plain bytes, computed at the first call with this `key` and shared
    /// by all later ones. The key names everything that the result depends on. `None` is remembered too.
    pub fn transformed(&self, key: u64, make: impl FnOnce(&[u8]) -> Option<Bytes>) -> Option<Bytes> {
        let mut made = self.0.transformed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bytes)) = made.iter().find(|(made_for, _)| *made_for == key) {
            return bytes.clone();
        }
        let bytes = make(&self.0.payload);
        made.push((key, bytes.clone()));
        bytes
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("kind", &self.kind())
            .field("len", &self.payload().len())
            .finish_non_exhaustive()
    }
}

impl<M: Into<Message>> From<M> for Prepared {
    fn from(message: M) -> Self {
        Self::new(message)
    }
}
