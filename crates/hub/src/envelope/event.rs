//! Server-Sent Events. Envelopes have no line breaks, so each is one `data:` line.

use bytes::{BufMut as _, Bytes, BytesMut};
use std::time::Duration;

/// The delay before the browser connects again by itself.
pub(crate) fn retry_line(retry: Duration) -> Bytes {
    format!("retry: {}\n\n", retry.as_millis()).into()
}

/// An event other than a publication; with a cursor, it moves the reader there. All of them have one name: `open` and
/// `error` would meet the listeners of an `EventSource`'s own events.
pub(crate) fn event(cursor: Option<&str>, envelope: &[u8]) -> Bytes {
    let mut event = BytesMut::with_capacity(envelope.len() + cursor.map_or(0, str::len) + 32);
    event.put_slice(b"event: control");
    if let Some(cursor) = cursor {
        event.put_slice(b"\nid: ");
        event.put_slice(cursor.as_bytes());
    }
    event.put_slice(b"\ndata: ");
    event.put_slice(envelope);
    event.put_slice(b"\n\n");
    event.freeze()
}

/// What stands around a publication's shared envelope: before it, and behind it [`put_id_line`].
pub(crate) const fn message_event() -> Bytes {
    Bytes::from_static(b"data: ")
}

/// The end of a publication's event: the connection's own cursor.
pub(crate) fn put_id_line(cursor: &str, event: &mut BytesMut) {
    for part in ["\nid: ", cursor, "\n\n"] {
        event.put_slice(part.as_bytes());
    }
}
