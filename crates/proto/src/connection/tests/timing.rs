//! Every deadline, exact and a millisecond early.

use super::*;
use crate::limits::{KeepAlive, Timing};

fn timed(timing: Timing) -> End {
    End::new(Role::Server, Limits { timing, ..Limits::default() })
}

fn kept_alive(keep_alive: KeepAlive) -> End {
    timed(Timing { keep_alive, ..Timing::default() })
}

/// Waits for exactly `time`: nothing happens a millisecond early, and the machine asks to be called then.
fn waits_exactly(end: &mut End, time: Duration) -> Vec<Event> {
    assert_eq!(end.due_in(), Some(time));
    assert_eq!(end.waits(time - MILLISECOND), []);
    assert_eq!(end.sends(), []);
    assert!(!end.connection.outbound.is_closed());
    end.waits(MILLISECOND)
}

/// The close that a missed deadline leads to.
fn gives_up(end: &mut End, code: u16, deadline: Deadline) {
    let body = close_body(code, &deadline.to_string());
    assert_eq!(end.sends(), [(CLOSE, body)]);
    end.polls();
    let closed = end.ends();
    let Some(Event::Closed(closed)) = closed.last() else { panic!() };
    assert_eq!((closed.initiator, closed.cause), (Initiator::Local, Cause::Timeout(deadline)));
    assert!(!closed.is_clean());
}

/// Takes the ping that was due; what it carries.
fn ping_of(end: &mut End) -> Vec<u8> {
    let sent = end.sends();
    let [(PING, payload)] = &sent[..] else { panic!("not a ping: {sent:?}") };
    payload.clone()
}

#[test]
fn a_ping_leaves_after_exactly_20_seconds_of_silence() {
    let mut end = End::server();
    assert_eq!(waits_exactly(&mut end, SECOND * 20), []);
    assert_eq!(ping_of(&mut end).len(), 8);
}

#[test]
fn silence_counts_from_the_last_byte_whatever_it_is() {
    let mut end = End::server();
    end.waits(SECOND * 19);
    end.reads(&frame(Role::Server, TEXT, b"x")[..1]);
    assert_eq!(end.due_in(), Some(SECOND * 20));
    end.waits(SECOND * 19);
    end.reads(&frame(Role::Server, TEXT, b"x")[1..]);
    assert_eq!(waits_exactly(&mut end, SECOND * 20), []);
    ping_of(&mut end);
}

#[test]
fn a_ping_without_any_answer_ends_the_connection_after_20_seconds() {
    let mut end = End::server();
    end.waits(SECOND * 20);
    ping_of(&mut end);
    assert_eq!(waits_exactly(&mut end, SECOND * 20), []);
    gives_up(&mut end, 1011, Deadline::Ping);
}

#[test]
fn any_byte_answers_a_keep_alive_ping() {
    let message = frame(Role::Server, BINARY, &noise(100));
    let mut end = End::server();
    for byte in &message[..5] {
        end.waits(SECOND * 20);
        ping_of(&mut end);
        end.waits(SECOND * 20 - MILLISECOND);
        assert_eq!(end.reads(&[*byte]), []);
        assert_eq!(end.due_in(), Some(SECOND * 20));
        assert_eq!(end.connection.stats().rtt, None);
    }
}

#[test]
fn keep_alive_pings_differ() {
    let mut end = End::server();
    let mut seen = vec![];
    for _ in 0..5 {
        end.waits(SECOND * 20);
        let ping = ping_of(&mut end);
        assert!(!seen.contains(&ping));
        end.reads_frame(PONG, &ping);
        seen.push(ping);
    }
}

/// Another ping does not take the place of the answer that keep-alive waits for.
#[test]
fn pings_of_the_user_do_not_hide_a_dead_peer() {
    let mut end = End::server();
    end.waits(SECOND * 20);
    ping_of(&mut end);
    for _ in 0..3 {
        end.waits(SECOND * 5);
        end.connection.outbound.ping("still there?".into(), end.now).unwrap();
        end.polls();
        end.sends();
    }
    assert_eq!(waits_exactly(&mut end, SECOND * 5), []);
    gives_up(&mut end, 1011, Deadline::Ping);
}

#[test]
fn a_ping_of_the_user_starts_no_deadline() {
    let mut end = End::server();
    end.connection.outbound.ping("x".into(), end.now).unwrap();
    end.polls();
    end.sends();
    assert_eq!(waits_exactly(&mut end, SECOND * 20), []);
    ping_of(&mut end);
}

#[test]
fn own_times_for_keep_alive() {
    let mut end = kept_alive(KeepAlive::Ping { after: SECOND * 3, timeout: SECOND });
    assert_eq!(waits_exactly(&mut end, SECOND * 3), []);
    ping_of(&mut end);
    assert_eq!(waits_exactly(&mut end, SECOND), []);
    gives_up(&mut end, 1011, Deadline::Ping);
}

