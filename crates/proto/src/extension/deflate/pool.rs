//! The engines, zlib-rs by its own safe API, and the pools that keep them between messages.

use super::{STEP, TAIL};
use bytes::BytesMut;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use zlib_rs::{DeflateConfig, DeflateFlush, InflateError, InflateFlush, Status};

/// Where compressors and inflaters wait for the next message, of any connection.
///
/// A pool only stores, and may drop what it has no room for. An engine may come back in any state: a message that takes it
/// resets it, unless it holds the context that this message goes on from. [`Stock`] does this for one thread,
/// [`SharedPool`] for several.
pub trait CodecPool: fmt::Debug + Send + Sync {
    /// An idle inflater, or `None` to have a new one made.
    fn take_inflater(&self) -> Option<Inflater>;

    /// Takes back an inflater; any inflater serves any connection.
    fn put_inflater(&self, inflater: Inflater);

    /// An idle compressor whose [`settings`](Compressor::settings) are these, or `None` to have a new one made.
    fn take_compressor(&self, settings: Settings) -> Option<Compressor>;

    /// Takes back a compressor.
    fn put_compressor(&self, compressor: Compressor);
}

/// What distinguishes compressors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Settings {
    pub(super) window_bits: u8,
    pub(super) level: u8,
    pub(super) mem_level: u8,
}

impl Settings {
    /// Bytes of memory that a compressor with these settings holds, at most: 165 KB with the default ones.
    pub const fn compressor_bytes(self) -> usize {
        // zlib-rs: its state, 2^16 heads of chains; the window twice and its chains; what one block gathers.
        Self::STATE + (2 << 16) + (4 << self.window_bits) + (7 << (self.mem_level + 6))
    }

    /// Everything of a compressor that has the same size whatever the settings.
    const STATE: usize = 8 << 10;
}

/// A pool without a lock: idle engines up to a limit, the one that came last taken first.
///
/// When it is full, the compressor that has waited longest makes room, so that settings which are no longer in use
/// do not stay.
#[derive(Debug, Default)]
pub struct Stock {
    inflaters: Vec<Inflater>,
    compressors: Vec<Compressor>,
}

impl Stock {
    /// Idle engines of each sort: 8. That is at most 0.4 MB of inflaters, and 1.3 MB of compressors with the
    /// default settings.
    pub const MAX_IDLE: usize = 8;

    /// See [`CodecPool::take_inflater`].
    pub fn take_inflater(&mut self) -> Option<Inflater> {
        self.inflaters.pop()
    }

    /// See [`CodecPool::put_inflater`].
    pub fn put_inflater(&mut self, inflater: Inflater) {
        if self.inflaters.len() < Self::MAX_IDLE {
            self.inflaters.push(inflater);
        }
    }

    /// See [`CodecPool::take_compressor`].
    pub fn take_compressor(&mut self, settings: Settings) -> Option<Compressor> {
        let at = self.compressors.iter().rposition(|idle| idle.settings == settings)?;
        Some(self.compressors.remove(at))
    }

    /// See [`CodecPool::put_compressor`].
    pub fn put_compressor(&mut self, compressor: Compressor) {
        if self.compressors.len() == Self::MAX_IDLE {
            self.compressors.remove(0);
        }
        self.compressors.push(compressor);
    }
}

/// A [`Stock`] behind a lock, which is held only while an engine is taken or put back.
#[derive(Debug, Default)]
pub struct SharedPool(Mutex<Stock>);

impl SharedPool {
    fn with<R>(&self, act: impl FnOnce(&mut Stock) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl CodecPool for SharedPool {
    fn take_inflater(&self) -> Option<Inflater> {
        self.with(Stock::take_inflater)
    }
    fn put_inflater(&self, inflater: Inflater) {
        self.with(|stock| stock.put_inflater(inflater));
    }
    fn take_compressor(&self, settings: Settings) -> Option<Compressor> {
        self.with(|stock| stock.take_compressor(settings))
    }
    fn put_compressor(&self, compressor: Compressor) {
        self.with(|stock| stock.put_compressor(compressor));
    }
}

/// The state of one decompression; [`BYTES`](Self::BYTES), whatever the window.
pub struct Inflater {
    stream: Box<zlib_rs::Inflate>,
    /// Where [`next`](Self::next) writes: it stays with the stream, so that no message has to clear it.
    scratch: Box<[u8; STEP]>,
}

/// What one call of [`Inflater::next`] or [`Inflater::step`] did.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Bytes taken from the input.
    pub(super) consumed: usize,
    /// Bytes written to the output.
    pub(super) produced: usize,
    /// Whether a final block has ended.
    pub(super) ended: bool,
}

impl Inflater {
    /// Bytes of memory that one holds: at most 52 KiB.
    pub const BYTES: usize = 52 << 10;

    /// A new one. It reads every window, because it has the largest.
    pub(super) fn new() -> Self {
        Self { stream: Box::new(zlib_rs::Inflate::new(false, 15)), scratch: Box::new([0; STEP]) }
    }

