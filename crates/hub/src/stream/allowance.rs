//! How much a client may send: messages and bytes per second, as many again at once.

use crate::operations::Bucket;
use crate::settings::Limits;
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
        Self { messages: Bucket::full(now), bytes: Bucket::full(now) }
    }

    /// Takes one message of this length out; answers whether it was allowed.
    pub(super) fn admits(&mut self, len: usize, limits: &Limits) -> bool {
        let now = Instant::now();
        self.messages.take(1, limits.messages_per_second, now)
            && self.bytes.take(len, limits.bytes_per_second, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

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
