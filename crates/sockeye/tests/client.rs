//! The opening handshake as a client, on transports in memory.

use http::header::{self, HeaderValue};
use http::{HeaderName, StatusCode};
use sockeye::client::{Client, ConnectError, HandshakeError, HeadLimits, Phase};
use sockeye::server::{OriginPolicy, Rejection, Server, Subprotocols};
use sockeye::{Cause, CloseCode, Limits, ProtocolError};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream, ReadBuf, duplex, join, sink};
use tokio::time::Instant;

const URL: &str = "ws://example.com/chat?room=1";

fn client() -> Client {
    Client::new(URL).unwrap()
}

/// What the client says to a server that answers with these bytes and ends the connection.
async fn answered(client: &Client, answer: &[u8]) -> ConnectError {
    let (near, mut far) = duplex(1 << 16);
    far.write_all(answer).await.unwrap();
    far.shutdown().await.unwrap();
    client.upgrade(near).await.expect_err("not a WebSocket server")
}

async fn read_head(io: &mut DuplexStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn messages_go_both_ways_and_the_close_is_clean() {
    let (near, far) = duplex(1024);
    let server = Server::new().subprotocols(Subprotocols::client_order(["v2", "v1"]).unwrap());
    let serve = async {
        let mut ws = server.accept(far).await.unwrap();
        while let Some(message) = ws.recv().await.unwrap() {
            ws.feed(message).await.unwrap();
        }
        ws
    };
    let chat = async {
        let mut ws = client().subprotocol("v1").subprotocol("v2").upgrade(near).await.unwrap();
        assert_eq!(ws.subprotocol(), Some("v1"));
        ws.send("hello").await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap().as_text(), Some("hello"));
        ws.close(CloseCode::NORMAL, "bye").await.unwrap();
    };
    let (ws, ()) = tokio::join!(serve, chat);
    assert_eq!(ws.closed().unwrap().received.as_ref().unwrap().code, CloseCode::NORMAL);
}

#[tokio::test]
async fn a_message_behind_the_answer_is_kept() {
    let (near, mut far) = duplex(1024);
    let (server_io, mut wire) = duplex(1024);
    // The server's answer and its first message reach the client in one piece.
    let serve = async {
        let mut ws = sockeye::accept(server_io).await.unwrap();
        ws.send("first").await.unwrap();
    };
    let carry = async {
        wire.write_all(read_head(&mut far).await.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        wire.read_to_end(&mut answer).await.unwrap();
        far.write_all(&answer).await.unwrap();
    };
    let receive = async {
        let mut ws = client().upgrade(near).await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap().as_text(), Some("first"));
    };
    tokio::join!(serve, carry, receive);
}

#[tokio::test]
async fn the_request_has_what_was_asked_for() {
    let (near, mut far) = duplex(1024);
    let client = Client::new("ws://ann:p%40ss@[::1]:9001?x=1")
        .unwrap()
        .header(HeaderName::from_static("x-trace"), HeaderValue::from_static("7"))
        .origin(HeaderValue::from_static("https://example.com"));
    let read = async {
        let head = read_head(&mut far).await;
        drop(far);
        head
    };
    let (head, _) = tokio::join!(read, client.upgrade(near));
    assert!(head.starts_with("GET /?x=1 HTTP/1.1\r\nHost: [::1]:9001\r\n"), "{head}");
    let lines = [
        "X-Trace: 7",
        "Origin: https://example.com",
        "Authorization: Basic YW5uOnBAc3M=",
        "Upgrade: websocket",
    ];
    for line in lines {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{line} in {head}");
    }
}

