//! The closing handshake, and every other way to end.

use super::*;

fn close(end: &mut End, code: CloseCode, reason: &str) {
    end.connection.outbound.close(CloseFrame::new(code, reason)).unwrap();
}

/// The peer's Close frame, as it is told.
fn told(code: u16, reason: &str) -> Event {
    Event::Control(Control::Close(CloseFrame::new(CloseCode::new(code), reason)))
}

fn frame_of(code: u16, reason: &str) -> CloseFrame {
    CloseFrame::new(CloseCode::new(code), reason)
}

#[test]
fn the_echo_carries_the_code_without_the_reason() {
    for role in [Role::Client, Role::Server] {
        for code in [1000, 1001, 1011, 1014, 3000, 4999] {
            let mut end = End::new(role, Limits::default());
            assert_eq!(end.reads_frame(CLOSE, &close_body(code, "why")), [told(code, "why")]);
            assert_eq!(end.sends(), [(CLOSE, close_body(code, ""))]);
        }
        let mut end = End::new(role, Limits::default());
        assert_eq!(end.reads_frame(CLOSE, b""), [Event::Control(Control::Close(CloseFrame::EMPTY))]);
        assert_eq!(end.sends(), [(CLOSE, vec![])], "1005 is never on the wire");
    }
}

#[test]
fn a_server_is_closed_as_soon_as_its_echo_is_written() {
    let mut end = End::server();
    assert_eq!(end.reads_frame(CLOSE, &close_body(1000, "bye")), [told(1000, "bye")]);
    let waiting = end.connection.outbound.remaining();
    end.connection.outbound.advance(waiting - 1);
    assert_eq!(end.polls(), []);
    end.connection.outbound.advance(1);
    assert_eq!(end.connection.outbound.poll_notice(), Some(Notice::Flushed));
    end.connection.inbound.handle_notice(Notice::Flushed, end.now);
    assert!(!end.connection.inbound.is_closed());
    let events = end.polls();
    assert_eq!(events.len(), 1);
    let expected = Closed {
        received: Some(frame_of(1000, "bye")),
        sent: Some(frame_of(1000, "")),
        initiator: Initiator::Remote,
        cause: Cause::Handshake,
    };
    assert_eq!(*closed(&events), expected);
    assert!(expected.is_clean());
    assert!(!end.connection.inbound.wants_shutdown());
    assert_eq!(end.polls(), []);
    assert_eq!(end.ends(), []);
}

#[test]
fn a_client_waits_for_the_server_to_end_the_transport() {
    let mut end = End::client();
    end.reads_frame(CLOSE, &close_body(1001, ""));
    end.sends();
    assert_eq!(end.polls(), [], "RFC 6455 7.1.1");
    let events = end.ends();
    assert_eq!(closed(&events).cause, Cause::Handshake);
    assert_eq!(closed(&events).initiator, Initiator::Remote);
}

#[test]
fn a_server_that_does_not_end_the_transport_is_not_waited_for_longer_than_the_deadline() {
    let mut end = End::client();
    end.reads_frame(CLOSE, &close_body(1000, ""));
    end.sends();
    assert_eq!(end.waits(SECOND * 10 - MILLISECOND), []);
    assert!(closed(&end.waits(MILLISECOND)).is_clean());
}

#[test]
fn an_echo_that_was_never_written_is_no_clean_end_by_deadline() {
    let mut end = End::client();
    end.reads_frame(CLOSE, &close_body(1000, ""));
    assert_eq!(closed(&end.waits(SECOND * 10)).cause, Cause::Timeout(Deadline::Close));
}

/// A peer that leaves once it has said Close has said it.
#[test]
fn the_transport_may_end_right_behind_the_peers_close() {
    let mut end = End::server();
    end.reads_frame(CLOSE, &close_body(1001, ""));
    assert!(closed(&end.ends()).is_clean());
}

