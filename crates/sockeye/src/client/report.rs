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
    /// The head of the request, as it was sent but for what may be a credential, which is `<redacted>`: the values of
    /// such headers and those in the query, and the subprotocols that were offered. Browsers can send a token in no
    /// other way than the last two.
    pub request: String,
    /// The headers of the answer that accepted; those of a refusal are in the error. In both, `Set-Cookie` is
    /// marked sensitive.
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
    let (request_line, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let headers = headers.split_inclusive("\r\n").map(|line| match line.split_once(": ") {
        Some((name, _)) if is_secret(name) => format!("{name}: <redacted>\r\n"),
        _ => line.to_owned(),
    });
    [without_query_values(request_line), "\r\n".to_owned()].into_iter().chain(headers).collect()
}

/// `GET /chat?room=1 HTTP/1.1` with `room=<redacted>`: no list of names would tell what is a secret.
fn without_query_values(request_line: &str) -> String {
    let Some((path, rest)) = request_line.split_once('?') else { return request_line.to_owned() };
    let (query, version) = rest.rsplit_once(' ').unwrap_or((rest, ""));
    let parts = query.split('&').map(|part| match part.split_once('=') {
        Some((name, _)) => format!("{name}=<redacted>"),
        None if part.is_empty() => String::new(),
        None => "<redacted>".to_owned(),
    });
    format!("{path}?{} {version}", parts.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_values_of_credentials_are_left_out() {
        let head = "GET / HTTP/1.1\r\nAuthorization: Basic YTpi\r\nX-Key: k\r\nOrigin: http://a\r\n\r\n";
        let secrets = [header::AUTHORIZATION, HeaderName::from_static("x-key")];
        assert_eq!(
            redacted(head, &secrets),
            "GET / HTTP/1.1\r\nAuthorization: <redacted>\r\nX-Key: <redacted>\r\nOrigin: http://a\r\n\r\n"
        );
    }

    #[test]
    fn no_value_of_the_query_is_shown() {
        let cases = [
            ("/", "/"),
            ("/?", "/?"),
            ("/?hunter2", "/?<redacted>"),
            ("/chat?room=1&token=hunter2==", "/chat?room=<redacted>&token=<redacted>"),
            ("/?a=&b=hunter2?c=d:%20/&&e", "/?a=<redacted>&b=<redacted>&&<redacted>"),
        ];
        for (target, shown) in cases {
            let head = |target| format!("GET {target} HTTP/1.1\r\nOrigin: http://a/?b=c\r\n\r\n");
            assert_eq!(redacted(&head(target), &[]), head(shown), "{target}");
        }
    }
}
