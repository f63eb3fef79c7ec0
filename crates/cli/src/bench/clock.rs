//! Time as nanoseconds since the beginning of the run, which tests can make up.

use std::ops::Range;
use std::time::{Duration, Instant};

/// Nanoseconds, since the beginning or of a duration.
pub(super) type Nanos = u64;

/// The nanoseconds of a duration; those of five centuries at most.
pub(super) fn nanos(time: Duration) -> Nanos {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// When the run began, and what is measured of it.
#[derive(Debug, Clone)]
pub(super) struct Course {
    pub(super) zero: Instant,
    /// Messages that are due in it count.
    pub(super) measured: Range<Nanos>,
    /// How many connections take part.
    pub(super) connections: u64,
    /// The number of a thread's first one.
    pub(super) first: u64,
}

impl Course {
    /// Nothing has begun.
    pub(super) fn none() -> Self {
        Self { zero: Instant::now(), measured: 0..0, connections: 1, first: 0 }
    }

    /// Ends the measuring now, unless it has ended.
    pub(super) fn cut(&mut self, now: Nanos) {
        self.measured.end = self.measured.end.min(now);
    }

    /// How long it is measured.
    pub(super) fn length(&self) -> Nanos {
        self.measured.end.saturating_sub(self.measured.start)
    }

    pub(super) fn now(&self) -> Nanos {
        nanos(self.zero.elapsed())
    }

    pub(super) fn at(&self, time: Nanos) -> Instant {
        self.zero.checked_add(Duration::from_nanos(time)).unwrap_or(self.zero)
    }
}
