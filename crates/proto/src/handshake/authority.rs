//! A host with a port, as `Host`, `Origin` and addresses have them.

use std::borrow::Cow;
use std::net::Ipv6Addr;

/// A host, in lower case, and the port if one was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority {
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    pub(super) host: String,
    /// The port.
    pub(super) port: Option<u16>,
}

impl Authority {
    /// Reads `host [ ":" port ]` (RFC 3986 3.2); `None` for anything else, user info included.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, port) = split(text)?;
        Some(Self { host: host.to_ascii_lowercase(), port })
    }

    /// Whether [`parse`](Self::parse) can read it.
    pub(super) fn is_legal(text: &str) -> bool {
        split(text).is_some()
    }
}

/// Host and port, the host as it stands there if it is a name.
fn split(text: &str) -> Option<(Cow<'_, str>, Option<u16>)> {
    let (host, digits) = if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        let digits = if rest.is_empty() { "" } else { rest.strip_prefix(':')? };
        (Cow::Owned(format!("[{address}]")), digits)
    } else {
        let colon = text.bytes().position(|byte| byte == b':');
        let (host, digits) = colon.map_or((text, ""), |at| (&text[..at], &text[at + 1..]));
        (Cow::Borrowed(host), digits)
    };
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let is_name = !host.is_empty() && host.bytes().all(is_legal);
    let port = match digits.as_bytes() {
        // Also behind a colon it is the default port (RFC 3986 3.2.3).
        [] => None,
        [b'+', ..] => return None,
        _ => Some(digits.parse().ok()?),
    };
    (is_name || matches!(host, Cow::Owned(_))).then_some((host, port))
}

/// The port that a scheme means where none is named.
pub(super) fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(String, Option<u16>)> {
        Authority::parse(text).map(|authority| (authority.host, authority.port))
    }

    #[test]
    fn reads_names_and_addresses_with_and_without_a_port() {
        let cases = [
            ("example.com", "example.com", None),
            ("EXAMPLE.com:8080", "example.com", Some(8080)),
            ("my_host-1:", "my_host-1", None),
            ("127.0.0.1:80", "127.0.0.1", Some(80)),
            ("[::1]", "[::1]", None),
            ("[0:0::0001]:9001", "[::1]", Some(9001)),
            ("[::1]:", "[::1]", None),
            ("a:65535", "a", Some(65535)),
        ];
        for (text, host, port) in cases {
            assert_eq!(parts(text), Some((host.to_owned(), port)), "{text}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            ":80",
            "a:65536",
            "a:+80",
            "a:8 0",
            "a:b",
            "a b",
            "user@a",
            "a/b",
            "a:1:2",
            "*.a",
            "é",
            "[::1",
            "[x]",
            "[::1]80",
            "[::1]:x",
            "[127.0.0.1]",
            "::1",
            "a\0",
            "a?",
            "a#b",
            "a\\b",
        ] {
            assert_eq!(parts(text), None, "{text}");
        }
    }

    #[test]
    fn default_ports_are_those_of_http() {
        assert_eq!(["ws", "http", "wss", "https"].map(default_port), [80, 80, 443, 443].map(Some));
        assert_eq!(default_port("ftp"), None);
    }
}
