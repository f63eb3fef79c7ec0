//! The bytes that all logs share, and which shard has the oldest of them.

use super::super::{Usage, Wakers};
use super::log::{Evicted, Load};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use tokio::time::Instant;

/// Into how many parts the channels are divided.
pub(super) const SHARDS: usize = 64;

/// When something was last used, on a clock that counts uses.
pub(super) type Age = u64;

/// When something came, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    pub(super) age: Age,
    pub(super) at: Instant,
}

/// One use of logs: when it is, and who is to be woken after it, when no lock is held.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) at: Instant,
    pub(super) age: Age,
    pub(super) wakers: Wakers,
}

impl Turn {
    pub(super) fn now() -> Self {
        Self { at: Instant::now(), age: 0, wakers: Wakers::default() }
    }

    pub(super) fn stamp(&self) -> Stamp {
        Stamp { age: self.age, at: self.at }
    }
}

/// Of a shard that has nothing that may go.
const NOTHING: Age = Age::MAX;

/// What is weighed against the limit.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    bytes: AtomicUsize,
    /// Members that no connection holds.
    unheld: AtomicUsize,
    clock: AtomicU64,
    /// By shard: nothing that may go there is older. Written under the shard's lock.
    oldest: [AtomicU64; SHARDS],
    evicted: AtomicU64,
    evicted_keys: AtomicU64,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Self {
        let oldest = std::array::from_fn(|_| AtomicU64::new(NOTHING));
        let (bytes, unheld, clock, evicted, evicted_keys) = Default::default();
        Self { limit, bytes, unheld, clock, oldest, evicted, evicted_keys }
    }

    /// The age of what is used now: every use has its own.
    pub(super) fn tick(&self) -> Age {
        self.clock.fetch_add(1, Relaxed)
    }

    pub(super) fn is_over(&self) -> bool {
        self.bytes.load(Relaxed) > self.limit
    }

    /// A log added `before` to the sums and adds `after`.
    pub(super) fn weigh(&self, before: Load, after: Load) {
        change(&self.bytes, before.bytes, after.bytes);
        change(&self.unheld, before.unheld, after.unheld);
    }

    /// Members that no connection holds.
    pub(super) fn unheld(&self) -> usize {
        self.unheld.load(Relaxed)
    }

    /// Counts what had to go before its time.
    pub(super) fn count(&self, evicted: Evicted) {
        self.evicted.fetch_add(evicted.publications, Relaxed);
        self.evicted_keys.fetch_add(evicted.keys, Relaxed);
    }

    /// Nothing that may go in this shard is older than this.
    pub(super) fn note_oldest(&self, shard: usize, age: Option<Age>) {
        self.oldest[shard].store(age.unwrap_or(NOTHING), Relaxed);
    }

    /// The shard with the oldest, and the age until which it has the oldest.
    pub(super) fn oldest(&self) -> Option<(usize, Age)> {
        let (mut shard, mut oldest, mut second) = (0, NOTHING, NOTHING);
        for (index, age) in self.oldest.iter().enumerate() {
            let age = age.load(Relaxed);
            if age < oldest {
                (shard, oldest, second) = (index, age, oldest);
            } else if age < second {
                second = age;
            }
        }
        (oldest != NOTHING).then_some((shard, second))
    }

    /// What is counted for all shards together.
    pub(super) fn usage(&self) -> Usage {
        Usage {
            bytes: self.bytes.load(Relaxed),
            evicted: self.evicted.load(Relaxed),
            evicted_keys: self.evicted_keys.load(Relaxed),
            ..Usage::default()
        }
    }
}

/// Most uses change nothing: then nothing is written.
fn change(sum: &AtomicUsize, before: usize, after: usize) {
    if before != after {
        // Wrapping: the sum is right, whichever way a single difference goes.
        sum.fetch_add(after.wrapping_sub(before), Relaxed);
    }
}
