//! Helpers of the tests, and both halves of a connection against each other.

use super::*;
use crate::extension::{DecodeError, Param, Piece, Plain};
use crate::message::{Compress, Kind};
use crate::prepared::Prepared;
use bytes::BytesMut;
use proptest::prelude::*;

/// An offer written as in the header, without quotes.
pub(super) fn offer(text: &str) -> Offer {
    let mut parts = text.split("; ");
    let name = parts.next().unwrap_or_default().to_owned();
    let params = parts.map(|part| match part.split_once('=') {
        Some((name, value)) => Param { name: name.to_owned(), value: Some(value.to_owned()) },
        None => Param { name: part.to_owned(), value: None },
    });
    Offer { name, params: params.collect() }
}

pub(super) fn header(offer: &Offer) -> String {
    let params = offer.params.iter().map(|param| match &param.value {
        Some(value) => format!("; {}={value}", param.name),
        None => format!("; {}", param.name),
    });
    format!("{}{}", offer.name, params.collect::<String>())
}

/// Bytes that do not compress.
pub(super) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

pub(super) fn whole(bytes: &[u8]) -> Piece<'_> {
    Piece { bytes, last: true }
}

/// One compressed message, whole.
pub(super) fn decode(codec: &mut Codec, bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut output = BytesMut::new();
    assert!(codec.decoder.begin(Kind::Binary, Rsv::RSV1));
    codec.decoder.decode(whole(bytes), &mut output, usize::MAX)?;
    Ok(output.to_vec())
}

pub(super) fn encode(codec: &mut Codec, bytes: &[u8], compress: Compress) -> Option<Vec<u8>> {
    let mut output = BytesMut::from(&b"before"[..]);
    let rsv = codec.encoder.encode(Plain { kind: Kind::Binary, bytes, compress }, &mut output);
    assert_eq!(output[..6], *b"before");
    match rsv {
        None => assert_eq!(output.len(), 6),
        Some(rsv) => assert_eq!(rsv, Rsv::RSV1),
    }
    rsv.map(|_| output[6..].to_vec())
}

/// The codecs of (client, server) after a handshake between the two.
pub(super) fn pair(client: &Deflate, server: &Deflate) -> (Codec, Codec) {
    let (answer, at_server) = server.answer(&client.offers()[0]).expect("accepted");
    (client.confirm(&answer).expect("confirmed"), at_server)
}

#[test]
fn owns_rsv1_under_its_registered_name() {
    let deflate = Deflate::default();
    assert_eq!(deflate.name(), "permessage-deflate");
    assert_eq!(deflate.rsv(), Rsv::RSV1);
    let (client, server) = pair(&deflate, &deflate);
    assert_eq!((client.rsv, server.rsv), (Rsv::RSV1, Rsv::RSV1));
}

#[test]
fn settings_outside_zlibs_bounds_are_clamped() {
    for (given, level, bits) in [(0, 1, 9), (1, 1, 9), (9, 9, 9), (10, 9, 10), (200, 9, 15)] {
        let deflate = Deflate::default().level(given).mem_level(given);
        assert_eq!((deflate.level, deflate.mem_level), (level, level));
        let deflate = deflate.server_max_window_bits(given).client_max_window_bits(given);
        assert_eq!(deflate.wishes.server_max_window_bits, bits);
        assert_eq!(deflate.wishes.client_max_window_bits, bits);
    }
}

#[test]
fn wishes_reach_the_offer() {
    let deflate = Deflate::default().window_offer(WindowOffer::Silent);
    let first = |deflate: &Deflate| header(&deflate.offers()[0]);
    assert_eq!(
        first(&deflate.clone().server_no_context_takeover()),
        "permessage-deflate; server_no_context_takeover"
    );
    assert_eq!(
        first(&deflate.clone().client_no_context_takeover()),
        "permessage-deflate; client_no_context_takeover"
    );
    assert_eq!(first(&deflate), "permessage-deflate");
}

