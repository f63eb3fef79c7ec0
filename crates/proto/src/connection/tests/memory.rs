//! I5: the memory held for a peer grows with the bytes that it sends, up to the limits, never with what it declares.

use super::arrival::TOY;
use super::machine::{Op, make, op};
use super::*;
use crate::limits::KeepAlive;
use proptest::prelude::*;

/// What the driver of these tests reads at once.
const READ_BLOCK: usize = 4096;

/// The longest unparsed rest: a header and the payload of a control frame, of which a byte is missing.
const REST: usize = MAX_HEADER + 125;

/// The book-keeping of a message in progress.
const BOOKS: usize = 128;

/// The control lane, whose buffer grows by doubling, and one whose frames have taken their place in the queue.
const LANES: usize = 2 * Limits::LANE_BYTES + Limits::LANE_BYTES;

/// The buffer that [`Op::Lend`] lends.
const LENT: usize = 600;

fn bound(limits: &Limits) -> usize {
    // A Close frame is taken by a full queue too.
    limits.max_message + BOOKS + REST + limits.max_queued + MAX_HEADER + LANES + LENT + MAX_HEADER + 125
}

/// Reads in blocks, and hands each block over before the next.
fn reads_in_blocks(end: &mut End, bytes: &[u8]) -> usize {
    let mut most = 0;
    for block in bytes.chunks(READ_BLOCK) {
        end.reads(block);
        most = most.max(end.retained());
    }
    most
}

proptest! {
    #[test]
    fn i5_retained_memory_stays_within_the_limits(
        role in prop::sample::select(vec![Role::Client, Role::Server]),
        ops in prop::collection::vec(op(), 0..40),
    ) {
        let mut end = make((role, false, KeepAlive::default()));
        let bound = bound(&end.connection.outbound.limits);
        for op in ops {
            let most = match op {
                Op::ReadStream(stream) => reads_in_blocks(&mut end, &stream.bytes(role)),
                op => {
                    end.does(op);
                    end.retained()
                }
            };
            prop_assert!(most <= bound, "{most} of {bound}");
        }
    }

    #[test]
    fn i5_memory_grows_with_bytes_received_not_declared(
        declared in prop::sample::select(vec![100_000, 1 << 20, 1u64 << 40, 1 << 62]),
        steps in prop::collection::vec((1usize..20_000, any::<bool>()), 0..8),
        kind in prop::sample::select(vec![BINARY, TEXT]),
    ) {
        let mut end = unlimited();
        end.reads(&header(Role::Server, kind, declared));
        let mut received = 0;
        for (len, directly) in steps {
            if directly {
                end.does(Op::ReadDirect(len));
            } else {
                end.reads(&vec![KEY[0]; len]);
            }
            received += len;
            let _ = end.connection.inbound.direct();
            prop_assert!(end.retained() <= 2 * received + 256, "{} for {received}", end.retained());
        }
    }

    /// A slow reader whose queue never runs empty.
    #[test]
    fn i5_a_queue_that_never_runs_empty_does_not_grow(len in 1usize..3000, most in 0usize..5000) {
        let mut end = make((Role::Server, false, KeepAlive::Off));
        let bound = bound(&end.connection.outbound.limits);
        for _ in 0..100 {
            while end.feeds(noise(len)).is_ok() {}
            let outbound = &mut end.connection.outbound;
            outbound.advance(most.min(outbound.remaining() - 1));
            prop_assert!(end.retained() <= bound, "{} of {bound}", end.retained());
        }
    }
}

/// An end that takes messages of any size.
fn unlimited() -> End {
    End::new(Role::Server, Limits { max_message: usize::MAX, ..Limits::default() })
}

#[test]
fn i5_a_header_alone_reserves_nothing() {
    for declared in [1 << 20, 1 << 62] {
        for first in [BINARY, TEXT, BINARY_BEGINS] {
            let mut end = unlimited();
            let header = header(Role::Server, first, declared);
            assert_eq!(header.len(), 14);
            assert_eq!(end.reads(&header), []);
            assert!(end.connection.inbound.direct().is_none());
            assert!(end.retained() < 256);
            end.reads(b"x");
            assert!(end.connection.inbound.direct().is_none());
            assert!(end.retained() < 256);
        }
    }
}

#[test]
fn room_is_lent_from_32_kilobytes_on_and_only_while_as_much_is_missing() {
    let half = (32 << 10) - MAX_HEADER;
    let lent = |len: usize, declared: usize| {
        let mut end = End::server();
        end.reads(
            &frame(Role::Server, BINARY, &noise(declared))
                [..14 - 8 + len + if declared > 0xffff { 8 } else { 2 }],
        );
        end.connection.inbound.direct().map(|room| room.remaining_mut())
    };
    assert_eq!(lent(half - 1, 200_000), None);
    assert_eq!(lent(half, 200_000), Some(half));
    assert_eq!(lent(half, 2 * half), Some(half));
    assert_eq!(lent(half + 1, 2 * half), None);
    assert_eq!(lent(3 * half, 4 * half + 5), Some(half + 5));
    assert_eq!(lent(50_000, 200_000), Some(50_000));
    // Until as much has come as is missing.
    assert_eq!(lent(50_000, 140_000), Some(20_000));
    assert_eq!(lent(50_000, 100_001), Some(16 << 10));
}

