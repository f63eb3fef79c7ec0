//! The short way: a message that stands whole at the front of the input, on a connection that has nothing else to think
//! of. It comes to what the steps of `parse` come to, and leaves to them everything that is not so simple.

use super::super::assembly::Delivery;
use super::Inbound;
use super::parse::SLICE_MIN;
use crate::frame::WholeMessage;
use crate::message::{Kind, Message};
use crate::payload::Payload;
use crate::text::Text;

impl Inbound {
    /// The message that [`poll_event`](Self::poll_event) would tell next, and how many bytes it takes at the front of
    /// `input`, if it can be taken in one step; else nothing has changed. For a driver to which messages matter most.
    #[inline(always)]
    pub fn poll_message(&mut self, input: &[u8]) -> Option<(Message, usize)> {
        if !self.is_between_messages() {
            return None;
        }
        let WholeMessage { kind, used, len, key } = self.frames.whole_message(input)?;
        // A long one is taken as a slice.
        if len >= SLICE_MIN || len > self.limits.max_message || len as u64 > self.limits.max_frame {
            return None;
        }
        let payload = Payload::unmask(&input[used..], len, key);
        let message = match kind {
            Kind::Text => Message::Text(Text::try_from(payload).ok()?), // bad text is left as it came
            Kind::Binary => Message::Binary(payload),
        };
        self.counted += 1;
        self.handle_message();
        Some((message, used + len))
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
