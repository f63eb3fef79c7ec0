//! A program that was busy for long, and a peer that never lets the transport run dry.

use super::*;
use crate::limits::{KeepAlive, Timing};

fn timed(timing: Timing) -> End {
    End::new(Role::Server, Limits { timing, ..Limits::default() })
}

/// Two frames are read at once, and the program takes its time for the first.
fn busy(second: &[u8]) -> End {
    let mut end = End::server();
    let bytes = [frame(Role::Server, TEXT, b"work"), second.to_vec()].concat();
    end.input.extend_from_slice(&bytes);
    end.connection.handle_read(bytes.len(), end.now);
    assert_eq!(end.connection.poll_event(&mut end.input, end.now), Some(Event::Message("work".into())));
    end.now += SECOND * 15;
    end
}

#[test]
fn the_close_deadline_counts_from_our_close_after_a_fault() {
    let mut end = busy(&frame(Role::Server, CONTINUES, b""));
    assert_eq!(fail_code(&end.polls()), 1002);
    assert_eq!(end.due_in(), Some(SECOND * 10));
    assert_eq!(end.waits(SECOND * 9), []);
    assert_eq!(end.sends().len(), 1, "the Close frame leaves");
    assert_eq!(closed(&end.waits(SECOND)).cause, Cause::Protocol(ProtocolError::UnexpectedContinuation));
}

#[test]
fn the_close_deadline_counts_from_our_answer_to_the_peers_close() {
    let mut end = busy(&frame(Role::Server, CLOSE, &close_body(1000, "")));
    end.polls();
    assert_eq!(end.waits(SECOND * 9), [], "the answer is blocked for a moment");
    assert_eq!(end.sends().len(), 1);
    assert!(closed(&end.polls()).is_clean());
}

#[test]
fn a_peer_that_never_pauses_meets_the_close_deadline() {
    let mut end = End::server();
    end.connection.outbound.close(CloseFrame::new(CloseCode::GOING_AWAY, "")).unwrap();
    end.polls();
    end.writes();
    for _ in 0..10 {
        end.now += SECOND;
        assert!(!end.connection.inbound.is_overdue());
        assert_eq!(end.reads_frame(TEXT, b"on and on"), [Event::Message("on and on".into())]);
    }
    assert!(end.connection.inbound.is_overdue());
    assert_eq!(closed(&end.waits(Duration::ZERO)).cause, Cause::Timeout(Deadline::Close));
}

#[test]
fn a_header_alone_meets_the_message_deadline() {
    let mut end = timed(Timing { keep_alive: KeepAlive::Off, ..Timing::default() });
    assert_eq!(end.due_in(), None);
    end.reads(&header(Role::Server, BINARY, 1000));
    assert_eq!(end.due_in(), Some(SECOND * 60));
    assert_eq!(fail_code_of(&mut end, SECOND * 60), 1008);
    // Pings and what is delivered in pieces have no such deadline.
    let mut end = timed(Timing { keep_alive: KeepAlive::Off, ..Timing::default() });
    end.reads(&header(Role::Server, PING, 100));
    assert_eq!(end.due_in(), None);
    end.reads(&[7; 100]);
    end.connection.inbound.set_delivery(Delivery::Pieces);
    end.reads(&header(Role::Server, BINARY, 1000));
    assert_eq!(end.due_in(), None);
}

/// The code of the Close frame that passing time makes this end send.
fn fail_code_of(end: &mut End, time: Duration) -> u16 {
    end.waits(time);
    let [(CLOSE, body)] = &end.sends()[..] else { panic!("one Close frame") };
    u16::from_be_bytes([body[0], body[1]])
}

#[test]
fn pieces_are_a_sign_of_life_for_the_idle_time() {
    let timing = Timing { idle: Some(SECOND * 30), keep_alive: KeepAlive::Off, ..Timing::default() };
    let mut end = timed(timing);
    end.connection.inbound.set_delivery(Delivery::Pieces);
    end.reads_frame(BINARY_BEGINS, b"a");
    end.waits(SECOND * 29);
    end.reads_frame(CONTINUES, b"b");
    assert_eq!(end.due_in(), Some(SECOND * 30));
}

#[test]
fn an_end_that_loses_what_was_accepted_is_not_clean() {
    let reset = io::ErrorKind::ConnectionReset;
    let mut end = End::server();
    end.feeds("accepted").unwrap();
    end.connection.outbound.close(CloseFrame::new(CloseCode::NORMAL, "")).unwrap();
    end.reads_frame(CLOSE, &close_body(1000, ""));
    end.connection.handle_transport_error(reset);
    assert_eq!(closed(&end.polls()).cause, Cause::Transport(reset));

    let mut end = End::server();
    end.connection.outbound.handle_transport_error();
    end.reads_frame(CLOSE, &close_body(1000, ""));
    assert_eq!(closed(&end.ends()).cause, Cause::Eof, "no answer was even queued");

    let mut end = End::server();
    end.reads_frame(CLOSE, &close_body(1000, ""));
    assert!(closed(&end.ends()).is_clean(), "the echo alone is no loss");
}

#[test]
fn a_keep_alive_ping_does_not_push_others_out_of_a_full_lane() {
    let mut end = End::server();
    for n in 0..16u8 {
        end.reads_frame(PING, &[n]);
    }
    end.waits(SECOND * 20);
    assert_eq!(end.sends().len(), 16);
    assert_eq!(end.connection.stats().superseded_pongs, 0);
}

#[test]
fn of_several_pings_only_the_last_is_told_to_the_reading_task() {
    let mut outbound = End::server().connection.outbound;
    for n in 0..5u8 {
        outbound.ping(vec![n].into(), epoch()).unwrap();
    }
    let notices: Vec<Notice> = std::iter::from_fn(|| outbound.poll_notice()).collect();
    assert!(matches!(&notices[..], [Notice::Ping { payload, .. }] if *payload == [4]), "{notices:?}");
    outbound.ping(Payload::new(), epoch()).unwrap();
    outbound.close(CloseFrame::EMPTY).unwrap();
    assert_eq!(std::iter::from_fn(|| outbound.poll_notice()).count(), 2, "a Close frame does not replace it");
}

#[test]
fn a_close_without_a_code_has_no_reason() {
    let mut end = End::server();
    end.connection.outbound.close(CloseFrame::new(CloseCode::NO_STATUS, "why")).unwrap();
    end.polls();
    end.writes();
    assert_eq!(closed(&end.ends()).sent, Some(CloseFrame::EMPTY));
}

#[test]
fn no_time_before_a_ping_means_no_ping() {
    let keep_alive = KeepAlive::Ping { after: Duration::ZERO, timeout: SECOND };
    let mut end = timed(Timing { keep_alive, ..Timing::default() });
    assert_eq!(end.due_in(), None);
    assert_eq!(end.waits(SECOND * 60), []);
    assert_eq!(end.sends(), []);
}

#[test]
fn room_is_lent_once_for_each_missing_byte() {
    let mut end = End::server();
    end.reads(&frame(Role::Server, BINARY, &noise(150_000))[..50_000]);
    let mut lent = 0;
    while let Some(mut room) = end.connection.inbound.direct() {
        let len = room.remaining_mut();
        room.put_bytes(0, len);
        lent += len;
    }
    assert!(lent <= 150_000 - (50_000 - 14), "{lent}");
    assert!(lent > 64_000);
}
