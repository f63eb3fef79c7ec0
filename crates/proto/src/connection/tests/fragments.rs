//! What fragments cost against `max_message`.

use super::*;
use crate::error::ProtocolError;
use crate::event::Control;

/// A masked frame of at most 125 bytes; the key is zero.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0], payload].concat()
}

/// How many fragments after the first are taken before the message is too big.
fn taken(max_message: usize, payload: &[u8]) -> usize {
    let now = epoch();
    let mut server = server(Limits { max_message, ..Limits::default() }, now);
    let mut input = BytesMut::new();
    assert_eq!(read(&mut server, &mut input, &frame(0x02, payload), now), []);
    for count in 0..max_message {
        match &read(&mut server, &mut input, &frame(0x00, payload), now)[..] {
            [] => {}
            [Event::Control(Control::Fail(frame))] => {
                let error = ProtocolError::MessageTooBig(max_message);
                assert_eq!(frame.code, error.close_code());
                return count;
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("the flood has no end")
}

#[test]
fn every_fragment_counts_beside_its_bytes() {
    let overhead = Limits::FRAGMENT_OVERHEAD;
    assert_eq!(taken(10 * overhead, b""), 10);
    assert_eq!(taken(10 * overhead + overhead - 1, b""), 10);
    assert_eq!(taken(1 + 10 * (overhead + 1), b"x"), 10);
    assert_eq!(taken(10 * (overhead + 1), b"x"), 9);
}
