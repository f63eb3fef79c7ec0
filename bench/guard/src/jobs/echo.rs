//! The library's server over a transport that is none: its client's bytes are there already, and nobody reads its own.

use super::frame;
use super::protocol::all_of;
use sockeye::Kind;
use sockeye::server::Server;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::{Builder, Runtime};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// Echoes messages, of which so many come at once.
pub fn run(size: usize, in_flight: usize, messages: u64) -> io::Result<()> {
    let batch = frame(Kind::Binary, &vec![7; size]).repeat(in_flight);
    let echo = batch.len() / in_flight - 4; // without its masking key
    let pipe = Pipe::new(batch, messages / in_flight as u64);
    let serving = async move {
        let mut ws = Server::new().accept(pipe).await.map_err(io::Error::other)?;
        let answer = ws.get_ref().written;
        while let Ok(Some(message)) = ws.recv().await {
            ws.feed(message).await.map_err(|refused| io::Error::other(refused.reason.to_string()))?;
        }
        Ok::<_, io::Error>(ws.get_ref().written - answer)
    };
    // A task, as a server has it.
    let written = runtime()?.block_on(async { tokio::spawn(serving).await })??;
    all_of(messages, written / echo as u64)
}

/// Opens so many connections.
pub fn handshakes(messages: u64) -> io::Result<()> {
    let server = Server::new();
    let opened = runtime()?.block_on(async {
        let mut opened = 0;
        for _ in 0..messages {
            let ws = server.accept(Pipe::new(Vec::new(), 0)).await;
            opened += u64::from(ws.is_ok());
        }
        opened
    });
    all_of(messages, opened)
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Brings a request for the handshake, then the same bytes again and again, each time after its reader has waited for
/// them, then the end. Takes whatever is written.
struct Pipe {
    state: State,
    batch: Vec<u8>,
    /// Where in the batch the next read begins.
    at: usize,
    batches: u64,
    written: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Opening,
    /// There is something to read.
    Ready,
    /// Whoever reads next has to wait.
    Dry,
}

impl Pipe {
    fn new(batch: Vec<u8>, batches: u64) -> Self {
        Self { state: State::Opening, batch, at: 0, batches, written: 0 }
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let pipe = &mut *self;
        match pipe.state {
            State::Opening => {
                buffer.put_slice(REQUEST);
                pipe.state = State::Dry;
            }
            State::Dry => {
                pipe.state = State::Ready;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            State::Ready if pipe.batches == 0 => {} // the end
            State::Ready => {
                let rest = &pipe.batch[pipe.at..];
                let len = rest.len().min(buffer.remaining());
                buffer.put_slice(&rest[..len]);
                pipe.at += len;
                if pipe.at == pipe.batch.len() {
                    (pipe.at, pipe.batches, pipe.state) = (0, pipe.batches - 1, State::Dry);
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.written += bytes.len() as u64;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = slices.iter().map(|slice| slice.len()).sum();
        self.written += len as u64;
        Poll::Ready(Ok(len))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
