//! One worker's figures.

use crate::code::Code;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A figure that one thread writes and any thread reads.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds. A load and a store: only one thread writes.
    pub fn add(&self, by: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(by), Relaxed);
    }

    /// Takes away, for figures that fall again.
    pub fn subtract(&self, by: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(by), Relaxed);
    }

    /// The figure.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How a client is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// A WebSocket.
    WebSocket,
    /// Server-Sent Events.
    Sse,
    /// Long polling.
    LongPoll,
    /// Plain polling.
    Poll,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::WebSocket, Self::Sse, Self::LongPoll, Self::Poll];

    /// Its name on the wire and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Sse => "sse",
            Self::LongPoll => "long_poll",
            Self::Poll => "poll",
        }
    }
}

/// The figures of one transport.
#[derive(Debug, Default)]
pub struct TransportCounters {
    /// Connections, streams or polls that were begun.
    pub opened: Counter,
    /// Of these, those that are open.
    pub open: Counter,
    /// Messages to clients.
    pub messages_sent: Counter,
    /// Their bytes, as envelopes.
    pub bytes_sent: Counter,
    /// Messages from clients.
    pub messages_received: Counter,
    /// Their bytes.
    pub bytes_received: Counter,
}

/// What one worker counts.
#[derive(Debug, Default)]
pub struct Counters {
    transports: [TransportCounters; Transport::ALL.len()],
    ends: [Counter; Code::ALL.len()],
    faults: [Counter; Counters::FAULTS.len()],
    /// Connections that ended by their client, without a code of ours.
    pub left: Counter,
    /// Connections that came beyond a limit of all or of their address, to be told so.
    pub refused: Counter,
    /// Connections closed without an answer, because too many were being turned away already.
    pub unanswered: Counter,
    /// Publications made into envelopes, once per publication and format.
    pub encodings: Counter,
    /// Publications that clients or the API have published here.
    pub published: Counter,
    /// Of these, known by their idempotency key.
    pub duplicates: Counter,
    /// Publications put into outboxes.
    pub deliveries: Counter,
    /// Messages dropped from the outboxes of slow clients; each is told by a gap.
    pub dropped: Counter,
    /// Gaps told.
    pub gaps: Counter,
    /// Times that the worker's inbox overflowed and a log was read instead.
    pub behind: Counter,
    /// Joins and leaves that found no room: in the worker's inbox, in an outbox, or among the members of a channel.
    pub presence_dropped: Counter,
    /// Messages that wait in outboxes.
    pub queued: Counter,
    /// Their bytes.
    pub queued_bytes: Counter,
    /// Subscriptions.
    pub subscriptions: Counter,
    /// Requests answered with an error.
    pub errors: Counter,
    /// From when this server took a publication to when a client's transport took it out of the outbox to write it.
    pub latency: Histogram,
}

impl Counters {
    /// The figures of a transport.
    pub fn transport(&self, transport: Transport) -> &TransportCounters {
        &self.transports[transport as usize]
    }

    /// The close codes that end a WebSocket whose client breaks its protocol (RFC 6455 7.4.1).
    pub const FAULTS: [u16; 3] = [1002, 1007, 1009];

    /// Connections that ended with one of [`FAULTS`](Self::FAULTS); with any other, as 1002.
    pub fn fault(&self, code: u16) -> &Counter {
        let index = Self::FAULTS.iter().position(|&other| other == code).unwrap_or_default();
        &self.faults[index]
    }

    /// Connections that ended with a code.
    pub fn ended(&self, code: Code) -> &Counter {
        let index = Code::ALL.iter().position(|&other| other == code).unwrap_or_default();
        &self.ends[index]
    }
}

/// Durations in buckets.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; Histogram::BOUNDS_MS.len() + 1],
    sum_us: Counter,
}

impl Histogram {
    /// The upper bounds of the buckets but the last, in milliseconds.
    pub const BOUNDS_MS: [u64; 11] = [1, 2, 5, 10, 25, 50, 100, 250, 1_000, 5_000, 30_000];

    const BOUNDS: [Duration; Self::BOUNDS_MS.len()] = {
        let (mut bounds, mut index) = ([Duration::ZERO; Self::BOUNDS_MS.len()], 0);
        while index < bounds.len() {
            bounds[index] = Duration::from_millis(Self::BOUNDS_MS[index]);
            index += 1;
        }
        bounds
    };

    /// Counts a duration. Most are short, so that the first bounds are looked at first.
    pub fn observe(&self, duration: Duration) {
        let index = Self::BOUNDS.iter().take_while(|&&bound| bound < duration).count();
        self.buckets[index].increment();
        self.sum_us.add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// How many fell into each bucket, the last one without an upper bound.
    pub fn buckets(&self) -> [u64; Self::BOUNDS_MS.len() + 1] {
        std::array::from_fn(|index| self.buckets[index].value())
    }

    /// The sum of all durations.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_us.value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_falls_into_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();
        for us in [0, 1_000, 1_001, 1_999, 2_000, 2_001, 30_000_000, 30_000_001] {
            histogram.observe(Duration::from_micros(us));
        }
        assert_eq!(histogram.buckets(), [2, 3, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(histogram.sum(), Duration::from_micros(60_008_002));
    }
}
