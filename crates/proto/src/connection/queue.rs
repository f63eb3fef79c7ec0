//! What waits to be written: small frames joined, large payloads by reference, pongs in a lane of their own.

use crate::header::{Header, MAX_CONTROL, MAX_HEADER, Opcode};
use crate::limits::Limits;
use crate::mask::{append, mask};
use crate::payload::Payload;
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::Instant;

#[cfg(test)]
mod tests;

/// Payloads up to this many bytes are copied behind their header; larger ones are queued by reference.
const COPY_MAX: usize = 4 << 10;

/// The longest control frame: two bytes, a masking key, the payload.
const MAX_CONTROL_FRAME: usize = 6 + MAX_CONTROL;

/// The outgoing bytes, in this order: `front`, `tail`, `lane`.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Large payloads and what stands before them.
    front: VecDeque<Bytes>,
    /// Their bytes.
    front_len: usize,
    /// Small frames, joined; written up to `written`.
    tail: Vec<u8>,
    written: usize,
    lane: Lane,
    /// Since when the transport has taken no byte of it.
    pub(super) blocked_since: Option<Instant>,
}

/// A payload that is queued: a message's own, or one that others share.
pub(super) trait Queued: AsRef<[u8]> {
    /// An array that begins with the masked bytes, where they stand inline.
    fn padded(&self, key: [u8; 4]) -> Option<[u8; Payload::PADDED]>;

    /// To be queued by reference.
    fn into_payload(self) -> Payload;
}

impl Queued for Payload {
    #[inline]
    fn padded(&self, key: [u8; 4]) -> Option<[u8; Payload::PADDED]> {
        self.padded(key)
    }

    fn into_payload(self) -> Payload {
        self
    }
}

impl Queued for &Bytes {
    #[inline]
    fn padded(&self, _: [u8; 4]) -> Option<[u8; Payload::PADDED]> {
        None
    }

    fn into_payload(self) -> Payload {
        self.clone().into()
    }
}

/// Control frames that may still be overtaken by nothing but other control frames.
#[derive(Debug, Default)]
struct Lane {
    bytes: Vec<u8>,
    frames: usize,
}

impl Queue {
    /// Bytes that wait, the lane not counted.
    #[inline]
    pub(super) fn queued(&self) -> usize {
        self.front_len + self.tail.len() - self.written
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// Queues a frame behind everything that waits, masked where the header has a key. More memory than the waiting
    /// bytes take is held only up to `most` bytes in all.
    #[inline(always)]
    pub(super) fn push(&mut self, header: &Header, payload: impl Queued, most: usize) {
        let len = payload.as_ref().len();
        if len > COPY_MAX {
            return self.push_large(header, payload.into_payload(), most);
        }
        self.make_room(MAX_HEADER + len.max(Payload::PADDED), most);
        push_header(&mut self.tail, header);
        match payload.padded(header.mask.unwrap_or_default()) {
            Some(padded) => push_padded(&mut self.tail, padded, len),
            None => push_payload(&mut self.tail, header, payload.as_ref()),
        }
    }

    fn push_large(&mut self, header: &Header, payload: Payload, most: usize) {
        self.make_room(MAX_HEADER, most);
        push_header(&mut self.tail, header);
        let payload = match header.mask {
            Some(key) => masked(payload, key),
            None => payload.into(),
        };
        self.push_by_reference(payload, most);
    }

    /// Room for `additional` bytes, behind the lane's frames.
    #[inline]
    fn make_room(&mut self, additional: usize, most: usize) {
        if !self.lane.bytes.is_empty() || self.tail.capacity() - self.tail.len() < additional {
            self.spill_lane(additional, most);
        }
    }

    /// What waits before the payload is copied out: the buffer, which may be much larger, stays where it is.
    fn push_by_reference(&mut self, payload: Bytes, most: usize) {
        let before = Bytes::copy_from_slice(&self.tail[self.written..]);
        self.clear_tail();
        self.front_len += before.len() + payload.len();
        self.front.extend([before, payload]);
        if self.retained() > most {
            self.tail = Vec::new();
        }
    }

    /// Puts a control frame into the lane. When the lane is full it takes the place of the last pong that waits; the
    /// answer is how many frames were lost.
    pub(super) fn push_lane(&mut self, header: &Header, payload: &[u8]) -> u32 {
        let lane = &mut self.lane;
        let mut lost = 0;
        while !lane.has_room() {
            lost += 1;
            if !lane.drop_last_pong() {
                return lost; // full of this end's own pings, which were promised to leave
            }
        }
        lane.frames += 1;
        push_header(&mut lane.bytes, header);
        push_payload(&mut lane.bytes, header, payload);
        lost
    }

    /// Whether the lane takes any control frame without dropping another.
    pub(super) fn lane_has_room(&self) -> bool {
        self.lane.has_room()
    }

    /// The lane's frames take their place in the order, for good, and there is room for `additional` bytes more.
    fn spill_lane(&mut self, additional: usize, most: usize) {
        self.reserve(self.lane.bytes.len() + additional, most);
        self.tail.append(&mut self.lane.bytes);
        self.lane.frames = 0;
    }

    /// Room in the buffer. What has been written makes room first, or a buffer that never runs empty would grow for
    /// ever.
    fn reserve(&mut self, additional: usize, most: usize) {
        if self.tail.len() + additional > self.tail.capacity() {
            self.tail.drain(..self.written);
            self.written = 0;
            let needed = self.tail.len() + additional;
            let target = needed.max((self.tail.len() * 2).min(most.saturating_sub(self.front_len)));
            self.tail.reserve_exact(target - self.tail.len());
        }
    }

    fn clear_tail(&mut self) {
        self.tail.clear();
        self.written = 0;
    }

    /// Bytes of memory held.
    pub(super) fn retained(&self) -> usize {
        self.front_len + self.tail.capacity() + self.lane.bytes.capacity()
    }
}

#[inline]
fn push_header(out: &mut Vec<u8>, header: &Header) {
    let (bytes, len) = header.to_bytes();
    push_padded(out, bytes, len);
}

/// Appends the first `len` bytes of an array. A copy of a length that the compiler knows needs no call.
#[inline]
fn push_padded<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N], len: usize) {
    let end = out.len() + len.min(N);
    out.extend_from_slice(&bytes);
    out.truncate(end);
}