#[test]
fn a_local_close_ends_with_the_peers() {
    for role in [Role::Client, Role::Server] {
        let mut end = End::new(role, Limits::default());
        close(&mut end, CloseCode::NORMAL, "done");
        assert_eq!(end.sends(), [(CLOSE, close_body(1000, "done"))]);
        assert_eq!(end.reads_frame(TEXT, b"sent before"), [Event::Message("sent before".into())]);
        assert_eq!(end.reads_frame(PING, b"x").len(), 1);
        let mut events = end.reads_frame(CLOSE, &close_body(1000, ""));
        assert_eq!(events.remove(0), told(1000, ""));
        if role == Role::Client {
            assert_eq!(events, []);
            events = end.ends();
        }
        let expected = Closed {
            received: Some(frame_of(1000, "")),
            sent: Some(frame_of(1000, "done")),
            initiator: Initiator::Local,
            cause: Cause::Handshake,
        };
        assert_eq!(*closed(&events), expected);
        assert_eq!(end.sends(), [], "no second Close frame, no pong behind it");
    }
}

#[test]
fn nothing_is_delivered_behind_the_peers_close() {
    let mut end = End::server();
    let bytes =
        [frame(Role::Server, CLOSE, b""), frame(Role::Server, TEXT, b"late"), vec![0xff; 10]].concat();
    assert_eq!(end.reads(&bytes), [Event::Control(Control::Close(CloseFrame::EMPTY))]);
    assert!(end.input.is_empty());
    assert_eq!(end.reads_frame(TEXT, b"later"), []);
}

#[test]
fn closes_that_cross_end_both_ends() {
    let (mut client, mut server) = (End::client(), End::server());
    close(&mut client, CloseCode::new(4001), "c");
    close(&mut server, CloseCode::new(4002), "s");
    let (from_client, from_server) = (client.writes(), server.writes());
    let at_server = server.reads(&from_client);
    assert_eq!(at_server[0], told(4001, "c"));
    assert_eq!(at_server.len(), 2);
    assert_eq!(client.reads(&from_server), [told(4002, "s")]);
    let at_client = client.ends();
    for (closed, sent) in [(closed(&at_server), 4002), (closed(&at_client), 4001)] {
        assert_eq!(closed.initiator, Initiator::Local, "each end closed on its own");
        assert_eq!(closed.sent.as_ref().unwrap().code.get(), sent);
        assert!(closed.is_clean());
    }
    assert_eq!((client.sends(), server.sends()), (vec![], vec![]));
}

#[test]
fn what_was_accepted_before_the_close_leaves_before_it() {
    let mut end = End::server();
    end.feeds("message").unwrap();
    end.reads_frame(PING, b"ping");
    close(&mut end, CloseCode::NORMAL, "");
    end.reads_frame(PING, b"too late");
    assert_eq!(
        end.sends(),
        [(TEXT, b"message".to_vec()), (PONG, b"ping".to_vec()), (CLOSE, close_body(1000, ""))]
    );
}

#[test]
fn nothing_is_accepted_after_the_close() {
    let mut end = End::server();
    close(&mut end, CloseCode::NORMAL, "");
    assert!(end.connection.outbound.is_closed());
    assert_eq!(end.feeds("x").unwrap_err().reason, Refusal::Closed);
    let (outbound, now) = (&mut end.connection.outbound, end.now);
    assert_eq!(outbound.feed_prepared(&"x".into()).unwrap_err().reason, Refusal::Closed);
    assert_eq!(outbound.ping("x".into(), now).unwrap_err().reason, Refusal::Closed);
    assert_eq!(outbound.pong("x".into()).unwrap_err().reason, Refusal::Closed);
    let error = outbound.close(CloseFrame::EMPTY).unwrap_err();
    assert_eq!((error.reason, error.value), (Refusal::Closed, CloseFrame::EMPTY));
    assert_eq!(outbound.remaining(), 4);
}

