//! An open connection, in one piece.

use crate::driver::Driver;
use crate::error::Error;
use crate::sender::{Mailbox, Sender};
use crate::sending::{self, Outlets};
use crate::split::{self, ReadHalf, WriteHalf};
use crate::streaming::{MessageReader, MessageWriter, Pieces};
use crate::timer::{self, Timer};
use crate::transport::{Outlet, Transport, Whole};
use bytes::BytesMut;
use sockeye_proto::connection::{Connection, Refusal, SendError, Setup, Traffic};
use sockeye_proto::{
    CloseCode, CloseFrame, Closed, Compress, Control, Kind, Message, MessagePiece, Outbound, Payload,
    Prepared,
};
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// An open WebSocket connection over the transport `S`.
///
/// Everything happens inside the calls of the task that owns it: pings are answered, deadlines kept and queued
/// messages written while it receives. A program that only sends should therefore [`split`](Self::split) it, or
/// receive now and then.
///
/// All methods are cancel-safe: a future that is dropped before it is ready has lost nothing and sent nothing by
/// half.
#[derive(Debug)]
pub struct WebSocket<S>(pub(crate) Box<Open<S>>);

/// On the heap as a whole: the compiler gives a value that moves through a task several places in it, each for the whole
/// life of the task.
#[derive(Debug)]
pub(crate) struct Open<S> {
    pub(crate) driver: Driver<Whole<S>>,
    /// What the handshake agreed on. Boxed twice: 8 bytes less for every connection that speaks none.
    subprotocol: Option<Box<Box<str>>>,
}

/// Something that came from the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A whole message.
    Message(Message),
    /// A ping; its answer is on its way.
    Ping(Payload),
    /// A pong.
    Pong {
        /// What it carries.
        payload: Payload,
        /// The round-trip time, where it answers the last ping that was sent.
        rtt: Option<Duration>,
    },
    /// The peer's Close frame; its answer is on its way.
    Close(CloseFrame),
}

/// What a connection is made of once the opening handshake is done.
pub(crate) struct Parts<S> {
    pub(crate) io: S,
    pub(crate) setup: Setup,
    /// What was read behind the handshake.
    pub(crate) rest: BytesMut,
    pub(crate) subprotocol: Option<String>,
    /// That of the handshake, if it has set one.
    pub(crate) timer: Timer,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    pub(crate) fn new(parts: Parts<S>) -> Self {
        let now = timer::now();
        let Connection { mut inbound, outbound } = Connection::new(parts.setup, now);
        inbound.handle_read(parts.rest.len(), now);
        let driver = Driver::new(Whole(Outlet::new(outbound, parts.io)), inbound, parts.rest, parts.timer);
        let subprotocol = parts.subprotocol.map(|name| Box::new(name.into()));
        Self(Box::new(Open { driver, subprotocol }))
    }

    /// The subprotocol that the handshake agreed on.
    pub fn subprotocol(&self) -> Option<&str> {
        self.0.subprotocol.as_ref().map(|name| &***name)
    }

    /// The next message; `None` once the connection has ended cleanly, whatever the close code. How it ended is in
    /// [`closed`](Self::closed). An end without a closing handshake is an error.
    ///
    /// While it waits it writes what was [fed](Self::feed), answers pings and keeps the deadlines.
    pub fn recv(&mut self) -> impl Future<Output = Result<Option<Message>, Error>> {
        poll_fn(|cx| self.0.driver.poll_message(cx))
    }

    /// Like [`recv`](Self::recv), but shows control frames too. They have been answered.
    pub async fn next_event(&mut self) -> Result<Option<Event>, Error> {
        poll_fn(|cx| self.0.driver.poll_user_event(cx)).await
    }

