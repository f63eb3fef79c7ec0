//! I4: any re-chunking of the same bytes yields the same events and the same output.

use super::arrival::{Stream, TOY, cut, stream};
use super::*;
use proptest::prelude::*;

/// What a connection has told and written.
#[derive(Debug, Default, PartialEq)]
struct Transcript {
    events: Vec<Event>,
    output: Vec<u8>,
    /// The streamed message in progress.
    open: Option<MessagePiece>,
}

impl Transcript {
    /// Pieces of a streamed message are joined; what it is told at is its last piece.
    fn push(&mut self, event: Event) {
        let Event::Piece(piece) = event else { return self.events.push(event) };
        let whole = match self.open.take() {
            None => {
                assert!(piece.first, "a message begins with its first piece");
                piece
            }
            Some(open) => {
                assert!(!piece.first && piece.kind == open.kind, "one message at a time");
                let payload = [open.payload.as_slice(), &piece.payload].concat().into();
                MessagePiece { payload, first: true, ..piece }
            }
        };
        if whole.last {
            self.events.push(Event::Piece(whole));
        } else {
            self.open = Some(whole);
        }
    }

    fn is_faulty(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Control(Control::Fail(_))))
    }
}

fn end(role: Role, delivery: Delivery) -> End {
    let limits = Limits { max_message: 150_000, ..Limits::default() };
    let mut end = End::with_codecs(role, limits, vec![toy::toy(TOY.0, TOY.1)]);
    end.connection.inbound.set_delivery(delivery);
    end
}

/// Polls, and writes after each event, so that no pong waits long enough to be superseded.
fn poll(end: &mut End, transcript: &mut Transcript, way: Way) {
    while let Some(event) = next(end, way) {
        transcript.push(event);
        transcript.output.extend(end.writes());
    }
}

fn next(end: &mut End, way: Way) -> Option<Event> {
    if way == Way::Short
        && let Some((message, used)) = end.connection.inbound.poll_message(&end.input)
    {
        end.input.advance(used);
        return Some(Event::Message(message));
    }
    end.connection.poll_event(&mut end.input, end.now)
}

/// How a chunk is brought.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    /// In the lent buffer.
    Lent,
    /// In the lent buffer, where short messages are looked for first.
    Short,
    /// Straight into the message, where the connection lends room in it.
    Direct,
}

fn bring(end: &mut End, chunk: &[u8], way: Way) -> usize {
    let wanted = way == Way::Direct && end.input.is_empty();
    if let Some(mut room) = end.connection.inbound.direct().filter(|_| wanted) {
        let len = room.remaining_mut().min(chunk.len());
        room.put_slice(&chunk[..len]);
        return len;
    }
    end.input.extend_from_slice(chunk);
    chunk.len()
}

/// How many bytes came directly, beside the transcript.
fn run(mut end: End, chunks: &[&[u8]], ways: &[Way]) -> (Transcript, usize) {
    let mut transcript = Transcript::default();
    let mut direct = 0;
    for (n, chunk) in chunks.iter().enumerate() {
        let mut rest = *chunk;
        while !rest.is_empty() {
            let before = end.input.len();
            let way = ways[n % ways.len()];
            let len = bring(&mut end, rest, way);
            direct += if end.input.len() == before { len } else { 0 };
            end.connection.handle_read(len, end.now);
            poll(&mut end, &mut transcript, way);
            rest = &rest[len..];
        }
    }
    end.connection.handle_eof();
    poll(&mut end, &mut transcript, Way::Lent);
    (transcript, direct)
}

fn compare(
    role: Role,
    delivery: Delivery,
    stream: &Stream,
    how: (Vec<u16>, &[Way]),
) -> Result<(), TestCaseError> {
    let bytes = stream.bytes(role);
    let (mut once, _) = run(end(role, delivery), &[&bytes], &[Way::Lent]);
    let (mut cut, _) = run(end(role, delivery), &cut(&bytes, how.0), how.1);
    if once.is_faulty() {
        // How much is told of a message that breaks off with a fault depends on how it came.
        (once.open, cut.open) = (None, None);
    }
    prop_assert_eq!(once, cut);
    Ok(())
}

fn chunking() -> impl Strategy<Value = (Vec<u16>, Vec<Way>)> {
    (
        prop::collection::vec(any::<u16>(), 0..12),
        prop::collection::vec(prop::sample::select(vec![Way::Lent, Way::Short, Way::Direct]), 1..4),
    )
}

proptest! {
    #[test]
    fn i4_rechunked_whole_messages_are_the_same(
        stream in stream(),
        (cuts, ways) in chunking(),
        role in prop::sample::select(vec![Role::Client, Role::Server]),
    ) {
        compare(role, Delivery::Whole, &stream, (cuts, &ways))?;
    }

    #[test]
    fn i4_rechunked_pieces_are_the_same(
        stream in stream(),
        (cuts, ways) in chunking(),
        role in prop::sample::select(vec![Role::Client, Role::Server]),
    ) {
        compare(role, Delivery::Pieces, &stream, (cuts, &ways))?;
    }
}

proptest! {
    /// Without extensions most messages have a short way.
    #[test]
    fn i4_short_messages_are_the_same_however_they_are_looked_for(
        stream in stream(),
        (cuts, ways) in chunking(),
        role in prop::sample::select(vec![Role::Client, Role::Server]),
    ) {
        let plain = || End::new(role, Limits { max_message: 150_000, ..Limits::default() });
        let bytes = stream.bytes(role);
        let (once, _) = run(plain(), &[&bytes], &[Way::Lent]);
        let (cut, _) = run(plain(), &cut(&bytes, cuts), &ways);
        prop_assert_eq!(once, cut);
    }
}

