//! The inbound half: what was read goes in, events come out, at most one per call.
//!
//! Not asking for the next event is how backpressure reaches the transport: what is not parsed is not read.

use super::assembly::{Assembly, DecodeChain, Delivery, Head};
use super::closing::Closing;
use crate::Role;
use crate::close::{CloseCode, CloseFrame};
use crate::error::ProtocolError;
use crate::event::{Cause, Control, Deadline, Event, Initiator, Notice};
use crate::extension::{Decode, Rsv};
use crate::frame::FrameDecoder;
use crate::header::{MAX_HEADER, Opcode};
use crate::limits::{KeepAlive, Limits};
use crate::message::Kind;
use crate::payload::Payload;
use crate::text::Room;
use bytes::BytesMut;
use parse::Progress;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

mod parse;
mod whole;

/// A payload of which at least this much has come, and as much is missing, is worth reading straight into its
/// message: a read that brings less costs more than the copy that it saves.
/// The driver's first read, of 32 KiB, has brought as much beside the header.
const DIRECT_MIN: usize = (32 << 10) - MAX_HEADER;

/// The receiving half of a connection.
///
/// The driver reads into a buffer, reports it with [`handle_read`](Self::handle_read) and then asks
/// [`poll_event`](Self::poll_event) until it answers `None`; every [`Event::Control`] goes to the outbound half.
#[derive(Debug)]
pub struct Inbound {
    role: Role,
    frames: FrameDecoder,
    limits: Arc<Limits>,
    /// The frame in progress: what it is, and whether its message ends with it.
    opcode: Opcode,
    fin: bool,
    /// The message in progress, from its first header on.
    head: Head,
    /// Whether a piece of it was delivered.
    begun: bool,
    delivery: Delivery,
    done: bool,
    assembly: Option<Box<Assembly>>,
    extensions: Option<Box<DecodeChain>>,
    closing: Option<Box<Closing>>,
    /// When the last byte came.
    pub(super) heard: Instant,
    /// Only where the timing asks for them.
    clocks: Option<Box<Clocks>>,
    ping: Option<Box<PingInFlight>>,
    rtt_micros: u32,
    bytes: u64,
    counted: u64,
}

/// The last ping that was sent.
#[derive(Debug)]
struct PingInFlight {
    payload: Payload,
    at: Instant,
    /// When keep-alive sent the ping for which it waits: any byte is an answer. A ping of the user's that comes later
    /// changes nothing about that.
    awaited: Option<Instant>,
}

/// The clocks that few connections need.
#[derive(Debug)]
struct Clocks {
    /// When the last message came.
    message: Instant,
    /// When the last unasked pong was sent.
    pong: Instant,
}

impl Inbound {
    pub(super) fn new(
        role: Role,
        limits: Arc<Limits>,
        decoders: Vec<(Rsv, Box<dyn Decode>)>,
        now: Instant,
    ) -> Self {
        let rsv = decoders.iter().fold(Rsv::NONE, |all, (rsv, _)| all.union(*rsv));
        let timing = &limits.timing;
        let needs_clocks = timing.idle.is_some() || matches!(timing.keep_alive, KeepAlive::Pong { .. });
        let clocks = needs_clocks.then(|| Box::new(Clocks { message: now, pong: now }));
        let head = Head { kind: Kind::Binary, transformed: false, delivery: Delivery::Whole };
        Self {
            role,
            frames: FrameDecoder::new(role, rsv),
            limits,
            opcode: Opcode::Binary,
            fin: true,
            head,
            begun: false,
            delivery: Delivery::Whole,
            done: false,
            assembly: None,
            extensions: (!decoders.is_empty()).then(|| Box::new(DecodeChain::new(decoders))),
            closing: None,
            heard: now,
            clocks,
            ping: None,
            rtt_micros: 0,
            bytes: 0,
            counted: 0,
        }
    }

