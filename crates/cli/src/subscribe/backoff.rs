//! How long to wait before the next attempt.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// Grows with each attempt, and differs from client to client, so that not all come back at once.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    attempts: u32,
}

const FIRST: Duration = Duration::from_millis(500);
const MOST: Duration = Duration::from_secs(30);

impl Backoff {
    pub(super) fn next(&mut self) -> Duration {
        let most = FIRST.saturating_mul(1 << self.attempts.min(16)).min(MOST);
        self.attempts += 1;
        // The seed of a hash map is the one source of chance that needs no further library.
        let chance = RandomState::new().hash_one(self.attempts) % 1024;
        most / 2 + most / 2 * u32::try_from(chance).unwrap_or_default() / 1024
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit() {
        let mut backoff = Backoff::default();
        for doubled in [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            let (pause, most) = (backoff.next(), Duration::from_millis(doubled));
            assert!(pause >= most / 2 && pause <= most, "{pause:?} of {most:?}");
        }
        backoff.attempts = 1_000_000;
        assert!(backoff.next() <= MOST);
    }
}
