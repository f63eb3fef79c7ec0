//! The thread's buffers, lent to whichever connection is being polled, so that idle connections own none.

use bytes::buf::Limit;
use bytes::{Buf, BufMut, BytesMut};
use sockeye_proto::connection::WriteBuffer;
use sockeye_proto::{Event, Inbound, Message};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Bytes that a block has room for: eight messages of 16 KiB with their headers. The rest that a connection keeps after a
/// read is at most this.
pub(crate) const READ_BLOCK: usize = 132 << 10;

/// Bytes that one read may bring. Where the last one brought as much, the next may bring a whole block: a system call for
/// each part of what comes costs more than the part.
const READ_SOME: usize = 32 << 10;

/// From this many unparsed bytes on a connection keeps the block itself instead of a copy of the rest.
const KEEP_MIN: usize = READ_BLOCK / 2;

/// A thread's blocks that connections may keep: nearly always for the moment until they are polled again, and without a
/// copy. A program that works long on its messages pins no more than these. While so many are kept, no read brings more than
/// `READ_SOME`, so that a rest is short.
const LENT_MAX: u32 = 8;

/// Read blocks that a thread has in store.
const READ_BLOCKS: usize = 4;

/// Write buffers that a thread keeps for the next connections, and how large one may be to be kept.
const WRITE_BUFFERS: usize = 8;
const WRITE_BUFFER_MAX: usize = 64 << 10;

thread_local! {
    static READ: Cell<Option<Box<Block>>> = const { Cell::new(None) };
    static LENT: Arc<AtomicU32> = Arc::default();
    static WRITE: RefCell<Vec<WriteBuffer>> = const { RefCell::new(Vec::new()) };
}

/// Bytes that were read, and room for more.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// What was read is put behind them.
    pub(crate) bytes: BytesMut,
    /// How many of them, at the front, are parsed. So the next read into a block that is all parsed begins where the last
    /// one did, in memory that is in the processor's cache.
    parsed: usize,
    /// Whether the last read brought at least `READ_SOME`, whoever's it was.
    is_busy: bool,
    /// How many blocks are lent of the thread that made it, wherever it is now. A buffer of the rest's own size has none.
    home: Option<Arc<AtomicU32>>,
    is_lent: bool,
    /// In the store: the block beneath it, and how many there are with it.
    next: Option<Box<Block>>,
    height: usize,
}

/// What was read and not parsed; no buffer at all when there is nothing.
#[derive(Debug, Default)]
pub(crate) struct Rest(Option<Box<Block>>);

/// Why a block is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Because {
    /// What is left may be events that are asked for soon.
    MayParseOn,
    /// More has to be read, and nobody knows when it comes.
    Waiting,
}