    /// `len` bytes were read, into the lent buffer or through [`direct`](Self::direct).
    #[inline]
    pub fn handle_read(&mut self, len: usize, now: Instant) {
        self.bytes += len as u64;
        self.heard = now;
        if let Some(ping) = &mut self.ping {
            ping.awaited = None; // any byte is a sign of life
        }
    }

    /// The next event in what was read, or `None` when more must be read or waited for.
    ///
    /// It takes from the front of `input` what it has understood, and unmasks in place. What it leaves, the driver
    /// keeps and lends again with more bytes behind it.
    #[inline]
    pub fn poll_event(&mut self, input: &mut BytesMut) -> Option<Event> {
        match self.poll_whole(input) {
            Some(message) => Some(Event::Message(message)),
            None => self.poll_parsed(input),
        }
    }

    /// Whether [`poll_event`](Self::poll_event) would tell nothing of an empty buffer: only new bytes bring an event.
    #[inline]
    pub fn is_at_rest(&self) -> bool {
        self.closing.is_none() && self.assembly.is_none()
    }

    /// The next event, in as many steps as it takes.
    fn poll_parsed(&mut self, input: &mut BytesMut) -> Option<Event> {
        loop {
            if self.closing.as_ref().is_some_and(|closing| !closing.is_parsing()) {
                input.clear();
                self.assembly = None;
                return self.poll_closed();
            }
            let event = match self.advance(input) {
                Ok(Progress::Event(event)) => event,
                Ok(Progress::More) => continue,
                Ok(Progress::NeedInput) => return None,
                Err(error) => Event::Control(self.fail(error)),
            };
            return Some(event);
        }
    }

    /// How messages that begin from now on are delivered; one in progress stays as it began.
    pub fn set_delivery(&mut self, delivery: Delivery) {
        self.delivery = delivery;
    }

    /// How messages that begin from now on are delivered.
    pub fn delivery(&self) -> Delivery {
        self.delivery
    }

