//! What a server accepts, and the answer that says so (RFC 6455 4.2.2).

use super::fields::{ReservedHeader, check_free, guarded};
use super::head::encode_response;
use super::origin::OriginPolicy;
use super::rejection::Rejection;
use super::request::Request;
use super::subprotocol::Subprotocols;
use crate::extension::{self, Codec, Extension, Offer, Rsv};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
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
    headers: HeaderMap,
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
        self.headers.append(name, value);
        Ok(self)
    }

    pub(super) fn accept(&self, request: &Request) -> Result<Accepted, Rejection> {
        self.origin.check(request)?;
        let subprotocol = self.subprotocols.select(request)?;
        let (answers, codecs) = self.negotiate(request.extensions());

        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        // Alone: some clients compare the whole value.
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, own_value(request.accept_value())?);
        if let Some(name) = &subprotocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, own_value(name)?);
        }
        if !answers.is_empty() {
            headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, extensions_value(&answers)?);
        }
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
        Ok(Accepted { response, subprotocol, codecs })
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
    /// The response: 101 with its headers, to which the caller may add.
    pub response: Response<()>,
    /// The subprotocol to speak.
    pub subprotocol: Option<String>,
    /// The extensions in use, in the order of the answer.
    pub codecs: Vec<Codec>,
}

impl Accepted {
    /// The bytes to write. What came behind the request is the connection's first input: some clients send early.
    pub fn encode(&self) -> Vec<u8> {
        encode_response(self.response.status(), self.response.headers())
    }
}

fn own_value(value: &str) -> Result<HeaderValue, Rejection> {
    HeaderValue::from_str(value).map_err(|_| own_fault("the server made an answer that no header can carry"))
}

/// What an extension answers comes from a user's code: only what follows the grammar leaves.
fn extensions_value(answers: &[Offer]) -> Result<HeaderValue, Rejection> {
    let list = extension::format(answers);
    if extension::parse(&list).as_deref() != Ok(answers) {
        return Err(own_fault("an extension of the server gave an answer that does not follow RFC 6455 9.1"));
    }
    own_value(&list)
}

fn own_fault(cause: &'static str) -> Rejection {
    Rejection::new(StatusCode::INTERNAL_SERVER_ERROR).body(cause)
}

#[cfg(test)]
mod tests;