#[test]
fn no_room_is_lent_for_streamed_messages_nor_inside_control_frames() {
    let mut end = End::server();
    let begins = frame(Role::Server, BINARY_BEGINS, &noise(10_000));
    end.reads(&[begins, header(Role::Server, PING, 100)].concat());
    assert!(end.connection.inbound.direct().is_none());

    let mut end = End::server();
    end.connection.inbound.set_delivery(Delivery::Pieces);
    end.reads(&frame(Role::Server, TEXT, &vec![b'x'; 100_000])[..50_000]);
    assert!(end.connection.inbound.direct().is_none());
}

#[test]
fn what_is_held_is_counted_and_given_up_at_the_end() {
    let message = frame(Role::Server, BINARY, &noise(20_000));
    let mut end = End::server();
    assert_eq!(end.retained(), 0);
    end.reads(&message[..10_000]);
    let held = end.connection.inbound.retained();
    assert!((10_000 - 8..20_000 + 256).contains(&held), "{held}");
    end.reads(&message[10_000..]);
    assert_eq!(end.retained(), 0);

    end.reads(&message[..10_000]);
    end.ends();
    assert_eq!(end.retained(), 0);
}

/// A peer that takes no bytes is not owed the rest of its message.
#[test]
fn a_stalled_peer_gives_up_the_message_in_progress() {
    let mut end = End::server();
    end.reads(&frame(Role::Server, BINARY, &noise(20_000))[..10_000]);
    end.feeds("nobody reads this").unwrap();
    end.connection.outbound.handle_blocked(end.now);
    assert_eq!(closed(&end.waits(SECOND * 20)).cause, Cause::Timeout(Deadline::Write));
    assert_eq!(end.retained(), 0);
}

#[test]
fn what_extensions_keep_is_counted() {
    let end = End::with_codecs(Role::Server, Limits::default(), vec![toy::toy(TOY.0, TOY.1)]);
    assert_eq!(end.connection.inbound.retained(), toy::RETAINED);
    assert_eq!(end.connection.outbound.retained(), toy::RETAINED);
    let codecs = vec![toy::toy(TOY.0, TOY.1), toy::toy(crate::extension::Rsv::RSV1, toy::Op::Xor)];
    let end = End::with_codecs(Role::Server, Limits::default(), codecs);
    assert_eq!(end.retained(), 4 * toy::RETAINED);
}

/// What the buffer behind a message holds.
fn pinned(event: Event) -> usize {
    let Event::Message(message) = event else { panic!("no message: {event:?}") };
    let bytes = bytes::Bytes::from(message.into_payload());
    bytes.try_into_mut().expect("nobody else holds the buffer").capacity()
}

#[test]
fn a_retained_message_of_20_bytes_pins_less_than_256() {
    let twenty = noise(20);
    let begins = frame(Role::Server, BINARY_BEGINS, &twenty[..3]);
    let fragments = [begins, frame(Role::Server, CONTINUATION, &twenty[3..])].concat();
    for bytes in [&frame(Role::Server, BINARY, &twenty), &fragments] {
        let mut at_once = End::server();
        at_once.input.reserve(32 << 10);
        assert!(pinned(at_once.reads(bytes).remove(0)) < 256);

        let mut drop_by_drop = End::server();
        let mut events: Vec<Event> = bytes.iter().flat_map(|byte| drop_by_drop.reads(&[*byte])).collect();
        assert!(pinned(events.remove(0)) < 256);
    }
    let doubled = frame(Role::Server, BINARY | TOY.2, &toy::made(TOY.1, &twenty));
    let mut extended = End::with_codecs(Role::Server, Limits::default(), vec![toy::toy(TOY.0, TOY.1)]);
    assert!(pinned(extended.reads(&doubled).remove(0)) < 256);
}

/// The buffer of a transformed message is exchanged for a tight one where less than half of it is used.
#[test]
fn a_transformed_message_pins_no_more_than_twice_its_length() {
    for (len, held) in [(2047, 2047), (2048, 4096)] {
        let doubled = frame(Role::Server, BINARY | TOY.2, &toy::made(TOY.1, &noise(len)));
        let mut end = End::with_codecs(Role::Server, Limits::default(), vec![toy::toy(TOY.0, TOY.1)]);
        assert_eq!(pinned(end.reads(&doubled).remove(0)), held);
    }
}

/// The message of a block that has it whole, and whether it is a slice of that block.
fn is_slice_of_the_block(len: usize) -> bool {
    let mut end = End::server();
    end.input.extend_from_slice(&frame(Role::Server, BINARY, &noise(len)));
    let block = end.input.as_ptr_range();
    let Some(Event::Message(message)) = end.connection.poll_event(&mut end.input, end.now) else { panic!() };
    assert_eq!(message.as_bytes(), noise(len));
    block.contains(&message.as_bytes().as_ptr())
}

#[test]
fn a_payload_of_33_kilobytes_is_a_slice_of_the_block_and_a_shorter_one_a_copy() {
    assert!(!is_slice_of_the_block((33 << 10) - 1));
    assert!(is_slice_of_the_block(33 << 10));
    assert!(is_slice_of_the_block(100_000));
}

#[test]
fn a_message_that_was_assembled_pins_no_more_than_twice_its_length() {
    let message = frame(Role::Server, BINARY, &noise(50_000));
    for block in [1000, 9000, 40_000] {
        let mut end = End::server();
        let mut events: Vec<Event> = message.chunks(block).flat_map(|block| end.reads(block)).collect();
        assert!(pinned(events.remove(0)) <= 100_000);
    }
}
