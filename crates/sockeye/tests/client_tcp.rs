//! Connecting over TCP, on loopback.

use http::{HeaderName, HeaderValue};
use sockeye::client::{Client, ConnectError, Phase, Report};
use sockeye::server::{Server, Subprotocols};
use sockeye::{CloseCode, Stream};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

/// A server that sends one connection's messages back.
async fn echo(address: &str, server: Server) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind(address).await.unwrap();
    let bound = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut ws = server.accept(Stream::from(tcp)).await.unwrap();
        while let Some(message) = ws.recv().await.unwrap() {
            ws.feed(message).await.unwrap();
        }
    });
    (bound, served)
}

/// An address where nobody listens, held so that nobody will.
fn deaf() -> (SocketAddr, TcpSocket) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    (socket.local_addr().unwrap(), socket)
}

#[tokio::test]
async fn messages_go_both_ways() {
    let (address, served) = echo("127.0.0.1:0", Server::new()).await;
    let mut ws = sockeye::connect(&format!("ws://{address}/")).await.unwrap();
    assert!(ws.get_ref().tcp().nodelay().unwrap());
    assert!(!ws.get_ref().is_tls());
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap().as_text(), Some("hello"));
    ws.close(CloseCode::NORMAL, "").await.unwrap();
    served.await.unwrap();
}

#[tokio::test]
async fn halves_go_both_ways() {
    let (address, served) = echo("127.0.0.1:0", Server::new()).await;
    let ws = sockeye::connect(&format!("ws://{address}/")).await.unwrap();
    let (mut reader, mut writer) = ws.split();
    let reading = tokio::spawn(async move {
        let message = reader.recv().await.unwrap();
        (message, reader.recv().await.unwrap())
    });
    writer.send("hello").await.unwrap();
    writer.close(CloseCode::NORMAL, "").await.unwrap();
    let (message, end) = reading.await.unwrap();
    assert_eq!((message.unwrap().as_text(), end), (Some("hello"), None));
    served.await.unwrap();
}

#[tokio::test]
async fn every_address_of_a_name_is_tried() {
    // Where the name's first address is [::1], nobody listens at it.
    let (address, served) = echo("127.0.0.1:0", Server::new()).await;
    let mut report = Report::default();
    let client = Client::new(&format!("ws://localhost:{}/", address.port())).unwrap();
    let mut ws = client.connect_with_report(&mut report).await.unwrap();
    assert_eq!(report.address, Some(address));
    ws.close(CloseCode::NORMAL, "").await.unwrap();
    served.await.unwrap();
}

#[tokio::test]
async fn addresses_of_ipv6_stand_in_brackets() {
    if TcpListener::bind("[::1]:0").await.is_err() {
        return; // a machine without IPv6
    }
    let (address, served) = echo("[::1]:0", Server::new()).await;
    let mut ws = sockeye::connect(&format!("ws://{address}/")).await.unwrap();
    ws.close(CloseCode::NORMAL, "").await.unwrap();
    served.await.unwrap();
}

#[tokio::test]
async fn each_address_that_refuses_is_named() {
    let (address, _held) = deaf();
    let error =
        sockeye::connect(&format!("ws://ann:hunter2@localhost:{}/", address.port())).await.unwrap_err();
    let ConnectError::Tcp(failures) = &error else { panic!("{error:?}") };
    assert!(failures.iter().any(|(tried, _)| *tried == address), "{failures:?}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    assert!(!error.is_timeout() && !error.is_usage());
}

#[tokio::test]
async fn a_name_without_an_address_is_named() {
    let name = "a".repeat(64); // no label is that long (RFC 1035 2.3.4), so that no server is asked
    let error = sockeye::connect(&format!("ws://ann:hunter2@{name}/")).await.unwrap_err();
    assert!(matches!(&error, ConnectError::Dns { host, .. } if *host == name), "{error:?}");
    assert!(error.to_string().contains(&name) && !error.to_string().contains("hunter2"), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn a_name_look_up_that_takes_too_long_is_told() {
    // The one thread that could look up names is busy until the test ends.
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().max_blocking_threads(1).build().unwrap();
    let (free, busy) = std::sync::mpsc::channel::<()>();
    runtime.spawn_blocking(move || busy.recv());
    let client = Client::new("ws://localhost/").unwrap().connect_timeout(Duration::from_millis(1));
    let error = runtime.block_on(client.connect()).unwrap_err();
    drop(free);
    assert!(matches!(error, ConnectError::Timeout(Phase::NameLookup)), "{error:?}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_address_that_does_not_answer_is_told() {
    // A queue for one connection, which is full: the next one's packets are dropped.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let _queued = tokio::net::TcpStream::connect(address).await.unwrap();
    let client = Client::new(&format!("ws://{address}/")).unwrap();
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    let error = client.connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::Timeout(Phase::Tcp)), "{error:?}");
    assert_eq!(start.elapsed().as_millis() / 10, 1000);
}

#[tokio::test]
async fn a_server_that_does_not_answer_the_request_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&format!("ws://{}/", listener.local_addr().unwrap())).unwrap();
    let silent = async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.read_u8().await.unwrap();
        tokio::time::pause();
        tcp // and time goes on to the deadline
    };
    let (error, _tcp) = tokio::join!(client.connect(), silent);
    let error = error.unwrap_err();
    assert!(matches!(error, ConnectError::Timeout(Phase::Upgrade)), "{error:?}");
}

