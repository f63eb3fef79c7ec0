//! The chain of extensions, both ways.

use super::toy::{Op, made, toy};
use super::*;
use crate::Prepared;
use crate::extension::Rsv;

/// RSV2 in the first byte of a frame.
const BIT: u8 = 0x20;

fn limits(max_message: usize) -> Limits {
    Limits { max_message, ..Limits::default() }
}

fn extended(role: Role, op: Op) -> End {
    End::with_codecs(role, Limits::default(), vec![toy(Rsv::RSV2, op)])
}

fn messages(texts: &[&str]) -> Vec<Event> {
    texts.iter().map(|text| Event::Message((*text).into())).collect()
}

#[test]
fn a_whole_message_is_transformed_and_back() {
    for role in [Role::Client, Role::Server] {
        let mut from = extended(role, Op::Double);
        from.feeds("hello").unwrap();
        let bytes = from.writes();
        assert_eq!(frames(role, &bytes), [(TEXT | BIT, b"hheelllloo".to_vec())]);
        let mut to = extended(if role == Role::Client { Role::Server } else { Role::Client }, Op::Double);
        assert_eq!(to.reads(&bytes), messages(&["hello"]));
        assert_eq!(from.connection.stats().sent.wire, 10);
        assert_eq!(from.connection.stats().sent.plain, 5);
        assert_eq!(to.connection.stats().received.wire, 10);
        assert_eq!(to.connection.stats().received.plain, 5);
        assert_eq!(to.connection.stats().received.compression_ratio(), Some(0.5));
        assert_eq!(to.connection.stats().sent.compression_ratio(), None);
    }
}

#[test]
fn a_message_that_the_extension_declines_leaves_as_it_is() {
    let mut from = extended(Role::Server, Op::Double);
    from.connection.outbound.feed("plain".into(), Compress::Never).unwrap();
    from.feeds("").unwrap();
    let bytes = from.writes();
    assert_eq!(frames(Role::Server, &bytes), [(TEXT, b"plain".to_vec()), (TEXT | BIT, vec![])]);
    let mut to = extended(Role::Client, Op::Double);
    assert_eq!(to.reads(&bytes), messages(&["plain", ""]));
    assert_eq!(from.connection.stats().sent.plain, 0);
    assert_eq!(to.connection.stats().received.plain, 0);
}

#[test]
fn a_message_in_pieces_has_the_bit_on_its_first_frame_only() {
    let mut from = extended(Role::Server, Op::Double);
    let outbound = &mut from.connection.outbound;
    outbound.begin_message(Kind::Text, Compress::Auto).unwrap();
    outbound.feed_piece(piece(Kind::Text, b"he", INNER)).unwrap();
    outbound.feed_piece(piece(Kind::Text, b"llo", LAST)).unwrap();
    outbound.begin_message(Kind::Text, Compress::Never).unwrap();
    outbound.feed_piece(piece(Kind::Text, b"pl", INNER)).unwrap();
    outbound.feed_piece(piece(Kind::Text, b"ain", LAST)).unwrap();
    let bytes = from.writes();
    let sent = [
        (TEXT_BEGINS | BIT, b"hhee".to_vec()),
        (CONTINUATION, b"lllloo".to_vec()),
        (TEXT_BEGINS, b"pl".to_vec()),
        (CONTINUATION, b"ain".to_vec()),
    ];
    assert_eq!(frames(Role::Server, &bytes), sent);
    let stats = from.connection.stats().sent;
    assert_eq!((stats.wire, stats.plain), (10, 5));
    let mut to = extended(Role::Client, Op::Double);
    assert_eq!(to.reads(&bytes), messages(&["hello", "plain"]));
    assert_eq!(to.connection.stats().received.wire, 10);
}

