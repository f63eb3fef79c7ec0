//! What a peer does wrong: found early, answered with the right code, told once.

use super::*;

/// The Close code that `bytes` meet, which must be the only thing that comes of them.
fn code_of(end: &mut End, bytes: &[u8]) -> u16 {
    let events = end.reads(bytes);
    assert_eq!(events.len(), 1);
    fail_code(&events)
}

#[test]
fn every_illegal_header_is_refused_at_the_header() {
    let refused = |first, len: &[u8]| {
        let mut end = End::server();
        let code = code_of(&mut end, &[&[first][..], len, &KEY].concat());
        let (sent, cause) = fails(&mut end);
        assert_eq!(sent, code);
        let Cause::Protocol(error) = cause else { panic!() };
        (code, error)
    };
    assert_eq!(refused(0xc1, &[0x81]), (1002, ProtocolError::ReservedBits));
    assert_eq!(refused(0x83, &[0x81]), (1002, ProtocolError::ReservedOpcode(3)));
    assert_eq!(refused(0x8b, &[0x81]), (1002, ProtocolError::ReservedOpcode(11)));
    assert_eq!(refused(0x81, &[0xfe, 0, 125]), (1002, ProtocolError::NonMinimalLength));
    assert_eq!(refused(0x81, &[0xff, 0x80, 0, 0, 0, 0, 0, 0, 0]), (1002, ProtocolError::LengthTopBit));
    assert_eq!(refused(0x89, &[0xfe, 0, 126]), (1002, ProtocolError::ControlTooLong));
    assert_eq!(refused(0x09, &[0x81]), (1002, ProtocolError::ControlFragmented));
    assert_eq!(refused(0x80, &[0x81]), (1002, ProtocolError::UnexpectedContinuation));
    assert_eq!(refused(0x81, &[0x01]), (1002, ProtocolError::Unmasked));
}

#[test]
fn the_close_frame_says_what_is_wrong_and_where_it_is_written() {
    let mut end = End::client();
    assert_eq!(code_of(&mut end, &frame(Role::Server, TEXT, b"x")), 1002);
    let body = close_body(1002, "frame from a server is masked (RFC 6455 5.1)");
    assert_eq!(end.sends(), [(CLOSE, body)]);
}

#[test]
fn what_was_accepted_before_a_fault_leaves_before_the_close() {
    let mut end = End::server();
    end.feeds("accepted").unwrap();
    let good = [frame(Role::Server, TEXT, b"good"), frame(Role::Server, PING, b"ping")].concat();
    let events = end.reads(&[good, vec![0xff, 0xff]].concat());
    assert_eq!(events[0], Event::Message("good".into()));
    assert_eq!(events[1], Event::Control(Control::Ping("ping".into())));
    assert_eq!(fail_code(&events), 1002);
    assert_eq!(events.len(), 3);
    let sent = end.sends();
    assert_eq!(sent[..2], [(TEXT, b"accepted".to_vec()), (PONG, b"ping".to_vec())]);
    assert_eq!((sent.len(), sent[2].0), (3, CLOSE));
}

#[test]
fn after_a_fault_the_write_side_is_shut_down_when_all_is_written() {
    let mut end = End::server();
    end.reads(&[0xff, 0xff]);
    let waiting = end.connection.outbound.remaining();
    end.connection.outbound.advance(waiting - 1);
    assert_eq!(end.polls(), []);
    assert!(!end.connection.inbound.wants_shutdown());
    end.connection.outbound.advance(1);
    assert_eq!(end.polls(), [], "the peer may still be reading");
    assert!(end.connection.inbound.wants_shutdown());
    assert_eq!(end.reads_frame(TEXT, b"not parsed"), []);
    assert!(end.input.is_empty());
    let events = end.ends();
    let closed = closed(&events);
    assert_eq!(closed.cause, Cause::Protocol(ProtocolError::ReservedOpcode(15)));
    assert_eq!((closed.initiator, &closed.received), (Initiator::Local, &None));
    assert_eq!(closed.sent.as_ref().unwrap().code, CloseCode::PROTOCOL_ERROR);
}

#[test]
fn a_peer_that_stays_after_its_fault_meets_the_close_deadline() {
    let mut end = End::server();
    end.reads(&[0xff, 0xff]);
    end.sends();
    assert_eq!(end.waits(SECOND * 10 - MILLISECOND), []);
    assert_eq!(closed(&end.waits(MILLISECOND)).cause, Cause::Protocol(ProtocolError::ReservedOpcode(15)));
}

/// A normal end is no reason to shut the write side down early.
#[test]
fn a_close_without_a_fault_wants_no_shutdown() {
    let mut end = End::client();
    assert!(!end.connection.inbound.wants_shutdown());
    end.connection.outbound.close(CloseFrame::EMPTY).unwrap();
    end.sends();
    end.polls();
    assert!(!end.connection.inbound.wants_shutdown());
}