#[tokio::test]
async fn a_report_tells_what_happened_but_no_secrets() {
    let server = Server::new().subprotocols(Subprotocols::server_order(["chat"]).unwrap());
    let (address, served) = echo("127.0.0.1:0", server).await;
    let mut key = HeaderValue::from_static("hunter3");
    key.set_sensitive(true);
    let client = Client::new(&format!("ws://ann:hunter2@{address}/chat?room=1"))
        .unwrap()
        .subprotocol("chat")
        .header(HeaderName::from_static("x-key"), key)
        .header(HeaderName::from_static("x-trace"), HeaderValue::from_static("7"));
    let mut report = Report::default();
    let mut ws = client.connect_with_report(&mut report).await.unwrap();
    ws.close(CloseCode::NORMAL, "").await.unwrap();
    served.await.unwrap();

    assert_eq!(report.address, Some(address));
    let timings = report.timings;
    assert!(timings.name_lookup.is_some() && timings.tcp.is_some() && timings.upgrade.is_some());
    assert!(timings.tls.is_none() && report.tls.is_none());
    assert!(report.request.starts_with("GET /chat?room=<redacted> HTTP/1.1\r\n"), "{}", report.request);
    assert!(report.request.contains("Sec-WebSocket-Protocol: <redacted>\r\n"), "{}", report.request);
    assert!(report.request.contains("Authorization: <redacted>\r\n"), "{}", report.request);
    assert!(report.request.contains("X-Key: <redacted>\r\nX-Trace: 7\r\n"), "{}", report.request);
    assert_eq!(report.subprotocol(), Some("chat"));
    assert_eq!(report.extensions().count(), 0);
    let shown = format!("{report:?}");
    for secret in ["hunter2", "hunter3", "YW5uOmh1bnRlcjI"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn a_report_tells_how_far_it_came() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let refuse = async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let _ = tcp.read(&mut request).await.unwrap();
        tcp.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    };
    let mut report = Report::default();
    let client = Client::new(&format!("ws://{address}/")).unwrap();
    let (connected, ()) = tokio::join!(client.connect_with_report(&mut report), refuse);
    assert_eq!(connected.unwrap_err().refusal().unwrap().status.as_u16(), 404);
    assert!(report.timings.upgrade.is_some() && report.request.starts_with("GET / "));

    // A report that is used again tells nothing of the connection before.
    let (deaf, _held) = deaf();
    let client = Client::new(&format!("ws://{deaf}/")).unwrap();
    client.connect_with_report(&mut report).await.unwrap_err();
    assert!(report.address.is_none() && report.timings.upgrade.is_none() && report.request.is_empty());
}

#[cfg(feature = "deflate")]
#[tokio::test]
async fn compression_is_agreed_on() {
    use sockeye::Deflate;
    let (address, served) = echo("127.0.0.1:0", Server::new().deflate(Deflate::default())).await;
    let mut report = Report::default();
    let client = Client::new(&format!("ws://{address}/")).unwrap().deflate(Deflate::default());
    let mut ws = client.connect_with_report(&mut report).await.unwrap();
    let text = "the same again, ".repeat(64);
    ws.send(text.as_str()).await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap().as_text(), Some(text.as_str()));
    assert!(report.extensions().next().unwrap().starts_with("permessage-deflate"));
    assert!(ws.stats().sent.bytes < text.len() as u64 / 2, "{:?}", ws.stats());
    ws.close(CloseCode::NORMAL, "").await.unwrap();
    served.await.unwrap();
}

#[cfg(not(feature = "tls"))]
#[tokio::test]
async fn a_build_without_tls_says_so() {
    let error = sockeye::connect("wss://localhost/").await.unwrap_err();
    assert!(matches!(error, ConnectError::Url(sockeye::client::UrlError::NoTls)), "{error:?}");
}

#[tokio::test]
async fn an_accepted_tcp_stream_sends_small_segments_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let accepting = async { sockeye::accept(listener.accept().await.unwrap().0).await.unwrap() };
    let (server, client) = tokio::join!(accepting, sockeye::connect(&url));
    assert!(server.get_ref().nodelay().unwrap());
    drop(client);
}
