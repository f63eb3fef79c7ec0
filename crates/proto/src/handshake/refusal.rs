//! The answer of a server that refused: its status, its headers and the beginning of its body.

use super::error::HandshakeError;
use super::fields::{Occurs, occurs, text, values};
use bytes::{Buf as _, Bytes, BytesMut};
use http::StatusCode;
use http::header::{self, HeaderMap};
use std::fmt;

/// An HTTP answer other than 101.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// All headers.
    pub headers: HeaderMap,
    /// The body, cut at `max_refusal_body`; shorter also where the deadline or the end of the connection came first.
    pub body: Bytes,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server refused with {}: ", self.status)?;
        let location = self.headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
        match (self.status.as_u16(), location) {
            (300..=399, Some(location)) => write!(f, "it redirects to {location}; connect there"),
            (200..=299, _) => f.write_str("it took this for a plain request; check the path and any proxy"),
            (401 | 407, _) => f.write_str("it wants credentials; give user and password or a token"),
            (403, _) => f.write_str("not allowed; check the credentials and the origin"),
            (404, _) => f.write_str("nothing is at this path; check the address"),
            (426, _) => f.write_str("it wants another protocol, or a proxy strips the Upgrade header"),
            (429 | 503, _) => f.write_str("it has too much to do; try again later"),
            (500..=599, _) => f.write_str("it or a proxy before it has failed; see its log"),
            _ => f.write_str("see the body of its answer"),
        }
    }
}

/// Reads the body of a refusal, up to a limit.
#[derive(Debug)]
pub(super) struct RefusalReader {
    status: StatusCode,
    headers: HeaderMap,
    body: BytesMut,
    framing: Framing,
    /// Bytes that may still be kept.
    room: usize,
}

/// Where a body ends (RFC 9112 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// After `room` bytes, or at the end of the connection.
    Plain,
    /// A chunk's size comes next.
    ChunkSize,
    /// This much of a chunk is left.
    ChunkData(u64),
    /// The line end behind a chunk comes next.
    ChunkEnd,
}

impl RefusalReader {
    /// Longest line with a chunk's size that is waited for.
    const MAX_CHUNK_LINE: usize = 256;

    pub(super) fn new(head: http::Response<()>, limit: usize) -> Self {
        let (parts, ()) = head.into_parts();
        let chunked = parts.headers.contains_key(header::TRANSFER_ENCODING);
        let room = match parts.status {
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => 0,
            _ if chunked => limit,
            _ => content_length(&parts.headers).unwrap_or(limit).min(limit),
        };
        let framing = if chunked { Framing::ChunkSize } else { Framing::Plain };
        Self { status: parts.status, headers: parts.headers, body: BytesMut::new(), framing, room }
    }

    /// Takes what belongs to the body off the input; whether there is no more to wait for.
    pub(super) fn read(&mut self, input: &mut BytesMut) -> bool {
        while self.room > 0 {
            match self.framing {
                Framing::Plain => {
                    self.keep(input, usize::MAX);
                    return self.room == 0;
                }
                Framing::ChunkSize => match next_chunk(input) {
                    None => return false,
                    Some(0) => return true,
                    Some(size) => self.framing = Framing::ChunkData(size),
                },
                Framing::ChunkData(0) => self.framing = Framing::ChunkEnd,
                Framing::ChunkData(_) if input.is_empty() => return false,
                Framing::ChunkData(size) => {
                    let kept = self.keep(input, usize::try_from(size).unwrap_or(usize::MAX));
                    self.framing = Framing::ChunkData(size - kept as u64);
                }
                Framing::ChunkEnd if input.len() < 2 => return false,
                Framing::ChunkEnd => {
                    input.advance(2);
                    self.framing = Framing::ChunkSize;
                }
            }
        }
        true
    }

    /// The refusal with what was read of its body; the reader is empty then.
    pub(super) fn finish(&mut self) -> HandshakeError {
        HandshakeError::Refused(Box::new(Refusal {
            status: self.status,
            headers: std::mem::take(&mut self.headers),
            body: std::mem::take(&mut self.body).freeze(),
        }))
    }

    /// Moves bytes to the body, at most this many and at most what there is room for.
    fn keep(&mut self, input: &mut BytesMut, most: usize) -> usize {
        let len = input.len().min(most).min(self.room);
        self.body.extend_from_slice(&input[..len]);
        input.advance(len);
        self.room -= len;
        len
    }
}

/// Takes the line with a chunk's size off the input: `None` while it is not whole, 0 for the last chunk and for what
/// is not a size.
fn next_chunk(input: &mut BytesMut) -> Option<u64> {
    match httparse::parse_chunk_size(input) {
        Ok(httparse::Status::Complete((len, size))) if len <= RefusalReader::MAX_CHUNK_LINE => {
            input.advance(len);
            Some(size)
        }
        Ok(httparse::Status::Partial) if input.len() < RefusalReader::MAX_CHUNK_LINE => None,
        _ => Some(0),
    }
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    match occurs(values(headers, header::CONTENT_LENGTH)) {
        Occurs::Once(length) => text(length)?.parse().ok(),
        Occurs::Never | Occurs::Repeatedly => None,
    }
}

#[cfg(test)]
mod tests;
