//! A client's opening request as the server sees it, after every check of RFC 6455 4.2.1.

use super::authority::Authority;
use super::fields::{Occurs, elements, guard, has_token, joined, occurs};
use super::rejection::Rejection;
use super::{Accepted, Policy, key};
use crate::extension::{self, Offer, is_token};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Uri, Version};
use std::fmt;

/// An opening request that keeps the protocol's rules; neither accepted nor rejected yet.
///
/// Look at all of it, then [`accept`](Self::accept) it, or write a [`Rejection`] of your own. `Debug` shows no
/// secret: not the query, not what was offered as subprotocols, and of `Authorization`, `Proxy-Authorization` and
/// `Cookie` the names alone.
#[derive(Clone)]
pub struct Request {
    head: http::Request<()>,
    /// What answers the key.
    accept: String,
    subprotocols: Vec<String>,
    offers: Vec<Offer>,
}

impl Request {
    /// Subprotocols that a request may offer: 64. One that offers more is refused with 400.
    pub const MAX_SUBPROTOCOLS: usize = 64;

    /// Checks a request that an HTTP server has read. Its body is not looked at.
    ///
    /// Over HTTP/2 a WebSocket opens otherwise (RFC 8441): such a request is refused with 505.
    pub fn from_http<B>(request: &http::Request<B>) -> Result<Self, Rejection> {
        let mut head = http::Request::new(());
        *head.method_mut() = request.method().clone();
        *head.uri_mut() = request.uri().clone();
        *head.version_mut() = request.version();
        *head.headers_mut() = request.headers().clone();
        Self::check(head)
    }

    /// The request target as it was sent, a path with a query in nearly every case.
    pub fn uri(&self) -> &Uri {
        self.head.uri()
    }

    /// The path, as it was sent: percent-encoded, beginning with `/`.
    pub fn path(&self) -> &str {
        self.uri().path()
    }

    /// What stands behind the `?`, percent-encoded.
    pub fn query(&self) -> Option<&str> {
        self.uri().query()
    }

    /// All headers.
    pub fn headers(&self) -> &HeaderMap {
        self.head.headers()
    }

    /// The version of HTTP.
    pub fn version(&self) -> Version {
        self.head.version()
    }

    /// The value of the first cookie with this name, which is compared with case; quotes stay (RFC 6265 5.4).
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let lines = self.headers().get_all(header::COOKIE).into_iter();
        let texts = lines.filter_map(|line| std::str::from_utf8(line.as_bytes()).ok());
        let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The origin of the page that connects; `None` where no browser does.
    pub fn origin(&self) -> Option<&str> {
        self.headers().get(header::ORIGIN).and_then(|value| value.to_str().ok())
    }

    /// The host with its port if one was named: of the target where that is a URL, else of `Host` (RFC 9112 3.2).
    pub fn host(&self) -> &str {
        host(&self.head).unwrap_or_default()
    }

    /// The subprotocols offered, the preferred one first.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        self.subprotocols.iter().map(String::as_str)
    }

    /// The extensions offered, the preferred alternative first.
    pub fn extensions(&self) -> &[Offer] {
        &self.offers
    }

    /// Accepts the request, unless the policy refuses its origin (403) or its subprotocols (400).
    pub fn accept(&self, policy: &Policy) -> Result<Accepted, Rejection> {
        policy.accept(self)
    }

    /// The value of `Sec-WebSocket-Accept`.
    pub(super) fn accept_value(&self) -> &str {
        &self.accept
    }

    /// Every rule that does not depend on a policy.
    pub(super) fn check(mut head: http::Request<()>) -> Result<Self, Rejection> {
        guard(head.headers_mut());
        check_http(&head)?;
        check_upgrade(head.headers())?;
        let accept = check_key(head.headers())?;
        let subprotocols = check_subprotocols(head.headers())?;
        let offers = check_extensions(head.headers())?;
        Ok(Self { head, accept, subprotocols, offers })
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("path", &self.path())
            .field("headers", self.headers())
            .field("subprotocols", &self.subprotocols.len())
            .field("offers", &self.offers)
            .finish_non_exhaustive()
    }
}

