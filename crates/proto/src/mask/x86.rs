//! The kernels for x86-64, chosen at run time. (SSE2 is every x86-64's baseline: the portable loop has it.)

use std::mem::MaybeUninit;

/// Masks with AVX2. Returns whether it did: not where the processor has no AVX2.
#[expect(unsafe_code, reason = "the one call into a kernel that needs a processor feature")]
pub(super) fn mask(bytes: &mut [u8], key: [u8; 4]) -> bool {
    let has_avx2 = is_x86_feature_detected!("avx2");
    if has_avx2 {
        // SAFETY: the processor has AVX2, as was just asked.
        unsafe { avx2(bytes, key) };
    }
    has_avx2
}

#[target_feature(enable = "avx2")]
fn avx2(bytes: &mut [u8], key: [u8; 4]) {
    let mut vector = [0; 32];
    for chunk in vector.as_chunks_mut().0 {
        *chunk = key;
    }
    // The compiler unrolls what is done to a block: counting costs next to nothing.
    let (blocks, rest) = bytes.as_chunks_mut::<1024>();
    for block in blocks {
        by_vectors(block, vector);
    }
    super::by_words(by_vectors(rest, vector), key);
}

#[inline(always)] // compiled with the features of the kernel that calls it
fn by_vectors(bytes: &mut [u8], vector: [u8; 32]) -> &mut [u8] {
    let (chunks, rest) = bytes.as_chunks_mut::<32>();
    for chunk in chunks {
        for (byte, key) in chunk.iter_mut().zip(vector) {
            *byte ^= key;
        }
    }
    rest
}

/// As [`mask`], into another place.
#[expect(unsafe_code, reason = "the one call into a kernel that needs a processor feature")]
pub(super) fn copy(room: &mut [MaybeUninit<u8>], bytes: &[u8], key: [u8; 4]) -> bool {
    let has_avx2 = is_x86_feature_detected!("avx2");
    if has_avx2 {
        // SAFETY: the processor has AVX2, as was just asked.
        unsafe { avx2_copy(room, bytes, key) };
    }
    has_avx2
}

#[target_feature(enable = "avx2")]
fn avx2_copy(room: &mut [MaybeUninit<u8>], bytes: &[u8], key: [u8; 4]) {
    super::append::by_blocks(room, bytes, key);
}
