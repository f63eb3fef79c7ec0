//! Why a client's handshake failed.

use super::fields::ReservedHeader;
use super::head::HeadError;
use super::refusal::Refusal;
use crate::extension::{GrammarError, NegotiationError};
use std::fmt;

/// Why a client's handshake failed: by its own request, by the answer, or by time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// Request: the address has another scheme than `ws` and `wss`.
    Scheme,
    /// Request: the address has no host, or one that is none.
    Host,
    /// Request: a header that belongs to the handshake was set.
    ReservedHeader(ReservedHeader),
    /// Request: a subprotocol that is not a token.
    InvalidSubprotocol(String),
    /// Request: a subprotocol that is offered twice.
    DuplicateSubprotocol(String),
    /// Request: the extension of this name offers what does not follow the grammar.
    InvalidOffer(String),

    /// The server answered with another status than 101.
    Refused(Box<Refusal>),
    /// The answer does not begin as HTTP does.
    NotHttp,
    /// The answer begins as HTTP does, but has a fault.
    Malformed(&'static str),
    /// The answer is in another version than HTTP/1.1.
    Version,
    /// The answer's head is larger than this, the bound `max_bytes`.
    TooLarge(usize),
    /// The answer has more header lines than this, the bound `max_headers`.
    TooManyHeaders(usize),
    /// The answer's `Upgrade` is not `websocket`.
    Upgrade,
    /// The answer's `Connection` has no token `upgrade`.
    Connection,
    /// The answer's `Sec-WebSocket-Accept` is missing, repeated, or does not answer the key.
    Accept,
    /// The server chose a subprotocol that was not offered, or several.
    SubprotocolNotOffered(String),
    /// The server's extensions do not follow the grammar, or are not ASCII text.
    Extensions(GrammarError),
    /// The server uses an extension that was not offered.
    ExtensionNotOffered(String),
    /// The server uses this extension twice, or together with one that owns the same header bits.
    ExtensionConflict(String),
    /// The extension does not take the server's answer.
    Extension(NegotiationError),

    /// The deadline passed before the answer's head was whole.
    Timeout,
    /// The connection ended before the answer's head was whole.
    Eof,
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str("the address must begin with ws:// or wss://"),
            Self::Host => f.write_str("the address has no usable host or port; write ws://host:port/path"),
            Self::ReservedHeader(error) => error.fmt(f),
            Self::InvalidSubprotocol(name) => {
                write!(f, "subprotocol {name:?} is not a token: use letters, digits and !#$%&'*+-.^_`|~ only")
            }
            Self::DuplicateSubprotocol(name) => write!(f, "subprotocol {name:?} is offered twice; offer it once"),
            Self::InvalidOffer(name) => {
                write!(f, "extension {name:?} makes an offer that does not follow RFC 6455 9.1; correct it")
            }
            Self::Refused(refusal) => refusal.fmt(f),
            Self::NotHttp => f.write_str(
                "the answer is not HTTP; check that a WebSocket server listens there, and that wss:// is used for TLS",
            ),
            Self::Malformed(cause) => write!(f, "the server's answer is not HTTP: {cause}"),
            Self::Version => f.write_str("the server does not answer in HTTP/1.1; check any proxy on the way"),
            Self::TooLarge(limit) => {
                write!(f, "the answer's head is larger than {limit} bytes; raise max_bytes if you trust the server")
            }
            Self::TooManyHeaders(limit) => {
                write!(f, "the answer has more than {limit} headers; raise max_headers if you trust the server")
            }
            Self::Upgrade => f.write_str("the answer's upgrade header is not websocket; check any proxy on the way"),
            Self::Connection => {
                f.write_str("the answer's connection header does not say upgrade; check any proxy on the way")
            }
            Self::Accept => {
                f.write_str("the answer does not prove that the server read the key; check for a cache on the way")
            }
            Self::SubprotocolNotOffered(name) => {
                write!(f, "the server chose subprotocol {name:?}, which was not offered; offer it if you speak it")
            }
            Self::Extensions(error) => error.fmt(f),
            Self::ExtensionNotOffered(name) => {
                write!(f, "the server uses extension {name:?}, which was not offered")
            }
            Self::ExtensionConflict(name) => {
                write!(f, "the server uses extension {name:?} twice, or with one that needs the same header bits")
            }
            Self::Extension(error) => error.fmt(f),
            Self::Timeout => f.write_str("the server did not answer in time; check that it speaks WebSocket"),
            Self::Eof => f.write_str("the server closed the connection before it answered; check address and scheme"),
        }
    }
}
impl std::error::Error for HandshakeError {}

impl From<ReservedHeader> for HandshakeError {
    fn from(error: ReservedHeader) -> Self {
        Self::ReservedHeader(error)
    }
}

impl From<HeadError> for HandshakeError {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Malformed(cause) => Self::Malformed(cause),
            HeadError::Version => Self::Version,
            HeadError::TooLarge(limit) => Self::TooLarge(limit),
            HeadError::TooManyHeaders(limit) => Self::TooManyHeaders(limit),
        }
    }
}
