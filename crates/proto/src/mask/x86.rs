//! The kernels for x86-64, chosen at run time. (SSE2 is every x86-64's baseline: the portable loop has it.)

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
    super::by_blocks(bytes, key);
}