/// Every cut of a short stream that has everything in it.
#[test]
fn i4_every_single_cut_of_a_dialogue() {
    let frames: [(u8, &[u8]); 9] = [
        (TEXT, "größer".as_bytes()),
        (TEXT_BEGINS, &"€".as_bytes()[..1]),
        (PING, b"between"),
        (CONTINUATION, &"€".as_bytes()[1..]),
        (BINARY | TOY.2, b"ddoouubbllee"),
        (BINARY_BEGINS, &[7; 200]),
        (CONTINUES, b""),
        (CONTINUATION, b"end"),
        (CLOSE, b"\x03\xe8bye"),
    ];
    let bytes: Vec<u8> =
        frames.iter().flat_map(|(first, payload)| frame(Role::Server, *first, payload)).collect();
    for delivery in [Delivery::Whole, Delivery::Pieces] {
        let (once, _) = run(end(Role::Server, delivery), &[&bytes], &[Way::Lent]);
        assert_eq!(once.events.len(), 7);
        for at in 0..bytes.len() {
            let (cut, _) = run(end(Role::Server, delivery), &[&bytes[..at], &bytes[at..]], &[Way::Lent]);
            assert_eq!(once, cut, "cut at {at}");
        }
    }
}

/// Without extensions a message that is whole is taken in one step; in two chunks it is taken in many.
#[test]
fn i4_messages_taken_in_one_step_are_the_same() {
    let plain = |role| End::with_codecs(role, Limits { max_message: 70_000, ..Limits::default() }, vec![]);
    let behind = |role| [frame(role, PING, b"between"), frame(role, TEXT, b"behind")].concat();
    for role in [Role::Client, Role::Server] {
        for len in [0, 1, 22, 23, 24, 63, 64, 125, 126, 127, 8_191, 8_192, 65_535, 65_536, 70_000, 70_001] {
            for (first, payload) in [(BINARY, noise(len)), (TEXT, vec![b'x'; len]), (TEXT, noise(len))] {
                for end in [vec![], behind(role)] {
                    let bytes = [frame(role, first, &payload), end].concat();
                    let (once, _) = run(plain(role), &[&bytes], &[Way::Lent]);
                    let (short, _) = run(plain(role), &[&bytes], &[Way::Short]);
                    assert_eq!(once, short, "{role:?} {first:#x} of {len} bytes, looked for");
                    for at in [1, 2, 3, bytes.len() / 2, bytes.len() - 1].map(|at| at.min(bytes.len())) {
                        let (cut, _) = run(plain(role), &[&bytes[..at], &bytes[at..]], &[Way::Lent]);
                        assert_eq!(once, cut, "{role:?} {first:#x} of {len} bytes, cut at {at}");
                    }
                }
            }
        }
    }
}

/// A header that is wrong is wrong in one step, too.
#[test]
fn i4_faults_in_a_header_are_the_same() {
    let not_minimal = [0x82, 0xfe, 0, 125].into_iter().chain([0; 4 + 125]).collect::<Vec<u8>>();
    let unmasked = frame(Role::Client, TEXT, b"unmasked");
    for bytes in [not_minimal, unmasked, frame(Role::Server, CONTINUATION, b"of nothing")] {
        let (once, _) = run(End::server(), &[&bytes], &[Way::Short]);
        assert!(once.is_faulty());
        for at in 1..bytes.len() {
            let (cut, _) = run(End::server(), &[&bytes[..at], &bytes[at..]], &[Way::Lent]);
            assert_eq!(once, cut, "cut at {at}");
        }
    }
}

#[test]
fn i4_a_long_message_read_directly_is_the_same() {
    for role in [Role::Client, Role::Server] {
        let message = frame(role, BINARY, &noise(140_000));
        let (once, _) = run(end(role, Delivery::Whole), &[&message], &[Way::Lent]);
        let chunks: Vec<&[u8]> = message.chunks(10_001).collect();
        let (cut, direct) = run(end(role, Delivery::Whole), &chunks, &[Way::Direct]);
        assert_eq!(once, cut);
        assert!(direct > 70_000, "only {direct} bytes came directly");
    }
}

/// A driver that reads past the message in the same call brings the rest in the lent buffer.
#[test]
fn bytes_behind_the_direct_ones_are_parsed_in_the_same_poll() {
    let bytes = [frame(Role::Client, BINARY, &noise(100_000)), frame(Role::Client, TEXT, b"next")].concat();
    let mut end = End::client();
    assert_eq!(end.reads(&bytes[..60_000]), []);
    let len = end.connection.inbound.direct().map_or(0, |mut room| {
        let len = room.remaining_mut();
        room.put_slice(&bytes[60_000..60_000 + len]);
        len
    });
    assert_eq!(len, 10 + 100_000 - 60_000);
    end.input.extend_from_slice(&bytes[60_000 + len..]);
    end.connection.handle_read(bytes.len() - 60_000, end.now);
    assert_eq!(end.polls(), [Event::Message(noise(100_000).into()), Event::Message("next".into())]);
}

/// Bad text before bytes that the extension cannot undo: the first fault is told, not the one that is found first.
#[test]
fn i4_the_first_of_two_faults_is_told() {
    let bytes = frame(Role::Server, TEXT | TOY.2, b"aa\xff\xffbc");
    for at in 0..=bytes.len() {
        let (told, _) = run(end(Role::Server, Delivery::Pieces), &[&bytes[..at], &bytes[at..]], &[Way::Lent]);
        let Some(Event::Closed(closed)) = told.events.last() else { panic!() };
        assert_eq!(closed.cause, Cause::Protocol(ProtocolError::InvalidUtf8), "cut at {at}");
    }
}
