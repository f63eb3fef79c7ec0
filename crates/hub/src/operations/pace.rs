//! How fast things may come: token buckets, one for each key, in bounded memory.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A token bucket that holds a second's worth, as the one number that it needs: when it will be full again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    full_at: Instant,
}

impl Bucket {
    /// A full one.
    pub(crate) fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes so many tokens out, if they are there. More than it holds it gives only when it is full, and then it takes
    /// the longer to fill.
    pub(crate) fn take(&mut self, amount: usize, per_second: u32, now: Instant) -> bool {
        const SECOND: Duration = Duration::from_secs(1);
        let amount = u32::try_from(amount).unwrap_or(u32::MAX);
        let Some(cost) = SECOND.saturating_mul(amount).checked_div(per_second) else { return false };
        let full_at = self.full_at.max(now) + cost;
        let is_there = full_at <= now + SECOND || self.is_full(now);
        if is_there {
            self.full_at = full_at;
        }
        is_there
    }

    fn is_full(self, now: Instant) -> bool {
        self.full_at <= now
    }
}

/// Buckets by key, of which only a hash is kept. A full one is not kept at all.
#[derive(Debug)]
pub(crate) struct Pace {
    capacity: usize,
    hasher: RandomState,
    buckets: Mutex<Buckets>,
}

#[derive(Debug)]
struct Buckets {
    by_key: HashMap<u64, Bucket>,
    swept: Instant,
}

impl Pace {
    /// Keeps this many buckets at most. While there are more keys than that at a time, further ones are refused.
    pub(crate) fn new(capacity: usize) -> Self {
        let buckets = Buckets { by_key: HashMap::new(), swept: Instant::now() };
        Self { capacity, hasher: RandomState::new(), buckets: Mutex::new(buckets) }
    }

    /// Takes so many tokens out of a bucket that gets `per_second`; answers whether they were there.
    pub(crate) fn admits(&self, key: impl Hash, amount: usize, per_second: u32) -> bool {
        let now = Instant::now();
        let key = self.hasher.hash_one(key);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.by_key.len() >= self.capacity && !buckets.by_key.contains_key(&key) {
            buckets.sweep(now);
            if buckets.by_key.len() >= self.capacity {
                return false;
            }
        }
        buckets.by_key.entry(key).or_insert(Bucket::full(now)).take(amount, per_second, now)
    }
}

impl Buckets {
    /// Forgets full buckets; not so often that a flood of keys would cost a walk each.
    fn sweep(&mut self, now: Instant) {
        if now.duration_since(self.swept) >= Duration::from_millis(100) {
            self.swept = now;
            self.by_key.retain(|_, bucket| !bucket.is_full(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pass(ms: u64) {
        tokio::time::advance(Duration::from_millis(ms)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_seconds_worth_comes_at_once_and_the_rest_as_it_drips() {
        let pace = Pace::new(8);
        let admitted = |key: &str| (0..100).take_while(|_| pace.admits(key, 1, 10)).count();
        assert_eq!([admitted("a"), admitted("a"), admitted("b")], [10, 0, 10]);
        pass(99).await;
        assert_eq!(admitted("a"), 0);
        pass(1).await;
        assert_eq!(admitted("a"), 1);
        pass(500).await;
        assert_eq!(admitted("a"), 5);
        pass(60_000).await;
        assert_eq!(admitted("a"), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_of_nothing_admits_nothing() {
        assert!(!Pace::new(8).admits("a", 1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn an_amount_is_taken_at_once_or_not_at_all() {
        let pace = Pace::new(8);
        let admits = |amount| pace.admits("a", amount, 1000);
        assert_eq!([admits(600), admits(600), admits(400), admits(1)], [true, false, true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_more_than_a_bucket_holds_goes_when_it_is_full() {
        let pace = Pace::new(8);
        let admits = |amount| pace.admits("a", amount, 1000);
        assert_eq!([admits(3000), admits(1)], [true, false]);
        pass(2000).await;
        assert!(!admits(1));
        pass(1).await;
        assert!(admits(1) && !admits(3000) && !admits(usize::MAX));
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded_and_freed_by_time() {
        let pace = Pace::new(100);
        let admitted = |from: u32| (from..from + 1000).filter(|&key| pace.admits(key, 1, 1)).count();
        assert_eq!(admitted(0), 100);
        assert_eq!(pace.buckets.lock().unwrap().by_key.len(), 100);
        assert_eq!(admitted(1000), 0);
        pass(1001).await;
        assert_eq!(admitted(2000), 100);
    }
}
