//! Reading header fields: list headers, headers that may come once, and the ones that belong to the handshake.

use http::header::{self, AsHeaderName, HeaderMap, HeaderName, HeaderValue};
use std::fmt;

/// Whether a list header contains a token, compared without case; several lines are one list (RFC 9110 5.3).
pub(super) fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    let mut values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.any(|value| value.split(',').any(|item| item.trim_matches(WHITE).eq_ignore_ascii_case(token)))
}

/// The lines of a list header as one value (RFC 9110 5.3); `None` where one is not ASCII text.
pub(super) fn joined(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let lines: Result<Vec<&str>, _> = headers.get_all(name).iter().map(HeaderValue::to_str).collect();
    Some(lines.ok()?.join(", "))
}

/// The elements of a list; empty ones are passed over (RFC 9110 5.6.1.2).
pub(super) fn elements(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(|item| item.trim_matches(WHITE)).filter(|item| !item.is_empty())
}

const WHITE: [char; 2] = [' ', '\t'];

/// How often a header stands in a head, with its value where it stands once.
pub(super) enum Occurs<'a> {
    /// Nowhere.
    Never,
    /// One line.
    Once(&'a HeaderValue),
    /// More than one line.
    Repeatedly,
}

/// How often a header stands in a head.
pub(super) fn occurs(headers: &HeaderMap, name: impl AsHeaderName) -> Occurs<'_> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Occurs::Never,
        (Some(value), None) => Occurs::Once(value),
        (Some(_), Some(_)) => Occurs::Repeatedly,
    }
}

/// Headers whose values are secrets. Browsers can send a token in no header but `Sec-WebSocket-Protocol`.
const SECRET: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
    header::SET_COOKIE,
    header::SEC_WEBSOCKET_PROTOCOL,
];

/// The value, marked so that `Debug` does not show it where it is a secret.
pub(super) fn guarded(name: &HeaderName, mut value: HeaderValue) -> HeaderValue {
    if SECRET.contains(name) {
        value.set_sensitive(true);
    }
    value
}

/// Marks the values that are secrets, so that `Debug` does not show them.
pub(super) fn guard(headers: &mut HeaderMap) {
    for (_, value) in headers.iter_mut().filter(|(name, _)| SECRET.contains(name)) {
        value.set_sensitive(true);
    }
}

/// A header that the handshake itself writes, and that a user therefore cannot set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservedHeader(pub HeaderName);

impl fmt::Display for ReservedHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remedy = match self.0 {
            header::SEC_WEBSOCKET_PROTOCOL => "name the subprotocols instead",
            header::SEC_WEBSOCKET_EXTENSIONS => "name the extensions instead",
            header::HOST => "it follows from the address",
            _ => "leave it out",
        };
        write!(f, "header {} belongs to the handshake: {remedy}", self.0)
    }
}
impl std::error::Error for ReservedHeader {}

/// Refuses the headers that the handshake writes and the ones that would give a head a body.
pub(super) fn check_free(name: &HeaderName) -> Result<(), ReservedHeader> {
    let framing = [
        header::CONNECTION,
        header::UPGRADE,
        header::HOST,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::TRAILER,
        header::TE,
        header::EXPECT,
    ];
    let reserved = name.as_str().starts_with("sec-websocket-") || framing.contains(name);
    if reserved { Err(ReservedHeader(name.clone())) } else { Ok(()) }
}
