//! The outbound half: messages and answers go in, bytes come out.
//!
//! Everything accepted leaves in the order of acceptance. Answers to pings wait in a bounded lane of their own, and
//! leave between frames. After the Close frame nothing leaves any more.

use super::encode::{EncodeChain, OpenMessage};
use super::queue::{Queue, Queued};
use crate::Role;
use crate::close::{CloseCode, CloseFrame};
use crate::event::{Control, Notice};
use crate::extension::{Encode, Rsv};
use crate::header::{Header, MAX_CONTROL, Opcode};
use crate::limits::Limits;
use crate::payload::Payload;
use crate::text::Text;
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::fmt;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Instant;

/// Where a client's masking keys come from: fresh for each frame, and not to be guessed (RFC 6455 5.3).
pub trait MaskKeys: Send {
    /// The next key.
    fn next_key(&mut self) -> [u8; 4];
}

impl<F: FnMut() -> [u8; 4] + Send> MaskKeys for F {
    fn next_key(&mut self) -> [u8; 4] {
        self()
    }
}

/// The sending half of a connection: a [`Buf`] of what waits to be written, whose state changes only in `advance`.
pub struct Outbound {
    /// Gone while nothing waits, once the driver has [reclaimed](Self::reclaim_buffer) it.
    queue: Option<Box<Queue>>,
    pub(super) limits: Arc<Limits>,
    /// A client's source of masking keys; a server has none. Boxed twice: 8 bytes less for every server's connection.
    keys: Option<Box<Box<dyn MaskKeys>>>,
    pub(super) extensions: Option<Box<EncodeChain>>,
    /// The message that is being sent in pieces.
    pub(super) open: Option<Box<OpenMessage>>,
    #[expect(clippy::box_collection, reason = "nearly always empty: 8 bytes per connection, not 32")]
    notices: Option<Box<VecDeque<Notice>>>,
    phase: Phase,
    high_water: u32,
    superseded: u32,
    bytes: u64,
    counted: u64,
}

/// Where a connection joins small frames before it writes them. Lent to it while something waits, by a driver that has
/// few of them for many connections.
#[derive(Debug, Default)]
pub struct WriteBuffer(Box<Queue>);

impl WriteBuffer {
    /// Bytes that it can join without an allocation.
    pub fn capacity(&self) -> usize {
        self.0.retained()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// The Close frame is queued.
    Closing,
    /// The Close frame is written.
    Finished,
    /// The transport takes nothing more.
    Broken,
}

/// Why a value was not taken; it comes back with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendError<T> {
    /// What was to be sent.
    pub value: T,
    /// Why it was not.
    pub reason: Refusal,
}

/// Why something was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The queue holds `max_queued` bytes: write some, then try again.
    Full,
    /// A Close frame was sent or the connection has ended.
    Closed,
    /// A message is being sent in pieces: finish it first.
    MessageOpen,
    /// No message is being sent in pieces: begin one first.
    NoMessageOpen,
    /// The text is not UTF-8: send it as binary, or mend it.
    InvalidUtf8,
    /// A control frame carries at most 125 bytes: shorten it.
    ControlTooLong,
    /// The close code must not stand in a Close frame: use 1000-1003, 1007-1014 or 3000-4999.
    CloseCode,
}

impl Refusal {
    /// Whether the same call may succeed later.
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Full | Self::MessageOpen)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the queue is full (max_queued): flush, then try again",
            Self::Closed => "the connection is closing or closed",
            Self::MessageOpen => "a message is being sent in pieces: finish it first",
            Self::NoMessageOpen => "no message is being sent in pieces: begin one first",
            Self::InvalidUtf8 => "the text is not UTF-8: send it as binary, or mend it",
            Self::ControlTooLong => "a control frame carries at most 125 bytes: shorten it",
            Self::CloseCode => "the close code must not be sent: use 1000-1003, 1007-1014 or 3000-4999",
        })
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}
impl<T: fmt::Debug> std::error::Error for SendError<T> {}

impl Outbound {
    pub(super) fn new(
        limits: Arc<Limits>,
        keys: Option<Box<dyn MaskKeys>>,
        encoders: Vec<Box<dyn Encode>>,
    ) -> Self {
        Self {
            queue: None,
            limits,
            keys: keys.map(Box::new),
            extensions: (!encoders.is_empty()).then(|| Box::new(EncodeChain::new(encoders))),
            open: None,
            notices: None,
            phase: Phase::Open,
            high_water: 0,
            superseded: 0,
            bytes: 0,
            counted: 0,
        }
    }

    /// Which end this is.
    pub fn role(&self) -> Role {
        if self.keys.is_some() { Role::Client } else { Role::Server }
    }

    /// Sends a ping, through the control lane.
    pub fn ping(&mut self, payload: Payload, now: Instant) -> Result<(), SendError<Payload>> {
        self.push_control(Opcode::Ping, payload.clone())?;
        self.notify(Notice::Ping { payload, at: now });
        Ok(())
    }

