//! I6: what is accepted leaves whole and in order, what is refused leaves no trace, wherever a write stops.

use super::*;
use crate::Prepared;
use proptest::prelude::*;
use std::io::IoSlice;

/// Everything that waits, as a vectored write sees it.
fn pending(outbound: &Outbound) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); 64];
    let filled = outbound.chunks_vectored(&mut slices);
    assert!(slices[..filled].iter().all(|slice| !slice.is_empty()));
    let bytes: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect();
    assert_eq!(bytes.len(), outbound.remaining());
    assert!(bytes.starts_with(outbound.chunk()));
    assert_eq!(outbound.chunk().is_empty(), bytes.is_empty());
    bytes
}

/// What an outbound half shows of itself.
fn look(outbound: &Outbound) -> impl PartialEq + std::fmt::Debug + use<> {
    let figures =
        (outbound.high_water(), outbound.superseded_pongs(), outbound.retained(), outbound.traffic());
    (pending(outbound), outbound.open_message(), outbound.is_closed(), figures)
}

/// One call.
#[derive(Debug, Clone)]
enum Call {
    Feed(Message),
    Prepared(Message),
    Begin(Kind),
    Piece(MessagePiece),
    Ping(usize),
    Answer(u8),
    Close(u16),
    Advance(usize),
}

fn call() -> impl Strategy<Value = Call> {
    let len = prop_oneof![4 => 0usize..300, 1 => 4090usize..4100, 1 => 300usize..8000];
    let message = len.prop_map(|len| Message::from(noise(len)));
    let kind = prop::sample::select(vec![Kind::Text, Kind::Binary]);
    let bytes = prop::collection::vec(prop::sample::select(b"ab\xe2\x82\xac".to_vec()), 0..4);
    let piece = (kind.clone(), bytes, prop::bool::weighted(0.3));
    prop_oneof![
        4 => message.clone().prop_map(Call::Feed),
        2 => message.prop_map(Call::Prepared),
        3 => kind.prop_map(Call::Begin),
        6 => piece.prop_map(|(kind, bytes, last)| Call::Piece(MessagePiece { kind, payload: bytes.into(), first: false, last })),
        2 => (0usize..140).prop_map(Call::Ping),
        2 => any::<u8>().prop_map(Call::Answer),
        1 => prop::sample::select(vec![1000u16, 1005, 1006, 3000]).prop_map(Call::Close),
        8 => prop_oneof![0usize..40, 0usize..5000].prop_map(Call::Advance),
    ]
}

/// What the accepted calls promise.
#[derive(Debug, Default)]
struct Promised {
    messages: Vec<Vec<u8>>,
    /// Of the open message, as far as it was accepted.
    open: Option<Vec<u8>>,
    pings: Vec<Vec<u8>>,
    answers: Vec<u8>,
    close: Option<Vec<u8>>,
}

impl Promised {
    /// Makes the call, and checks that a refusal gives the value back and changes nothing.
    fn call(&mut self, outbound: &mut Outbound, call: Call, now: Instant) {
        let before = look(outbound);
        let accepted = match call {
            Call::Feed(message) => match outbound.feed(message.clone(), Compress::Auto) {
                Ok(()) => self.message(&message),
                Err(error) => refused(&error.value, &message),
            },
            Call::Prepared(message) => match outbound.feed_prepared(&Prepared::new(message.clone())) {
                Ok(()) => self.message(&message),
                Err(_) => false,
            },
            Call::Begin(kind) => match outbound.begin_message(kind, Compress::Auto) {
                Ok(()) => self.open.replace(vec![]).is_none(),
                Err(_) => false,
            },
            Call::Piece(piece) => match outbound.feed_piece(piece.clone()) {
                Ok(()) => self.piece(&piece),
                Err(error) => refused(&error.value, &piece),
            },
            Call::Ping(len) => match outbound.ping(noise(len).into(), now) {
                Ok(()) => self.ping(len),
                Err(error) => refused(&error.value, &noise(len).into()),
            },
            Call::Close(code) => self.close(outbound, code),
            Call::Answer(n) => return self.answer(outbound, n),
            Call::Advance(_) => true,
        };
        assert!(accepted || look(outbound) == before, "a refusal leaves no trace");
    }

    fn message(&mut self, message: &Message) -> bool {
        self.messages.push(message.as_bytes().to_vec());
        true
    }

    fn piece(&mut self, piece: &MessagePiece) -> bool {
        let open = self.open.as_mut().expect("an open message");
        open.extend_from_slice(&piece.payload);
        if piece.last {
            self.messages.extend(self.open.take());
        }
        true
    }

    fn ping(&mut self, len: usize) -> bool {
        self.pings.push(noise(len));
        true
    }

    fn answer(&mut self, outbound: &mut Outbound, n: u8) {
        if !outbound.is_closed() {
            self.answers.push(n);
        }
        outbound.handle_control(&Control::Ping(vec![n].into()));
    }

