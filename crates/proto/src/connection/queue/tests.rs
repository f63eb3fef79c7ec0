use super::*;
use crate::Prepared;
use crate::extension::Rsv;

const MOST: usize = 16 << 10;
const KEY: Option<[u8; 4]> = Some([1, 2, 3, 4]);

fn header(opcode: Opcode, mask: Option<[u8; 4]>, payload: &[u8]) -> Header {
    Header { fin: true, rsv: Rsv::NONE, opcode, mask, payload_len: payload.len() as u64 }
}

fn push(queue: &mut Queue, mask: Option<[u8; 4]>, payload: impl Into<Payload>) {
    let payload = payload.into();
    queue.push(&header(Opcode::Binary, mask, &payload), payload, MOST);
}

fn push_pong(queue: &mut Queue, payload: &[u8]) -> u32 {
    queue.push_lane(&header(Opcode::Pong, None, payload), payload)
}

fn chunks(queue: &Queue) -> Vec<&[u8]> {
    let mut slices = [IoSlice::new(&[]); 8];
    let filled = queue.chunks_vectored(&mut slices);
    let mut chunks = vec![];
    for slice in slices.into_iter().take(filled) {
        // An `IoSlice` borrows for as long as the queue, only its `Deref` does not say so.
        chunks.push(all(queue).into_iter().find(|chunk| chunk.as_ptr() == slice.as_ptr()).unwrap());
    }
    chunks
}

/// The parts of the queue, in their order.
fn all(queue: &Queue) -> Vec<&[u8]> {
    let joined = [&queue.tail[queue.written..], &queue.lane.bytes];
    queue.front.iter().map(AsRef::as_ref).chain(joined).collect()
}

#[test]
fn a_large_prepared_payload_is_not_copied_and_a_small_one_is() {
    for (len, copied) in [(COPY_MAX, true), (COPY_MAX + 1, false)] {
        let prepared = Prepared::new(vec![7; len]);
        let mut queue = Queue::default();
        push(&mut queue, None, prepared.payload().clone());
        let chunks = chunks(&queue);
        assert_eq!(chunks.len(), if copied { 1 } else { 2 });
        assert_eq!(chunks.last().unwrap().as_ptr() != prepared.payload().as_ptr(), copied);
        assert_eq!(queue.remaining(), 4 + len);
    }
}

#[test]
fn a_client_masks_a_copy_of_what_others_hold_and_its_own_in_place() {
    let prepared = Prepared::new(vec![7; 5000]);
    let mut queue = Queue::default();
    push(&mut queue, KEY, prepared.payload().clone());
    assert_eq!(chunks(&queue)[1][..5], [6, 5, 4, 3, 6]);
    assert!(prepared.payload().iter().all(|byte| *byte == 7));

    let own = vec![7; 5000];
    let place = own.as_ptr();
    let mut queue = Queue::default();
    push(&mut queue, KEY, own);
    assert_eq!(chunks(&queue)[1].as_ptr(), place);
    assert_eq!(chunks(&queue)[1][..5], [6, 5, 4, 3, 6]);
}

#[test]
fn small_frames_are_joined_and_pongs_come_last() {
    let mut queue = Queue::default();
    push(&mut queue, None, "a");
    push(&mut queue, None, vec![7; 5000]);
    push(&mut queue, None, "b");
    push(&mut queue, None, "c");
    push_pong(&mut queue, b"d");
    let chunks = chunks(&queue);
    assert_eq!(chunks[0], [0x82, 1, b'a', 0x82, 126, 19, 136]);
    assert_eq!(chunks[1].len(), 5000);
    assert_eq!(chunks[2], [0x82, 1, b'b', 0x82, 1, b'c']);
    assert_eq!(chunks[3], [0x8a, 1, b'd']);
    assert_eq!(chunks.len(), 4);
}

#[test]
fn fewer_slices_than_chunks_are_filled_from_the_front() {
    let mut queue = Queue::default();
    push(&mut queue, None, vec![7; 5000]);
    push(&mut queue, None, vec![8; 5000]);
    let mut slices = [IoSlice::new(&[]); 3];
    assert_eq!(queue.chunks_vectored(&mut slices), 3);
    assert_eq!(queue.chunks_vectored(&mut []), 0);
    assert_eq!(slices[0].len() + slices[1].len() + slices[2].len(), 4 + 5000 + 4);
}

