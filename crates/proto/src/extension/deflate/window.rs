//! The last plain bytes of one direction: all that a context consists of between messages.

/// A ring whose memory grows with what was pushed, up to its size.
#[derive(Debug)]
pub(super) struct Window {
    bytes: Vec<u8>,
    /// Where the oldest byte stands; 0 until the ring is full.
    oldest: usize,
    size: usize,
}

impl Window {
    /// The memory grows in steps of this many bytes. Every size is a multiple of it.
    pub(super) const GROWTH: usize = 256;

    /// An empty window of 2 to the power of `bits`, 8-15.
    pub(super) fn new(bits: u8) -> Self {
        Self { bytes: Vec::new(), oldest: 0, size: 1 << bits }
    }

    /// Appends `plain`; the oldest bytes fall out.
    pub(super) fn push(&mut self, plain: &[u8]) {
        let plain = &plain[plain.len().saturating_sub(self.size)..];
        let (fill, wrap) = plain.split_at(plain.len().min(self.size - self.bytes.len()));
        let filled = self.bytes.len() + fill.len();
        self.bytes.reserve_exact(filled.next_multiple_of(Self::GROWTH) - self.bytes.len());
        self.bytes.extend_from_slice(fill);

        let (to_end, from_start) = wrap.split_at(wrap.len().min(self.size - self.oldest));
        self.bytes[self.oldest..][..to_end.len()].copy_from_slice(to_end);
        self.bytes[..from_start.len()].copy_from_slice(from_start);
        self.oldest = (self.oldest + wrap.len()) % self.size;
    }

    /// Its bytes: the older part, then the newer.
    pub(super) fn parts(&self) -> [&[u8]; 2] {
        let (newer, older) = self.bytes.split_at(self.oldest);
        [older, newer]
    }

    /// Forgets the bytes and gives their memory back.
    pub(super) fn clear(&mut self) {
        self.bytes = Vec::new();
        self.oldest = 0;
    }

    /// Bytes of memory held.
    pub(super) fn retained(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::Window;
    use proptest::prelude::*;

    fn bytes(window: &Window) -> Vec<u8> {
        window.parts().concat()
    }

    #[test]
    fn is_empty_and_holds_nothing_at_first() {
        let window = Window::new(15);
        assert_eq!((bytes(&window).len(), window.retained()), (0, 0));
    }

    #[test]
    fn grows_in_steps_and_never_beyond_its_size() {
        let mut window = Window::new(9);
        window.push(&[1]);
        assert_eq!(window.retained(), 256);
        window.push(&[2; 255]);
        assert_eq!(window.retained(), 256);
        window.push(&[3]);
        assert_eq!(window.retained(), 512);
        window.push(&[4; 10_000]);
        assert_eq!(window.retained(), 512);
        window.clear();
        assert_eq!((bytes(&window).len(), window.retained()), (0, 0));
    }

    #[test]
    fn clear_starts_the_ring_anew() {
        let mut window = Window::new(8);
        window.push(&[1; 300]);
        window.push(&[2; 10]);
        window.clear();
        window.push(b"abc");
        assert_eq!(bytes(&window), b"abc");
    }

    proptest! {
        #[test]
        fn holds_the_last_bytes_of_all_that_was_pushed(
            bits in 8u8..=10,
            lengths in proptest::collection::vec(0usize..1500, 1..20),
        ) {
            let mut window = Window::new(bits);
            let mut all: Vec<u8> = Vec::new();
            for length in lengths {
                let from = all.len();
                all.extend((0..=250).cycle().skip(from % 251).take(length));
                window.push(&all[from..]);
                let tail = &all[all.len().saturating_sub(1 << bits)..];
                prop_assert_eq!(bytes(&window), tail);
                prop_assert!(window.retained() < tail.len() + Window::GROWTH);
                prop_assert!(window.retained() <= 1 << bits);
            }
        }
    }
}
