use super::*;
use proptest::prelude::*;
use std::mem::MaybeUninit;

/// The definition in RFC 6455 5.3, one byte at a time.
fn oracle(bytes: &mut [u8], key: [u8; 4]) {
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte ^= key[i % 4];
    }
}

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Every kernel at every alignment to 64 and every length to 300: right inside, untouched outside.
#[test]
fn every_kernel_at_every_alignment_and_length() {
    type Kernel = fn(&mut [u8], [u8; 4]);
    let kernels: [(&str, Kernel); 4] = [
        ("mask", |bytes, key| _ = mask(bytes, key)),
        ("by_words", by_words),
        ("by_blocks", |bytes, key| by_blocks(bytes, key)),
        ("long", long),
    ];
    let plain: Vec<u8> = (0..=255).cycle().take(512).collect();
    for (name, kernel) in kernels {
        for start in 0..64 {
            for len in 0..300 {
                let (mut got, mut expected) = (plain.clone(), plain.clone());
                kernel(&mut got[start..start + len], KEY);
                oracle(&mut expected[start..start + len], KEY);
                assert!(got == expected, "{name} start {start} len {len}");
            }
        }
    }
}

/// Some lengths around those at which a kernel begins to work otherwise, and all short ones.
fn lengths() -> impl Iterator<Item = usize> {
    (0..100).chain([127, 128, 1023, 1024, 1025, 1056, 1063, 2047, 2048, 3111])
}

#[expect(unsafe_code, reason = "the kernel that is chosen nowhere here is looked at by itself")]
#[test]
fn long_payloads_in_place_and_on_the_way() {
    type Append = fn(&mut Vec<u8>, &[u8], [u8; 4]);
    let in_place: Append = |target, bytes, key| {
        let len = target.len();
        target.extend_from_slice(bytes);
        mask(&mut target[len..], key);
    };
    let portable: Append = |target, bytes, key| {
        let mut room = vec![MaybeUninit::new(0); bytes.len()];
        append::by_blocks(&mut room, bytes, key);
        // SAFETY: every byte was written before already.
        target.extend(room.iter().map(|byte| unsafe { byte.assume_init() }));
    };
    let plain: Vec<u8> = (0..=255).cycle().take(4096).collect();
    for kernel in [append, portable, in_place] {
        for start in 0..33 {
            for len in lengths() {
                let bytes = &plain[start..start + len];
                let mut expected = plain[..start].to_vec();
                let mut got = expected.clone();
                expected.extend_from_slice(bytes);
                oracle(&mut expected[start..], KEY);
                kernel(&mut got, bytes, KEY);
                assert!(got == expected, "start {start} len {len}");
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_avx2_kernel_is_used_where_the_processor_has_it() {
    let mut bytes = vec![0; 1000];
    let has_avx2 = is_x86_feature_detected!("avx2");
    assert_eq!(x86::mask(&mut bytes, KEY), has_avx2);
    let mut expected = vec![0; 1000];
    if has_avx2 {
        oracle(&mut expected, KEY);
    }
    assert_eq!(bytes, expected);
}

proptest! {
    #[test]
    fn in_pieces_as_in_one(bytes in prop::collection::vec(any::<u8>(), 0..2000), key in any::<[u8; 4]>(), cuts in prop::collection::vec(0usize..2000, 0..6)) {
        let mut expected = bytes.clone();
        oracle(&mut expected, key);
        let mut got = bytes;
        let mut rest = got.as_mut_slice();
        let mut piece_key = key;
        for cut in cuts {
            let (piece, behind) = rest.split_at_mut(cut.min(rest.len()));
            piece_key = mask(piece, piece_key);
            rest = behind;
        }
        mask(rest, piece_key);
        prop_assert_eq!(got, expected);
    }
}

#[test]
fn an_all_zero_key_changes_nothing() {
    let mut bytes = vec![7; 200];
    assert_eq!(mask(&mut bytes, [0; 4]), [0; 4]);
    assert_eq!(bytes, [7; 200]);
}

/// RFC 6455 5.7: a masked "Hello".
#[test]
fn rfc_6455_5_7() {
    let mut bytes = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
    mask(&mut bytes, KEY);
    assert_eq!(&bytes, b"Hello");
}

#[test]
fn payloads_up_to_64_bytes_are_masked_without_a_call() {
    assert!(is_short(0) && is_short(64));
    assert!(!is_short(65) && !is_short(1000));
}
