//! The connection under test: no sockets, no sleeps, a clock that the tests turn.

#![expect(clippy::unchecked_time_subtraction, reason = "a test that goes below zero may panic")]

mod arrival;
mod bounds;
mod closing;
#[cfg(feature = "deflate")]
mod deflate;
mod determinism;
mod dialogue;
mod extension;
mod faults;
mod lateness;
mod machine;
mod memory;
mod network;
mod rechunk;
mod sending;
mod sizes;
mod streaming;
mod timing;
mod toy;

use super::*;
use crate::close::{CloseCode, CloseFrame};
use crate::event::{Cause, Closed, Control, Deadline, Initiator, MessagePiece, Notice};
use crate::header::{Header, MAX_HEADER};
use crate::message::{Compress, Kind, Message};
use crate::{Payload, ProtocolError};
use bytes::{Buf, BufMut};

/// The masking key of the frames that the tests make.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CONTINUATION: u8 = 0x80;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
/// Of the above without the FIN bit.
const TEXT_BEGINS: u8 = 0x01;
const BINARY_BEGINS: u8 = 0x02;
const CONTINUES: u8 = 0x00;

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// The start of virtual time.
#[expect(clippy::disallowed_methods, reason = "the one place where the tests take an instant to count from")]
fn epoch() -> Instant {
    Instant::now()
}

/// One end of a connection, what it has read but not parsed, and its clock.
struct End {
    connection: Connection,
    input: BytesMut,
    now: Instant,
}

impl End {
    fn new(role: Role, limits: Limits) -> Self {
        Self::with_codecs(role, limits, vec![])
    }

    /// A client's masking keys count upwards.
    fn with_codecs(role: Role, limits: Limits, codecs: Vec<Codec>) -> Self {
        Self::starting(epoch(), role, limits, codecs)
    }

    fn starting(now: Instant, role: Role, limits: Limits, codecs: Vec<Codec>) -> Self {
        let mut key = 0u32;
        let keys: Box<dyn MaskKeys> = Box::new(move || {
            key += 0x0103_0507;
            key.to_be_bytes()
        });
        let mask_keys = (role == Role::Client).then_some(keys);
        let connection = Connection::new(Setup { limits: Arc::new(limits), codecs, mask_keys }, now);
        Self { connection, input: BytesMut::new(), now }
    }

    fn server() -> Self {
        Self::new(Role::Server, Limits::default())
    }

    fn client() -> Self {
        Self::new(Role::Client, Limits::default())
    }

    fn role(&self) -> Role {
        self.connection.outbound.role()
    }

    /// Reads `bytes` and polls until nothing more happens.
    fn reads(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.input.extend_from_slice(bytes);
        self.connection.handle_read(bytes.len(), self.now);
        self.polls()
    }

    /// Reads a frame of the peer's.
    fn reads_frame(&mut self, first: u8, payload: &[u8]) -> Vec<Event> {
        let bytes = frame(self.role(), first, payload);
        self.reads(&bytes)
    }

    fn polls(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.connection.poll_event(&mut self.input, self.now)).collect()
    }

    /// The transport ends.
    fn ends(&mut self) -> Vec<Event> {
        self.connection.handle_eof();
        self.polls()
    }

    /// Time passes; nothing else happens.
    fn waits(&mut self, time: Duration) -> Vec<Event> {
        self.now += time;
        self.connection.handle_timeout(self.now);
        self.polls()
    }

    /// How long until the next deadline.
    fn due_in(&self) -> Option<Duration> {
        Some(self.connection.poll_timeout()?.duration_since(self.now))
    }

    /// Takes everything that waits to be written.
    fn writes(&mut self) -> Vec<u8> {
        let outbound = &mut self.connection.outbound;
        outbound.copy_to_bytes(outbound.remaining()).into()
    }

    /// Takes everything that waits to be written, as frames.
    fn sends(&mut self) -> Vec<(u8, Vec<u8>)> {
        let bytes = self.writes();
        frames(self.role(), &bytes)
    }

    fn feeds(&mut self, message: impl Into<Message>) -> Result<(), SendError<Message>> {
        self.connection.outbound.feed(message.into(), Compress::Auto)
    }

    /// Bytes of memory held, with the unparsed rest as the driver keeps it.
    fn retained(&self) -> usize {
        self.connection.inbound.retained() + self.connection.outbound.retained() + self.input.len()
    }
}

/// A header that a peer of `to` writes, which declares `len` bytes of payload.
fn header(to: Role, first: u8, len: u64) -> Vec<u8> {
    let opcode = Header::decode(&[first | 0x80, 0]).unwrap().unwrap().0.opcode;
    let (fin, rsv) = (first & 0x80 != 0, crate::extension::Rsv::from_bits(first >> 4));
    let mask = (to == Role::Server).then_some(KEY);
    let mut out = [0; MAX_HEADER];
    let used = Header { fin, rsv, opcode, mask, payload_len: len }.encode(&mut out);
    out[..used].to_vec()
}

/// A frame that a peer of `to` writes; `first` is its first byte.
fn frame(to: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = header(to, first, payload.len() as u64);
    let start = out.len();
    out.extend_from_slice(payload);
    if to == Role::Server {
        crate::mask::mask(&mut out[start..], KEY);
    }
    out
}

/// The frames that `from` has written: first byte and plain payload. Panics where they are not whole and well-formed.
fn frames(from: Role, mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = vec![];
    while !bytes.is_empty() {
        let (header, used) = Header::decode(bytes).expect("a legal header").expect("a whole header");
        assert_eq!(header.mask.is_some(), from == Role::Client, "RFC 6455 5.1");
        let len = usize::try_from(header.payload_len).unwrap();
        let mut payload = bytes[used..used + len].to_vec();
        crate::mask::mask(&mut payload, header.mask.unwrap_or_default());
        frames.push((bytes[0], payload));
        bytes = &bytes[used + len..];
    }
    frames
}

/// Whether a piece is the first, the last of its message.
type Borders = (bool, bool);
const FIRST: Borders = (true, false);
const INNER: Borders = (false, false);
const LAST: Borders = (false, true);
const ALL: Borders = (true, true);

fn piece(kind: Kind, payload: &[u8], (first, last): Borders) -> MessagePiece {
    MessagePiece { kind, payload: Payload::copy_from_slice(payload), first, last }
}

/// The body of a Close frame.
fn close_body(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// The same number of bytes that never repeat at a short distance.
fn noise(len: usize) -> Vec<u8> {
    (0u32..).map(|n| n.wrapping_mul(0x9e37_79b9).to_be_bytes()[0]).take(len).collect()
}

/// The one `Closed`, which must be the last of `events`.
fn closed(events: &[Event]) -> &Closed {
    let Some(Event::Closed(closed)) = events.last() else { panic!("not closed: {events:?}") };
    closed
}

/// The fault that `events` end with, and that is to be told to the peer.
fn fail_code(events: &[Event]) -> u16 {
    let Some(Event::Control(Control::Fail(frame))) = events.last() else { panic!("no fault: {events:?}") };
    frame.code.get()
}

/// What a connection that has failed says, and why it ended.
fn fails(end: &mut End) -> (u16, Cause) {
    let sent = end.sends();
    let (first, body) = sent.last().expect("a frame");
    assert_eq!(*first, CLOSE);
    let code = u16::from_be_bytes([body[0], body[1]]);
    end.polls();
    assert!(end.connection.inbound.wants_shutdown());
    (code, closed(&end.ends()).cause)
}
