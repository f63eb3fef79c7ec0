//! L0: the frame header codec (RFC 6455 5.2), pure functions over bytes.

use crate::error::ProtocolError;
use crate::extension::Rsv;
use crate::message::Kind;

#[cfg(test)]
mod tests;

/// The longest header: two bytes, a 64-bit length and a masking key.
pub const MAX_HEADER: usize = 14;

/// The longest payload of a control frame (RFC 6455 5.5).
pub const MAX_CONTROL: usize = 125;

/// What a frame is (RFC 6455 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of a message.
    Continuation = 0,
    /// A text message or its first fragment.
    Text = 1,
    /// A binary message or its first fragment.
    Binary = 2,
    /// The closing handshake.
    Close = 8,
    /// A ping, to be answered.
    Ping = 9,
    /// A pong, the answer or unasked.
    Pong = 10,
}

impl Opcode {
    /// Close, ping and pong.
    pub const fn is_control(self) -> bool {
        self as u8 >= Self::Close as u8
    }

    const fn from_bits(bits: u8) -> Result<Self, ProtocolError> {
        match bits {
            0 => Ok(Self::Continuation),
            1 => Ok(Self::Text),
            2 => Ok(Self::Binary),
            8 => Ok(Self::Close),
            9 => Ok(Self::Ping),
            10 => Ok(Self::Pong),
            _ => Err(ProtocolError::ReservedOpcode(bits)),
        }
    }
}

impl From<Kind> for Opcode {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text,
            Kind::Binary => Self::Binary,
        }
    }
}

/// A frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Whether the message ends with this frame.
    pub fin: bool,
    /// The reserved bits.
    pub rsv: Rsv,
    /// What the frame is.
    pub opcode: Opcode,
    /// The masking key, on frames from a client.
    pub mask: Option<[u8; 4]>,
    /// Bytes of payload that follow; below 2^63.
    pub payload_len: u64,
}

impl Header {
    /// Reads the header at the front of `bytes`: the header and its length in bytes, or `None` where more bytes
    /// are needed.
    ///
    /// Refuses what is wrong in every context: reserved opcodes, control frames that are fragmented or longer than
    /// 125 bytes, lengths that are not minimal or have the top bit set. What depends on the connection (mask
    /// direction, reserved bits, order of fragments) is the [`FrameDecoder`](crate::frame::FrameDecoder)'s.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        let fin = first & 0x80 != 0;
        let opcode = Opcode::from_bits(first & 0x0f)?;
        let short_len = second & 0x7f;
        if opcode.is_control() {
            if !fin {
                return Err(ProtocolError::ControlFragmented); // RFC 6455 5.5
            }
            if usize::from(short_len) > MAX_CONTROL {
                return Err(ProtocolError::ControlTooLong); // RFC 6455 5.5
            }
        }
        let Some((payload_len, extended)) = decode_len(short_len, rest)? else { return Ok(None) };
        let mut used = 2 + extended;
        let mut mask = None;
        if second & 0x80 != 0 {
            let Some(key) = rest[extended..].first_chunk() else { return Ok(None) };
            mask = Some(*key);
            used += 4;
        }
        Ok(Some((Self { fin, rsv: Rsv::from_bits(first >> 4), opcode, mask, payload_len }, used)))
    }

    /// Writes the header to the front of `out`, and zeros behind it; returns its length in bytes.
    #[inline]
    pub fn encode(&self, out: &mut [u8; MAX_HEADER]) -> usize {
        let (bytes, len) = self.to_bytes();
        *out = bytes;
        len
    }

    /// The header, and its length in bytes. Put together as a number: bytes that are stored one by one, and loaded again
    /// as a word to be copied, make the processor wait.
    #[inline]
    pub(crate) fn to_bytes(self) -> ([u8; MAX_HEADER], usize) {
        // Sums of bits that never meet.
        let first = (u8::from(self.fin) << 7) + (self.rsv.bits() << 4) + self.opcode as u8;
        let (short, extended, mut len) = match self.payload_len {
            short @ 0..=125 => (short, 0, 2),
            // Big-endian, in the lower half of the word.
            long @ 126..=0xffff => (126, long.swap_bytes() >> 48, 4),
            long => (127, long.swap_bytes(), 10),
        };
        let second = (u64::from(self.mask.is_some()) << 7) + short;
        let mut bits = (u128::from(extended) << 16) + u128::from((second << 8) + u64::from(first));
        if let Some(key) = self.mask {
            bits += u128::from(u32::from_le_bytes(key)) << (8 * len);
            len += 4;
        }
        let [bytes @ .., _, _] = bits.to_le_bytes();
        (bytes, len)
    }
}

/// The payload length and how many bytes behind the first two it takes.
fn decode_len(short: u8, rest: &[u8]) -> Result<Option<(u64, usize)>, ProtocolError> {
    let (len, size, minimum) = match short {
        126 => match rest.first_chunk() {
            Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 2, 126),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(bytes) => (u64::from_be_bytes(*bytes), 8, 0x1_0000),
            None => return Ok(None),
        },
        short => return Ok(Some((u64::from(short), 0))),
    };
    if len >> 63 != 0 {
        return Err(ProtocolError::LengthTopBit); // RFC 6455 5.2: "the most significant bit MUST be 0"
    }
    if len < minimum {
        return Err(ProtocolError::NonMinimalLength); // RFC 6455 5.2: "the minimal number of bytes MUST be used"
    }
    Ok(Some((len, size)))
}
