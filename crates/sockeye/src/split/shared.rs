//! What two halves share, and the reading task's view of it.

use crate::stream;
use crate::transport::{MustFlush, Outlet, Transport};
use bytes::BufMut;
use sockeye_proto::{Notice, Outbound};
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::tcp;

/// What both halves reach.
#[derive(Debug)]
pub(super) struct Shared<S> {
    outlet: Mutex<Outlet<Writer<S>>>,
    wakers: Arc<Wakers>,
    /// The transport wakes one waker for writing; this one wakes both tasks, so that neither robs the other.
    pub(super) both: Waker,
    /// The outbound half has something to tell the inbound half.
    has_notice: AtomicBool,
    /// The transport took not everything: the reading task writes on and keeps the deadline, since whoever met that may
    /// have gone.
    is_blocked: AtomicBool,
}

#[derive(Debug, Default)]
struct Wakers {
    reader: Mutex<Option<Waker>>,
    writer: Mutex<Option<Waker>>,
}

/// The reading task's view.
#[derive(Debug)]
pub(crate) struct Halved<S> {
    reader: Reader<S>,
    pub(super) shared: Arc<Shared<S>>,
    /// The waker that stands in the shared wakers, so that it is only written there when it changes.
    registered: Option<Waker>,
    must_flush: bool,
}

#[derive(Debug)]
enum Reader<S> {
    Tcp(tcp::OwnedReadHalf),
    Any(tokio::io::ReadHalf<S>),
}

#[derive(Debug)]
pub(crate) enum Writer<S> {
    Tcp(tcp::OwnedWriteHalf),
    Any(tokio::io::WriteHalf<S>),
}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> Halved<S> {
    pub(super) fn new(outlet: Outlet<S>) -> Self {
        let (reader, outlet) = halve(outlet);
        let wakers = Arc::<Wakers>::default();
        let shared = Arc::new(Shared {
            outlet: Mutex::new(outlet),
            both: Waker::from(wakers.clone()),
            wakers,
            has_notice: AtomicBool::new(true),
            is_blocked: AtomicBool::new(false),
        });
        Self { reader, shared, registered: None, must_flush: true }
    }
}

fn halve<S: AsyncRead + AsyncWrite + 'static>(outlet: Outlet<S>) -> (Reader<S>, Outlet<Writer<S>>) {
    let Outlet { outbound, writer: io, unflushed, is_awaited } = outlet;
    let mut io = Some(io);
    let (reader, writer) = match (stream::take_tcp(&mut io), io) {
        (Some(tcp), _) => {
            let (reader, writer) = tcp.into_split();
            (Reader::Tcp(reader), Writer::Tcp(writer))
        }
        (None, Some(io)) => {
            let (reader, writer) = tokio::io::split(io);
            (Reader::Any(reader), Writer::Any(writer))
        }
        // `take_tcp` empties the option only where it gives the stream out.
        (None, None) => unreachable!("the transport is one or the other"),
    };
    (reader, Outlet { outbound, writer, unflushed, is_awaited })
}

impl<S: AsyncRead + AsyncWrite + Unpin> Shared<S> {
    pub(super) fn outlet(&self) -> MutexGuard<'_, Outlet<Writer<S>>> {
        self.outlet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes, under the lock, what the other task has to know. Whether the reading task has to be woken for it:
    /// because there is something to tell it, a message in pieces that it waited for has ended, or something has to be
    /// written that nobody else may write.
    pub(super) fn note(&self, outlet: &mut Outlet<Writer<S>>) -> bool {
        let outbound = &outlet.outbound;
        let (has_notice, is_blocked) = (outbound.has_notice(), outbound.is_blocked());
        let is_free = outbound.open_message().is_none();
        if has_notice {
            self.has_notice.store(true, Ordering::Release);
        }
        let newly_blocked = is_blocked && !self.is_blocked.swap(is_blocked, Ordering::AcqRel);
        if !is_blocked {
            self.is_blocked.store(false, Ordering::Release);
        }
        has_notice || newly_blocked || is_free && std::mem::take(&mut outlet.is_awaited)
    }

    /// The writing half goes and leaves something queued: the reading task writes it.
    pub(super) fn leave_to_reader(&self) {
        if self.outlet().is_waiting() {
            self.is_blocked.store(true, Ordering::Release);
            self.wake_reader();
        }
    }

    pub(super) fn wake_reader(&self) {
        wake(&self.wakers.reader);
    }

    pub(super) fn register_writer(&self, waker: &Waker) {
        register(&self.wakers.writer, waker);
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        wake(&self.reader);
        wake(&self.writer);
    }
}

fn register(slot: &Mutex<Option<Waker>>, waker: &Waker) {
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
}

fn wake(slot: &Mutex<Option<Waker>>) {
    // Cloned, so that no foreign code runs under the lock.
    let waker = slot.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Transport for Halved<S> {
    type Writer = Writer<S>;

    fn poll_read(&mut self, buffer: &mut impl BufMut, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match &mut self.reader {
            Reader::Tcp(tcp) => pin!(tcp.read_buf(buffer)).poll(cx),
            Reader::Any(io) => pin!(io.read_buf(buffer)).poll(cx),
        }
    }

    fn outlet<R>(
        &mut self,
        cx: &mut Context<'_>,
        work: impl FnOnce(&mut Outlet<Writer<S>>, &mut Context<'_>) -> R,
    ) -> R {
        self.register(cx);
        let mut outlet = self.shared.outlet();
        let result = work(&mut outlet, &mut Context::from_waker(&self.shared.both));
        let is_awaited = outlet.is_awaited;
        self.shared.note(&mut outlet); // read before this poll ends
        outlet.is_awaited = is_awaited;
        result
    }

    fn outbound<R>(&self, look: impl FnOnce(&Outbound) -> R) -> R {
        look(&self.shared.outlet().outbound)
    }

    fn poll_notice(&mut self, cx: &mut Context<'_>) -> Option<Notice> {
        self.register(cx);
        if !self.shared.has_notice.swap(false, Ordering::Acquire) {
            return None;
        }
        let mut outlet = self.shared.outlet();
        let notice = outlet.outbound.poll_notice();
        self.shared.has_notice.store(outlet.outbound.has_notice(), Ordering::Release);
        notice
    }

    fn must_flush(&self) -> bool {
        self.must_flush || self.shared.is_blocked.load(Ordering::Acquire)
    }

    fn write_deadline(&self) -> Option<Instant> {
        let is_blocked = self.shared.is_blocked.load(Ordering::Acquire);
        if is_blocked { self.outbound(Outbound::poll_timeout) } else { None }
    }

    fn set_must_flush(&mut self, must: MustFlush) {
        self.must_flush = must == MustFlush::Yes;
    }

    fn wake_writer(&self) {
        wake(&self.shared.wakers.writer);
    }
}

impl<S> Halved<S> {
    fn register(&mut self, cx: &Context<'_>) {
        if !self.registered.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            register(&self.shared.wakers.reader, cx.waker());
            self.registered = Some(cx.waker().clone());
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Writer<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Any(io) => Pin::new(io).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write_vectored(cx, slices),
            Self::Any(io) => Pin::new(io).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(tcp) => tcp.is_write_vectored(),
            Self::Any(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Any(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Any(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}
