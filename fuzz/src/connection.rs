//! A client and a server joined by a pipe, and every operation in any order: what was accepted arrives once and in
//! order, exactly one `Closed` comes and comes last, and memory stays bounded.

use arbitrary::{Arbitrary, Unstructured};
use bytes::{Buf, BytesMut};
use sockeye_proto::connection::{Connection, Delivery, Setup};
use sockeye_proto::extension::deflate::Deflate;
use sockeye_proto::extension::{Codec, Extension};
use sockeye_proto::{CloseCode, CloseFrame, Compress, Event, Kind, Limits, Message, MessagePiece, Payload};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Debug, Arbitrary)]
enum Operation {
    Text(u16),
    Binary(u16),
    Begin,
    Piece {
        len: u8,
        last: bool,
    },
    Ping(u8),
    Pong(u8),
    Close(u16),
    /// So many bytes of what waits go over.
    Carry(u16),
    Pieces,
    Whole,
    Wait(u8),
    /// The pipe flips a bit; from here on only the end is checked.
    Corrupt(u8),
    Cut,
}

const MAX_MESSAGE: usize = 1 << 16;

struct End {
    connection: Connection,
    input: BytesMut,
    sent: Vec<u8>,
    received: Vec<u8>,
    closed: u32,
}

struct Pair {
    ends: [End; 2],
    now: Instant,
    faithful: bool,
}

pub fn run(data: &[u8]) {
    let mut source = Unstructured::new(data);
    let Ok(deflate) = bool::arbitrary(&mut source) else { return };
    let mut pair = Pair::new(if deflate { deflated() } else { [vec![], vec![]] });
    while !source.is_empty() {
        let Ok((at, operation)) = <(bool, Operation)>::arbitrary(&mut source) else { break };
        pair.apply(usize::from(at), operation);
        pair.check();
    }
    pair.finish();
}

/// What client and server agree on.
fn deflated() -> [Vec<Codec>; 2] {
    let deflate = Deflate::default().sending_takeover();
    let (answer, server) = deflate.answer(&deflate.offers()[0]).expect("its own offer");
    [vec![deflate.confirm(&answer).expect("its own answer")], vec![server]]
}

impl Pair {
    fn new([client, server]: [Vec<Codec>; 2]) -> Self {
        let now = Instant::now();
        let mut limits = Limits::default();
        limits.max_message = MAX_MESSAGE;
        let limits = Arc::new(limits);
        let mut key = 0u32;
        let keys: Box<dyn sockeye_proto::connection::MaskKeys> = Box::new(move || {
            key = key.wrapping_mul(747_796_405).wrapping_add(1);
            key.to_be_bytes()
        });
        let end = |codecs, mask_keys| End {
            connection: Connection::new(Setup { limits: limits.clone(), codecs, mask_keys }, now),
            input: BytesMut::new(),
            sent: vec![],
            received: vec![],
            closed: 0,
        };
        Self { ends: [end(client, Some(keys)), end(server, None)], now, faithful: true }
    }

    fn apply(&mut self, at: usize, operation: Operation) {
        let now = self.now;
        let end = &mut self.ends[at];
        match operation {
            Operation::Text(len) => end.feed(Message::text("ä".repeat(usize::from(len) / 4))),
            Operation::Binary(len) => end.feed(Message::binary(vec![len as u8; usize::from(len)])),
            Operation::Begin => _ = end.connection.outbound.begin_message(Kind::Binary, Compress::Auto),
            Operation::Piece { len, last } => {
                let payload = Payload::from(vec![len; len.into()]);
                end.feed_piece(MessagePiece { kind: Kind::Binary, payload, first: false, last });
            }
            Operation::Ping(len) => _ = end.connection.outbound.ping(vec![1; len.into()].into(), now),
            Operation::Pong(len) => _ = end.connection.outbound.pong(vec![1; len.into()].into()),
            Operation::Close(code) => {
                _ = end.connection.outbound.close(CloseFrame::new(CloseCode::new(code), "fuzzed"));
            }
            Operation::Carry(len) => self.carry(at, len.into()),
            Operation::Pieces => end.connection.inbound.set_delivery(Delivery::Pieces),
            Operation::Whole => end.connection.inbound.set_delivery(Delivery::Whole),
            Operation::Wait(seconds) => self.wait(Duration::from_secs(seconds.into())),
            Operation::Corrupt(at_byte) => self.corrupt(at, at_byte.into()),
            Operation::Cut => {
                self.faithful = false;
                end.connection.handle_eof();
                end.poll(now);
            }
        }
    }

