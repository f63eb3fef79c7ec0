//! Unmasking on the way: what has to be copied is masked in the same pass.

use std::mem::MaybeUninit;

/// Appends the masked or unmasked form of `bytes`.
#[expect(unsafe_code, reason = "the room behind the bytes is written without being cleared first")]
#[inline]
pub(crate) fn append(target: &mut Vec<u8>, bytes: &[u8], key: [u8; 4]) {
    target.reserve(bytes.len());
    let len = target.len() + bytes.len();
    copy(&mut target.spare_capacity_mut()[..bytes.len()], bytes, key);
    // SAFETY: `reserve` has made the room before `len`, and `copy` has written every byte of it.
    unsafe { target.set_len(len) };
}

/// Writes every byte of `room`, which is as long as `bytes`.
fn copy(room: &mut [MaybeUninit<u8>], bytes: &[u8], key: [u8; 4]) {
    #[cfg(target_arch = "x86_64")]
    if super::x86::copy(room, bytes, key) {
        return;
    }
    by_blocks(room, bytes, key);
}

/// 1024 bytes at a time, in a form that the compiler turns into the widest instructions it may use.
#[inline(always)] // compiled with the features of the kernel that calls it
pub(super) fn by_blocks(room: &mut [MaybeUninit<u8>], bytes: &[u8], key: [u8; 4]) {
    assert_eq!(room.len(), bytes.len(), "a byte would not be written");
    let (room_blocks, room) = room.as_chunks_mut::<1024>();
    let (blocks, bytes) = bytes.as_chunks::<1024>();
    for (room, block) in room_blocks.iter_mut().zip(blocks) {
        by_chunks::<32>(room, block, key);
    }
    let (room_rest, rest) = by_chunks::<32>(room, bytes, key);
    let (room_rest, rest) = by_chunks::<8>(room_rest, rest, key);
    for ((room, byte), key) in room_rest.iter_mut().zip(rest).zip(key.iter().cycle()) {
        room.write(byte ^ key);
    }
}

/// `N` bytes at a time. Returns what is left.
#[inline(always)] // as its caller
fn by_chunks<'a, const N: usize>(
    room: &'a mut [MaybeUninit<u8>],
    bytes: &'a [u8],
    key: [u8; 4],
) -> (&'a mut [MaybeUninit<u8>], &'a [u8]) {
    let mut wide = [0; N];
    for chunk in wide.as_chunks_mut().0 {
        *chunk = key;
    }
    let (room_chunks, room_rest) = room.as_chunks_mut::<N>();
    let (chunks, rest) = bytes.as_chunks::<N>();
    for (room, chunk) in room_chunks.iter_mut().zip(chunks) {
        for ((room, byte), key) in room.iter_mut().zip(chunk).zip(wide) {
            room.write(byte ^ key);
        }
    }
    (room_rest, rest)
}
