//! Messages that arrive and leave in pieces.

use super::*;

fn told(kind: Kind, payload: &[u8], borders: Borders) -> Vec<Event> {
    vec![Event::Piece(piece(kind, payload, borders))]
}

/// A piece to send, whose kind is not looked at.
fn part(payload: &[u8], borders: Borders) -> MessagePiece {
    piece(Kind::Binary, payload, borders)
}

fn streaming() -> End {
    let mut end = End::server();
    end.connection.inbound.set_delivery(Delivery::Pieces);
    end
}

#[test]
fn a_message_arrives_as_it_comes() {
    let mut end = streaming();
    let begins = frame(Role::Server, TEXT_BEGINS, b"abcd");
    assert_eq!(end.reads(&begins[..8]), told(Kind::Text, b"ab", FIRST));
    assert_eq!(end.reads(&begins[8..]), told(Kind::Text, b"cd", INNER));
    assert_eq!(end.reads_frame(CONTINUATION, b"e"), told(Kind::Text, b"e", LAST));
    assert_eq!(end.reads_frame(BINARY, b"next"), told(Kind::Binary, b"next", ALL));
    assert_eq!(end.retained(), 0);
}

#[test]
fn empty_pieces_are_told_only_at_the_borders_of_a_message() {
    let mut end = streaming();
    assert_eq!(end.reads_frame(BINARY, b""), told(Kind::Binary, b"", ALL));
    assert_eq!(end.reads_frame(TEXT_BEGINS, b""), told(Kind::Text, b"", FIRST));
    assert_eq!(end.reads_frame(CONTINUES, b""), []);
    assert_eq!(end.reads_frame(CONTINUATION, b""), told(Kind::Text, b"", LAST));
}

#[test]
fn the_delivery_of_a_message_is_decided_where_it_begins() {
    let mut end = streaming();
    end.reads_frame(BINARY_BEGINS, b"in pieces");
    end.connection.inbound.set_delivery(Delivery::Whole);
    assert_eq!(end.reads_frame(CONTINUATION, b"still"), told(Kind::Binary, b"still", LAST));
    assert_eq!(end.reads_frame(BINARY_BEGINS, b"who"), []);
    end.connection.inbound.set_delivery(Delivery::Pieces);
    assert_eq!(end.reads_frame(CONTINUATION, b"le"), [Event::Message(b"whole".to_vec().into())]);
    assert_eq!(end.reads_frame(BINARY, b"piece"), told(Kind::Binary, b"piece", ALL));
}

#[test]
fn text_is_checked_across_pieces_and_at_its_end() {
    let euro = "€".as_bytes();
    let mut end = streaming();
    assert_eq!(end.reads_frame(TEXT_BEGINS, &euro[..2]), told(Kind::Text, &euro[..2], FIRST));
    assert_eq!(end.reads_frame(CONTINUATION, &euro[2..]), told(Kind::Text, &euro[2..], LAST));

    end.reads_frame(TEXT_BEGINS, &euro[..2]);
    assert_eq!(fail_code(&end.reads_frame(CONTINUATION, b"")), 1007, "ends inside a character");

    let mut end = streaming();
    end.reads_frame(TEXT_BEGINS, &euro[..2]);
    assert_eq!(fail_code(&end.reads_frame(CONTINUES, b"x")), 1007);

    let mut end = streaming();
    assert_eq!(end.reads_frame(BINARY, b"\xff").len(), 1, "binary is not checked");
}

#[test]
fn a_message_leaves_in_pieces_with_control_frames_between() {
    let mut end = End::server();
    let outbound = &mut end.connection.outbound;
    outbound.begin_message(Kind::Text, Compress::Auto).unwrap();
    assert_eq!(outbound.open_message(), Some(Kind::Text));
    assert!(!outbound.has_remaining(), "the first piece makes the first frame");
    outbound.feed_piece(part(b"a", INNER)).unwrap();
    outbound.ping("between".into(), end.now).unwrap();
    outbound.feed_piece(part(b"b", INNER)).unwrap();
    outbound.feed_piece(part(b"", LAST)).unwrap();
    assert_eq!(outbound.open_message(), None);
    end.feeds("next").unwrap();
    let frames = [
        (TEXT_BEGINS, b"a".to_vec()),
        (PING, b"between".to_vec()),
        (CONTINUES, b"b".to_vec()),
        (CONTINUATION, vec![]),
        (TEXT, b"next".to_vec()),
    ];
    assert_eq!(end.sends(), frames);
}

