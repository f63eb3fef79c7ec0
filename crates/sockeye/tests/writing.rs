//! Who writes what, and until when: halves, senders, and transports that hold back.

mod support;

use futures_core::Stream;
use futures_core::stream::FusedStream;
use sockeye::server::{Listener, Route, Server};
use sockeye::{
    Cause, CloseCode, CloseFrame, Deadline, Error, KeepAlive, Kind, Limits, Message, Prepared, Refusal,
    WebSocket, WriteHalf,
};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use support::{Client, ask, close_code, frame, frames, now, read_head, request};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

/// An open connection over `io`, and the other end of it behind the handshake.
async fn open<S>((mut near, far): (DuplexStream, S)) -> (DuplexStream, WebSocket<S>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let accepting = tokio::spawn(async move { sockeye::accept(far).await.unwrap() });
    near.write_all(&request("/", "")).await.unwrap();
    read_head(&mut near).await;
    (near, accepting.await.unwrap())
}

/// Reads until nothing comes for five seconds.
async fn read_for_long(peer: &mut DuplexStream) -> Vec<u8> {
    let mut bytes = vec![];
    while let Ok(Ok(read)) = timeout(5 * SECOND, peer.read_buf(&mut bytes)).await
        && read > 0
    {}
    bytes
}

#[tokio::test(start_paused = true)]
async fn the_reading_half_writes_on_what_a_dropped_send_has_begun() {
    let (mut peer, ws) = open(duplex(1024)).await;
    let (mut reader, mut writer) = ws.split();
    let receiving = tokio::spawn(async move { reader.recv().await });
    let sent = timeout(Duration::from_millis(10), writer.send(vec![1u8; 5000])).await;
    assert!(sent.is_err(), "the peer does not read yet");
    assert_eq!(read_for_long(&mut peer).await.len(), 5004);
    sleep(30 * SECOND).await;
    peer.write_all(&frame(0x82, b"still there")).await.unwrap();
    assert_eq!(receiving.await.unwrap().unwrap(), Some(Message::binary(b"still there")));
}

/// Two halves of a connection on which nothing but the other half, or a deadline, wakes the reading one, and what its
/// `recv` comes to.
async fn still()
-> (DuplexStream, WriteHalf<DuplexStream>, tokio::task::JoinHandle<Result<Option<Message>, Error>>) {
    let mut limits = Limits::default();
    limits.timing.keep_alive = KeepAlive::Off;
    let (mut peer, far) = duplex(1024);
    let accepting = tokio::spawn(async move { Server::new().limits(limits).accept(far).await.unwrap() });
    peer.write_all(&request("/", "")).await.unwrap();
    read_head(&mut peer).await;
    let (mut reader, writer) = accepting.await.unwrap().split();
    let receiving = tokio::spawn(async move { reader.recv().await });
    tokio::task::yield_now().await;
    (peer, writer, receiving)
}

