//! What waits to be written: small frames joined, large payloads by reference, pongs in a lane of their own.

use crate::header::{Header, MAX_HEADER};
use crate::limits::Limits;
use crate::mask::mask;
use crate::payload::Payload;
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::IoSlice;

/// Payloads up to this many bytes are copied behind their header; larger ones are queued by reference.
const COPY_MAX: usize = 4 << 10;

/// A control frame's header: two bytes and a masking key.
const MAX_CONTROL_HEADER: usize = 6;

/// The outgoing bytes, in this order: `front`, `tail`, `lane`.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Large payloads and what stands before them.
    #[expect(clippy::box_collection, reason = "nearly always empty: 8 bytes per connection, not 32")]
    front: Option<Box<VecDeque<Bytes>>>,
    /// Small frames, joined; written up to `written`.
    tail: Vec<u8>,
    written: usize,
    lane: Option<Box<Lane>>,
}

/// Control frames that may still be overtaken by nothing but other control frames.
#[derive(Debug, Default)]
struct Lane {
    bytes: Vec<u8>,
    frames: usize,
    /// Where the last frame begins.
    last: usize,
}

impl Queue {
    /// Bytes that wait, the lane not counted.
    pub(super) fn queued(&self) -> usize {
        let front = self.front.iter().flat_map(|front| front.iter()).map(Bytes::len).sum::<usize>();
        front + self.tail.len() - self.written
    }

    pub(super) fn is_empty(&self) -> bool {
        self.front.is_none() && self.written == self.tail.len() && self.lane.is_none()
    }

    /// Queues a frame behind everything that waits, masked where the header has a key.
    pub(super) fn push(&mut self, header: &Header, payload: Payload) {
        self.spill_lane();
        push_header(&mut self.tail, header);
        if payload.len() <= COPY_MAX {
            push_payload(&mut self.tail, header, &payload);
        } else {
            self.push_by_reference(match header.mask {
                Some(key) => masked(payload, key),
                None => payload.into(),
            });
        }
    }

    fn push_by_reference(&mut self, payload: Bytes) {
        let mut before = Bytes::from(std::mem::take(&mut self.tail));
        before.advance(std::mem::take(&mut self.written));
        let front = self.front.get_or_insert_default();
        if !before.is_empty() {
            front.push_back(before);
        }
        front.push_back(payload);
    }

    /// Puts a control frame into the lane. When the lane is full it takes the place of the last one that waits; the
    /// answer is how many were lost.
    pub(super) fn push_lane(&mut self, header: &Header, payload: &[u8]) -> u32 {
        let lane = self.lane.get_or_insert_default();
        let full = !lane.has_room(payload.len() + MAX_CONTROL_HEADER);
        if full {
            lane.bytes.truncate(lane.last);
        } else {
            lane.frames += 1;
        }
        lane.last = lane.bytes.len();
        push_header(&mut lane.bytes, header);
        push_payload(&mut lane.bytes, header, payload);
        u32::from(full)
    }

    /// Whether the lane takes a control frame with `len` bytes of payload without dropping another.
    pub(super) fn lane_has_room(&self, len: usize) -> bool {
        self.lane.as_ref().is_none_or(|lane| lane.has_room(len + MAX_CONTROL_HEADER))
    }

    /// The lane's frames take their place in the order, for good.
    fn spill_lane(&mut self) {
        if let Some(lane) = self.lane.take() {
            self.tail.extend_from_slice(&lane.bytes);
        }
    }

    /// Makes the buffer of `buffer` the one that small frames are joined in, unless there is one.
    pub(super) fn lend(&mut self, buffer: Vec<u8>) {
        if self.tail.capacity() == 0 {
            self.tail = buffer;
            self.tail.clear();
        }
    }

    /// Gives up the buffer when nothing waits in it.
    pub(super) fn reclaim(&mut self) -> Option<Vec<u8>> {
        (self.is_empty() && self.tail.capacity() > 0).then(|| std::mem::take(&mut self.tail)).map(
            |mut buffer| {
                buffer.clear();
                self.written = 0;
                buffer
            },
        )
    }

    /// Drops everything that waits.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Bytes of memory held.
    pub(super) fn retained(&self) -> usize {
        let front = self.front.iter().flat_map(|front| front.iter()).map(Bytes::len).sum::<usize>();
        front + self.tail.capacity() + self.lane.as_ref().map_or(0, |lane| lane.bytes.capacity())
    }
}

fn push_header(out: &mut Vec<u8>, header: &Header) {
    let mut bytes = [0; MAX_HEADER];
    let len = header.encode(&mut bytes);
    out.extend_from_slice(&bytes[..len]);
}

fn push_payload(out: &mut Vec<u8>, header: &Header, payload: &[u8]) {
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = header.mask {
        mask(&mut out[start..], key);
    }
}

/// The payload masked: in place where nobody else holds it.
fn masked(payload: Payload, key: [u8; 4]) -> Bytes {
    let mut owned = match Bytes::from(payload).try_into_mut() {
        Ok(owned) => owned,
        Err(shared) => shared.as_ref().into(),
    };
    mask(&mut owned, key);
    owned.freeze()
}

impl Lane {
    fn has_room(&self, len: usize) -> bool {
        self.frames < Limits::LANE_FRAMES && self.bytes.len() + len <= Limits::LANE_BYTES
    }
}

impl Buf for Queue {
    fn remaining(&self) -> usize {
        self.queued() + self.lane.as_ref().map_or(0, |lane| lane.bytes.len())
    }

    fn chunk(&self) -> &[u8] {
        if let Some(first) = self.front.as_ref().and_then(|front| front.front()) {
            return first;
        }
        if self.written < self.tail.len() {
            return &self.tail[self.written..];
        }
        self.lane.as_ref().map_or(&[], |lane| &lane.bytes)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let front = self.front.iter().flat_map(|front| front.iter()).map(AsRef::as_ref);
        let tail = Some(&self.tail[self.written..]);
        let lane = self.lane.as_ref().map(|lane| lane.bytes.as_slice());
        let chunks = front.chain(tail).chain(lane).filter(|chunk: &&[u8]| !chunk.is_empty());
        let mut filled = 0;
        for (slice, chunk) in slices.iter_mut().zip(chunks) {
            *slice = IoSlice::new(chunk);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.remaining(), "cannot advance past what waits");
        while count > 0 {
            let Some(front) = &mut self.front else { break };
            let Some(first) = front.front_mut() else { break };
            let taken = count.min(first.len());
            first.advance(taken);
            count -= taken;
            if first.is_empty() {
                front.pop_front();
            }
            if front.is_empty() {
                self.front = None;
            }
        }
        if count > self.tail.len() - self.written {
            self.spill_lane(); // one of its frames is on the way now
        }
        self.written += count;
        if self.written == self.tail.len() {
            self.tail.clear();
            self.written = 0;
        }
    }
}
