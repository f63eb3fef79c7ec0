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
    block.reserve(READ_BLOCK);
    if let Some(rest) = rest.0.take() {
        block.extend_from_slice(&rest); // part of a header or of a control frame: short
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

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Buf;
    use sockeye_proto::connection::{Connection, Setup};
    use sockeye_proto::{Compress, Message};

    fn block_of(len: usize) -> BytesMut {
        let mut block = take_read(&mut Rest::default());
        block.resize(len, 7);
        block
    }

    fn held(rest: &Rest) -> &BytesMut {
        rest.0.as_ref().unwrap()
    }

    #[test]
    fn a_block_has_room_for_a_whole_read() {
        let block = take_read(&mut Rest::default());
        assert!(block.is_empty() && block.capacity() >= READ_BLOCK, "{}", block.capacity());
    }

    #[test]
    fn nothing_left_is_no_buffer_and_the_block_serves_again() {
        let (block, mut rest) = (block_of(0), Rest::default());
        let place = block.as_ptr();
        return_read(block, &mut rest);
        assert!(rest.0.is_none());
        assert_eq!(take_read(&mut rest).as_ptr(), place);
    }

    #[test]
    fn a_short_rest_is_copied_into_a_buffer_of_its_size() {
        let (block, mut rest) = (block_of(KEEP_MIN - 1), Rest::default());
        let place = block.as_ptr();
        return_read(block, &mut rest);
        assert_eq!(held(&rest).len(), KEEP_MIN - 1);
        assert!(held(&rest).capacity() < 2 * KEEP_MIN);
        assert_eq!(READ.with_borrow(|block| block.as_ptr()), place, "the block stays with the thread");
    }

    #[test]
    fn a_long_rest_keeps_the_block() {
        let (block, mut rest) = (block_of(KEEP_MIN), Rest::default());
        let place = block.as_ptr();
        return_read(block, &mut rest);
        assert_eq!(held(&rest).as_ptr(), place);
        assert_eq!(KEEP_MIN, READ_BLOCK / 2);
    }

    #[test]
    fn the_rest_stands_at_the_front_of_the_next_block() {
        let mut rest = Rest::new(BytesMut::from(&b"half a header"[..]));
        let block = take_read(&mut rest);
        assert_eq!(block, b"half a header"[..]);
        assert!(rest.0.is_none());
    }

    #[test]
    fn the_buffer_of_the_rest_goes_with_its_last_byte() {
        let mut rest = Rest::new(BytesMut::from(&b"ab"[..]));
        rest.parse(|bytes| bytes.advance(1));
        assert_eq!(held(&rest), &b"b"[..]);
        rest.parse(|bytes| bytes.advance(1));
        assert!(rest.0.is_none());
        assert!(Rest::new(BytesMut::new()).0.is_none());
    }

    /// A buffer that has held about this many bytes.
    fn used(len: usize) -> WriteBuffer {
        let setup = Setup { limits: std::sync::Arc::default(), codecs: vec![], mask_keys: None };
        let mut outbound = Connection::new(setup, crate::timer::now()).outbound;
        for _ in 0..len.div_ceil(4000) {
            outbound.feed_over(Message::binary(vec![7; 4000]), Compress::Auto).unwrap();
        }
        outbound.advance(outbound.remaining());
        outbound.reclaim_buffer().unwrap()
    }

    #[test]
    fn a_thread_keeps_a_few_write_buffers_and_no_large_ones() {
        for _ in 0..WRITE_BUFFERS + 3 {
            return_write(used(4000));
        }
        assert_eq!(WRITE.with_borrow(Vec::len), WRITE_BUFFERS);
        assert!(take_write().capacity() >= 4000);
        assert_eq!(WRITE.with_borrow(Vec::len), WRITE_BUFFERS - 1);
        let large = used(WRITE_BUFFER_MAX + 4000);
        assert!(large.capacity() > WRITE_BUFFER_MAX);
        return_write(large);
        assert_eq!(WRITE.with_borrow(Vec::len), WRITE_BUFFERS - 1);
    }
}