#[test]
fn a_message_in_one_piece_is_one_frame() {
    let mut end = End::server();
    end.connection.outbound.begin_message(Kind::Binary, Compress::Auto).unwrap();
    end.connection.outbound.feed_piece(part(b"all", LAST)).unwrap();
    assert_eq!(end.sends(), [(BINARY, b"all".to_vec())]);
}

#[test]
fn no_message_is_taken_inside_an_open_one_nor_a_piece_outside() {
    let mut end = End::server();
    let outbound = &mut end.connection.outbound;
    assert_eq!(outbound.feed_piece(part(b"x", LAST)).unwrap_err().reason, Refusal::NoMessageOpen);
    outbound.begin_message(Kind::Text, Compress::Auto).unwrap();
    assert_eq!(outbound.begin_message(Kind::Text, Compress::Auto).unwrap_err().reason, Refusal::MessageOpen);
    assert_eq!(outbound.feed("x".into(), Compress::Auto).unwrap_err().reason, Refusal::MessageOpen);
    assert_eq!(outbound.feed_prepared(&"x".into()).unwrap_err().reason, Refusal::MessageOpen);
    outbound.feed_piece(part(&[b'x'; 16 << 10], INNER)).unwrap();
    assert_eq!(
        outbound.feed("x".into(), Compress::Auto).unwrap_err().reason,
        Refusal::MessageOpen,
        "not Full"
    );
    outbound.close(CloseFrame::EMPTY).unwrap();
    assert_eq!(outbound.open_message(), None);
    assert_eq!(outbound.feed("x".into(), Compress::Auto).unwrap_err().reason, Refusal::Closed);
    assert_eq!(outbound.feed_piece(part(b"x", LAST)).unwrap_err().reason, Refusal::Closed);
    assert_eq!(outbound.begin_message(Kind::Text, Compress::Auto).unwrap_err().reason, Refusal::Closed);
}

/// A streaming sender that is dropped leaves the message open: another resumes it, or a Close frame aborts it.
#[test]
fn an_open_message_is_resumed_or_aborted() {
    let mut end = End::server();
    end.connection.outbound.begin_message(Kind::Text, Compress::Auto).unwrap();
    end.connection.outbound.feed_piece(part(b"to be ", INNER)).unwrap();
    end.writes();
    assert_eq!(end.connection.outbound.open_message(), Some(Kind::Text));
    end.connection.outbound.feed_piece(part(b"resumed", LAST)).unwrap();
    assert_eq!(end.sends(), [(CONTINUATION, b"resumed".to_vec())]);

    end.connection.outbound.begin_message(Kind::Text, Compress::Auto).unwrap();
    end.connection.outbound.feed_piece(part(b"aborted", INNER)).unwrap();
    end.connection.outbound.close(CloseFrame::EMPTY).unwrap();
    assert_eq!(end.sends(), [(TEXT_BEGINS, b"aborted".to_vec()), (CLOSE, vec![])]);
}

#[test]
fn a_piece_that_is_not_utf8_is_refused_and_the_message_goes_on() {
    let euro = "€".as_bytes();
    let mut end = End::server();
    let outbound = &mut end.connection.outbound;
    outbound.begin_message(Kind::Text, Compress::Auto).unwrap();
    outbound.feed_piece(part(&euro[..1], INNER)).unwrap();
    for bad in [part(b"x", INNER), part(&euro[1..2], LAST), part(b"", LAST)] {
        let error = outbound.feed_piece(bad.clone()).unwrap_err();
        assert_eq!((error.reason, error.value), (Refusal::InvalidUtf8, bad));
    }
    outbound.feed_piece(part(&euro[1..], LAST)).unwrap();
    assert_eq!(end.sends(), [(TEXT_BEGINS, euro[..1].to_vec()), (CONTINUATION, euro[1..].to_vec())]);

    end.connection.outbound.begin_message(Kind::Binary, Compress::Auto).unwrap();
    end.connection.outbound.feed_piece(part(b"\xff", LAST)).expect("binary is not checked");
}
