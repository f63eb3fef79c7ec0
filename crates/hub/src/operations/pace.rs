//! How fast things may come: a token bucket for each key, in bounded memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Buckets by key. Each allows so many at once as come per second, and is full again after a second of silence; a full
/// one is not kept.
#[derive(Debug)]
pub(crate) struct Pace<K> {
    capacity: usize,
    buckets: Mutex<Buckets<K>>,
}

#[derive(Debug)]
struct Buckets<K> {
    /// When each bucket will be full again.
    full_at: HashMap<K, Instant>,
    swept: Instant,
}

impl<K: Eq + Hash> Pace<K> {
    /// Keeps this many buckets at most. While more keys than that were seen within a second, further ones are refused.
    pub(crate) fn new(capacity: usize) -> Self {
        let buckets = Buckets { full_at: HashMap::new(), swept: Instant::now() };
        Self { capacity, buckets: Mutex::new(buckets) }
    }

    /// Takes so many tokens out of a bucket that gets `per_second`; answers whether they were there. What is more than
    /// a bucket holds empties it.
    pub(crate) fn admits(&self, key: K, amount: u32, per_second: u32) -> bool {
        const SECOND: Duration = Duration::from_secs(1);
        let now = Instant::now();
        let Some(amount) = (SECOND * amount.min(per_second)).checked_div(per_second) else { return false };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.full_at.len() >= self.capacity && !buckets.full_at.contains_key(&key) {
            buckets.sweep(now);
            if buckets.full_at.len() >= self.capacity {
                return false;
            }
        }
        let full_at = buckets.full_at.entry(key).or_insert(now);
        let next = (*full_at).max(now) + amount;
        let is_admitted = next <= now + SECOND;
        if is_admitted {
            *full_at = next;
        }
        is_admitted
    }
}

impl<K: Eq + Hash> Buckets<K> {
    /// Forgets full buckets; rarely enough that a flood of keys does not cost a walk each.
    fn sweep(&mut self, now: Instant) {
        if now.duration_since(self.swept) >= Duration::from_millis(100) {
            self.swept = now;
            self.full_at.retain(|_, full_at| *full_at > now);
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
        let admitted = |key: &'static str| (0..100).take_while(|_| pace.admits(key, 1, 10)).count();
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
        pass(1000).await;
        assert_eq!([admits(5000), admits(1)], [true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded_and_freed_by_time() {
        let pace = Pace::new(100);
        let admitted = |from: u32| (from..from + 1000).filter(|&key| pace.admits(key, 1, 1)).count();
        assert_eq!(admitted(0), 100);
        assert_eq!(pace.buckets.lock().unwrap().full_at.len(), 100);
        assert_eq!(admitted(1000), 0);
        pass(1001).await;
        assert_eq!(admitted(2000), 100);
    }
}
