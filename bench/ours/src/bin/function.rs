//! How long a function takes: `function WHOSE JOB BYTES WARM_UP MEASURED`, with times in milliseconds.
//!
//! Writes the nanoseconds of processor time that a call takes. `mask` masks a payload (`ours`), copies it (`memcpy`), or
//! masks it word by word (`words`). `ascii` and `mixed` check a text that is there (`ours`, `simdutf8`); in `pieces` ours
//! comes in four, cut inside of characters.

use rustix::time::{ClockId, clock_gettime};
use sockeye_proto::{Validator, mask};
use std::error::Error;
use std::hint::black_box;
use std::time::Duration;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Bytes that are handled between two looks at the clock, about; and what a call counts for beside its bytes.
const BATCH: usize = 1 << 20;
const CALL: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [whose, job, numbers @ ..] = &arguments[..] else {
        return Err("a function and a job are needed".into());
    };
    let numbers: Vec<u64> = numbers.iter().map(|number| number.parse()).collect::<Result<_, _>>()?;
    let [size, warm_up, measured] = numbers[..] else { return Err("three numbers are needed".into()) };
    let (size, [warm_up, measured]) = (size as usize, [warm_up, measured].map(Duration::from_millis));
    let mut function = function(whose, job, size).ok_or("there is no such function")?;
    // The function is told how often, so that what is measured has no call by pointer in it.
    let calls = BATCH / (size + CALL) + 1;
    let mut nanos = |span| {
        let (begun, mut batches) = (now(), 0);
        while now() - begun < span {
            function(calls);
            batches += 1;
        }
        (now() - begun).as_nanos() as f64 / (batches * calls) as f64
    };
    nanos(warm_up);
    println!("{}", nanos(measured));
    Ok(())
}

fn function(whose: &str, job: &str, size: usize) -> Option<Box<dyn FnMut(usize)>> {
    match job {
        "mask" => masking(whose, vec![b'x'; size]),
        "ascii" => checking(whose, text("The quick brown fox jumps over the lazy dog. ", size), 1),
        "mixed" => checking(whose, text(MIXED, size), 1),
        "pieces" => checking(whose, text(MIXED, size), 4),
        _ => None,
    }
}

/// Characters of one to four bytes.
const MIXED: &str = "Zwölf Boxkämpfer jagen 红鲑鱼 quer über den Sylter Deich 🐟, съешь ещё этих булок. ";

fn text(sentence: &str, size: usize) -> String {
    let mut text = sentence.repeat(size / sentence.len() + 1);
    while text.len() > size {
        text.pop();
    }
    text.extend(std::iter::repeat_n(' ', size - text.len()));
    text
}

fn masking(whose: &str, mut payload: Vec<u8>) -> Option<Box<dyn FnMut(usize)>> {
    Some(match whose {
        "ours" => Box::new(move |calls| {
            for _ in 0..calls {
                mask::mask(black_box(&mut payload), black_box(KEY));
            }
        }),
        "words" => Box::new(move |calls| {
            for _ in 0..calls {
                by_words(black_box(&mut payload), black_box(KEY));
            }
        }),
        "memcpy" => {
            let mut copy = payload.clone();
            Box::new(move |calls| {
                for _ in 0..calls {
                    black_box(&mut copy).copy_from_slice(black_box(&payload));
                }
            })
        }
        _ => return None,
    })
}

/// The plain loop: eight bytes at a time, then the rest of them.
#[inline]
fn by_words(bytes: &mut [u8], key: [u8; 4]) {
    let wide = u64::from(u32::from_ne_bytes(key)) * 0x1_0000_0001;
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (index, byte) in rest.iter_mut().enumerate() {
        *byte ^= key[index % 4];
    }
}

fn checking(whose: &str, text: String, pieces: usize) -> Option<Box<dyn FnMut(usize)>> {
    Some(match whose {
        "ours" => Box::new(move |calls| {
            for _ in 0..calls {
                assert!(black_box(is_text(black_box(text.as_bytes()), pieces)));
            }
        }),
        "simdutf8" => Box::new(move |calls| {
            for _ in 0..calls {
                assert!(black_box(simdutf8::compat::from_utf8(black_box(text.as_bytes()))).is_ok());
            }
        }),
        _ => return None,
    })
}

fn is_text(bytes: &[u8], pieces: usize) -> bool {
    let mut validator = Validator::new();
    let mut pieces = bytes.chunks(bytes.len().div_ceil(pieces));
    pieces.all(|piece| validator.push(piece).is_ok()) && validator.is_complete()
}

fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_its_length_and_its_cuts_are_inside_of_characters() {
        let text = text(MIXED, 16 << 10);
        assert_eq!(text.len(), 16 << 10);
        let cuts = [1, 2, 3].map(|cut| text.is_char_boundary(cut * (4 << 10)));
        assert!(cuts.contains(&false), "{cuts:?}");
        assert!(is_text(text.as_bytes(), 4));
        assert!(!is_text(&text.as_bytes()[.."Zw".len() + 1], 4), "it ends inside of a character");
    }

    #[test]
    fn the_word_loop_masks_as_ours_does() {
        for size in 0..70 {
            let mut payloads = [vec![7; size], vec![7; size]];
            by_words(&mut payloads[0], KEY);
            mask::mask(&mut payloads[1], KEY);
            assert_eq!(payloads[0], payloads[1]);
        }
    }
}
