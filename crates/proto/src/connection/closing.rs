//! The end of a connection, as one table: who closed, what is still awaited, and when it is over.
//!
//! | began with | still parsed | over when |
//! |---|---|---|
//! | our Close frame | yes, until the peer's | as the next row |
//! | the peer's Close frame | no | server: our echo has been written; client: the server ended the transport (RFC 6455 7.1.1) |
//! | a fault | no | the peer ended the transport, which it does when our Close frame has reached it |
//! | the end of the transport | no | at once |
//!
//! Each row is also over when the transport ends or the close deadline passes.

use crate::Role;
use crate::close::CloseFrame;
use crate::event::{Cause, Closed, Deadline, Initiator};
use std::time::Instant;

/// A connection on its way to the end.
#[derive(Debug)]
pub(super) struct Closing {
    initiator: Initiator,
    received: Option<CloseFrame>,
    sent: Option<CloseFrame>,
    /// What the peer did wrong, or the deadline it missed.
    fault: Option<Cause>,
    /// Our Close frame, and all before it, has been written.
    flushed: bool,
    /// Nothing more can come: the transport's end or the close deadline.
    end: Option<Cause>,
    /// `None` where it lies beyond what an [`Instant`] can tell.
    pub(super) deadline: Option<Instant>,
}

impl Closing {
    pub(super) fn new(initiator: Initiator, deadline: Option<Instant>) -> Self {
        Self { initiator, received: None, sent: None, fault: None, flushed: false, end: None, deadline }
    }

    pub(super) fn handle_received(&mut self, frame: CloseFrame) {
        self.received = Some(frame);
    }

    pub(super) fn handle_sent(&mut self, frame: CloseFrame) {
        self.sent = Some(frame);
    }

    pub(super) fn handle_flushed(&mut self) {
        self.flushed = true;
    }

    pub(super) fn handle_fault(&mut self, cause: Cause) {
        self.fault.get_or_insert(cause);
    }

    pub(super) fn handle_end(&mut self, cause: Cause) {
        self.end.get_or_insert(cause);
    }

    /// Whether frames are still read: after our Close frame, but not after the peer's, nor after a fault.
    pub(super) fn is_parsing(&self) -> bool {
        self.received.is_none() && self.fault.is_none() && self.end.is_none()
    }

    /// Whether this end has said everything and the peer should see that now: after a fault the transport's write
    /// side is shut down, so that a peer that waits for the server's end does not wait in vain.
    pub(super) fn wants_shutdown(&self) -> bool {
        self.flushed && self.fault.is_some()
    }

    /// How it ended, once it has.
    pub(super) fn closed(&self, role: Role) -> Option<Closed> {
        let cause = match (self.fault, &self.received, self.end) {
            (Some(fault), _, Some(_)) => fault,
            // Something that was accepted never left.
            (None, Some(_), Some(end)) if self.has_lost_more_than_the_echo(end) => end,
            (None, Some(_), Some(_)) => Cause::Handshake,
            (None, Some(_), None) if self.flushed && role == Role::Server => Cause::Handshake,
            (Some(_), _, None) | (None, Some(_), None) => return None,
            (None, None, end) => end?,
        };
        let (received, sent) = (self.received.clone(), self.sent.clone());
        Some(Closed { received, sent, initiator: self.initiator, cause })
    }

    /// Whether our Close frame, and perhaps more, was not written. A peer that ends the transport right behind its own
    /// Close frame, as many do, loses but our echo, and that is no fault.
    fn has_lost_more_than_the_echo(&self, end: Cause) -> bool {
        let only_echo = self.initiator == Initiator::Remote && self.sent.is_some();
        !self.flushed && (!only_echo || matches!(end, Cause::Timeout(_)))
    }

    /// The close deadline has passed.
    pub(super) fn handle_deadline(&mut self) {
        self.handle_end(Cause::Timeout(Deadline::Close));
    }
}