    /// Sends an unasked pong, through the control lane, where a later pong may take its place as any other's.
    pub fn pong(&mut self, payload: Payload) -> Result<(), SendError<Payload>> {
        self.push_control(Opcode::Pong, payload)
    }

    /// Begins the closing handshake behind everything accepted so far. After it nothing is accepted.
    pub fn close(&mut self, frame: CloseFrame) -> Result<(), SendError<CloseFrame>> {
        if self.phase != Phase::Open {
            return Err(SendError { value: frame, reason: Refusal::Closed });
        }
        if frame.code != CloseCode::NO_STATUS && !frame.code.is_sendable() {
            return Err(SendError { value: frame, reason: Refusal::CloseCode });
        }
        if frame.reason.len() > CloseFrame::MAX_REASON {
            return Err(SendError { value: frame, reason: Refusal::ControlTooLong });
        }
        self.queue_close(frame);
        Ok(())
    }

    /// Takes what the inbound half says.
    pub fn handle_control(&mut self, control: &Control) {
        if self.phase != Phase::Open {
            return; // RFC 6455 5.5.1: nothing leaves after the Close frame
        }
        match control {
            Control::Ping(payload) => self.answer(Opcode::Pong, payload),
            // A full lane has pings and pongs enough; none of them gives way for one more.
            Control::SendPing(_) if !self.lane_has_room() => {}
            Control::SendPing(payload) => self.answer(Opcode::Ping, payload),
            Control::SendPong => self.answer(Opcode::Pong, &[]),
            // RFC 6455 5.5.1: the answer echoes the code.
            Control::Close(frame) => self.queue_close(CloseFrame { code: frame.code, reason: Text::new() }),
            Control::Fail(frame) => self.queue_close(frame.clone()),
            Control::Pong { .. } => {}
        }
    }

    /// What the inbound half has to be told.
    #[inline]
    pub fn poll_notice(&mut self) -> Option<Notice> {
        let notices = self.notices.as_mut()?;
        let notice = notices.pop_front();
        if notices.is_empty() {
            self.notices = None;
        }
        notice
    }

    /// Whether [`poll_notice`](Self::poll_notice) has something to say.
    pub fn has_notice(&self) -> bool {
        self.notices.is_some()
    }

    /// The transport takes no bytes now, or holds back what it took. Starts the write deadline, unless it runs already;
    /// [`handle_flushed`](Self::handle_flushed), or `advance` by a byte, ends it.
    pub fn handle_blocked(&mut self, now: Instant) {
        self.queue.get_or_insert_default().blocked_since.get_or_insert(now);
    }

    /// The transport has taken everything and holds nothing back.
    #[inline]
    pub fn handle_flushed(&mut self) {
        if let Some(queue) = &mut self.queue {
            queue.blocked_since = None;
        }
    }

    /// Whether the write deadline runs.
    pub fn is_blocked(&self) -> bool {
        self.queue.as_ref().is_some_and(|queue| queue.blocked_since.is_some())
    }

    /// The transport cannot be written to any more: what waits is dropped.
    pub fn handle_transport_error(&mut self) {
        self.handle_closed();
        self.notify(Notice::Broken);
    }

