//! I8: deflate on or off yields the same events, whatever was negotiated and however the bytes are cut.

use super::*;
use crate::Prepared;
use crate::extension::Extension;
use crate::extension::deflate::Deflate;
use proptest::prelude::*;

/// What one end does.
#[derive(Debug, Clone)]
enum Act {
    Text(String, Compress),
    Binary(Vec<u8>, Compress),
    Prepared(String),
    /// A message in pieces.
    Pieces(Vec<Vec<u8>>, Compress),
    Ping(u8),
}

fn any_compress() -> impl Strategy<Value = Compress> {
    prop_oneof![Just(Compress::Auto), Just(Compress::Always), Just(Compress::Never)]
}

/// Bytes that shrink, and bytes that do not.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let repeated =
        (prop::collection::vec(any::<u8>(), 1..40), 0usize..200).prop_map(|(unit, times)| unit.repeat(times));
    prop_oneof![repeated, prop::collection::vec(any::<u8>(), 0..600)]
}

fn any_act() -> impl Strategy<Value = Act> {
    let text = ("[a-cäöü€🐟]{0,40}", 0usize..60).prop_map(|(unit, times)| unit.repeat(times));
    prop_oneof![
        3 => (text.clone(), any_compress()).prop_map(|(text, compress)| Act::Text(text, compress)),
        3 => (any_bytes(), any_compress()).prop_map(|(bytes, compress)| Act::Binary(bytes, compress)),
        1 => text.prop_map(Act::Prepared),
        2 => (prop::collection::vec(any_bytes(), 1..4), any_compress()).prop_map(|(pieces, compress)| Act::Pieces(pieces, compress)),
        1 => any::<u8>().prop_map(Act::Ping),
    ]
}

/// Every wish that a configuration can have; a bit of `wishes` each.
fn any_deflate() -> impl Strategy<Value = Deflate> {
    (0u8..8, 9u8..16, 9u8..16, 0usize..200).prop_map(|(wishes, server_bits, client_bits, threshold)| {
        let mut deflate = Deflate::default()
            .server_max_window_bits(server_bits)
            .client_max_window_bits(client_bits)
            .threshold(threshold);
        if wishes & 1 != 0 {
            deflate = deflate.server_no_context_takeover();
        }
        if wishes & 2 != 0 {
            deflate = deflate.client_no_context_takeover();
        }
        if wishes & 4 != 0 {
            deflate = deflate.sending_takeover();
        }
        deflate
    })
}

fn does(end: &mut End, act: &Act) {
    let outbound = &mut end.connection.outbound;
    match act.clone() {
        Act::Text(text, compress) => outbound.feed(text.into(), compress).unwrap(),
        Act::Binary(bytes, compress) => outbound.feed(bytes.into(), compress).unwrap(),
        Act::Prepared(text) => outbound.feed_prepared(&Prepared::new(text)).unwrap(),
        Act::Pieces(pieces, compress) => {
            outbound.begin_message(Kind::Binary, compress).unwrap();
            for (n, payload) in pieces.iter().enumerate() {
                let last = n + 1 == pieces.len();
                outbound.feed_piece(piece(Kind::Binary, payload, (n == 0, last))).unwrap();
            }
        }
        Act::Ping(byte) => outbound.ping(vec![byte].into(), end.now).unwrap(),
    }
}

/// What arrives, pieces joined; control frames stand where they came between messages.
fn arrives(script: &[Act], ends: &mut [End; 2], cuts: &[usize]) -> Vec<Event> {
    let [from, to] = ends;
    let (mut events, mut cut) = (vec![], cuts.iter().cycle());
    for act in script {
        does(from, act);
        let bytes = from.writes();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at((*cut.next().unwrap()).min(rest.len()));
            events.extend(to.reads(piece));
            rest = behind;
        }
    }
    events.extend(to.ends());
    joined(events)
}

/// Pieces become the message they make.
fn joined(events: Vec<Event>) -> Vec<Event> {
    let mut whole: Vec<Event> = vec![];
    let mut open: Vec<u8> = vec![];
    for event in events {
        let Event::Piece(piece) = event else {
            whole.push(event);
            continue;
        };
        open.extend_from_slice(&piece.payload);
        if piece.last {
            let payload = Payload::from(std::mem::take(&mut open));
            whole.push(Event::Message(match piece.kind {
                Kind::Text => Message::Text(payload.try_into().unwrap()),
                Kind::Binary => Message::Binary(payload),
            }));
        }
    }
    whole
}

fn negotiated(deflate: &Deflate) -> [Vec<Codec>; 2] {
    let offer = deflate.offers().remove(0);
    let (answer, server) = deflate.answer(&offer).expect("its own offer");
    [vec![deflate.confirm(&answer).expect("its own answer")], vec![server]]
}

fn pair([client, server]: [Vec<Codec>; 2], limits: &Limits) -> [End; 2] {
    [
        End::with_codecs(Role::Client, limits.clone(), client),
        End::with_codecs(Role::Server, limits.clone(), server),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn i8_deflate_on_or_off_yields_the_same_events(
        script in prop::collection::vec(any_act(), 1..8),
        deflate in any_deflate(),
        cuts in prop::collection::vec(1usize..3000, 1..6),
        (from_server, pieces) in any::<(bool, bool)>(),
    ) {
        let limits = Limits { max_queued: 1 << 20, ..Limits::default() };
        let mut plain = pair([vec![], vec![]], &limits);
        let mut compressed = pair(negotiated(&deflate), &limits);
        for ends in [&mut plain, &mut compressed] {
            if from_server {
                ends.reverse();
            }
            if pieces {
                ends[1].connection.inbound.set_delivery(Delivery::Pieces);
            }
        }
        let expected = arrives(&script, &mut plain, &cuts);
        prop_assert_eq!(arrives(&script, &mut compressed, &cuts), expected);
        let ratio = compressed[1].connection.stats().received;
        prop_assert_eq!(ratio.plain > 0, ratio.wire > 0);
    }
}

#[test]
fn the_ratio_counts_what_was_compressed_in_both_directions() {
    let mut ends = pair(negotiated(&Deflate::default()), &Limits::default());
    let text = "to and fro, ".repeat(100);
    let events = arrives(
        &[Act::Text(text.clone(), Compress::Auto), Act::Text(text, Compress::Never)],
        &mut ends,
        &[9999],
    );
    assert_eq!(events.len(), 3, "two messages and the end");
    let (sent, received) = (ends[0].connection.stats().sent, ends[1].connection.stats().received);
    assert_eq!((sent.plain, received.plain), (1200, 1200));
    assert_eq!(sent.wire, received.wire);
    assert!(received.compression_ratio().is_some_and(|ratio| ratio > 10.0), "{received:?}");
}
