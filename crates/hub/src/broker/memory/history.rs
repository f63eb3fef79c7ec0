//! What a channel's log still holds: a run of publications that ends with the last one.

use super::super::{Gap, GapReason, Order, Page, Read, Retention, Since, Top};
use super::budget::{Age, Stamp};
use crate::position::{Epoch, MAX_OFFSET, Offset};
use crate::publication::Publication;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The last offset, and the publications that are kept: always the last ones, without a hole.
#[derive(Debug)]
pub(super) struct History {
    last: Offset,
    kept: VecDeque<Kept>,
    retention: Retention,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    publication: Arc<Publication>,
    stamp: Stamp,
}

impl History {
    /// A log that goes on behind this offset.
    pub(super) fn new(last: Offset) -> Self {
        let retention = Retention { size: 0, ttl: Duration::ZERO };
        Self { last, kept: VecDeque::new(), retention, bytes: 0 }
    }

    pub(super) fn last(&self) -> Offset {
        self.last
    }

    /// The offset of the next publication; `None` when they are used up.
    pub(super) fn next(&self) -> Option<Offset> {
        Some(self.last + 1).filter(|&next| next < MAX_OFFSET)
    }

    /// Adds what has the next offset. From now on this retention holds for all.
    pub(super) fn append(&mut self, publication: Arc<Publication>, stamp: Stamp, keep: Retention) {
        self.last = publication.offset;
        self.retention = keep;
        if keep.size == 0 || keep.ttl.is_zero() {
            self.clear();
            return;
        }
        self.expire(stamp.at);
        while self.kept.len() >= keep.size {
            self.drop_first();
        }
        self.bytes += publication.weight();
        self.kept.push_back(Kept { publication, stamp });
    }

    /// Drops what is older than its time to live.
    pub(super) fn expire(&mut self, now: Instant) {
        let ttl = self.retention.ttl;
        while self.kept.front().is_some_and(|kept| now.saturating_duration_since(kept.stamp.at) >= ttl) {
            self.drop_first();
        }
    }

    /// Drops the oldest.
    pub(super) fn drop_first(&mut self) {
        if let Some(kept) = self.kept.pop_front() {
            self.bytes -= kept.publication.weight();
        }
        if self.kept.is_empty() {
            // An idle channel keeps no empty buffer.
            self.clear();
        }
    }

    fn clear(&mut self) {
        (self.kept, self.bytes) = (VecDeque::new(), 0);
    }

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// What they weigh.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The age of the oldest.
    pub(super) fn age(&self) -> Option<Age> {
        self.kept.front().map(|kept| kept.stamp.age)
    }

    /// When the oldest expires.
    pub(super) fn due(&self) -> Option<Instant> {
        self.kept.front()?.stamp.at.checked_add(self.retention.ttl)
    }

    /// Reads, in the log's epoch of today.
    pub(super) fn read(&self, read: Read, epoch: Epoch) -> Page {
        let top = Top { epoch, offset: self.last };
        let (gap, publications) = match read.order {
            Order::Forward => {
                let (gap, from) = self.begin(read.since, epoch);
                let from = self.index(from);
                (gap, self.slice(from, from.saturating_add(read.limit)).collect())
            }
            Order::Reverse => {
                let to = match read.since {
                    Since::Start => 0,
                    Since::Now => self.kept.len(),
                    // Of another log nothing is left to stand before its places.
                    Since::After(other, _) if other != epoch => 0,
                    Since::After(_, offset) => self.index(offset),
                };
                (None, self.slice(to.saturating_sub(read.limit), to).rev().collect())
            }
        };
        Page { gap, publications, top }
    }

    /// What is missing behind a place, and the offset from which on there is something to read.
    fn begin(&self, since: Since, epoch: Epoch) -> (Option<Gap>, Offset) {
        let first = self.first();
        let gap = |from, reason| Some(Gap { epoch, from, to: first - 1, reason });
        match since {
            Since::Start => (None, first),
            Since::Now => (None, self.last + 1),
            // A place that this log has not reached was given by another one.
            Since::After(other, offset) if other != epoch || offset > self.last => {
                (gap(0, GapReason::Epoch), first)
            }
            Since::After(_, offset) if offset + 1 < first => (gap(offset + 1, GapReason::Expired), first),
            Since::After(_, offset) => (None, offset + 1),
        }
    }

    /// The first offset that is kept, or will be.
    fn first(&self) -> Offset {
        self.last + 1 - self.kept.len() as Offset
    }

    /// How many of the kept stand before an offset.
    fn index(&self, offset: Offset) -> usize {
        let index = offset.saturating_sub(self.first());
        usize::try_from(index).map_or(self.kept.len(), |index| index.min(self.kept.len()))
    }

    fn slice(&self, from: usize, to: usize) -> impl DoubleEndedIterator<Item = Arc<Publication>> {
        let to = to.min(self.kept.len());
        self.kept.range(from..to).map(|kept| Arc::clone(&kept.publication))
    }
}
