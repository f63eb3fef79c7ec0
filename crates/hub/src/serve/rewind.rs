//! A transport as hyper gets it: with what was read of it already put back in front, and watched: a client that does not
//! take what is written, and one that the kernel gives up, are silent.

use super::body::Silence;
use super::entry::TAKEN_WITHIN;
use super::taking::PIECE;
use bytes::{Buf, Bytes};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Reads what was read once more, then what the transport has. When the kernel gives the connection up, since the client
/// does not acknowledge what it is sent, this is noted.
#[derive(Debug)]
pub(super) struct Rewind<S> {
    read: Bytes,
    io: S,
    writing: Writing,
    silence: Silence,
}

/// Whether writing goes on. A peer that takes a byte now and then is not one that reads.
#[derive(Debug, Default)]
struct Writing {
    /// There while the transport takes nothing: by then it has to have taken a piece, or all there was.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Bytes that it has taken since.
    taken: usize,
}

impl Writing {
    fn watch<T>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            return done;
        }
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(TAKEN_WITHIN)));
        deadline.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    fn wrote(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let (Poll::Ready(Ok(len)), Some(_)) = (&done, &self.deadline) {
            self.taken += len;
            if self.taken >= PIECE {
                *self = Self::default();
            }
        }
        self.watch(cx, done)
    }

    fn flushed(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
        if done.is_ready() {
            *self = Self::default();
        }
        self.watch(cx, done)
    }
}

impl<S> Rewind<S> {
    pub(super) fn new(read: Bytes, io: S, silence: Silence) -> Self {
        Self { read, io, writing: Writing::default(), silence }
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
        let done = self.writing.wrote(cx, done);
        self.note(done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        let done = self.writing.wrote(cx, done);
        self.note(done)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.io).poll_flush(cx);
        let done = self.writing.flushed(cx, done);
        self.note(done)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.io).poll_shutdown(cx);
        let done = self.writing.flushed(cx, done);
        self.note(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

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

    /// Writes much to one who reads so much at a time, each time so long after the last: the end of it.
    async fn write_to(len: usize, pause: Duration) -> (io::Result<()>, Silence) {
        let (near, mut far) = duplex(16);
        let silence = Silence::default();
        let mut writer = Rewind::new(Bytes::new(), near, silence.clone());
        let reading = tokio::spawn(async move {
            let mut buffer = vec![0; len];
            while far.read_exact(&mut buffer).await.is_ok() {
                sleep(pause).await;
            }
        });
        let written = async {
            writer.write_all(&vec![0; 4 * PIECE]).await?;
            writer.flush().await
        };
        let written = written.await;
        reading.abort();
        (written, silence)
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_next_to_nothing_is_silent_and_who_reads_slowly_is_not() {
        let began = tokio::time::Instant::now();
        let (written, silence) = write_to(1, Duration::from_secs(1)).await;
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(silence.is_set());
        assert_eq!(began.elapsed(), TAKEN_WITHIN);
        let (written, silence) = write_to(PIECE, TAKEN_WITHIN.mul_f32(0.9)).await;
        assert!(written.is_ok() && !silence.is_set());
    }
}
