//! The connection under test: no sockets, no sleeps, a clock that the tests turn.

mod fragments;
mod sizes;

use super::*;
use crate::event::Event;
use bytes::Buf;

/// The start of virtual time.
#[expect(clippy::disallowed_methods, reason = "the one place where the tests take an instant to count from")]
fn epoch() -> Instant {
    Instant::now()
}

/// A server's connection without extensions.
fn server(limits: Limits, now: Instant) -> Connection {
    Connection::new(Setup { limits: Arc::new(limits), codecs: vec![], mask_keys: None }, now)
}

/// A client's connection without extensions; its masking keys count upwards.
fn client(limits: Limits, now: Instant) -> Connection {
    let mut key = 0u32;
    let keys = move || {
        key += 1;
        key.to_be_bytes()
    };
    Connection::new(Setup { limits: Arc::new(limits), codecs: vec![], mask_keys: Some(Box::new(keys)) }, now)
}

/// Reads `bytes` and polls until nothing more happens.
fn read(connection: &mut Connection, input: &mut BytesMut, bytes: &[u8], now: Instant) -> Vec<Event> {
    input.extend_from_slice(bytes);
    connection.handle_read(bytes.len(), now);
    std::iter::from_fn(|| connection.poll_event(input, now)).collect()
}

/// Takes everything that waits to be written.
fn written(connection: &mut Connection) -> Vec<u8> {
    connection.outbound.copy_to_bytes(connection.outbound.remaining()).into()
}