    fn close(&mut self, outbound: &mut Outbound, code: u16) -> bool {
        let frame = CloseFrame::new(CloseCode::new(code), "bye");
        match outbound.close(frame.clone()) {
            Ok(()) => {
                self.open = None;
                self.close = Some(if code == 1005 { vec![] } else { close_body(code, "bye") });
                true
            }
            Err(error) => refused(&error.value, &frame),
        }
    }

    /// Compares with the frames that left.
    fn compare(&self, frames: &[(u8, Vec<u8>)], superseded: u64) {
        assert_eq!(joined(frames), self.messages);
        let of = |opcode: u8| {
            frames.iter().filter(move |(first, _)| *first == opcode).map(|(_, body)| body.clone())
        };
        assert_eq!(of(PING).collect::<Vec<_>>(), self.pings);
        assert_eq!(of(CLOSE).collect::<Vec<_>>(), Vec::from_iter(self.close.clone()));
        assert!(
            self.close.is_none() || frames.last().unwrap().0 == CLOSE,
            "nothing leaves after the Close frame"
        );
        let pongs: Vec<u8> = of(PONG).map(|payload| payload[0]).collect();
        assert_eq!(pongs.len() as u64 + superseded, self.answers.len() as u64);
        let mut answers = self.answers.iter();
        assert!(pongs.iter().all(|pong| answers.any(|answer| answer == pong)), "in the order of the pings");
    }
}

fn refused<T: PartialEq + std::fmt::Debug>(back: &T, given: &T) -> bool {
    assert_eq!(back, given, "a refused value comes back unchanged");
    false
}

/// The whole messages among `frames`; one that is aborted is left out.
fn joined(frames: &[(u8, Vec<u8>)]) -> Vec<Vec<u8>> {
    let (mut messages, mut open): (Vec<Vec<u8>>, Option<Vec<u8>>) = (vec![], None);
    for (first, payload) in frames.iter().filter(|(first, _)| first & 0x08 == 0) {
        assert_eq!(first & 0x7f == CONTINUES, open.is_some(), "RFC 6455 5.4");
        let message = [open.take().unwrap_or_default(), payload.clone()].concat();
        if first & 0x80 == 0 {
            open = Some(message);
        } else {
            messages.push(message);
        }
    }
    messages
}

/// A write of at most `most` bytes.
fn write(outbound: &mut Outbound, most: usize) -> Vec<u8> {
    let mut bytes = pending(outbound);
    let rest = bytes.split_off(most.min(bytes.len()));
    outbound.advance(bytes.len());
    assert_eq!(pending(outbound), rest);
    bytes
}

proptest! {
    #[test]
    fn i6_calls_are_all_or_nothing_wherever_a_write_stops(
        calls in prop::collection::vec(call(), 0..60),
        role in prop::sample::select(vec![Role::Client, Role::Server]),
    ) {
        let mut end = End::new(role, Limits { max_queued: 3000, ..Limits::default() });
        let outbound = &mut end.connection.outbound;
        let (mut promised, mut output) = (Promised::default(), vec![]);
        for call in calls {
            if let Call::Advance(most) = call {
                output.extend(write(outbound, most));
            }
            promised.call(outbound, call, end.now);
        }
        while outbound.has_remaining() {
            output.extend(write(outbound, 7777));
        }
        prop_assert_eq!(outbound.traffic().bytes, output.len() as u64);
        let frames = frames(role, &output);
        prop_assert_eq!(outbound.traffic().frames, frames.len() as u64);
        promised.compare(&frames, outbound.superseded_pongs());
    }
}

#[test]
fn control_frames_leave_between_frames_as_soon_as_they_can() {
    let mut end = End::server();
    end.feeds("first").unwrap();
    let mut output = write(&mut end.connection.outbound, 3);
    end.reads_frame(PING, b"early");
    output.extend(write(&mut end.connection.outbound, 2));
    end.feeds("second").unwrap();
    output.extend(end.writes());
    let of = |text: &str| text.as_bytes().to_vec();
    assert_eq!(
        frames(Role::Server, &output),
        [(TEXT, of("first")), (PONG, of("early")), (TEXT, of("second"))]
    );
}

/// Not before the queue is written to its last byte do the pongs take their place.
#[test]
fn pongs_are_superseded_until_the_first_of_them_is_on_its_way() {
    for (written, superseded) in [(7, 1), (8, 0)] {
        let mut end = End::server();
        end.feeds("first").unwrap();
        (0..16).for_each(|_| drop(end.reads_frame(PING, b"x")));
        end.connection.outbound.advance(written);
        end.reads_frame(PING, b"y");
        assert_eq!(end.connection.outbound.superseded_pongs(), superseded, "{written} bytes written");
    }
}

