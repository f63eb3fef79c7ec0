//! L2: the connection after the opening handshake.
//!
//! It is two halves, [`Inbound`] and [`Outbound`], joined only by small values: [`Control`](crate::Control) one way,
//! [`Notice`](crate::Notice) the other. [`Connection`] holds both and carries these values across; who wants the halves apart (to read and write
//! in two tasks) carries them himself, and no state is shared.
//!
//! A driver does this, in any order that suits it:
//!
//! 1. writes what [`Outbound`] holds (it is a [`bytes::Buf`]) and calls `advance` with what the transport took, or
//!    [`Outbound::handle_blocked`] when it took nothing;
//! 2. reads into a buffer of its own, calls [`Connection::handle_read`], then [`Connection::poll_event`] until `None`;
//!    at the end of the transport it calls [`Connection::handle_eof`] and polls once more;
//!    When [`Inbound::is_overdue`] says so, step 3 comes before it reads on;
//! 3. sleeps until [`Connection::poll_timeout`] and calls [`Connection::handle_timeout`], then polls again.

mod assembly;
mod closing;
mod encode;
mod inbound;
mod outbound;
mod queue;

#[cfg(test)]
mod tests;

pub use crate::text::Room;
pub use assembly::Delivery;
pub use inbound::Inbound;
pub use outbound::{MaskKeys, Outbound, Refusal, SendError, WriteBuffer};

use crate::Role;
use crate::event::Event;
use crate::extension::Codec;
use crate::limits::Limits;
use bytes::BytesMut;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Both halves of a connection.
#[derive(Debug)]
pub struct Connection {
    /// What the peer sends.
    pub inbound: Inbound,
    /// What this end sends.
    pub outbound: Outbound,
}

/// What a connection is made with.
#[expect(missing_debug_implementations, reason = "a source of masking keys is nothing to print")]
pub struct Setup {
    /// The limits, shared by many connections.
    pub limits: Arc<Limits>,
    /// The extensions that both ends agreed on, in the order of the negotiation.
    pub codecs: Vec<Codec>,
    /// A client's source of masking keys; `None` makes a server.
    pub mask_keys: Option<Box<dyn MaskKeys>>,
}

impl Connection {
    /// A connection whose opening handshake has ended at `now`.
    pub fn new(setup: Setup, now: Instant) -> Self {
        let Setup { limits, codecs, mask_keys } = setup;
        let role = if mask_keys.is_some() { Role::Client } else { Role::Server };
        let (decoders, encoders) =
            codecs.into_iter().map(|codec| ((codec.rsv, codec.decoder), codec.encoder)).unzip();
        Self {
            inbound: Inbound::new(role, limits.clone(), decoders, now),
            outbound: Outbound::new(limits, mask_keys, encoders),
        }
    }

    /// `len` bytes were read.
    pub fn handle_read(&mut self, len: usize, now: Instant) {
        self.inbound.handle_read(len, now);
    }

    /// The next event in what was read; see [`Inbound::poll_event`]. Control frames have been answered when they are
    /// told.
    pub fn poll_event(&mut self, input: &mut BytesMut, now: Instant) -> Option<Event> {
        self.exchange(now);
        let event = self.inbound.poll_event(input);
        if let Some(Event::Control(control)) = &event {
            self.outbound.handle_control(control);
            self.exchange(now);
        }
        if let Some(Event::Closed(_)) = &event {
            self.outbound.handle_closed(); // nothing that still waits can leave
        }
        event
    }

    /// The transport has ended, and everything that was read has been parsed.
    pub fn handle_eof(&mut self) {
        self.exchange(self.inbound.heard);
        self.inbound.handle_eof();
    }

    /// The transport has failed, for reading or for writing.
    pub fn handle_transport_error(&mut self, kind: io::ErrorKind) {
        self.exchange(self.inbound.heard);
        self.outbound.handle_transport_error();
        self.inbound.handle_transport_error(kind);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.inbound.is_closed() {
            return None;
        }
        [self.inbound.poll_timeout(), self.outbound.poll_timeout()].into_iter().flatten().min()
    }

    /// Time has passed; events may follow.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.outbound.handle_timeout(now);
        self.exchange(now);
        while let Some(control) = self.inbound.handle_timeout(now) {
            self.outbound.handle_control(&control);
            self.exchange(now);
        }
    }

    /// Figures since the handshake.
    pub fn stats(&self) -> Stats {
        let (received, sent) = (self.inbound.traffic(), self.outbound.traffic());
        Stats {
            received,
            sent,
            rtt: self.inbound.rtt(),
            queue_high_water: self.outbound.high_water(),
            superseded_pongs: self.outbound.superseded_pongs(),
        }
    }

    /// Carries the outbound half's notices to the inbound half.
    fn exchange(&mut self, now: Instant) {
        while let Some(notice) = self.outbound.poll_notice() {
            self.inbound.handle_notice(notice, now);
        }
    }
}

/// Figures of a connection since its opening handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

/// Figures of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Bytes of frames, headers included, on the transport.
    pub bytes: u64,
    /// Frames, control frames included.
    pub frames: u64,
    /// Payload bytes on the wire, of messages that an extension transformed.
    pub wire: u64,
    /// The same messages' plain bytes.
    pub plain: u64,
}

impl Traffic {
    /// Plain bytes for each byte on the wire, of the messages that were compressed; `None` when there were none.
    #[expect(clippy::cast_precision_loss, reason = "a ratio to look at")]
    pub fn compression_ratio(&self) -> Option<f64> {
        (self.wire > 0).then(|| self.plain as f64 / self.wire as f64)
    }
}