    /// Forgets everything, then begins a stream whose blocks may refer to `history`, older part first.
    pub(super) fn start(&mut self, history: [&[u8]; 2]) {
        self.stream.reset(false);
        for part in history {
            // A raw stream takes a dictionary at any time: this cannot fail.
            let _ = self.stream.set_dictionary(part);
        }
    }

    /// Whether nothing has been read since the stream began.
    pub(super) fn is_fresh(&self) -> bool {
        self.stream.total_in() == 0
    }

    /// Reads as much of `input` as gives [`STEP`] bytes, and those bytes.
    pub(super) fn next(&mut self, input: &[u8]) -> Result<(Step, &[u8]), InflateError> {
        let step = step(&mut self.stream, input, &mut self.scratch[..])?;
        let plain = &self.scratch[..step.produced];
        Ok((step, plain))
    }

    /// Reads as much of `input` as `output` has room for.
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, InflateError> {
        step(&mut self.stream, input, output)
    }
}

fn step(stream: &mut zlib_rs::Inflate, input: &[u8], output: &mut [u8]) -> Result<Step, InflateError> {
    let before = (stream.total_in(), stream.total_out());
    let status = stream.decompress(input, output, InflateFlush::NoFlush)?;
    Ok(Step {
        consumed: difference(before.0, stream.total_in()),
        produced: difference(before.1, stream.total_out()),
        ended: status == Status::StreamEnd,
    })
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").finish_non_exhaustive()
    }
}

/// What compression may add to a short message, and a flush behind it.
const MARGIN: usize = 64;

/// The state of one compression; [`Settings::compressor_bytes`] of memory.
pub struct Compressor {
    stream: Box<zlib_rs::Deflate>,
    settings: Settings,
    /// What its window holds, where that has a name.
    context: Option<ContextId>,
}

/// The name of what one connection has compressed up to one message.
#[derive(Debug, Clone, Default)]
pub(super) struct ContextId {
    /// The connection: another has another place in memory, as long as one of its names is known.
    of: Arc<()>,
    message: u64,
}

impl ContextId {
    /// The name after one message more.
    pub(super) fn next(&self) -> Self {
        Self { of: self.of.clone(), message: self.message + 1 }
    }
}

impl PartialEq for ContextId {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.of, &other.of) && self.message == other.message
    }
}

impl Compressor {
    /// A new one. The settings are within zlib's bounds, because [`Deflate`](super::Deflate) makes no others.
    pub(super) fn new(settings: Settings) -> Self {
        let config = DeflateConfig {
            window_bits: -i32::from(settings.window_bits), // negative: a raw stream
            level: settings.level.into(),
            mem_level: settings.mem_level.into(),
            ..DeflateConfig::default()
        };
        Self { stream: Box::new(zlib_rs::Deflate::new_with_config(config)), settings, context: None }
    }

    /// What it was made with.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Whether it stands where this context ends.
    pub(super) fn holds(&self, context: &ContextId) -> bool {
        self.context.as_ref() == Some(context)
    }

    /// Names what it has compressed so far.
    pub(super) fn set_context(&mut self, context: ContextId) {
        self.context = Some(context);
    }

    /// Whether nothing has been compressed since the stream began.
    #[cfg(test)]
    pub(super) fn is_fresh(&self) -> bool {
        self.stream.total_in() == 0
    }

    /// Forgets everything, then begins a stream that may refer to `history`, older part first.
    pub(super) fn start(&mut self, history: [&[u8]; 2]) {
        self.context = None;
        self.stream.reset();
        for part in history {
            // A raw stream takes a dictionary between blocks: this cannot fail.
            let _ = self.stream.set_dictionary(part);
        }
    }

    /// Appends the compressed form of `plain`, all of it, without the [`TAIL`] that comes next.
    pub(super) fn compress(&mut self, mut plain: &[u8], output: &mut BytesMut) {
        self.context = None;
        // A short message is done in one call, and has no more room cleared for it than it may need.
        let mut room = STEP.min(plain.len() + MARGIN);
        loop {
            let start = output.len();
            output.resize(start + room, 0);
            let before = (self.stream.total_in(), self.stream.total_out());
            // zlib fails only on a state that is not valid, and this one is.
            let status = self.stream.compress(plain, &mut output[start..], DeflateFlush::SyncFlush);
            debug_assert!(status.is_ok());
            let produced = difference(before.1, self.stream.total_out());
            plain = &plain[difference(before.0, self.stream.total_in())..];
            output.truncate(start + produced);
            // Room left over says that the flush is complete.
            if produced < room {
                break;
            }
            room = STEP;
        }
        if output.ends_with(&TAIL) {
            output.truncate(output.len() - TAIL.len());
        }
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// How far one of zlib's counters went within a call: never further than the slices of that call are long.
fn difference(before: u64, after: u64) -> usize {
    usize::try_from(after - before).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
