//! The first bytes of a connection decide what becomes of it: a WebSocket, or HTTP.

use bytes::BytesMut;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes of a head, at most: enough for as many channels as there may be, and a cursor that has them all.
pub(super) const MAX_HEAD: usize = 32 << 10;

/// Header lines of a head, at most.
pub(super) const MAX_HEADERS: usize = 100;

/// Room for the first read: nearly every request fits.
const FIRST_READ: usize = 1024;

/// What the client of an HTTP/2 connection says first (RFC 9113 3.4).
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a connection begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// A request that opens a WebSocket.
    WebSocket,
    /// Any other request.
    Http1,
    /// HTTP/2.
    Http2,
    /// A head that is larger than any may be.
    TooLarge,
    /// What is no request.
    Malformed,
}

/// Reads until it is known; what was read stands in `read`.
pub(super) async fn read<S: AsyncRead + Unpin>(io: &mut S, read: &mut BytesMut) -> io::Result<First> {
    read.reserve(FIRST_READ);
    let mut seen = 0;
    loop {
        if io.read_buf(read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(first) = first(read, seen) {
            return Ok(first);
        }
        seen = read.len();
    }
}

/// What it is, or `None` while that is open. In the first `seen` bytes there is no end of a head.
fn first(read: &[u8], seen: usize) -> Option<First> {
    let common = read.len().min(HTTP2.len());
    if read[..common] == HTTP2[..common] {
        return (read.len() >= HTTP2.len()).then_some(First::Http2);
    }
    if !read.iter().find(|byte| !b"\r\n".contains(byte)).is_none_or(u8::is_ascii_alphabetic) {
        return Some(First::Malformed);
    }
    match end(read, seen) {
        None if read.len() < MAX_HEAD => None,
        Some(end) if end <= MAX_HEAD => Some(whole(&read[..end])),
        _ => Some(First::TooLarge),
    }
}

/// Where a head ends: behind an empty line that follows another. Without `\r` too, as parsers take it.
fn end(read: &[u8], seen: usize) -> Option<usize> {
    let start = read.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(read.len());
    let fresh = start.max(seen.saturating_sub(3)).min(read.len());
    (fresh..read.len()).find_map(|at| {
        let ends = [b"\n\r\n".as_slice(), b"\n\n"];
        ends.iter().find(|end| read[at..].starts_with(end)).map(|end| at + end.len())
    })
}

/// What a whole head is.
fn whole(head: &[u8]) -> First {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Err(httparse::Error::TooManyHeaders) => First::TooLarge,
        Err(_) => First::Malformed,
        Ok(_) if request.method == Some("GET") && request.headers.iter().any(names_websocket) => {
            First::WebSocket
        }
        Ok(_) => First::Http1,
    }
}

fn names_websocket(header: &httparse::Header<'_>) -> bool {
    let mut tokens = header.value.split(|&byte| byte == b',');
    header.name.eq_ignore_ascii_case("upgrade")
        && tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WEBSOCKET: &str = "GET /stream HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nupgrade: h2c, WebSocket\r\n\r\n";
    const POLL: &str =
        "GET /stream?upgrade:%20websocket HTTP/1.1\r\nHost: a\r\nX: upgrade: websocket\r\n\r\n";

    fn at_once(bytes: &[u8]) -> Option<First> {
        first(bytes, 0)
    }

    #[test]
    fn a_head_says_what_it_is() {
        let post = WEBSOCKET.replace("GET", "POST");
        let behind = format!("{WEBSOCKET}\u{1}\u{2}");
        let bare = WEBSOCKET.replace("\r\n", "\n");
        let early = format!("\r\n\r\n{WEBSOCKET}");
        for (bytes, expected) in [
            (WEBSOCKET, First::WebSocket),
            (&behind, First::WebSocket),
            (&bare, First::WebSocket),
            (&early, First::WebSocket),
            (POLL, First::Http1),
            (&post, First::Http1),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", First::Http2),
            ("\u{16}\u{3}\u{1}", First::Malformed),
            ("\0", First::Malformed),
            ("GET / HTTP/9\r\n\r\n", First::Malformed),
        ] {
            assert_eq!(at_once(bytes.as_bytes()), Some(expected), "{bytes:?}");
        }
        for open in ["", "G", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r", "\r\n\r\n", "PRI x", "GET / HTTP/1.1\r\n"] {
            assert_eq!(at_once(open.as_bytes()), None, "{open:?}");
        }
    }

    #[test]
    fn a_head_has_as_many_bytes_as_it_may() {
        let endless = [b"GET /".as_slice(), &vec![b'a'; MAX_HEAD]].concat();
        assert_eq!(at_once(&endless[..MAX_HEAD - 1]), None);
        assert_eq!(at_once(&endless[..MAX_HEAD]), Some(First::TooLarge));
        let of_length =
            |len: usize| POLL.replace("/stream", &format!("/{}", "a".repeat(len - POLL.len() + 6)));
        let behind = "x".repeat(100);
        for (len, expected) in [(MAX_HEAD, First::Http1), (MAX_HEAD + 1, First::TooLarge)] {
            let head = of_length(len);
            assert_eq!(head.len(), len);
            assert_eq!(at_once(format!("{head}{behind}").as_bytes()), Some(expected));
        }
    }

    #[test]
    fn a_head_has_as_many_lines_as_it_may() {
        let lines = |count: usize| WEBSOCKET.replace("Host: a\r\n", &"A: b\r\n".repeat(count));
        assert_eq!(at_once(lines(98).as_bytes()), Some(First::WebSocket));
        assert_eq!(at_once(lines(99).as_bytes()), Some(First::TooLarge));
    }

    /// Hands out what it has in pieces of these sizes.
    struct Pieces<'a>(&'a [u8], Vec<usize>);

    impl AsyncRead for Pieces<'_> {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            let size = self.1.pop().unwrap_or(1).clamp(1, self.0.len().max(1)).min(buffer.remaining());
            let (piece, rest) = self.0.split_at(size.min(self.0.len()));
            buffer.put_slice(piece);
            self.0 = rest;
            std::task::Poll::Ready(Ok(()))
        }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(sizes in prop::collection::vec(1..40_usize, 0..20)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            for (bytes, expected) in [
                (WEBSOCKET.as_bytes(), First::WebSocket),
                (POLL.as_bytes(), First::Http1),
                (WEBSOCKET.replace('\r', "").as_bytes(), First::WebSocket),
                (HTTP2, First::Http2),
            ] {
                let mut buffer = BytesMut::new();
                let mut pieces = Pieces(bytes, sizes.clone());
                let found = runtime.block_on(read(&mut pieces, &mut buffer)).unwrap();
                prop_assert_eq!(found, expected);
                prop_assert_eq!([&buffer[..], pieces.0].concat(), bytes);
            }
        }
    }

    #[tokio::test]
    async fn an_end_before_that_is_an_error() {
        let mut buffer = BytesMut::new();
        let error = read(&mut Pieces(b"GET / HTTP/1.1\r\n", vec![]), &mut buffer).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