    /// Where the next bytes of a long payload may be read to without a detour: the room behind what has come of the
    /// message, in memory that grows with the bytes received. Only while [`poll_event`](Self::poll_event) has left
    /// nothing in the lent buffer. Afterwards [`handle_read`](Self::handle_read) tells how much was read.
    #[inline]
    pub fn direct(&mut self) -> Option<Room<'_>> {
        if self.assembly.is_none() { None } else { self.room() }
    }

    fn room(&mut self) -> Option<Room<'_>> {
        self.pass_pieces();
        let missing = usize::try_from(self.frames.remaining()).unwrap_or(usize::MAX);
        let (most, head, key) = (self.most_held(), self.head, self.frames.key());
        // Neither a control frame has as much nor a message that is delivered in pieces holds as much.
        let assembly = self.assembly.as_mut()?;
        let (held, fresh) = (assembly.buffer.len(), assembly.buffer.fresh_mut().len());
        let remaining = missing.saturating_sub(fresh);
        if held < DIRECT_MIN || remaining < DIRECT_MIN {
            return None;
        }
        if remaining <= held || head.needs_check() || fresh > 0 {
            return Some(assembly.buffer.spare(remaining.min(held), most));
        }
        Some(assembly.buffer.room(remaining, key))
    }

    /// The transport has ended, and everything that was read has been parsed.
    pub fn handle_eof(&mut self) {
        self.end(Cause::Eof);
    }

    /// The transport has failed.
    pub fn handle_transport_error(&mut self, kind: io::ErrorKind) {
        self.end(Cause::Transport(kind));
    }

    /// Takes what the outbound half says.
    pub fn handle_notice(&mut self, notice: Notice, now: Instant) {
        match notice {
            Notice::Closing(frame) => {
                let deadline = now.checked_add(self.limits.timing.close);
                let closing = self.closing(Initiator::Local, now);
                closing.handle_sent(frame);
                // The fault or the frame that it answers may have waited in the input for long.
                closing.deadline = deadline;
            }
            Notice::Flushed => self.closing(Initiator::Local, now).handle_flushed(),
            Notice::Ping { payload, at } => {
                let awaited = self.awaited();
                self.ping = Some(Box::new(PingInFlight { payload, at, awaited }));
            }
            // The peer's Close frame may still be here to be read: the close deadline runs.
            Notice::Broken => _ = self.closing(Initiator::Remote, now),
            Notice::Stalled => {
                let closing = self.closing(Initiator::Local, now);
                closing.handle_fault(Cause::Timeout(Deadline::Write));
                closing.handle_end(Cause::Timeout(Deadline::Write));
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due next.
    #[inline]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.done {
            return None;
        }
        if let Some(closing) = &self.closing {
            return closing.deadline;
        }
        let due = self.keep_alive_due();
        if self.assembly.is_none() && self.clocks.is_none() && self.frames.remaining() == 0 {
            return due; // nearly always: no message is in progress, and nobody counts the time between them
        }
        [due, self.message_due(), self.idle_due()].into_iter().flatten().min()
    }

    /// Whether nothing is under way, so that no deadline runs but that of silence, which only moves on: it is not
    /// [overdue](Self::is_overdue), and does not [want a shutdown](Self::wants_shutdown).
    #[inline]
    pub fn is_quiet(&self) -> bool {
        let is_quiet = self.closing.is_none()
            && self.assembly.is_none()
            && self.ping.is_none()
            && self.clocks.is_none()
            && self.frames.remaining() == 0;
        debug_assert!(
            !is_quiet || self.poll_timeout() == self.keep_alive_due() && !self.is_overdue(),
            "a deadline was forgotten"
        );
        is_quiet
    }

    /// Whether a deadline had passed already when the last bytes came. A driver asks this before it reads on, or a peer
    /// that never lets the transport run dry would never meet a deadline.
    #[inline]
    pub fn is_overdue(&self) -> bool {
        // Without one of these each deadline counts from the last bytes.
        let may_be = self.closing.is_some()
            || self.assembly.is_some()
            || self.ping.is_some()
            || self.clocks.is_some()
            || self.limits.timing.message.is_some_and(|timeout| timeout.is_zero());
        debug_assert!(
            may_be || self.poll_timeout().is_none_or(|due| due > self.heard),
            "a deadline was forgotten"
        );
        may_be && self.poll_timeout().is_some_and(|due| due <= self.heard)
    }

    /// Time has passed. The control frame that is due, if any; ask again until there is none, then
    /// [`poll_event`](Self::poll_event).
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Control> {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if let Some(closing) = &mut self.closing {
            if due(closing.deadline) {
                closing.handle_deadline();
            }
            return None;
        }
        if due(self.message_due()) {
            return Some(self.give_up(Deadline::Message, CloseCode::POLICY_VIOLATION, now));
        }
        if due(self.idle_due()) {
            return Some(self.give_up(Deadline::Idle, CloseCode::GOING_AWAY, now));
        }
        if due(self.keep_alive_due()) {
            return Some(self.keep_alive(now));
        }
        None
    }

    /// Whether everything has been said after a fault, so that the transport's write side should be shut down.
    pub fn wants_shutdown(&self) -> bool {
        self.closing.as_ref().is_some_and(|closing| closing.wants_shutdown())
    }

    /// Whether the one [`Event::Closed`] has been given out.
    pub fn is_closed(&self) -> bool {
        self.done
    }

    /// The round-trip time of the last ping that its pong has answered.
    pub fn rtt(&self) -> Option<Duration> {
        (self.rtt_micros > 0).then(|| Duration::from_micros(self.rtt_micros.into()))
    }

    /// Bytes of memory held for the peer: the message in progress and what extensions keep.
    pub fn retained(&self) -> usize {
        let message =
            self.assembly.as_ref().map_or(0, |assembly| size_of::<Assembly>() + assembly.buffer.capacity());
        message + self.extensions.as_ref().map_or(0, |extensions| extensions.retained())
    }

    /// Figures since the handshake.
    pub fn traffic(&self) -> super::Traffic {
        let extensions = self.extensions.as_deref();
        super::Traffic {
            bytes: self.bytes,
            frames: self.counted,
            wire: extensions.map_or(0, |chain| chain.wire),
            plain: extensions.map_or(0, |chain| chain.plain),
        }
    }
}