impl Rest {
    pub(crate) fn new(bytes: BytesMut) -> Self {
        Self((!bytes.is_empty()).then(|| Box::new(Block { bytes, ..Block::default() })))
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The next event in it; the buffer goes with its last byte.
    pub(crate) fn parse_event(&mut self, inbound: &mut Inbound) -> Option<Event> {
        let Some(block) = &mut self.0 else { return inbound.poll_event(&mut BytesMut::new()) };
        let event = block.parse_event(inbound);
        self.end();
        event
    }

    /// As [`parse_event`](Self::parse_event), of a message that can be taken in one step.
    #[inline(always)]
    pub(crate) fn parse_message(&mut self, inbound: &mut Inbound) -> Option<Message> {
        let message = self.0.as_mut()?.parse_message(inbound)?;
        self.end();
        Some(message)
    }

    #[inline]
    fn end(&mut self) {
        if self.0.as_ref().is_some_and(|block| block.is_parsed()) {
            self.clear();
        }
    }

    /// Drops what is left.
    pub(crate) fn clear(&mut self) {
        if let Some(block) = self.take() {
            block.store();
        }
    }

    fn take(&mut self) -> Option<Box<Block>> {
        let mut block = self.0.take()?;
        block.end_loan();
        Some(block)
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Block {
    /// One of the thread's blocks, with nothing in it.
    #[inline]
    #[expect(clippy::unnecessary_box_returns, reason = "a block goes from hand to hand as a pointer")]
    fn of_thread() -> Box<Self> {
        let Some(mut block) = READ.take() else { return Self::new() };
        READ.set(block.next.take());
        block
    }

    #[cold]
    #[expect(clippy::unnecessary_box_returns, reason = "as above")]
    fn new() -> Box<Self> {
        Box::new(Self { home: Some(LENT.with(Arc::clone)), ..Self::default() })
    }

    fn is_threads(&self) -> bool {
        self.home.is_some()
    }

    /// Whether it may be kept for a rest; it is lent then. For a long one it always is, and counts.
    fn lend(&mut self, rest: usize) -> bool {
        let Some(home) = &self.home else { return false };
        self.is_lent = home.fetch_add(1, Ordering::Relaxed) < LENT_MAX || rest >= KEEP_MIN;
        if !self.is_lent {
            home.fetch_sub(1, Ordering::Relaxed);
        }
        self.is_lent
    }

    fn may_lend(&self) -> bool {
        self.home.as_ref().is_some_and(|home| home.load(Ordering::Relaxed) < LENT_MAX)
    }

    fn end_loan(&mut self) {
        if let Some(home) = self.home.as_ref().filter(|_| self.is_lent) {
            home.fetch_sub(1, Ordering::Relaxed);
            self.is_lent = false;
        }
    }

    #[inline(always)]
    pub(crate) fn parse_message(&mut self, inbound: &mut Inbound) -> Option<Message> {
        let (message, used) = inbound.poll_message(&self.bytes[self.parsed..])?;
        self.parsed += used;
        Some(message)
    }

    pub(crate) fn parse_event(&mut self, inbound: &mut Inbound) -> Option<Event> {
        inbound.poll_event(self.rest())
    }

    #[inline]
    fn is_parsed(&self) -> bool {
        self.parsed == self.bytes.len()
    }

    /// Room for what is read next.
    #[inline]
    pub(crate) fn room(&mut self) -> Limit<&mut BytesMut> {
        let most = if self.is_busy && self.may_lend() { READ_BLOCK } else { READ_SOME };
        (&mut self.bytes).limit(most)
    }

    /// Takes note of how much a read has brought.
    #[inline]
    pub(crate) fn brought(&mut self, len: usize) {
        self.is_busy = len >= READ_SOME;
    }

    /// What is not parsed, alone.
    fn rest(&mut self) -> &mut BytesMut {
        self.bytes.advance(std::mem::take(&mut self.parsed));
        &mut self.bytes
    }

    /// Puts one of the thread's blocks into its store.
    #[inline]
    fn store(mut self: Box<Self>) {
        if self.is_threads() {
            self.bytes.clear();
            self.parsed = 0;
            // At its end a thread has no store any more.
            let _ = READ.try_with(|store| {
                let next = store.take();
                self.height = next.as_ref().map_or(0, |next| next.height) + 1;
                let is_full = self.height > READ_BLOCKS;
                self.next = next;
                store.set(if is_full { self.next.take() } else { Some(self) });
            });
        }
    }
}

/// Takes a read block, with `rest` at its front.
#[inline]
#[expect(clippy::unnecessary_box_returns, reason = "a block goes from hand to hand as a pointer")]
pub(crate) fn take_read(rest: &mut Rest) -> Box<Block> {
    let mut block = match rest.take() {
        None => Block::of_thread(),
        Some(block) if block.is_threads() => block,
        Some(mut rest) => {
            let mut block = Block::of_thread();
            block.bytes.extend_from_slice(rest.rest());
            block
        }
    };
    if block.bytes.is_empty() {
        let _ = block.bytes.try_reclaim(READ_BLOCK); // its very front, unless messages are slices of it
    }
    // It begins anew in the same place once what was parsed takes half of it, and messages that were slices are gone. Not
    // before: bytes are only moved to where they do not stand already, else the block would grow.
    if block.bytes.capacity() - block.bytes.len() < READ_BLOCK / 2 {
        let rest = block.rest();
        rest.reserve(READ_BLOCK - rest.len().min(READ_BLOCK));
    }
    block
}

/// Gives the block back. What was not parsed stays in it, or moves into a buffer of its size.
#[inline]
pub(crate) fn return_read(block: Box<Block>, rest: &mut Rest, because: Because) {
    if block.is_parsed() { block.store() } else { *rest = keep(block, because) }
}

#[inline(never)] // most reads bring whole messages
fn keep(mut block: Box<Block>, because: Because) -> Rest {
    let len = block.bytes.len() - block.parsed;
    if (len >= KEEP_MIN || because == Because::MayParseOn) && block.lend(len) {
        return Rest(Some(block));
    }
    let rest = Rest::new(BytesMut::from(&block.bytes[block.parsed..]));
    block.store();
    rest
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
    use sockeye_proto::connection::{Connection, Setup};
    use sockeye_proto::{Compress, Message};

    #[expect(clippy::unnecessary_box_returns, reason = "as take_read")]
    fn block_of(len: usize) -> Box<Block> {
        let mut block = take_read(&mut Rest::default());
        block.bytes.resize(len, 7);
        block
    }

    fn held(rest: &Rest) -> &BytesMut {
        &rest.0.as_ref().unwrap().bytes
    }

    /// As if so many bytes had been parsed.
    fn parse(rest: &mut Rest, len: usize) {
        rest.0.as_mut().unwrap().parsed += len;
        rest.end();
    }

    fn lent() -> u32 {
        LENT.with(|lent| lent.load(Ordering::Relaxed))
    }

    /// As many blocks lent as may be; they come back when these are dropped.
    fn lent_out() -> Vec<Rest> {
        let lend = |_| {
            let mut rest = Rest::default();
            return_read(block_of(1), &mut rest, Because::MayParseOn);
            rest
        };
        (0..LENT_MAX).map(lend).collect()
    }

    #[test]
    fn a_block_has_room_for_a_whole_read() {
        let block = take_read(&mut Rest::default());
        assert!(block.bytes.is_empty() && block.bytes.capacity() >= READ_BLOCK, "{}", block.bytes.capacity());
    }

    fn room(block: &mut Block) -> usize {
        block.room().remaining_mut()
    }

    #[test]
    fn a_read_brings_a_whole_block_where_the_last_one_brought_much() {
        let mut block = take_read(&mut Rest::default());
        for (brought, most) in
            [(0, READ_SOME), (READ_SOME, READ_BLOCK), (READ_BLOCK, READ_BLOCK), (READ_SOME - 1, READ_SOME)]
        {
            block.brought(brought);
            assert_eq!(room(&mut block), most, "after {brought}");
        }
    }

    #[test]
    fn a_read_brings_no_whole_block_while_as_many_are_lent_as_may_be() {
        let mut rests = lent_out();
        let mut block = take_read(&mut Rest::default());
        block.brought(READ_SOME);
        assert_eq!(room(&mut block), READ_SOME);
        rests.pop();
        assert_eq!(room(&mut block), READ_BLOCK);
        let long = [(); 2].map(|()| {
            let mut long = Rest::default();
            return_read(block_of(READ_BLOCK), &mut long, Because::Waiting);
            long
        });
        assert_eq!(lent(), LENT_MAX + 1, "a long rest counts in any case");
        assert_eq!(room(&mut block), READ_SOME);
        drop((rests, long));
        assert_eq!((lent(), room(&mut block)), (0, READ_BLOCK));
    }

    #[test]
    fn nothing_left_is_no_buffer_and_the_block_serves_again() {
        for because in [Because::MayParseOn, Because::Waiting] {
            let (block, mut rest) = (block_of(0), Rest::default());
            let place = block.bytes.as_ptr();
            return_read(block, &mut rest, because);
            assert!(rest.is_empty());
            assert_eq!(take_read(&mut rest).bytes.as_ptr(), place);
        }
    }

    #[test]
    fn the_rest_of_one_who_waits_is_copied_into_a_buffer_of_its_size() {
        let (block, mut rest) = (block_of(KEEP_MIN - 1), Rest::default());
        let place = block.bytes.as_ptr();
        return_read(block, &mut rest, Because::Waiting);
        assert_eq!(held(&rest).len(), KEEP_MIN - 1);
        assert!(held(&rest).capacity() < 2 * KEEP_MIN);
        assert_eq!(block_of(0).bytes.as_ptr(), place, "the block stays with the thread");
    }

    #[test]
    fn a_long_rest_keeps_the_block() {
        let (block, mut rest) = (block_of(KEEP_MIN), Rest::default());
        let place = block.bytes.as_ptr();
        return_read(block, &mut rest, Because::Waiting);
        assert_eq!(held(&rest).as_ptr(), place);
        assert_eq!(KEEP_MIN, READ_BLOCK / 2);
    }

    #[test]
    fn a_short_rest_keeps_the_block_behind_an_event_for_a_few_connections_of_a_thread() {
        let mut rests = lent_out();
        assert!(rests.iter().all(|rest| held(rest).capacity() >= READ_BLOCK));
        let mut rest = Rest::default();
        return_read(block_of(1), &mut rest, Because::MayParseOn);
        assert!(held(&rest).capacity() < 100, "one too many");
        assert_eq!(lent(), LENT_MAX);
        parse(&mut rests[0], 1); // it comes back with its last byte
        assert_eq!(lent(), LENT_MAX - 1);
        drop(take_read(&mut rests[1]));
        assert_eq!(lent(), LENT_MAX - 2);
        drop(rests);
        assert_eq!(lent(), 0);
    }

    #[test]
    fn the_rest_stands_at_the_front_of_the_next_block() {
        let mut rest = Rest::new(BytesMut::from(&b"half a header"[..]));
        let block = take_read(&mut rest);
        assert_eq!(block.bytes, b"half a header"[..]);
        assert!(rest.is_empty() && block.bytes.capacity() >= READ_BLOCK);
    }

    #[test]
    fn what_was_parsed_is_not_copied_with_the_rest() {
        let _rests = lent_out();
        for because in [Because::Waiting, Because::MayParseOn] {
            let (mut block, mut rest) = (block_of(100), Rest::default());
            block.bytes[97..].copy_from_slice(b"end");
            block.parsed = 97;
            return_read(block, &mut rest, because);
            assert_eq!(held(&rest), &b"end"[..]);
            let block = take_read(&mut rest);
            assert_eq!((&block.bytes[..], block.parsed), (&b"end"[..], 0));
        }
    }

    #[test]
    fn a_block_that_was_cut_begins_at_its_front_again_once_nobody_holds_what_was_cut_off() {
        let (mut block, mut rest) = (block_of(9000), Rest::default());
        let place = block.bytes.as_ptr();
        let slice = block.bytes.split_to(9000).freeze();
        return_read(block, &mut rest, Because::Waiting);
        let block = take_read(&mut rest);
        assert_eq!(block.bytes.as_ptr(), place.wrapping_add(9000));
        return_read(block, &mut rest, Because::Waiting);
        drop(slice);
        let block = take_read(&mut rest);
        assert_eq!((block.bytes.as_ptr(), block.bytes.capacity()), (place, READ_BLOCK));
    }

    #[test]
    fn a_kept_block_goes_on_where_it_is() {
        let mut rest = Rest::default();
        let mut block = block_of(100);
        let place = block.bytes.as_ptr();
        block.parsed = 90;
        return_read(block, &mut rest, Because::MayParseOn);
        let mut block = take_read(&mut rest);
        assert_eq!(block.rest()[..], [7; 10]);
        assert_eq!(block.bytes.as_ptr(), place.wrapping_add(90));
        assert_eq!(block.bytes.capacity(), READ_BLOCK - 90);
    }

    #[test]
    fn a_kept_block_begins_anew_when_half_of_it_was_parsed_and_never_grows() {
        for (parsed, left) in [(6, 10), (READ_BLOCK / 2, 131), (READ_BLOCK - 14, 14)] {
            let (mut block, mut rest) = (block_of(parsed + left), Rest::default());
            let place = block.bytes.as_ptr();
            block.parsed = parsed;
            return_read(block, &mut rest, Because::MayParseOn);
            let mut block = take_read(&mut rest);
            assert_eq!(block.rest().len(), left);
            let begins_anew = parsed >= READ_BLOCK / 2;
            assert_eq!(block.bytes.as_ptr() == place, begins_anew, "{parsed}");
            let room = block.bytes.capacity() - left;
            assert!((READ_BLOCK / 2..READ_BLOCK).contains(&room), "{parsed}: {room}");
        }
    }

    #[test]
    fn the_block_of_a_connection_that_is_dropped_comes_back() {
        let (block, mut rest) = (block_of(1), Rest::default());
        let place = block.bytes.as_ptr();
        return_read(block, &mut rest, Because::MayParseOn);
        drop(rest);
        assert_eq!(lent(), 0);
        assert_eq!(block_of(0).bytes.as_ptr(), place);
    }

    #[test]
    fn a_loan_ends_at_home_whichever_thread_ends_it() {
        let lent_blocks = lent_out();
        std::thread::spawn(move || {
            drop(lent_blocks);
            assert_eq!(lent(), 0, "this thread has lent none");
        })
        .join()
        .unwrap();
        assert_eq!(lent(), 0);
    }

    #[test]
    fn a_thread_keeps_a_few_read_blocks() {
        let blocks: Vec<_> = (0..READ_BLOCKS + 3).map(|_| block_of(0)).collect();
        for block in blocks {
            return_read(block, &mut Rest::default(), Because::Waiting);
        }
        let store = READ.take();
        assert_eq!(store.as_ref().map(|block| block.height), Some(READ_BLOCKS));
        assert_eq!(std::iter::successors(store.as_ref(), |block| block.next.as_ref()).count(), READ_BLOCKS);
    }

    #[test]
    fn the_buffer_of_the_rest_goes_with_its_last_byte() {
        let mut rest = Rest::new(BytesMut::from(&b"ab"[..]));
        parse(&mut rest, 1);
        assert_eq!(take_read(&mut rest).bytes, b"b"[..]);
        let mut rest = Rest::new(BytesMut::from(&b"b"[..]));
        parse(&mut rest, 1);
        assert!(rest.is_empty());
        assert!(Rest::new(BytesMut::new()).is_empty());
    }

    /// A buffer that has held about this many bytes.
    fn used(len: usize) -> WriteBuffer {
        let setup = Setup { limits: Arc::default(), codecs: vec![], mask_keys: None };
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
