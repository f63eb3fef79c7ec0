//! The head of a request or of a response: finding its end, parsing it, writing it. Bounded in bytes and in lines.

use super::fields::{Lines, guard};
use bytes::{Buf as _, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Uri, Version};
use std::mem::MaybeUninit;

/// A head that cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeadError {
    /// It is not HTTP; the text says what is wrong with it.
    Malformed(&'static str),
    /// Neither HTTP/1.0 nor HTTP/1.1.
    Version,
    /// More bytes than this.
    TooLarge(usize),
    /// More header lines than this.
    TooManyHeaders(usize),
}

/// Finds the end of a head that arrives in pieces; looks at each byte once.
#[derive(Debug)]
pub(super) struct HeadReader {
    max_bytes: usize,
    max_headers: usize,
    /// Bytes looked at.
    scanned: usize,
    /// Where the line begins that `scanned` is in.
    line_start: usize,
    /// Lines that are not empty, the first line of the head included.
    lines: usize,
}

impl HeadReader {
    pub(super) fn new(max_bytes: usize, max_headers: usize) -> Self {
        Self { max_bytes, max_headers, scanned: 0, line_start: 0, lines: 0 }
    }

    /// Takes a whole request head off the input, or `None` while its end has not come.
    pub(super) fn request(&mut self, input: &mut BytesMut) -> Result<Option<BytesMut>, HeadError> {
        let Some(end) = self.find_end(input)? else { return Ok(None) };
        // Nearly always nothing stands behind it: then the buffer goes with it as it is.
        Ok(Some(if end == input.len() { std::mem::take(input) } else { input.split_to(end) }))
    }

    /// Takes a whole response head off the input, or `None` while its end has not come. The next head may use
    /// only what this one has left of `max_bytes`.
    pub(super) fn response(&mut self, input: &mut BytesMut) -> Result<Option<http::Response<()>>, HeadError> {
        let Some(end) = self.find_end(input)? else { return Ok(None) };
        let response = parse_response(&input[..end])?;
        input.advance(end);
        *self = Self::new(self.max_bytes - end, self.max_headers);
        Ok(Some(response))
    }

    /// The length of the head with the empty line that ends it. Empty lines before it belong to it (RFC 9112 2.2).
    fn find_end(&mut self, input: &[u8]) -> Result<Option<usize>, HeadError> {
        let visible = &input[..input.len().min(self.max_bytes)];
        while let Some(len) = visible.get(self.scanned..).and_then(|new| memchr::memchr(b'\n', new)) {
            let line_feed = self.scanned + len;
            // A lone LF ends a line for some and not for others: the stuff that smuggling is made of.
            let Some(line) = visible[self.line_start..line_feed].strip_suffix(b"\r") else {
                return Err(HeadError::Malformed("a line does not end with CR LF"));
            };
            self.scanned = line_feed + 1;
            self.line_start = self.scanned;
            if !line.is_empty() {
                self.lines += 1;
            } else if self.lines > 0 {
                return Ok(Some(self.scanned));
            }
            if self.lines.saturating_sub(1) > self.max_headers {
                return Err(HeadError::TooManyHeaders(self.max_headers));
            }
        }
        self.scanned = self.scanned.max(visible.len());
        if visible.len() == self.max_bytes { Err(HeadError::TooLarge(self.max_bytes)) } else { Ok(None) }
    }
}

/// What a request's head says.
pub(super) struct RequestHead<'a> {
    pub(super) method: &'a str,
    pub(super) target: Uri,
    pub(super) version: Version,
    pub(super) lines: Lines<'a>,
}

