//! What the driver needs of a transport, whole or halved between two tasks.

use crate::{block, timer};
use bytes::{Buf, BufMut};
use sockeye_proto::{Notice, Outbound};
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

/// Pieces that one write takes.
const SLICES: usize = 64;

/// A way to read, and the outbound half with the way to write it.
pub(crate) trait Transport {
    /// What is written to.
    type Writer: AsyncWrite + Unpin;

    /// Reads some bytes; zero at the end.
    fn poll_read(&mut self, buffer: &mut impl BufMut, cx: &mut Context<'_>) -> Poll<io::Result<usize>>;

    /// Works on the outbound half. With a context, writing is polled under a waker that serves all who write.
    fn outlet<R>(
        &mut self,
        cx: &mut Context<'_>,
        work: impl FnOnce(&mut Outlet<Self::Writer>, &mut Context<'_>) -> R,
    ) -> R;

    /// Looks at the outbound half.
    fn outbound<R>(&self, look: impl FnOnce(&Outbound) -> R) -> R;

    /// What the outbound half has to tell the inbound half; whoever tells it later wakes this task.
    fn poll_notice(&mut self, cx: &mut Context<'_>) -> Option<Notice>;

    /// Whether the reading task has to write what waits: because it queued it, because nobody else will, or because
    /// the transport was blocked and whoever met that may have gone.
    fn must_flush(&self) -> bool;

    /// When the write deadline is due, if it runs.
    fn write_deadline(&self) -> Option<Instant>;

    /// The reading task has queued something, or has written everything.
    fn set_must_flush(&mut self, must: MustFlush);

    /// Wakes the task that writes, if that is another.
    fn wake_writer(&self);
}

/// Whether the reading task has something to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MustFlush {
    Yes,
    No,
}

/// The outbound half and where it is written to.
#[derive(Debug)]
pub(crate) struct Outlet<W> {
    pub(crate) outbound: Outbound,
    pub(crate) writer: W,
    /// Bytes were handed to the transport that it may hold back until it is flushed.
    pub(crate) unflushed: bool,
    /// The reading task has something to send, once the message that is open for pieces has ended.
    pub(crate) is_awaited: bool,
}

impl<W: AsyncWrite + Unpin> Outlet<W> {
    pub(crate) fn new(outbound: Outbound, writer: W) -> Self {
        Self { outbound, writer, unflushed: false, is_awaited: false }
    }

    /// Queues something, in a buffer of the thread's.
    pub(crate) fn queue<R>(&mut self, work: impl FnOnce(&mut Outbound) -> R) -> R {
        let had_buffer = self.outbound.has_buffer();
        if !had_buffer {
            self.outbound.lend_buffer(block::take_write());
        }
        let result = work(&mut self.outbound);
        if !had_buffer {
            self.reclaim(); // where nothing was queued
        }
        result
    }

    /// Whether anything waits to be written.
    pub(crate) fn is_waiting(&self) -> bool {
        self.unflushed || self.outbound.has_remaining()
    }

    /// Writes until nothing waits. A transport that fails takes nothing more; the reading task learns why.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.outbound.is_broken() {
            match self.poll_write_all(cx) {
                Poll::Ready(Ok(())) => self.outbound.handle_flushed(),
                Poll::Ready(Err(_)) => self.outbound.handle_transport_error(),
                Poll::Pending => {
                    self.outbound.handle_blocked(timer::now());
                    return Poll::Pending;
                }
            }
        }
        self.unflushed = false;
        self.reclaim();
        Poll::Ready(())
    }

    fn reclaim(&mut self) {
        if let Some(buffer) = self.outbound.reclaim_buffer() {
            block::return_write(buffer);
        }
    }

    /// Tells the peer that nothing more will come, as far as that can be done now.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.writer).poll_shutdown(cx).map(drop)
    }

    fn poll_write_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut remaining = self.outbound.remaining();
        while remaining > 0 {
            let written = ready!(self.poll_write(cx, remaining))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outbound.advance(written);
            self.unflushed = true;
            remaining -= written;
        }
        if self.unflushed { Pin::new(&mut self.writer).poll_flush(cx) } else { Poll::Ready(Ok(())) }
    }

    /// Writes once of `remaining` bytes. What stands in one piece needs no vector, which costs the kernel time.
    fn poll_write(&mut self, cx: &mut Context<'_>, remaining: usize) -> Poll<io::Result<usize>> {
        let writer = Pin::new(&mut self.writer);
        let chunk = self.outbound.chunk();
        if chunk.len() == remaining || !writer.is_write_vectored() {
            return writer.poll_write(cx, chunk);
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = self.outbound.chunks_vectored(&mut slices);
        writer.poll_write_vectored(cx, &slices[..count])
    }
}

/// A transport in one piece: nothing is locked.
#[derive(Debug)]
pub(crate) struct Whole<S>(pub(crate) Outlet<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Transport for Whole<S> {
    type Writer = S;

    fn poll_read(&mut self, buffer: &mut impl BufMut, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        pin!(self.0.writer.read_buf(buffer)).poll(cx)
    }

    fn outlet<R>(
        &mut self,
        cx: &mut Context<'_>,
        work: impl FnOnce(&mut Outlet<S>, &mut Context<'_>) -> R,
    ) -> R {
        work(&mut self.0, cx)
    }

    fn outbound<R>(&self, look: impl FnOnce(&Outbound) -> R) -> R {
        look(&self.0.outbound)
    }

    fn poll_notice(&mut self, _: &mut Context<'_>) -> Option<Notice> {
        self.0.outbound.poll_notice()
    }

    fn must_flush(&self) -> bool {
        self.0.is_waiting()
    }

    fn write_deadline(&self) -> Option<Instant> {
        self.0.outbound.poll_timeout()
    }

    fn set_must_flush(&mut self, _: MustFlush) {}

    fn wake_writer(&self) {}
}
