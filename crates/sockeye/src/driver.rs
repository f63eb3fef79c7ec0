//! The loop between the state machine and the transport: what a task does each time it is polled for reading.

use crate::block::{self, Because, Block, Rest};
use crate::error::Error;
use crate::sender::Mailbox;
use crate::server::drain::Member;
use crate::timer::{self, Timer};
use crate::trace::ConnectionSpan;
use crate::transport::{MustFlush, Outlet, Transport};
use bytes::BytesMut;
use sockeye_proto::connection::{Delivery, Refusal};
use sockeye_proto::{
    Cause, CloseCode, CloseFrame, Closed, Event, Inbound, Kind, Message, MessagePiece, Notice, Outbound,
};
use std::io::ErrorKind;
use std::task::{Context, Poll};
use std::time::Instant;

/// The reading side of a connection: it owns the inbound half, the timer and what was read but not parsed.
#[derive(Debug)]
pub(crate) struct Driver<T> {
    pub(crate) transport: T,
    pub(crate) inbound: Inbound,
    rest: Rest,
    timer: Timer,
    /// Gone where nobody may speak to the connection from elsewhere: it has no `Sender`, and no `Listener`.
    elsewhere: Option<Box<Elsewhere>>,
    closed: Option<Box<Closed>>,
    /// Messages that came and were not delivered, because `close` awaited the peer's Close frame.
    pub(crate) discarded: u32,
    is_shut: bool,
    /// The end has been told as an item of a stream.
    pub(crate) is_told: bool,
    /// The piece with which a message has begun that is received in pieces, until its reader takes it.
    peeked: Option<Box<MessagePiece>>,
    span: ConnectionSpan,
}

/// Who speaks to the connection from elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Elsewhere {
    /// What comes from the `Sender`s, if there are any.
    pub(crate) mailbox: Option<Box<Mailbox>>,
    /// Where a server may call for the end; gone once it has.
    pub(crate) drain: Option<Member>,
}

impl<T: Transport> Driver<T> {
    pub(crate) fn new(transport: T, inbound: Inbound, rest: BytesMut, timer: Timer) -> Self {
        let rest = Rest::new(rest);
        let span = ConnectionSpan::new(transport.outbound(Outbound::role));
        Self {
            transport,
            inbound,
            rest,
            timer,
            elsewhere: None,
            closed: None,
            discarded: 0,
            is_shut: false,
            is_told: false,
            peeked: None,
            span,
        }
    }

    /// The same over another transport.
    pub(crate) fn map_transport<U>(self, map: impl FnOnce(T) -> U) -> Driver<U> {
        Driver {
            transport: map(self.transport),
            inbound: self.inbound,
            rest: self.rest,
            timer: self.timer,
            elsewhere: self.elsewhere,
            closed: self.closed,
            discarded: self.discarded,
            is_shut: self.is_shut,
            is_told: self.is_told,
            peeked: self.peeked,
            span: self.span,
        }
    }

    /// How the connection ended, once it has.
    pub(crate) fn closed(&self) -> Option<&Closed> {
        self.closed.as_deref()
    }

