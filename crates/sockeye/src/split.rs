//! A connection in two halves, for two tasks.
//!
//! The reading half owns the inbound half and the timer; the outbound half stands, with the way to write, behind
//! one lock. The reading half takes it only to answer control frames. A TCP stream is read without any lock; other
//! transports (TLS) are shared behind a lock of their own.

use crate::driver::Driver;
use crate::error::Error;
use crate::sender::Sender;
use crate::sending::{self, Outlets};
use crate::stream;
use crate::streaming::{MessageReader, MessageWriter, Pieces};
use crate::timer::{self, Timer};
use crate::transport::{MustFlush, Outlet, Transport, Whole};
use crate::websocket::{Event, Stats};
use bytes::{Buf, BufMut};
use sockeye_proto::connection::SendError;
use sockeye_proto::{
    CloseCode, CloseFrame, Closed, Compress, Kind, Message, MessagePiece, Notice, Outbound, Payload, Prepared,
};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::tcp;

/// The receiving half. It also answers pings and keeps the deadlines, so it has to be polled.
#[derive(Debug)]
pub struct ReadHalf<S> {
    pub(crate) driver: Driver<Halved<S>>,
}

/// The sending half.
#[derive(Debug)]
pub struct WriteHalf<S> {
    shared: Arc<Shared<S>>,
    timer: Timer,
}

/// What both halves reach.
#[derive(Debug)]
struct Shared<S> {
    outlet: Mutex<Outlet<Writer<S>>>,
    wakers: Arc<Wakers>,
    /// The outbound half has something to tell the inbound half.
    has_notice: AtomicBool,
}

/// The transport wakes one waker for writing; this one wakes both tasks, so that neither robs the other.
#[derive(Debug, Default)]
struct Wakers {
    reader: Mutex<Option<Waker>>,
    writer: Mutex<Option<Waker>>,
}

/// The reading task's view.
#[derive(Debug)]
pub(crate) struct Halved<S> {
    reader: Reader<S>,
    shared: Arc<Shared<S>>,
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

/// Halves the transport under the driver; what was queued and read goes along.
pub(crate) fn split<S>(driver: Driver<Whole<S>>) -> (ReadHalf<S>, WriteHalf<S>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let driver = driver.map_transport(|whole| {
        let (reader, outlet) = halve(whole.0);
        let (wakers, has_notice) = (Arc::default(), AtomicBool::new(true));
        let shared = Arc::new(Shared { outlet: Mutex::new(outlet), wakers, has_notice });
        Halved { reader, shared, registered: None, must_flush: true }
    });
    let shared = driver.transport.shared.clone();
    (ReadHalf { driver }, WriteHalf { shared, timer: Timer::default() })
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
        (None, None) => unreachable!("the transport is one or the other"),
    };
    (reader, Outlet { outbound, writer, unflushed, is_awaited })
}

impl<S: AsyncRead + AsyncWrite + Unpin> Shared<S> {
    fn outlet(&self) -> MutexGuard<'_, Outlet<Writer<S>>> {
        self.outlet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the reading task where there is something to tell it, or room that it waits for.
    fn wake_reader(&self, outlet: &mut Outlet<Writer<S>>) {
        let outbound = &outlet.outbound;
        let is_free = !outbound.has_remaining() && outbound.open_message().is_none();
        let has_room = is_free && std::mem::take(&mut outlet.is_awaited);
        if outlet.outbound.has_notice() {
            self.has_notice.store(true, Ordering::Release);
        } else if !has_room {
            return;
        }
        wake(&self.wakers.reader);
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
    slot.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&Some(waker.clone()));
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
        let both = Waker::from(self.shared.wakers.clone());
        let mut outlet = self.shared.outlet();
        let result = work(&mut outlet, &mut Context::from_waker(&both));
        if outlet.outbound.has_notice() {
            self.shared.has_notice.store(true, Ordering::Release); // read before this poll ends
        }
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
        self.must_flush
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

impl<S: AsyncRead + AsyncWrite + Unpin> ReadHalf<S> {
    /// See [`WebSocket::recv`](crate::WebSocket::recv).
    pub async fn recv(&mut self) -> Result<Option<Message>, Error> {
        poll_fn(|cx| self.driver.poll_message(cx)).await
    }

    /// See [`WebSocket::next_event`](crate::WebSocket::next_event).
    pub async fn next_event(&mut self) -> Result<Option<Event>, Error> {
        poll_fn(|cx| self.driver.poll_user_event(cx)).await
    }

    /// See [`WebSocket::recv_message`](crate::WebSocket::recv_message).
    pub async fn recv_message(&mut self) -> Result<Option<MessageReader<'_, Self>>, Error> {
        let piece = poll_fn(|cx| self.driver.poll_piece(cx)).await?;
        Ok(piece.map(|piece| MessageReader::new(self, piece)))
    }

