//! How large connections and the futures of their calls are: each stands in the task of every connection. The bounds are
//! what they have now; who makes one larger says why. What a connection has on the heap is in `buffers.rs`.

#![cfg(target_pointer_width = "64")]

use sockeye::server::Server;
use sockeye::{Event, Message, Prepared, WebSocket};
use tokio::io::DuplexStream;
use tokio::net::TcpStream;

async fn open() -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let (near, far) = tokio::io::duplex(1 << 10);
    let client = sockeye::client::Client::new("ws://localhost/").unwrap();
    let (client, server) = tokio::join!(client.upgrade(near), sockeye::accept(far));
    (client.unwrap(), server.unwrap())
}

#[expect(clippy::needless_pass_by_value, reason = "so that the next call can be made")]
fn size(future: impl Future) -> usize {
    size_of_val(&future)
}

#[test]
fn a_connection_is_a_pointer_and_messages_are_small() {
    assert_eq!(size_of::<WebSocket<TcpStream>>(), 8);
    assert!(size_of::<Message>() <= 40, "{}", size_of::<Message>());
    assert!(size_of::<Event>() <= 48, "{}", size_of::<Event>());
}

#[tokio::test]
async fn the_futures_of_calls_hold_what_they_are_given_once() {
    let (_client, mut ws) = open().await;
    let (message, prepared) = (Message::from("a"), Prepared::new("a"));
    let sizes = [
        ("recv", size(ws.recv()), 8),
        ("next_event", size(ws.next_event()), 24),
        ("feed", size(ws.feed(message.clone())), 56),
        ("send", size(ws.send(message)), 56),
        ("feed_prepared", size(ws.feed_prepared(&prepared)), 24),
        ("flush", size(ws.flush()), 8),
    ];
    let larger: Vec<_> = sizes.into_iter().filter(|(_, size, most)| size > most).collect();
    assert!(larger.is_empty(), "{larger:?}");
}

#[tokio::test]
async fn the_handshake_is_on_the_heap() {
    let server = Server::new();
    let (near, _far) = tokio::io::duplex(1 << 10);
    let accept = size(server.accept(near));
    assert!(accept <= 40, "{accept}");
}