#[tokio::test(start_paused = true)]
async fn the_reading_half_keeps_the_write_deadline_of_a_dropped_send() {
    let (_peer, mut writer, receiving) = still().await;
    let start = now();
    let mut sending = Box::pin(writer.send(vec![1u8; 5000]));
    let is_blocked = poll_fn(|cx| Poll::Ready(sending.as_mut().poll(cx).is_pending())).await;
    assert!(is_blocked);
    drop(sending);
    let error = receiving.await.unwrap().unwrap_err();
    assert_eq!(error.cause(), Some(Cause::Timeout(Deadline::Write)));
    assert_eq!(now() - start, 20 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn the_reading_half_keeps_the_close_deadline_of_the_other() {
    let (_peer, mut writer, receiving) = still().await;
    let start = now();
    writer.close(CloseCode::NORMAL, "").await.unwrap();
    let error = receiving.await.unwrap().unwrap_err();
    assert_eq!(error.cause(), Some(Cause::Timeout(Deadline::Close)));
    assert_eq!(now() - start, 10 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_halved_connection_ends_its_side_after_a_fault() {
    let (mut peer, _writer, receiving) = still().await;
    let start = now();
    peer.write_all(&[0x83, 0x80, 0, 0, 0, 0]).await.unwrap();
    let mut said = vec![];
    peer.read_to_end(&mut said).await.unwrap();
    assert_eq!((close_code(&said), now()), (Some(1002), start));
    drop(peer);
    assert!(receiving.await.unwrap().unwrap_err().is_peer_fault());
}

#[tokio::test(start_paused = true)]
async fn what_was_fed_before_a_blocked_write_leaves_all_the_same() {
    let (mut peer, ws) = open(duplex(1024)).await;
    let (mut reader, mut writer) = ws.split();
    let receiving = tokio::spawn(async move { reader.recv().await.is_ok() });
    let mut read = vec![];
    for _ in 0..40 {
        writer.feed(vec![1u8; 1000]).await.unwrap();
        let mut some = [0; 900];
        if let Ok(len) = timeout(Duration::from_millis(1), peer.read(&mut some)).await {
            read.extend_from_slice(&some[..len.unwrap()]);
        }
    }
    read.extend(read_for_long(&mut peer).await);
    assert_eq!(read.len(), 40 * 1004);
    assert!(!receiving.is_finished());
}

#[tokio::test(start_paused = true)]
async fn what_a_dropped_writing_half_has_fed_leaves() {
    let (mut peer, ws) = open(duplex(1024)).await;
    let (mut reader, mut writer) = ws.split();
    let receiving = tokio::spawn(async move { reader.recv().await.is_ok() });
    sleep(SECOND).await;
    writer.feed("last words").await.unwrap();
    drop(writer);
    assert_eq!(frames(&read_for_long(&mut peer).await), [(0x81, b"last words".to_vec())]);
    assert!(!receiving.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_sender_does_not_starve_behind_what_was_fed() {
    let (mut peer, ws) = open(duplex(1 << 16)).await;
    let (mut reader, mut writer) = ws.split();
    let sender = reader.sender(8);
    let receiving = tokio::spawn(async move { reader.recv().await.is_ok() });
    sleep(SECOND).await;
    for _ in 0..4 {
        writer.feed(vec![1u8; 4000]).await.unwrap();
    }
    sender.send(Message::from(vec![2u8; 4000])).await.unwrap();
    assert_eq!(frames(&read_for_long(&mut peer).await).len(), 5);
    assert!(!receiving.is_finished());
}

/// A transport that takes every byte and then holds them back.
struct Held {
    io: DuplexStream,
    is_held: Arc<AtomicBool>,
}

impl AsyncRead for Held {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Held {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_held.load(Ordering::Relaxed) { Poll::Pending } else { Poll::Ready(Ok(())) }
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

async fn held() -> (DuplexStream, WebSocket<Held>) {
    let (near, far) = duplex(1024);
    let is_held = Arc::new(AtomicBool::new(false));
    let (near, ws) = open((near, Held { io: far, is_held: is_held.clone() })).await;
    is_held.store(true, Ordering::Relaxed);
    (near, ws)
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_holds_back_meets_the_write_deadline() {
    for len in [20, 5000] {
        let (_peer, mut ws) = held().await;
        let start = now();
        let refused = ws.send(vec![1u8; len]).await.unwrap_err();
        assert_eq!((refused.value, refused.reason), (None, Refusal::Closed));
        assert_eq!(now() - start, 20 * SECOND, "{len} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn the_writing_half_ends_with_the_connection() {
    let (peer, ws) = held().await;
    let (mut reader, mut writer) = ws.split();
    let sending = tokio::spawn(async move { writer.send("x").await });
    let receiving = tokio::spawn(async move { reader.recv().await });
    sleep(SECOND).await;
    let start = now();
    drop(peer);
    assert!(receiving.await.unwrap().is_err());
    assert_eq!(sending.await.unwrap().unwrap_err().reason, Refusal::Closed);
    assert_eq!(now(), start);
}

#[tokio::test(start_paused = true)]
async fn what_a_sender_has_accepted_outlives_it() {
    let (mut peer, mut ws) = open(duplex(1024)).await;
    ws.sender(4).try_send("first").unwrap();
    ws.sender(4).try_send("second").unwrap();
    assert!(timeout(SECOND, ws.recv()).await.is_err());
    let said = frames(&read_for_long(&mut peer).await);
    assert_eq!(said, [(0x81, b"first".to_vec()), (0x81, b"second".to_vec())]);
}

#[tokio::test(start_paused = true)]
async fn a_sender_has_room_for_one_message_at_least() {
    let (_peer, mut ws) = open(duplex(1024)).await;
    let sender = ws.sender(0);
    sender.try_send("one").unwrap();
    assert_eq!(sender.try_send("two").unwrap_err().reason, Refusal::Full);
    let refused = sender.close(CloseCode::ABNORMAL, "").await.unwrap_err();
    assert_eq!(refused.reason, Refusal::CloseCode);
}

#[tokio::test(start_paused = true)]
async fn a_sender_knows_when_the_connection_has_ended() {
    let (peer, mut ws) = open(duplex(1024)).await;
    let sender = ws.sender(1);
    assert!(!sender.is_closed());
    drop(peer);
    ws.recv().await.unwrap_err();
    assert!(sender.is_closed());
    assert_eq!(sender.try_send("late").unwrap_err().reason, Refusal::Closed);
    assert_eq!(sender.send("late").await.unwrap_err().reason, Refusal::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_stream_tells_its_error_once() {
    let (peer, mut ws) = open(duplex(1024)).await;
    drop(peer);
    assert!(!ws.is_terminated());
    let mut next = async || poll_fn(|cx| Pin::new(&mut ws).poll_next(cx)).await;
    assert!(matches!(next().await, Some(Err(Error::Ended(_)))));
    assert_eq!(next().await, None);
    assert!(ws.is_terminated());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_was_dropped_unread_has_taken_nothing() {
    let (mut peer, mut ws) = open(duplex(1024)).await;
    peer.write_all(&frame(0x02, b"one")).await.unwrap();
    let _ = ws.recv_message().await.unwrap().unwrap();
    peer.write_all(&frame(0x80, b"two")).await.unwrap();
    let mut reader = ws.recv_message().await.unwrap().unwrap();
    let mut whole = vec![];
    while let Some(piece) = reader.next().await.unwrap() {
        whole.extend_from_slice(&piece);
    }
    assert_eq!(whole, b"onetwo");

    // A `recv` skips what is left of it, and counts.
    peer.write_all(&[frame(0x82, b"skipped"), frame(0x82, b"taken")].concat()).await.unwrap();
    let _ = ws.recv_message().await.unwrap().unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some(Message::binary(b"taken")));
    assert_eq!(ws.stats().discarded, 1);
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_message_that_is_not_asked_for_is_skipped_and_counted() {
    let (mut peer, mut ws) = open(duplex(1024)).await;
    for count in 1..3 {
        peer.write_all(&frame(0x02, b"begun")).await.unwrap();
        let mut reader = ws.recv_message().await.unwrap().unwrap();
        assert!(reader.next().await.unwrap().is_some());
        peer.write_all(&[frame(0x00, b"more"), frame(0x80, b"end"), frame(0x81, b"next")].concat())
            .await
            .unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some("next".into()));
        assert_eq!(ws.stats().discarded, count);
    }
}

#[tokio::test(start_paused = true)]
async fn messages_that_come_while_close_waits_are_counted() {
    let (mut peer, mut ws) = open(duplex(1024)).await;
    let close = frame(0x88, &1000u16.to_be_bytes());
    peer.write_all(&[frame(0x81, b"one"), frame(0x81, b"two"), frame(0x81, b"three"), close].concat())
        .await
        .unwrap();
    ws.close(CloseCode::NORMAL, "").await.unwrap();
    assert_eq!(ws.stats().discarded, 3);
    assert!(ws.closed().unwrap().is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_prepared_message_leaves_on_every_way_out() {
    let (mut peer, mut ws) = open(duplex(1024)).await;
    let prepared = Prepared::new("to all");
    ws.feed_prepared(&prepared).await.unwrap();
    ws.flush().await.unwrap();
    ws.sender(1).send(&prepared).await.unwrap();
    let (mut reader, mut writer) = ws.split();
    writer.feed_prepared(&prepared).await.unwrap();
    let receiving = tokio::spawn(async move { reader.recv().await.is_ok() });
    writer.flush().await.unwrap();
    let said = frames(&read_for_long(&mut peer).await);
    assert_eq!(said, vec![(0x81, b"to all".to_vec()); 3]);
    assert!(!receiving.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_message_in_pieces_may_be_resumed_or_aborted() {
    let (mut peer, mut ws) = open(duplex(1024)).await;
    assert!(ws.resume_message().is_none());
    let mut writer = ws.send_message(Kind::Text).await.unwrap();
    assert_eq!(writer.kind(), Kind::Text);
    writer.write("once ").await.unwrap();
    assert_eq!(ws.send("between").await.unwrap_err().reason, Refusal::MessageOpen);
    ws.resume_message().unwrap().finish("upon").await.unwrap();
    ws.send_message(Kind::Binary).await.unwrap().write("a time").await.unwrap();
    let frame = CloseFrame::new(CloseCode::new(4001), "no more");
    ws.resume_message().unwrap().abort(frame).await.unwrap();
    let said = frames(&read_for_long(&mut peer).await);
    let (firsts, payloads): (Vec<u8>, Vec<Vec<u8>>) = said.into_iter().unzip();
    assert_eq!(firsts, [0x01, 0x80, 0x02, 0x88]);
    assert_eq!(payloads[..3], [b"once ".to_vec(), b"upon".to_vec(), b"a time".to_vec()]);
    assert_eq!(payloads[3][..2], 4001u16.to_be_bytes());
    assert_eq!(ws.send("late").await.unwrap_err().reason, Refusal::Closed);
}

#[tokio::test]
async fn a_shutdown_reaches_a_handler_that_only_sends() {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let listener = Listener::bind("127.0.0.1:0").await.unwrap().service(
        Route::any(),
        Server::new(),
        |mut ws, _| async move {
            while ws.send("tick").await.is_ok() {
                tokio::task::yield_now().await;
            }
        },
    );
    let address = listener.get_ref().local_addr().unwrap();
    let serving = tokio::spawn(listener.serve(stopped));
    let mut client = Client::open(TcpStream::connect(address).await.unwrap(), ask("/")).await.unwrap();
    client.recv().await.unwrap();
    stop.send(()).unwrap();
    let received = client.closed().await.received.unwrap();
    assert_eq!(received.code, CloseCode::GOING_AWAY);
    assert_eq!(serving.await.unwrap().cut, 0);
}

#[tokio::test(start_paused = true)]
async fn a_close_by_a_sender_stands_behind_its_messages() {
    let (mut peer, mut ws) = open(duplex(1024)).await;
    let sender = ws.sender(8);
    for _ in 0..5 {
        sender.send(Message::from(vec![7u8; 5000])).await.unwrap();
    }
    sender.close(CloseCode::new(4000), "").await.unwrap();
    let receiving = tokio::spawn(async move { ws.recv().await.is_ok() });
    let said = read_for_long(&mut peer).await;
    assert_eq!((frames(&said).len(), close_code(&said)), (6, Some(4000)));
    drop(peer);
    receiving.await.unwrap();
}
