//! A client's opening request as the server sees it, after every check of RFC 6455 4.2.1.

use super::authority::Authority;
use super::fields::{Lines, Occurs, elements, guard, has_token, joined, occurs, text};
use super::head::{RequestHead, parse_request, request_headers};
use super::rejection::Rejection;
use super::{Accepted, Policy, key};
use crate::extension::{self, Offer, is_token};
use bytes::BytesMut;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Uri, Version};
use std::fmt;
use std::sync::OnceLock;

/// An opening request that keeps the protocol's rules; neither accepted nor rejected yet.
///
/// Look at all of it, then [`accept`](Self::accept) it, or write a [`Rejection`] of your own. `Debug` shows no
/// secret: not the query, not what was offered as subprotocols, and of `Authorization`, `Proxy-Authorization` and
/// `Cookie` the names alone.
#[derive(Clone)]
pub struct Request(Box<Checked>);

#[derive(Clone)]
struct Checked {
    target: Uri,
    version: Version,
    host: String,
    origin: Option<String>,
    /// What answers the key.
    accept: [u8; 28],
    subprotocols: Vec<String>,
    offers: Vec<Offer>,
    /// The head as it came, for those who ask for its headers.
    head: BytesMut,
    headers: OnceLock<HeaderMap>,
}

impl Request {
    /// Subprotocols that a request may offer: 64. One that offers more is refused with 400.
    pub const MAX_SUBPROTOCOLS: usize = 64;

    /// Checks a request that an HTTP server has read. Its body is not looked at.
    ///
    /// Over HTTP/2 a WebSocket opens otherwise (RFC 8441): such a request is refused with 505.
    pub fn from_http<B>(request: &http::Request<B>) -> Result<Self, Rejection> {
        let line = |(name, value)| {
            let (name, value) = (HeaderName::as_str(name), HeaderValue::as_bytes(value));
            httparse::Header { name, value }
        };
        let lines: Vec<_> = request.headers().iter().map(line).collect();
        let mut checked = Checked::new(RequestHead {
            method: request.method().as_str(),
            target: request.uri().clone(),
            version: request.version(),
            lines: Lines(&lines),
        })?;
        let mut headers = request.headers().clone();
        guard(&mut headers);
        checked.headers = headers.into();
        Ok(Self(checked))
    }

    /// Checks a whole head.
    pub(super) fn read(head: BytesMut) -> Result<Self, Rejection> {
        let mut checked = parse_request(&head, Checked::new)??;
        checked.head = head;
        Ok(Self(checked))
    }

    /// The request target as it was sent, a path with a query in nearly every case.
    pub fn uri(&self) -> &Uri {
        &self.0.target
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
        self.0.headers.get_or_init(|| request_headers(&self.0.head))
    }

    /// The version of HTTP.
    pub fn version(&self) -> Version {
        self.0.version
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
        self.0.origin.as_deref()
    }

    /// The host with its port if one was named: of the target where that is a URL, else of `Host` (RFC 9112 3.2).
    pub fn host(&self) -> &str {
        &self.0.host
    }

    /// The subprotocols offered, the preferred one first.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        self.0.subprotocols.iter().map(String::as_str)
    }

    /// The extensions offered, the preferred alternative first.
    pub fn extensions(&self) -> &[Offer] {
        &self.0.offers
    }

    /// Accepts the request, unless the policy refuses its origin (403) or its subprotocols (400).
    pub fn accept(&self, policy: &Policy) -> Result<Accepted, Rejection> {
        policy.accept(self)
    }

    /// The value of `Sec-WebSocket-Accept`.
    pub(super) fn accept_value(&self) -> [u8; 28] {
        self.0.accept
    }
}

impl Checked {
    /// Every rule that does not depend on a policy.
    fn new(head: RequestHead<'_>) -> Result<Box<Self>, Rejection> {
        check_http(&head)?;
        let host = check_host(&head)?.to_owned();
        let origin = check_origin(head.lines)?.map(str::to_owned);
        check_upgrade(head.lines)?;
        let accept = check_key(head.lines)?;
        let subprotocols = check_subprotocols(head.lines)?;
        let offers = check_extensions(head.lines)?;
        let RequestHead { target, version, .. } = head;
        let (head, headers) = (BytesMut::new(), OnceLock::new());
        let it = Self { target, version, host, origin, accept, subprotocols, offers, head, headers };
        Ok(Box::new(it))
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("path", &self.path())
            .field("headers", self.headers())
            .field("subprotocols", &self.0.subprotocols.len())
            .field("offers", &self.0.offers)
            .finish_non_exhaustive()
    }
}

