//! Garbage never panics nor outgrows its limit, and what is compressed comes back.

use arbitrary::{Arbitrary, Unstructured};
use bytes::BytesMut;
use sockeye_proto::extension::deflate::Deflate;
use sockeye_proto::extension::{Codec, Extension, Offer, Piece, Plain, Rsv};
use sockeye_proto::{Compress, Kind};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    takeover: bool,
    bits: u8,
    cut: u8,
    messages: Vec<(bool, &'a [u8])>,
    garbage: &'a [u8],
}

pub fn run(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let (mut client, mut server) = codecs(&input);
    for (whole, plain) in &input.messages {
        round_trip(&mut client, &mut server, (*whole, plain, input.cut));
    }
    garbage(&mut server, input.garbage, usize::from(input.cut) + 1);
}

fn codecs(input: &Input<'_>) -> (Codec, Codec) {
    let mut deflate = Deflate::default().client_max_window_bits(9 + input.bits % 7);
    if input.takeover {
        deflate = deflate.sending_takeover();
    }
    let offer = deflate.offers().into_iter().next().expect("an offer");
    let (answer, server): (Offer, Codec) = deflate.answer(&offer).expect("its own offer is answered");
    (deflate.confirm(&answer).expect("its own answer is confirmed"), server)
}

fn round_trip(from: &mut Codec, to: &mut Codec, (whole, plain, cut): (bool, &[u8], u8)) {
    let mut wire = BytesMut::new();
    let rsv = if whole {
        from.encoder.encode(Plain { kind: Kind::Binary, bytes: plain, compress: Compress::Always }, &mut wire)
    } else {
        let rsv = from.encoder.begin(Kind::Binary, Compress::Always);
        for bytes in plain.chunks(usize::from(cut) + 1) {
            from.encoder.encode_piece(Piece { bytes, last: false }, &mut wire);
        }
        from.encoder.encode_piece(Piece { bytes: &[], last: true }, &mut wire);
        rsv
    };
    let Some(rsv) = rsv else { return };
    assert!(to.decoder.begin(Kind::Binary, rsv));
    let mut back = BytesMut::new();
    for bytes in wire.chunks(usize::from(cut) + 1) {
        to.decoder
            .decode(Piece { bytes, last: false }, &mut back, plain.len())
            .expect("decodes within its length");
    }
    to.decoder.decode(Piece { bytes: &[], last: true }, &mut back, plain.len()).expect("ends");
    assert_eq!(back, plain);
}

fn garbage(to: &mut Codec, bytes: &[u8], step: usize) {
    const LIMIT: usize = 10_000;
    assert!(to.decoder.begin(Kind::Binary, Rsv::RSV1));
    let mut output = BytesMut::new();
    for bytes in bytes.chunks(step) {
        let decoded = to.decoder.decode(Piece { bytes, last: false }, &mut output, LIMIT);
        assert!(output.len() <= LIMIT);
        if decoded.is_err() {
            return;
        }
    }
    let _ = to.decoder.decode(Piece { bytes: &[], last: true }, &mut output, LIMIT);
    assert!(output.len() <= LIMIT);
}
