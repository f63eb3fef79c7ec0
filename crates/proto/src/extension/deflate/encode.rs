//! The sending half: compresses whole messages where that shrinks them, streamed ones piece by piece.

use super::params::Side;
use super::pool::{CodecPool, Compressor, ContextId, Settings};
use super::window::Window;
use super::{EMPTY, TAIL};
use crate::extension::{Encode, Piece, Plain, Rsv};
use crate::message::{Compress, Kind};
use crate::prepared::Prepared;
use bytes::{BufMut, Bytes, BytesMut};
use std::sync::Arc;

/// Compresses the messages of one connection.
#[derive(Debug)]
pub(super) struct Encoder {
    pool: Arc<dyn CodecPool>,
    settings: Settings,
    threshold: usize,
    /// Our context, under takeover: the last bytes of the compressed messages, and of no others, because only of
    /// those does the peer's inflater know.
    window: Option<Window>,
    /// The name of what the window holds.
    context: Option<ContextId>,
    /// The message that leaves in pieces.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    compressor: Compressor,
    /// Whether a [`TAIL`] is held back. It leaves before the next piece, or never if there is none.
    owes_tail: bool,
}

impl Encoder {
    pub(super) fn new(own: Side, settings: Settings, threshold: usize, pool: Arc<dyn CodecPool>) -> Self {
        let window = own.takeover.then(|| Window::new(own.window_bits));
        let context = own.takeover.then(ContextId::default);
        Self { pool, settings, threshold, window, context, open: None }
    }

    /// A compressor that has nothing in its window, or what ours holds. One that does so already goes on where it is: to
    /// tell it the window anew takes longer than to compress a short message.
    fn start(&self) -> Compressor {
        let mut compressor = take(&*self.pool, self.settings);
        if !self.context.as_ref().is_some_and(|context| compressor.holds(context)) {
            compressor.start(self.window.as_ref().map_or([&[][..]; 2], Window::parts));
        }
        compressor
    }

    fn keep(&mut self, plain: &[u8]) {
        if let Some(window) = &mut self.window {
            window.push(plain);
            self.context = self.context.as_ref().map(ContextId::next);
        }
    }

    fn wants(&self, message: &Plain<'_>) -> bool {
        match message.compress {
            Compress::Auto => message.bytes.len() >= self.threshold,
            Compress::Always => true,
            Compress::Never => false,
        }
    }

    /// The key to [`Prepared::transformed`]: our mark, which an extension of another kind must not take, then all
    /// that the result depends on. Only one choice, to compress with an empty history, is ever made under it.
    fn prepared_key(&self) -> u64 {
        let Settings { window_bits, level, mem_level } = self.settings;
        u64::from_be_bytes([b'p', b'm', b'd', b'f', 0, window_bits, level, mem_level])
    }
}

impl Encode for Encoder {
    fn encode(&mut self, message: Plain<'_>, output: &mut BytesMut) -> Option<Rsv> {
        if !self.wants(&message) {
            return None;
        }
        let before = output.len();
        let mut compressor = self.start();
        compressor.compress(message.bytes, output);
        let has_shrunk = output.len() - before < message.bytes.len();
        if has_shrunk {
            self.keep(message.bytes);
            if let Some(context) = &self.context {
                compressor.set_context(context.clone());
            }
        } else {
            output.truncate(before);
        }
        self.pool.put_compressor(compressor);
        has_shrunk.then_some(Rsv::RSV1)
    }

    fn begin(&mut self, _kind: Kind, compress: Compress) -> Option<Rsv> {
        if let Some(abandoned) = self.open.take() {
            self.pool.put_compressor(abandoned.compressor);
        }
        if compress == Compress::Never {
            return None;
        }
        self.open = Some(Open { compressor: self.start(), owes_tail: false });
        Some(Rsv::RSV1)
    }

    fn encode_piece(&mut self, piece: Piece<'_>, output: &mut BytesMut) {
        let Some(mut open) = self.open.take() else {
            output.extend_from_slice(piece.bytes); // a message that passes by
            return;
        };
        if !piece.bytes.is_empty() {
            if open.owes_tail {
                output.extend_from_slice(&TAIL);
            }
            open.compressor.compress(piece.bytes, output);
            open.owes_tail = true;
            self.keep(piece.bytes);
        }
        if !piece.last {
            self.open = Some(open);
            return;
        }
        if !open.owes_tail {
            output.put_u8(EMPTY);
        }
        self.pool.put_compressor(open.compressor);
    }

    /// A message that is not to be compressed or does not shrink comes back as it is, with no bit set: it is tried
    /// once at the most, and not once for each connection.
    fn prepared(&mut self, message: &Prepared) -> Option<(Rsv, Bytes)> {
        let (kind, bytes, compress) = (message.kind(), message.payload(), message.compress());
        if !self.wants(&Plain { kind, bytes, compress }) {
            return Some((Rsv::NONE, bytes.clone()));
        }
        // With an empty history whatever is negotiated, so that one form serves every connection.
        let compressed = message.transformed(self.prepared_key(), |plain| {
            let mut output = BytesMut::new();
            let mut compressor = take(&*self.pool, self.settings);
            compressor.start([&[]; 2]);
            compressor.compress(plain, &mut output);
            self.pool.put_compressor(compressor);
            (output.len() < plain.len()).then(|| Bytes::copy_from_slice(&output))
        });
        let Some(compressed) = compressed else { return Some((Rsv::NONE, bytes.clone())) };
        self.keep(message.payload());
        Some((Rsv::RSV1, compressed))
    }

    fn retained(&self) -> usize {
        let window = self.window.as_ref().map_or(0, Window::retained);
        window + self.open.as_ref().map_or(0, |_| self.settings.compressor_bytes())
    }
}

fn take(pool: &dyn CodecPool, settings: Settings) -> Compressor {
    pool.take_compressor(settings).unwrap_or_else(|| Compressor::new(settings))
}

#[cfg(test)]
mod tests;