#[test]
fn clones_share_the_pool() {
    let deflate = Deflate::default();
    let mut first = pair(&deflate, &deflate.clone());
    encode(&mut first.0, &[b'a'; 500], Compress::Auto).expect("shrinks");
    decode(&mut first.0, &[0x03, 0x00]).expect("empty");
    let settings = Settings { window_bits: 12, level: 2, mem_level: 5 };
    assert!(deflate.pool.take_compressor(settings).is_some());
    assert!(deflate.pool.take_inflater().is_some());
    assert!(deflate.pool.take_inflater().is_none());
}

#[test]
fn a_pool_of_ones_own_serves_both_halves() {
    let own = Arc::new(SharedPool::default());
    let deflate = Deflate::default().pool(own.clone());
    let (mut client, _) = pair(&deflate, &deflate);
    encode(&mut client, &[b'a'; 500], Compress::Auto).expect("shrinks");
    decode(&mut client, &[0x03, 0x00]).expect("empty");
    let settings = Settings { window_bits: 12, level: 2, mem_level: 5 };
    assert!(own.take_compressor(settings).is_some());
    assert!(own.take_inflater().is_some());
}

#[test]
fn the_threshold_reaches_the_encoder() {
    let text = [b'a'; Deflate::THRESHOLD];
    let (mut client, _) = pair(&Deflate::default(), &Deflate::default());
    assert!(encode(&mut client, &text, Compress::Auto).is_some());
    assert!(encode(&mut client, &text[1..], Compress::Auto).is_none());
    let (mut client, _) = pair(&Deflate::default().threshold(50), &Deflate::default());
    assert!(encode(&mut client, &text[..50], Compress::Auto).is_some());
    assert!(encode(&mut client, &text[..49], Compress::Auto).is_none());
}

#[test]
fn a_window_is_kept_for_sending_only_where_wanted_and_agreed() {
    let plain = Deflate::default();
    let keeping = Deflate::default().sending_takeover();
    let text = b"keep me, keep me, keep me".repeat(20);
    let retained = |sender: &Deflate, receiver: &Deflate| {
        let (mut client, mut server) = pair(sender, receiver);
        encode(&mut client, &text, Compress::Auto).expect("shrinks");
        encode(&mut server, &text, Compress::Auto).expect("shrinks");
        (client.encoder.retained(), server.encoder.retained())
    };
    assert_eq!(retained(&plain, &plain), (0, 0));
    assert_eq!(retained(&keeping, &plain), (512, 0));
    assert_eq!(retained(&plain, &keeping), (0, 512));
    let forbidding = plain.clone().server_no_context_takeover().client_no_context_takeover();
    assert_eq!(retained(&keeping, &forbidding), (0, 0));
    assert_eq!(retained(&forbidding, &keeping), (0, 0));
}

#[test]
fn a_receiver_keeps_the_window_of_the_peer_it_serves() {
    let full = Deflate::default().sending_takeover().level(6);
    let full = full.client_max_window_bits(15).server_max_window_bits(15);
    let small = Deflate::default().client_max_window_bits(9).server_max_window_bits(10);
    let (mut client, mut server) = pair(&full, &small);
    let text = noise(100).repeat(400);
    let up = encode(&mut client, &text, Compress::Auto).expect("shrinks");
    assert_eq!(decode(&mut server, &up), Ok(text.clone()));
    let down = encode(&mut server, &text, Compress::Auto).expect("shrinks");
    assert_eq!(decode(&mut client, &down), Ok(text));
    assert_eq!(client.encoder.retained(), 1 << 9);
    assert_eq!(server.decoder.retained(), 1 << 9);
    assert_eq!(client.decoder.retained(), 1 << 10);
    assert_eq!(server.encoder.retained(), 0);
}

/// How one message is sent.
#[derive(Debug, Clone)]
enum Way {
    Whole(Compress),
    Pieces(Vec<usize>),
    Prepared,
}

#[derive(Debug, Clone)]
struct Sent {
    way: Way,
    text: Vec<u8>,
    /// Where the wire is cut on its way.
    cuts: Vec<usize>,
}

fn arbitrary_text() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just(b"{\"channel\":\"chat\",\"text\":".to_vec()),
        Just(b"the quick brown fox jumps over the lazy dog ".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..40),
        (any::<u8>(), 0usize..6000).prop_map(|(byte, length)| vec![byte; length]),
        (0usize..9000).prop_map(noise),
    ];
    proptest::collection::vec(word, 0..6).prop_map(|words| words.concat())
}

