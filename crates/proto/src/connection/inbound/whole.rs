//! The short way: a message that stands whole at the front of the input, on a connection that has nothing else to think
//! of. It comes to what the steps of `parse` come to, and leaves to them everything that is not so simple.

use super::super::assembly::{Delivery, message};
use super::Inbound;
use super::parse::take;
use crate::event::Event;
use crate::mask::mask;
use crate::payload::Payload;
use bytes::{Buf, BytesMut};

impl Inbound {
    /// The message at the front of the input, if it can be taken in one step; else nothing has changed.
    #[inline]
    pub(super) fn take_whole(&mut self, input: &mut BytesMut) -> Option<Event> {
        if !self.is_between_messages() {
            return None;
        }
        let whole = self.frames.whole_message(input)?;
        if whole.len > self.limits.max_message || whole.len as u64 > self.limits.max_frame {
            return None;
        }
        let inline = Payload::unmask_inline(&input[whole.used..], whole.len, whole.key);
        let payload = if let Some(payload) = inline {
            input.advance(whole.used + whole.len);
            payload
        } else {
            input.advance(whole.used);
            mask(&mut input[..whole.len], whole.key);
            take(input, whole.len)
        };
        self.counted += 1;
        self.handle_message();
        Some(match message(whole.kind, payload) {
            Ok(message) => Event::Message(message),
            Err(error) => Event::Control(self.fail(error)),
        })
    }

    /// Whether the next byte begins a message of which everything is as it stands on the wire.
    fn is_between_messages(&self) -> bool {
        self.closing.is_none()
            && self.assembly.is_none()
            && self.extensions.is_none()
            && self.delivery == Delivery::Whole
    }
}