    /// The next event; `None` once the connection has ended. What waits to be written is written when there is
    /// nothing more to parse, so that the answers to one read leave in one write.
    ///
    /// Cancel-safe: everything that was read is in `self` whenever this is pending.
    #[inline(never)] // out of the short way of messages
    pub(crate) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        while self.closed.is_none() {
            let event = match self.parse() {
                Some(event) => self.handle_event(event, cx),
                None => match std::task::ready!(self.poll_progress(cx)) {
                    Some(block) => self.event_of(block, cx),
                    None => None,
                },
            };
            if event.is_some() {
                return Poll::Ready(event);
            }
        }
        Poll::Ready(None)
    }

    /// What comes first in a block, which is given back.
    #[cold] // as `poll_event`
    fn event_of(&mut self, mut block: Box<Block>, cx: &mut Context<'_>) -> Option<Event> {
        let event = block.parse_event(&mut self.inbound);
        block::return_read(block, &mut self.rest, Because::MayParseOn);
        self.handle_event(event?, cx)
    }

    /// Answers a control frame. The event as others see it, if they do.
    fn handle_event(&mut self, event: Event, cx: &mut Context<'_>) -> Option<Event> {
        self.span.event(&event);
        if let Event::Control(control) = &event {
            self.transport.outlet(cx, |outlet, _| outlet.queue(|outbound| outbound.handle_control(control)));
            self.transport.set_must_flush(MustFlush::Yes);
            self.exchange(cx);
        }
        if let Event::Closed(closed) = event {
            self.handle_closed(closed, cx);
            return None;
        }
        Some(event)
    }

    /// The next event of what is here already.
    #[inline]
    fn parse(&mut self) -> Option<Event> {
        if self.rest.is_empty() && self.inbound.is_at_rest() {
            return None;
        }
        self.rest.parse_event(&mut self.inbound)
    }

    /// The next event of what is here already, if it is a message that is whole.
    #[inline]
    fn parse_message(&mut self) -> Option<Message> {
        let message = self.rest.parse_message(&mut self.inbound)?;
        self.span.message(&message);
        Some(message)
    }

    /// Nothing is left to parse: writes, reads, and looks at the clock. The block with what was read, if it is to be parsed
    /// from there.
    fn poll_progress(&mut self, cx: &mut Context<'_>) -> Poll<Option<Box<Block>>> {
        if self.elsewhere.is_some() {
            self.poll_elsewhere(cx);
        } else {
            self.poll_write(cx);
        }
        if self.exchange(cx) {
            return Poll::Ready(None);
        }
        let is_quiet = self.inbound.is_quiet();
        if !is_quiet && self.poll_end_or_timeout(cx) {
            return Poll::Ready(None);
        }
        if let Poll::Ready(block) = self.poll_read(cx) {
            return Poll::Ready(block);
        }
        let write_deadline = self.transport.write_deadline();
        // The deadline of silence only moves on.
        let is_lasting = is_quiet && write_deadline.is_none();
        if is_lasting && self.timer.lasts(cx.waker()) {
            return Poll::Pending;
        }
        if self.timer.poll(earlier(self.inbound.poll_timeout(), write_deadline), cx).is_pending() {
            if is_lasting {
                self.timer.set_lasting();
            }
            return Poll::Pending;
        }
        self.handle_timeout(cx);
        Poll::Ready(None)
    }

    /// Shuts the transport down when all is said, and looks whether a deadline has passed, which is handled then.
    #[inline(never)] // nearly always it is quiet
    fn poll_end_or_timeout(&mut self, cx: &mut Context<'_>) -> bool {
        if self.inbound.wants_shutdown() && !self.is_shut {
            self.is_shut = self.transport.outlet(cx, Outlet::poll_shutdown).is_ready();
        }
        let is_overdue = self.inbound.is_overdue();
        if is_overdue {
            self.handle_timeout(cx);
        }
        is_overdue
    }

    /// Reads once.
    #[inline]
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Box<Block>>> {
        // In the middle of a payload nothing is left unparsed.
        if let Some(mut room) = self.inbound.direct() {
            let read = std::task::ready!(self.transport.poll_read(&mut room, cx));
            self.handle_read(read);
            return Poll::Ready(None);
        }
        let mut block = block::take_read(&mut self.rest);
        let Poll::Ready(read) = self.transport.poll_read(&mut block.room(), cx) else {
            block::return_read(block, &mut self.rest, Because::Waiting);
            return Poll::Pending;
        };
        block.brought(*read.as_ref().unwrap_or(&0));
        self.handle_read(read);
        Poll::Ready(Some(block))
    }

    #[inline]
    fn handle_read(&mut self, read: std::io::Result<usize>) {
        match read {
            Ok(0) => self.inbound.handle_eof(),
            Ok(len) => self.inbound.handle_read(len, timer::now()),
            Err(error) => self.inbound.handle_transport_error(error.kind()),
        }
    }

    /// Carries the outbound half's notices to the inbound half. Whether there were any.
    #[inline]
    fn exchange(&mut self, cx: &mut Context<'_>) -> bool {
        match self.transport.poll_notice(cx) {
            Some(notice) => self.handle_notices(notice, cx),
            None => return false,
        }
        true
    }

    #[inline(never)] // seldom, and too long to stand in every poll
    fn handle_notices(&mut self, first: Notice, cx: &mut Context<'_>) {
        let mut next = Some(first);
        while let Some(notice) = next {
            self.inbound.handle_notice(notice, timer::now());
            next = self.transport.poll_notice(cx);
        }
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        let now = timer::now();
        self.transport.outlet(cx, |outlet, _| outlet.outbound.handle_timeout(now));
        self.exchange(cx);
        while let Some(control) = self.inbound.handle_timeout(now) {
            self.transport.outlet(cx, |outlet, _| outlet.queue(|outbound| outbound.handle_control(&control)));
            self.transport.set_must_flush(MustFlush::Yes);
            self.exchange(cx);
        }
    }

    /// Takes what is said from elsewhere, and writes.
    fn poll_elsewhere(&mut self, cx: &mut Context<'_>) {
        self.poll_drain(cx);
        // Once all is written, what found no room is taken.
        while self.poll_mailbox(cx) & self.poll_write(cx) {}
    }

    /// Where others put what they have to say.
    pub(crate) fn elsewhere(&mut self) -> &mut Elsewhere {
        self.elsewhere.get_or_insert_default()
    }

    /// Queues a Close frame when the server shuts down; what waits in the mailbox leaves before it, while there is room.
    fn poll_drain(&mut self, cx: &mut Context<'_>) {
        let drain = self.elsewhere.as_mut().map(|elsewhere| &mut elsewhere.drain);
        if drain.is_some_and(|drain| drain.take_if(|member| member.poll(cx).is_ready()).is_some()) {
            self.poll_mailbox(cx);
            let frame = CloseFrame::new(CloseCode::GOING_AWAY, "the server shuts down");
            // Refused only where it is closing already.
            let _ = self.transport.outlet(cx, |outlet, _| outlet.queue(|outbound| outbound.close(frame)));
            self.transport.set_must_flush(MustFlush::Yes);
        }
    }

    /// Takes what others have sent through their [`Sender`](crate::Sender)s, while there is room. Whether one waits that
    /// found none.
    fn poll_mailbox(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(mailbox) = self.elsewhere.as_mut().and_then(|elsewhere| elsewhere.mailbox.as_mut()) else {
            return false;
        };
        while mailbox.poll_waiting(cx) {
            // Also for a message that finds no room: what takes the room may be nobody else's to write.
            self.transport.set_must_flush(MustFlush::Yes);
            let fed = self.transport.outlet(cx, |outlet, _| {
                let fed = outlet.queue(|outbound| mailbox.feed(outbound));
                outlet.is_awaited = fed == Err(Refusal::MessageOpen);
                fed
            });
            if let Err(refusal) = fed {
                return refusal == Refusal::Full;
            }
        }
        false
    }

    /// Writes what this task has to write. Whether nothing waits any more.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.transport.must_flush() {
            return true;
        }
        let done = self.transport.outlet(cx, Outlet::poll_flush).is_ready();
        if done {
            self.transport.set_must_flush(MustFlush::No);
        }
        done
    }

    /// The end: the transport is shut down as far as it can be at once, and dropped with the connection.
    fn handle_closed(&mut self, closed: Box<Closed>, cx: &mut Context<'_>) {
        self.rest.clear();
        self.span.closed(&closed);
        let is_reset = closed.cause == Cause::Transport(ErrorKind::ConnectionReset); // both ways at once
        self.closed = Some(closed);
        self.elsewhere = None;
        self.transport.outlet(cx, |outlet, cx| {
            outlet.outbound.handle_closed(); // nothing that still waits can leave
            if !is_reset {
                let _ = outlet.poll_shutdown(cx);
            }
        });
        self.transport.wake_writer();
    }

    /// Writes until nothing waits. Does not read: a peer that does not read either meets the write deadline.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_drain(cx);
        loop {
            if self.transport.outlet(cx, Outlet::poll_flush).is_ready() {
                self.exchange(cx);
                return Poll::Ready(());
            }
            std::task::ready!(self.timer.poll(self.transport.write_deadline(), cx));
            self.transport.outlet(cx, |outlet, _| outlet.outbound.handle_timeout(timer::now()));
        }
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// What users receive.
impl<T: Transport> Driver<T> {
    /// The next whole message; `None` once the connection has ended cleanly.
    pub(crate) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Error>> {
        self.deliver_whole();
        loop {
            // Most of what is here is messages: the short way to them.
            if let Some(message) = self.parse_message() {
                return Poll::Ready(Ok(Some(message)));
            }
            // So is what comes next, where nothing else is under way.
            let event = if self.rest.is_empty() && self.inbound.is_between_messages() {
                let Some(mut block) = std::task::ready!(self.poll_progress(cx)) else { continue };
                if let Some(message) = block.parse_message(&mut self.inbound) {
                    block::return_read(block, &mut self.rest, Because::MayParseOn);
                    self.span.message(&message);
                    return Poll::Ready(Ok(Some(message)));
                }
                let Some(event) = self.event_of(block, cx) else { continue };
                Some(event)
            } else {
                std::task::ready!(self.poll_event(cx))
            };
            match event {
                Some(Event::Message(message)) => return Poll::Ready(Ok(Some(message))),
                Some(Event::Piece(piece)) => self.discarded += u32::from(piece.last),
                Some(_) => {}
                None => return Poll::Ready(self.end()),
            }
        }
    }

