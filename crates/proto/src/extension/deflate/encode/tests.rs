use super::super::STEP;
use super::super::pool::SharedPool;
use super::super::tests::noise;
use super::*;
use proptest::prelude::*;

const SETTINGS: Settings = Settings { window_bits: 12, level: 6, mem_level: 5 };
const THRESHOLD: usize = 100;

fn keeping() -> Encoder {
    let own = Side { window_bits: SETTINGS.window_bits, takeover: true };
    Encoder::new(own, SETTINGS, THRESHOLD, Arc::new(SharedPool::default()))
}

fn forgetting() -> Encoder {
    let own = Side { window_bits: SETTINGS.window_bits, takeover: false };
    Encoder::new(own, SETTINGS, THRESHOLD, Arc::new(SharedPool::default()))
}

fn encode(encoder: &mut Encoder, bytes: &[u8], compress: Compress) -> Option<Vec<u8>> {
    let mut output = BytesMut::from(&b"before"[..]);
    let rsv = encoder.encode(Plain { kind: Kind::Text, bytes, compress }, &mut output);
    assert!(output.starts_with(b"before"));
    assert_eq!(rsv, (output.len() > 6).then_some(Rsv::RSV1));
    rsv.map(|_| output[6..].to_vec())
}

fn piece(encoder: &mut Encoder, piece: Piece<'_>) -> Vec<u8> {
    let mut output = BytesMut::new();
    encoder.encode_piece(piece, &mut output);
    output.to_vec()
}

fn more(bytes: &[u8]) -> Piece<'_> {
    Piece { bytes, last: false }
}

fn last(bytes: &[u8]) -> Piece<'_> {
    Piece { bytes, last: true }
}

/// RFC 7692 7.2.3.1
const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
/// RFC 7692 7.2.3.2
const SECOND_HELLO: [u8; 5] = [0xf2, 0x00, 0x11, 0x00, 0x00];

#[test]
fn writes_the_examples_of_the_rfc() {
    for (mut encoder, second) in [(forgetting(), &HELLO[..]), (keeping(), &SECOND_HELLO)] {
        encoder.begin(Kind::Text, Compress::Auto);
        assert_eq!(piece(&mut encoder, last(b"Hello")), HELLO);
        encoder.begin(Kind::Text, Compress::Auto);
        assert_eq!(piece(&mut encoder, last(b"Hello")), second);
    }
}

#[test]
fn auto_begins_at_the_threshold() {
    let text = [b'a'; THRESHOLD];
    let mut encoder = forgetting();
    assert!(encode(&mut encoder, &text, Compress::Auto).is_some());
    assert!(encode(&mut encoder, &text[1..], Compress::Auto).is_none());
    assert!(encode(&mut encoder, &text[1..], Compress::Always).is_some());
    assert!(encode(&mut encoder, &text, Compress::Never).is_none());
}

#[test]
fn what_does_not_shrink_stays_plain_and_out_of_the_window() {
    let mut encoder = keeping();
    assert_eq!(encode(&mut encoder, &noise(500), Compress::Always), None);
    assert_eq!(encode(&mut encoder, b"", Compress::Always), None);
    assert_eq!(encode(&mut encoder, b"Hello", Compress::Always), None);
    assert_eq!(encoder.retained(), 0);
    assert!(encode(&mut encoder, &[b'a'; 500], Compress::Never).is_none());
    assert_eq!(encoder.retained(), 0);
    assert!(encode(&mut encoder, &[b'a'; 500], Compress::Auto).is_some());
    assert_eq!(encoder.window.as_ref().map(|window| window.parts().concat()), Some(vec![b'a'; 500]));
}

/// Ten bytes plain, and ten compressed.
const EVEN: &[u8] = b"HelloHello";

#[test]
fn shrinking_is_by_a_byte_at_least() {
    let mut encoder = forgetting();
    let mut compressed = BytesMut::new();
    encoder.start().compress(EVEN, &mut compressed);
    assert_eq!(compressed.len(), EVEN.len());
    assert_eq!(encode(&mut encoder, EVEN, Compress::Always), None);
    let one_more = encode(&mut encoder, b"HelloHelloH", Compress::Always);
    assert_eq!(one_more.map(|bytes| bytes.len()), Some(10));
}

