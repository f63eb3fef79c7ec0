use super::super::pool::{Compressor, Settings, SharedPool};
use super::super::tests::{noise, whole};
use super::*;
use proptest::prelude::*;

fn keeping(window_bits: u8) -> Decoder {
    Decoder::new(Side { window_bits, takeover: true }, Arc::new(SharedPool::default()))
}

fn forgetting(window_bits: u8) -> Decoder {
    Decoder::new(Side { window_bits, takeover: false }, Arc::new(SharedPool::default()))
}

fn decode(decoder: &mut Decoder, message: &[u8]) -> Result<Vec<u8>, DecodeError> {
    decode_within(decoder, message, usize::MAX)
}

fn decode_within(decoder: &mut Decoder, message: &[u8], limit: usize) -> Result<Vec<u8>, DecodeError> {
    let mut output = BytesMut::new();
    assert!(decoder.begin(Kind::Text, Rsv::RSV1));
    let result = decoder.decode(whole(message), &mut output, limit);
    assert!(output.len() <= limit && output.capacity() <= limit, "{} over {limit}", output.capacity());
    result.map(|()| output.to_vec())
}

/// In pieces of so many bytes, then an empty last one.
fn decode_pieces(decoder: &mut Decoder, message: &[u8], length: usize) -> Result<Vec<u8>, DecodeError> {
    let mut output = BytesMut::new();
    assert!(decoder.begin(Kind::Text, Rsv::RSV1));
    for bytes in message.chunks(length) {
        decoder.decode(Piece { bytes, last: false }, &mut output, usize::MAX)?;
    }
    decoder.decode(whole(b""), &mut output, usize::MAX)?;
    Ok(output.to_vec())
}

fn compressed(plain: &[u8]) -> Vec<u8> {
    let mut compressor = Compressor::new(Settings { window_bits: 15, level: 6, mem_level: 8 });
    let mut output = BytesMut::new();
    compressor.start([&[]; 2]);
    compressor.compress(plain, &mut output);
    output.to_vec()
}

/// The payloads of RFC 7692 7.2.3, each of which reads "Hello" on a fresh context.
const HELLO: [&[u8]; 4] = [
    // 7.2.3.1: one block
    &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
    // 7.2.3.3: a block without compression
    &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
    // 7.2.3.4: a final block
    &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
    // 7.2.3.5: two blocks
    &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
];

#[test]
fn reads_the_examples_of_the_rfc() {
    for message in HELLO {
        for new in [keeping, forgetting] {
            assert_eq!(decode(&mut new(15), message), Ok(b"Hello".to_vec()));
            for length in 1..message.len() {
                let pieces = decode_pieces(&mut new(15), message, length);
                assert_eq!(pieces, Ok(b"Hello".to_vec()));
            }
        }
    }
}

#[test]
fn reads_the_second_hello_over_the_context_of_any_first() {
    // RFC 7692 7.2.3.2
    let second = [0xf2, 0x00, 0x11, 0x00, 0x00];
    for first in HELLO {
        let mut keeping = keeping(8);
        assert_eq!(decode(&mut keeping, first), Ok(b"Hello".to_vec()));
        assert_eq!(decode(&mut keeping, &second), Ok(b"Hello".to_vec()));
        assert_eq!(decode_pieces(&mut keeping, &second, 1), Ok(b"Hello".to_vec()));
        assert_eq!(decode_pieces(&mut keeping, first, 3), Ok(b"Hello".to_vec()));
        assert_eq!(decode(&mut keeping, &second), Ok(b"Hello".to_vec()));

        let mut forgetting = forgetting(8);
        assert_eq!(decode(&mut forgetting, first), Ok(b"Hello".to_vec()));
        assert_eq!(decode(&mut forgetting, &second), Err(DecodeError::Invalid));
    }
}

#[test]
fn reads_empty_messages_in_every_form() {
    // RFC 7692 7.2.3.6; no byte at all; a final block and nothing behind it
    for message in [&[0x00][..], &[], &[0x03, 0x00], &[0x03, 0x00, 0x00]] {
        let mut decoder = keeping(15);
        assert_eq!(decode(&mut decoder, message), Ok(vec![]));
        assert_eq!(decode_pieces(&mut decoder, message, 1), Ok(vec![]));
        assert_eq!(decode(&mut decoder, HELLO[0]), Ok(b"Hello".to_vec()));
    }
}

