//! Masking (RFC 6455 5.3): XOR with a repeated four-byte key, in place.
//!
//! Short payloads, most of the world's traffic, stay on an inlined word loop. Long ones go to the widest kernel
//! that the processor has. Every kernel is held against a naive oracle at every alignment and length.

mod append;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
mod tests;

pub(crate) use append::append;

/// Payloads up to this many bytes are masked without a call.
const SHORT: usize = 64;

/// Masks or unmasks `bytes`, and returns the key as the byte after them needs it, so that a payload can be
/// handled in pieces.
#[inline]
pub fn mask(bytes: &mut [u8], key: [u8; 4]) -> [u8; 4] {
    let len = bytes.len();
    if is_short(len) {
        by_words(bytes, key)
    } else {
        long(bytes, key)
    }
    rotate(key, len)
}

#[inline]
const fn is_short(len: usize) -> bool {
    len <= SHORT
}

/// The key for the byte that stands `len` bytes further. As a number: an array is turned by a loop.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "at most 24")]
pub(crate) fn rotate(key: [u8; 4], len: usize) -> [u8; 4] {
    let bits = 8 * (len % 4) as u32;
    u32::from_le_bytes(key).rotate_right(bits).to_le_bytes()
}

fn long(bytes: &mut [u8], key: [u8; 4]) {
    if key == [0; 4] {
        return; // legal, and some peers do it to save the work (RFC 6455 5.3 only asks for unpredictable keys)
    }
    #[cfg(target_arch = "x86_64")]
    if x86::mask(bytes, key) {
        return;
    }
    by_blocks(bytes, key);
}

/// Sixteen bytes at a time, then eight, then four, then what is left: a branch for each, no matter how many words. Where
/// nothing is left it ends early, which is most of what it takes for a payload of 8 or 16 bytes.
#[inline]
fn by_words(bytes: &mut [u8], key: [u8; 4]) {
    let wide = u64::from(u32::from_ne_bytes(key)) * 0x1_0000_0001; // the key twice
    let (pairs, rest) = bytes.as_chunks_mut::<16>();
    for pair in pairs {
        *pair = (u128::from_ne_bytes(*pair) ^ (u128::from(wide) << 64 | u128::from(wide))).to_ne_bytes();
    }
    if rest.is_empty() {
        return;
    }
    let (word, rest) = rest.as_chunks_mut::<8>();
    if let [word] = word {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    if rest.is_empty() {
        return;
    }
    let (half, rest) = rest.as_chunks_mut::<4>();
    if let [half] = half {
        *half = (u32::from_ne_bytes(*half) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key; // three at the most
    }
}

/// 128 bytes at a time, in a form that the compiler turns into the widest instructions it may use.
#[inline(always)] // compiled with the features of the kernel that calls it
fn by_blocks(bytes: &mut [u8], key: [u8; 4]) {
    let mut wide = [0; 128];
    for chunk in wide.as_chunks_mut().0 {
        *chunk = key;
    }
    let (blocks, rest) = bytes.as_chunks_mut::<128>();
    for block in blocks {
        for (byte, key) in block.iter_mut().zip(&wide) {
            *byte ^= key;
        }
    }
    by_words(rest, key);
}