#[test]
fn a_context_makes_repetition_cheap() {
    let text = noise(1000);
    let mut keeping = keeping();
    keeping.begin(Kind::Binary, Compress::Auto);
    assert!(piece(&mut keeping, last(&text)).len() >= 1000);
    assert!(encode(&mut keeping, &text, Compress::Auto).expect("known").len() < 50);
    assert_eq!(keeping.retained(), 2048);

    let mut forgetting = forgetting();
    forgetting.begin(Kind::Binary, Compress::Auto);
    piece(&mut forgetting, last(&text));
    assert_eq!(encode(&mut forgetting, &text, Compress::Auto), None);
    assert_eq!(forgetting.retained(), 0);
}

#[test]
fn a_streamed_message_holds_each_tail_back_until_the_next_piece() {
    let mut encoder = forgetting();
    assert_eq!(encoder.begin(Kind::Text, Compress::Auto), Some(Rsv::RSV1));
    assert_eq!(piece(&mut encoder, more(b"Hello")), HELLO);
    assert_eq!(piece(&mut encoder, more(b"")), b"");
    let next = piece(&mut encoder, more(b"Hello"));
    assert_eq!(next, [&TAIL[..], &SECOND_HELLO].concat());
    assert_eq!(piece(&mut encoder, last(b"")), b"");
}

#[test]
fn a_streamed_message_without_a_byte_is_one_zero() {
    // RFC 7692 7.2.3.6
    let mut encoder = keeping();
    encoder.begin(Kind::Text, Compress::Always);
    assert_eq!(piece(&mut encoder, last(b"")), [0x00]);
    encoder.begin(Kind::Text, Compress::Always);
    assert_eq!(piece(&mut encoder, more(b"")), b"");
    assert_eq!(piece(&mut encoder, more(b"")), b"");
    assert_eq!(piece(&mut encoder, last(b"")), [0x00]);
}

#[test]
fn a_streamed_message_may_pass_by() {
    let mut encoder = keeping();
    assert_eq!(encoder.begin(Kind::Text, Compress::Never), None);
    assert_eq!(piece(&mut encoder, more(b"as it")), b"as it");
    assert_eq!(piece(&mut encoder, last(b" is")), b" is");
    assert_eq!(encoder.retained(), 0);
}

#[test]
fn holds_a_compressor_only_inside_a_streamed_message() {
    let pool = Arc::new(SharedPool::default());
    let mut encoder = Encoder::new(Side { window_bits: 12, takeover: true }, SETTINGS, 0, pool.clone());
    let idle = || {
        let idle = pool.take_compressor(SETTINGS);
        let any = idle.is_some();
        if let Some(compressor) = idle {
            pool.put_compressor(compressor);
        }
        any
    };
    assert!(!idle());
    encode(&mut encoder, &[0; 500], Compress::Auto).expect("shrinks");
    assert!(idle());
    encoder.begin(Kind::Binary, Compress::Auto);
    assert!(!idle());
    let window = 2 * Window::GROWTH;
    assert_eq!(encoder.retained(), window + SETTINGS.compressor_bytes());
    piece(&mut encoder, more(b"Hello"));
    assert!(!idle());
    piece(&mut encoder, last(b"Hello"));
    assert!(idle());
    assert_eq!(encoder.retained(), window);

    // One that is given up gives its compressor back when the next begins.
    encoder.begin(Kind::Binary, Compress::Auto);
    encoder.begin(Kind::Binary, Compress::Never);
    assert!(idle());

    let once = Prepared::new(vec![7_u8; 500]);
    encoder.prepared(&once).expect("shrinks");
    assert!(idle());
}

#[test]
fn a_prepared_message_is_compressed_once_for_all_alike() {
    let text = b"the same for many, ".repeat(50);
    let message = Prepared::new(text.clone());
    let (mut one, mut other) = (keeping(), forgetting());
    encode(&mut one, &text, Compress::Auto).expect("shrinks");
    let (rsv, first) = one.prepared(&message).expect("shrinks");
    let (_, second) = other.prepared(&message).expect("shrinks");
    assert_eq!(rsv, Rsv::RSV1);
    assert_eq!(first.as_ptr(), second.as_ptr());
    assert_eq!(encode(&mut other, &text, Compress::Auto).as_deref(), Some(&first[..]));
    // Both messages are in the context now.
    assert_eq!(one.window.map(|window| window.parts().concat()), Some(text.repeat(2)));
    assert_eq!(other.retained(), 0);
}