#[test]
fn an_empty_message_takes_no_inflater() {
    let pool = Arc::new(SharedPool::default());
    let mut decoder = Decoder::new(Side { window_bits: 9, takeover: true }, pool.clone());
    for message in [&[][..], &[0x00]] {
        assert_eq!(decode(&mut decoder, message), Ok(vec![]));
        assert!(pool.take_inflater().is_none());
    }
    // Only where it is the whole message.
    assert_eq!(decode(&mut decoder, &[0x01]), Err(DecodeError::Invalid));
    assert!(pool.take_inflater().is_some());
    let begun = Piece { bytes: &[0x00], last: false };
    assert_eq!(decoder.decode(begun, &mut BytesMut::new(), 0), Ok(()));
    assert!(decoder.open.is_some());
    assert_eq!(decoder.decode(whole(&[0x00]), &mut BytesMut::new(), 0), Err(DecodeError::Invalid));
    let begun = Piece { bytes: &HELLO[0][..6], last: false };
    assert_eq!(decoder.decode(begun, &mut BytesMut::new(), 5), Ok(()));
    assert_eq!(decoder.decode(whole(&HELLO[0][6..]), &mut BytesMut::new(), 5), Ok(()));
    assert!(decoder.open.is_none());
}

#[test]
fn a_final_block_keeps_the_context_within_its_message() {
    // "Hello" in a final block; then the second example, which refers to it.
    let message = [&HELLO[2][..7], &[0xf2, 0x00, 0x11, 0x00, 0x00]].concat();
    for mut decoder in [keeping(9), forgetting(9)] {
        assert_eq!(decode(&mut decoder, &message), Ok(b"HelloHello".to_vec()));
        for length in 1..message.len() {
            assert_eq!(decode_pieces(&mut decoder, &message, length), Ok(b"HelloHello".to_vec()));
        }
    }
}

/// A final block that is one byte long when inflated; three bytes of wire.
const FINAL_BYTE: &[u8] = &[0x4b, 0x04, 0x00];

#[test]
fn final_blocks_beyond_the_free_ones_are_paid_for() {
    // The second pays for one more by its four bytes in and out.
    for (block, most) in [(&EMPTY_FINAL_BLOCK[..], 64), (FINAL_BYTE, 65)] {
        for length in [1, 5, usize::MAX] {
            let decode = |count| decode_pieces(&mut keeping(15), &block.repeat(count), length);
            assert!(decode(most).is_ok());
            assert_eq!(decode(most + 1), Err(DecodeError::Invalid));
        }
        // The next message has as many again.
        let mut decoder = keeping(9);
        assert!((0..2).all(|_| decode(&mut decoder, &block.repeat(most)).is_ok()));
    }
}

#[test]
fn every_byte_in_or_out_pays_for_final_blocks() {
    let free = usize::try_from(FREE_FINAL_BLOCKS).expect("a few");
    let blocks = |count: usize| EMPTY_FINAL_BLOCK.repeat(count);
    let most = |before: &[u8]| {
        let accepts = |count: &usize| decode(&mut forgetting(9), &[before, &blocks(*count)].concat()).is_ok();
        (1..4 * free).take_while(accepts).last()
    };
    let stored = |length: u8| [&[1, length, 0, !length, 0xff][..], &noise(length.into())].concat();
    assert_eq!(most(&[]), Some(64));
    // A final block itself, whose bytes are half in and half out; then one block that is nearly all out.
    assert_eq!(most(&stored(0)), Some(63));
    assert_eq!(most(&stored(250)), Some(65));
    let mut long = compressed(&vec![7; 25_600]);
    long.extend_from_slice(&TAIL);
    assert!(long.len() < 256, "{}", long.len());
    assert_eq!(most(&long), Some(64 + 100 + 1));
}

#[test]
fn a_window_holds_each_byte_once_and_in_order() {
    let mut decoder = keeping(15);
    let first = [&HELLO[2][..7], HELLO[1], HELLO[0]].concat();
    // The stored block's last byte is the next one's first three bits and padding, so cut it off between.
    let first = [&first[..17], &first[18..]].concat();
    assert_eq!(decode_pieces(&mut decoder, &first, 4), Ok(b"HelloHelloHello".to_vec()));
    assert_eq!(decoder.window.parts().concat(), b"HelloHelloHello");
    decode(&mut decoder, HELLO[0]).expect("legal");
    assert_eq!(decoder.window.parts().concat(), b"HelloHelloHelloHello");
}

#[test]
fn passes_by_what_has_no_rsv1() {
    let mut decoder = keeping(15);
    assert!(!decoder.begin(Kind::Text, Rsv::NONE));
    assert!(!decoder.begin(Kind::Binary, Rsv::RSV2.union(Rsv::RSV3)));
    assert!(decoder.begin(Kind::Binary, Rsv::RSV1.union(Rsv::RSV2)));
}

#[test]
fn a_message_that_stops_inside_a_block_is_invalid() {
    for message in [HELLO[0], HELLO[1], HELLO[3], &compressed(&noise(300))] {
        for length in 1..message.len() {
            let cut = &message[..length];
            // Not where the cut leaves whole blocks behind, less the tail.
            let whole_blocks = matches!(cut, [0xf2, 0x48, 0x05, 0x00]) || cut == [0x00];
            let mut decoder = keeping(15);
            assert_eq!(decode(&mut decoder, cut).is_err(), !whole_blocks, "{cut:x?}");
        }
    }
    // A final block that lacks its end, which the tail would supply.
    for length in 1..6 {
        assert_eq!(decode(&mut keeping(15), &HELLO[2][..length]), Err(DecodeError::Invalid));
    }
}

