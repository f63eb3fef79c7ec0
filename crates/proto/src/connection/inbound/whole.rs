//! The short way: a message that stands whole at the front of the input, on a connection that has nothing else to think
//! of. It comes to what the steps of `parse` come to, and leaves to them everything that is not so simple.

use super::super::assembly::Delivery;
use super::Inbound;
use super::parse::SLICE_MIN;
use crate::frame::WholeMessage;
use crate::mask::mask;
use crate::message::{Kind, Message};
use crate::payload::Payload;
use crate::text::Text;
use bytes::{Buf, BytesMut};

impl Inbound {
    /// The message that [`poll_event`](Self::poll_event) would tell next, and how many bytes it takes at the front of
    /// `input`, if it is a short one that can be taken in one step; else nothing has changed. For a driver to which messages
    /// matter most.
    #[inline(always)]
    pub fn poll_message(&mut self, input: &[u8]) -> Option<(Message, usize)> {
        let whole = self.whole_message(input)?;
        if whole.len < SLICE_MIN { self.copy(input, whole) } else { None }
    }

    /// As [`poll_message`](Self::poll_message), of any length, and taken from the input.
    pub(super) fn poll_whole(&mut self, input: &mut BytesMut) -> Option<Message> {
        let whole = self.whole_message(input)?;
        if whole.len >= SLICE_MIN {
            return self.slice(input, whole);
        }
        let (message, used) = self.copy(input, whole)?;
        input.advance(used);
        Some(message)
    }

    #[inline(always)]
    fn whole_message(&self, input: &[u8]) -> Option<WholeMessage> {
        if !self.is_between_messages() {
            return None;
        }
        let whole = self.frames.whole_message(input)?;
        let is_allowed = whole.len <= self.limits.max_message && whole.len as u64 <= self.limits.max_frame;
        is_allowed.then_some(whole)
    }

    /// The message with bytes of its own. Bad text stays where it is.
    #[inline(always)]
    fn copy(&mut self, input: &[u8], whole: WholeMessage) -> Option<(Message, usize)> {
        let WholeMessage { kind, used, len, key } = whole;
        let payload = Payload::unmask(&input[used..], len, key);
        let message = match kind {
            Kind::Text => Message::Text(Text::try_from(payload).ok()?),
            Kind::Binary => Message::Binary(payload),
        };
        self.counted += 1;
        self.handle_message();
        Some((message, used + len))
    }

    /// A binary message as a slice of the input. A text is left to the steps: once it is unmasked where it stands, bad text
    /// cannot stay as it came.
    fn slice(&mut self, input: &mut BytesMut, whole: WholeMessage) -> Option<Message> {
        if whole.kind == Kind::Text {
            return None;
        }
        input.advance(whole.used);
        mask(&mut input[..whole.len], whole.key);
        self.counted += 1;
        self.handle_message();
        Some(Message::Binary(input.split_to(whole.len).freeze().into()))
    }

    /// Whether the next byte begins a message of which everything is as it stands on the wire: else
    /// [`poll_message`](Self::poll_message) finds none.
    #[inline]
    pub fn is_between_messages(&self) -> bool {
        self.closing.is_none()
            && self.assembly.is_none()
            && self.extensions.is_none()
            && self.delivery == Delivery::Whole
    }
}