#[test]
fn a_prepared_message_is_compressed_for_each_setting() {
    let message = Prepared::new(vec![7_u8; 500]);
    let mut seen = Vec::new();
    for settings in [
        SETTINGS,
        Settings { window_bits: 9, ..SETTINGS },
        Settings { level: 1, ..SETTINGS },
        Settings { mem_level: 9, ..SETTINGS },
    ] {
        let own = Side { window_bits: settings.window_bits, takeover: false };
        let mut encoder = Encoder::new(own, settings, 0, Arc::new(SharedPool::default()));
        seen.push(encoder.prepared(&message).expect("shrinks").1.as_ptr());
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 4);
}

#[test]
fn prepared_keys_name_the_extension_and_the_settings() {
    assert_eq!(keeping().prepared_key(), 0x706d_6466_000c_0605);
}

#[test]
fn a_prepared_message_that_does_not_shrink_is_tried_once() {
    let mut encoder = keeping();
    let message = Prepared::new(noise(500));
    let (rsv, bytes) = encoder.prepared(&message).expect("as it is");
    assert_eq!((rsv, bytes.as_ptr()), (Rsv::NONE, message.payload().as_ptr()));
    assert_eq!(encoder.retained(), 0);
    // The result is remembered under our key.
    let made = message.transformed(encoder.prepared_key(), |_| unreachable!("computed before"));
    assert_eq!(made, None);
}

#[test]
fn a_prepared_message_is_compressed_where_it_is_wanted() {
    let mut encoder = keeping();
    let mut bits = |len, compress| {
        let message = Prepared::with(vec![7; len], compress);
        let (rsv, bytes) = encoder.prepared(&message).expect("one form or the other");
        assert_eq!(rsv.is_none(), bytes == message.payload());
        assert!(!rsv.is_none() || bytes.as_ptr() == message.payload().as_ptr(), "not copied");
        rsv
    };
    assert_eq!(bits(THRESHOLD - 1, Compress::Auto), Rsv::NONE);
    assert_eq!(bits(THRESHOLD, Compress::Auto), Rsv::RSV1);
    assert_eq!(bits(THRESHOLD - 1, Compress::Always), Rsv::RSV1);
    assert_eq!(bits(10 * THRESHOLD, Compress::Never), Rsv::NONE);
    // Only what was compressed is in the context.
    assert_eq!(encoder.window.map(|window| window.parts().concat().len()), Some(2 * THRESHOLD - 1));
}

#[test]
fn a_prepared_message_equal_in_length_stays_plain() {
    let mut encoder =
        Encoder::new(Side { window_bits: 12, takeover: false }, SETTINGS, 0, Arc::new(SharedPool::default()));
    let (rsv, bytes) = encoder.prepared(&Prepared::new(EVEN.to_vec())).expect("as it is");
    assert_eq!((rsv, &bytes[..]), (Rsv::NONE, EVEN));
}

#[test]
fn the_compressor_of_the_last_message_goes_on_unless_something_came_between() {
    let pool = Arc::new(SharedPool::default());
    let own = Side { window_bits: 12, takeover: true };
    let mut one = Encoder::new(own, SETTINGS, 0, pool.clone());
    let mut other = Encoder::new(own, SETTINGS, 0, pool.clone());
    let goes_on = |encoder: &Encoder| {
        let idle = pool.take_compressor(SETTINGS).expect("one was used");
        let is_ours = encoder.context.as_ref().is_some_and(|context| idle.holds(context));
        pool.put_compressor(idle);
        is_ours
    };
    let text = b"the same for many, ".repeat(50);
    encode(&mut one, &text, Compress::Auto).expect("shrinks");
    assert!(goes_on(&one) && !goes_on(&other));
    let started = one.start();
    assert!(!started.is_fresh(), "it goes on");
    pool.put_compressor(started);
    let started = other.start();
    assert!(started.is_fresh(), "it begins with the other's window");
    encode(&mut one, &text, Compress::Auto).expect("shrinks");
    assert_eq!(encode(&mut one, &noise(500), Compress::Auto), None);
    assert!(!goes_on(&one), "it holds what the peer was not told");
    encode(&mut one, &text, Compress::Auto).expect("shrinks");
    one.prepared(&Prepared::new(vec![7_u8; 500])).expect("shrinks");
    assert!(!goes_on(&one), "it lacks what was compressed for all");
    encode(&mut one, &text, Compress::Auto).expect("shrinks");
    encode(&mut other, &text, Compress::Auto).expect("shrinks");
    assert!(goes_on(&other) && !goes_on(&one));
    one.begin(Kind::Binary, Compress::Auto);
    piece(&mut one, last(&text));
    assert!(!goes_on(&one), "pieces are not worth it");

    let mut forgetting = Encoder::new(Side { takeover: false, ..own }, SETTINGS, 0, pool.clone());
    encode(&mut forgetting, &text, Compress::Auto).expect("shrinks");
    assert!(forgetting.start().is_fresh(), "each message begins anew");
}

