//! I2 and I3: whatever a peer, a user, a transport and the clock do, nothing panics and the end comes once.

use super::arrival::{TOY, stream};
use super::*;
use crate::Prepared;
use crate::limits::KeepAlive;
use proptest::prelude::*;

/// One thing that happens to a connection.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Read(Vec<u8>),
    ReadStream(arrival::Stream),
    ReadDirect(usize),
    Advance(usize),
    Blocked,
    Wait(u64),
    Feed(usize, Compress),
    Prepared(usize),
    Begin(Kind),
    Piece(Vec<u8>, bool),
    Ping(usize),
    Pong(usize),
    Close(u16, usize),
    Deliver(Delivery),
    Lend,
    Reclaim,
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let compress = prop::sample::select(vec![Compress::Auto, Compress::Always, Compress::Never]);
    prop_oneof![
        2 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Op::Read),
        6 => stream().prop_map(Op::ReadStream),
        1 => (1usize..30_000).prop_map(Op::ReadDirect),
        6 => prop_oneof![0usize..200, Just(usize::MAX)].prop_map(Op::Advance),
        1 => Just(Op::Blocked),
        3 => (0u64..30).prop_map(Op::Wait),
        4 => (prop_oneof![0usize..200, 4000usize..9000], compress).prop_map(|(len, how)| Op::Feed(len, how)),
        2 => prop_oneof![0usize..200, 4000usize..9000].prop_map(Op::Prepared),
        2 => prop::sample::select(vec![Kind::Text, Kind::Binary]).prop_map(Op::Begin),
        4 => (prop::collection::vec(0x7fu8..0x81, 0..3), prop::bool::weighted(0.2)).prop_map(|(bytes, last)| Op::Piece(bytes, last)),
        2 => (0usize..130).prop_map(Op::Ping),
        1 => (0usize..130).prop_map(Op::Pong),
        1 => (prop::sample::select(vec![1000u16, 1005, 1006, 4999, 0]), 0usize..130).prop_map(|(code, len)| Op::Close(code, len)),
        1 => prop::sample::select(vec![Delivery::Whole, Delivery::Pieces]).prop_map(Op::Deliver),
        1 => Just(Op::Lend),
        1 => Just(Op::Reclaim),
    ]
}

impl End {
    /// Does it and polls; what happened.
    pub(super) fn does(&mut self, op: Op) -> Vec<Event> {
        match op {
            Op::Read(bytes) => return self.reads(&bytes),
            Op::ReadStream(stream) => return self.reads(&stream.bytes(self.role())),
            Op::ReadDirect(len) => self.reads_directly(len),
            Op::Wait(seconds) => return self.waits(SECOND * u32::try_from(seconds).unwrap()),
            Op::Deliver(delivery) => self.connection.inbound.set_delivery(delivery),
            op => self.connection.outbound.does(op, self.now),
        }
        self.polls()
    }

    fn reads_directly(&mut self, len: usize) {
        if self.input.is_empty()
            && let Some(mut room) = self.connection.inbound.direct()
        {
            let len = room.remaining_mut().min(len);
            room.put_bytes(b'x', len);
            self.connection.handle_read(len, self.now);
        }
    }
}

impl Outbound {
    /// What is refused is dropped: that it comes back unchanged is another test's.
    fn does(&mut self, op: Op, now: Instant) {
        match op {
            Op::Advance(count) => self.advance(count.min(self.remaining())),
            Op::Blocked => self.handle_blocked(now),
            Op::Feed(len, compress) => _ = self.feed(noise(len).into(), compress),
            Op::Prepared(len) => _ = self.feed_prepared(&Prepared::new(noise(len))),
            Op::Begin(kind) => _ = self.begin_message(kind, Compress::Auto),
            Op::Piece(bytes, last) => {
                _ = self.feed_piece(MessagePiece {
                    kind: Kind::Text,
                    payload: bytes.into(),
                    first: false,
                    last,
                });
            }
            Op::Ping(len) => _ = self.ping(noise(len).into(), now),
            Op::Pong(len) => _ = self.pong(noise(len).into()),
            Op::Close(code, len) => {
                let reason = "x".repeat(len).into();
                _ = self.close(CloseFrame { code: CloseCode::new(code), reason });
            }
            Op::Lend => self.lend_buffer(WriteBuffer::default()),
            Op::Reclaim => _ = self.reclaim_buffer(),
            Op::Read(_) | Op::ReadStream(_) | Op::ReadDirect(_) | Op::Wait(_) | Op::Deliver(_) => {}
        }
    }
}

