//! The broker of a single process: everything in memory, behind short locks, within a budget.
//!
//! A channel's log lives in one of 64 shards, and everything that happens to it happens under the shard's lock: so
//! order, atomicity and the hand-over are by construction. No call holds two of these locks.

mod agenda;
mod budget;
mod history;
mod keys;
mod log;
mod members;
mod shard;
#[cfg(test)]
pub(super) mod tests;

use super::{
    Broker, BrokerError, ChannelInfo, Draft, Inbox, Lease, Member, Page, Published, Read, Reply, Top, Usage,
};
use crate::channel::{Channel, Pattern};
use crate::position::Epoch;
use budget::{Budget, SHARDS, Turn};
use log::Log;
use shard::Shard;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Keeps logs and presence in this process's memory. Its epoch is its own beginning.
///
/// Histories, idempotency keys and what is known of channels share a budget of bytes. Over it, what is oldest goes
/// first: a publication or a key by when it came, a channel that has nothing left by when it was last used. Channels
/// that are followed, and members that are present, stay whatever they weigh: connections have limits of their own, and
/// members without one are [`MAX_UNHELD`](Self::MAX_UNHELD) at most. A channel that never had a publication is known
/// only while somebody follows it or is there: asking for names that nobody uses costs no memory.
///
/// The retention of a channel's latest publication holds for its whole history. A channel without history is still
/// known, so that a reader who missed nothing goes on without a gap.
#[derive(Debug)]
pub struct MemoryBroker {
    shards: Box<[Shard]>,
    budget: Arc<Budget>,
    hasher: RandomState,
}

impl MemoryBroker {
    /// Members of all channels together that no connection holds: between two polls, or soon to come back. 32 768. A
    /// further one is not let in by a poll, and leaves at once when its connection ends.
    pub const MAX_UNHELD: usize = 1 << 15;

    /// An empty broker for this many bytes, in an epoch of its own.
    pub fn new(budget: usize) -> Self {
        Self::with_epoch(budget, epoch_of_now())
    }

    /// An empty broker in a given epoch, for tests.
    pub fn with_epoch(budget: usize, epoch: Epoch) -> Self {
        let budget = Arc::new(Budget::new(budget));
        let shards = (0..SHARDS).map(|index| Shard::new(index, epoch, Arc::clone(&budget))).collect();
        Self { shards, budget, hasher: RandomState::new() }
    }

    fn shard(&self, channel: &Channel) -> &Shard {
        let hash = self.hasher.hash_one(channel);
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or_default()]
    }

    fn is_crowded(&self) -> bool {
        self.budget.unheld() >= Self::MAX_UNHELD
    }

    /// Uses a channel's log, which is made where there is none.
    fn with<T>(&self, channel: &Channel, act: impl FnOnce(&mut Log, &mut Turn) -> T) -> T {
        let mut turn = Turn::now();
        let answer = self.shard(channel).with(channel, &mut turn, act);
        self.fit(&mut turn);
        answer
    }

    /// Uses a channel's log if there is one.
    fn with_known<T>(&self, channel: &Channel, act: impl FnOnce(&mut Log, &mut Turn) -> T) -> Option<T> {
        let mut turn = Turn::now();
        let answer = self.shard(channel).with_known(channel, &mut turn, act);
        self.fit(&mut turn);
        answer
    }

    /// Lets the oldest go until all fits into the budget, or nothing is left that may go.
    fn fit(&self, turn: &mut Turn) {
        while self.budget.is_over() {
            let Some((shard, until)) = self.budget.oldest() else { return };
            self.shards[shard].evict(until, turn);
        }
    }
}

impl Broker for MemoryBroker {
    fn publish(&self, draft: Draft) -> Reply<Result<Published, BrokerError>> {
        let channel = draft.channel.clone();
        Reply::now(self.with(&channel, |log, turn| log.publish(draft, turn)))
    }

    fn read(&self, channel: &Channel, read: Read) -> Reply<Result<Page, BrokerError>> {
        let mut turn = Turn::now();
        Reply::now(Ok(self.shard(channel).read(channel, read, &mut turn)))
    }

    fn subscribe(&self, channel: &Channel, inbox: &Arc<Inbox>) -> Reply<Result<Top, BrokerError>> {
        Reply::now(Ok(self.with(channel, |log, _| log.follow(inbox))))
    }

    fn unsubscribe(&self, channel: &Channel, inbox: &Arc<Inbox>) {
        self.with_known(channel, |log, _| log.unfollow(inbox));
    }

    fn channels(&self, pattern: &Pattern, limit: usize) -> Reply<Result<Vec<ChannelInfo>, BrokerError>> {
        let mut turn = Turn::now();
        let mut channels = Vec::new();
        for shard in &self.shards {
            shard.list(pattern, &mut turn, &mut channels);
            channels.sort_unstable_by(|a, b| a.channel.cmp(&b.channel));
            channels.truncate(limit);
        }
        Reply::now(Ok(channels))
    }

    fn join(&self, channel: &Channel, member: &Arc<Member>, lease: Lease) -> Reply<Result<(), BrokerError>> {
        if matches!(lease, Lease::For(..)) && self.is_crowded() {
            let known = self.with_known(channel, |log, turn| {
                let is_known = log.has_member(&member.client);
                is_known.then(|| log.join(member, lease, turn))
            });
            return Reply::now(known.flatten().ok_or(BrokerError::Crowded));
        }
        self.with(channel, |log, turn| log.join(member, lease, turn));
        Reply::now(Ok(()))
    }

    fn leave(&self, channel: &Channel, client: &str, linger: Duration) -> Reply<Result<(), BrokerError>> {
        let linger = if self.is_crowded() { Duration::ZERO } else { linger };
        self.with_known(channel, |log, turn| log.leave(client, linger, turn));
        Reply::now(Ok(()))
    }

    fn members(&self, channel: &Channel) -> Reply<Result<Vec<Arc<Member>>, BrokerError>> {
        let members = self.with_known(channel, |log, _| log.members());
        Reply::now(Ok(members.unwrap_or_default()))
    }

    fn sweep(&self) {
        let mut turn = Turn::now();
        for shard in &self.shards {
            shard.sweep(&mut turn);
        }
        self.fit(&mut turn);
    }

    fn usage(&self) -> Usage {
        let mut usage = self.budget.usage();
        for shard in &self.shards {
            shard.count(&mut usage);
        }
        usage
    }
}

/// Seconds since 1970, and 20 random bits: two starts in one second, or after the clock was set back, still differ.
fn epoch_of_now() -> Epoch {
    let seconds = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    Epoch((seconds << 20) | u64::from(rand::random::<u32>() >> 12))
}