#[test]
fn a_stored_block_that_the_tail_would_fill_is_invalid() {
    let stored = |bytes: &[u8]| [&[0x00, 0x09, 0x00, 0xf6, 0xff], bytes].concat();
    assert_eq!(decode(&mut keeping(15), &stored(b"Hello")), Err(DecodeError::Invalid));
    assert_eq!(decode(&mut keeping(15), &stored(b"HelloHel")), Err(DecodeError::Invalid));
    assert_eq!(decode(&mut keeping(15), &stored(b"HelloHell")), Err(DecodeError::Invalid));
    let complete = stored(b"HelloHell\0");
    assert_eq!(decode(&mut keeping(15), &complete), Ok(b"HelloHell".to_vec()));
}

#[test]
fn retains_what_the_context_needs_and_no_more() {
    let mut keeping = keeping(9);
    assert_eq!(keeping.retained(), 0);
    decode(&mut keeping, HELLO[0]).expect("legal");
    assert_eq!(keeping.retained(), Window::GROWTH);
    decode(&mut keeping, &compressed(&[7; 10_000])).expect("legal");
    assert_eq!(keeping.retained(), 1 << 9);

    let mut forgetting = forgetting(15);
    for message in HELLO {
        decode(&mut forgetting, message).expect("legal");
        assert_eq!(forgetting.retained(), 0);
        decode_pieces(&mut forgetting, message, 2).expect("legal");
        assert_eq!(forgetting.retained(), 0);
    }
    decode(&mut forgetting, b"\xff").expect_err("no block is of type 3");
    assert_eq!(forgetting.retained(), 0);
}

#[test]
fn holds_an_inflater_only_inside_a_message() {
    let pool = Arc::new(SharedPool::default());
    let mut decoder = Decoder::new(Side { window_bits: 9, takeover: false }, pool.clone());
    let idle = |decoder: &Decoder| {
        let idle = pool.take_inflater();
        let any = idle.is_some();
        if let Some(inflater) = idle {
            pool.put_inflater(inflater);
        }
        assert_ne!(any, decoder.open.is_some());
        any
    };
    decode(&mut decoder, HELLO[0]).expect("legal");
    assert!(idle(&decoder));

    let mut output = BytesMut::new();
    decoder.begin(Kind::Text, Rsv::RSV1);
    assert!(idle(&decoder));
    let half = Piece { bytes: &HELLO[0][..4], last: false };
    decoder.decode(half, &mut output, 100).expect("legal");
    assert!(!idle(&decoder));
    decoder.decode(whole(&HELLO[0][4..]), &mut output, 100).expect("legal");
    assert!(idle(&decoder));

    // A message that is given up leaves nothing behind.
    decoder.begin(Kind::Text, Rsv::RSV1);
    decoder.decode(half, &mut output, 100).expect("legal");
    assert_eq!(decoder.retained(), Window::GROWTH + Inflater::BYTES);
    decoder.begin(Kind::Text, Rsv::NONE);
    assert!(idle(&decoder));
    assert_eq!(decoder.retained(), 0);
}

#[test]
fn an_inflater_serves_again_whatever_happened_to_it() {
    let pool = Arc::new(SharedPool::default());
    let new = || Decoder::new(Side { window_bits: 15, takeover: true }, pool.clone());
    decode(&mut new(), b"\xff\xff\xff").expect_err("no block is of type 3");
    assert_eq!(decode(&mut new(), HELLO[0]), Ok(b"Hello".to_vec()));
    decode_within(&mut new(), HELLO[0], 2).expect_err("too big");
    assert_eq!(decode(&mut new(), HELLO[0]), Ok(b"Hello".to_vec()));
    decode(&mut new(), &HELLO[0][..3]).expect_err("cut");
    assert_eq!(decode(&mut new(), HELLO[0]), Ok(b"Hello".to_vec()));
    assert_eq!(decode(&mut new(), &[0xf2, 0x00, 0x11, 0x00, 0x00]), Err(DecodeError::Invalid));

    // Dropped in the middle of a message: the next one has a new inflater.
    let mut dropped = new();
    dropped.begin(Kind::Text, Rsv::RSV1);
    let half = Piece { bytes: &HELLO[0][..4], last: false };
    dropped.decode(half, &mut BytesMut::new(), 100).expect("legal");
    drop(dropped);
    assert!(pool.take_inflater().is_none());
    assert_eq!(decode(&mut new(), HELLO[0]), Ok(b"Hello".to_vec()));
}

