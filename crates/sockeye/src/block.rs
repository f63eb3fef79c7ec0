//! The thread's buffers, lent to whichever connection is being polled, so that idle connections own none.

use bytes::BytesMut;
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
    static WRITE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Takes the thread's read block, with `rest` at its front.
pub(crate) fn take_read(rest: &mut BytesMut) -> BytesMut {
    let mut block = READ.take();
    block.clear();
    block.reserve(READ_BLOCK.max(rest.len() * 2));
    if !rest.is_empty() {
        block.extend_from_slice(rest);
        *rest = BytesMut::new();
    }
    block
}

/// Gives the block back. What was not parsed moves to `rest`, into a buffer of its size.
pub(crate) fn return_read(block: BytesMut, rest: &mut BytesMut) {
    if block.len() >= KEEP_MIN {
        *rest = block;
        return;
    }
    if !block.is_empty() {
        *rest = BytesMut::from(&block[..]);
    }
    READ.replace(block);
}

/// A buffer to join small frames in.
pub(crate) fn take_write() -> Vec<u8> {
    WRITE.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Keeps the buffer for the next connection on this thread.
pub(crate) fn return_write(buffer: Vec<u8>) {
    WRITE.with_borrow_mut(|buffers| {
        if buffers.len() < WRITE_BUFFERS && buffer.capacity() <= WRITE_BUFFER_MAX {
            buffers.push(buffer);
        }
    });
}