/// `GET`, HTTP/1.1, no body.
fn check_http(head: &RequestHead<'_>) -> Result<(), Rejection> {
    match head.version {
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
    if head.method != "GET" {
        return Err(Rejection::new(StatusCode::METHOD_NOT_ALLOWED)
            .header(header::ALLOW, HeaderValue::from_static("GET"))
            .body("a WebSocket opens with GET"));
    }
    let has_length = head.lines.of(&header::CONTENT_LENGTH).any(|length| length != b"0");
    if has_length || head.lines.contain(&header::TRANSFER_ENCODING) {
        return Err(Rejection::malformed("an opening request has no body"));
    }
    Ok(())
}

/// The host: one `Host`, unless the target names one (RFC 9112 3.2).
fn check_host<'a>(head: &'a RequestHead<'_>) -> Result<&'a str, Rejection> {
    let field = required(head.lines, &header::HOST)?;
    let named = head.target.authority().map(http::uri::Authority::as_str);
    named
        .or_else(|| text(field))
        .filter(|host| Authority::is_legal(host))
        .ok_or_else(|| Rejection::malformed("header host must be a host with an optional port"))
}

/// At most one `Origin`.
fn check_origin(lines: Lines<'_>) -> Result<Option<&str>, Rejection> {
    match occurs(lines.of(&header::ORIGIN)) {
        Occurs::Never => Ok(None),
        Occurs::Once(origin) => {
            text(origin).map(Some).ok_or_else(|| Rejection::malformed("header origin is not text"))
        }
        Occurs::Repeatedly => Err(repeated(&header::ORIGIN)),
    }
}

/// `Upgrade`, `Connection` and the version (RFC 6455 4.2.1, 4.4).
fn check_upgrade(lines: Lines<'_>) -> Result<(), Rejection> {
    if !has_token(lines.of(&header::UPGRADE), "websocket") {
        let stripped = lines.contain(&header::SEC_WEBSOCKET_KEY);
        return Err(Rejection::upgrade_required(if stripped {
            "a proxy has stripped the Upgrade header; it must pass on Upgrade and Connection"
        } else {
            "this address speaks WebSocket; connect with ws:// or wss://"
        }));
    }
    if !has_token(lines.of(&header::CONNECTION), "upgrade") {
        return Err(Rejection::malformed(
            "header connection does not contain the token upgrade; a proxy must pass on Upgrade and Connection",
        ));
    }
    if required(lines, &header::SEC_WEBSOCKET_VERSION)? != b"13" {
        return Err(Rejection::upgrade_required("only version 13 of the WebSocket protocol is spoken here"));
    }
    Ok(())
}

/// The answer to the key.
fn check_key(lines: Lines<'_>) -> Result<[u8; 28], Rejection> {
    let key = required(lines, &header::SEC_WEBSOCKET_KEY)?;
    if !key::is_valid(key) {
        return Err(Rejection::malformed("header sec-websocket-key must be base64 of 16 bytes"));
    }
    Ok(key::accept(key))
}

/// Tokens, each once (RFC 6455 4.1). Each is compared with all before it, so their number is bounded.
fn check_subprotocols(lines: Lines<'_>) -> Result<Vec<String>, Rejection> {
    let bad = || Rejection::malformed("header sec-websocket-protocol must be a list of different tokens");
    let list = joined(lines.of(&header::SEC_WEBSOCKET_PROTOCOL)).ok_or_else(bad)?;
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

fn check_extensions(lines: Lines<'_>) -> Result<Vec<Offer>, Rejection> {
    let list = joined(lines.of(&header::SEC_WEBSOCKET_EXTENSIONS))
        .ok_or_else(|| Rejection::malformed("header sec-websocket-extensions is not text"))?;
    extension::parse(&list).map_err(|error| Rejection::malformed(error.to_string()))
}

/// The value of a header that must stand in the request exactly once.
fn required<'a>(lines: Lines<'a>, name: &HeaderName) -> Result<&'a [u8], Rejection> {
    match occurs(lines.of(name)) {
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