    /// See [`WebSocket::sender`](crate::WebSocket::sender).
    pub fn sender(&mut self, capacity: usize) -> Sender {
        self.driver.sender(capacity)
    }

    /// See [`WebSocket::closed`](crate::WebSocket::closed).
    pub fn closed(&self) -> Option<&Closed> {
        self.driver.closed()
    }

    /// See [`WebSocket::stats`](crate::WebSocket::stats).
    pub fn stats(&self) -> Stats {
        self.driver.stats()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Pieces for ReadHalf<S> {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<MessagePiece, Error>> {
        self.driver.poll_further_piece(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WriteHalf<S> {
    /// See [`WebSocket::send`](crate::WebSocket::send).
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), SendError<Message>> {
        self.feed(message).await?;
        self.flush()
            .await
            .map_err(|error| SendError { value: Message::binary(Payload::new()), reason: error.reason })
    }

    /// Queues a message; waits only while the queue is full. It leaves with the next [`flush`](Self::flush) or `send`,
    /// or when the reading half answers a control frame.
    pub async fn feed(&mut self, message: impl Into<Message>) -> Result<(), SendError<Message>> {
        sending::feed(self, message.into(), Compress::Auto).await
    }

    /// See [`WebSocket::feed_with`](crate::WebSocket::feed_with).
    pub async fn feed_with(
        &mut self,
        message: impl Into<Message>,
        compress: Compress,
    ) -> Result<(), SendError<Message>> {
        sending::feed(self, message.into(), compress).await
    }

    /// See [`WebSocket::feed_prepared`](crate::WebSocket::feed_prepared).
    pub async fn feed_prepared(&mut self, message: &Prepared) -> Result<(), SendError<()>> {
        sending::feed_prepared(self, message).await
    }

    /// See [`WebSocket::flush`](crate::WebSocket::flush).
    pub async fn flush(&mut self) -> Result<(), SendError<()>> {
        sending::flush(self).await
    }

    /// See [`WebSocket::ping`](crate::WebSocket::ping).
    pub async fn ping(&mut self, payload: impl Into<Payload>) -> Result<(), SendError<Payload>> {
        let payload = payload.into();
        sending::push(self, payload, |outbound, payload| outbound.ping(payload, timer::now())).await?;
        self.flush().await.map_err(|error| SendError { value: Payload::new(), reason: error.reason })
    }

    /// See [`WebSocket::pong`](crate::WebSocket::pong).
    pub async fn pong(&mut self, payload: impl Into<Payload>) -> Result<(), SendError<Payload>> {
        sending::push(self, payload.into(), Outbound::pong).await?;
        self.flush().await.map_err(|error| SendError { value: Payload::new(), reason: error.reason })
    }

    /// Begins the closing handshake: everything queued leaves, then a Close frame. The reading half tells when and
    /// how the connection has ended.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError<CloseFrame>> {
        self.with_outbound(|outbound| outbound.close(CloseFrame::new(code, reason)))?;
        let _ = self.flush().await; // the reading half tells what became of it
        Ok(())
    }

    /// See [`WebSocket::send_message`](crate::WebSocket::send_message).
    pub async fn send_message(&mut self, kind: Kind) -> Result<MessageWriter<'_, Self>, SendError<()>> {
        sending::push(self, (), |outbound, ()| outbound.begin_message(kind, Compress::Auto)).await?;
        Ok(MessageWriter::new(self, kind))
    }

    /// See [`WebSocket::resume_message`](crate::WebSocket::resume_message).
    pub fn resume_message(&mut self) -> Option<MessageWriter<'_, Self>> {
        let kind = self.with_outbound(|outbound| outbound.open_message())?;
        Some(MessageWriter::new(self, kind))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Outlets for WriteHalf<S> {
    fn with_outbound<R>(&mut self, work: impl FnOnce(&mut Outbound) -> R) -> R {
        let mut outlet = self.shared.outlet();
        let result = outlet.queue(work);
        self.shared.wake_reader(&mut outlet);
        result
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        register(&self.shared.wakers.writer, cx.waker());
        let both = Waker::from(self.shared.wakers.clone());
        loop {
            let mut outlet = self.shared.outlet();
            let flushed = outlet.poll_flush(&mut Context::from_waker(&both));
            self.shared.wake_reader(&mut outlet);
            if flushed.is_ready() {
                return Poll::Ready(());
            }
            let deadline = outlet.outbound.poll_timeout();
            drop(outlet);
            std::task::ready!(self.timer.poll(deadline, cx));
            self.shared.outlet().outbound.handle_timeout(timer::now());
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
