//! HTTP/2 against the limits, frame by frame.

use crate::support::*;
use crate::tls::{connect, serve_tls_with};
use sockeye_hub::settings::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const GET: u8 = 0x82;
const STATUS_200: u8 = 0x88;

struct Frame {
    kind: u8,
    stream: u32,
    payload: Vec<u8>,
}

/// What the first four bytes of a reset, or the last of a GOAWAY's eight, say.
fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().unwrap())
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A literal header whose name is an entry of the static table.
fn literal(name: u8, value: &str) -> Vec<u8> {
    [&[name, u8::try_from(value.len()).unwrap()], value.as_bytes()].concat()
}

fn request(stream: u32, path: &str, more: &[u8]) -> Vec<u8> {
    let head = [&[GET, 0x87], &*literal(1, "localhost"), &*literal(4, path), more].concat();
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &head)
}

fn events(stream: u32) -> Vec<u8> {
    // `accept` is entry 19: 15 in the prefix, and 4.
    let accept = [&[0x0f, 4, 17], b"text/event-stream".as_slice()].concat();
    request(stream, "/stream?channel=a", &accept)
}

struct Http2(TlsStream<TcpStream>);

impl Http2 {
    async fn connect(server: &Running, certificate: &str) -> Self {
        let mut tls = connect(server, certificate, "h2").await;
        tls.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.unwrap();
        Self(tls)
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    async fn next(&mut self) -> Frame {
        let mut head = [0; 9];
        patiently(self.0.read_exact(&mut head)).await.unwrap();
        let mut payload = vec![0; number(&[0, head[0], head[1], head[2]]) as usize];
        patiently(self.0.read_exact(&mut payload)).await.unwrap();
        Frame { kind: head[3], stream: number(&head[5..]), payload }
    }

    /// The next frame of this kind on this stream.
    async fn until(&mut self, kind: u8, stream: u32) -> Vec<u8> {
        loop {
            let frame = self.next().await;
            if (frame.kind, frame.stream) == (kind, stream) {
                return frame.payload;
            }
        }
    }

    async fn data(&mut self, stream: u32) -> String {
        String::from_utf8(self.until(DATA, stream).await).unwrap()
    }
}

async fn count_streams(name: &str, code: u16, change: impl FnOnce(&mut Settings)) {
    let (server, certificate) = serve_tls_with(name, change);
    let mut client = Http2::connect(&server, &certificate).await;
    for stream in [1, 3, 5] {
        client.send(&events(stream)).await;
        assert!(client.data(stream).await.contains("\"open\""));
    }
    client.send(&events(7)).await;
    let refused = client.data(7).await;
    assert!(refused.contains(&format!("\"code\":{code}")), "{refused}");
    // The place is free again once the stream has gone, be it the connection's own or a further one.
    for (gone, next) in [(1, 9), (3, 11), (9, 13)] {
        client.send(&[frame(RESET, 0, gone, &8_u32.to_be_bytes()), events(next)].concat()).await;
        assert!(client.data(next).await.contains("\"open\""), "{next}");
    }
}

#[tokio::test]
async fn each_stream_counts_as_a_connection() {
    count_streams("streams", 4003, |settings| settings.limits.connections = 3).await;
    count_streams("address", 4007, |settings| settings.limits.connections_per_address = 3).await;
}

#[tokio::test]
async fn streams_at_once_are_bounded() {
    let (server, certificate) = serve_tls_with("at-once", |_| {});
    let mut client = Http2::connect(&server, &certificate).await;
    let settings = client.until(SETTINGS, 0).await;
    let most = settings.chunks(6).find(|setting| setting[..2] == [0, 3]).map(|setting| number(&setting[2..]));
    assert_eq!(most, Some(32));
    for stream in 0..32 {
        client.send(&events(2 * stream + 1)).await;
        client.data(2 * stream + 1).await;
    }
    client.send(&events(65)).await;
    assert_eq!(number(&client.until(RESET, 65).await), 7, "REFUSED_STREAM");
}

#[tokio::test]
async fn a_protocol_needs_the_setting() {
    let (server, certificate) = serve_tls_with("protocol", |_| {});
    let mut client = Http2::connect(&server, &certificate).await;
    let protocol = [&[0, 9], b":protocol".as_slice(), &[9], b"websocket"].concat();
    let connect =
        [&*literal(2, "CONNECT"), &[0x87], &literal(1, "localhost"), &literal(4, "/stream"), &protocol];
    client.send(&frame(HEADERS, END_HEADERS, 1, &connect.concat())).await;
    assert_eq!(number(&client.until(RESET, 1).await), 1, "PROTOCOL_ERROR");
    client.send(&request(3, "/health", &[])).await;
    assert_eq!(client.until(HEADERS, 3).await[0], STATUS_200, "the others go on");
}

#[tokio::test]
async fn a_flood_of_resets_ends_the_connection() {
    let (server, certificate) = serve_tls_with("resets", |_| {});
    let mut client = Http2::connect(&server, &certificate).await;
    let mut flood = Vec::new();
    for stream in (1..4000).step_by(2) {
        flood.extend(request(stream, "/stream?channel=a&wait=60", &[]));
        flood.extend(frame(RESET, 0, stream, &8_u32.to_be_bytes()));
    }
    let _ = client.0.write_all(&flood).await; // the server may end it before it is all written
    assert_eq!(number(&client.until(GO_AWAY, 0).await[4..]), 11, "ENHANCE_YOUR_CALM");
    assert_eq!(Http2::connect(&server, &certificate).await.next().await.kind, SETTINGS);
}

#[tokio::test]
async fn without_tls_there_is_none() {
    let server = serve(|_| {});
    let mut client = server.connect().await;
    client.send([PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await;
    let answer = client.rest().await;
    assert_eq!(answer[..9], frame(SETTINGS, 0, 0, &[]));
    assert_eq!(answer[9..], frame(GO_AWAY, 0, 0, b"\0\0\0\0\0\0\0\x0dHTTP/2 needs TLS; use HTTP/1"));
}
