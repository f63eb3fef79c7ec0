//! How much a client may send: messages and bytes per second, as many again at once. Each frame counts as a message, so
//! that pings and fragments are not free.

use crate::operations::Bucket;
use crate::settings::Limits;
use tokio::time::Instant;

/// What a client may still send.
#[derive(Debug)]
pub(super) struct Allowance {
    messages: Bucket,
    bytes: Bucket,
    /// Frames that were counted.
    frames: u64,
}

impl Allowance {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { messages: Bucket::full(now), bytes: Bucket::full(now), frames: 0 }
    }

    /// Takes out what has come, which is so many frames since the handshake, and now a message of this length, if any;
    /// answers whether it was allowed.
    pub(super) fn admits(&mut self, frames: u64, len: usize, limits: &Limits) -> bool {
        let new = usize::try_from(frames - self.frames).unwrap_or(usize::MAX);
        if new == 0 && len == 0 {
            return true;
        }
        self.frames = frames;
        let now = Instant::now();
        new <= limits.messages_per_second as usize // unlike a message, frames are not one thing that is let through whole
            && self.messages.take(new, limits.messages_per_second, now)
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

    /// The next message.
    fn admits(allowance: &mut Allowance, len: usize, limits: &Limits) -> bool {
        allowance.admits(allowance.frames + 1, len, limits)
    }

    #[tokio::test(start_paused = true)]
    async fn a_seconds_worth_of_messages_comes_at_once() {
        let (mut allowance, limits) = (Allowance::new(), limits(10, 1 << 20));
        let admitted =
            |allowance: &mut Allowance| (0..100).take_while(|_| admits(allowance, 1, &limits)).count();
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
        assert!(admits(&mut allowance, 600, &limits) && admits(&mut allowance, 400, &limits));
        assert!(!admits(&mut allowance, 1, &limits));
        pass(500).await;
        assert!(!admits(&mut allowance, 501, &limits) && admits(&mut allowance, 500, &limits));
    }

    #[tokio::test(start_paused = true)]
    async fn one_message_larger_than_a_seconds_worth_goes_and_is_paid_for() {
        let (mut allowance, limits) = (Allowance::new(), limits(1_000, 1_000));
        assert!(admits(&mut allowance, 3_000, &limits));
        pass(2_999).await;
        assert!(!admits(&mut allowance, 1_001, &limits));
        pass(1).await;
        assert!(admits(&mut allowance, 3_000, &limits));
    }
}
