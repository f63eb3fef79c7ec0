//! `Sec-WebSocket-Key` and `Sec-WebSocket-Accept`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// What the server appends to the key (RFC 6455 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The key for a nonce (RFC 6455 4.1).
pub(super) fn encode(nonce: [u8; 16]) -> String {
    STANDARD.encode(nonce)
}

/// Whether a key is base64 of exactly 16 bytes (RFC 6455 4.2.1). Some clients fill all of the 22 digits at random, also
/// the four bits that mean nothing.
pub(super) fn is_valid(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    matches!(key, [digits @ .., b'=', b'='] if digits.len() == 22 && digits.iter().all(is_digit))
}

/// The answer to a key (RFC 6455 4.2.2).
pub(super) fn accept(key: &[u8]) -> [u8; 28] {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut answer = [0; 28];
    // Fails only where the place is too short, and both lengths are constants.
    STANDARD.encode_slice(digest, &mut answer).expect("20 bytes are 28 digits");
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_6455_1_3_key_and_accept() {
        assert_eq!(encode(*b"the sample nonce"), "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), *b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn note_000_key_and_accept() {
        assert!(is_valid(b"T2a6wZlAwhgQNqruZ2YUyg=="));
        assert_eq!(accept(b"T2a6wZlAwhgQNqruZ2YUyg=="), *b"iBJKv/ALIW2DobfoA4dmr3JHBCY=");
    }

    #[test]
    fn note_001_key_and_accept() {
        assert!(is_valid(b"w4v7O6xFTi36lq3RNcgctw=="));
        assert_eq!(accept(b"w4v7O6xFTi36lq3RNcgctw=="), *b"Oy4NRAQ13jhfONC7bP8dTKb4PTU=");
    }

    #[test]
    fn note_002_key_and_accept() {
        assert!(is_valid(b"sN9cRrP/n9NdMgdcy2VJFQ=="));
        assert_eq!(accept(b"sN9cRrP/n9NdMgdcy2VJFQ=="), *b"fFBooB7FAkLlXgRSz0BT3v4hq5s=");
    }

    #[test]
    fn a_key_is_base64_of_exactly_16_bytes() {
        for len in 0..64 {
            assert_eq!(is_valid(STANDARD.encode(vec![0xa5; len]).as_bytes()), len == 16, "{len}");
        }
        for key in
            ["dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBs ZSBub25jZQ==", "", "===="]
        {
            assert!(!is_valid(key.as_bytes()), "{key}");
        }
        assert!(!is_valid(b"dGhlIHNhbXBsZSBub25-ZQ=="), "the alphabet of URLs");
        assert!(is_valid(b"dGhlIHNhbXBsZSBub25jZR=="), "bits that mean nothing are set");
    }
}