#[inline]
fn push_payload(out: &mut Vec<u8>, header: &Header, payload: &[u8]) {
    match header.mask {
        Some(key) => append(out, payload, key),
        None => out.extend_from_slice(payload),
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
    /// For a control frame of any length.
    fn has_room(&self) -> bool {
        self.frames < Limits::LANE_FRAMES && self.bytes.len() + MAX_CONTROL_FRAME <= Limits::LANE_BYTES
    }

    fn drop_last_pong(&mut self) -> bool {
        let (mut at, mut last) = (0, None);
        while let Ok(Some((header, used))) = Header::decode(&self.bytes[at..]) {
            let end = at + used + usize::try_from(header.payload_len).unwrap_or(MAX_CONTROL);
            if header.opcode == Opcode::Pong {
                last = Some(at..end);
            }
            at = end;
        }
        let Some(last) = last else { return false };
        self.bytes.drain(last);
        self.frames -= 1;
        true
    }
}

impl Buf for Queue {
    fn remaining(&self) -> usize {
        self.queued() + self.lane.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        let tail = &self.tail[self.written..];
        match self.front.front() {
            Some(first) => first,
            None if tail.is_empty() => &self.lane.bytes,
            None => tail,
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let joined = [&self.tail[self.written..], &self.lane.bytes];
        let chunks =
            self.front.iter().map(AsRef::as_ref).chain(joined).filter(|chunk: &&[u8]| !chunk.is_empty());
        let mut filled = 0;
        for (slice, chunk) in slices.iter_mut().zip(chunks) {
            *slice = IoSlice::new(chunk);
            filled += 1;
        }
        filled
    }

    #[inline]
    fn advance(&mut self, count: usize) {
        // Nearly always all of it has left, and it was but small frames.
        if count > 0 && self.front.is_empty() && self.lane.bytes.is_empty() && count == self.queued() {
            self.blocked_since = None;
            return self.clear_tail();
        }
        self.advance_in_parts(count);
    }
}

impl Queue {
    #[inline(never)] // out of the way of small frames
    fn advance_in_parts(&mut self, mut count: usize) {
        assert!(count <= self.remaining(), "cannot advance past what waits");
        if count > 0 {
            self.blocked_since = None;
        }
        while let Some(first) = self.front.front_mut() {
            let taken = count.min(first.len());
            first.advance(taken);
            self.front_len -= taken;
            count -= taken;
            if !first.is_empty() {
                return;
            }
            self.front.pop_front();
        }
        let in_tail = self.tail.len() - self.written;
        if count > in_tail {
            count -= in_tail;
            self.clear_tail();
            self.spill_lane(0, 0); // its first frame is on the way now
        }
        self.written += count;
        if self.written == self.tail.len() {
            self.clear_tail();
        }
    }
}
