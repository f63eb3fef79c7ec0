use super::*;

fn to(most: usize) -> Growth {
    Growth { expected: 0, most }
}

fn buffer(bytes: &[u8]) -> MessageBuffer {
    let mut buffer = MessageBuffer::default();
    buffer.extend(bytes, [0; 4], to(1 << 20));
    buffer
}

#[test]
fn a_text_is_made_of_utf8_only() {
    assert_eq!(Text::try_from(Payload::from("größer")).unwrap(), "größer");
    assert_eq!(Text::try_from(Bytes::from_static(b"ab\xff")), Err(Utf8Error { valid_up_to: 2 }));
    let error = Text::try_from(Payload::from(b"ab\xe2\x82")).unwrap_err();
    assert_eq!(error.to_string(), "invalid UTF-8 at byte 2 of the piece");
}

#[test]
fn a_text_compares_and_prints_as_its_str() {
    let text = Text::from("a\"b");
    assert_eq!(text, *"a\"b");
    assert!(text != *"a");
    assert!(text != "a");
    assert_eq!(text.to_string(), "a\"b");
    assert_eq!(format!("{text:?}"), "\"a\\\"b\"");
    assert_eq!(text.as_ref(), "a\"b");
    assert_eq!(text.len(), 3);
}

#[test]
fn a_text_comes_from_and_goes_to_strings() {
    let string = "x".repeat(100);
    assert_eq!(Text::from(&string), Text::from(string.clone()));
    assert_eq!(String::from(Text::from(string.as_str())), string);
    assert_eq!(Text::new(), "");
    assert_eq!(Text::copy_from_str("abc").into_payload(), b"abc");
}

#[test]
fn only_bytes_that_were_checked_become_text() {
    let mut whole = buffer("größer".as_bytes());
    whole.check().unwrap();
    assert_eq!(whole.into_text().unwrap(), "größer");

    let mut partly = buffer(b"abc");
    partly.check().unwrap();
    partly.extend(b"def", [0; 4], to(1 << 20));
    assert_eq!(partly.into_text(), Err(Utf8Error { valid_up_to: 3 }));

    let mut accepted = buffer(b"\xff");
    accepted.accept();
    assert_eq!(accepted.into_text(), Err(Utf8Error { valid_up_to: 0 }));

    let mut unfinished = buffer(&"€".as_bytes()[..2]);
    unfinished.check().unwrap();
    assert_eq!(unfinished.into_text(), Err(Utf8Error { valid_up_to: 2 }));
}

#[test]
fn fresh_bytes_are_those_since_the_last_check() {
    let mut buffer = buffer(b"ab");
    assert_eq!(buffer.fresh_mut(), b"ab");
    buffer.check().unwrap();
    assert_eq!(buffer.fresh_mut(), b"");
    buffer.extend(b"cd", [0; 4], to(1 << 20));
    assert_eq!(buffer.fresh_mut(), b"cd");
    buffer.accept();
    assert_eq!(buffer.fresh_mut(), b"");
    assert_eq!((buffer.as_slice(), buffer.len()), (&b"abcd"[..], 4));
}

#[test]
fn the_buffer_doubles_but_not_beyond_the_most() {
    let mut buffer = MessageBuffer::default();
    let mut capacities = vec![];
    for _ in 0..1000 {
        buffer.extend(&[1; 10], [0; 4], to(9000));
        capacities.push(buffer.capacity());
    }
    capacities.dedup();
    assert!(capacities.len() < 120, "by doubling, and exactly as needed beyond the most");
    assert!(capacities[..10].windows(2).all(|pair| pair[1] <= 2 * pair[0]));
    assert!(capacities.contains(&9000));
    assert_eq!(*capacities.last().unwrap(), 10_000);
}

#[test]
fn a_buffer_that_is_just_large_enough_stays() {
    let mut buffer = MessageBuffer::default();
    buffer.spare(100, 1 << 20);
    buffer.extend(&[1; 60], [0; 4], to(1 << 20));
    buffer.extend(&[1; 40], [0; 4], to(1 << 20));
    assert_eq!(buffer.capacity(), 100);
}

#[test]
fn what_is_expected_has_its_place_as_far_as_that_doubles_the_buffer() {
    let capacity = |expected| {
        let mut buffer = MessageBuffer::default();
        buffer.extend(&[1; 60], [0; 4], Growth { expected, most: 1 << 20 });
        buffer.capacity()
    };
    assert_eq!([0, 1, 60, 61, usize::MAX].map(capacity), [60, 61, 120, 120, 120]);
}

#[test]
fn bytes_are_unmasked_when_they_are_appended() {
    let mut buffer = buffer(b"ab");
    buffer.extend(&[b'c' ^ 1, b'd' ^ 2], [1, 2, 3, 4], to(1 << 20));
    assert_eq!(buffer.as_slice(), b"abcd");
    assert_eq!(buffer.fresh_mut(), b"abcd");
}

#[test]
fn room_is_as_long_as_asked_and_fills_the_message() {
    let mut buffer = buffer(b"ab");
    let mut room = buffer.spare(3, 1 << 20);
    assert_eq!(room.remaining_mut(), 3);
    assert_eq!(room.chunk_mut().len(), 3);
    room.put_slice(b"cd");
    assert_eq!(room.remaining_mut(), 1);
    assert_eq!(buffer.as_slice(), b"abcd");
}

#[test]
fn a_loose_buffer_is_exchanged_for_a_tight_one() {
    let capacity = |len: usize| {
        let mut buffer = MessageBuffer::default();
        buffer.spare(1000, 1 << 20);
        buffer.extend(&vec![1; len], [0; 4], to(1 << 20));
        Bytes::from(buffer.into_payload()).try_into_mut().unwrap().capacity()
    };
    assert_eq!(capacity(499), 499);
    assert_eq!(capacity(500), 1000);
}

#[test]
fn pieces_are_unmasked_where_all_has_room() {
    let plain: Vec<u8> = (0..=255).cycle().take(200_000).collect();
    let masked: Vec<u8> =
        plain.iter().zip([1, 2, 3, 4].iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    let mut buffer = MessageBuffer::default();
    buffer.extend(&masked[..20_000], [1, 2, 3, 4], to(1 << 20));
    buffer.accept();
    for (at, lent) in [(20_000, 20_000), (30_000, 10_000), (40_000, 40_000), (80_000, 20_000)] {
        let mut room = buffer.room(200_000 - at, [1, 2, 3, 4]);
        assert_eq!(room.remaining_mut(), lent);
        room.put_slice(&masked[at..at + if at == 20_000 { 10_000 } else { lent }]);
        assert_eq!(buffer.fresh_mut(), b"");
        assert!(buffer.fresh_in_pieces() > 0);
        buffer.accept();
        assert!(buffer.capacity() <= 2 * 20_000.max(at) + 256);
    }
    assert_eq!((buffer.len(), buffer.fresh_in_pieces()), (100_000, 0));
    let mut room = buffer.spare(100_000, 1 << 20);
    room.put_slice(&plain[100_000..]);
    assert_eq!(buffer.fresh_mut().len(), 100_000);
    assert_eq!(buffer.capacity(), 200_000);
    assert_eq!(buffer.into_payload(), plain[..]);
}
