//! The opening handshake (RFC 6455 4), both roles.
//!
//! * Server: [`ServerHandshake`] turns bytes into a [`Request`] that keeps the protocol's rules. The caller looks at
//!   the whole of it, then [accepts](Request::accept) it under a [`Policy`] or answers with a [`Rejection`].
//! * Client: a [`ClientRequest`] says what to ask for; [`ClientHandshake`] writes it and checks the answer.
//!
//! Heads are bounded in bytes, in header count and in time ([`HeadLimits`]). What stands behind a head stays in the
//! caller's buffer. Nothing here does I/O: the caller moves the bytes, tells the time and brings the nonce.
//!
//! ```
//! use bytes::BytesMut;
//! use sockeye_proto::handshake::{ClientHandshake, ClientRequest, HeadLimits, Policy, ServerHandshake};
//! use std::time::Instant;
//!
//! let (limits, now) = (HeadLimits::default(), Instant::now());
//! let request = ClientRequest::new(&"ws://example.com/chat".parse()?)?;
//! let (mut client, to_server) = ClientHandshake::new(request, limits, *b"16 random bytes!", now)?;
//!
//! let mut server = ServerHandshake::new(limits, now);
//! let request = server.read(&mut BytesMut::from(&to_server[..]))?.expect("it came as a whole");
//! assert_eq!(request.path(), "/chat");
//! let accepted = request.accept(&Policy::new())?;
//!
//! let response = client.read(&mut BytesMut::from(&accepted.encode()[..]))?.expect("it came as a whole");
//! assert_eq!(response.subprotocol, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod authority;
mod client;
mod client_request;
mod error;
mod fields;
mod head;
mod key;
mod origin;
mod policy;
mod refusal;
mod rejection;
mod request;
mod server;
mod subprotocol;

pub use client::{ClientHandshake, Response};
pub use client_request::ClientRequest;
pub use error::HandshakeError;
pub use fields::ReservedHeader;
pub use origin::{OriginError, OriginPolicy};
pub use policy::{Accepted, Policy};
pub use refusal::Refusal;
pub use rejection::Rejection;
pub use request::Request;
pub use server::ServerHandshake;
pub use subprotocol::{SubprotocolError, Subprotocols};

use std::time::{Duration, Instant};

/// How much of a handshake a peer may make this end hold, and how long it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeadLimits {
    /// Bytes of a head, from its first byte to the end of the empty line behind it. Default 16 KiB.
    pub max_bytes: usize,
    /// Header lines of a head. Default 100; more than 6,000 are never taken.
    pub max_headers: usize,
    /// Client: bytes of a refusal's body that are kept; the rest is not read. Default 4 KiB.
    pub max_refusal_body: usize,
    /// From the start of the handshake to the end of the peer's head (client: of a refusal's body). Default 10 s.
    pub timeout: Duration,
}

impl HeadLimits {
    /// When a handshake that begins now must be over.
    fn deadline(&self, now: Instant) -> Instant {
        const NEVER: Duration = Duration::from_secs(u32::MAX as u64);
        now.checked_add(self.timeout).unwrap_or_else(|| now + NEVER)
    }
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self {
            max_bytes: 16 << 10,
            max_headers: 100,
            max_refusal_body: 4 << 10,
            timeout: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests;
