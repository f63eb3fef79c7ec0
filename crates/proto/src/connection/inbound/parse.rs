//! Parsing: one step from the front of the input to at most one event.

use super::super::assembly::{Assembly, Delivery, Head, message};
use super::{DIRECT_MIN, Inbound};
use crate::close::CloseFrame;
use crate::error::ProtocolError;
use crate::event::{Control, Event, Initiator, MessagePiece};
use crate::extension::Piece;
use crate::frame::Step;
use crate::header::{Header, Opcode};
use crate::limits::Limits;
use crate::message::Kind;
use crate::payload::Payload;
use crate::text::Growth;
use bytes::{Buf, BytesMut};
use std::time::Duration;

/// Payloads of at least this many bytes that stand whole in the lent buffer are taken as slices of it, and shorter
/// ones are copied out. A driver that lends blocks of 132 KiB has none pinned for less than a quarter of it.
pub(super) const SLICE_MIN: usize = 33 << 10;

/// More than one byte of deflate can ever give (1032, RFC 1951 3.2.5: 258 bytes for two bits).
const MOST_INFLATED: usize = 1100;

/// What one step of parsing came to.
pub(super) enum Progress {
    Event(Event),
    More,
    NeedInput,
}

impl From<Option<Event>> for Progress {
    fn from(event: Option<Event>) -> Self {
        event.map_or(Self::More, Self::Event)
    }
}

/// Parsing.
impl Inbound {
    pub(super) fn advance(&mut self, input: &mut BytesMut) -> Result<Progress, ProtocolError> {
        if let Some(event) = self.take_direct()? {
            return Ok(event);
        }
        if let Some(part) = self.part_to_assemble(input.len()) {
            return self.on_part(input, part);
        }
        let window = self.window(input.len());
        match self.frames.decode(&mut input[..window])? {
            Step::NeedMore => Ok(Progress::NeedInput),
            Step::Header { header, used } => {
                input.advance(used);
                self.on_header(&header)?;
                Ok(Progress::More)
            }
            Step::Payload { len, end } if self.opcode.is_control() => {
                debug_assert!(end, "control frames come whole");
                let event = self.on_control(&input[..len])?;
                input.advance(len);
                Ok(Progress::Event(event))
            }
            Step::Payload { len, end } if self.head.delivery == Delivery::Pieces => {
                self.on_piece(input, Part { len, last: end && self.fin })
            }
            Step::Payload { len, end } => {
                debug_assert!(end && self.fin, "other parts are assembled");
                self.on_whole(input, len)
            }
        }
    }

    fn on_header(&mut self, header: &Header) -> Result<(), ProtocolError> {
        let most = self.limits.max_frame;
        if header.payload_len > most {
            return Err(ProtocolError::FrameTooBig(most));
        }
        self.counted += 1;
        self.opcode = header.opcode;
        let kind = match header.opcode {
            Opcode::Text => Kind::Text,
            Opcode::Binary => Kind::Binary,
            Opcode::Continuation => {
                self.fin = header.fin;
                if self.head.delivery == Delivery::Whole {
                    self.assembly().overhead += Limits::FRAGMENT_OVERHEAD;
                    self.check_size(header.payload_len)?;
                }
                return Ok(());
            }
            Opcode::Close | Opcode::Ping | Opcode::Pong => return Ok(()),
        };
        self.fin = header.fin;
        self.begun = false;
        let transformed = match &mut self.extensions {
            Some(extensions) => extensions.begin(kind, header.rsv)?,
            None => false,
        };
        self.head = Head { kind, transformed, delivery: self.delivery };
        if self.delivery == Delivery::Whole { self.check_size(header.payload_len) } else { Ok(()) }
    }

    /// Refuses, at its header, the frame with which the message would outgrow its limit.
    fn check_size(&self, payload_len: u64) -> Result<(), ProtocolError> {
        let held = self.assembly.as_ref().map_or(0, |assembly| assembly.buffer.len() + assembly.overhead);
        let room = self.most_held().checked_sub(held);
        match usize::try_from(payload_len) {
            Ok(len) if room.is_some_and(|room| len <= room) => Ok(()),
            _ => Err(ProtocolError::MessageTooBig(self.limits.max_message)),
        }
    }