#[test]
fn figures_count_what_leaves() {
    let mut end = End::server();
    end.feeds(noise(100)).unwrap();
    end.connection.outbound.pong("x".into()).unwrap();
    end.feeds("").unwrap();
    assert_eq!(end.connection.outbound.high_water(), 102 + 3 + 2);
    end.connection.outbound.advance(50);
    end.feeds("").unwrap();
    assert_eq!(end.connection.outbound.high_water(), 107);
    assert_eq!(end.connection.stats().sent, Traffic { bytes: 50, frames: 4, wire: 0, plain: 0 });
    assert_eq!(end.connection.stats().queue_high_water, 107);
    assert_eq!(format!("{:?}", end.connection.outbound), "Outbound { phase: Open, queued: 59, .. }");
}

#[test]
fn a_client_masks_with_a_fresh_key_each_frame() {
    let mut end = End::client();
    end.feeds("same").unwrap();
    end.feeds("same").unwrap();
    let bytes = end.writes();
    let (one, two) = bytes.split_at(10);
    assert_eq!((one[0], one[1]), (TEXT, 0x84));
    assert_ne!(one[2..6], two[2..6], "RFC 6455 5.3");
    assert_ne!(one[6..], *b"same");
    assert_eq!(frames(Role::Client, &bytes), vec![(TEXT, b"same".to_vec()); 2]);
}

/// A failed write drops what waits and takes nothing more.
#[test]
fn after_a_transport_error_nothing_is_accepted() {
    let mut end = End::server();
    end.feeds("lost").unwrap();
    end.connection.outbound.begin_message(Kind::Text, Compress::Auto).unwrap();
    end.connection.outbound.handle_blocked(end.now);
    end.connection.outbound.handle_transport_error();
    assert_eq!(end.connection.outbound.poll_timeout(), None);
    assert_eq!(end.connection.outbound.open_message(), None);
    assert_eq!(end.retained(), 0);
    assert!(end.connection.outbound.is_closed());
    assert_eq!(end.feeds("refused").unwrap_err().reason, Refusal::Closed);
    end.connection.outbound.handle_control(&Control::SendPong);
    assert!(!end.connection.outbound.has_remaining());
}

#[test]
fn refusals_say_the_way_out() {
    let says = |reason| SendError { value: (), reason }.to_string();
    assert_eq!(says(Refusal::Full), "the queue is full (max_queued): flush, then try again");
    for (reason, word) in [
        (Refusal::Closed, "clos"),
        (Refusal::MessageOpen, "finish it"),
        (Refusal::NoMessageOpen, "begin one"),
        (Refusal::InvalidUtf8, "UTF-8"),
        (Refusal::ControlTooLong, "125"),
        (Refusal::CloseCode, "3000-4999"),
    ] {
        assert!(says(reason).contains(word));
    }
}

#[test]
fn a_buffer_is_lent_and_comes_back_when_all_is_written() {
    let mut outbound = End::server().connection.outbound;
    assert!(outbound.reclaim_buffer().is_none(), "there is none");
    outbound.lend_buffer(WriteBuffer::default());
    outbound.feed(Message::text("x".repeat(1000)), Compress::Auto).unwrap();
    assert!(outbound.reclaim_buffer().is_none(), "something waits");
    outbound.pong(Payload::new()).unwrap();
    outbound.advance(outbound.remaining() - 1);
    assert!(outbound.reclaim_buffer().is_none(), "something waits still");
    outbound.advance(1);
    let buffer = outbound.reclaim_buffer().unwrap();
    assert!(buffer.capacity() >= 1000);
    assert_eq!(outbound.retained(), 0);

    // The next one to be lent is not taken while there is one, and it is empty whatever was in it.
    outbound.lend_buffer(buffer);
    outbound.lend_buffer(WriteBuffer::default());
    assert!(!outbound.has_remaining());
    assert!(outbound.reclaim_buffer().unwrap().capacity() >= 1000);
}

#[test]
fn a_message_that_was_asked_for_may_pass_the_limit_once() {
    let mut outbound =
        End::new(Role::Server, Limits { max_queued: 100, ..Limits::default() }).connection.outbound;
    outbound.feed_over(Message::binary(vec![1; 90]), Compress::Auto).unwrap();
    assert!(!outbound.is_full());
    assert_eq!(
        outbound.feed(Message::binary(vec![1; 90]), Compress::Auto).unwrap_err().reason,
        Refusal::Full
    );
    outbound.feed_over(Message::binary(vec![1; 90]), Compress::Auto).unwrap();
    assert!(outbound.is_full());
    outbound.begin_message(Kind::Binary, Compress::Auto).unwrap_err();
    outbound.advance(outbound.remaining());
    outbound.begin_message(Kind::Binary, Compress::Auto).unwrap();
    let refused = outbound.feed_over("x".into(), Compress::Auto).unwrap_err();
    assert_eq!((refused.value, refused.reason), ("x".into(), Refusal::MessageOpen));
    outbound.close(CloseFrame::EMPTY).unwrap();
    assert_eq!(outbound.feed_over("x".into(), Compress::Auto).unwrap_err().reason, Refusal::Closed);
}
