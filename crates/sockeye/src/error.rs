//! The error of an open connection.

use sockeye_proto::connection::{Refusal, SendError};
use sockeye_proto::{Cause, Closed, Initiator};
use std::fmt;

/// What goes wrong on an open connection. Receiving only fails with [`Error::Ended`]; every [`SendError`] can become
/// an [`Error::Refused`], so that `?` is enough where the value is not needed back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The connection ended without a complete closing handshake: both Close frames, as far as there were any, who
    /// began, and the cause.
    Ended(Box<Closed>),
    /// What was to be sent was refused, because of itself or because the connection is closing.
    Refused(Refusal),
}

impl Error {
    pub(crate) fn ended(closed: &Closed) -> Self {
        Self::Ended(Box::new(closed.clone()))
    }

    /// How the connection ended, where that is the error.
    pub fn closed(&self) -> Option<&Closed> {
        match self {
            Self::Ended(closed) => Some(closed),
            Self::Refused(_) => None,
        }
    }

    /// Why the connection ended, where that is the error.
    pub fn cause(&self) -> Option<Cause> {
        self.closed().map(|closed| closed.cause)
    }

    /// Whether the peer is at fault: it broke the protocol, missed a deadline or went without a Close frame.
    pub fn is_peer_fault(&self) -> bool {
        self.closed().is_some_and(|closed| match closed.cause {
            Cause::Handshake | Cause::Transport(_) => closed.initiator == Initiator::Remote,
            _ => true,
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(closed) => closed.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl<T> From<SendError<T>> for Error {
    fn from(error: SendError<T>) -> Self {
        Self::Refused(error.reason)
    }
}
