//! The receiving half: inflates, and never beyond the limit.

use super::params::Side;
use super::pool::{CodecPool, Inflater, Step};
use super::window::Window;
use super::{EMPTY, STEP, TAIL};
use crate::extension::{Decode, DecodeError, Piece, Rsv};
use crate::message::Kind;
use bytes::BytesMut;
use std::sync::Arc;

/// A final block with nothing in it. Only an inflater that stands at a block's end reads it as one.
const EMPTY_FINAL_BLOCK: [u8; 2] = [0x03, 0x00];

/// What a message pays for a final block, in bytes read and written: the next block's stream begins with the window
/// put back, which must not cost more than the bytes themselves.
const FINAL_BLOCK_PRICE: u64 = 256;

/// Final blocks that a message may have whatever its length: 64. A peer that ends a stream with each message has one,
/// one that does so with each fragment a few.
const FREE_FINAL_BLOCKS: u64 = 64;

/// Inflates the messages of one connection.
#[derive(Debug)]
pub(super) struct Decoder {
    pool: Arc<dyn CodecPool>,
    /// The peer's context: the last bytes of the compressed messages, and of the one in progress. It is kept
    /// between messages only under takeover.
    window: Window,
    takeover: bool,
    /// The message in progress, when it comes in several calls.
    open: Option<Open>,
}

/// A message in progress.
#[derive(Debug)]
struct Open {
    inflater: Inflater,
    /// What it can still pay for final blocks.
    credit: u64,
}

impl Decoder {
    pub(super) fn new(peer: Side, pool: Arc<dyn CodecPool>) -> Self {
        Self { pool, window: Window::new(peer.window_bits), takeover: peer.takeover, open: None }
    }

    fn start(&self) -> Open {
        let mut inflater = self.pool.take_inflater().unwrap_or_else(Inflater::new);
        inflater.start(self.window.parts());
        Open { inflater, credit: FREE_FINAL_BLOCKS * FINAL_BLOCK_PRICE }
    }

    /// The message is over, whichever way.
    fn rest(&mut self, inflater: Inflater) {
        self.pool.put_inflater(inflater);
        if !self.takeover {
            self.window.clear();
        }
    }

    /// Inflates all of `input`: several blocks, and several streams where a final block ends one.
    fn inflate(&mut self, open: &mut Open, mut input: &[u8], sink: &mut Sink<'_>) -> Result<(), DecodeError> {
        loop {
            let (step, plain) = open.inflater.next(input).map_err(|_| DecodeError::Invalid)?;
            input = &input[step.consumed..];
            sink.push(plain)?;
            open.credit += (step.consumed + step.produced) as u64;
            if step.ended {
                // RFC 7692 7.2.3.4: a final block ends its stream, not the message, nor the context.
                open.credit = open.credit.checked_sub(FINAL_BLOCK_PRICE).ok_or(DecodeError::Invalid)?;
                self.window.push(sink.take_unkept());
                open.inflater.start(self.window.parts());
            } else if step.produced < STEP {
                return Ok(()); // room left over says that the input is used up
            }
        }
    }
}

impl Decode for Decoder {
    fn begin(&mut self, _kind: Kind, rsv: Rsv) -> bool {
        if let Some(abandoned) = self.open.take() {
            self.rest(abandoned.inflater);
        }
        rsv.intersects(Rsv::RSV1)
    }

    fn decode(&mut self, piece: Piece<'_>, output: &mut BytesMut, limit: usize) -> Result<(), DecodeError> {
        if self.open.is_none() && piece.last && matches!(piece.bytes, [] | [EMPTY]) {
            return Ok(()); // an empty message as nearly all write it needs no inflater
        }
        let mut open = self.open.take().unwrap_or_else(|| self.start());
        let mut sink = Sink { unkept: output.len(), output, limit };
        let mut result = self.inflate(&mut open, piece.bytes, &mut sink);
        if piece.last && result.is_ok() && !is_complete(&mut open.inflater) {
            result = Err(DecodeError::Invalid);
        }
        let goes_on = !piece.last && result.is_ok();
        if goes_on || self.takeover {
            self.window.push(sink.take_unkept());
        }
        if goes_on {
            self.open = Some(open);
        } else {
            self.rest(open.inflater);
        }
        result
    }

    fn retained(&self) -> usize {
        self.window.retained() + self.open.as_ref().map_or(0, |_| Inflater::BYTES)
    }
}

/// Whether the message ends here: at the end of a block, once the [`TAIL`] is back (RFC 7692 7.2.2).
///
/// A stream that has not begun is complete as well. That is a message without a byte, which some peers send for an
/// empty one, or a final block after which the peer wrote nothing more.
fn is_complete(inflater: &mut Inflater) -> bool {
    let at_tail = Step { consumed: TAIL.len(), produced: 0, ended: false };
    let at_end = Step { consumed: EMPTY_FINAL_BLOCK.len(), produced: 0, ended: true };
    let mut surplus = [0];
    inflater.is_fresh()
        || inflater.step(&TAIL, &mut surplus) == Ok(at_tail)
            && inflater.step(&EMPTY_FINAL_BLOCK, &mut surplus) == Ok(at_end)
}

/// Where the plain bytes go.
struct Sink<'a> {
    output: &'a mut BytesMut,
    /// Where in the output begins what the window has not seen.
    unkept: usize,
    limit: usize,
}

impl Sink<'_> {
    /// Appends `chunk` if that stays within the limit. The memory at most doubles, and stays within it too.
    fn push(&mut self, chunk: &[u8]) -> Result<(), DecodeError> {
        let len = self.output.len() + chunk.len();
        if len > self.limit {
            return Err(DecodeError::TooBig);
        }
        if !self.output.try_reclaim(chunk.len()) {
            let doubled = self.output.capacity().saturating_mul(2);
            let mut grown = BytesMut::with_capacity(doubled.min(self.limit).max(len));
            grown.extend_from_slice(self.output);
            *self.output = grown;
        }
        self.output.extend_from_slice(chunk);
        Ok(())
    }

    fn take_unkept(&mut self) -> &[u8] {
        let from = std::mem::replace(&mut self.unkept, self.output.len());
        &self.output[from..]
    }
}

#[cfg(test)]
mod tests;
