//! The bytes that go over the wire: requests of a client, and the answers that are right.

/// The masking key of every request. Fixed, so that requests are made once; a server cannot tell.
pub const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The first byte of an unfragmented frame with a text or binary message, and of a pong.
pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const PONG: u8 = 0x8a;

/// RSV1, which marks a compressed message (RFC 7692 6).
pub const COMPRESSED: u8 = 0x40;

/// Bytes of messages in a ring, so that a long message stands in few copies and short ones differ.
const RING_BYTES: usize = 128 << 10;

/// Different messages in a ring, at most.
const RING_MAX: usize = 64;

/// Messages that a connection sends in turn, as the bytes of their frames.
///
/// Behind the last one the first ones stand again, so that as many as are in flight can always be sent, and compared,
/// in one piece.
#[derive(Debug)]
pub struct Ring {
    /// What the client sends: binary frames, masked.
    pub requests: Frames,
    /// What an echo answers: the same, unmasked.
    pub responses: Frames,
}

/// Frames of one length, one behind the other.
#[derive(Debug)]
pub struct Frames {
    bytes: Vec<u8>,
    /// Bytes of one frame, header included.
    pub frame_len: usize,
    /// Bytes after which the frames begin anew.
    period: usize,
}

impl Ring {
    /// Messages of `size` bytes, of which `in_flight` are under way at once.
    pub fn new(size: usize, in_flight: usize) -> Self {
        let messages = (RING_BYTES / size.max(1)).clamp(1, RING_MAX);
        let frames = |mask| Frames::new(size, mask, (messages, in_flight));
        Self { requests: frames(Some(MASK)), responses: frames(None) }
    }
}

impl Frames {
    fn new(size: usize, mask: Option<[u8; 4]>, (messages, in_flight): (usize, usize)) -> Self {
        let mut bytes = Vec::new();
        for index in 0..messages + in_flight {
            push_frame(&mut bytes, BINARY, &payload(size, index % messages), mask);
        }
        let frame_len = bytes.len() / (messages + in_flight);
        Self { bytes, frame_len, period: messages * frame_len }
    }

    /// `len` bytes from position `from` of the endless sequence on; `len` is at most what is in flight.
    pub fn slice(&self, from: u64, len: usize) -> &[u8] {
        let start = (from % self.period as u64) as usize;
        &self.bytes[start..start + len]
    }
}

/// Bytes that look random and differ from message to message.
fn payload(size: usize, index: usize) -> Vec<u8> {
    let mut state = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(size).collect()
}

/// Appends a frame (RFC 6455 5.2), whose first byte is given.
pub fn push_frame(bytes: &mut Vec<u8>, first: u8, payload: &[u8], mask: Option<[u8; 4]>) {
    let mask_bit = if mask.is_some() { 0x80 } else { 0 };
    bytes.push(first);
    match payload.len() {
        len @ 0..126 => bytes.push(mask_bit | len as u8),
        len @ 126..0x1_0000 => {
            bytes.push(mask_bit | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(mask_bit | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend(mask.iter().flatten());
    let key = mask.unwrap_or_default();
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// The frame of a server that `bytes` begins with: its first byte, where its payload begins, and where it ends.
/// `None` while its header is not whole.
pub fn frame_in(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (&first, rest) = bytes.split_first()?;
    let (start, len) = match *rest.first()? {
        126 => (4, u16::from_be_bytes(rest.get(1..3)?.try_into().ok()?).into()),
        127 => (10, u64::from_be_bytes(rest.get(1..9)?.try_into().ok()?) as usize),
        len => (2, (len & 0x7f).into()),
    };
    Some((first, start, start.saturating_add(len)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_that_of_the_rfc() {
        // RFC 6455 5.7, with the opcode of binary messages
        let mut bytes = Vec::new();
        push_frame(&mut bytes, BINARY, b"Hello", Some(MASK));
        assert_eq!(bytes, [0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
        for (size, header) in [(125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let mut bytes = Vec::new();
            push_frame(&mut bytes, BINARY, &payload(size, 0), None);
            assert_eq!(frame_in(&bytes), Some((BINARY, header, header + size)));
            assert_eq!(bytes.len(), header + size);
            assert_eq!(frame_in(&bytes[..header - 1]), None);
        }
    }

    #[test]
    fn a_ring_goes_on_without_a_seam() {
        let ring = Ring::new(20, 16);
        let len = 16 * ring.responses.frame_len;
        let seam = ring.responses.period as u64 - 22;
        let (before, behind) = ring.responses.slice(seam, len).split_at(22);
        assert_eq!(before, ring.responses.slice(seam, 22));
        assert_eq!(behind, ring.responses.slice(0, len - 22));
        assert_ne!(ring.responses.slice(0, 22), ring.responses.slice(22, 22), "messages differ");
    }
}