#[test]
fn a_streamed_message_is_given_back_as_it_comes_and_checked_in_its_plain_form() {
    let mut end = extended(Role::Server, Op::Double);
    end.connection.inbound.set_delivery(Delivery::Pieces);
    let bytes = frame(Role::Server, TEXT | BIT, &made(Op::Double, "a€".as_bytes()));
    let events: Vec<Event> = bytes.iter().flat_map(|byte| end.reads(&[*byte])).collect();
    let mut joined = vec![];
    for (n, event) in events.iter().enumerate() {
        let Event::Piece(piece) = event else { panic!("{event:?}") };
        assert_eq!((piece.kind, piece.first, piece.last), (Kind::Text, n == 0, n == events.len() - 1));
        joined.extend_from_slice(&piece.payload);
    }
    assert_eq!(joined, "a€".as_bytes());
    assert_eq!(fail_code(&end.reads_frame(TEXT | BIT, &made(Op::Double, b"\xff"))), 1007);
}

#[test]
fn text_is_checked_in_its_plain_form() {
    // What XOR makes of "*" has the highest bit; of 0xaa, it has not.
    let mut end = extended(Role::Server, Op::Xor);
    assert_eq!(end.reads_frame(TEXT | BIT, &made(Op::Xor, "é".as_bytes())), messages(&["é"]));
    end.reads_frame(TEXT_BEGINS | BIT, &made(Op::Xor, "é".as_bytes())[..1]);
    assert_eq!(end.reads_frame(CONTINUATION, &made(Op::Xor, "é".as_bytes())[1..]), messages(&["é"]));
    assert_eq!(fail_code(&end.reads_frame(TEXT | BIT, b"text on the wire \xff")), 1007);

    let mut end = extended(Role::Server, Op::Xor);
    end.reads_frame(TEXT_BEGINS | BIT, b"\xaa");
    assert_eq!(fail_code(&end.reads_frame(CONTINUATION, b"")), 1007);
}

#[test]
fn a_large_transformed_message_read_directly_is_unmasked_and_given_back() {
    let plain = noise(100_000);
    let bytes = frame(Role::Server, BINARY | BIT, &made(Op::Double, &plain));
    let mut end = extended(Role::Server, Op::Double);
    end.reads(&bytes[..40_000]);
    let len = {
        let mut room = end.connection.inbound.direct().unwrap();
        let len = room.remaining_mut();
        room.put_slice(&bytes[40_000..40_000 + len]);
        len
    };
    end.connection.handle_read(len, end.now);
    assert_eq!(end.polls(), []);
    assert_eq!(end.reads(&bytes[40_000 + len..]), [Event::Message(plain.into())]);
}

#[test]
fn bits_that_no_extension_owns_are_refused() {
    for bit in [0x40, 0x10] {
        assert_eq!(fail_code(&extended(Role::Server, Op::Xor).reads_frame(TEXT | bit, b"")), 1002);
    }
    let mut end = extended(Role::Server, Op::Xor);
    assert_eq!(fail_code(&end.reads_frame(PING | BIT, b"")), 1002);
    let mut end = extended(Role::Server, Op::Xor);
    end.reads_frame(TEXT_BEGINS | BIT, b"");
    assert_eq!(fail_code(&end.reads_frame(CONTINUATION | BIT, b"")), 1002);
}

/// An owner of two bits that knows what to do with one of them only.
#[test]
fn bits_that_their_owner_does_not_claim_are_refused() {
    let mut codec = toy(Rsv::RSV2, Op::Xor);
    codec.rsv = Rsv::RSV2.union(Rsv::RSV3);
    let mut end = End::with_codecs(Role::Server, Limits::default(), vec![codec]);
    assert_eq!(end.reads_frame(BINARY, b"").len(), 1);
    assert_eq!(end.reads_frame(BINARY | BIT, b"").len(), 1);
    assert_eq!(fail_code(&end.reads_frame(BINARY | 0x10, b"")), 1002);
    assert_eq!(fails(&mut end).1, Cause::Protocol(ProtocolError::ReservedBits));
}

