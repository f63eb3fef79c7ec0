//! What happened while a client connected.

use http::header::{self, HeaderMap, HeaderName};
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

/// What happened while a client connected, as far as it came. Credentials are left out of it.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Report {
    /// The address that answered first.
    pub address: Option<SocketAddr>,
    /// How long each phase took.
    pub timings: Timings,
    /// What TLS agreed on.
    pub tls: Option<TlsReport>,
    /// The head of the request, as it was sent but for credentials: their values are `<redacted>`.
    pub request: String,
    /// The headers of the answer that accepted; those of a refusal are in the error. `Set-Cookie` is marked sensitive.
    pub response: HeaderMap,
}

/// How long each phase of connecting took; `None` where it was not reached or ran out of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Timings {
    /// From the host's name to its addresses.
    pub name_lookup: Option<Duration>,
    /// From the addresses to a TCP connection with one of them.
    pub tcp: Option<Duration>,
    /// The TLS handshake.
    pub tls: Option<Duration>,
    /// The opening handshake.
    pub upgrade: Option<Duration>,
}

/// What TLS agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsReport {
    /// The version, such as `TLSv1_3`.
    pub protocol: String,
    /// The cipher suite, such as `TLS13_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// The application protocol, where the server named it: `http/1.1`.
    pub alpn: Option<String>,
}

impl Report {
    /// The subprotocol that the server chose.
    pub fn subprotocol(&self) -> Option<&str> {
        self.response.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()
    }

    /// The extensions in use with their parameters, each line of the answer by itself.
    pub fn extensions(&self) -> impl Iterator<Item = &str> {
        let lines = self.response.get_all(header::SEC_WEBSOCKET_EXTENSIONS).iter();
        lines.filter_map(|line| line.to_str().ok())
    }

    pub(super) fn set_request(&mut self, head: &[u8], secrets: &[HeaderName]) {
        self.request = redacted(&String::from_utf8_lossy(head), secrets);
    }

    pub(super) fn set_response(&mut self, mut headers: HeaderMap) {
        for (name, value) in &mut headers {
            if name == header::SET_COOKIE {
                value.set_sensitive(true);
            }
        }
        self.response = headers;
    }
}

#[cfg(feature = "tls")]
impl TlsReport {
    pub(super) fn new(session: &rustls::CommonState) -> Self {
        let name =
            |part: Option<&dyn std::fmt::Debug>| part.map(|part| format!("{part:?}")).unwrap_or_default();
        let (protocol, suite) = (session.protocol_version(), session.negotiated_cipher_suite());
        Self {
            protocol: name(protocol.as_ref().map(|version| version as _)),
            cipher: name(suite.map(|suite| suite.suite()).as_ref().map(|suite| suite as _)),
            alpn: session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
        }
    }
}

/// Does the work, and tells how long it took.
pub(super) async fn timed<T>(duration: &mut Option<Duration>, work: impl Future<Output = T>) -> T {
    let start = tokio::time::Instant::now();
    let result = work.await;
    *duration = Some(start.elapsed());
    result
}

fn redacted(head: &str, secrets: &[HeaderName]) -> String {
    let is_secret = |name: &str| secrets.iter().any(|secret| name.eq_ignore_ascii_case(secret.as_str()));
    head.split_inclusive("\r\n")
        .map(|line| match line.split_once(": ") {
            Some((name, _)) if is_secret(name) => format!("{name}: <redacted>\r\n"),
            _ => line.to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_the_values_of_credentials_are_left_out() {
        let head = "GET /?Authorization: x HTTP/1.1\r\nAuthorization: Basic YTpi\r\nX-Key: k\r\nOrigin: http://a\r\n\r\n";
        let secrets = [header::AUTHORIZATION, HeaderName::from_static("x-key")];
        assert_eq!(
            redacted(head, &secrets),
            "GET /?Authorization: x HTTP/1.1\r\nAuthorization: <redacted>\r\nX-Key: <redacted>\r\nOrigin: http://a\r\n\r\n"
        );
    }

    #[test]
    fn cookies_of_the_answer_are_sensitive() {
        let mut report = Report::default();
        let headers = [
            (header::SET_COOKIE, HeaderValue::from_static("id=hunter2")),
            (header::SERVER, HeaderValue::from_static("plain")),
        ];
        report.set_response(headers.into_iter().collect());
        let shown = format!("{report:?}");
        assert!(!shown.contains("hunter2") && shown.contains("plain"), "{shown}");
    }
}
