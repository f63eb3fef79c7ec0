//! The thread's buffers, lent to whichever connection is being polled, so that idle connections own none.

use bytes::BytesMut;
use sockeye_proto::connection::WriteBuffer;
use std::cell::RefCell;

/// Bytes that one read may bring. The rest that a connection keeps after a read is at most this.
pub(crate) const READ_BLOCK: usize = 32 << 10;

/// From this many unparsed bytes on a connection keeps the block itself instead of a copy of the rest.
const KEEP_MIN: usize = READ_BLOCK / 2;

/// Write buffers that a thread keeps for the next connections, and how large one may be to be kept.
const WRITE_BUFFERS: usize = 8;
const WRITE_BUFFER_MAX: usize = 64 << 10;

thread_local! {
    static READ: RefCell<BytesMut> = RefCell::default();
    static WRITE: RefCell<Vec<WriteBuffer>> = const { RefCell::new(Vec::new()) };
}

/// What was read and not parsed, in a buffer of its size; no buffer at all when there is none.
#[derive(Debug, Default)]
pub(crate) struct Rest(
    // Boxed: an idle connection has none, and 8 bytes for it instead of 32.
    Option<Box<BytesMut>>,
);

impl Rest {
    pub(crate) fn new(bytes: BytesMut) -> Self {
        Self((!bytes.is_empty()).then(|| Box::new(bytes)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Parses from it; the buffer goes with its last byte.
    pub(crate) fn parse<R>(&mut self, parse: impl FnOnce(&mut BytesMut) -> R) -> R {
        let Some(bytes) = &mut self.0 else { return parse(&mut BytesMut::new()) };
        let result = parse(bytes);
        if bytes.is_empty() {
            self.0 = None;
        }
        result
    }
}

/// Takes the thread's read block, with `rest` at its front.
pub(crate) fn take_read(rest: &mut Rest) -> BytesMut {
    let mut block = READ.take();
    block.clear();
    let rest = rest.0.take();
    block.reserve(READ_BLOCK.max(rest.as_ref().map_or(0, |rest| rest.len() * 2)));
    if let Some(rest) = rest {
        block.extend_from_slice(&rest);
    }
    block
}

/// Gives the block back. What was not parsed moves to `rest`, into a buffer of its size.
pub(crate) fn return_read(block: BytesMut, rest: &mut Rest) {
    if block.len() >= KEEP_MIN {
        *rest = Rest::new(block);
        return;
    }
    if !block.is_empty() {
        *rest = Rest::new(BytesMut::from(&block[..]));
    }
    READ.replace(block);
}

/// A buffer to join small frames in.
pub(crate) fn take_write() -> WriteBuffer {
    WRITE.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Keeps the buffer for the next connection on this thread.
pub(crate) fn return_write(buffer: WriteBuffer) {
    WRITE.with_borrow_mut(|buffers| {
        if buffers.len() < WRITE_BUFFERS && buffer.capacity() <= WRITE_BUFFER_MAX {
            buffers.push(buffer);
        }
    });
}
