//! UTF-8 checked piece by piece, wherever the pieces are cut.

use std::fmt;

/// Checks a text that arrives in pieces, and fails at its first bad byte (RFC 6455 8.1).
///
/// A piece may end inside a character; the up to three bytes of it wait here for the next piece.
#[derive(Debug, Clone, Copy, Default)]
pub struct Validator {
    /// The start of a character whose end has not come yet.
    partial: [u8; 4],
    partial_len: u8,
}

/// The text is not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Utf8Error {
    /// Bytes of the piece that were good before the bad one.
    pub valid_up_to: usize,
}

impl fmt::Display for Utf8Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid UTF-8 at byte {} of the piece", self.valid_up_to)
    }
}
impl std::error::Error for Utf8Error {}

impl Validator {
    /// A validator at the start of a text.
    pub const fn new() -> Self {
        Self { partial: [0; 4], partial_len: 0 }
    }

    /// Checks the next piece of the text. After an error it is at the start of a text again.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), Utf8Error> {
        let carried = self.complete_partial(piece)?;
        let rest = &piece[carried..];
        let Err(error) = simdutf8::compat::from_utf8(rest) else { return Ok(()) };
        let valid_up_to = carried + error.valid_up_to();
        if error.error_len().is_some() {
            return Err(Utf8Error { valid_up_to });
        }
        // The piece ends inside a character that is good so far.
        for &byte in &piece[valid_up_to..] {
            self.append(byte);
        }
        Ok(())
    }

    /// Whether the text may end here, that is, not inside a character.
    pub const fn is_complete(&self) -> bool {
        self.partial_len == 0
    }

    /// Feeds the waiting character from the front of `piece`; returns how many bytes that took.
    fn complete_partial(&mut self, piece: &[u8]) -> Result<usize, Utf8Error> {
        let mut taken = 0;
        while self.partial_len > 0 && taken < piece.len() {
            self.append(piece[taken]);
            match std::str::from_utf8(&self.partial[..usize::from(self.partial_len)]) {
                Ok(_) => self.partial_len = 0,
                Err(error) if error.error_len().is_some() => {
                    self.partial_len = 0;
                    return Err(Utf8Error { valid_up_to: taken });
                }
                Err(_) => {}
            }
            taken += 1;
        }
        Ok(taken)
    }

    fn append(&mut self, byte: u8) {
        self.partial[usize::from(self.partial_len)] = byte;
        self.partial_len += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Naive oracle: the longest prefix for which some continuation is UTF-8 ends before the first bad byte.
    fn first_bad_byte(text: &[u8]) -> Option<usize> {
        (1..=text.len())
            .find(|&end| std::str::from_utf8(&text[..end]).is_err_and(|error| error.error_len().is_some()))
            .map(|end| end - 1)
    }

    fn push_in_pieces(text: &[u8], cuts: &[usize]) -> Result<bool, usize> {
        let mut validator = Validator::new();
        let mut start = 0;
        for end in cuts.iter().copied().chain([text.len()]) {
            let end = end.clamp(start, text.len());
            validator.push(&text[start..end]).map_err(|error| start + error.valid_up_to)?;
            start = end;
        }
        Ok(validator.is_complete())
    }

    /// Bytes that are often near a border of the UTF-8 grammar.
    fn tricky_bytes() -> impl Strategy<Value = Vec<u8>> {
        let edge = prop::sample::select(vec![
            0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed,
            0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
        ]);
        let valid = any::<char>().prop_map(|c| c.to_string().into_bytes());
        let piece = prop_oneof![4 => valid, 1 => edge.prop_map(|byte| vec![byte])];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn agrees_with_the_naive_oracle_however_cut(text in tricky_bytes(), mut cuts in prop::collection::vec(0usize..120, 0..8)) {
            cuts.sort_unstable();
            let got = push_in_pieces(&text, &cuts);
            if let Some(bad) = first_bad_byte(&text) {
                // The SIMD check names the start of the bad sequence, the carried path the byte itself.
                prop_assert!(got.is_err_and(|at| at <= bad && bad - at < 4));
            } else {
                prop_assert_eq!(got, Ok(std::str::from_utf8(&text).is_ok()));
            }
        }
    }

    #[test]
    fn fails_at_the_first_bad_byte_of_every_cut() {
        // A surrogate, U+D800: its second byte is already wrong.
        let mut validator = Validator::new();
        validator.push(b"\xed").unwrap();
        assert_eq!(validator.push(b"\xa0"), Err(Utf8Error { valid_up_to: 0 }));
        assert_eq!(Validator::new().push(b"ok\xf4\x90"), Err(Utf8Error { valid_up_to: 2 }));
    }

    #[test]
    fn it_can_be_used_after_an_error() {
        let mut validator = Validator::new();
        validator.push(b"\xe2").unwrap();
        for _ in 0..3 {
            validator.push(b"(").unwrap_err();
            assert!(validator.is_complete());
            validator.push(b"(\xe2").unwrap();
        }
    }

    #[test]
    fn a_text_that_stops_inside_a_character_is_incomplete() {
        let mut validator = Validator::new();
        validator.push("€".as_bytes().split_last().unwrap().1).unwrap();
        assert!(!validator.is_complete());
        validator.push(b"\xac").unwrap();
        assert!(validator.is_complete());
    }
}
