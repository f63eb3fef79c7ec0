//! The idempotency keys of a channel.

use super::super::Draft;
use super::budget::{Age, Stamp};
use crate::position::Offset;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::time::Instant;

/// Which keys have come lately, and which offsets they were given. Most channels have none, and pay nothing for it.
#[derive(Debug, Default)]
pub(super) struct Keys(Option<Box<Known>>);

#[derive(Debug, Default)]
struct Known {
    offsets: HashMap<Arc<str>, Offset>,
    /// In the order in which they came.
    order: VecDeque<Key>,
    bytes: usize,
}

#[derive(Debug)]
struct Key {
    name: Arc<str>,
    stamp: Stamp,
}

impl Keys {
    /// What it counts in the budget that there are keys at all.
    pub(super) const ANY: usize = 256;
    /// What each key counts, beside its bytes: its places in the map and in the order.
    pub(super) const OVERHEAD: usize = 192;

    /// The offset of the publication that came with this key.
    pub(super) fn find(&self, key: &str) -> Option<Offset> {
        self.0.as_ref()?.offsets.get(key).copied()
    }

    /// Remembers a key that is not known.
    pub(super) fn insert(&mut self, key: &str, offset: Offset, stamp: Stamp) {
        let known = self.0.get_or_insert_default();
        let name: Arc<str> = key.into();
        known.offsets.insert(Arc::clone(&name), offset);
        known.order.push_back(Key { name, stamp });
        known.bytes += key.len() + Self::OVERHEAD;
    }

    /// Forgets those that are older than [`Draft::KEY_TTL`].
    pub(super) fn expire(&mut self, now: Instant) {
        while self.due().is_some_and(|due| due <= now) {
            self.drop_first();
        }
    }

    /// Forgets the oldest.
    pub(super) fn drop_first(&mut self) {
        let Some(known) = &mut self.0 else { return };
        if let Some(key) = known.order.pop_front() {
            known.offsets.remove(&key.name);
            known.bytes -= key.name.len() + Self::OVERHEAD;
        }
        if known.order.is_empty() {
            self.0 = None;
        }
    }

    /// What they weigh.
    pub(super) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |known| Self::ANY + known.bytes)
    }

    /// The age of the oldest.
    pub(super) fn age(&self) -> Option<Age> {
        self.first().map(|key| key.stamp.age)
    }

    /// When the oldest expires.
    pub(super) fn due(&self) -> Option<Instant> {
        self.first().map(|key| key.stamp.at + Draft::KEY_TTL)
    }

    fn first(&self) -> Option<&Key> {
        self.0.as_ref()?.order.front()
    }
}