#[test]
fn a_write_may_stop_at_any_byte() {
    let filled = || {
        let mut queue = Queue::default();
        push(&mut queue, None, "first");
        push(&mut queue, None, vec![7; 4100]);
        push(&mut queue, None, "second");
        push_pong(&mut queue, b"pong");
        queue
    };
    let whole = filled().copy_to_bytes(filled().remaining());
    for at in (0..20).chain(4100..whole.len()) {
        let mut queue = filled();
        queue.advance(at);
        assert_eq!(queue.remaining(), whole.len() - at);
        assert_eq!(queue.is_empty(), at == whole.len());
        assert_eq!(queue.copy_to_bytes(whole.len() - at), whole.slice(at..));
        assert!(queue.is_empty());
    }
}

#[test]
#[should_panic(expected = "cannot advance past what waits")]
fn advancing_past_the_end_is_a_mistake_of_the_driver() {
    let mut queue = Queue::default();
    push(&mut queue, None, "x");
    queue.advance(4);
}

#[test]
fn what_is_retained_is_counted() {
    let mut queue = Queue::default();
    push(&mut queue, None, vec![7; 5000]);
    let with_front = queue.retained();
    assert!((5004..5100).contains(&with_front), "{with_front}");
    push_pong(&mut queue, &[7; 100]);
    assert!((102..300).contains(&(queue.retained() - with_front)));
    queue.advance(queue.remaining());
    assert!(queue.is_empty());
    assert_eq!(queue.retained(), queue.tail.capacity() + queue.lane.bytes.capacity(), "the buffers stay");
}

#[test]
fn the_buffer_grows_by_doubling_up_to_the_limit() {
    let mut queue = Queue::default();
    let mut capacities = vec![];
    for _ in 0..160 {
        push(&mut queue, None, vec![7; 98]);
        capacities.push(queue.tail.capacity());
    }
    capacities.dedup();
    assert!(capacities.len() < 12, "{capacities:?}");
    assert!(*capacities.last().unwrap() <= MOST);
}

/// What is written makes room before the buffer grows.
#[test]
fn a_buffer_that_never_runs_empty_does_not_grow() {
    let mut queue = Queue::default();
    push(&mut queue, None, vec![7; 1000]);
    let mut most = 0;
    for _ in 0..100 {
        push(&mut queue, None, vec![7; 1000]);
        queue.advance(1004);
        most = most.max(queue.tail.capacity());
    }
    assert!(most <= 3 * 1014, "{most}");
}

#[test]
fn a_large_payload_does_not_pin_the_buffer_before_it() {
    let mut queue = Queue::default();
    queue.tail.reserve_exact(MOST / 2);
    push(&mut queue, None, vec![7; 5000]);
    assert_eq!(queue.retained(), MOST / 2 + 5004);
    assert_eq!(queue.tail.capacity(), MOST / 2, "the buffer stays");
    push(&mut queue, None, vec![7; 5000]);
    assert_eq!(queue.retained(), 2 * 5004, "unless that would be too much");
    // From here on the buffer grows only as it must.
    push(&mut queue, None, vec![7; 4000]);
    push(&mut queue, None, vec![7; 4000]);
    assert!(queue.retained() < 2 * 5004 + 2 * 4014, "{}", queue.retained());
}

#[test]
fn the_limits_of_memory_are_exact() {
    for (spare, kept) in [(5004, true), (5003, false)] {
        let mut queue = Queue::default();
        queue.tail.reserve_exact(1000);
        let payload = vec![7; 5000];
        queue.push(&header(Opcode::Binary, None, &payload), Payload::from(payload), 1000 + spare);
        assert_eq!(queue.tail.capacity() == 1000, kept);
    }
}

#[test]
fn a_buffer_that_is_just_large_enough_stays() {
    let mut queue = Queue::default();
    queue.tail.reserve_exact(1000);
    push(&mut queue, None, vec![7; 596]); // 600 with its header
    push(&mut queue, None, vec![7; 400 - MAX_HEADER]); // reserved with the longest header
    assert_eq!(queue.tail.capacity(), 1000);
}

#[test]
fn the_lane_knows_its_room() {
    let mut queue = Queue::default();
    for _ in 0..16 {
        assert!(queue.lane_has_room());
        assert_eq!(push_pong(&mut queue, b"x"), 0);
    }
    assert!(!queue.lane_has_room());
    assert_eq!(push_pong(&mut queue, b"y"), 1);
    queue.advance(1);
    assert!(queue.lane_has_room(), "the frames of the lane have taken their place");
    assert_eq!(push_pong(&mut queue, b"z"), 0);
}