/// Parses a whole head that [`HeadReader::request`] gave, and hands it to `then`.
pub(super) fn parse_request<R>(head: &[u8], then: impl FnOnce(RequestHead<'_>) -> R) -> Result<R, HeadError> {
    // Nearly all have few lines.
    let (mut few, mut many) = ([const { MaybeUninit::uninit() }; 32], Vec::new());
    let mut parsed = httparse::Request::new(&mut []);
    let mut len = parsed.parse_with_uninit_headers(head, &mut few);
    if len == Err(httparse::Error::TooManyHeaders) {
        many.resize(line_feeds(head), MaybeUninit::uninit());
        len = parsed.parse_with_uninit_headers(head, &mut many);
    }
    let len = len?;
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else { return Err(UNFINISHED) };
    if len != httparse::Status::Complete(head.len()) {
        return Err(UNFINISHED);
    }
    let lines = storable(parsed.headers)?;
    let (target, version) = (request_target(target)?, version(parsed.version));
    Ok(then(RequestHead { method, target, version, lines }))
}

/// The headers of a head that was parsed before.
pub(super) fn request_headers(head: &[u8]) -> HeaderMap {
    parse_request(head, |head| header_map(head.lines)).unwrap_or_default()
}

fn parse_response(head: &[u8]) -> Result<http::Response<()>, HeadError> {
    let mut fields = vec![httparse::EMPTY_HEADER; line_feeds(head)];
    let mut parsed = httparse::Response::new(&mut fields);
    let len = parsed.parse(head)?;
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let Some(status) = status else { return Err(HeadError::Malformed("bad status")) };
    if len != httparse::Status::Complete(head.len()) {
        return Err(UNFINISHED);
    }
    let mut response = http::Response::new(());
    *response.status_mut() = status;
    *response.version_mut() = version(parsed.version);
    *response.headers_mut() = header_map(storable(parsed.headers)?);
    Ok(response)
}

const UNFINISHED: HeadError = HeadError::Malformed("the head ends too early or too late");

/// The origin form or the absolute form (RFC 9112 3.2), without a fragment (RFC 6455 3).
fn request_target(target: &str) -> Result<Uri, HeadError> {
    let uri = Uri::try_from(target).map_err(|_| HeadError::Malformed("bad request target"))?;
    let absolute = uri.scheme().is_some() && uri.authority().is_some();
    if target.contains('#') || !(target.starts_with('/') || absolute) {
        return Err(HeadError::Malformed(
            "the request target is neither a path nor a URL without a fragment",
        ));
    }
    Ok(uri)
}

fn version(minor: Option<u8>) -> Version {
    if minor == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 }
}

/// At least as many as header lines.
fn line_feeds(head: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', head).count()
}

/// Header lines that a map can hold whatever their names are, and bytes of a name.
const LINES_MAX: usize = 6000;
const NAME_MAX: usize = 0xffff;

/// What a header map can hold: of the bytes it allows all that httparse does.
fn storable<'a>(fields: &'a [httparse::Header<'a>]) -> Result<Lines<'a>, HeadError> {
    if fields.len() > LINES_MAX {
        return Err(HeadError::TooManyHeaders(LINES_MAX));
    }
    if fields.iter().any(|field| field.name.len() > NAME_MAX) {
        return Err(HeadError::Malformed("bad header name"));
    }
    Ok(Lines(fields))
}

fn header_map(lines: Lines<'_>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(lines.0.len());
    for field in lines.0 {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(field.value)) {
            let _ = headers.try_append(name, value); // it has room
        }
    }
    guard(&mut headers);
    headers
}

impl From<httparse::Error> for HeadError {
    fn from(error: httparse::Error) -> Self {
        Self::Malformed(match error {
            httparse::Error::Version => return Self::Version,
            httparse::Error::HeaderName => "bad header name",
            httparse::Error::HeaderValue => "bad header value",
            httparse::Error::Status => "bad status",
            httparse::Error::Token => "bad first line",
            httparse::Error::NewLine => "a line does not end with CR LF",
            httparse::Error::TooManyHeaders => "more headers than lines",
        })
    }
}

/// Appends a header line.
pub(super) fn write_header(name: &HeaderName, value: &HeaderValue, output: &mut Vec<u8>) {
    // Names are compared without case, but not by every small device: written as the RFC writes them.
    for (position, word) in name.as_str().split('-').enumerate() {
        if position > 0 {
            output.push(b'-');
        }
        let start = output.len();
        output.extend_from_slice(if word == "websocket" { b"WebSocket" } else { word.as_bytes() });
        output[start..].iter_mut().take(1).for_each(u8::make_ascii_uppercase);
    }
    output.extend_from_slice(b": ");
    output.extend_from_slice(value.as_bytes());
    output.extend_from_slice(b"\r\n");
}

/// A whole response head, up to and with the empty line.
pub(super) fn encode_response(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut output = format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).into_bytes();
    for (name, value) in headers {
        write_header(name, value, &mut output);
    }
    output.extend_from_slice(b"\r\n");
    output
}

#[cfg(test)]
mod tests;