/// The end, and time.
impl Inbound {
    fn poll_closed(&mut self) -> Option<Event> {
        if self.done {
            return None;
        }
        let closed = self.closing.as_ref()?.closed(self.role)?;
        self.done = true;
        Some(Event::Closed(Box::new(closed)))
    }

    fn closing(&mut self, initiator: Initiator, now: Instant) -> &mut Closing {
        let deadline = now.checked_add(self.limits.timing.close);
        self.closing.get_or_insert_with(|| Box::new(Closing::new(initiator, deadline)))
    }

    /// The peer broke the protocol: nothing more is parsed.
    fn fail(&mut self, error: ProtocolError) -> Control {
        let now = self.heard;
        self.closing(Initiator::Local, now).handle_fault(Cause::Protocol(error));
        Control::Fail(CloseFrame::new(error.close_code(), &format!("{error} ({})", error.clause())))
    }

    /// The peer missed a deadline.
    fn give_up(&mut self, deadline: Deadline, code: CloseCode, now: Instant) -> Control {
        self.closing(Initiator::Local, now).handle_fault(Cause::Timeout(deadline));
        Control::Fail(CloseFrame::new(code, &deadline.to_string()))
    }

    fn end(&mut self, cause: Cause) {
        let now = self.heard;
        self.closing(Initiator::Remote, now).handle_end(cause);
    }

    /// A message of which but the header has come is held by nothing; the last byte that came was its header's.
    fn message_due(&self) -> Option<Instant> {
        if let Some(assembly) = &self.assembly {
            return assembly.deadline;
        }
        let is_awaited = self.frames.remaining() > 0 && !self.opcode.is_control();
        let timeout =
            self.limits.timing.message.filter(|_| is_awaited && self.head.delivery == Delivery::Whole);
        self.heard.checked_add(timeout?)
    }

    fn idle_due(&self) -> Option<Instant> {
        self.clocks.as_ref()?.message.checked_add(self.limits.timing.idle?)
    }

    #[inline]
    fn keep_alive_due(&self) -> Option<Instant> {
        match self.limits.timing.keep_alive {
            KeepAlive::Ping { after, timeout } if !after.is_zero() => match self.awaited() {
                Some(sent) => sent.checked_add(timeout),
                None => self.heard.checked_add(after),
            },
            KeepAlive::Pong { every } if !every.is_zero() => self.clocks.as_ref()?.pong.checked_add(every),
            KeepAlive::Ping { .. } | KeepAlive::Pong { .. } | KeepAlive::Off => None,
        }
    }

    fn awaited(&self) -> Option<Instant> {
        self.ping.as_ref()?.awaited
    }

    fn keep_alive(&mut self, now: Instant) -> Control {
        if let Some(clocks) = &mut self.clocks
            && let KeepAlive::Pong { .. } = self.limits.timing.keep_alive
        {
            clocks.pong = now;
            return Control::SendPong;
        }
        if self.awaited().is_some() {
            return self.give_up(Deadline::Ping, CloseCode::INTERNAL_ERROR, now);
        }
        // Different from ping to ping, since a byte must come between them: a late pong is not taken for the answer to
        // a later ping.
        let payload = Payload::copy_from_slice(&self.bytes.to_be_bytes());
        self.ping = Some(Box::new(PingInFlight { payload: payload.clone(), at: now, awaited: Some(now) }));
        Control::SendPing(payload)
    }
}