fn arbitrary_message() -> impl Strategy<Value = Sent> {
    let cuts = || proptest::collection::vec(0usize..4000, 0..5);
    let way = prop_oneof![
        Just(Way::Whole(Compress::Auto)),
        Just(Way::Whole(Compress::Always)),
        Just(Way::Whole(Compress::Never)),
        cuts().prop_map(Way::Pieces),
        Just(Way::Prepared),
    ];
    (way, arbitrary_text(), cuts()).prop_map(|(way, text, cuts)| Sent { way, text, cuts })
}

/// Cuts `bytes` after so many each time; the rest is the last piece.
fn cut<'a>(mut bytes: &'a [u8], lengths: &[usize]) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    for length in lengths {
        let (piece, rest) = bytes.split_at(bytes.len().min(*length));
        pieces.push(Piece { bytes: piece, last: false });
        bytes = rest;
    }
    pieces.push(whole(bytes));
    pieces
}

/// The bits and the payload on the wire.
fn send(codec: &mut Codec, message: &Sent) -> (Rsv, Vec<u8>) {
    let mut wire = BytesMut::new();
    let encoded = |codec: &mut Codec, compress| match encode(codec, &message.text, compress) {
        Some(wire) => (Rsv::RSV1, wire),
        None => (Rsv::NONE, message.text.clone()),
    };
    match &message.way {
        Way::Whole(compress) => encoded(codec, *compress),
        Way::Prepared => match codec.encoder.prepared(&Prepared::new(message.text.clone())) {
            Some((rsv, bytes)) => (rsv, bytes.to_vec()),
            None => encoded(codec, Compress::Auto),
        },
        Way::Pieces(lengths) => {
            let rsv = codec.encoder.begin(Kind::Binary, Compress::Auto).expect("compresses");
            for piece in cut(&message.text, lengths) {
                codec.encoder.encode_piece(piece, &mut wire);
            }
            (rsv, wire.to_vec())
        }
    }
}

fn receive(codec: &mut Codec, (rsv, wire): (Rsv, &[u8]), cuts: &[usize]) -> Vec<u8> {
    if !codec.decoder.begin(Kind::Binary, rsv) {
        assert_eq!(rsv, Rsv::NONE);
        return wire.to_vec();
    }
    let mut output = BytesMut::new();
    for piece in cut(wire, cuts) {
        codec.decoder.decode(piece, &mut output, usize::MAX).expect("our own stream");
    }
    output.to_vec()
}

fn arbitrary_deflate() -> impl Strategy<Value = Deflate> {
    (9u8..=15, 1u8..=9, 1u8..=9, 0u8..8, 0usize..300).prop_map(
        |(bits, level, mem_level, flags, threshold)| {
            let deflate = Deflate::default().level(level).mem_level(mem_level).threshold(threshold);
            let deflate = deflate.server_max_window_bits(bits).client_max_window_bits(24 - bits);
            let given = |flag: u8| flags & flag != 0;
            let deflate = if given(1) { deflate.sending_takeover() } else { deflate };
            let deflate = if given(2) { deflate.server_no_context_takeover() } else { deflate };
            if given(4) { deflate.client_no_context_takeover() } else { deflate }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn what_is_sent_arrives(
        client in arbitrary_deflate(),
        server in arbitrary_deflate(),
        messages in proptest::collection::vec((any::<bool>(), arbitrary_message()), 1..12),
    ) {
        let server = server.pool(client.pool.clone()); // the engines go round between all
        let (mut client, mut server) = pair(&client, &server);
        for (up, message) in messages {
            let (from, to) = if up { (&mut client, &mut server) } else { (&mut server, &mut client) };
            let (rsv, wire) = send(from, &message);
            prop_assert_eq!(&receive(to, (rsv, &wire), &message.cuts), &message.text);
            if !matches!(message.way, Way::Pieces(_)) {
                prop_assert!(wire.len() <= message.text.len());
            }
            prop_assert!(from.encoder.retained() <= to.decoder.retained());
        }
    }
}
