//! Reading an address.

use http::Uri;
use sockeye_proto::handshake::{ClientRequest, HandshakeError};
use std::fmt;

/// What is wrong with an address. It never shows the address itself, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// It begins with neither `ws://` nor `wss://`; with what to write where it is one of HTTP's schemes.
    Scheme(Option<&'static str>),
    /// It has a fragment (RFC 6455 3).
    Fragment,
    /// It does not follow RFC 3986.
    Malformed(String),
    /// It has no host, or one that is none.
    Host,
    /// It asks for TLS, which this build is without.
    NoTls,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme(Some(scheme)) => write!(f, "this is an address for HTTP; write {scheme}:// instead"),
            Self::Scheme(None) => HandshakeError::Scheme.fmt(f),
            Self::Fragment => {
                f.write_str("the address has a fragment (#); leave it out, or write %23 for the sign itself")
            }
            Self::Malformed(cause) => {
                write!(f, "the address is malformed: {cause}; percent-encode what is no letter or digit")
            }
            Self::Host => HandshakeError::Host.fmt(f),
            Self::NoTls => {
                f.write_str("the address asks for TLS; build the crate sockeye with its feature tls")
            }
        }
    }
}

impl std::error::Error for UrlError {}

/// The request for an address.
pub(super) fn parse(url: &str) -> Result<ClientRequest, UrlError> {
    let (scheme, rest) = url.split_once("://").ok_or(UrlError::Scheme(None))?;
    let scheme = scheme.to_ascii_lowercase(); // RFC 3986 3.1: compared without case
    match scheme.as_str() {
        "ws" | "wss" => {}
        "http" => return Err(UrlError::Scheme(Some("ws"))),
        "https" => return Err(UrlError::Scheme(Some("wss"))),
        _ => return Err(UrlError::Scheme(None)),
    }
    // RFC 6455 3: no fragments, not even empty ones. The parser below would drop them.
    if rest.contains('#') {
        return Err(UrlError::Fragment);
    }
    let uri: Uri = format!("{scheme}://{rest}")
        .parse()
        .map_err(|error: http::uri::InvalidUri| UrlError::Malformed(error.to_string()))?;
    ClientRequest::new(&uri).map_err(|_| UrlError::Host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(url: &str) -> UrlError {
        parse(url).expect_err(url)
    }

    #[test]
    fn names_host_port_and_security() {
        let cases = [
            ("ws://example.com", "example.com", 80, false),
            ("wss://example.com/chat?room=1", "example.com", 443, true),
            ("WSS://EXAMPLE.com:8443", "example.com", 8443, true),
            ("ws://[::1]:9001/", "::1", 9001, false),
            ("ws://ann:p%40ss@127.0.0.1", "127.0.0.1", 80, false),
        ];
        for (url, host, port, secure) in cases {
            let request = parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!((request.host(), request.port(), request.is_secure()), (host, port, secure), "{url}");
        }
    }

    #[test]
    fn other_schemes_are_refused_with_the_right_one() {
        assert_eq!(error("http://example.com"), UrlError::Scheme(Some("ws")));
        assert_eq!(error("https://example.com"), UrlError::Scheme(Some("wss")));
        for url in
            ["ftp://example.com", "example.com", "localhost:9001", "", "ws:example.com", "wsx://a", "://a"]
        {
            assert_eq!(error(url), UrlError::Scheme(None), "{url}");
        }
        assert!(error("HTTPS://a").to_string().ends_with("write wss:// instead"));
        assert!(error("a").to_string().contains("ws:// or wss://"));
    }

    #[test]
    fn fragments_are_refused_also_empty_ones() {
        for url in ["ws://a/#x", "ws://a/#", "ws://a#", "ws://a/?q#x"] {
            assert_eq!(error(url), UrlError::Fragment, "{url}");
        }
    }

    #[test]
    fn hosts_are_checked() {
        for url in
            ["ws://", "ws:///chat", "ws://a b/", "ws://a:65536/", "ws://a:x/", "ws://[::1/", "ws://[x]/"]
        {
            assert!(matches!(error(url), UrlError::Host | UrlError::Malformed(_)), "{url}");
        }
    }

    #[test]
    fn no_error_shows_the_password() {
        let urls = [
            "http://ann:hunter2@a",
            "ws://ann:hunter2@a b",
            "ws://ann:hunter2@",
            "ws://ann:hunter2@a#x",
            "x://hunter2",
        ];
        for url in urls {
            let error = error(url);
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{url}");
        }
    }
}
