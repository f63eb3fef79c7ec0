//! A connection in two halves, for two tasks.
//!
//! The reading half owns the inbound half and the timer; the outbound half stands, with the way to write, behind
//! one lock. The reading half takes it to answer control frames and to write what the transport did not take at once.
//! A TCP stream is read without any lock; other transports (TLS) are shared behind a lock of their own.

mod shared;

pub(crate) use shared::Halved;

use crate::driver::Driver;
use crate::error::Error;
use crate::sender::Sender;
use crate::sending::{self, Outlets};
use crate::streaming::{MessageReader, MessageWriter, Pieces};
use crate::timer::{self, Timer};
use crate::transport::Whole;
use crate::websocket::{Event, Stats};
use shared::Shared;
use sockeye_proto::connection::SendError;
use sockeye_proto::{
    CloseCode, CloseFrame, Closed, Compress, Kind, Message, MessagePiece, Outbound, Payload, Prepared,
};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite};

/// The receiving half. It also answers pings, keeps the deadlines and writes on where the transport was blocked, so it
/// has to be polled.
#[derive(Debug)]
pub struct ReadHalf<S> {
    pub(crate) driver: Driver<Halved<S>>,
}

/// The sending half. What it has queued when it is dropped is written by the reading half.
#[derive(Debug)]
pub struct WriteHalf<S: AsyncRead + AsyncWrite + Unpin> {
    shared: Arc<Shared<S>>,
    timer: Timer,
    registered: Option<Waker>,
}

/// Halves the transport under the driver; what was queued and read goes along.
pub(crate) fn split<S>(driver: Driver<Whole<S>>) -> (ReadHalf<S>, WriteHalf<S>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let driver = driver.map_transport(|whole| Halved::new(whole.0));
    let shared = driver.transport.shared.clone();
    (ReadHalf { driver }, WriteHalf { shared, timer: Timer::default(), registered: None })
}

impl<S: AsyncRead + AsyncWrite + Unpin> ReadHalf<S> {
    /// See [`WebSocket::recv`](crate::WebSocket::recv).
    pub fn recv(&mut self) -> impl Future<Output = Result<Option<Message>, Error>> {
        poll_fn(|cx| self.driver.poll_message(cx))
    }

    /// See [`WebSocket::next_event`](crate::WebSocket::next_event).
    pub async fn next_event(&mut self) -> Result<Option<Event>, Error> {
        poll_fn(|cx| self.driver.poll_user_event(cx)).await
    }

    /// See [`WebSocket::recv_message`](crate::WebSocket::recv_message).
    pub async fn recv_message(&mut self) -> Result<Option<MessageReader<'_, Self>>, Error> {
        let kind = poll_fn(|cx| self.driver.poll_kind(cx)).await?;
        Ok(kind.map(|kind| MessageReader::new(self, kind)))
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
    pub fn send(
        &mut self,
        message: impl Into<Message>,
    ) -> impl Future<Output = Result<(), SendError<Option<Message>>>> {
        let message = message.into().by_words();
        sending::send(self, message, |outbound, message| outbound.feed(message, Compress::Auto))
    }

    /// Queues a message; waits only while the queue is full. It leaves with the next [`flush`](Self::flush) or `send`,
    /// or when the reading half answers a control frame.
    pub fn feed(
        &mut self,
        message: impl Into<Message>,
    ) -> impl Future<Output = Result<(), SendError<Message>>> {
        sending::feed(self, message.into(), Compress::Auto)
    }

    /// See [`WebSocket::feed_with`](crate::WebSocket::feed_with).
    pub fn feed_with(
        &mut self,
        message: impl Into<Message>,
        compress: Compress,
    ) -> impl Future<Output = Result<(), SendError<Message>>> {
        sending::feed(self, message.into(), compress)
    }

    /// See [`WebSocket::feed_prepared`](crate::WebSocket::feed_prepared).
    pub fn feed_prepared(&mut self, message: &Prepared) -> impl Future<Output = Result<(), SendError<()>>> {
        sending::feed_prepared(self, message)
    }

    /// See [`WebSocket::flush`](crate::WebSocket::flush).
    pub fn flush(&mut self) -> impl Future<Output = Result<(), SendError<()>>> {
        sending::flush(self)
    }

    /// See [`WebSocket::ping`](crate::WebSocket::ping).
    pub fn ping(
        &mut self,
        payload: impl Into<Payload>,
    ) -> impl Future<Output = Result<(), SendError<Option<Payload>>>> {
        sending::send(self, payload.into(), |outbound, payload| outbound.ping(payload, timer::now()))
    }

    /// See [`WebSocket::pong`](crate::WebSocket::pong).
    pub fn pong(
        &mut self,
        payload: impl Into<Payload>,
    ) -> impl Future<Output = Result<(), SendError<Option<Payload>>>> {
        sending::send(self, payload.into(), Outbound::pong)
    }

    /// Begins the closing handshake: everything queued leaves, then a Close frame. The reading half tells when and
    /// how the connection has ended.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError<CloseFrame>> {
        self.queue(|outbound| outbound.close(CloseFrame::new(code, reason)))?;
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
        let kind = self.look(Outbound::open_message)?;
        Some(MessageWriter::new(self, kind))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Outlets for WriteHalf<S> {
    fn queue<R>(&mut self, work: impl FnOnce(&mut Outbound) -> R) -> R {
        let mut outlet = self.shared.outlet();
        let result = outlet.queue(work);
        let must_wake = self.shared.note(&mut outlet);
        drop(outlet);
        if must_wake {
            self.shared.wake_reader();
        }
        result
    }

    fn look<R>(&self, look: impl FnOnce(&Outbound) -> R) -> R {
        look(&self.shared.outlet().outbound)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.registered.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.shared.register_writer(cx.waker());
            self.registered = Some(cx.waker().clone());
        }
        loop {
            let mut outlet = self.shared.outlet();
            let flushed = outlet.poll_flush(&mut Context::from_waker(&self.shared.both));
            let (must_wake, deadline) = (self.shared.note(&mut outlet), outlet.outbound.poll_timeout());
            drop(outlet);
            if must_wake {
                self.shared.wake_reader();
            }
            if flushed.is_ready() {
                return Poll::Ready(());
            }
            std::task::ready!(self.timer.poll(deadline, cx));
            self.shared.outlet().outbound.handle_timeout(timer::now());
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Drop for WriteHalf<S> {
    fn drop(&mut self) {
        self.shared.leave_to_reader();
    }
}