    /// The most bytes that are held of the message in progress. Deflate adds at most five bytes per 16 KiB block to
    /// a message that it cannot shrink (RFC 1951 3.2.4), so a compressed message gets a little more.
    pub(super) fn most_held(&self) -> usize {
        let limit = self.limits.max_message;
        if self.head.transformed { limit.saturating_add(limit / 1024 + 64) } else { limit }
    }

    fn on_control(&mut self, payload: &[u8]) -> Result<Event, ProtocolError> {
        let control = match self.opcode {
            Opcode::Close => {
                let frame = CloseFrame::decode(payload)?;
                let now = self.heard;
                self.closing(Initiator::Remote, now).handle_received(frame.clone());
                Control::Close(frame)
            }
            Opcode::Ping => Control::Ping(Payload::copy_from_slice(payload)),
            _ => Control::Pong { rtt: self.match_pong(payload), payload: Payload::copy_from_slice(payload) },
        };
        Ok(Event::Control(control))
    }

    fn match_pong(&mut self, payload: &[u8]) -> Option<Duration> {
        let ping = self.ping.take_if(|ping| ping.payload == *payload)?;
        let rtt = self.heard.saturating_duration_since(ping.at);
        self.rtt_micros = u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX).max(1);
        Some(rtt)
    }

    /// The bytes that are here of a message to be assembled.
    fn part_to_assemble(&self, available: usize) -> Option<Part> {
        if !self.frames.is_open() || self.opcode.is_control() || self.head.delivery == Delivery::Pieces {
            return None;
        }
        let remaining = usize::try_from(self.frames.remaining()).unwrap_or(usize::MAX);
        let len = available.min(remaining);
        let last = len == remaining && self.fin;
        let is_whole = last && self.assembly.is_none();
        let is_some = len > 0 || remaining == 0;
        (is_some && !is_whole).then_some(Part { len, last })
    }

    /// Moves the bytes to the message in progress, and unmasks them on the way.
    fn on_part(&mut self, input: &mut BytesMut, part: Part) -> Result<Progress, ProtocolError> {
        let head = self.head;
        let key = self.frames.pass(part.len);
        let missing = usize::try_from(self.frames.remaining()).unwrap_or(usize::MAX);
        // What else is missing comes in pieces.
        let expected = if missing < DIRECT_MIN || head.needs_check() { missing } else { 0 };
        let growth = Growth { expected, most: self.most_held() };
        let assembly = self.assembly();
        assembly.buffer.extend(&input[..part.len], key, growth);
        assembly.check(head)?;
        input.advance(part.len);
        let event = if part.last { self.finish()? } else { None };
        Ok(event.into())
    }

    /// A message that is here in one piece: nothing is assembled.
    fn on_whole(&mut self, input: &mut BytesMut, len: usize) -> Result<Progress, ProtocolError> {
        let head = self.head;
        let payload = if head.transformed {
            let limit = self.limits.max_message;
            let (payload, intact) = self.decode(Piece { bytes: &input[..len], last: true }, limit);
            intact?;
            input.advance(len);
            payload
        } else {
            take(input, len)
        };
        self.handle_message();
        message(head.kind, payload).map(|message| Progress::Event(Event::Message(message)))
    }

    fn finish(&mut self) -> Result<Option<Event>, ProtocolError> {
        let Some(assembly) = self.assembly.take() else { return Ok(None) };
        self.handle_message();
        let kind = self.head.kind;
        if !self.head.transformed {
            return assembly.finish(kind).map(|message| Some(Event::Message(message)));
        }
        let limit = self.limits.max_message;
        let (payload, intact) = self.decode(Piece { bytes: assembly.buffer.as_slice(), last: true }, limit);
        intact?;
        message(kind, payload).map(|message| Some(Event::Message(message)))
    }

    /// The plain form of compressed bytes, and whether they were intact.
    fn decode(&mut self, piece: Piece<'_>, limit: usize) -> (Payload, Result<(), ProtocolError>) {
        let Some(extensions) = &mut self.extensions else {
            return (Payload::copy_from_slice(piece.bytes), Ok(()));
        };
        let (plain, intact) = extensions.decode(piece, limit);
        // A tight copy where the buffer grew far beyond what is in it.
        let loose = plain.len() * 2 < plain.capacity();
        (if loose { Payload::copy_from_slice(&plain) } else { plain.into() }, intact)
    }

    /// How much of the input is looked at in this step: of compressed bytes that are delivered in pieces only so
    /// many that their plain form stays near `max_message`, whatever they inflate to.
    fn window(&self, len: usize) -> usize {
        let in_payload = self.frames.remaining() > 0 && !self.opcode.is_control();
        let limited = in_payload && self.head.transformed && self.head.delivery == Delivery::Pieces;
        if limited { len.min(self.piece_window()) } else { len }
    }

    fn piece_window(&self) -> usize {
        (self.limits.max_message / MOST_INFLATED).clamp(1, 4096)
    }

    fn on_piece(&mut self, input: &mut BytesMut, part: Part) -> Result<Progress, ProtocolError> {
        let Head { kind, transformed, .. } = self.head;
        let (payload, intact) = if transformed {
            let limit = self.piece_window() * MOST_INFLATED;
            let decoded = self.decode(Piece { bytes: &input[..part.len], last: part.last }, limit);
            input.advance(part.len);
            decoded
        } else {
            (take(input, part.len), Ok(()))
        };
        if kind == Kind::Text {
            let validator = &mut self.assembly().validator;
            validator.push(&payload).map_err(|_| ProtocolError::InvalidUtf8)?;
            if part.last && intact.is_ok() && !validator.is_complete() {
                return Err(ProtocolError::InvalidUtf8);
            }
        }
        intact?;
        let first = !std::mem::replace(&mut self.begun, true);
        if part.last {
            self.assembly = None;
        } else if payload.is_empty() && !first {
            return Ok(Progress::More);
        }
        self.handle_message();
        Ok(Progress::Event(Event::Piece(MessagePiece { kind, payload, first, last: part.last })))
    }

    /// Accounts for payload bytes that were read straight into the message.
    fn take_direct(&mut self) -> Result<Option<Progress>, ProtocolError> {
        self.pass_pieces();
        let Some(assembly) = &mut self.assembly else { return Ok(None) };
        let fresh = assembly.buffer.fresh_mut();
        if fresh.is_empty() {
            return Ok(None);
        }
        let last = self.frames.take_direct(fresh) && self.fin;
        assembly.check(self.head)?;
        let event = if last { self.finish()? } else { None };
        Ok(Some(event.into()))
    }

    /// Accounts for payload bytes that were read into pieces of the message. More of its frame is always missing.
    pub(super) fn pass_pieces(&mut self) {
        let Some(assembly) = &mut self.assembly else { return };
        let fresh = assembly.buffer.fresh_in_pieces();
        if fresh > 0 {
            self.frames.pass(fresh);
            assembly.buffer.accept();
        }
    }

    pub(super) fn handle_message(&mut self) {
        if let Some(clocks) = &mut self.clocks {
            clocks.message = self.heard;
        }
    }

    pub(super) fn assembly(&mut self) -> &mut Assembly {
        self.assembly.get_or_insert_with(|| {
            let deadline = match self.head.delivery {
                Delivery::Whole => {
                    self.limits.timing.message.and_then(|timeout| self.heard.checked_add(timeout))
                }
                Delivery::Pieces => None,
            };
            Box::new(Assembly::new(deadline))
        })
    }
}

/// Some bytes of a message's payload at the front of the input.
#[derive(Clone, Copy)]
struct Part {
    len: usize,
    /// Whether the message ends with them.
    last: bool,
}

/// A payload from the front of the input: a slice of it, or a copy where it is short.
fn take(input: &mut BytesMut, len: usize) -> Payload {
    if len >= SLICE_MIN {
        return input.split_to(len).freeze().into();
    }
    let payload = Payload::copy_from_slice(&input[..len]);
    input.advance(len);
    payload
}
