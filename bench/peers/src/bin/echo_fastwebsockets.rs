//! The echo server of fastwebsockets.
//!
//! The handshake and the loop are those of its `examples/echo_server.rs`, and `--send` is that example. It has nothing
//! like `feed`, yet works on any stream, buffered ones included (`WebSocket::flush` speaks of them); so here replies
//! gather in a buffer below it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use fastwebsockets::{
    FragmentCollector, OpCode, Role, WebSocket, WebSocketError,
    upgrade::{UpgradeFut, upgrade},
};
use peers::{Options, Outcome, Peer, Transport, serve, serve_upgrade};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter, ReadBuf},
    task::unconstrained,
};

#[derive(Clone)]
struct Fastwebsockets {
    write_buffer: usize,
}

impl Peer for Fastwebsockets {
    async fn echo(self, stream: impl Transport) -> Outcome {
        serve_upgrade(stream, |mut request| {
            let (response, upgraded) = upgrade(&mut request)?;
            tokio::spawn(unconstrained(echo(upgraded, self.write_buffer)));
            Ok::<_, WebSocketError>(response)
        })
        .await
    }

    async fn echo_as_client(self, stream: impl Transport) -> Outcome {
        Ok(echo_on(BufWriter::with_capacity(self.write_buffer, stream), Role::Client).await?)
    }
}

async fn echo(upgraded: UpgradeFut, write_buffer: usize) -> Result<(), WebSocketError> {
    echo_on(BufWriter::with_capacity(write_buffer, upgraded.await?.into_inner()), Role::Server).await
}

async fn echo_on(stream: BufWriter<impl Transport>, role: Role) -> Result<(), WebSocketError> {
    let mut ws = FragmentCollector::new(WebSocket::after_handshake(FlushWhenDry(stream), role));
    loop {
        let frame = ws.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(ws.into_inner().shutdown().await?),
            OpCode::Text | OpCode::Binary => ws.write_frame(frame).await?,
            _ => {}
        }
    }
}

/// Keeps what is written until there is nothing more to read, or the buffer is full.
struct FlushWhenDry<S>(BufWriter<S>);

impl<S: Transport> AsyncRead for FlushWhenDry<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.0).poll_read(cx, buf) {
            Poll::Pending => {
                ready!(Pin::new(&mut self.0).poll_flush(cx))?;
                Poll::Pending
            }
            read => read,
        }
    }
}

impl<S: Transport> AsyncWrite for FlushWhenDry<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Without a buffer, a write stands for every frame.
fn main() -> io::Result<()> {
    let options = Options::from_args().without_deflate();
    let write_buffer = if options.send { 0 } else { 64 * 1024 };
    serve(Fastwebsockets { write_buffer }, options)
}
