//! How often clients poll: what their presence between two polls goes by.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// When each client has polled last, for all workers: a client's next poll may meet another one.
#[derive(Debug)]
pub(crate) struct Polls {
    capacity: usize,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    at: HashMap<Box<str>, Instant>,
    swept: Instant,
}

impl Polls {
    /// Clients that are remembered, at most: 65 536. One that is not counts as new.
    const CAPACITY: usize = 1 << 16;
    /// How long a client is remembered: 2 minutes.
    const MEMORY: Duration = Duration::from_mins(2);
    /// How long a client is present after a poll, at least: 30 s.
    const MIN_LEASE: Duration = Duration::from_secs(30);

    pub(crate) fn new() -> Self {
        Self::with_capacity(Self::CAPACITY)
    }

    fn with_capacity(capacity: usize) -> Self {
        Self { capacity, seen: Mutex::new(Seen { at: HashMap::new(), swept: Instant::now() }) }
    }

    /// Notes a poll, and answers how long the client is present by it: three times the time since its last one.
    pub(super) fn lease(&self, client: &str) -> Duration {
        let now = Instant::now();
        let mut seen = self.lock();
        seen.sweep(now);
        let last = seen.at.get(client).copied();
        if last.is_some() || seen.at.len() < self.capacity {
            seen.at.insert(client.into(), now);
        }
        let interval = last.map(|last| now.duration_since(last)).filter(|&interval| interval <= Self::MEMORY);
        interval.map_or(Self::MIN_LEASE, |interval| Self::MIN_LEASE.max(3 * interval))
    }

    /// Notes that a client was told not to come back.
    pub(super) fn forget(&self, client: &str) {
        self.lock().at.remove(client);
    }

    /// Whether a client may come back.
    pub(crate) fn is_empty(&self) -> bool {
        let now = Instant::now();
        self.lock().at.values().all(|at| now.duration_since(*at) > Self::MEMORY)
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// Forgets who has not polled for long; rarely enough that it costs little.
    fn sweep(&mut self, now: Instant) {
        if now.duration_since(self.swept) >= Polls::MEMORY / 4 {
            self.swept = now;
            self.at.retain(|_, at| now.duration_since(*at) <= Polls::MEMORY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_is_present_for_three_of_its_intervals() {
        let polls = Polls::new();
        let lease = |client: &str| polls.lease(client).as_secs();
        assert_eq!(lease("a"), 30);
        pass(10).await;
        assert_eq!((lease("a"), lease("b")), (30, 30));
        pass(11).await;
        assert_eq!(lease("a"), 33);
        pass(120).await;
        assert_eq!(lease("a"), 360);
        pass(121).await;
        assert_eq!(lease("a"), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_may_come_back_until_it_was_told_or_is_forgotten() {
        let polls = Polls::new();
        polls.lease("a");
        polls.lease("b");
        polls.forget("a");
        assert!(!polls.is_empty());
        pass(121).await;
        assert!(polls.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded_and_freed_by_time() {
        let polls = Polls::with_capacity(10);
        let known = || polls.seen.lock().unwrap().at.len();
        for client in 0..20 {
            polls.lease(&client.to_string());
        }
        assert_eq!(known(), 10);
        pass(121).await;
        polls.lease("a");
        assert_eq!(known(), 1);
    }
}