    /// The connection has ended: what waits is dropped, and nobody is left to be told.
    pub fn handle_closed(&mut self) {
        self.queue = None;
        self.open = None;
        self.phase = Phase::Broken;
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.queue.as_ref()?.blocked_since?.checked_add(self.limits.timing.write?)
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|due| due <= now) {
            self.notify(Notice::Stalled);
            self.handle_transport_error();
        }
    }

    /// Whether a message would be refused as [`Refusal::Full`].
    pub fn is_full(&self) -> bool {
        self.queued() >= self.limits.max_queued
    }

    /// Whether messages are refused as [`Refusal::Closed`].
    pub fn is_closed(&self) -> bool {
        self.phase != Phase::Open
    }

    /// Whether the transport has failed, so that what waited was lost.
    #[inline]
    pub fn is_broken(&self) -> bool {
        self.phase == Phase::Broken
    }

    /// Whether it has a buffer to join small frames in.
    #[inline]
    pub fn has_buffer(&self) -> bool {
        self.queue.is_some()
    }

    /// Gives it a buffer to join small frames in, where it has none.
    #[inline]
    pub fn lend_buffer(&mut self, buffer: WriteBuffer) {
        self.queue.get_or_insert(buffer.0);
    }

    /// Takes the buffer back, once nothing waits in it, so that an idle connection owns none.
    #[inline]
    pub fn reclaim_buffer(&mut self) -> Option<WriteBuffer> {
        self.queue.take_if(|queue| queue.is_empty() && queue.blocked_since.is_none()).map(WriteBuffer)
    }

    /// The most bytes that have waited at once.
    pub fn high_water(&self) -> usize {
        self.high_water as usize
    }

    /// Pongs that were never sent because a newer one took their place in a full lane.
    pub fn superseded_pongs(&self) -> u64 {
        self.superseded.into()
    }

    /// Bytes of memory held: what waits, and what extensions keep.
    pub fn retained(&self) -> usize {
        let queue = self.queue.as_ref().map_or(0, |queue| size_of::<Queue>() + queue.retained());
        queue + self.extensions.as_ref().map_or(0, |extensions| extensions.retained())
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

    #[inline]
    fn queued(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.queued())
    }

    /// Why a message of `len` bytes is not taken now.
    #[inline]
    pub(super) fn refusal(&self, len: usize) -> Option<Refusal> {
        if self.phase != Phase::Open {
            return Some(Refusal::Closed);
        }
        let queued = self.queued();
        // A message that finds the queue empty is always taken, or one above the limit could never leave.
        (queued > 0 && queued.saturating_add(len) > self.limits.max_queued).then_some(Refusal::Full)
    }

    #[inline(always)]
    pub(super) fn push_frame(&mut self, frame: Frame) {
        let Frame { fin, rsv, opcode, payload } = frame;
        self.push(Header { fin, rsv, opcode, mask: None, payload_len: payload.len() as u64 }, payload);
    }

    /// Queues a whole message that others share; where it is small it is copied, and its count is left alone.
    #[inline]
    pub(super) fn push_shared(&mut self, opcode: Opcode, payload: &Bytes) {
        let payload_len = payload.len() as u64;
        self.push(Header { fin: true, rsv: Rsv::NONE, opcode, mask: None, payload_len }, payload);
    }

    #[inline(always)]
    fn push(&mut self, mut header: Header, payload: impl Queued) {
        header.mask = self.keys.as_mut().map(|keys| keys.next_key());
        let queue = self.queue.get_or_insert_default();
        queue.push(&header, payload, self.limits.max_queued);
        self.counted += 1;
        self.high_water = self.high_water.max(u32::try_from(queue.queued()).unwrap_or(u32::MAX));
    }

    fn push_control(&mut self, opcode: Opcode, payload: Payload) -> Result<(), SendError<Payload>> {
        let reason = if self.phase != Phase::Open {
            Refusal::Closed
        } else if payload.len() > MAX_CONTROL {
            Refusal::ControlTooLong
        } else if !self.lane_has_room() {
            Refusal::Full
        } else {
            self.answer(opcode, &payload);
            return Ok(());
        };
        Err(SendError { value: payload, reason })
    }

    fn lane_has_room(&self) -> bool {
        self.queue.as_ref().is_none_or(|queue| queue.lane_has_room())
    }

    fn answer(&mut self, opcode: Opcode, payload: &[u8]) {
        let key = self.keys.as_mut().map(|keys| keys.next_key());
        let payload_len = payload.len() as u64;
        let header = Header { fin: true, rsv: Rsv::NONE, opcode, mask: key, payload_len };
        let lost = self.queue.get_or_insert_default().push_lane(&header, payload);
        self.superseded += lost;
        self.counted = self.counted + 1 - u64::from(lost);
    }

    fn queue_close(&mut self, mut frame: CloseFrame) {
        if frame.code == CloseCode::NO_STATUS {
            frame.reason = Text::new(); // without a code there is no place for it
        }
        let mut body = Vec::new();
        frame.encode(&mut body);
        self.push_frame(Frame { fin: true, rsv: Rsv::NONE, opcode: Opcode::Close, payload: body.into() });
        self.open = None;
        self.phase = Phase::Closing;
        self.notify(Notice::Closing(frame));
    }

    fn notify(&mut self, notice: Notice) {
        let notices = self.notices.get_or_insert_default();
        // Only the last ping counts, and the reading task may not look for long.
        if let (Some(last @ Notice::Ping { .. }), Notice::Ping { .. }) = (notices.back_mut(), &notice) {
            *last = notice;
        } else {
            notices.push_back(notice);
        }
    }
}

/// A frame on its way out.
pub(super) struct Frame {
    pub(super) fin: bool,
    pub(super) rsv: Rsv,
    pub(super) opcode: Opcode,
    pub(super) payload: Payload,
}

impl Buf for Outbound {
    fn remaining(&self) -> usize {
        self.queue.as_ref().map_or(0, Buf::remaining)
    }

    fn chunk(&self) -> &[u8] {
        self.queue.as_ref().map_or(&[], |queue| queue.chunk())
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.chunks_vectored(slices))
    }

    fn advance(&mut self, count: usize) {
        if let Some(queue) = &mut self.queue {
            queue.advance(count);
        } else {
            assert_eq!(count, 0, "cannot advance past what waits");
        }
        self.bytes += count as u64;
        if self.phase == Phase::Closing && !self.has_remaining() {
            self.phase = Phase::Finished;
            self.notify(Notice::Flushed);
        }
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("phase", &self.phase)
            .field("queued", &self.queued())
            .finish_non_exhaustive()
    }
}