    fn carry(&mut self, from: usize, len: usize) {
        let outbound = &mut self.ends[from].connection.outbound;
        let bytes = outbound.copy_to_bytes(len.min(outbound.remaining()));
        if self.faithful || !bytes.is_empty() {
            self.ends[1 - from].read(&bytes, self.now);
        }
        self.ends[from].poll(self.now); // the end may have been waiting for this write
    }

    fn corrupt(&mut self, from: usize, at: usize) {
        self.faithful = false;
        let outbound = &mut self.ends[from].connection.outbound;
        let mut bytes = outbound.copy_to_bytes(outbound.remaining()).to_vec();
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 0x80 >> (at % 8);
        }
        self.ends[1 - from].read(&bytes, self.now);
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        let now = self.now;
        for end in &mut self.ends {
            if end.connection.poll_timeout().is_some_and(|due| due <= now) {
                end.connection.handle_timeout(now);
                end.poll(now);
            }
        }
    }

    /// What arrived is a prefix of what was sent, and memory is bounded.
    fn check(&self) {
        for (from, to) in [(0, 1), (1, 0)] {
            let (sent, received) = (&self.ends[from].sent, &self.ends[to].received);
            assert!(!self.faithful || sent.starts_with(received));
        }
        for end in &self.ends {
            assert!(end.closed <= 1);
            let held = end.connection.inbound.retained();
            assert!(held <= MAX_MESSAGE + (100 << 10), "holds {held} bytes");
        }
    }

    /// Everything goes over and time passes: both ends reach `Closed`.
    fn finish(mut self) {
        for _ in 0..12 {
            self.carry(0, usize::MAX);
            self.carry(1, usize::MAX);
        }
        self.check();
        for end in &mut self.ends {
            _ = end.connection.outbound.close(CloseFrame::EMPTY);
        }
        for _ in 0..40 {
            self.carry(0, usize::MAX);
            self.carry(1, usize::MAX);
            self.wait(Duration::from_secs(5));
        }
        assert!(self.ends.iter().all(|end| end.closed == 1), "an end did not reach Closed");
    }
}

impl End {
    fn feed(&mut self, message: Message) {
        let bytes = message.as_bytes().to_vec();
        if bytes.len() <= MAX_MESSAGE && self.connection.outbound.feed(message, Compress::Auto).is_ok() {
            self.sent.extend(bytes);
        }
    }

    fn feed_piece(&mut self, piece: MessagePiece) {
        let payload = piece.payload.clone();
        if self.connection.outbound.feed_piece(piece).is_ok() {
            self.sent.extend_from_slice(&payload);
        }
    }

    fn read(&mut self, bytes: &[u8], now: Instant) {
        self.input.extend_from_slice(bytes);
        self.connection.handle_read(bytes.len(), now);
        self.poll(now);
    }

    fn poll(&mut self, now: Instant) {
        while let Some(event) = self.connection.poll_event(&mut self.input, now) {
            assert_eq!(self.closed, 0, "an event after Closed");
            match event {
                Event::Message(message) => self.received.extend_from_slice(message.as_bytes()),
                Event::Piece(piece) => self.received.extend_from_slice(&piece.payload),
                Event::Closed(_) => self.closed += 1,
                Event::Control(_) => {}
            }
        }
    }
}
