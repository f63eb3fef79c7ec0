//! An attack: a server's task on one end of a small pipe, the attacker's bytes on the other, in virtual time.
#![allow(dead_code, reason = "each test binary uses its own part of it")]

use super::memory::Memory;
use super::support::{Client, ask};
use sockeye::server::{AcceptError, Server};
use sockeye::{CloseFrame, Closed};
use sockeye_proto::extension::deflate::Deflate;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::time::Instant;

/// Bytes that the pipe holds each way; they count as the attacker's.
pub(crate) const PIPE: usize = 1024;

/// What an attacker's connection may cost.
pub(crate) const BUDGET: i64 = 64 << 10;

/// How an attack ended.
pub(crate) struct Outcome<T> {
    /// What the server's task came to.
    pub(crate) server: Result<Closed, AcceptError>,
    /// When it ended.
    pub(crate) after: Duration,
    /// What the attacker saw.
    pub(crate) attacker: T,
}

/// Sends every message back, until the end.
pub(crate) async fn echo(server: Server, io: DuplexStream) -> Result<Closed, AcceptError> {
    let mut ws = server.accept(io).await?;
    while let Ok(Some(message)) = ws.recv().await {
        let _ = ws.feed(message).await; // `recv` says when it is over
    }
    Ok(ws.closed().expect("recv has ended").clone())
}

/// Runs an attack on an echo server. Asserts that the server's task never held more than the budget.
pub(crate) async fn attack<T>(server: Server, attacker: impl AsyncFnOnce(DuplexStream) -> T) -> Outcome<T> {
    attack_on(|io| echo(server, io), attacker).await
}

/// Runs an attack on any server.
pub(crate) async fn attack_on<T, F: Future<Output = Result<Closed, AcceptError>>>(
    server: impl FnOnce(DuplexStream) -> F,
    attacker: impl AsyncFnOnce(DuplexStream) -> T,
) -> Outcome<T> {
    warm_up().await;
    let (near, far) = duplex(PIPE);
    let (begin, memory) = (Instant::now(), Memory::default());
    let serving = async {
        let result = memory.of(server(far)).await;
        (result, begin.elapsed())
    };
    let ((server, after), attacker) = tokio::join!(serving, attacker(near));
    let figures = memory.now();
    assert!(figures.task + figures.peak <= BUDGET, "the server held {figures:?}");
    Outcome { server, after, attacker }
}

/// Fills the thread's shared buffers and pools, which are no connection's own.
async fn warm_up() {
    let (near, far) = duplex(PIPE);
    let serving = echo(Server::new().deflate(Deflate::default()), far);
    let (closed, ()) = tokio::join!(serving, async {
        let request = ask("/").extension(Arc::new(Deflate::default()));
        let mut client = Client::open(near, request).await.expect("the server accepts");
        client.send("warm ".repeat(1000)).await;
        client.recv().await.expect("the echo");
        client.close(CloseFrame::EMPTY).await;
    });
    assert!(closed.expect("the server accepts").is_clean());
}

/// Writes `bytes` again and again, with a second's rest between, until the server has gone or a minute is over.
pub(crate) async fn flood(io: &mut DuplexStream, bytes: &[u8]) {
    for _ in 0..60 {
        if io.write_all(bytes).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Writes `bytes` one at a time, each after a second's rest, until the server has gone.
pub(crate) async fn drip(io: &mut DuplexStream, bytes: &[u8]) {
    for byte in bytes {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if io.write_all(&[*byte]).await.is_err() {
            return;
        }
    }
}