#[test]
fn unasked_pongs_leave_at_their_interval_and_expect_nothing() {
    let mut end = kept_alive(KeepAlive::Pong { every: SECOND * 7 });
    for _ in 0..20 {
        assert_eq!(waits_exactly(&mut end, SECOND * 7), []);
        assert_eq!(end.sends(), [(PONG, vec![])]);
    }
    end.waits(SECOND * 3);
    end.reads_frame(TEXT, b"activity changes nothing");
    assert_eq!(end.due_in(), Some(SECOND * 4));
}

#[test]
fn without_keep_alive_nothing_is_due() {
    for keep_alive in [KeepAlive::Off, KeepAlive::Pong { every: Duration::ZERO }] {
        let mut end = kept_alive(keep_alive);
        assert_eq!(end.due_in(), None);
        assert_eq!(end.waits(SECOND * 100_000), []);
        assert_eq!(end.sends(), []);
    }
}

#[test]
fn idle_means_no_whole_message() {
    let timing = Timing { idle: Some(SECOND * 30), keep_alive: KeepAlive::Off, ..Timing::default() };
    let mut end = timed(timing);
    end.waits(SECOND * 10);
    end.reads_frame(TEXT, b"one");
    end.waits(SECOND * 10);
    end.reads_frame(TEXT_BEGINS, b"tw");
    end.reads_frame(PING, b"no message");
    assert_eq!(end.sends().len(), 1);
    assert_eq!(end.due_in(), Some(SECOND * 20));
    end.reads_frame(CONTINUATION, b"o");
    assert_eq!(end.due_in(), Some(SECOND * 30));
    end.connection.inbound.set_delivery(Delivery::Pieces);
    end.waits(SECOND * 10);
    end.reads_frame(BINARY, b"three");
    assert_eq!(waits_exactly(&mut end, SECOND * 30), []);
    gives_up(&mut end, 1001, Deadline::Idle);
}

#[test]
fn a_message_must_end_within_60_seconds_of_its_first_bytes() {
    let mut end = kept_alive(KeepAlive::Off);
    end.waits(SECOND * 5);
    assert_eq!(end.due_in(), None);
    end.reads_frame(TEXT_BEGINS, b"");
    for _ in 0..5 {
        end.waits(SECOND * 10);
        end.reads_frame(CONTINUES, b"drip");
    }
    assert_eq!(waits_exactly(&mut end, SECOND * 10), []);
    gives_up(&mut end, 1008, Deadline::Message);
}

#[test]
fn a_message_that_ends_stops_its_deadline_and_a_streamed_one_has_none() {
    let mut end = kept_alive(KeepAlive::Off);
    end.reads(&frame(Role::Server, TEXT, b"slow")[..8]);
    assert_eq!(end.due_in(), Some(SECOND * 60));
    end.waits(SECOND * 59);
    end.reads(&frame(Role::Server, TEXT, b"slow")[8..]);
    assert_eq!(end.due_in(), None);

    end.connection.inbound.set_delivery(Delivery::Pieces);
    end.reads_frame(TEXT_BEGINS, b"for ever");
    assert_eq!(end.due_in(), None);
}

#[test]
fn a_peer_that_takes_no_byte_for_20_seconds_is_given_up_at_once() {
    let mut end = kept_alive(KeepAlive::Off);
    end.feeds(noise(100)).unwrap();
    assert_eq!(end.due_in(), None, "nobody has tried to write");
    end.connection.outbound.handle_blocked(end.now);
    end.waits(SECOND * 15);
    end.connection.outbound.handle_blocked(end.now); // still
    assert_eq!(end.due_in(), Some(SECOND * 5));
    end.connection.outbound.advance(0);
    assert_eq!(end.due_in(), Some(SECOND * 5), "no byte was written");
    end.connection.outbound.advance(1);
    assert_eq!(end.due_in(), None);
    end.connection.outbound.handle_blocked(end.now);
    assert_eq!(end.due_in(), Some(SECOND * 20));
    assert_eq!(end.waits(SECOND * 20 - MILLISECOND), []);
    let events = end.waits(MILLISECOND);
    assert_eq!(events.len(), 1);
    let closed = closed(&events);
    assert_eq!((closed.initiator, closed.cause), (Initiator::Local, Cause::Timeout(Deadline::Write)));
    assert_eq!(end.connection.outbound.remaining(), 0);
    assert_eq!(end.due_in(), None);
}

/// The same while the closing handshake waits for it.
#[test]
fn a_close_that_is_never_taken_is_no_handshake() {
    let timing = Timing { close: SECOND * 30, keep_alive: KeepAlive::Off, ..Timing::default() };
    let mut end = timed(timing);
    end.reads_frame(CLOSE, b"");
    end.connection.outbound.handle_blocked(end.now);
    assert_eq!(closed(&end.waits(SECOND * 20)).cause, Cause::Timeout(Deadline::Write));
}