/// How a connection is brought to its end, if nothing else has done it.
#[derive(Debug, Clone, Copy)]
enum Last {
    Eof,
    Error,
    Time,
}

fn keep_alives() -> impl Strategy<Value = KeepAlive> {
    let ping = KeepAlive::Ping { after: SECOND * 7, timeout: SECOND * 5 };
    prop::sample::select(vec![
        KeepAlive::default(),
        ping,
        KeepAlive::Pong { every: SECOND * 9 },
        KeepAlive::Off,
    ])
}

/// Any end of either role, with or without an extension.
pub(super) fn any_end() -> impl Strategy<Value = (Role, bool, KeepAlive)> {
    (prop::sample::select(vec![Role::Client, Role::Server]), any::<bool>(), keep_alives())
}

pub(super) fn make(setup: (Role, bool, KeepAlive)) -> End {
    make_at(epoch(), setup)
}

pub(super) fn make_at(now: Instant, (role, extended, keep_alive): (Role, bool, KeepAlive)) -> End {
    let timing = crate::limits::Timing { keep_alive, idle: Some(SECOND * 100), ..Default::default() };
    let limits = Limits { max_message: 30_000, max_queued: 9000, timing, ..Limits::default() };
    End::starting(now, role, limits, if extended { vec![toy::toy(TOY.0, TOY.1)] } else { vec![] })
}

fn finish(end: &mut End, last: Last) -> Vec<Event> {
    match last {
        Last::Eof => end.ends(),
        Last::Error => {
            end.connection.handle_transport_error(io::ErrorKind::ConnectionReset);
            end.polls()
        }
        // The idle deadline, then the close deadline.
        Last::Time => [end.waits(SECOND * 100), end.waits(SECOND * 10)].into_iter().flatten().collect(),
    }
}

fn is_closed(event: &Event) -> bool {
    matches!(event, Event::Closed(_))
}

proptest! {
    #[test]
    fn i2_no_input_panics_and_i3_one_closed_comes_last(
        (setup, ops, last) in (
            any_end(),
            prop::collection::vec(op(), 0..30),
            prop::sample::select(vec![Last::Eof, Last::Error, Last::Time]),
        ),
        after in prop::collection::vec(op(), 0..6),
    ) {
        let mut end = make(setup);
        let mut events: Vec<Event> = ops.into_iter().flat_map(|op| end.does(op)).collect();
        events.extend(finish(&mut end, last));
        prop_assert_eq!(events.iter().filter(|event| is_closed(event)).count(), 1);
        prop_assert!(is_closed(events.last().unwrap()));
        prop_assert!(end.connection.inbound.is_closed());
        prop_assert_eq!(end.connection.poll_timeout(), None);
        let later: Vec<Event> = after.into_iter().flat_map(|op| end.does(op)).collect();
        prop_assert_eq!(later, vec![]);
        prop_assert_eq!(finish(&mut end, Last::Eof), vec![]);
    }

    #[test]
    fn i2_random_bytes_do_not_panic(
        setup in any_end(),
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        cuts in prop::collection::vec(any::<u16>(), 0..5),
        pieces in any::<bool>(),
    ) {
        let mut end = make(setup);
        end.connection.inbound.set_delivery(if pieces { Delivery::Pieces } else { Delivery::Whole });
        for chunk in arrival::cut(&bytes, cuts) {
            end.reads(chunk);
        }
        prop_assert!(is_closed(end.ends().last().unwrap()));
    }
}