    /// The next message in pieces, of any size; also the rest of a message whose reader was dropped. `None` once the
    /// connection has ended cleanly.
    pub async fn recv_message(&mut self) -> Result<Option<MessageReader<'_, Self>>, Error> {
        let kind = poll_fn(|cx| self.0.driver.poll_kind(cx)).await?;
        Ok(kind.map(|kind| MessageReader::new(self, kind)))
    }

    /// Sends a message: [`feed`](Self::feed), then [`flush`](Self::flush). A message that is refused comes back; it does
    /// not where it was queued and the transport failed under it.
    pub fn send(
        &mut self,
        message: impl Into<Message>,
    ) -> impl Future<Output = Result<(), SendError<Option<Message>>>> {
        let message = message.into().by_words();
        sending::send(self, message, |outbound, message| outbound.feed(message, Compress::Auto))
    }

    /// Queues a message; waits only while the queue is full. It leaves when `recv` finds nothing more to read, or on
    /// [`flush`](Self::flush): so the answers to what one read brought leave in one write.
    ///
    /// Fails, and gives the message back, once the connection is closing.
    pub fn feed(
        &mut self,
        message: impl Into<Message>,
    ) -> impl Future<Output = Result<(), SendError<Message>>> {
        sending::feed(self, message.into(), Compress::Auto)
    }

    /// Like [`feed`](Self::feed), with a say in whether the message is compressed.
    pub fn feed_with(
        &mut self,
        message: impl Into<Message>,
        compress: Compress,
    ) -> impl Future<Output = Result<(), SendError<Message>>> {
        sending::feed(self, message.into(), compress)
    }

    /// Queues a message that is prepared for many connections.
    pub fn feed_prepared(&mut self, message: &Prepared) -> impl Future<Output = Result<(), SendError<()>>> {
        sending::feed_prepared(self, message)
    }

    /// Waits until everything queued has been given to the transport. Fails where the transport has failed.
    pub fn flush(&mut self) -> impl Future<Output = Result<(), SendError<()>>> {
        sending::flush(self)
    }

    /// Sends a ping of at most 125 bytes. Its pong gives the round-trip time in [`stats`](Self::stats).
    pub fn ping(
        &mut self,
        payload: impl Into<Payload>,
    ) -> impl Future<Output = Result<(), SendError<Option<Payload>>>> {
        sending::send(self, payload.into(), |outbound, payload| outbound.ping(payload, timer::now()))
    }

    /// Sends an unasked pong of at most 125 bytes (RFC 6455 5.5.3: a one-way heartbeat).
    pub fn pong(
        &mut self,
        payload: impl Into<Payload>,
    ) -> impl Future<Output = Result<(), SendError<Option<Payload>>>> {
        sending::send(self, payload.into(), Outbound::pong)
    }

    /// Closes the connection: everything queued leaves, then a Close frame with this code and at most 123 bytes of
    /// reason; then it awaits the peer's, all under the close deadline. Messages that still come are counted as
    /// discarded; to have them, use [`start_close`](Self::start_close) and go on receiving.
    ///
    /// On a connection that is closing already it waits for the end. A code that must not be sent is refused.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        match self.start_close(code, reason) {
            Err(refused) if refused.reason != Refusal::Closed => return Err(refused.into()),
            _ => {}
        }
        poll_fn(|cx| self.0.driver.poll_end(cx)).await
    }

    /// Queues a Close frame; nothing can be sent after it. Go on receiving until `None`.
    pub fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError<CloseFrame>> {
        self.queue(|outbound| outbound.close(CloseFrame::new(code, reason)))
    }

    /// Begins a message that leaves in pieces.
    pub async fn send_message(&mut self, kind: Kind) -> Result<MessageWriter<'_, Self>, SendError<()>> {
        sending::push(self, (), |outbound, ()| outbound.begin_message(kind, Compress::Auto)).await?;
        Ok(MessageWriter::new(self, kind))
    }

    /// The message that was begun and not finished, if there is one.
    pub fn resume_message(&mut self) -> Option<MessageWriter<'_, Self>> {
        let kind = self.look(Outbound::open_message)?;
        Some(MessageWriter::new(self, kind))
    }

    /// A handle that sends to this connection from anywhere. `capacity` messages may wait in its queue, which all
    /// handles share; of several calls the first one's capacity holds.
    pub fn sender(&mut self, capacity: usize) -> Sender {
        self.0.driver.sender(capacity)
    }

    /// How the connection ended: both Close frames, who began, and the cause. `None` while it is open.
    pub fn closed(&self) -> Option<&Closed> {
        self.0.driver.closed()
    }

    /// Figures since the handshake.
    pub fn stats(&self) -> Stats {
        self.0.driver.stats()
    }

    /// The transport.
    pub fn get_ref(&self) -> &S {
        &self.0.driver.transport.0.writer
    }

    /// The transport, for its settings; reading or writing it breaks the connection.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.0.driver.transport.0.writer
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> WebSocket<S> {
    /// Two halves for two tasks. Nothing is lost of what was queued or read.
    pub fn split(self) -> (ReadHalf<S>, WriteHalf<S>) {
        split::split(self.0.driver)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Outlets for WebSocket<S> {
    fn queue<R>(&mut self, work: impl FnOnce(&mut Outbound) -> R) -> R {
        self.0.driver.transport.0.queue(work)
    }

    fn look<R>(&self, look: impl FnOnce(&Outbound) -> R) -> R {
        look(&self.0.driver.transport.0.outbound)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.driver.poll_flush(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Pieces for WebSocket<S> {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<MessagePiece, Error>> {
        self.0.driver.poll_further_piece(cx)
    }
}

impl<T: Transport> Driver<T> {
    pub(crate) fn poll_user_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Event>, Error>> {
        use sockeye_proto::Event as Told;
        self.deliver_whole();
        loop {
            return Poll::Ready(match std::task::ready!(self.poll_event(cx)) {
                Some(Told::Message(message)) => Ok(Some(Event::Message(message))),
                Some(Told::Control(Control::Ping(payload))) => Ok(Some(Event::Ping(payload))),
                Some(Told::Control(Control::Pong { payload, rtt })) => Ok(Some(Event::Pong { payload, rtt })),
                Some(Told::Control(Control::Close(frame))) => Ok(Some(Event::Close(frame))),
                Some(_) => continue,
                None => self.end(),
            });
        }
    }

    pub(crate) fn sender(&mut self, capacity: usize) -> Sender {
        self.elsewhere().mailbox.get_or_insert_with(|| Box::new(Mailbox::new(capacity))).sender()
    }

    pub(crate) fn stats(&self) -> Stats {
        let (sent, queue_high_water, superseded_pongs) = self
            .transport
            .outbound(|outbound| (outbound.traffic(), outbound.high_water(), outbound.superseded_pongs()));
        Stats {
            received: self.inbound.traffic(),
            sent,
            rtt: self.inbound.rtt(),
            queue_high_water,
            superseded_pongs,
            discarded: self.discarded.into(),
        }
    }
}

/// Figures of a connection since its opening handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// From the peer.
    pub received: Traffic,
    /// To the peer.
    pub sent: Traffic,
    /// The last round-trip time that a ping has measured.
    pub rtt: Option<Duration>,
    /// The most bytes that have waited to be written at once.
    pub queue_high_water: usize,
    /// Pongs that were never sent, because a newer one took their place in a full control lane.
    pub superseded_pongs: u64,
    /// Messages that came and were not delivered: while `close` awaited the end, or because a reader of pieces was
    /// dropped and the rest was not asked for.
    pub discarded: u64,
}
