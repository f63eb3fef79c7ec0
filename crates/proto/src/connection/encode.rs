//! Messages on their way out: whole, prepared for many, or in pieces.

use super::outbound::{Frame, Outbound, Refusal, SendError};
use crate::event::MessagePiece;
use crate::extension::{Encode, Piece, Plain, Rsv};
use crate::header::Opcode;
use crate::message::{Compress, Kind, Message};
use crate::payload::Payload;
use crate::prepared::Prepared;
use crate::utf8::Validator;
use bytes::BytesMut;

/// A message that is being sent in pieces.
#[derive(Debug)]
pub(super) struct OpenMessage {
    kind: Kind,
    /// What the first frame will carry; `None` once it has been queued.
    first: Option<Rsv>,
    validator: Validator,
}

impl Outbound {
    /// Queues a message: all of it or nothing.
    #[inline(always)]
    pub fn feed(&mut self, message: Message, compress: Compress) -> Result<(), SendError<Message>> {
        if let Some(reason) = self.refusal_of_message(message.len()) {
            return Err(SendError { value: message, reason });
        }
        self.push_message(message, compress);
        Ok(())
    }

    /// Queues a message even where it passes `max_queued`: for a caller that asked [`is_full`](Self::is_full) before,
    /// and passes it by one message at the most.
    pub fn feed_over(&mut self, message: Message, compress: Compress) -> Result<(), SendError<Message>> {
        if let Some(reason) = self.refusal_of_message(0).filter(|reason| *reason != Refusal::Full) {
            return Err(SendError { value: message, reason });
        }
        self.push_message(message, compress);
        Ok(())
    }

    #[inline(always)]
    fn push_message(&mut self, message: Message, compress: Compress) {
        let kind = message.kind();
        let (payload, rsv) = self.transform(kind, message.into_payload(), compress);
        self.push_frame(Frame { fin: true, rsv, opcode: kind.into(), payload });
    }

    /// Queues a message that is prepared for many connections: where it is large its bytes are not copied.
    pub fn feed_prepared(&mut self, message: &Prepared) -> Result<(), SendError<()>> {
        if let Some(reason) = self.refusal_of_message(message.payload().len()) {
            return Err(SendError { value: (), reason });
        }
        let kind = message.kind();
        let opcode = kind.into();
        let Some(extensions) = &mut self.extensions else {
            self.push_shared(opcode, message.payload());
            return Ok(());
        };
        let (payload, rsv) = match extensions.prepared(message) {
            Some((rsv, bytes)) => (bytes.into(), rsv),
            None => extensions.encode(kind, message.payload().clone().into(), message.compress()),
        };
        self.push_frame(Frame { fin: true, rsv, opcode, payload });
        Ok(())
    }

    /// Begins a message that leaves in pieces. It stays open until its last piece, whatever else is sent between:
    /// pings, pongs and a Close frame, but no other message (RFC 6455 5.4).
    pub fn begin_message(&mut self, kind: Kind, compress: Compress) -> Result<(), SendError<()>> {
        if let Some(reason) = self.refusal_of_message(0) {
            return Err(SendError { value: (), reason });
        }
        let rsv = self.extensions.as_mut().map_or(Rsv::NONE, |extensions| extensions.begin(kind, compress));
        self.open = Some(Box::new(OpenMessage { kind, first: Some(rsv), validator: Validator::new() }));
        Ok(())
    }

    /// The kind of the message that is open for pieces, if one is.
    pub fn open_message(&self) -> Option<Kind> {
        self.open.as_ref().map(|open| open.kind)
    }

    /// Queues the next piece of the open message as one frame. Only `payload` and `last` of the piece are looked at;
    /// an empty last piece is fine.
    pub fn feed_piece(&mut self, piece: MessagePiece) -> Result<(), SendError<MessagePiece>> {
        let reason = match (self.refusal(piece.payload.len()), &mut self.open) {
            (Some(reason), _) => reason,
            (None, None) => Refusal::NoMessageOpen,
            (None, Some(open)) => match open.check(&piece) {
                None => Refusal::InvalidUtf8,
                Some(validator) => {
                    open.validator = validator;
                    let (first, kind) = (open.first.take(), open.kind);
                    let (rsv, opcode) =
                        first.map_or((Rsv::NONE, Opcode::Continuation), |rsv| (rsv, kind.into()));
                    self.push_piece(piece, rsv, opcode);
                    return Ok(());
                }
            },
        };
        Err(SendError { value: piece, reason })
    }

    fn push_piece(&mut self, piece: MessagePiece, rsv: Rsv, opcode: Opcode) {
        let last = piece.last;
        let payload = match &mut self.extensions {
            Some(extensions) => extensions.encode_piece(piece),
            None => piece.payload,
        };
        self.push_frame(Frame { fin: last, rsv, opcode, payload });
        if last {
            self.open = None;
        }
    }

    #[inline(always)]
    fn transform(&mut self, kind: Kind, payload: Payload, compress: Compress) -> (Payload, Rsv) {
        match &mut self.extensions {
            Some(extensions) => extensions.encode(kind, payload, compress),
            None => (payload, Rsv::NONE),
        }
    }

