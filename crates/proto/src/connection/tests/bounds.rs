//! Every limit in bytes and frames, exact and off by one.

use super::*;

fn limited(max_message: usize) -> End {
    End::new(Role::Server, Limits { max_message, ..Limits::default() })
}

#[test]
fn a_message_in_one_frame_may_be_as_long_as_the_limit() {
    let message = noise(1000);
    assert_eq!(limited(1000).reads_frame(BINARY, &message), [Event::Message(message.clone().into())]);

    let mut end = limited(999);
    let header = header(Role::Server, BINARY, 1000);
    assert_eq!(fail_code(&end.reads(&header)), 1009, "refused at the header");
    assert_eq!(fails(&mut end), (1009, Cause::Protocol(ProtocolError::MessageTooBig(999))));
}

#[test]
fn a_length_beyond_memory_is_too_big_not_illegal() {
    for declared in [u64::from(u32::MAX), (1 << 63) - 1] {
        assert_eq!(fail_code(&limited(1 << 20).reads(&header(Role::Server, TEXT, declared))), 1009);
    }
    let mut end = End::new(Role::Server, Limits { max_message: usize::MAX, ..Limits::default() });
    assert_eq!(end.reads(&header(Role::Server, TEXT, (1 << 63) - 1)), []);
}

#[test]
fn fragments_count_their_bytes_and_an_overhead_for_each_after_the_first() {
    let len = 300 + 2 * Limits::FRAGMENT_OVERHEAD;
    for (limit, fits) in [(len, true), (len - 1, false)] {
        let mut end = limited(limit);
        assert_eq!(end.reads_frame(BINARY_BEGINS, &noise(100)), []);
        assert_eq!(end.reads_frame(CONTINUES, &noise(100)), []);
        let last = end.reads(&header(Role::Server, CONTINUATION, 100));
        assert_eq!(last.is_empty(), fits, "decided at the header");
        if fits {
            assert!(matches!(end.reads(&noise(100))[..], [Event::Message(_)]));
        }
    }
}

/// How many fragments of `len` bytes an end takes behind an empty first one.
fn fragments_until_too_big(len: usize) -> usize {
    let mut end = limited(1000);
    end.reads_frame(BINARY_BEGINS, b"");
    let taken = (0..2000).take_while(|_| end.reads_frame(CONTINUES, &noise(len)).is_empty()).count();
    assert_eq!(fails(&mut end).0, 1009);
    taken
}

#[test]
fn a_flood_of_tiny_fragments_ends() {
    assert_eq!(fragments_until_too_big(0), 1000 / 8);
    assert_eq!(fragments_until_too_big(1), 1000 / 9);
    assert_eq!(fragments_until_too_big(2), 1000 / 10);
}

#[test]
fn the_next_message_starts_from_nothing() {
    let mut end = limited(1000);
    for _ in 0..10 {
        end.reads_frame(BINARY_BEGINS, &noise(500));
        assert_eq!(end.reads_frame(CONTINUATION, &noise(492)).len(), 1);
    }
}

#[test]
fn streamed_messages_have_no_limit() {
    let mut end = limited(10);
    end.connection.inbound.set_delivery(Delivery::Pieces);
    for first in [BINARY_BEGINS, CONTINUES, CONTINUES, CONTINUATION] {
        assert!(matches!(end.reads_frame(first, &noise(1000))[..], [Event::Piece(_)]));
    }
}

#[test]
fn a_frame_may_be_as_long_as_its_limit() {
    let mut end = End::new(Role::Server, Limits { max_frame: 200, ..Limits::default() });
    assert_eq!(end.reads_frame(BINARY_BEGINS, &noise(200)), []);
    assert_eq!(fail_code(&end.reads(&header(Role::Server, CONTINUES, 201))), 1009);
    assert_eq!(fails(&mut end).1, Cause::Protocol(ProtocolError::FrameTooBig(200)));
}

/// A server that lets `max_queued` bytes wait.
fn queueing(max_queued: usize) -> End {
    End::new(Role::Server, Limits { max_queued, ..Limits::default() })
}

#[test]
fn the_queue_takes_messages_up_to_its_limit() {
    for (len, fits) in [(500, true), (501, false)] {
        let mut end = queueing(1000);
        end.feeds(noise(496)).unwrap(); // 500 with its header
        assert!(!end.connection.outbound.is_full());
        let message = Message::from(noise(len));
        let refused = end.feeds(message.clone()).map_err(|error| (error.reason, error.value));
        assert_eq!(refused, if fits { Ok(()) } else { Err((Refusal::Full, message)) });
        assert_eq!(end.connection.outbound.is_full(), fits, "500 + 4 + 500 bytes wait, or 500");
    }
    let mut end = queueing(1000);
    end.feeds(noise(996)).unwrap();
    assert!(end.connection.outbound.is_full(), "exactly 1000 bytes wait");
    end.feeds("").expect("an empty message adds nothing to a queue that is exactly full");
    assert_eq!(end.feeds("").unwrap_err().reason, Refusal::Full);
}

#[test]
fn an_empty_queue_takes_any_message() {
    let mut end = queueing(1000);
    end.connection.outbound.pong("waits in the lane, which is not the queue".into()).unwrap();
    end.feeds(noise(5000)).unwrap();
    assert_eq!(end.feeds("x").unwrap_err().reason, Refusal::Full);
    end.connection.outbound.advance(end.connection.outbound.remaining() - 1);
    end.feeds("x").expect("one byte waits, there is room");
}