#[tokio::test]
async fn every_connection_has_a_key_of_its_own() {
    let mut keys = Vec::new();
    let client = client();
    for _ in 0..2 {
        let (near, mut far) = duplex(1024);
        let read = async {
            let head = read_head(&mut far).await;
            drop(far);
            head
        };
        let (head, _) = tokio::join!(read, client.upgrade(near));
        keys.push(head.lines().find(|line| line.starts_with("Sec-WebSocket-Key")).unwrap().to_owned());
    }
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_meets_the_deadline() {
    let (near, _far) = duplex(1024);
    let start = Instant::now();
    let error = client().upgrade(near).await.unwrap_err();
    assert!(matches!(error, ConnectError::Timeout(Phase::Upgrade)), "{error:?}");
    assert!(error.is_timeout() && !error.is_usage() && error.refusal().is_none());
    assert_eq!(start.elapsed().as_millis() / 10, 1000);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_drips_meets_the_deadline_too() {
    let (near, mut far) = duplex(1024);
    let mut head = HeadLimits::default();
    head.timeout = Duration::from_secs(3);
    let start = Instant::now();
    tokio::spawn(async move {
        for byte in b"HTTP/1.1 101 Switching Protocols\r\n" {
            tokio::time::sleep(Duration::from_millis(500)).await; // the clock is paused
            far.write_u8(*byte).await.unwrap();
        }
    });
    let error = client().head_limits(head).upgrade(near).await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(start.elapsed().as_millis() / 10, 300);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_taken_meets_the_deadline() {
    let (near, _far) = duplex(16);
    assert!(client().upgrade(near).await.unwrap_err().is_timeout());
}

#[tokio::test]
async fn a_refusal_tells_status_headers_and_body() {
    let (near, far) = duplex(4096);
    let serve = async {
        let handshake = Server::new().handshake(far).await.unwrap();
        let rejection = Rejection::new(StatusCode::PAYMENT_REQUIRED)
            .header(header::RETRY_AFTER, HeaderValue::from_static("7"))
            .body("first pay");
        handshake.reject(rejection).await.unwrap();
    };
    let client = client();
    let (connected, ()) = tokio::join!(client.upgrade(near), serve);
    let error = connected.unwrap_err();
    let refusal = error.refusal().unwrap();
    assert_eq!(refusal.status, StatusCode::PAYMENT_REQUIRED);
    assert_eq!(refusal.headers[header::RETRY_AFTER], "7");
    assert_eq!(refusal.body, "first pay");
    assert!(!error.is_usage() && !error.is_timeout());
}

#[tokio::test]
async fn the_body_of_a_refusal_is_bounded() {
    let mut head = HeadLimits::default();
    head.max_refusal_body = 5;
    for (body, kept) in [("12345", "12345"), ("123456", "12345")] {
        let answer = format!("HTTP/1.1 500 Oops\r\n\r\n{body}");
        let error = answered(&client().head_limits(head), answer.as_bytes()).await;
        assert_eq!(error.refusal().unwrap().body, kept);
    }
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    let error = answered(&client(), b"HTTP/1.1 302 Found\r\nLocation: wss://other.example/\r\n\r\n").await;
    assert_eq!(error.refusal().unwrap().headers[header::LOCATION], "wss://other.example/");
    assert!(error.to_string().contains("redirects to wss://other.example/"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_whose_body_does_not_end_is_told_at_the_deadline() {
    let (near, mut far) = duplex(1024);
    far.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\nbecause").await.unwrap();
    let error = client().upgrade(near).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().body, "because");
}

#[tokio::test]
async fn a_refusal_counts_more_than_a_request_that_was_not_taken() {
    let (writer, gone) = duplex(1024);
    drop(gone);
    let reader = &b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\n\r\n"[..];
    let error = client().upgrade(join(reader, writer)).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().status.as_u16(), 431);
}

/// A transport that breaks.
#[derive(Debug)]
struct Broken;

impl AsyncRead for Broken {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }
}

#[tokio::test]
async fn a_refusal_counts_more_than_how_the_connection_ended() {
    let reader = b"HTTP/1.1 403 Forbidden\r\n\r\nno"[..].chain(Broken);
    let error = client().upgrade(join(reader, sink())).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().body, "no");
}

#[tokio::test]
async fn a_transport_that_breaks_is_told() {
    let reader = b"HTTP/1.1 101 Switch"[..].chain(Broken);
    let error = client().upgrade(join(reader, sink())).await.unwrap_err();
    let is_reset = matches!(&error, ConnectError::Io(io) if io.kind() == io::ErrorKind::ConnectionReset);
    assert!(is_reset && std::error::Error::source(&error).is_some(), "{error:?}");
}

#[tokio::test]
async fn what_is_no_answer_is_told() {
    let eof = answered(&client(), b"HTTP/1.1 101").await;
    assert!(matches!(eof, ConnectError::Handshake(HandshakeError::Eof)), "{eof:?}");
    let other = answered(&client(), b"SSH-2.0-OpenSSH\r\n").await;
    assert!(matches!(other, ConnectError::Handshake(HandshakeError::NotHttp)), "{other:?}");
    let bare = answered(&client(), b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n").await;
    assert!(matches!(bare, ConnectError::Handshake(HandshakeError::Connection)), "{bare:?}");
}

#[tokio::test]
async fn a_request_that_cannot_be_sent_is_told_before_connecting() {
    let reserved = client().header(header::UPGRADE, HeaderValue::from_static("h2c"));
    let (near, _far) = duplex(1024);
    let error = reserved.upgrade(near).await.unwrap_err();
    assert!(matches!(error, ConnectError::Handshake(HandshakeError::ReservedHeader(_))), "{error:?}");
    assert!(error.is_usage());
    let twice = client().subprotocol("a").subprotocol("a").connect().await.unwrap_err();
    assert!(matches!(twice, ConnectError::Handshake(HandshakeError::DuplicateSubprotocol(_))), "{twice:?}");
    let scheme = sockeye::connect("http://example.com/").await.unwrap_err();
    assert!(matches!(scheme, ConnectError::Url(_)) && scheme.is_usage(), "{scheme:?}");
    assert!(!ConnectError::from(HandshakeError::Accept).is_usage());
}

#[tokio::test]
async fn the_limits_are_the_clients() {
    let (near, far) = duplex(1024);
    let mut limits = Limits::default();
    limits.max_message = 4;
    let serve = async {
        let mut ws = sockeye::accept(far).await.unwrap();
        ws.send("1234").await.unwrap();
        ws.send("12345").await.unwrap();
        let _ = ws.recv().await;
    };
    let receive = async {
        let mut ws = client().limits(limits).upgrade(near).await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap().as_text(), Some("1234"));
        ws.recv().await.unwrap_err()
    };
    let ((), error) = tokio::join!(serve, receive);
    assert!(matches!(error.cause(), Some(Cause::Protocol(ProtocolError::MessageTooBig(4)))), "{error:?}");
}

#[tokio::test]
async fn the_origin_reaches_the_server() {
    let policy = OriginPolicy::list(["https://example.com"]).unwrap();
    for (origin, accepted) in [("https://example.com", true), ("https://evil.example", false)] {
        let (near, far) = duplex(4096);
        let server = Server::new().origin(policy.clone());
        let client = client().origin(HeaderValue::from_static(origin));
        let (served, connected) = tokio::join!(server.accept(far), client.upgrade(near));
        assert_eq!((served.is_ok(), connected.is_ok()), (accepted, accepted), "{origin}");
    }
}

#[tokio::test]
async fn credentials_are_shown_nowhere() {
    let client = Client::new("ws://ann:hunter2@localhost/")
        .unwrap()
        .header(header::COOKIE, HeaderValue::from_static("id=hunter2"))
        .header(header::PROXY_AUTHORIZATION, HeaderValue::from_static("Bearer hunter2"));
    let error = answered(&client, b"HTTP/1.1 401 Unauthorized\r\n\r\n").await;
    let bearer = client.clone().header(header::AUTHORIZATION, HeaderValue::from_static("Bearer hunter2"));
    let shown = format!("{client:?} {bearer:?} {error:?} {error}");
    // The second is the base64 of "ann:hunter2".
    assert!(!shown.contains("hunter2") && !shown.contains("YW5uOmh1bnRlcjI"), "{shown}");
}
