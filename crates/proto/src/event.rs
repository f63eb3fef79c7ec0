//! What the state machine tells: events for the user, and the small values that join its two halves.

use crate::close::CloseFrame;
use crate::error::ProtocolError;
use crate::message::{Kind, Message};
use crate::payload::Payload;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

/// What happened, one at a time.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A whole message.
    Message(Message),
    /// A part of a message, where messages are delivered in pieces.
    Piece(MessagePiece),
    /// A control frame came or is due. It must be handed to [`Outbound::handle_control`](crate::Outbound); the user
    /// may see it too.
    Control(Control),
    /// The connection has ended. Exactly one, and the last event.
    Closed(Box<Closed>),
}

/// A part of a message that is delivered, or sent, in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessagePiece {
    /// The kind of the whole message.
    pub kind: Kind,
    /// The bytes; a piece of a text may end inside a character, but the text so far is good.
    pub payload: Payload,
    /// Whether the message begins here.
    pub first: bool,
    /// Whether the message ends here.
    pub last: bool,
}

/// From the inbound half to the outbound half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// A ping came: answer it.
    Ping(Payload),
    /// A pong came; nothing to answer.
    Pong {
        /// What it carries.
        payload: Payload,
        /// The round-trip time, where it answers the last ping that was sent.
        rtt: Option<Duration>,
    },
    /// A Close frame came: echo it, unless a Close frame was sent already.
    Close(CloseFrame),
    /// The peer broke the protocol or a deadline: send this Close frame, unless one was sent already.
    Fail(CloseFrame),
    /// Keep-alive: send a ping.
    SendPing(Payload),
    /// Keep-alive: send an unasked pong.
    SendPong,
}

/// From the outbound half to the inbound half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A Close frame was queued; nothing more can be.
    Closing(CloseFrame),
    /// Everything up to the Close frame has been written.
    Flushed,
    /// The user sent a ping.
    Ping {
        /// What it carries.
        payload: Payload,
        /// When.
        at: Instant,
    },
    /// The peer takes no bytes: the write deadline has passed.
    Stalled,
    /// The transport cannot be written to any more; what it still holds may be read.
    Broken,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The peer's Close frame.
    pub received: Option<CloseFrame>,
    /// Our Close frame.
    pub sent: Option<CloseFrame>,
    /// Who began to end it.
    pub initiator: Initiator,
    /// Why it ended.
    pub cause: Cause,
}

impl Closed {
    /// Whether both ends took part in the closing handshake (RFC 6455 7.1.4).
    pub fn is_clean(&self) -> bool {
        self.cause == Cause::Handshake
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause)?;
        match (&self.received, &self.sent, self.initiator) {
            (Some(frame), _, Initiator::Remote) => write!(f, ", closed by the peer with {}", frame.code),
            (_, Some(frame), Initiator::Local) => write!(f, ", closed by this end with {}", frame.code),
            _ => Ok(()),
        }
    }
}

/// One of the two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Initiator {
    /// This end.
    Local,
    /// The peer.
    Remote,
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The closing handshake: a clean end, whatever the code.
    Handshake,
    /// The peer broke the protocol.
    Protocol(ProtocolError),
    /// A deadline passed.
    Timeout(Deadline),
    /// The transport ended without a Close frame.
    Eof,
    /// The transport failed.
    Transport(io::ErrorKind),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handshake => f.write_str("closing handshake complete"),
            Self::Protocol(error) => write!(f, "the peer broke the protocol: {error} ({})", error.clause()),
            Self::Timeout(deadline) => write!(f, "{deadline}"),
            Self::Eof => f.write_str("the peer ended the connection without a close frame"),
            Self::Transport(kind) => write!(f, "the transport failed: {kind}"),
        }
    }
}

/// The deadlines of an open connection; [`Timing`](crate::Timing) sets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deadline {
    /// `keep_alive`: no byte came after a ping.
    Ping,
    /// `idle`: no message came.
    Idle,
    /// `message`: a message did not end.
    Message,
    /// `close`: the closing handshake did not end.
    Close,
    /// `write`: the peer took no bytes.
    Write,
}

impl fmt::Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ping => "no answer to a ping in time",
            Self::Idle => "no message in the idle time",
            Self::Message => "a message did not end in time",
            Self::Close => "the closing handshake did not end in time",
            Self::Write => "the peer took no bytes in time",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CloseCode;

    #[test]
    fn every_end_says_why_and_who() {
        let frame = Some(CloseFrame::new(CloseCode::GOING_AWAY, ""));
        let told = |initiator, cause| {
            Closed { received: frame.clone(), sent: frame.clone(), initiator, cause }.to_string()
        };
        assert_eq!(
            told(Initiator::Remote, Cause::Handshake),
            "closing handshake complete, closed by the peer with 1001 (going away)"
        );
        assert_eq!(
            told(Initiator::Local, Cause::Protocol(ProtocolError::Unmasked)),
            "the peer broke the protocol: frame from a client is not masked (RFC 6455 5.1), \
             closed by this end with 1001 (going away)"
        );
        let bare = Closed { received: None, sent: None, initiator: Initiator::Remote, cause: Cause::Eof };
        assert_eq!(bare.to_string(), "the peer ended the connection without a close frame");
        let reset = Cause::Transport(io::ErrorKind::ConnectionReset);
        assert_eq!(reset.to_string(), "the transport failed: connection reset");
    }

    #[test]
    fn every_deadline_has_its_own_text() {
        let all = [Deadline::Ping, Deadline::Idle, Deadline::Message, Deadline::Close, Deadline::Write];
        let mut texts: Vec<String> =
            all.iter().map(|deadline| Cause::Timeout(*deadline).to_string()).collect();
        assert!(texts.iter().all(|text| text.contains("time")));
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), all.len());
    }
}