#[test]
fn a_transport_that_holds_back_what_it_took_meets_the_write_deadline_until_it_is_flushed() {
    let mut end = kept_alive(KeepAlive::Off);
    assert!(!end.connection.outbound.is_blocked());
    end.connection.outbound.handle_flushed();
    end.connection.outbound.handle_blocked(end.now);
    assert!(end.connection.outbound.is_blocked());
    assert_eq!(end.due_in(), Some(SECOND * 20));
    assert!(end.connection.outbound.reclaim_buffer().is_none(), "it holds the deadline");
    end.connection.outbound.handle_flushed();
    assert_eq!(end.due_in(), None);
    assert!(end.connection.outbound.has_buffer());
    assert!(end.connection.outbound.reclaim_buffer().is_some());
    assert!(!end.connection.outbound.has_buffer());
    end.connection.outbound.handle_blocked(end.now);
    assert_eq!(closed(&end.waits(SECOND * 20)).cause, Cause::Timeout(Deadline::Write));
}

#[test]
fn the_closing_handshake_has_10_seconds() {
    let mut end = End::server();
    end.connection.outbound.close(CloseFrame::new(CloseCode::NORMAL, "")).unwrap();
    end.polls();
    end.sends();
    end.polls();
    assert_eq!(end.due_in(), Some(SECOND * 10));
    end.waits(SECOND * 9);
    end.reads_frame(TEXT, b"still delivered, gains no time");
    assert_eq!(end.waits(SECOND - MILLISECOND), []);
    let events = end.waits(MILLISECOND);
    assert_eq!(closed(&events).cause, Cause::Timeout(Deadline::Close));
    assert_eq!(end.due_in(), None);
}

#[test]
fn the_deadline_of_the_message_in_progress_ends_with_a_close() {
    let mut end = kept_alive(KeepAlive::Off);
    end.reads_frame(TEXT_BEGINS, b"x");
    end.waits(SECOND * 55);
    end.connection.outbound.close(CloseFrame::EMPTY).unwrap();
    end.polls();
    assert_eq!(end.due_in(), Some(SECOND * 10));
    assert_eq!(end.waits(SECOND * 9), []);
    assert_eq!(end.sends().len(), 1);
}

#[test]
fn a_round_trip_is_measured_by_the_matching_pong_only() {
    let mut end = End::server();
    let pong = |end: &mut End, payload: &[u8]| match &end.reads_frame(PONG, payload)[..] {
        [Event::Control(Control::Pong { payload: told, rtt })] => {
            assert_eq!(*told, payload);
            *rtt
        }
        events => panic!("{events:?}"),
    };
    assert_eq!(pong(&mut end, b"unasked"), None);
    assert_eq!(pong(&mut end, b""), None);
    end.connection.outbound.ping("a".into(), end.now).unwrap();
    end.polls();
    end.waits(MILLISECOND * 120);
    assert_eq!(pong(&mut end, b""), None, "some peers answer an empty pong");
    assert_eq!(pong(&mut end, b"b"), None);
    assert_eq!(end.connection.stats().rtt, None);
    assert_eq!(pong(&mut end, b"a"), Some(MILLISECOND * 120));
    assert_eq!(pong(&mut end, b"a"), None, "once");
    assert_eq!(end.connection.stats().rtt, Some(MILLISECOND * 120));
    assert!(end.sends().iter().all(|(first, _)| *first == PING), "pongs are not answered");
}

#[test]
fn the_last_ping_is_the_one_that_is_measured() {
    let mut end = End::server();
    end.connection.outbound.ping("a".into(), end.now).unwrap();
    end.waits(MILLISECOND * 30);
    end.connection.outbound.ping("b".into(), end.now).unwrap();
    end.waits(MILLISECOND * 30);
    end.reads_frame(PONG, b"a");
    assert_eq!(end.connection.stats().rtt, None);
    end.reads_frame(PONG, b"b");
    assert_eq!(end.connection.stats().rtt, Some(MILLISECOND * 30));
}

#[test]
fn an_answer_at_once_is_measured_too() {
    let mut end = End::server();
    end.connection.outbound.ping("a".into(), end.now).unwrap();
    end.reads_frame(PONG, b"a");
    assert_eq!(end.connection.stats().rtt, Some(Duration::from_micros(1)));
}

#[test]
fn durations_beyond_all_time_are_never() {
    let never = Duration::MAX;
    let keep_alives = [KeepAlive::Ping { after: never, timeout: never }, KeepAlive::Pong { every: never }];
    for keep_alive in keep_alives {
        let (idle, message, write) = (Some(never), Some(never), Some(never));
        let mut end = timed(Timing { keep_alive, idle, close: never, message, write });
        end.reads_frame(TEXT_BEGINS, b"x");
        end.feeds("y").unwrap();
        end.connection.outbound.handle_blocked(end.now);
        end.connection.outbound.close(CloseFrame::EMPTY).unwrap();
        assert_eq!(end.due_in(), None);
        assert_eq!(end.waits(SECOND * 1_000_000), []);
        assert_eq!(closed(&end.ends()).cause, Cause::Eof);
    }
}
