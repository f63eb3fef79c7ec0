//! The one timer of a connection serves every deadline, whichever it was set for before.

mod support;

use sockeye::server::Server;
use sockeye::{Cause, Deadline, KeepAlive, Limits, WebSocket};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use support::{frame, now, read_head, request};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

const SECOND: Duration = Duration::from_secs(1);

async fn open(keep_alive: KeepAlive) -> (DuplexStream, WebSocket<DuplexStream>) {
    open_after(Duration::ZERO, keep_alive).await
}

/// The request comes after some time, for which the handshake has set its timer.
async fn open_after(wait: Duration, keep_alive: KeepAlive) -> (DuplexStream, WebSocket<DuplexStream>) {
    let mut limits = Limits::default();
    limits.timing.keep_alive = keep_alive;
    limits.timing.write = Some(5 * SECOND);
    let (mut peer, far) = duplex(1024);
    let accepting = tokio::spawn(async move { Server::new().limits(limits).accept(far).await.unwrap() });
    tokio::time::sleep(wait).await;
    peer.write_all(&request("/", "")).await.unwrap();
    read_head(&mut peer).await;
    (peer, accepting.await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn the_write_deadline_is_kept_while_the_timer_of_silence_runs() {
    let (_peer, mut ws) = open(KeepAlive::Ping { after: 60 * SECOND, timeout: 60 * SECOND }).await;
    let start = now();
    assert!(poll_fn(|cx| Poll::Ready(pin!(ws.recv()).poll(cx).is_pending())).await, "it waits for silence");
    ws.feed(vec![1; 5000]).await.unwrap();
    let error = ws.recv().await.unwrap_err();
    assert_eq!(error.cause(), Some(Cause::Timeout(Deadline::Write)));
    assert_eq!(now() - start, 5 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_silence_is_kept_behind_a_later_one_of_a_pong() {
    let (mut peer, mut ws) = open(KeepAlive::Ping { after: 10 * SECOND, timeout: 60 * SECOND }).await;
    let start = now();
    let serving = tokio::spawn(async move { ws.recv().await });
    for pings in 1..4 {
        let mut ping = [0; 10];
        peer.read_exact(&mut ping).await.unwrap();
        assert_eq!((&ping[..2], now() - start), (&[0x89, 8][..], (11 * pings - 1) * SECOND));
        tokio::time::sleep(SECOND).await;
        peer.write_all(&frame(0x8a, &ping[2..])).await.unwrap();
    }
    drop(peer);
    serving.await.unwrap().unwrap_err();
}

/// The handshake's own deadline is 10 s.
#[tokio::test(start_paused = true)]
async fn a_ping_leaves_when_it_is_due_whenever_the_handshake_would_have_ended() {
    for after in [5, 10, 60] {
        let keep_alive = KeepAlive::Ping { after: after * SECOND, timeout: 60 * SECOND };
        let (mut peer, mut ws) = open_after(2 * SECOND, keep_alive).await;
        let start = now();
        let serving = tokio::spawn(async move { ws.recv().await });
        let mut ping = [0; 10];
        peer.read_exact(&mut ping).await.unwrap();
        assert_eq!((&ping[..2], now() - start), (&[0x89, 8][..], after * SECOND));
        drop(peer);
        serving.await.unwrap().unwrap_err();
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_deadlines_outlives_that_of_its_handshake() {
    let (mut peer, mut ws) = open_after(2 * SECOND, KeepAlive::Off).await;
    assert!(tokio::time::timeout(1000 * SECOND, ws.recv()).await.is_err(), "nothing was said");
    peer.write_all(&frame(0x82, b"a")).await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap().as_bytes(), b"a");
}
