//! The server's side: reads the request head under its limits.

use super::HeadLimits;
use super::head::{HeadError, HeadReader};
use super::rejection::Rejection;
use super::request::Request;
use crate::extension::is_token_byte;
use bytes::BytesMut;
use http::StatusCode;
use std::time::Instant;

/// Reads a client's opening request.
///
/// Append what arrives to a buffer and call [`read`](Self::read); when [`poll_timeout`](Self::poll_timeout) has come,
/// call [`handle_timeout`](Self::handle_timeout). Both may give a [`Rejection`]: write it and close.
#[derive(Debug)]
pub struct ServerHandshake {
    head: HeadReader,
    deadline: Instant,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    Over,
}

impl ServerHandshake {
    /// A handshake that begins now: call it when the connection is there.
    pub fn new(limits: HeadLimits, now: Instant) -> Self {
        Self {
            head: HeadReader::new(limits.max_bytes, limits.max_headers),
            deadline: limits.deadline(now),
            state: State::Reading,
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), unless the request is there before.
    pub fn poll_timeout(&self) -> Instant {
        self.deadline
    }

    /// Takes the request off the input, or `None` while it is not whole. Between calls the input may only grow.
    ///
    /// What stands behind the request stays in the input. If the request is accepted it is the connection's first
    /// input; if not it must be dropped unparsed, since it may have been smuggled past a proxy. After anything but
    /// `Ok(None)` the handshake is over, and further calls give `None`.
    pub fn read(&mut self, input: &mut BytesMut) -> Result<Option<Request>, Rejection> {
        if self.state == State::Over {
            return Ok(None);
        }
        let result = self.read_head(input);
        if !matches!(result, Ok(None)) {
            self.state = State::Over;
        }
        result
    }

    /// Refuses with 408 if the deadline has passed and the request is not whole.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Rejection> {
        if self.state == State::Over || now < self.deadline {
            return None;
        }
        self.state = State::Over;
        Some(Rejection::new(StatusCode::REQUEST_TIMEOUT).body("the request did not come in time"))
    }

    fn read_head(&mut self, input: &mut BytesMut) -> Result<Option<Request>, Rejection> {
        // What cannot become a method need not be waited for.
        match input.first() {
            Some(0x16) => {
                return Err(HeadError::Malformed("it is TLS, which is not spoken on this port").into());
            }
            Some(&byte) if !is_token_byte(byte) && byte != b'\r' && byte != b'\n' => {
                return Err(HeadError::Malformed("bad first line").into());
            }
            _ => {}
        }
        self.head.request(input)?.map(Request::read).transpose()
    }
}

#[cfg(test)]
mod tests;
