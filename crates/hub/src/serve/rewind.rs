//! A transport as hyper gets it: with what was read of it already put back in front, and watched for a timeout.

use super::body::Silence;
use bytes::{Buf, Bytes};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Reads what was read once more, then what the transport has. When the kernel gives the connection up, since the client
/// does not acknowledge what it is sent, this is noted.
#[derive(Debug)]
pub(super) struct Rewind<S> {
    read: Bytes,
    io: S,
    silence: Silence,
}

impl<S> Rewind<S> {
    pub(super) fn new(read: Bytes, io: S, silence: Silence) -> Self {
        Self { read, io, silence }
    }

    fn note<T>(&self, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &done
            && error.kind() == io::ErrorKind::TimedOut
        {
            self.silence.set();
        }
        done
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewind<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            let done = Pin::new(&mut self.io).poll_read(cx, buffer);
            return self.note(done);
        }
        let len = self.read.len().min(buffer.remaining());
        buffer.put_slice(&self.read[..len]);
        self.read.advance(len);
        if self.read.is_empty() {
            self.read = Bytes::new(); // lets go of the memory
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewind<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.note(done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.note(done)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.io).poll_flush(cx);
        self.note(done)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn what_was_read_comes_first() {
        for room in 1..8 {
            let first = Bytes::from_static(b"first, ");
            let mut rewound = Rewind::new(first, b"then".as_slice(), Silence::default());
            let mut all = Vec::new();
            let mut buffer = vec![0; room];
            loop {
                let len = rewound.read(&mut buffer).await.unwrap();
                if len == 0 {
                    break;
                }
                all.extend_from_slice(&buffer[..len]);
            }
            assert_eq!(all, b"first, then");
        }
    }
}
