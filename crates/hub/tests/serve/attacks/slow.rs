//! Clients that do not read what they have asked for.

use crate::support::*;
use crate::transports::next;
use tokio::net::{TcpSocket, TcpStream};

/// Bytes that may wait for a client here.
const OUTBOX: usize = 128 << 10;

/// A connection whose system takes next to nothing ahead.
async fn stingy(server: &Running) -> Client<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1).unwrap(); // the system makes it its least
    Client::new(socket.connect(server.address()).await.unwrap())
}

/// A figure of `/metrics`.
async fn figure(server: &Running, name: &str) -> u64 {
    let metrics = server.ask(&get("/metrics")).await.body;
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_default().parse().unwrap_or_default()
}

async fn given_up(server: &Running) -> u64 {
    figure(server, "sockeye_connections_closed_total{code=\"slow_consumer\"}").await
}

async fn queued(server: &Running) -> u64 {
    figure(server, "sockeye_queued_bytes").await
}

/// Publishes until the server has given up the client, while another one gets everything.
async fn overwhelm(server: &Running) {
    let mut reader = sockeye::connect(&server.url("/stream?channel=a")).await.unwrap();
    next(&mut reader).await;
    let large = format!("\"{}\"", "x".repeat(32 << 10));
    let mut most = 0;
    while given_up(server).await == 0 {
        server.publish("a", &large).await;
        assert_eq!(next(&mut reader).await["type"], "message");
        most = most.max(queued(server).await);
    }
    assert!(most > 0 && most <= OUTBOX as u64, "{most}");
    assert_eq!(queued(server).await, 0, "what waited for it is gone");
}

#[tokio::test]
async fn who_does_not_read_a_websocket_is_slow() {
    let server = serve(|settings| settings.limits.outbox = OUTBOX);
    let mut slow = stingy(&server).await;
    slow.send(upgrade("/stream?channel=a", "")).await;
    slow.read_until("\"open\"").await;
    overwhelm(&server).await;
}

#[tokio::test]
async fn who_does_not_read_an_event_stream_is_slow() {
    let server = serve(|settings| settings.limits.outbox = OUTBOX);
    let mut slow = stingy(&server).await;
    slow.send(with("/stream?channel=a", "Accept: text/event-stream\r\n")).await;
    slow.read_until("\"open\"").await;
    overwhelm(&server).await;
}

#[tokio::test]
async fn who_does_not_read_a_batch_holds_that_batch() {
    let server = serve(|settings| settings.limits.outbox = OUTBOX);
    let mut slow = stingy(&server).await;
    slow.send(get("/stream?channel=a&wait=60&since=now")).await;
    let mut reader = sockeye::connect(&server.url("/stream?channel=a")).await.unwrap();
    next(&mut reader).await;
    let large = format!("\"{}\"", "x".repeat(32 << 10));
    for _ in 0..20 {
        server.publish("a", &large).await;
        assert_eq!(next(&mut reader).await["type"], "message");
    }
    assert_eq!((queued(&server).await, given_up(&server).await), (0, 0));
}