proptest! {
    /// Whoever had a compressor before: each peer's reader, which knows of its own messages only, reads the next one.
    #[test]
    fn connections_share_compressors_and_no_context(
        messages in prop::collection::vec((0usize..2, 0u8..7, 0usize..500), 1..40),
        (window_bits, level) in (9u8..=15, 1u8..=9),
    ) {
        let settings = Settings { window_bits, level, mem_level: 5 };
        let pool = Arc::new(SharedPool::default());
        let own = Side { window_bits, takeover: true };
        let mut ends = [(); 2].map(|()| {
            (Encoder::new(own, settings, 0, pool.clone()), zlib_rs::Inflate::new(false, window_bits))
        });
        let source = noise(350).repeat(3);
        for (at, way, from) in messages {
            let (encoder, reader) = &mut ends[at];
            let text = &source[from..from + 500];
            let wire = match way {
                0 => encode(encoder, text, Compress::Always),
                1 => {
                    encoder.begin(Kind::Binary, Compress::Always);
                    Some(piece(encoder, last(text)))
                }
                2 => {
                    let (rsv, bytes) = encoder.prepared(&Prepared::new(text.to_vec())).expect("one form or the other");
                    (!rsv.is_none()).then(|| bytes.to_vec())
                }
                3 => encode(encoder, &text[..100], Compress::Always), // shrinks where it has been sent before
                4 => encode(encoder, b"", Compress::Always),
                5 => {
                    encoder.begin(Kind::Binary, Compress::Always);
                    Some(piece(encoder, last(b"")))
                }
                _ => {
                    encoder.begin(Kind::Binary, Compress::Always); // and given up
                    None
                }
            };
            let Some(mut wire) = wire else { continue };
            wire.extend_from_slice(&TAIL);
            let (mut plain, before) = (vec![0; 600], reader.total_out());
            let read = reader.decompress(&wire, &mut plain, zlib_rs::InflateFlush::NoFlush);
            prop_assert!(read.is_ok());
            let len = usize::try_from(reader.total_out() - before).expect("within the slice");
            prop_assert_eq!(&plain[..len], &text[..[500, 500, 500, 100, 0, 0][usize::from(way)]]);
        }
    }
}

proptest! {
    /// Our output never refers further back than the window allows: an independent reader of that size reads it.
    #[test]
    fn keeps_to_the_window(bits in 9u8..=15, level in 1u8..=9, period in 100usize..5000) {
        let settings = Settings { window_bits: bits, level, mem_level: 8 };
        let own = Side { window_bits: bits, takeover: true };
        let mut encoder = Encoder::new(own, settings, 0, Arc::new(SharedPool::default()));
        let mut reader = zlib_rs::Inflate::new(false, bits);
        let text = noise(period).repeat(3 + STEP / period);
        for chunk in text.chunks(period / 2 + 1) {
            encoder.begin(Kind::Binary, Compress::Always);
            let mut wire = piece(&mut encoder, last(chunk));
            wire.extend_from_slice(&TAIL);
            let mut plain = vec![0; chunk.len() + 1];
            // Output in small steps, so that only the reader's own window serves it.
            let (mut read, mut written) = (0, 0);
            while read < wire.len() {
                let room = (written + 64).min(plain.len());
                let counts = (reader.total_in(), reader.total_out());
                let step = reader.decompress(&wire[read..], &mut plain[written..room], zlib_rs::InflateFlush::NoFlush);
                prop_assert!(step.is_ok());
                read += usize::try_from(reader.total_in() - counts.0).expect("within the slice");
                written += usize::try_from(reader.total_out() - counts.1).expect("within the slice");
            }
            prop_assert_eq!(&plain[..written], chunk);
        }
    }
}