    #[inline]
    fn refusal_of_message(&self, len: usize) -> Option<Refusal> {
        // No message is open on a connection that is closing.
        if self.open.is_some() { Some(Refusal::MessageOpen) } else { self.refusal(len) }
    }
}

impl OpenMessage {
    /// The state of the UTF-8 check behind this piece, or `None` where the text would not be UTF-8.
    fn check(&self, piece: &MessagePiece) -> Option<Validator> {
        let mut validator = self.validator;
        if self.kind == Kind::Text {
            validator.push(&piece.payload).ok()?;
        }
        (!piece.last || validator.is_complete()).then_some(validator)
    }
}

/// The sending parts of the agreed extensions, in the order in which they are applied.
#[derive(Debug)]
pub(super) struct EncodeChain {
    links: Vec<EncodeLink>,
    /// Payload bytes of transformed messages as they leave.
    pub(super) wire: u64,
    /// The same messages' plain bytes.
    pub(super) plain: u64,
}

#[derive(Debug)]
struct EncodeLink {
    encoder: Box<dyn Encode>,
    /// Whether it has a part in the message that leaves in pieces.
    active: bool,
}

impl EncodeChain {
    pub(super) fn new(encoders: Vec<Box<dyn Encode>>) -> Self {
        let link = |encoder| EncodeLink { encoder, active: false };
        Self { links: encoders.into_iter().map(link).collect(), wire: 0, plain: 0 }
    }

    fn encode(&mut self, kind: Kind, payload: Payload, compress: Compress) -> (Payload, Rsv) {
        let plain_len = payload.len();
        let mut payload = payload;
        let mut rsv = Rsv::NONE;
        for link in &mut self.links {
            let mut output = BytesMut::new();
            if let Some(bits) = link.encoder.encode(Plain { kind, bytes: &payload, compress }, &mut output) {
                rsv = rsv.union(bits);
                payload = output.into();
            }
        }
        if !rsv.is_none() {
            self.count(plain_len, payload.len());
        }
        (payload, rsv)
    }

    /// Only where a single extension is in use: what it made is then what leaves.
    fn prepared(&mut self, message: &Prepared) -> Option<(Rsv, bytes::Bytes)> {
        let [link] = self.links.as_mut_slice() else { return None };
        let (rsv, bytes) = link.encoder.prepared(message)?;
        if !rsv.is_none() {
            self.count(message.payload().len(), bytes.len());
        }
        Some((rsv, bytes))
    }

    fn begin(&mut self, kind: Kind, compress: Compress) -> Rsv {
        let mut rsv = Rsv::NONE;
        for link in &mut self.links {
            let bits = link.encoder.begin(kind, compress);
            link.active = bits.is_some();
            rsv = rsv.union(bits.unwrap_or_default());
        }
        rsv
    }

    fn encode_piece(&mut self, piece: MessagePiece) -> Payload {
        let MessagePiece { mut payload, last, .. } = piece;
        let plain_len = payload.len();
        let mut active = false;
        for link in self.links.iter_mut().filter(|link| link.active) {
            let mut output = BytesMut::new();
            link.encoder.encode_piece(Piece { bytes: &payload, last }, &mut output);
            payload = output.into();
            active = true;
        }
        if active {
            self.count(plain_len, payload.len());
        }
        payload
    }

    fn count(&mut self, plain: usize, wire: usize) {
        self.plain += plain as u64;
        self.wire += wire as u64;
    }

    pub(super) fn retained(&self) -> usize {
        self.links.iter().map(|link| link.encoder.retained()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use bytes::{Buf, BufMut};
    use std::sync::Arc;

    /// Puts a mark before what may be compressed, for one connection alone.
    #[derive(Debug)]
    struct Marking;

    impl Encode for Marking {
        fn encode(&mut self, message: Plain<'_>, output: &mut BytesMut) -> Option<Rsv> {
            if message.compress == Compress::Never {
                return None;
            }
            output.put_u8(if message.compress == Compress::Always { b'+' } else { b'~' });
            output.put_slice(message.bytes);
            Some(Rsv::RSV1)
        }
        fn begin(&mut self, _: Kind, _: Compress) -> Option<Rsv> {
            None
        }
        fn encode_piece(&mut self, _: Piece<'_>, _: &mut BytesMut) {}
    }

    #[test]
    fn a_prepared_message_has_its_own_choice_where_it_is_encoded_alone() {
        let sent = |compress| {
            let mut outbound = Outbound::new(Arc::new(Limits::default()), None, vec![Box::new(Marking)]);
            outbound.feed_prepared(&Prepared::with("a", compress)).expect("room");
            outbound.copy_to_bytes(outbound.remaining())
        };
        assert_eq!(sent(Compress::Auto), b"\xc1\x02~a"[..]);
        assert_eq!(sent(Compress::Always), b"\xc1\x02+a"[..]);
        assert_eq!(sent(Compress::Never), b"\x81\x01a"[..]);
    }
}
