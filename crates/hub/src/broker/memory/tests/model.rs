//! The broker as simply as it can be said: everything in lists, looked through each time.

use super::super::keys::Keys;
use super::super::log::Log;
use super::super::members::Members;
use super::*;
use crate::broker::Since;
use crate::position::Offset;
use std::collections::{BTreeMap, BTreeSet};

/// The channels' names, all of one length.
pub(super) const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

#[derive(Debug, Default)]
pub(super) struct Model {
    limit: usize,
    second: u64,
    /// Counts uses.
    age: u64,
    known: BTreeMap<&'static str, Known>,
    /// Everything that was ever published.
    pub(super) all: BTreeMap<(&'static str, Offset), usize>,
    /// Where channels ended that were evicted; a new one begins at one of these, or at 0.
    ends: BTreeSet<Offset>,
    evicted: u64,
    evicted_keys: u64,
}

#[derive(Debug)]
struct Known {
    /// Where it began.
    base: Offset,
    last: Offset,
    used: u64,
    ttl: u64,
    kept: Vec<Entry>,
    keys: Vec<(usize, Entry)>,
    followers: [usize; 2],
    held: usize,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    offset: Offset,
    age: u64,
    second: u64,
    bytes: usize,
}

impl Model {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// A channel is used, which answered that its log ended there before. It is made if need be, until the next
    /// [`fit`](Self::fit).
    pub(super) fn touch(&mut self, name: &'static str, end: Offset) {
        self.age += 1;
        let highest =
            self.all.range((name, 0)..=(name, Offset::MAX)).next_back().map_or(0, |((_, offset), _)| *offset);
        let known = self.known.entry(name).or_insert_with(|| {
            assert!(end >= highest, "{name} begins anew behind all that it ever gave");
            assert!(end == 0 || self.ends.contains(&end), "{name} begins at an end");
            Known {
                base: end,
                last: end,
                used: 0,
                ttl: 0,
                kept: vec![],
                keys: vec![],
                followers: [0; 2],
                held: 0,
            }
        });
        assert_eq!(known.last, end, "the end of {name}");
        known.used = self.age;
    }

    /// A channel is used if it is known.
    pub(super) fn touch_known(&mut self, name: &'static str) -> bool {
        let end = self.known.get(name).map(|known| known.last);
        end.inspect(|&end| self.touch(name, end)).is_some()
    }

    /// The offset that goes with a key, if it is known.
    pub(super) fn keyed(&self, name: &str, key: usize) -> Option<Offset> {
        let keys = &self.known.get(name)?.keys;
        keys.iter().find(|(known, _)| *known == key).map(|(_, entry)| entry.offset)
    }

    /// Something is published in a channel that was just touched.
    pub(super) fn publish(
        &mut self,
        name: &'static str,
        (len, key): (usize, Option<usize>),
        retention: Retention,
    ) {
        let known = self.known.get_mut(name).unwrap();
        known.last += 1;
        let bytes = weight(name, len);
        let entry = Entry { offset: known.last, age: known.used, second: self.second, bytes };
        known.kept.push(entry);
        known.ttl = retention.ttl.as_secs();
        let over = known.kept.len().saturating_sub(retention.size);
        known.kept.drain(..over);
        self.all.insert((name, entry.offset), len);
        if let Some(key) = key {
            known.keys.push((key, Entry { bytes: Keys::OVERHEAD + 1, ..entry }));
        }
        self.expire();
    }

    pub(super) fn advance(&mut self, seconds: u64) {
        self.second += seconds;
        self.expire();
    }

    fn expire(&mut self) {
        let second = self.second;
        for known in self.known.values_mut() {
            known.kept.retain(|entry| entry.second + known.ttl > second);
            known.keys.retain(|(_, entry)| entry.second + Draft::KEY_TTL.as_secs() > second);
        }
    }

    /// How often an inbox follows a channel that is known.
    pub(super) fn followers(&mut self, name: &str, inbox: usize) -> &mut usize {
        &mut self.known.get_mut(name).unwrap().followers[inbox]
    }

    pub(super) fn is_following(&self, name: &str, inbox: usize) -> bool {
        self.known.get(name).is_some_and(|known| known.followers[inbox] > 0)
    }

    /// How many leases are held in a channel that is known.
    pub(super) fn held(&mut self, name: &str) -> &mut usize {
        &mut self.known.get_mut(name).unwrap().held
    }

    /// What a reader behind `since` misses, and what it gets.
    pub(super) fn read(&self, name: &str, since: Since) -> (Vec<Offset>, Vec<Offset>) {
        let known = &self.known[name];
        let from = match since {
            Since::Start => known.kept.first().map_or(known.last, |first| first.offset - 1),
            Since::Now => known.last,
            Since::After(_, offset) => offset,
        };
        let is_kept = |offset: &Offset| known.kept.iter().any(|entry| entry.offset == *offset);
        (from + 1..=known.last).partition(|offset| !is_kept(offset))
    }

    /// Forgets channels of which nothing is left to know, and lets the oldest go until all fits.
    pub(super) fn fit(&mut self) {
        self.known.retain(|_, known| known.last > known.base || known.is_in_use());
        while self.bytes() > self.limit {
            let ages = self.known.iter().filter_map(|(name, known)| known.age().map(|age| (age, *name)));
            let Some((age, name)) = ages.min() else { return };
            let known = self.known.get_mut(name).unwrap();
            let (kept, keys) = (known.kept.len(), known.keys.len());
            known.kept.retain(|entry| entry.age != age);
            known.keys.retain(|(_, entry)| entry.age != age);
            self.evicted += (kept - known.kept.len()) as u64;
            self.evicted_keys += (keys - known.keys.len()) as u64;
            if kept + keys == 0 {
                self.ends.insert(known.last);
                self.known.remove(name);
            }
        }
    }

    fn bytes(&self) -> usize {
        self.known.values().map(Known::bytes).sum()
    }

    pub(super) fn usage(&self) -> Usage {
        Usage {
            channels: self.known.len(),
            publications: self.known.values().map(|known| known.kept.len()).sum(),
            bytes: self.bytes(),
            evicted: self.evicted,
            evicted_keys: self.evicted_keys,
        }
    }
}

impl Known {
    fn age(&self) -> Option<u64> {
        let entries = self.kept.iter().chain(self.keys.iter().map(|(_, entry)| entry));
        entries.map(|entry| entry.age).min().or((!self.is_in_use()).then_some(self.used))
    }

    fn is_in_use(&self) -> bool {
        self.followers != [0; 2] || self.held > 0
    }

    fn bytes(&self) -> usize {
        let entries = self.kept.iter().chain(self.keys.iter().map(|(_, entry)| entry));
        let followers = self.followers.iter().filter(|&&times| times > 0).count();
        let keys = if self.keys.is_empty() { 0 } else { Keys::ANY };
        // The member is called `m`.
        let members = if self.held > 0 { Members::ANY + Members::OVERHEAD + 2 } else { 0 };
        entries.map(|entry| entry.bytes).sum::<usize>()
            + followers * Log::FOLLOWER
            + keys
            + members
            + Log::OVERHEAD
            + 1
    }
}
