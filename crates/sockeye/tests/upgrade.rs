//! Connections taken over from hyper and axum, on a TCP port.
#![cfg(feature = "axum")]

mod support;

use axum::response::Response;
use axum::routing::{any, get};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sockeye::axum::WebSocketUpgrade;
use sockeye::server::{Request, Server, Subprotocols, Upgraded};
use sockeye::{CloseFrame, WebSocket};
use std::convert::Infallible;
use std::net::SocketAddr;
use support::{Client, ask, close_code, frame, frames, read_all, read_head, request, status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn echo(mut ws: WebSocket<Upgraded>) {
    while let Ok(Some(message)) = ws.recv().await {
        ws.feed(message).await.unwrap();
    }
}

fn server() -> Server {
    Server::new().subprotocols(Subprotocols::server_order(["v2"]).unwrap())
}

/// hyper: `/plain` is a page, everything else the echo.
async fn hyper_answer(
    mut request: http::Request<hyper::body::Incoming>,
) -> Result<http::Response<axum::body::Body>, Infallible> {
    if request.uri().path() == "/plain" {
        return Ok(http::Response::new("a page".into()));
    }
    Ok(match server().upgrade(&mut request) {
        Ok((response, upgrade)) => {
            assert!(format!("{upgrade:?}").contains("Upgrade"));
            tokio::spawn(async move { echo(upgrade.await.unwrap()).await });
            response.map(|()| axum::body::Body::empty())
        }
        Err(rejection) => rejection.into_response().map(Into::into),
    })
}

async fn serve_hyper() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let serving = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(tcp), service_fn(hyper_answer))
                .with_upgrades();
            tokio::spawn(serving);
        }
    });
    address
}

async fn axum_answer(upgrade: WebSocketUpgrade) -> Response {
    assert_eq!(upgrade.request().path(), "/echo");
    upgrade.server(&server()).on_upgrade(echo)
}

async fn serve_axum() -> SocketAddr {
    let app = axum::Router::new().route("/plain", get(async || "a page")).route("/echo", any(axum_answer));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn both() -> [TcpStream; 2] {
    let connect = TcpStream::connect;
    [connect(serve_hyper().await).await.unwrap(), connect(serve_axum().await).await.unwrap()]
}

/// Reads a response with a body of this length.
async fn read_page(tcp: &mut TcpStream, len: usize) -> (String, Vec<u8>) {
    let head = read_head(tcp).await;
    let mut body = vec![0; len];
    tcp.read_exact(&mut body).await.unwrap();
    (head, body)
}

#[tokio::test]
async fn a_connection_opens_and_echoes() {
    for tcp in both().await {
        let mut client = Client::open(tcp, ask("/echo").subprotocol("v1").subprotocol("v2")).await.unwrap();
        assert_eq!(client.subprotocol.as_deref(), Some("v2"));
        client.send("hello").await;
        assert_eq!(client.recv().await, Some("hello".into()));
        let large = vec![7; 300_000];
        client.send(large.clone()).await;
        assert_eq!(client.recv().await, Some(large.into()));
        assert!(client.close(CloseFrame::EMPTY).await.is_clean());
    }
}

#[tokio::test]
async fn a_later_request_on_a_kept_alive_connection_opens_one() {
    for mut tcp in both().await {
        for _ in 0..2 {
            tcp.write_all(b"GET /plain HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
            assert_eq!(read_page(&mut tcp, 6).await.1, b"a page");
        }
        let mut client = Client::open(tcp, ask("/echo")).await.unwrap();
        client.send("hello").await;
        assert_eq!(client.recv().await, Some("hello".into()));
    }
}

#[tokio::test]
async fn frames_in_the_same_segment_as_the_request_are_not_lost() {
    for mut tcp in both().await {
        let early = [frame(0x81, b"one"), frame(0x82, &[2; 4000]), frame(0x88, b"\x03\xe8")].concat();
        tcp.write_all(&[request("/echo", ""), early].concat()).await.unwrap();
        assert_eq!(status(&read_head(&mut tcp).await), 101);
        let answer = read_all(&mut tcp).await;
        assert_eq!(frames(&answer)[..2], [(0x81, b"one".to_vec()), (0x82, vec![2; 4000])]);
        assert_eq!(close_code(&answer), Some(1000));
    }
}

#[tokio::test]
async fn a_refusal_ends_a_kept_alive_connection_and_what_stands_behind_is_not_parsed() {
    let smuggled = b"GET /plain HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let other_origin = request("/echo", "Origin: https://evil.example\r\n");
    let no_key = b"GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n";
    for (bad, expected) in [(other_origin, 403), (no_key.to_vec(), 400)] {
        for mut tcp in both().await {
            tcp.write_all(b"GET /plain HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
            assert_eq!(read_page(&mut tcp, 6).await.1, b"a page");
            tcp.write_all(&[&bad[..], smuggled].concat()).await.unwrap();
            let head = read_head(&mut tcp).await;
            assert_eq!(status(&head), expected, "{head}");
            assert!(head.to_ascii_lowercase().contains("connection: close"), "{head}");
            let rest = read_all(&mut tcp).await;
            assert!(!rest.windows(5).any(|bytes| bytes == b"HTTP/"), "{}", rest.escape_ascii());
        }
    }
}

#[tokio::test]
async fn a_request_of_a_server_without_upgrades_is_refused() {
    let mut request = http::Request::builder().uri("/");
    for line in support::FIELDS.lines() {
        let (name, value) = line.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    let mut request = request.body(()).unwrap();
    assert!(Request::from_http(&request).is_ok());
    let rejection = sockeye::upgrade(&mut request).unwrap_err();
    assert_eq!(rejection.status(), 500);
    assert_eq!(rejection.headers()["connection"], "close");
    *request.version_mut() = http::Version::HTTP_2;
    assert_eq!(sockeye::upgrade(&mut request).unwrap_err().status(), 505);
}

#[tokio::test]
async fn without_an_answer_there_is_no_connection() {
    // A server whose connection is gone before the answer: hyper's end of the pair is dropped.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    let (upgrades, mut taken) = tokio::sync::mpsc::unbounded_channel();
    let serving = hyper::server::conn::http1::Builder::new()
        .serve_connection(
            TokioIo::new(far),
            service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
                let (_, upgrade) = sockeye::upgrade(&mut request).unwrap();
                upgrades.send(upgrade).unwrap();
                std::future::pending::<Result<http::Response<axum::body::Body>, Infallible>>()
            }),
        )
        .with_upgrades();
    let serving = tokio::spawn(serving);
    tcp.write_all(&request("/", "")).await.unwrap();
    let upgrade = taken.recv().await.unwrap();
    serving.abort();
    let error = upgrade.await.unwrap_err();
    assert!(matches!(error, sockeye::server::AcceptError::Io(_)), "{error}");
}
