//! The first bytes of a connection decide what becomes of it: a WebSocket, or HTTP.

use bytes::BytesMut;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes of the largest head: it has room for as many channels as there may be, and a cursor that has them all.
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
    /// A head with too many bytes or lines.
    TooLarge,
    /// Something else.
    NoRequest,
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
    let is_http = read.iter().find(|byte| !b"\r\n".contains(byte)).is_none_or(u8::is_ascii_alphabetic);
    match has_end(read, seen) {
        _ if !is_http => Some(First::NoRequest),
        true => Some(kind(read)),
        false => (read.len() >= MAX_HEAD).then_some(First::TooLarge),
    }
}

/// Whether a head ends here: an empty line behind another. Without `\r` too, as parsers take it.
fn has_end(read: &[u8], seen: usize) -> bool {
    let start = read.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(read.len());
    let fresh = &read[start.max(seen.saturating_sub(3)).min(read.len())..];
    fresh.windows(3).any(|end| end == b"\n\r\n" || end.starts_with(b"\n\n")) || fresh.ends_with(b"\n\n")
}

/// What a whole head asks for.
fn kind(head: &[u8]) -> First {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(len)) if len > MAX_HEAD => First::TooLarge,
        Ok(httparse::Status::Complete(_)) if is_websocket(&request) => First::WebSocket,
        Ok(_) => First::Http1,
        Err(httparse::Error::TooManyHeaders) => First::TooLarge,
        Err(_) => First::NoRequest,
    }
}

fn is_websocket(request: &httparse::Request<'_, '_>) -> bool {
    let names_websocket = |header: &httparse::Header<'_>| {
        let mut tokens = header.value.split(|&byte| byte == b',');
        header.name.eq_ignore_ascii_case("upgrade")
            && tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"websocket"))
    };
    request.method == Some("GET") && request.headers.iter().any(names_websocket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WEBSOCKET: &str = "GET /stream HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nupgrade: h2c, WebSocket\r\n\r\n";
    const POLL: &str =
        "GET /stream?upgrade:%20websocket HTTP/1.1\r\nHost: a\r\nX: upgrade: websocket\r\n\r\n";

    fn whole(bytes: &[u8]) -> Option<First> {
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
            ("\u{16}\u{3}\u{1}", First::NoRequest),
            ("\0", First::NoRequest),
            ("GET / HTTP/9\r\n\r\n", First::NoRequest),
        ] {
            assert_eq!(whole(bytes.as_bytes()), Some(expected), "{bytes:?}");
        }
        for open in ["", "G", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r", "\r\n\r\n", "PRI x", "GET / HTTP/1.1\r\n"] {
            assert_eq!(whole(open.as_bytes()), None, "{open:?}");
        }
    }

    #[test]
    fn a_head_has_32_kib() {
        let endless = [b"GET /".as_slice(), &vec![b'a'; MAX_HEAD]].concat();
        assert_eq!(whole(&endless[..MAX_HEAD - 1]), None);
        assert_eq!(whole(&endless[..MAX_HEAD]), Some(First::TooLarge));
        let of = |len: usize| {
            WEBSOCKET.replace("Host: a", &format!("A: {}", "b".repeat(len - WEBSOCKET.len() + 4)))
        };
        assert_eq!(of(MAX_HEAD).len(), MAX_HEAD);
        assert_eq!(whole(of(MAX_HEAD).as_bytes()), Some(First::WebSocket));
        assert_eq!(whole(of(MAX_HEAD + 1).as_bytes()), Some(First::TooLarge));
    }

    #[test]
    fn a_head_has_100_lines() {
        let lines = |count: usize| WEBSOCKET.replace("Host: a\r\n", &"A: b\r\n".repeat(count));
        assert_eq!(whole(lines(98).as_bytes()), Some(First::WebSocket));
        assert_eq!(whole(lines(99).as_bytes()), Some(First::TooLarge));
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
