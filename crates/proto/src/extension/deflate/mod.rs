//! permessage-deflate (RFC 7692): compression of each message by itself or over the context of those before.
//!
//! Here stands the configuration, [`Deflate`], which many connections share. What is negotiated is in `params`, the
//! two directions of a connection in `decode` and `encode`, the bytes that a context consists of in `window`. The
//! compressors and inflaters belong to a [`CodecPool`], never to a connection between its messages.

mod decode;
mod encode;
mod params;
mod pool;
#[cfg(test)]
mod tests;
mod window;

pub use params::WindowOffer;
pub use pool::{CodecPool, Compressor, Inflater, Settings, SharedPool, Stock};

use super::{Codec, Extension, NegotiationError, Offer, Rsv};
use params::{Agreed, Side, Wishes};
use std::sync::Arc;

/// What a sender removes from the end of a message and a receiver puts back (RFC 7692 7.2.1): the body of the empty
/// stored block that a sync flush ends with.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// What stands for an empty message: the first byte of the block whose rest is the tail (RFC 7692 7.2.3.6).
const EMPTY: u8 = 0x00;

/// Bytes that an engine writes at most before they are looked at.
const STEP: usize = 4096;

/// permessage-deflate as an endpoint is configured with it.
///
/// ```
/// use sockeye_proto::extension::deflate::Deflate;
///
/// let deflate = Deflate::default().client_no_context_takeover().threshold(512);
/// ```
#[derive(Debug, Clone)]
pub struct Deflate {
    wishes: Wishes,
    takeover: bool,
    level: u8,
    mem_level: u8,
    threshold: usize,
    pool: Arc<dyn CodecPool>,
}

impl Deflate {
    /// The default of [`threshold`](Self::threshold): 128 bytes. Shorter JSON shrinks by a few bytes at the most.
    pub const THRESHOLD: usize = 128;
    /// The default of [`level`](Self::level): 2, half the time of level 6 for output that is 5 to 8 % larger.
    pub const LEVEL: u8 = 2;
    /// The default of [`mem_level`](Self::mem_level): 5, which is 165 KB for a compressor of 12 bits.
    pub const MEM_LEVEL: u8 = 5;
    /// The default of both window limits: 12 bits, which is 4 KiB.
    pub const WINDOW_BITS: u8 = 12;

    /// Has the server compress every message by itself (RFC 7692 7.1.1.1): a server says so in its answer, a client
    /// asks for it. Default: only where the client asks.
    pub fn server_no_context_takeover(mut self) -> Self {
        self.wishes.server_no_context_takeover = true;
        self
    }

    /// Has the client compress every message by itself (RFC 7692 7.1.1.2): a server demands it, which saves it the
    /// window of each connection; a client announces it. Default: only where the client announces it.
    pub fn client_no_context_takeover(mut self) -> Self {
        self.wishes.client_no_context_takeover = true;
        self
    }

    /// The largest window with which the server compresses, in bits, clamped to 9-15 (RFC 7692 7.1.2.1). A server
    /// compresses with it, or with less where the client asks for less, and says so if it is under 15. A client
    /// asks for it only with [`WindowOffer::Limited`]. Default 12.
    pub fn server_max_window_bits(mut self, bits: u8) -> Self {
        self.wishes.server_max_window_bits = clamp_window_bits(bits);
        self
    }

    /// The largest window with which the client compresses, in bits, clamped to 9-15 (RFC 7692 7.1.2.2). A server
    /// demands it from clients that offer to be limited; a client compresses with it, or with less where the
    /// server demands less. Default 12.
    pub fn client_max_window_bits(mut self, bits: u8) -> Self {
        self.wishes.client_max_window_bits = clamp_window_bits(bits);
        self
    }

    /// What a client offers about windows. Default [`WindowOffer::Plain`].
    pub fn window_offer(mut self, offer: WindowOffer) -> Self {
        self.wishes.window_offer = offer;
        self
    }

    /// Compresses over the messages sent before, where that is negotiated. Messages get smaller, and each
    /// connection holds its last plain bytes, up to the window. Default: every message starts empty, which is legal
    /// whatever is negotiated (RFC 7692 7.2.1) and holds nothing.
    pub fn sending_takeover(mut self) -> Self {
        self.takeover = true;
        self
    }

    /// zlib's level, clamped to 1 (fast) to 9 (small). Default [`LEVEL`](Self::LEVEL).
    pub fn level(mut self, level: u8) -> Self {
        self.level = level.clamp(1, 9);
        self
    }

    /// zlib's memory level, clamped to 1-9: how much a compressor gathers in one block. Default
    /// [`MEM_LEVEL`](Self::MEM_LEVEL).
    pub fn mem_level(mut self, level: u8) -> Self {
        self.mem_level = level.clamp(1, 9);
        self
    }

    /// Bytes under which [`Compress::Auto`](crate::Compress::Auto) leaves a whole message plain. A streamed
    /// message has no length to compare. Default [`THRESHOLD`](Self::THRESHOLD).
    pub fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// Where compressors and inflaters are kept between messages. Default: a [`SharedPool`] of this value and its
    /// clones.
    pub fn pool(mut self, pool: Arc<dyn CodecPool>) -> Self {
        self.pool = pool;
        self
    }

    fn codec(&self, send: Side, receive: Side) -> Codec {
        let settings =
            Settings { window_bits: send.window_bits, level: self.level, mem_level: self.mem_level };
        let takeover = self.takeover && send.takeover;
        Codec {
            rsv: Rsv::RSV1,
            decoder: Box::new(decode::Decoder::new(receive, self.pool.clone())),
            encoder: Box::new(encode::Encoder::new(
                Side { takeover, ..send },
                settings,
                self.threshold,
                self.pool.clone(),
            )),
        }
    }
}

impl Default for Deflate {
    fn default() -> Self {
        Self {
            wishes: Wishes::default(),
            takeover: false,
            level: Self::LEVEL,
            mem_level: Self::MEM_LEVEL,
            threshold: Self::THRESHOLD,
            pool: Arc::new(SharedPool::default()),
        }
    }
}

/// zlib makes no raw stream of 8 bits, it takes 9 instead: so 8 is never ours.
fn clamp_window_bits(bits: u8) -> u8 {
    bits.clamp(9, 15)
}

impl Extension for Deflate {
    fn name(&self) -> &str {
        params::NAME
    }

    fn rsv(&self) -> Rsv {
        Rsv::RSV1
    }

    fn offers(&self) -> Vec<Offer> {
        params::offers(&self.wishes)
    }

    fn confirm(&self, answer: &Offer) -> Result<Codec, NegotiationError> {
        let Agreed { server, client } = params::confirm(answer, &self.wishes)?;
        Ok(self.codec(client, server))
    }

    fn answer(&self, offer: &Offer) -> Option<(Offer, Codec)> {
        let (answer, Agreed { server, client }) = params::answer(offer, &self.wishes)?;
        Some((answer, self.codec(server, client)))
    }
}
