//! What may come from a peer: strategies for bytes that are mostly legal.

use super::*;
use crate::extension::Rsv;
use proptest::prelude::*;
use toy::made;

/// The toy that arrivals use, and its bit in the first byte of a frame.
pub(super) const TOY: (Rsv, toy::Op, u8) = (Rsv::RSV2, toy::Op::Double, 0x20);

/// A frame of the peer's: first byte and payload.
type Arrival = (u8, Vec<u8>);

/// What a peer writes, and how it is broken off.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    arrivals: Vec<Arrival>,
    /// A byte that is changed: where, as a share of the whole in 1/65536, and how.
    flaw: Option<(u16, u8)>,
}

impl Stream {
    pub(super) fn bytes(&self, to: Role) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            self.arrivals.iter().flat_map(|(first, payload)| frame(to, *first, payload)).collect();
        if let Some((place, change)) = self.flaw
            && !bytes.is_empty()
        {
            let at = (usize::from(place) * bytes.len()) >> 16;
            bytes[at] ^= change;
        }
        bytes
    }
}

/// Messages in fragments, control frames between them, a Close frame now and then, and a flaw in every third.
pub(super) fn stream() -> impl Strategy<Value = Stream> {
    let item = prop_oneof![6 => message(), 2 => control().prop_map(|frame| vec![frame])];
    let flaw = prop::option::weighted(0.3, any::<(u16, u8)>());
    let close = prop::option::weighted(0.3, close_frame());
    (prop::collection::vec(item, 0..6), close, flaw).prop_map(|(items, close, flaw)| Stream {
        arrivals: items.into_iter().flatten().chain(close).collect(),
        flaw,
    })
}

fn control() -> impl Strategy<Value = Arrival> {
    let payload = prop::collection::vec(any::<u8>(), 0..=125);
    (prop::sample::select(vec![PING, PONG]), payload)
}

fn close_frame() -> impl Strategy<Value = Arrival> {
    prop_oneof![
        Just((CLOSE, vec![])),
        (900u16..5100, "[a-z€]{0,20}").prop_map(|(code, reason)| (CLOSE, close_body(code, &reason))),
    ]
}

/// The bytes of a message; long ones are rare, for the sake of time.
fn plain() -> impl Strategy<Value = (u8, Vec<u8>)> {
    prop_oneof![
        6 => "\\PC{0,40}".prop_map(|text| (TEXT, text.into_bytes())),
        2 => prop::collection::vec(any::<u8>(), 0..80).prop_map(|bytes| (TEXT, bytes)),
        6 => (0usize..300).prop_map(|len| (BINARY, noise(len))),
        2 => (16_000usize..140_000).prop_map(|len| (BINARY, noise(len))),
        1 => (8_000usize..20_000).prop_map(|len| (TEXT, "€".repeat(len).into_bytes())),
    ]
}

/// A message in up to four fragments, perhaps transformed by [`TOY`].
fn message() -> impl Strategy<Value = Vec<Arrival>> {
    let cuts = prop::collection::vec(any::<u16>(), 0..4);
    let between = prop::collection::vec(prop::option::weighted(0.2, control()), 3);
    (plain(), cuts, between, prop::bool::weighted(0.2)).prop_map(
        |((first, bytes), cuts, between, transformed)| {
            if transformed {
                return fragments(first | TOY.2, &made(TOY.1, &bytes), cuts, between);
            }
            fragments(first, &bytes, cuts, between)
        },
    )
}

fn fragments(first: u8, bytes: &[u8], cuts: Vec<u16>, between: Vec<Option<Arrival>>) -> Vec<Arrival> {
    let parts = cut(bytes, cuts);
    let last = parts.len() - 1;
    let mut between = between.into_iter();
    let mut frames = vec![];
    for (n, part) in parts.into_iter().enumerate() {
        let opcode = if n == 0 { first & 0x7f } else { CONTINUES };
        frames.push((if n == last { opcode | 0x80 } else { opcode }, part.to_vec()));
        if n < last {
            frames.extend(between.next().flatten());
        }
    }
    frames
}

/// `bytes` in pieces; each cut is a share of the whole in 1/65536.
pub(super) fn cut(bytes: &[u8], mut cuts: Vec<u16>) -> Vec<&[u8]> {
    cuts.sort_unstable();
    let ends = cuts.into_iter().map(|cut| (usize::from(cut) * bytes.len()) >> 16).chain([bytes.len()]);
    let mut start = 0;
    ends.map(|end| &bytes[std::mem::replace(&mut start, end)..end]).collect()
}
