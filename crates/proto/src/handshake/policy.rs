//! What a server accepts, and the answer that says so (RFC 6455 4.2.2).

use super::fields::{ReservedHeader, check_free, guarded};
use super::head::write_header;
use super::origin::OriginPolicy;
use super::rejection::Rejection;
use super::request::Request;
use super::subprotocol::Subprotocols;
use crate::extension::{self, Codec, Extension, Offer, Rsv};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use std::sync::Arc;

/// What a server accepts: origins, subprotocols, extensions; shared by its connections.
///
/// The default allows pages of the same host, speaks no subprotocol and uses no extension.
///
/// ```
/// use sockeye_proto::handshake::{OriginPolicy, Policy, Subprotocols};
///
/// let policy = Policy::new()
///     .origin(OriginPolicy::list(["https://example.com", "https://*.example.com"])?)
///     .subprotocols(Subprotocols::server_order(["chat.v2", "chat.v1"])?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Policy {
    origin: OriginPolicy,
    subprotocols: Subprotocols,
    extensions: Vec<Arc<dyn Extension>>,
    headers: Arc<HeaderMap>,
}

impl Policy {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which pages may connect. Default: those of the same host.
    pub fn origin(mut self, origin: OriginPolicy) -> Self {
        self.origin = origin;
        self
    }

    /// Which subprotocol is chosen. Default: none.
    pub fn subprotocols(mut self, subprotocols: Subprotocols) -> Self {
        self.subprotocols = subprotocols;
        self
    }

    /// Adds an extension. The order does not matter: the client's does.
    pub fn extension(mut self, extension: Arc<dyn Extension>) -> Self {
        self.extensions.push(extension);
        self
    }

    /// Adds a header to the answer that accepts.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Result<Self, ReservedHeader> {
        check_free(&name)?;
        let value = guarded(&name, value);
        Arc::make_mut(&mut self.headers).append(name, value);
        Ok(self)
    }

    pub(super) fn accept(&self, request: &Request) -> Result<Accepted, Rejection> {
        self.origin.check(request)?;
        let subprotocol = self.subprotocols.select(request)?;
        let (answers, codecs) = self.negotiate(request.extensions());
        let extensions = extensions_value(&answers)?;
        let (accept, headers) = (request.accept_value(), self.headers.clone());
        Ok(Accepted { accept, extensions, headers, subprotocol, codecs })
    }

    /// For each extension the first alternative that it can answer, in the client's order; never two that share a
    /// bit (RFC 6455 9.1).
    fn negotiate(&self, offers: &[Offer]) -> (Vec<Offer>, Vec<Codec>) {
        let mut taken = Rsv::NONE;
        let mut answers: Vec<Offer> = Vec::new();
        let mut codecs = Vec::new();
        for offer in offers {
            if answers.iter().any(|answer| answer.name == offer.name) {
                continue;
            }
            let able = |own: &&Arc<dyn Extension>| own.name() == offer.name && !own.rsv().intersects(taken);
            if let Some((answer, codec)) =
                self.extensions.iter().filter(able).find_map(|own| own.answer(offer))
            {
                taken = taken.union(codec.rsv);
                answers.push(answer);
                codecs.push(codec);
            }
        }
        (answers, codecs)
    }
}

/// The answer that accepts, and what was agreed.
#[derive(Debug)]
pub struct Accepted {
    accept: [u8; 28],
    /// The value of `Sec-WebSocket-Extensions`; empty where there are none.
    extensions: String,
    /// Those that the policy adds.
    headers: Arc<HeaderMap>,
    /// The subprotocol to speak.
    pub subprotocol: Option<String>,
    /// The extensions in use, in the order of the answer.
    pub codecs: Vec<Codec>,
}

impl Accepted {
    /// The bytes to write. What came behind the request is the connection's first input: some clients send early.
    pub fn encode(&self) -> Vec<u8> {
        let mut output = Vec::with_capacity(ANSWER_ROOM);
        output.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\n");
        for (name, value) in self.own_lines() {
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                output.extend_from_slice(part);
            }
        }
        for (name, value) in self.headers.iter() {
            write_header(name, value, &mut output);
        }
        output.extend_from_slice(b"\r\n");
        output
    }

    /// The response, for an HTTP server that writes it itself.
    pub fn response(&self) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        for (name, value) in self.own_lines() {
            // Always: they are digits, tokens, or have the grammar of extensions.
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value))
            {
                response.headers_mut().insert(name, value);
            }
        }
        for (name, value) in self.headers.iter() {
            response.headers_mut().append(name, value.clone());
        }
        response
    }

    /// The headers that make the handshake.
    fn own_lines(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let subprotocol = self.subprotocol.as_deref().unwrap_or_default();
        let lines = [
            ("Upgrade", &b"websocket"[..]),
            // Alone: some clients compare the whole value.
            ("Connection", b"Upgrade"),
            ("Sec-WebSocket-Accept", &self.accept),
            ("Sec-WebSocket-Protocol", subprotocol.as_bytes()),
            ("Sec-WebSocket-Extensions", self.extensions.as_bytes()),
        ];
        lines.into_iter().filter(|(_, value)| !value.is_empty())
    }
}

/// Room for an answer to which nothing much was added.
const ANSWER_ROOM: usize = 256;

/// What an extension answers comes from a user's code: only what follows the grammar leaves.
fn extensions_value(answers: &[Offer]) -> Result<String, Rejection> {
    if answers.is_empty() {
        return Ok(String::new());
    }
    let list = extension::format(answers);
    if extension::parse(&list).as_deref() == Ok(answers) {
        return Ok(list);
    }
    Err(Rejection::new(StatusCode::INTERNAL_SERVER_ERROR)
        .body("an extension of the server gave an answer that does not follow RFC 6455 9.1"))
}

#[cfg(test)]
mod tests;