    /// From now on messages are asked for whole; what nobody read of one in pieces is dropped, and counted.
    #[inline]
    pub(crate) fn deliver_whole(&mut self) {
        if self.inbound.delivery() != Delivery::Whole {
            self.inbound.set_delivery(Delivery::Whole);
            self.discarded += self.peeked.take().map_or(0, |piece| u32::from(piece.last));
        }
    }

    /// The kind of the next message that is received in pieces, or of the rest of one; `None` once the connection has
    /// ended cleanly.
    pub(crate) fn poll_kind(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Kind>, Error>> {
        if self.peeked.is_none() {
            self.peeked = std::task::ready!(self.poll_piece(cx))?.map(Box::new);
        }
        Poll::Ready(Ok(self.peeked.as_ref().map(|piece| piece.kind)))
    }

    /// The next piece of a message; `None` once the connection has ended cleanly.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<MessagePiece>, Error>> {
        self.inbound.set_delivery(Delivery::Pieces);
        loop {
            match std::task::ready!(self.poll_event(cx)) {
                Some(Event::Piece(piece)) => return Poll::Ready(Ok(Some(piece))),
                // It began while whole messages were asked for.
                Some(Event::Message(message)) => {
                    let kind = message.kind();
                    let payload = message.into_payload();
                    return Poll::Ready(Ok(Some(MessagePiece { kind, payload, first: true, last: true })));
                }
                Some(_) => {}
                None => return Poll::Ready(self.end()),
            }
        }
    }

    /// The next piece of a message that has begun, so that the connection's end is an error, however clean.
    pub(crate) fn poll_further_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<MessagePiece, Error>> {
        if let Some(piece) = self.peeked.take() {
            return Poll::Ready(Ok(*piece));
        }
        let piece = std::task::ready!(self.poll_piece(cx))?;
        Poll::Ready(match (piece, &self.closed) {
            (Some(piece), _) => Ok(piece),
            (None, Some(closed)) => Err(Error::ended(closed)),
            (None, None) => return Poll::Pending,
        })
    }

    /// Reads on until the connection has ended; messages that still come are counted.
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while std::task::ready!(self.poll_message(cx)?).is_some() {
            self.discarded += 1;
        }
        Poll::Ready(Ok(()))
    }

    /// The end that users see.
    pub(crate) fn end<V>(&self) -> Result<Option<V>, Error> {
        match &self.closed {
            Some(closed) if !closed.is_clean() => Err(Error::ended(closed)),
            _ => Ok(None),
        }
    }
}
