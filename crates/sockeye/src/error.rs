//! The error of a connection that did not end cleanly.

use sockeye_proto::{Cause, Closed, Initiator};
use std::fmt;

/// The connection ended without a complete closing handshake. It says why, and who is at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Closed>);

impl Error {
    pub(crate) fn new(closed: &Closed) -> Self {
        Self(Box::new(closed.clone()))
    }

    /// How the connection ended: both Close frames, as far as there were any, who began, and the cause.
    pub fn closed(&self) -> &Closed {
        &self.0
    }

    /// Why it ended.
    pub fn cause(&self) -> Cause {
        self.0.cause
    }

    /// Whether the peer is at fault: it broke the protocol, missed a deadline or went without a Close frame.
    pub fn is_peer_fault(&self) -> bool {
        !matches!(self.0.cause, Cause::Handshake | Cause::Transport(_))
            || self.0.initiator == Initiator::Remote
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Error {}