/// `GET`, HTTP/1.1, one `Host`, at most one `Origin`, no body.
fn check_http(head: &http::Request<()>) -> Result<(), Rejection> {
    match head.version() {
        Version::HTTP_11 => {}
        Version::HTTP_09 | Version::HTTP_10 => {
            return Err(Rejection::malformed(
                "a WebSocket needs HTTP/1.1; a proxy that speaks HTTP/1.0 to this server must be told to use 1.1",
            ));
        }
        _ => {
            return Err(Rejection::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED)
                .body("a WebSocket opens over HTTP/1.1 here; connect without HTTP/2"));
        }
    }
    if head.method() != Method::GET {
        return Err(Rejection::new(StatusCode::METHOD_NOT_ALLOWED)
            .header(header::ALLOW, HeaderValue::from_static("GET"))
            .body("a WebSocket opens with GET"));
    }
    let headers = head.headers();
    let length = headers.get_all(header::CONTENT_LENGTH).iter().any(|length| length != "0");
    if length || headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Rejection::malformed("an opening request has no body"));
    }
    // RFC 9112 3.2
    required(headers, &header::HOST)?;
    if host(head).and_then(Authority::parse).is_none() {
        return Err(Rejection::malformed("header host must be a host with an optional port"));
    }
    match occurs(headers, header::ORIGIN) {
        Occurs::Once(origin) if origin.to_str().is_err() => {
            Err(Rejection::malformed("header origin is not text"))
        }
        Occurs::Repeatedly => Err(repeated(&header::ORIGIN)),
        Occurs::Never | Occurs::Once(_) => Ok(()),
    }
}

fn host(head: &http::Request<()>) -> Option<&str> {
    let field = || head.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    head.uri().authority().map(http::uri::Authority::as_str).or_else(field)
}

/// `Upgrade`, `Connection` and the version (RFC 6455 4.2.1, 4.4).
fn check_upgrade(headers: &HeaderMap) -> Result<(), Rejection> {
    if !has_token(headers, header::UPGRADE, "websocket") {
        let stripped = headers.contains_key(header::SEC_WEBSOCKET_KEY);
        return Err(Rejection::upgrade_required(if stripped {
            "a proxy has stripped the Upgrade header; it must pass on Upgrade and Connection"
        } else {
            "this address speaks WebSocket; connect with ws:// or wss://"
        }));
    }
    if !has_token(headers, header::CONNECTION, "upgrade") {
        return Err(Rejection::malformed(
            "header connection does not contain the token upgrade; a proxy must pass on Upgrade and Connection",
        ));
    }
    if required(headers, &header::SEC_WEBSOCKET_VERSION)? != "13" {
        return Err(Rejection::upgrade_required("only version 13 of the WebSocket protocol is spoken here"));
    }
    Ok(())
}

/// The answer to the key.
fn check_key(headers: &HeaderMap) -> Result<String, Rejection> {
    let key = required(headers, &header::SEC_WEBSOCKET_KEY)?.as_bytes();
    if !key::is_valid(key) {
        return Err(Rejection::malformed("header sec-websocket-key must be base64 of 16 bytes"));
    }
    Ok(key::accept(key))
}

/// Tokens, each once (RFC 6455 4.1). Each is compared with all before it, so their number is bounded.
fn check_subprotocols(headers: &HeaderMap) -> Result<Vec<String>, Rejection> {
    let bad = || Rejection::malformed("header sec-websocket-protocol must be a list of different tokens");
    let list = joined(headers, header::SEC_WEBSOCKET_PROTOCOL).ok_or_else(bad)?;
    let mut names: Vec<String> = Vec::new();
    for name in elements(&list) {
        if names.len() == Request::MAX_SUBPROTOCOLS {
            return Err(Rejection::malformed(format!(
                "header sec-websocket-protocol offers more than {} subprotocols",
                Request::MAX_SUBPROTOCOLS
            )));
        }
        if !is_token(name) || names.iter().any(|earlier| earlier == name) {
            return Err(bad());
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn check_extensions(headers: &HeaderMap) -> Result<Vec<Offer>, Rejection> {
    let list = joined(headers, header::SEC_WEBSOCKET_EXTENSIONS)
        .ok_or_else(|| Rejection::malformed("header sec-websocket-extensions is not text"))?;
    extension::parse(&list).map_err(|error| Rejection::malformed(error.to_string()))
}

/// The value of a header that must stand in the request exactly once.
fn required<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a HeaderValue, Rejection> {
    match occurs(headers, name) {
        Occurs::Once(value) => Ok(value),
        Occurs::Never => Err(Rejection::malformed(format!("header {name} is missing"))),
        Occurs::Repeatedly => Err(repeated(name)),
    }
}

fn repeated(name: &HeaderName) -> Rejection {
    Rejection::malformed(format!("header {name} stands there more than once"))
}

#[cfg(test)]
mod tests;
