//! Extensions (RFC 6455 9): how one is negotiated, and how it transforms messages both ways.
//!
//! An [`Extension`] is the configuration that many connections share. When both ends agree on it, it makes a
//! [`Codec`] for that connection: a [`Decode`] for the inbound half and an [`Encode`] for the outbound half.

#[cfg(feature = "deflate")]
pub mod deflate;
mod grammar;

pub use grammar::{GrammarError, Offer, Param, format, parse};
pub(crate) use grammar::{is_token, is_token_byte};

use crate::message::{Compress, Kind};
use crate::prepared::Prepared;
use bytes::{Bytes, BytesMut};
use std::fmt;

/// The three reserved bits of a frame header that extensions may own (RFC 6455 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Rsv(u8);

impl Rsv {
    /// No bit.
    pub const NONE: Self = Self(0);
    /// RSV1, the bit of permessage-deflate.
    pub const RSV1: Self = Self(0b100);
    /// RSV2.
    pub const RSV2: Self = Self(0b010);
    /// RSV3.
    pub const RSV3: Self = Self(0b001);

    /// The bits RSV1, RSV2, RSV3 as they stand in the first byte of a header, shifted to the lowest three.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0b111)
    }
    /// The three bits, RSV1 highest.
    pub const fn bits(self) -> u8 {
        self.0
    }
    /// The bits of both.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// The bits of `self` that `other` has not.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    /// Whether the two share a bit.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
    /// Whether no bit is set.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// An extension as an endpoint is configured with it; shared by its connections.
pub trait Extension: fmt::Debug + Send + Sync {
    /// Its registered name, such as `permessage-deflate`.
    fn name(&self) -> &str;

    /// The header bits that are its own while it is in use. Two extensions that share a bit are never both agreed.
    fn rsv(&self) -> Rsv;

    /// Client: what to offer, the preferred alternative first. Each has [`name`](Self::name) as its name.
    fn offers(&self) -> Vec<Offer>;

    /// Client: the server's answer to an offer. An error fails the handshake (RFC 6455 4.1).
    fn confirm(&self, answer: &Offer) -> Result<Codec, NegotiationError>;

    /// Server: the answer to one alternative, or `None` to decline it; the next alternative is then tried.
    fn answer(&self, offer: &Offer) -> Option<(Offer, Codec)>;
}

/// An extension in use on one connection: one part for each direction.
#[derive(Debug)]
pub struct Codec {
    /// The bits it owns.
    pub rsv: Rsv,
    /// What came in, transformed back.
    pub decoder: Box<dyn Decode>,
    /// What goes out, transformed.
    pub encoder: Box<dyn Encode>,
}

/// The receiving part: gives messages their plain form back.
pub trait Decode: fmt::Debug + Send {
    /// A message begins whose first frame has these bits. Whether this extension has transformed it; if not, it
    /// passes by and neither `decode` is called.
    fn begin(&mut self, kind: Kind, rsv: Rsv) -> bool;

    /// Transforms the next bytes of the message and appends them to `output`, which must not grow beyond `limit`
    /// bytes in all. `last` says that the message ends with this piece.
    ///
    /// Pieces may be cut anywhere; the same message in other pieces gives the same output.
    fn decode(&mut self, piece: Piece<'_>, output: &mut BytesMut, limit: usize) -> Result<(), DecodeError>;

    /// Bytes held now, between messages or inside one, for the accounting of a connection's memory.
    fn retained(&self) -> usize {
        0
    }
}

/// The sending part.
pub trait Encode: fmt::Debug + Send {
    /// Transforms a whole message into `output`, and returns the bits to set on its first frame; `None` leaves the
    /// message as it is, and `output` as it was.
    fn encode(&mut self, message: Plain<'_>, output: &mut BytesMut) -> Option<Rsv>;

    /// A message that leaves in pieces begins: the bits to set on its first frame, `None` to leave it as it is.
    fn begin(&mut self, kind: Kind, compress: Compress) -> Option<Rsv>;

    /// Transforms the next piece of the message that [`begin`](Self::begin) began, and appends it to `output`.
    /// What was appended is all that the peer needs to see this piece.
    fn encode_piece(&mut self, piece: Piece<'_>, output: &mut BytesMut);

    /// The transformed bytes of a message that goes to many connections, computed once for all of them (see
    /// [`Prepared::transformed`]), or the plain bytes and no bits where they are best for all, as for a short message
    /// and for one that is [never](Compress::Never) to be compressed. `None` has the message encoded for this
    /// connection alone, by [`encode`](Self::encode).
    fn prepared(&mut self, message: &Prepared) -> Option<(Rsv, Bytes)> {
        let _ = message;
        None
    }

    /// Bytes held now, between messages or inside one, for the accounting of a connection's memory.
    fn retained(&self) -> usize {
        0
    }
}

/// A whole message on its way out.
#[derive(Debug, Clone, Copy)]
pub struct Plain<'a> {
    /// Text or binary.
    pub kind: Kind,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// The sender's choice.
    pub compress: Compress,
}

/// Some bytes of a message.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// The bytes; may be empty.
    pub bytes: &'a [u8],
    /// Whether the message ends with them.
    pub last: bool,
}

/// A message that cannot be transformed back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The output would be larger than the limit.
    TooBig,
    /// The bytes are not what the extension makes.
    Invalid,
}

/// An answer that a client cannot accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NegotiationError {
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for NegotiationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
impl std::error::Error for NegotiationError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Implements only what has no default.
    #[derive(Debug)]
    struct Bare;

    impl Decode for Bare {
        fn begin(&mut self, _: Kind, _: Rsv) -> bool {
            true
        }
        fn decode(&mut self, _: Piece<'_>, _: &mut BytesMut, _: usize) -> Result<(), DecodeError> {
            Ok(())
        }
    }

    impl Encode for Bare {
        fn encode(&mut self, _: Plain<'_>, _: &mut BytesMut) -> Option<Rsv> {
            None
        }
        fn begin(&mut self, _: Kind, _: Compress) -> Option<Rsv> {
            None
        }
        fn encode_piece(&mut self, _: Piece<'_>, _: &mut BytesMut) {}
    }

    #[test]
    fn by_default_nothing_is_held_and_nothing_prepared() {
        assert_eq!((Decode::retained(&Bare), Encode::retained(&Bare)), (0, 0));
        assert!(Bare.prepared(&Prepared::new("x")).is_none());
    }

    #[test]
    fn bits_join_and_part() {
        let both = Rsv::RSV1.union(Rsv::RSV3);
        assert_eq!(both.bits(), 0b101);
        assert_eq!(both.union(Rsv::RSV1), both);
        assert_eq!(both.without(Rsv::RSV1), Rsv::RSV3);
        assert!(both.intersects(Rsv::RSV3) && !both.intersects(Rsv::RSV2));
        assert!(Rsv::NONE.is_none() && !Rsv::RSV2.is_none());
        assert_eq!(Rsv::from_bits(0xff).bits(), 0b111);
    }

    #[test]
    fn an_answer_that_is_refused_says_why() {
        assert_eq!(NegotiationError { reason: "no such parameter".into() }.to_string(), "no such parameter");
    }
}
