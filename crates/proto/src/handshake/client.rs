//! The client's side: writes the request, reads the answer and checks it (RFC 6455 4.1).

use super::client_request::ClientRequest;
use super::error::HandshakeError;
use super::fields::{Occurs, has_token, joined, occurs, values};
use super::head::HeadReader;
use super::refusal::RefusalReader;
use super::{HeadLimits, key};
use crate::extension::{self, Codec, Extension, GrammarError, Rsv};
use bytes::BytesMut;
use http::header::{self, HeaderMap};
use http::{StatusCode, Version};
use std::sync::Arc;
use std::time::Instant;

/// Opens a connection as a client.
///
/// Write the bytes that [`new`](Self::new) gives, then append what arrives to a buffer and call [`read`](Self::read).
/// When [`poll_timeout`](Self::poll_timeout) has come, call [`handle_timeout`](Self::handle_timeout); at the end of
/// the input, [`handle_eof`](Self::handle_eof). The first answer or error is the last.
#[derive(Debug)]
pub struct ClientHandshake {
    request: ClientRequest,
    /// What `Sec-WebSocket-Accept` must be.
    accept: [u8; 28],
    max_refusal_body: usize,
    deadline: Instant,
    state: State,
}

#[derive(Debug)]
enum State {
    Head(HeadReader),
    Refused(RefusalReader),
    Over,
}

/// The answer of a server that accepted.
#[derive(Debug)]
pub struct Response {
    /// All headers of the answer.
    pub headers: HeaderMap,
    /// The subprotocol that the server chose; `None` where it chose none, also if some were offered.
    pub subprotocol: Option<String>,
    /// The extensions in use, in the order of the answer.
    pub codecs: Vec<Codec>,
}

impl ClientHandshake {
    /// A handshake that begins now, with the bytes to write; or what is wrong with the request.
    ///
    /// The nonce is 16 random bytes, new for every connection (RFC 6455 4.1).
    pub fn new(
        request: ClientRequest,
        limits: HeadLimits,
        nonce: [u8; 16],
        now: Instant,
    ) -> Result<(Self, Vec<u8>), HandshakeError> {
        let key = key::encode(nonce);
        let output = request.encode(&key)?;
        let handshake = Self {
            request,
            accept: key::accept(key.as_bytes()),
            max_refusal_body: limits.max_refusal_body,
            deadline: limits.deadline(now),
            state: State::Head(HeadReader::new(limits.max_bytes, limits.max_headers)),
        };
        Ok((handshake, output))
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), unless the handshake is over before.
    pub fn poll_timeout(&self) -> Instant {
        self.deadline
    }

    /// Takes the answer off the input, or `None` while it is not whole. Between calls the input may only grow.
    ///
    /// What stands behind the answer stays in the input: a server may send its first frame in the same segment.
    /// After anything but `Ok(None)` the handshake is over, and further calls give `None`.
    pub fn read(&mut self, input: &mut BytesMut) -> Result<Option<Response>, HandshakeError> {
        let result = self.step(input);
        if !matches!(result, Ok(None)) {
            self.state = State::Over;
        }
        result
    }

    /// The error once the deadline has passed; a refusal of which something is missing is told all the same.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<HandshakeError> {
        if now < self.deadline {
            return None;
        }
        self.interrupt(HandshakeError::Timeout)
    }

    /// The error if the input ends here; `None` if the handshake is over already.
    pub fn handle_eof(&mut self) -> Option<HandshakeError> {
        self.interrupt(HandshakeError::Eof)
    }

    fn interrupt(&mut self, cause: HandshakeError) -> Option<HandshakeError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Head(_) => Some(cause),
            State::Refused(mut reader) => Some(reader.finish()),
            State::Over => None,
        }
    }

    fn step(&mut self, input: &mut BytesMut) -> Result<Option<Response>, HandshakeError> {
        while let State::Head(reader) = &mut self.state {
            if input.iter().zip(b"HTTP/").any(|(byte, expected)| byte != expected) {
                return Err(HandshakeError::NotHttp);
            }
            let Some(head) = reader.response(input)? else { return Ok(None) };
            if head.status() == StatusCode::SWITCHING_PROTOCOLS {
                return self.confirm(head).map(Some);
            }
            // Interim answers announce a final one (RFC 9110 15.2).
            if !head.status().is_informational() {
                self.state = State::Refused(RefusalReader::new(head, self.max_refusal_body));
            }
        }
        match &mut self.state {
            State::Refused(reader) => {
                if reader.read(input) {
                    Err(reader.finish())
                } else {
                    Ok(None)
                }
            }
            State::Head(_) | State::Over => Ok(None),
        }
    }

    /// Every check of RFC 6455 4.1 on an answer with status 101.
    fn confirm(&self, head: http::Response<()>) -> Result<Response, HandshakeError> {
        if head.version() != Version::HTTP_11 {
            return Err(HandshakeError::Version);
        }
        let headers = head.headers();
        let upgrade = joined(values(headers, header::UPGRADE)).unwrap_or_default();
        if !upgrade.eq_ignore_ascii_case("websocket") {
            return Err(HandshakeError::Upgrade);
        }
        if !has_token(values(headers, header::CONNECTION), "upgrade") {
            return Err(HandshakeError::Connection);
        }
        match occurs(values(headers, header::SEC_WEBSOCKET_ACCEPT)) {
            Occurs::Once(value) if value == self.accept => {}
            _ => return Err(HandshakeError::Accept),
        }
        let subprotocol = self.confirm_subprotocol(headers)?;
        let codecs = self.confirm_extensions(headers)?;
        Ok(Response { headers: head.into_parts().0.headers, subprotocol, codecs })
    }

    /// At most one, of those offered; several lines make a list, which is none of them.
    fn confirm_subprotocol(&self, headers: &HeaderMap) -> Result<Option<String>, HandshakeError> {
        if !headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
            return Ok(None);
        }
        let name = joined(values(headers, header::SEC_WEBSOCKET_PROTOCOL)).unwrap_or_default().into_owned();
        if !self.request.subprotocols.contains(&name) {
            return Err(HandshakeError::SubprotocolNotOffered(name));
        }
        Ok(Some(name))
    }

    fn confirm_extensions(&self, headers: &HeaderMap) -> Result<Vec<Codec>, HandshakeError> {
        let list = joined(values(headers, header::SEC_WEBSOCKET_EXTENSIONS));
        let list = list.ok_or(HandshakeError::Extensions(GrammarError { at: 0 }))?;
        let answers = extension::parse(&list).map_err(HandshakeError::Extensions)?;
        let mut taken = Rsv::NONE;
        let mut codecs = Vec::new();
        for (position, answer) in answers.iter().enumerate() {
            let offered = |own: &&Arc<dyn Extension>| own.name() == answer.name && !own.offers().is_empty();
            let Some(own) = self.request.extensions.iter().find(offered) else {
                return Err(HandshakeError::ExtensionNotOffered(answer.name.clone()));
            };
            let repeated = answers[..position].iter().any(|earlier| earlier.name == answer.name);
            if repeated || own.rsv().intersects(taken) {
                return Err(HandshakeError::ExtensionConflict(answer.name.clone()));
            }
            let codec = own.confirm(answer).map_err(HandshakeError::Extension)?;
            taken = taken.union(codec.rsv);
            codecs.push(codec);
        }
        Ok(codecs)
    }
}

#[cfg(test)]
mod tests;
