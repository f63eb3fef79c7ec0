//! How much a client may send: messages and bytes per second, as many again at once.

use crate::settings::Limits;
use std::time::Duration;
use tokio::time::Instant;

/// What a client may still send.
#[derive(Debug)]
pub(super) struct Allowance {
    messages: Bucket,
    bytes: Bucket,
}

impl Allowance {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { messages: Bucket { full_at: now }, bytes: Bucket { full_at: now } }
    }

    /// Takes one message of this length out; answers whether it was allowed.
    pub(super) fn admits(&mut self, len: usize, limits: &Limits) -> bool {
        let now = Instant::now();
        self.messages.take(1, limits.messages_per_second, now)
            && self.bytes.take(len, limits.bytes_per_second, now)
    }
}

/// A token bucket that holds a second's worth, as the one number that it needs: when it will be full again.
#[derive(Debug)]
struct Bucket {
    full_at: Instant,
}

impl Bucket {
    fn take(&mut self, amount: usize, per_second: u32, now: Instant) -> bool {
        let amount = u64::try_from(amount).unwrap_or(u64::MAX);
        let nanoseconds = u64::try_from(Duration::from_secs(1).as_nanos()).unwrap_or(u64::MAX);
        let Some(cost) = amount.saturating_mul(nanoseconds).checked_div(per_second.into()) else {
            return false;
        };
        let cost = Duration::from_nanos(cost);
        let full_at = self.full_at.max(now) + cost;
        // A single message that is larger than the bucket goes while the bucket is full: other limits bound it.
        let is_admitted = full_at <= now + Duration::from_secs(1) || self.full_at <= now;
        if is_admitted {
            self.full_at = full_at;
        }
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(messages_per_second: u32, bytes_per_second: u32) -> Limits {
        Limits { messages_per_second, bytes_per_second, ..Limits::default() }
    }

    async fn pass(ms: u64) {
        tokio::time::advance(Duration::from_millis(ms)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_seconds_worth_of_messages_comes_at_once() {
        let (mut allowance, limits) = (Allowance::new(), limits(10, 1 << 20));
        let admitted =
            |allowance: &mut Allowance| (0..100).take_while(|_| allowance.admits(1, &limits)).count();
        assert_eq!(admitted(&mut allowance), 10);
        pass(99).await;
        assert_eq!(admitted(&mut allowance), 0);
        pass(1).await;
        assert_eq!(admitted(&mut allowance), 1);
        pass(10_000).await;
        assert_eq!(admitted(&mut allowance), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_seconds_worth_of_bytes_comes_at_once() {
        let (mut allowance, limits) = (Allowance::new(), limits(1_000, 1_000));
        assert!(allowance.admits(600, &limits) && allowance.admits(400, &limits));
        assert!(!allowance.admits(1, &limits));
        pass(500).await;
        assert!(!allowance.admits(501, &limits) && allowance.admits(500, &limits));
    }

    #[tokio::test(start_paused = true)]
    async fn one_message_larger_than_a_seconds_worth_goes_and_is_paid_for() {
        let (mut allowance, limits) = (Allowance::new(), limits(1_000, 1_000));
        assert!(allowance.admits(3_000, &limits));
        pass(2_999).await;
        assert!(!allowance.admits(1_001, &limits));
        pass(1).await;
        assert!(allowance.admits(3_000, &limits));
    }
}