#[test]
fn pieces_and_prepared_messages_meet_the_same_limit() {
    let mut end = queueing(1000);
    let outbound = &mut end.connection.outbound;
    outbound.feed(noise(996).into(), Compress::Auto).unwrap();
    assert_eq!(outbound.feed_prepared(&"x".into()).unwrap_err().reason, Refusal::Full);
    outbound.begin_message(Kind::Binary, Compress::Auto).unwrap();
    let piece =
        |len| MessagePiece { kind: Kind::Binary, payload: noise(len).into(), first: true, last: false };
    let error = outbound.feed_piece(piece(1)).unwrap_err();
    assert_eq!((error.reason, error.value), (Refusal::Full, piece(1)));
    outbound.feed_piece(piece(0)).unwrap();
}

/// Brings `count` pings of `len` bytes to `end`; the first byte of each counts.
fn pings(end: &mut End, count: u8, len: usize) {
    for n in 0..count {
        end.reads_frame(PING, &vec![n; len]);
    }
}

/// The first bytes of the pongs that leave.
fn pongs(end: &mut End) -> Vec<u8> {
    let sent = end.sends();
    assert!(sent.iter().all(|(first, _)| *first == PONG));
    sent.iter().map(|(_, payload)| payload[0]).collect()
}

#[test]
fn ten_pings_get_ten_pongs_in_order() {
    for role in [Role::Client, Role::Server] {
        let mut end = End::new(role, Limits::default());
        pings(&mut end, 10, 125);
        assert_eq!(pongs(&mut end), (0..10).collect::<Vec<_>>());
        assert_eq!(end.connection.stats().superseded_pongs, 0);
        assert_eq!(end.connection.stats().sent.frames, 10);
    }
}

#[test]
fn the_lane_holds_16_pongs_and_then_the_newest_takes_the_place_of_the_last() {
    for (count, lost) in [(16, 0), (17, 1), (40, 24)] {
        let mut end = End::server();
        pings(&mut end, count, 1);
        assert_eq!(end.connection.stats().superseded_pongs, lost);
        assert_eq!(end.connection.stats().sent.frames, 16);
        assert_eq!(pongs(&mut end), (0..15).chain([count - 1]).collect::<Vec<_>>());
    }
}

#[test]
fn the_lane_holds_2_kilobytes() {
    let mut end = End::client();
    // 15 frames of 131 bytes fill the lane: another of the longest would not fit any more.
    pings(&mut end, 15, 125);
    assert_eq!(end.connection.stats().superseded_pongs, 0);
    pings(&mut end, 16, 125);
    assert_eq!(end.connection.stats().superseded_pongs, 16);
    assert!(end.connection.outbound.remaining() <= Limits::LANE_BYTES);
    assert_eq!(pongs(&mut end), (0..14).chain([15]).collect::<Vec<_>>());
}

/// 2048 - 131 bytes may wait when another control frame comes, but not one more.
#[test]
fn the_lane_takes_a_frame_while_the_longest_would_fit() {
    for (len, lost) in [(77, 0), (78, 1)] {
        let mut end = End::client();
        pings(&mut end, 14, 125);
        pings(&mut end, 1, len);
        assert_eq!(end.connection.outbound.remaining(), 14 * 131 + 6 + len);
        pings(&mut end, 1, 125);
        assert_eq!(end.connection.stats().superseded_pongs, lost, "{len}");
        assert!(end.connection.outbound.remaining() <= Limits::LANE_BYTES);
    }
}

/// However short the one is that it replaces.
#[test]
fn a_long_pong_that_replaces_a_short_one_stays_within_the_lane() {
    let mut end = End::client();
    pings(&mut end, 14, 125);
    pings(&mut end, 2, 1);
    pings(&mut end, 1, 125);
    assert!(end.connection.outbound.remaining() <= Limits::LANE_BYTES);
    assert_eq!(end.connection.stats().superseded_pongs, 1);
}

#[test]
fn pings_of_this_end_are_never_superseded() {
    let mut end = End::server();
    for n in 0..8u8 {
        end.connection.outbound.ping(vec![n].into(), end.now).unwrap();
        end.reads_frame(PING, &[100 + n]);
    }
    assert_eq!(end.connection.outbound.ping("x".into(), end.now).unwrap_err().reason, Refusal::Full);
    pings(&mut end, 3, 1);
    let sent = end.sends();
    let pings =
        |first| sent.iter().filter(|frame| frame.0 == first).map(|frame| frame.1[0]).collect::<Vec<_>>();
    assert_eq!(pings(PING), (0..8).collect::<Vec<_>>());
    assert_eq!(pings(PONG), [100, 101, 102, 103, 104, 105, 106, 2]);
}

#[test]
fn a_lane_full_of_own_pings_loses_the_pong() {
    let mut end = End::server();
    for n in 0..16u8 {
        end.connection.outbound.ping(vec![n].into(), end.now).unwrap();
    }
    end.reads_frame(PING, b"x");
    assert_eq!(end.connection.stats().superseded_pongs, 1);
    assert_eq!(end.sends().len(), 16);
}

#[test]
fn control_frames_of_the_user_carry_at_most_125_bytes() {
    let mut end = End::server();
    let outbound = &mut end.connection.outbound;
    outbound.ping(noise(125).into(), end.now).unwrap();
    outbound.pong(noise(125).into()).unwrap();
    let error = outbound.ping(noise(126).into(), end.now).unwrap_err();
    assert_eq!((error.reason, error.value), (Refusal::ControlTooLong, noise(126).into()));
    assert_eq!(outbound.pong(noise(126).into()).unwrap_err().reason, Refusal::ControlTooLong);
    assert_eq!(outbound.poll_notice(), Some(Notice::Ping { payload: noise(125).into(), at: end.now }));
    assert_eq!(outbound.poll_notice(), None);
}
