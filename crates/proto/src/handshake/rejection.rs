//! How a server refuses a handshake: a whole HTTP response.

use super::fields::guarded;
use super::head::{HeadError, encode_response};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use std::fmt;

/// An HTTP response that refuses the handshake; the connection closes behind it.
///
/// A page in a browser sees neither its status nor its body. Where a page should learn why, accept and close with a
/// code instead.
///
/// ```
/// use http::{StatusCode, header};
/// use sockeye_proto::handshake::Rejection;
///
/// let busy = Rejection::new(StatusCode::SERVICE_UNAVAILABLE)
///     .header(header::RETRY_AFTER, 30.into())
///     .body("too many connections; try again in 30 seconds");
/// assert!(busy.encode().starts_with(b"HTTP/1.1 503 Service Unavailable\r\n"));
/// ```
#[derive(Debug, Clone)]
pub struct Rejection(Box<Response<Bytes>>);

impl Rejection {
    /// A response with this status, without a body. A status below 200 ends no request and becomes 500.
    pub fn new(status: StatusCode) -> Self {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() =
            if status.is_informational() { StatusCode::INTERNAL_SERVER_ERROR } else { status };
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, text);
        Self(Box::new(response))
    }

    /// Sets a header. `Connection` and what frames the body are written by [`encode`](Self::encode), whatever is set.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        let value = guarded(&name, value);
        self.0.headers_mut().insert(name, value);
        self
    }

    /// Sets the body: text, unless `Content-Type` says otherwise. With 204 and 304, which have none (RFC 9112 6.3),
    /// it is dropped.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        if !is_without_content(self.status()) {
            *self.0.body_mut() = body.into();
        }
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// The headers that were set.
    pub fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }

    /// The response, for an HTTP server that writes it itself.
    pub fn into_response(self) -> Response<Bytes> {
        *self.0
    }

    /// The bytes to write, body included, before closing the connection. Input behind the request must not be
    /// parsed any more: it could be a request that was smuggled past a proxy.
    pub fn encode(&self) -> Vec<u8> {
        let mut headers = self.headers().clone();
        headers.remove(header::TRANSFER_ENCODING);
        headers.remove(header::CONTENT_LENGTH);
        // RFC 9110 8.6: its length would be that of another response, or has no place at all.
        if !is_without_content(self.status()) {
            headers.insert(header::CONTENT_LENGTH, self.0.body().len().into());
        }
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        let mut output = encode_response(self.status(), &headers);
        output.extend_from_slice(self.0.body());
        output
    }

    /// 400, for a request that is not well formed.
    pub(super) fn malformed(cause: impl Into<Bytes>) -> Self {
        Self::new(StatusCode::BAD_REQUEST).body(cause)
    }

    /// 426, with what to upgrade to (RFC 6455 4.4, RFC 9110 15.5.22).
    pub(super) fn upgrade_required(cause: &'static str) -> Self {
        Self::new(StatusCode::UPGRADE_REQUIRED)
            .header(header::UPGRADE, HeaderValue::from_static("websocket"))
            .header(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
            .body(cause)
    }
}

/// Whether a response with this status ends behind its head.
fn is_without_content(status: StatusCode) -> bool {
    [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status)
}

impl From<HeadError> for Rejection {
    fn from(error: HeadError) -> Self {
        let too_large = Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        match error {
            HeadError::Malformed(cause) => Self::malformed(format!("the request is not HTTP: {cause}")),
            HeadError::Version => {
                Self::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED).body("only HTTP/1.1 is spoken here")
            }
            HeadError::TooLarge(limit) => {
                too_large.body(format!("the request head is larger than {limit} bytes"))
            }
            HeadError::TooManyHeaders(limit) => {
                too_large.body(format!("the request has more than {limit} header lines"))
            }
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "handshake refused with {}", self.status())?;
        match std::str::from_utf8(self.0.body()) {
            Ok(cause) if !cause.is_empty() => write!(f, ": {cause}"),
            _ => Ok(()),
        }
    }
}
impl std::error::Error for Rejection {}

#[cfg(test)]
mod tests;