#[test]
fn a_close_frame_must_be_legal() {
    let mut end = End::server();
    for (frame, reason) in [
        (CloseFrame::new(CloseCode::ABNORMAL, ""), Refusal::CloseCode),
        (CloseFrame::new(CloseCode::TLS_HANDSHAKE, ""), Refusal::CloseCode),
        (CloseFrame::new(CloseCode::new(2999), ""), Refusal::CloseCode),
        (CloseFrame { code: CloseCode::NORMAL, reason: "x".repeat(124).into() }, Refusal::ControlTooLong),
    ] {
        let error = end.connection.outbound.close(frame.clone()).unwrap_err();
        assert_eq!((error.value, error.reason), (frame, reason));
    }
    let longest = CloseFrame { code: CloseCode::NORMAL, reason: "x".repeat(123).into() };
    end.connection.outbound.close(longest).unwrap();
    assert_eq!(end.sends(), [(CLOSE, close_body(1000, &"x".repeat(123)))]);
}

#[test]
fn the_end_of_the_transport_without_a_close_frame_is_not_clean() {
    let mut end = End::server();
    assert_eq!(end.reads(&frame(Role::Server, TEXT, b"half a message")[..9]), []);
    let events = end.ends();
    let expected = Closed { received: None, sent: None, initiator: Initiator::Remote, cause: Cause::Eof };
    assert_eq!(events, [Event::Closed(Box::new(expected))]);

    let mut end = End::client();
    close(&mut end, CloseCode::NORMAL, "");
    end.sends();
    let events = end.ends();
    assert_eq!((closed(&events).initiator, closed(&events).cause), (Initiator::Local, Cause::Eof));
    assert_eq!(closed(&events).sent, Some(frame_of(1000, "")));
}

/// The close was not yet carried across when the transport ended.
#[test]
fn who_closed_first_is_told_although_the_transport_ends_in_the_same_moment() {
    for fails in [false, true] {
        let mut end = End::server();
        close(&mut end, CloseCode::NORMAL, "");
        if fails {
            end.connection.handle_transport_error(io::ErrorKind::BrokenPipe);
        } else {
            end.connection.handle_eof();
        }
        let events = end.polls();
        assert_eq!(closed(&events).initiator, Initiator::Local);
        assert_eq!(closed(&events).sent, Some(frame_of(1000, "")));
    }
}

#[test]
fn a_failed_transport_is_told_with_its_kind() {
    let mut end = End::server();
    end.feeds("never written").unwrap();
    end.connection.handle_transport_error(io::ErrorKind::ConnectionReset);
    let events = end.polls();
    assert_eq!(closed(&events).cause, Cause::Transport(io::ErrorKind::ConnectionReset));
    assert_eq!(closed(&events).initiator, Initiator::Remote);
    assert!(end.connection.outbound.is_closed());
    assert_eq!(end.connection.outbound.remaining(), 0);
    // Only the first of several ends counts.
    assert_eq!(end.ends(), []);
}

#[test]
fn the_first_of_two_ends_is_the_cause() {
    let mut end = End::server();
    end.connection.handle_eof();
    end.connection.handle_transport_error(io::ErrorKind::ConnectionReset);
    assert_eq!(closed(&end.polls()).cause, Cause::Eof);
}

#[test]
fn how_it_ended_is_said_in_words() {
    let mut end = End::server();
    end.reads_frame(CLOSE, &close_body(1001, "deploy"));
    end.sends();
    let says = closed(&end.polls()).to_string();
    assert_eq!(says, "closing handshake complete, closed by the peer with 1001 (going away)");

    let mut end = End::client();
    close(&mut end, CloseCode::new(4000), "");
    let says = closed(&end.ends()).to_string();
    assert_eq!(says, "the peer ended the connection without a close frame, closed by this end with 4000");

    let mut end = End::client();
    end.connection.handle_transport_error(io::ErrorKind::ConnectionReset);
    assert_eq!(closed(&end.polls()).to_string(), "the transport failed: connection reset");

    let mut end = End::client();
    end.reads(&[0x83, 0]);
    end.sends();
    let says = closed(&end.ends()).to_string();
    let fault = "the peer broke the protocol: reserved opcode 0x3 (RFC 6455 5.2)";
    assert_eq!(says, format!("{fault}, closed by this end with 1002 (protocol error)"));
}