/// RFC 6455 9.1: the first one negotiated is the first one applied, and the last one undone.
#[test]
fn two_extensions_are_applied_in_their_order_and_undone_in_reverse() {
    let pair = |role| {
        let codecs = vec![toy(Rsv::RSV2, Op::Xor), toy(Rsv::RSV1, Op::Increment)];
        End::with_codecs(role, Limits::default(), codecs)
    };
    let (mut from, mut to) = (pair(Role::Server), pair(Role::Client));
    let expected = made(Op::Increment, &made(Op::Xor, b"order"));
    assert_ne!(expected, made(Op::Xor, &made(Op::Increment, b"order")));
    from.feeds("order").unwrap();
    from.connection.outbound.begin_message(Kind::Text, Compress::Auto).unwrap();
    from.connection.outbound.feed_piece(piece(Kind::Text, b"or", INNER)).unwrap();
    from.connection.outbound.feed_piece(piece(Kind::Text, b"der", LAST)).unwrap();
    from.connection.outbound.feed_prepared(&"order".into()).unwrap();
    let bytes = from.writes();
    let sent = [
        (TEXT | 0x60, expected.clone()),
        (TEXT_BEGINS | 0x60, expected[..2].to_vec()),
        (CONTINUATION, expected[2..].to_vec()),
        (TEXT | 0x60, expected.clone()),
    ];
    assert_eq!(frames(Role::Server, &bytes), sent);
    assert_eq!(to.reads(&bytes), messages(&["order", "order", "order"]));
    let only_first = frame(Role::Client, TEXT | BIT, &made(Op::Xor, b"one"));
    assert_eq!(to.reads(&only_first), messages(&["one"]), "the second one passes by");
}

#[test]
fn a_prepared_message_is_transformed_once_for_all() {
    let prepared = Prepared::new("shared");
    let mut chunks = vec![];
    for _ in 0..2 {
        let mut end = extended(Role::Server, Op::Double);
        end.connection.outbound.feed_prepared(&prepared).unwrap();
        assert_eq!(end.connection.stats().sent.wire, 12);
        assert_eq!(end.connection.stats().sent.plain, 6);
        chunks.push(end.writes());
    }
    assert_eq!(frames(Role::Server, &chunks[0]), [(TEXT | BIT, made(Op::Double, b"shared"))]);
    assert_eq!(chunks[0], chunks[1]);
    let mut made_again = false;
    prepared.transformed(Op::Double as u64, |_| {
        made_again = true;
        None
    });
    assert!(!made_again);
}

#[test]
fn the_plain_form_meets_the_limit_exactly() {
    for (max_message, fits) in [(100, true), (99, false)] {
        let end = || End::with_codecs(Role::Server, limits(max_message), vec![toy(Rsv::RSV2, Op::Xor)]);
        let plain = noise(100);
        let transformed = made(Op::Xor, &plain);
        let begins = frame(Role::Server, BINARY_BEGINS | BIT, &transformed);
        let whole = frame(Role::Server, BINARY | BIT, &transformed);
        let mut at_once = end();
        let events = at_once.reads(&whole);
        let mut in_parts = end();
        in_parts.reads(&begins);
        let joined = in_parts.reads_frame(CONTINUATION, b"");
        if fits {
            assert_eq!(events, [Event::Message(plain.into())]);
            assert_eq!(joined, events);
        } else {
            assert_eq!((fail_code(&events), fail_code(&joined)), (1009, 1009));
            assert_eq!(fails(&mut at_once).1, Cause::Protocol(ProtocolError::MessageTooBig(99)));
        }
    }
}

/// What cannot be compressed grows a little, so the wire may carry more than the limit: a thousandth and 64 bytes.
#[test]
fn the_transformed_form_may_be_a_little_longer_than_the_limit() {
    for (excess, refused) in [(4 + 64, false), (4 + 65, true)] {
        let mut end = End::with_codecs(Role::Server, limits(4096), vec![toy(Rsv::RSV2, Op::Double)]);
        let header = header(Role::Server, BINARY | BIT, 4096 + excess);
        assert_eq!(!end.reads(&header).is_empty(), refused);
    }
    let mut end = End::with_codecs(Role::Server, limits(4096), vec![toy(Rsv::RSV2, Op::Double)]);
    assert_eq!(end.reads(&header(Role::Server, BINARY, 4097)).len(), 1, "not a plain message");
    let mut end = End::with_codecs(Role::Server, limits(usize::MAX), vec![toy(Rsv::RSV2, Op::Double)]);
    assert_eq!(end.reads(&header(Role::Server, BINARY | BIT, 1 << 62)), []);
}

