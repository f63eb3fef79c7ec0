//! Reading header fields: list headers, headers that may come once, and the ones that belong to the handshake.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use std::borrow::Cow;
use std::fmt;

/// The lines of a head, in their order, as they came.
#[derive(Clone, Copy)]
pub(super) struct Lines<'a>(pub(super) &'a [httparse::Header<'a>]);

impl<'a> Lines<'a> {
    /// The values of one header, in their order.
    pub(super) fn of(self, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
        let name = name.as_str();
        self.0.iter().filter(move |line| is_word(line.name.as_bytes(), name)).map(|line| line.value)
    }

    /// Whether a header stands there.
    pub(super) fn contain(self, name: &HeaderName) -> bool {
        self.of(name).next().is_some()
    }
}

/// The values of one header, in their order.
pub(super) fn values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    headers.get_all(name).into_iter().map(HeaderValue::as_bytes)
}

/// A value that is ASCII text.
pub(super) fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok().filter(|text| text.is_ascii())
}

/// Whether a list header contains a token, compared without case; several lines are one list (RFC 9110 5.3).
pub(super) fn has_token<'a>(mut lines: impl Iterator<Item = &'a [u8]>, token: &str) -> bool {
    let among = |line| text(line).is_some_and(|line| items(line).any(|item| is_word(item.as_bytes(), token)));
    // Nearly always it stands alone.
    lines.any(|line| is_word(line, token) || among(line))
}

/// Whether the bytes are a word of small letters and hyphens, compared without case. Control characters may not be among
/// them: one would pass for a hyphen.
fn is_word(bytes: &[u8], word: &str) -> bool {
    const SMALL: u8 = 0x20;
    bytes.len() == word.len() && bytes.iter().zip(word.bytes()).all(|(byte, letter)| byte | SMALL == letter)
}

/// The lines of a list header as one value (RFC 9110 5.3); `None` where one is not ASCII text.
pub(super) fn joined<'a>(mut lines: impl Iterator<Item = &'a [u8]>) -> Option<Cow<'a, str>> {
    let mut list = Cow::Borrowed(lines.next().map_or(Some(""), text)?);
    for line in lines {
        let list = list.to_mut();
        list.push_str(", ");
        list.push_str(text(line)?);
    }
    Some(list)
}

/// The elements of a list; empty ones are passed over (RFC 9110 5.6.1.2).
pub(super) fn elements(list: &str) -> impl Iterator<Item = &str> {
    items(list).filter(|item| !item.is_empty())
}

fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(|item| item.trim_matches([' ', '\t']))
}

/// How often a header stands in a head, with its value where it stands once.
pub(super) enum Occurs<'a> {
    /// Nowhere.
    Never,
    /// One line.
    Once(&'a [u8]),
    /// More than one line.
    Repeatedly,
}

/// How often a header stands in a head.
pub(super) fn occurs<'a>(mut lines: impl Iterator<Item = &'a [u8]>) -> Occurs<'a> {
    match (lines.next(), lines.next()) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_compared_as_letters_are() {
        for word in ["a-z", "upgrade"] {
            assert!(is_word(word.as_bytes(), word) && is_word(word.to_uppercase().as_bytes(), word));
            assert!(!is_word(&word.as_bytes()[1..], word) && !is_word(format!("{word}s").as_bytes(), word));
            for (at, byte) in (0..word.len()).flat_map(|at| (b' '..=0xff).map(move |byte| (at, byte))) {
                let mut bytes = word.as_bytes().to_vec();
                bytes[at] = byte;
                assert_eq!(is_word(&bytes, word), bytes.eq_ignore_ascii_case(word.as_bytes()), "{bytes:?}");
            }
        }
    }
}
