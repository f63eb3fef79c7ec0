//! The WebSocket protocol as a state machine: bytes and time in, bytes and events out.
//!
//! Nothing here reads a socket or a clock, spawns a thread or keeps a global. Three levels, each usable alone:
//!
//! * L0, [`header`]: the frame header codec, pure functions.
//! * L1, [`frame`]: an in-place, allocation-free frame decoder over a borrowed buffer.
//! * L2, [`Connection`]: the whole protocol, made of two halves ([`Inbound`], [`Outbound`]) that are joined only
//!   by small [`Control`] values.
//!
//! Beside them stand the opening handshake ([`handshake`]) and the extensions ([`extension`]).

pub mod close;
pub mod connection;
mod error;
mod event;
pub mod extension;
pub mod frame;
pub mod handshake;
pub mod header;
mod limits;
pub mod mask;
mod message;
mod payload;
mod prepared;
mod text;
mod utf8;

pub use close::{CloseCode, CloseFrame};
pub use connection::{Connection, Inbound, Outbound};
pub use error::ProtocolError;
pub use event::{Cause, Closed, Control, Deadline, Event, Initiator, MessagePiece, Notice};
pub use limits::{KeepAlive, Limits, Timing};
pub use message::{Compress, Kind, Message};
pub use payload::Payload;
pub use prepared::Prepared;
pub use text::Text;
pub use utf8::{Utf8Error, Validator};

/// Which end of the connection this is: it decides who masks (RFC 6455 5.1) and who closes TCP first (7.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The end that opened the connection; its frames are masked.
    Client,
    /// The end that accepted the connection; its frames are not masked.
    Server,
}
