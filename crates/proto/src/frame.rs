//! L1: an in-place, allocation-free frame decoder over a borrowed buffer.
//!
//! It applies what depends on the connection but not on a message's content: mask direction, reserved bits, the
//! order of fragments. It unmasks payloads where they stand. Joining fragments, UTF-8 and
//! extensions belong to the levels above.

use crate::Role;
use crate::error::ProtocolError;
use crate::extension::Rsv;
use crate::header::{Header, Opcode};
use crate::mask::mask;

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
    frame: Option<OpenFrame>,
}

/// A frame whose header has been read.
#[derive(Debug, Clone, Copy)]
struct OpenFrame {
    remaining: u64,
    /// As the next byte needs it; zero for frames that are not masked.
    key: [u8; 4],
    opcode: Opcode,
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

impl FrameDecoder {
    /// A decoder for what `role` receives, with the reserved bits that negotiated extensions own.
    pub fn new(role: Role, rsv: Rsv) -> Self {
        Self { role, rsv, message_open: false, frame: None }
    }

    /// Looks at the front of `input`. The caller drops the bytes that the step names before it calls again.
    ///
    /// A control frame's payload is given whole; a data frame's as it comes.
    pub fn decode(&mut self, input: &mut [u8]) -> Result<Step, ProtocolError> {
        let Some(frame) = &mut self.frame else { return self.decode_header(input) };
        let available = usize::try_from(frame.remaining).unwrap_or(usize::MAX).min(input.len());
        let end = available as u64 == frame.remaining;
        if !end && (available == 0 || frame.opcode.is_control()) {
            return Ok(Step::NeedMore);
        }
        frame.key = mask(&mut input[..available], frame.key);
        self.skip(available);
        Ok(Step::Payload { len: available, end })
    }

    /// Payload bytes of the open frame that have not been given out.
    pub fn remaining(&self) -> u64 {
        self.frame.map_or(0, |frame| frame.remaining)
    }

    /// Unmasks payload bytes of the open data frame that were read elsewhere, at most [`remaining`](Self::remaining)
    /// of them. Returns whether the frame ends with them.
    pub fn take_direct(&mut self, payload: &mut [u8]) -> bool {
        if let Some(frame) = &mut self.frame {
            frame.key = mask(payload, frame.key);
        }
        self.skip(payload.len());
        self.frame.is_none()
    }

    fn skip(&mut self, len: usize) {
        if let Some(frame) = &mut self.frame {
            frame.remaining = frame.remaining.saturating_sub(len as u64);
            if frame.remaining == 0 {
                self.frame = None;
            }
        }
    }

    fn decode_header(&mut self, input: &[u8]) -> Result<Step, ProtocolError> {
        let Some((header, used)) = Header::decode(input)? else { return Ok(Step::NeedMore) };
        self.check(&header)?;
        if !header.opcode.is_control() {
            self.message_open = !header.fin;
        }
        let key = header.mask.unwrap_or_default();
        self.frame = Some(OpenFrame { remaining: header.payload_len, key, opcode: header.opcode });
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