#[test]
fn a_fault_after_the_local_close_is_the_cause_but_is_not_answered() {
    let mut end = End::client();
    end.connection.outbound.close(CloseFrame::new(CloseCode::NORMAL, "")).unwrap();
    assert_eq!(end.sends().len(), 1);
    assert_eq!(fail_code(&end.reads(&[0xff, 0xff])), 1002);
    assert_eq!(end.sends(), []);
    let events = end.ends();
    assert_eq!(closed(&events).cause, Cause::Protocol(ProtocolError::ReservedOpcode(15)));
    assert_eq!(closed(&events).sent.as_ref().unwrap().code, CloseCode::NORMAL);
}

#[test]
fn illegal_close_bodies() {
    let faults: [(&[u8], u16); 8] = [
        (b"x", 1002),
        (b"\x00\x00", 1002),
        (b"\x03\xe7", 1002), // 999
        (b"\x03\xed", 1002), // 1005
        (b"\x03\xee", 1002), // 1006
        (b"\x03\xf7", 1002), // 1015
        (b"\x13\x88", 1002), // 5000
        (b"\x03\xe8\xff", 1007),
    ];
    for (body, code) in faults {
        let mut end = End::server();
        assert_eq!(fail_code(&end.reads_frame(CLOSE, body)), code);
        assert_eq!(fails(&mut end).0, code);
    }
}

#[test]
fn bad_text_fails_at_its_first_bad_byte_before_the_rest_of_its_frame() {
    for delivery in [Delivery::Whole, Delivery::Pieces] {
        let mut end = End::server();
        end.connection.inbound.set_delivery(delivery);
        let bytes = frame(Role::Server, TEXT, b"good, then \xff and more");
        let bad = bytes.len() - 10;
        end.reads(&bytes[..bad]);
        assert!(!end.connection.outbound.is_closed());
        assert_eq!(fail_code(&end.reads(&bytes[bad..=bad])), 1007);
        assert_eq!(fails(&mut end), (1007, Cause::Protocol(ProtocolError::InvalidUtf8)));
    }
}

#[test]
fn bad_text_read_directly_fails_at_its_first_bad_byte() {
    let mut end = End::server();
    end.reads(&frame(Role::Server, TEXT, &vec![b'x'; 100_000])[..40_000]);
    let mut room = end.connection.inbound.direct().unwrap();
    room.put_slice(&[0; 5]);
    end.connection.handle_read(5, end.now);
    assert_eq!(fail_code(&end.polls()), 1007, "zero under this mask is no text");
}

#[test]
fn a_character_may_be_split_anywhere_over_fragments() {
    let text = "aé€🐟";
    for at in 0..=text.len() {
        let mut end = End::server();
        assert_eq!(end.reads_frame(TEXT_BEGINS, &text.as_bytes()[..at]), []);
        assert_eq!(end.reads_frame(PING, b"").len(), 1);
        assert_eq!(end.reads_frame(CONTINUATION, &text.as_bytes()[at..]), [Event::Message(text.into())]);
    }
}

#[test]
fn text_that_ends_inside_a_character_is_bad() {
    let half = &"€".as_bytes()[..2];
    assert_eq!(fail_code(&End::server().reads_frame(TEXT, half)), 1007);
    let mut end = End::server();
    assert_eq!(end.reads_frame(TEXT_BEGINS, half), [], "it may still become text");
    assert_eq!(fail_code(&end.reads_frame(CONTINUATION, b"")), 1007);
    let mut end = End::server();
    end.reads(&frame(Role::Server, TEXT, half)[..7]);
    assert_eq!(fail_code(&end.reads(&frame(Role::Server, TEXT, half)[7..])), 1007);
}

#[test]
fn binary_may_be_anything() {
    for bytes in [&b"\xff\xfe"[..], b"", b"\xe2\x82"] {
        assert_eq!(End::server().reads_frame(BINARY, bytes), [Event::Message(bytes.to_vec().into())]);
        let mut end = End::server();
        end.reads_frame(BINARY_BEGINS, bytes);
        assert_eq!(end.reads_frame(CONTINUATION, b""), [Event::Message(bytes.to_vec().into())]);
    }
}

#[test]
fn figures_count_what_came() {
    let mut end = End::server();
    end.reads_frame(TEXT, b"one");
    end.reads_frame(PING, b"");
    end.reads(&frame(Role::Server, BINARY, b"two")[..8]);
    assert_eq!(end.connection.stats().received, Traffic { bytes: 9 + 6 + 8, frames: 3, wire: 0, plain: 0 });
}
