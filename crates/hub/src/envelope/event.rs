//! Server-Sent Events. Envelopes have no line breaks, so each is one `data:` line.

use crate::position::Cursor;
use bytes::{BufMut as _, Bytes, BytesMut};
use std::time::Duration;

/// The delay before the browser connects again by itself.
pub(crate) fn retry_line(retry: Duration) -> Bytes {
    format!("retry: {}\n\n", retry.as_millis()).into()
}

/// An event other than a publication; with a cursor, it moves the reader there. All of them have one name: `open` and
/// `error` would meet the listeners of an `EventSource`'s own events.
pub(crate) fn event(cursor: Option<&Cursor>, envelope: &[u8]) -> Bytes {
    let mut event = BytesMut::with_capacity(envelope.len() + 96);
    event.put_slice(b"event: control");
    if let Some(cursor) = cursor {
        event.put_slice(format!("\nid: {cursor}").as_bytes());
    }
    event.put_slice(b"\ndata: ");
    event.put_slice(envelope);
    event.put_slice(b"\n\n");
    event.freeze()
}

/// What stands around a publication's shared envelope: before it, and behind it [`id_line`].
pub(crate) const fn message_event() -> Bytes {
    Bytes::from_static(b"data: ")
}

/// The end of a publication's event: the connection's own cursor.
pub(crate) fn id_line(cursor: &Cursor) -> Bytes {
    format!("\nid: {cursor}\n\n").into()
}
