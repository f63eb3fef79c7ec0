//! L1: an in-place, allocation-free frame decoder over a borrowed buffer.
//!
//! It applies what depends on the connection but not on a message's content: mask direction, reserved bits, the
//! order of fragments. It unmasks payloads where they stand. Joining fragments, UTF-8 and
//! extensions belong to the levels above.

use crate::Role;
use crate::error::ProtocolError;
use crate::extension::Rsv;
use crate::header::{Header, MAX_CONTROL, Opcode};
use crate::mask::{mask, rotate};
use crate::message::Kind;

#[cfg(test)]
mod tests;

/// Decodes the frames that one end of a connection receives.
#[derive(Debug)]
pub struct FrameDecoder {
    /// This end; the frames come from the other.
    role: Role,
    /// The bits that extensions own.
    rsv: Rsv,
    /// A fragmented message has begun and not ended.
    message_open: bool,
    /// The frame whose header has been read, if one is open.
    open: Option<Opcode>,
    /// Its masking key as the next byte needs it; zero for frames that are not masked.
    key: [u8; 4],
    /// Its payload bytes that have not been given out.
    remaining: u64,
}

/// What stands at the front of the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Too little: call again with more bytes behind these.
    NeedMore,
    /// A header of `used` bytes.
    Header {
        /// The header.
        header: Header,
        /// Its bytes.
        used: usize,
    },
    /// The next `len` bytes are payload, unmasked now.
    Payload {
        /// How many bytes; zero for an empty frame.
        len: usize,
        /// Whether the frame ends with them.
        end: bool,
    },
}

/// A frame that is a whole message, at the front of the buffer with all its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WholeMessage {
    pub(crate) kind: Kind,
    /// Bytes of the header.
    pub(crate) used: usize,
    /// Bytes of the payload.
    pub(crate) len: usize,
    /// The masking key; zero where it is not masked.
    pub(crate) key: [u8; 4],
}

impl FrameDecoder {
    /// A decoder for what `role` receives, with the reserved bits that negotiated extensions own.
    pub fn new(role: Role, rsv: Rsv) -> Self {
        Self { role, rsv, message_open: false, open: None, key: [0; 4], remaining: 0 }
    }

    /// Looks at the front of `input`. The caller drops the bytes that the step names before it calls again.
    ///
    /// A control frame's payload is given whole; a data frame's as it comes.
    pub fn decode(&mut self, input: &mut [u8]) -> Result<Step, ProtocolError> {
        let Some(opcode) = self.open else { return self.decode_header(input) };
        let available = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(input.len());
        let end = available as u64 == self.remaining;
        if !end && (available == 0 || opcode.is_control()) {
            return Ok(Step::NeedMore);
        }
        self.key = mask(&mut input[..available], self.key);
        self.skip(available);
        Ok(Step::Payload { len: available, end })
    }

    /// The message at the front of `input`, if it is whole, in one frame of less than 64 KiB, and without fault: most
    /// of the world's traffic. Whatever else stands there is [`decode`](Self::decode)'s, and nothing has changed.
    #[inline]
    pub(crate) fn whole_message(&self, input: &[u8]) -> Option<WholeMessage> {
        let [first, second, rest @ ..] = input else { return None };
        let kind = match first {
            0x81 => Kind::Text,
            0x82 => Kind::Binary,
            _ => return None,
        };
        let is_masked = second & 0x80 != 0;
        if self.open.is_some() || self.message_open || is_masked != (self.role == Role::Server) {
            return None;
        }
        let (len, extended) = match second & 0x7f {
            short @ 0..=125 => (usize::from(short), 0),
            126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 2),
            _ => return None,
        };
        if extended > 0 && len <= MAX_CONTROL {
            return None; // not minimal (RFC 6455 5.2)
        }
        let key = if is_masked { *rest[extended..].first_chunk()? } else { [0; 4] };
        let used = if is_masked { 6 } else { 2 } + extended;
        (input.len() - used >= len).then_some(WholeMessage { kind, used, len, key })
    }

    /// Payload bytes of the open frame that have not been given out.
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Whether a frame's header has been read, and not all that belongs to it.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Unmasks payload bytes of the open data frame that were read elsewhere, at most [`remaining`](Self::remaining)
    /// of them. Returns whether the frame ends with them.
    pub fn take_direct(&mut self, payload: &mut [u8]) -> bool {
        self.key = mask(payload, self.key);
        self.skip(payload.len());
        self.open.is_none()
    }

    /// The key that unmasks the next payload byte.
    pub(crate) fn key(&self) -> [u8; 4] {
        self.key
    }

    /// Goes past the next `len` payload bytes of the open frame, at most [`remaining`](Self::remaining) of them. Returns
    /// the key that unmasks them.
    pub(crate) fn pass(&mut self, len: usize) -> [u8; 4] {
        let key = self.key;
        self.key = rotate(key, len);
        self.skip(len);
        key
    }

    fn skip(&mut self, len: usize) {
        self.remaining = self.remaining.saturating_sub(len as u64);
        if self.remaining == 0 {
            self.open = None;
        }
    }

    fn decode_header(&mut self, input: &[u8]) -> Result<Step, ProtocolError> {
        let Some((header, used)) = Header::decode(input)? else { return Ok(Step::NeedMore) };
        self.check(&header)?;
        if !header.opcode.is_control() {
            self.message_open = !header.fin;
        }
        self.open = Some(header.opcode);
        self.key = header.mask.unwrap_or_default();
        self.remaining = header.payload_len;
        Ok(Step::Header { header, used })
    }

    /// What is wrong with this header on this connection, now.
    fn check(&self, header: &Header) -> Result<(), ProtocolError> {
        match (self.role, header.mask) {
            (Role::Server, None) => return Err(ProtocolError::Unmasked), // RFC 6455 5.1
            (Role::Client, Some(_)) => return Err(ProtocolError::Masked), // RFC 6455 5.1
            _ => {}
        }
        let starts = matches!(header.opcode, Opcode::Text | Opcode::Binary);
        // RFC 6455 5.2; an extension's bits mark the first frame of a message, and no control frame (RFC 7692 6).
        let allowed = if starts { self.rsv } else { Rsv::NONE };
        if !header.rsv.without(allowed).is_none() {
            return Err(ProtocolError::ReservedBits);
        }
        if starts && self.message_open {
            return Err(ProtocolError::ExpectedContinuation); // RFC 6455 5.4
        }
        if header.opcode == Opcode::Continuation && !self.message_open {
            return Err(ProtocolError::UnexpectedContinuation); // RFC 6455 5.4
        }
        Ok(())
    }
}