#[test]
fn bytes_that_the_extension_cannot_undo_are_a_fault() {
    let mut end = extended(Role::Server, Op::Double);
    assert_eq!(fail_code(&end.reads_frame(BINARY | BIT, b"ab")), 1007);
    assert_eq!(fails(&mut end).1, Cause::Protocol(ProtocolError::ExtensionData));
    let mut end = extended(Role::Server, Op::Double);
    assert_eq!(fail_code(&end.reads_frame(BINARY | BIT, b"aab")), 1007, "ends inside a pair");
    let mut end = extended(Role::Server, Op::Double);
    end.connection.inbound.set_delivery(Delivery::Pieces);
    end.reads_frame(BINARY_BEGINS | BIT, b"aab");
    assert_eq!(fail_code(&end.reads_frame(CONTINUES, b"c")), 1007);
}

/// Only so many transformed bytes are looked at in one step that their plain form stays bounded; a control frame
/// between them is whole all the same.
#[test]
fn streamed_pieces_of_transformed_messages_are_small() {
    for (max_message, window) in [(1 << 20, 953), (20 << 10, 18), (1 << 10, 1), (1 << 30, 4096)] {
        let mut end = End::with_codecs(Role::Server, limits(max_message), vec![toy(Rsv::RSV2, Op::Xor)]);
        end.connection.inbound.set_delivery(Delivery::Pieces);
        let begins = frame(Role::Server, BINARY_BEGINS | BIT, &noise(10_000));
        let events = end.reads(&[begins, frame(Role::Server, PING, &[7; 125])].concat());
        let lens: Vec<usize> = events
            .iter()
            .filter_map(
                |event| if let Event::Piece(piece) = event { Some(piece.payload.len()) } else { None },
            )
            .collect();
        assert_eq!(lens[0], window);
        assert_eq!((lens.len(), lens.iter().sum()), (10_000usize.div_ceil(window), 10_000));
        assert_eq!(events.last(), Some(&Event::Control(Control::Ping([7; 125].to_vec().into()))));
    }
    let mut plain = extended(Role::Server, Op::Xor);
    plain.connection.inbound.set_delivery(Delivery::Pieces);
    assert_eq!(plain.reads_frame(BINARY, &noise(10_000)).len(), 1, "not transformed: as it comes");
}

#[test]
fn a_streamed_message_may_inflate_as_much_as_deflate_can() {
    let mut end = End::with_codecs(Role::Server, limits(128 * 1100), vec![toy(Rsv::RSV2, Op::Run)]);
    end.connection.inbound.set_delivery(Delivery::Pieces);
    let events = end.reads_frame(BINARY | BIT, &noise(256));
    assert_eq!(events.len(), 2);
    for (event, noise) in events.iter().zip(noise(256).chunks(128)) {
        let Event::Piece(piece) = event else { panic!("{event:?}") };
        assert_eq!(piece.payload.len(), 128 * toy::RUN);
        assert_eq!(made(Op::Run, &piece.payload), noise);
    }
    end.connection.inbound.set_delivery(Delivery::Whole);
    assert_eq!(fail_code(&end.reads_frame(BINARY | BIT, &noise(256))), 1009, "not whole");
}

/// A refused message has not touched the extension's state, and figures count nothing.
#[test]
fn a_refused_message_is_not_transformed() {
    let mut end = extended(Role::Server, Op::Double);
    end.connection.outbound.begin_message(Kind::Text, Compress::Auto).unwrap();
    end.feeds("refused").unwrap_err();
    end.connection.outbound.feed_prepared(&"refused".into()).unwrap_err();
    end.connection.outbound.feed_piece(piece(Kind::Text, b"\xff", INNER)).unwrap_err();
    assert_eq!(end.connection.stats().sent.wire, 0);
}
