//! A client for tests: bytes by hand, or the protocol's state machine over any transport.
#![allow(dead_code, reason = "each test binary uses its own part of it")]

use bytes::{Buf, BytesMut};
use sockeye_proto::connection::Setup;
use sockeye_proto::extension::Codec;
use sockeye_proto::handshake::{ClientHandshake, ClientRequest, HandshakeError, HeadLimits};
use sockeye_proto::header::{Header, MAX_HEADER, Opcode};
use sockeye_proto::{
    CloseFrame, Closed, Compress, Connection, Event, Limits, Message, extension::Rsv, mask::mask,
};
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The lines of an opening request behind the first.
pub(crate) const FIELDS: &str = "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// An opening request for `path`, with further lines.
pub(crate) fn request(path: &str, fields: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\n{FIELDS}{fields}\r\n").into_bytes()
}

/// A client's frame: `first` is its first byte.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let header = Header {
        fin: first & 0x80 != 0,
        rsv: Rsv::from_bits(first >> 4),
        opcode: match first & 0x0f {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            other => panic!("{other} is no opcode"),
        },
        mask: Some(key),
        payload_len: payload.len() as u64,
    };
    let mut head = [0; MAX_HEADER];
    let len = header.encode(&mut head);
    let mut masked = payload.to_vec();
    mask(&mut masked, key);
    [&head[..len], &masked].concat()
}

/// Reads a response head, up to and with the empty line; what stands behind it stays.
pub(crate) async fn read_head(io: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match io.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).expect("a head is ASCII")
}

/// Reads to the end of the connection.
pub(crate) async fn read_all(io: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = io.read_to_end(&mut all).await; // a reset is an end as well
    all
}

/// The status of a response head.
pub(crate) fn status(head: &str) -> u16 {
    head.split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("no status in {head:?}"))
}

/// Takes the server's frames off `bytes`: first byte and payload of each.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Ok(Some((header, len))) = Header::decode(bytes) {
        let end = len + usize::try_from(header.payload_len).expect("a test's frame is small");
        let Some(payload) = bytes.get(len..end) else { break };
        frames.push((bytes[0], payload.to_vec()));
        bytes = &bytes[end..];
    }
    frames
}

/// The code of the Close frame that ends `bytes`.
pub(crate) fn close_code(bytes: &[u8]) -> Option<u16> {
    let frames = frames(bytes);
    let (first, body) = frames.last()?;
    (*first == 0x88).then(|| body.get(..2).map(|code| u16::from_be_bytes([code[0], code[1]])))?
}

/// A client that keeps the protocol.
pub(crate) struct Client<S> {
    pub(crate) io: S,
    pub(crate) connection: Connection,
    pub(crate) subprotocol: Option<String>,
    input: BytesMut,
}

/// The tests' clock, which is tokio's.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

pub(crate) fn ask(path: &str) -> ClientRequest {
    ClientRequest::new(&format!("ws://localhost{path}").parse().expect("a path")).expect("an address")
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Opens a connection.
    pub(crate) async fn open(mut io: S, request: ClientRequest) -> Result<Self, HandshakeError> {
        let (mut handshake, output) =
            ClientHandshake::new(request, HeadLimits::default(), *b"the sample nonce", now())?;
        io.write_all(&output).await.map_err(|_| HandshakeError::Eof)?;
        let mut input = BytesMut::new();
        loop {
            if let Some(response) = handshake.read(&mut input)? {
                let subprotocol = response.subprotocol;
                return Ok(Self { subprotocol, ..Self::new(io, response.codecs, input) });
            }
            if !matches!(io.read_buf(&mut input).await, Ok(1..)) {
                return Err(handshake.handle_eof().expect("the handshake is not over"));
            }
        }
    }

    fn new(io: S, codecs: Vec<Codec>, input: BytesMut) -> Self {
        let mask_keys = Box::new(|| [1, 2, 3, 4]);
        let setup = Setup { limits: Arc::new(Limits::default()), codecs, mask_keys: Some(mask_keys) };
        let mut connection = Connection::new(setup, now());
        connection.handle_read(input.len(), now());
        Self { io, connection, subprotocol: None, input }
    }

    pub(crate) async fn send(&mut self, message: impl Into<Message>) {
        self.connection.outbound.feed(message.into(), Compress::Auto).expect("the connection is open");
        self.flush().await;
    }

    pub(crate) async fn close(&mut self, frame: CloseFrame) -> Closed {
        let _ = self.connection.outbound.close(frame);
        self.flush().await;
        self.closed().await
    }

    /// The next message; `None` at the end.
    pub(crate) async fn recv(&mut self) -> Option<Message> {
        loop {
            match self.event().await {
                Event::Message(message) => return Some(message),
                Event::Closed(_) => return None,
                _ => {}
            }
        }
    }

    /// How the connection ends.
    pub(crate) async fn closed(&mut self) -> Closed {
        loop {
            if let Event::Closed(closed) = self.event().await {
                return *closed;
            }
        }
    }

    pub(crate) async fn event(&mut self) -> Event {
        loop {
            let event = self.connection.poll_event(&mut self.input, now());
            self.flush().await;
            if let Some(event) = event {
                return event;
            }
            match self.io.read_buf(&mut self.input).await {
                Ok(0) => self.connection.handle_eof(),
                Ok(len) => self.connection.handle_read(len, now()),
                Err(error) => self.connection.handle_transport_error(error.kind()),
            }
        }
    }

    async fn flush(&mut self) {
        while self.connection.outbound.has_remaining() {
            if let Err(error) = self.io.write_buf(&mut self.connection.outbound).await {
                self.connection.handle_transport_error(error.kind());
            }
        }
    }
}
