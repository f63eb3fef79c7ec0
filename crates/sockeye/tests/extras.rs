//! `Stream` and `Sink`, driven as the combinators of other crates drive them.

use futures_core::Stream;
use futures_sink::Sink;
use sockeye::client::Client;
use sockeye::server::Server;
use sockeye::{CloseCode, Error, Message, Refusal, WebSocket};
use std::future::poll_fn;
use std::pin::Pin;
use tokio::io::DuplexStream;

async fn pair() -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let (near, far) = tokio::io::duplex(4096);
    let client = Client::new("ws://localhost/").unwrap();
    let server = Server::new();
    let (client, server) = tokio::join!(client.upgrade(near), server.accept(far));
    (client.unwrap(), server.unwrap())
}

async fn next<T: Stream + Unpin>(stream: &mut T) -> Option<T::Item> {
    poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await
}

async fn send<T: Sink<Message> + Unpin>(sink: &mut T, message: &str) -> Result<(), T::Error> {
    poll_fn(|cx| Pin::new(&mut *sink).poll_ready(cx)).await?;
    Pin::new(&mut *sink).start_send(message.into())?;
    poll_fn(|cx| Pin::new(&mut *sink).poll_flush(cx)).await
}

async fn close<T: Sink<Message> + Unpin>(sink: &mut T) -> Result<(), T::Error> {
    poll_fn(|cx| Pin::new(&mut *sink).poll_close(cx)).await
}

#[tokio::test(start_paused = true)]
async fn a_whole_connection_is_a_stream_and_a_sink() {
    let (mut client, mut server) = pair().await;
    send(&mut client, "hello").await.unwrap();
    assert_eq!(next(&mut server).await.unwrap().unwrap(), "hello".into());
    let (closed, end) = tokio::join!(close(&mut client), next(&mut server));
    closed.unwrap();
    assert!(end.is_none(), "{end:?}");
    assert_eq!(server.closed().unwrap().received.as_ref().unwrap().code, CloseCode::NORMAL);
    assert_eq!(send(&mut client, "late").await, Err(Error::Refused(Refusal::Closed)));
}

#[tokio::test(start_paused = true)]
async fn the_halves_are_a_stream_and_a_sink() {
    let (client, mut server) = pair().await;
    let (mut reader, mut writer) = client.split();
    send(&mut writer, "from the half").await.unwrap();
    assert_eq!(server.recv().await.unwrap(), Some("from the half".into()));
    server.send("to the half").await.unwrap();
    assert_eq!(next(&mut reader).await.unwrap().unwrap(), "to the half".into());
    close(&mut writer).await.unwrap();
    let (end, at_server) = tokio::join!(next(&mut reader), server.recv());
    assert!(end.is_none() && at_server.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn an_end_without_a_closing_handshake_is_an_error_of_the_stream() {
    let (client, mut server) = pair().await;
    drop(client);
    let error = next(&mut server).await.unwrap().unwrap_err();
    assert!(error.is_peer_fault(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_full_sink_waits_until_the_peer_reads() {
    let (mut client, mut server) = pair().await;
    let long = "x".repeat(100_000);
    let sending = async {
        for _ in 0..5 {
            send(&mut client, &long).await.unwrap();
        }
    };
    let receiving = async {
        for _ in 0..5 {
            assert_eq!(server.recv().await.unwrap().unwrap().len(), 100_000);
        }
    };
    tokio::join!(sending, receiving);
}

#[tokio::test(start_paused = true)]
async fn a_close_code_that_must_not_be_sent_is_refused_and_nothing_happens() {
    let (mut client, mut server) = pair().await;
    assert_eq!(client.close(CloseCode::ABNORMAL, "").await, Err(Error::Refused(Refusal::CloseCode)));
    server.send("still open").await.unwrap();
    assert_eq!(client.recv().await.unwrap(), Some("still open".into()));
}