#[test]
fn the_limit_is_exact() {
    for size in [1, 5, STEP - 1, STEP, STEP + 1, 3 * STEP, 100_000] {
        let message = compressed(&vec![b'x'; size]);
        for mut decoder in [keeping(12), forgetting(12)] {
            let exact = decode_within(&mut decoder, &message, size);
            assert_eq!(exact.map(|plain| plain.len()), Ok(size));
            let over = decode_within(&mut decoder, &message, size - 1);
            assert_eq!(over, Err(DecodeError::TooBig));
        }
    }
}

#[test]
fn the_limit_counts_what_the_output_holds_already() {
    let mut output = BytesMut::from(&b"before"[..]);
    assert!(keeping(15).decode(whole(HELLO[0]), &mut output.clone(), 10).is_err());
    assert_eq!(keeping(15).decode(whole(HELLO[0]), &mut output, 11), Ok(()));
    assert_eq!(output, b"beforeHello"[..]);
}

#[test]
fn a_bomb_costs_at_most_the_limit() {
    const LIMIT: usize = 50_000;
    let bomb = compressed(&vec![0; 20_000_000]);
    assert!(bomb.len() < 25_000);
    assert_eq!(decode_within(&mut keeping(15), &bomb, LIMIT), Err(DecodeError::TooBig));

    // In pieces: the memory follows what has come out so far.
    let mut in_pieces = forgetting(15);
    let mut output = BytesMut::new();
    in_pieces.begin(Kind::Binary, Rsv::RSV1);
    let failed = bomb.chunks(10).find_map(|bytes| {
        let result = in_pieces.decode(Piece { bytes, last: false }, &mut output, LIMIT);
        assert!(output.capacity() <= (2 * output.len()).min(LIMIT));
        result.err()
    });
    assert_eq!(failed, Some(DecodeError::TooBig));
    assert_eq!(in_pieces.retained(), 0);

    // Over the context: a short message that refers to a long one, again and again.
    let mut over_context = keeping(15);
    decode(&mut over_context, &compressed(&vec![0; 40_000])).expect("legal");
    assert_eq!(decode_within(&mut over_context, &bomb, LIMIT), Err(DecodeError::TooBig));
    assert_eq!(over_context.retained(), 1 << 15);
}

#[test]
fn a_small_message_has_a_small_buffer() {
    let mut output = BytesMut::new();
    keeping(15).decode(whole(HELLO[0]), &mut output, 1 << 20).expect("legal");
    assert_eq!(output.capacity(), 5);
}

#[test]
fn room_that_is_there_is_used() {
    let mut output = BytesMut::with_capacity(64);
    let place = output.as_ptr();
    keeping(15).decode(whole(HELLO[0]), &mut output, 1 << 20).expect("legal");
    assert_eq!((output.as_ptr(), output.capacity()), (place, 64));
}

#[test]
fn a_peer_must_keep_to_its_window_between_messages() {
    // 600 bytes apart: within 10 bits, beyond 9.
    let text = [noise(100), vec![b'-'; 500], noise(100)].concat();
    let mut compressor = Compressor::new(Settings { window_bits: 15, level: 6, mem_level: 8 });
    let mut second = BytesMut::new();
    compressor.start([&text[..600], &[]]);
    compressor.compress(&text[600..], &mut second);
    assert!(second.len() < 50);
    for (bits, expected) in [(10, Ok(noise(100))), (9, Err(DecodeError::Invalid))] {
        let mut decoder = keeping(bits);
        decode(&mut decoder, &compressed(&text[..600])).expect("legal");
        assert_eq!(decode(&mut decoder, &second), expected);
    }
}

proptest! {
    #[test]
    fn garbage_fails_and_nothing_else(
        messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..4),
    ) {
        for mut decoder in [keeping(9), forgetting(9)] {
            for message in &messages {
                let _ = decode_within(&mut decoder, message, 10_000);
            }
            let allowed = if decoder.takeover { 1 << 9 } else { 0 };
            prop_assert!(decoder.retained() <= allowed);
        }
    }

    #[test]
    fn any_cutting_gives_the_same(
        plain in proptest::collection::vec(any::<u8>(), 0..300),
        repeat in 1usize..40,
        flip in proptest::option::of((any::<proptest::sample::Index>(), any::<u8>())),
        length in 1usize..400,
    ) {
        let mut message = compressed(&plain.repeat(repeat));
        if let Some((at, bits)) = flip {
            let at = at.index(message.len());
            message[at] ^= bits;
        }
        let mut one = keeping(10);
        let mut other = keeping(10);
        prop_assert_eq!(decode(&mut one, &message), decode_pieces(&mut other, &message, length));
        if flip.is_none() {
            prop_assert_eq!(one.window.parts().concat(), other.window.parts().concat());
        }
    }
}
