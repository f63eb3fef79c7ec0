//! A message that is not whole yet: its bytes, its limits, its extensions.

use crate::error::ProtocolError;
use crate::extension::{Decode, DecodeError, Piece, Rsv};
use crate::message::{Kind, Message};
use crate::text::{MessageBuffer, Text};
use crate::utf8::Validator;
use bytes::BytesMut;
use std::time::Instant;

/// The message in progress. It exists from a message's first incomplete piece to its last; a message that is here
/// in one piece never needs it.
#[derive(Debug)]
pub(super) struct Assembly {
    pub(super) buffer: MessageBuffer,
    /// What fragments after the first count beside their bytes.
    pub(super) overhead: usize,
    /// For text that is delivered in pieces.
    pub(super) validator: Validator,
    pub(super) deadline: Option<Instant>,
}

/// What is known of a message from its first frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) kind: Kind,
    /// An extension has to transform it back.
    pub(super) transformed: bool,
    pub(super) delivery: Delivery,
}

impl Head {
    /// Whether its bytes are checked as they come.
    pub(super) fn needs_check(self) -> bool {
        self.kind == Kind::Text && !self.transformed
    }
}

/// How messages are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Each message whole, bounded by `max_message`.
    Whole,
    /// Each message in pieces as they come; a message may have any size.
    Pieces,
}

impl Assembly {
    pub(super) fn new(deadline: Option<Instant>) -> Self {
        Self { buffer: MessageBuffer::default(), overhead: 0, validator: Validator::new(), deadline }
    }

    /// Accounts for the bytes last appended: text is checked now, compressed text only when it is plain.
    pub(super) fn check(&mut self, head: Head) -> Result<(), ProtocolError> {
        if head.needs_check() {
            return self.buffer.check().map_err(|_| ProtocolError::InvalidUtf8);
        }
        self.buffer.accept();
        Ok(())
    }

    /// The whole message, of which no extension has transformed a byte.
    pub(super) fn finish(self, kind: Kind) -> Result<Message, ProtocolError> {
        match kind {
            Kind::Text => self.buffer.into_text().map(Message::Text).map_err(|_| ProtocolError::InvalidUtf8),
            Kind::Binary => Ok(Message::Binary(self.buffer.into_payload())),
        }
    }
}

/// Makes a message of bytes that are all here.
pub(super) fn message(kind: Kind, payload: crate::Payload) -> Result<Message, ProtocolError> {
    match kind {
        Kind::Text => Text::try_from(payload).map(Message::Text).map_err(|_| ProtocolError::InvalidUtf8),
        Kind::Binary => Ok(Message::Binary(payload)),
    }
}

/// The receiving parts of the agreed extensions, in the order in which they are undone.
#[derive(Debug)]
pub(super) struct DecodeChain {
    links: Vec<DecodeLink>,
    /// Payload bytes of transformed messages as they came.
    pub(super) wire: u64,
    /// The same messages' plain bytes.
    pub(super) plain: u64,
}

#[derive(Debug)]
struct DecodeLink {
    rsv: Rsv,
    decoder: Box<dyn Decode>,
    /// Whether it has a part in the message in progress.
    active: bool,
}

impl DecodeChain {
    /// `decoders` in the order of the negotiation; the last one was applied last (RFC 6455 9.1).
    pub(super) fn new(decoders: Vec<(Rsv, Box<dyn Decode>)>) -> Self {
        let link = |(rsv, decoder)| DecodeLink { rsv, decoder, active: false };
        Self { links: decoders.into_iter().rev().map(link).collect(), wire: 0, plain: 0 }
    }

    /// A message begins. Whether any extension has transformed it; a bit that none claims is an error.
    pub(super) fn begin(&mut self, kind: Kind, rsv: Rsv) -> Result<bool, ProtocolError> {
        let mut unclaimed = rsv;
        let mut transformed = false;
        for link in &mut self.links {
            link.active = link.decoder.begin(kind, rsv);
            if link.active {
                unclaimed = unclaimed.without(link.rsv);
                transformed = true;
            }
        }
        if unclaimed.is_none() { Ok(transformed) } else { Err(ProtocolError::ReservedBits) }
    }

    /// The plain form of the next bytes of the message, at most `limit` bytes of it. Beside a fault stands what came
    /// before it, so that a fault in that comes first, however the bytes are cut.
    pub(super) fn decode(&mut self, piece: Piece<'_>, limit: usize) -> (BytesMut, Result<(), ProtocolError>) {
        self.wire += piece.bytes.len() as u64;
        let mut input: Option<BytesMut> = None;
        let mut intact = Ok(());
        for link in self.links.iter_mut().filter(|link| link.active) {
            let bytes = input.as_deref().unwrap_or(piece.bytes);
            let mut output = BytesMut::new();
            let piece = Piece { bytes, last: piece.last && intact.is_ok() };
            match link.decoder.decode(piece, &mut output, limit) {
                Ok(()) => {}
                Err(DecodeError::TooBig) => intact = Err(ProtocolError::MessageTooBig(limit)),
                Err(DecodeError::Invalid) => intact = Err(ProtocolError::ExtensionData),
            }
            input = Some(output);
        }
        let output = input.unwrap_or_default();
        self.plain += output.len() as u64;
        (output, intact)
    }

    pub(super) fn retained(&self) -> usize {
        self.links.iter().map(|link| link.decoder.retained()).sum()
    }
}
