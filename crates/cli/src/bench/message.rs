//! What is sent: messages that differ, and tell which they are.

use sockeye::{Kind, Message, Payload};
use std::fmt::Write as _;

/// Hexadecimal digits of a message's number, the lowest first, as far as the message has room for them.
const DIGITS: usize = 16;

/// Places of the filler at which a message may begin, so that neighbours differ.
const PLACES: usize = 4096;

/// From the place of one message to that of the next.
const STRIDE: usize = 61;

/// The messages of every connection: the n-th of one is the n-th of any other.
#[derive(Debug)]
pub(super) struct Messages {
    kind: Kind,
    size: usize,
    filler: String,
}

impl Messages {
    pub(super) fn new(kind: Kind, size: usize) -> Self {
        let filler = if size > DIGITS { filler(size - DIGITS + PLACES) } else { String::new() };
        Self { kind, size, filler }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// The message with this number.
    pub(super) fn message(&self, number: u64) -> Message {
        let digits = digits(number);
        let digits = &digits[..self.size.min(DIGITS)];
        match self.kind {
            Kind::Binary if self.size <= DIGITS => Message::binary(Payload::copy_from_slice(digits)),
            Kind::Binary => {
                let mut bytes = Vec::with_capacity(self.size);
                bytes.extend_from_slice(digits);
                bytes.extend_from_slice(self.rest(number).as_bytes());
                Message::binary(bytes)
            }
            Kind::Text => {
                let mut text = String::with_capacity(self.size);
                text.extend(digits.iter().copied().map(char::from));
                text.push_str(self.rest(number));
                Message::text(text)
            }
        }
    }

    /// The first number, from `least` on, whose message this is. A message that is too short for all digits of its
    /// number is that of many.
    pub(super) fn number(&self, message: &Message, least: u64) -> Option<u64> {
        let bytes = message.as_bytes();
        if message.kind() != self.kind || bytes.len() != self.size {
            return None;
        }
        let (digits, rest) = bytes.split_at(self.size.min(DIGITS));
        let known = u64::MAX.checked_shr(64 - 4 * u32::try_from(digits.len()).ok()?).unwrap_or(0);
        let number = least.wrapping_add(value(digits)?.wrapping_sub(least) & known);
        (rest == self.rest(number).as_bytes()).then_some(number)
    }

    /// What stands behind the digits.
    fn rest(&self, number: u64) -> &str {
        let len = self.size.saturating_sub(DIGITS);
        let from = if len > 0 { place(number) } else { 0 };
        &self.filler[from..from + len]
    }
}

/// Where in the filler a message begins.
fn place(number: u64) -> usize {
    let low = usize::from(u16::from_le_bytes([number.to_le_bytes()[0], number.to_le_bytes()[1]]));
    low * STRIDE % PLACES
}

fn digits(number: u64) -> [u8; DIGITS] {
    std::array::from_fn(|position| {
        b"0123456789abcdef"[usize::from(number.to_le_bytes()[position / 2] >> (4 * (position % 2)) & 15)]
    })
}

/// The number that the digits say, as far as they say it.
fn value(digits: &[u8]) -> Option<u64> {
    digits.iter().rev().try_fold(0, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

/// Records of JSON with changing figures: what compresses as the data of programs does.
fn filler(len: usize) -> String {
    let mut state: u32 = 0x9e37_79b9;
    let mut next = |below: u32| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state % below
    };
    let sides = ["buy", "sell"];
    let mut text = String::with_capacity(len + 64);
    while text.len() < len {
        let side = sides[usize::from(next(2) == 1)];
        let (id, price, cents, amount) = (next(1_000_000), next(1_000), next(100), next(10_000));
        // A string takes everything.
        let _ =
            write!(text, r#"{{"id":{id},"side":"{side}","price":{price}.{cents:02},"amount":{amount}}},"#);
    }
    text.truncate(len);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [usize; 9] = [0, 1, 2, 15, 16, 17, 23, 64, 5000];

    #[test]
    fn a_message_tells_its_number() {
        for size in SIZES {
            for kind in [Kind::Text, Kind::Binary] {
                let messages = Messages::new(kind, size);
                for number in [0, 1, 9, 10, 255, 256, 4095, 4096, 1 << 40, u64::MAX] {
                    let message = messages.message(number);
                    assert_eq!((message.kind(), message.len()), (kind, size));
                    assert_eq!(messages.number(&message, number), Some(number), "{size} {number}");
                }
            }
        }
    }

    #[test]
    fn the_number_is_looked_for_from_the_least_on() {
        let short = Messages::new(Kind::Binary, 1);
        assert_eq!(short.number(&short.message(3), 0), Some(3));
        assert_eq!(short.number(&short.message(3), 4), Some(19));
        assert_eq!(short.number(&short.message(19), 18), Some(19));
        let long = Messages::new(Kind::Binary, 16);
        assert_eq!(long.number(&long.message(3), 4), Some(3), "it has been before");
        let empty = Messages::new(Kind::Binary, 0);
        assert_eq!(empty.number(&empty.message(3), 7), Some(7));
    }

    #[test]
    fn every_byte_counts() {
        for size in SIZES {
            let messages = Messages::new(Kind::Binary, size);
            let right = messages.message(7).into_payload().to_vec();
            for position in 0..size {
                let mut wrong = right.clone();
                wrong[position] ^= 1;
                assert_ne!(messages.number(&Message::binary(wrong), 7), Some(7), "{position} of {size}");
            }
            assert_eq!(messages.number(&Message::binary([&right[..], b"0"].concat()), 7), None);
            assert_eq!(messages.number(&Message::text(String::from_utf8(right).unwrap()), 7), None);
        }
    }

    #[test]
    fn neighbours_differ_behind_their_numbers() {
        let messages = Messages::new(Kind::Text, 40);
        assert_ne!(messages.rest(1), messages.rest(2));
        assert_eq!(messages.rest(u64::MAX).len(), 24);
    }
}
