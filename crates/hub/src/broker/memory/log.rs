//! Everything about one channel: its history, its idempotency keys, its members, and who follows it.

use super::super::{
    BrokerError, ChannelInfo, Delivery, Draft, Inbox, Lease, Member, Page, Published, Read, Top,
};
use super::budget::{Age, Turn};
use super::history::History;
use super::keys::Keys;
use super::members::Members;
use crate::channel::Channel;
use crate::position::{Epoch, Offset, Position};
use crate::publication::Publication;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// One channel. Time is an argument; [`Log::begin`] comes before every use.
#[derive(Debug)]
pub(super) struct Log {
    channel: Channel,
    epoch: Epoch,
    /// The offset behind which it began.
    base: Offset,
    history: History,
    keys: Keys,
    members: Members,
    followers: Vec<Follower>,
    /// When it was last used.
    used: Age,
    /// What the shard's books have of it.
    pub(super) noted: Noted,
}

/// An inbox, and how often it has subscribed.
#[derive(Debug)]
struct Follower {
    inbox: Arc<Inbox>,
    times: usize,
}

/// What the shard has noted of a log.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pub(super) age: Option<Age>,
    pub(super) due: Option<Instant>,
    pub(super) load: Load,
}

/// What a log adds to the sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) bytes: usize,
    pub(super) publications: usize,
    /// Members that no connection holds.
    pub(super) unheld: usize,
}

/// What the budget has taken from a log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Evicted {
    pub(super) publications: u64,
    pub(super) keys: u64,
}

impl Log {
    /// What a channel counts in the budget, beside the bytes of its name.
    pub(super) const OVERHEAD: usize = 512;
    /// What an inbox that follows counts.
    pub(super) const FOLLOWER: usize = 2 * size_of::<Follower>();

    /// An empty log that goes on behind this offset.
    pub(super) fn new(channel: Channel, epoch: Epoch, last: Offset) -> Self {
        Self {
            channel,
            epoch,
            base: last,
            history: History::new(last),
            keys: Keys::default(),
            members: Members::default(),
            followers: Vec::new(),
            used: 0,
            noted: Noted::default(),
        }
    }

    /// It is used now: what has expired is gone, and what is appended has this age.
    pub(super) fn begin(&mut self, turn: &mut Turn) {
        self.expire(turn);
        self.used = turn.age;
    }

    pub(super) fn publish(&mut self, draft: Draft, turn: &mut Turn) -> Result<Published, BrokerError> {
        if let Some(offset) = draft.key.as_ref().and_then(|key| self.keys.find(key)) {
            return Ok(Published { position: self.position(offset), is_duplicate: true });
        }
        let offset = self.history.next().ok_or(BrokerError::Exhausted)?;
        let (position, stamp) = (self.position(offset), turn.stamp());
        let publication = Arc::new(Publication::new(position.clone(), draft.data, draft.meta));
        if let Some(key) = &draft.key {
            self.keys.insert(key, offset, stamp);
        }
        self.tell(&Delivery::Publication(Arc::clone(&publication)), turn);
        self.history.append(publication, stamp, draft.retention);
        Ok(Published { position, is_duplicate: false })
    }

    pub(super) fn read(&self, read: Read) -> Page {
        self.history.read(read, self.epoch)
    }

    pub(super) fn follow(&mut self, inbox: &Arc<Inbox>) -> Top {
        match self.followers.iter_mut().find(|follower| Arc::ptr_eq(&follower.inbox, inbox)) {
            Some(follower) => follower.times += 1,
            None => self.followers.push(Follower { inbox: Arc::clone(inbox), times: 1 }),
        }
        self.top()
    }

    pub(super) fn unfollow(&mut self, inbox: &Arc<Inbox>) {
        let index = self.followers.iter().position(|follower| Arc::ptr_eq(&follower.inbox, inbox));
        let Some(index) = index else { return };
        self.followers[index].times -= 1;
        if self.followers[index].times == 0 {
            self.followers.swap_remove(index);
        }
        if self.followers.is_empty() {
            self.followers = Vec::new();
        }
    }

    pub(super) fn join(&mut self, member: &Arc<Member>, lease: Lease, turn: &mut Turn) {
        if let Some(member) = self.members.join(member, lease, turn.at) {
            self.tell(&Delivery::Join(self.channel.clone(), member), turn);
        }
    }

    pub(super) fn leave(&mut self, client: &str, linger: Duration, turn: &mut Turn) {
        self.members.leave(client, linger, turn.at);
        self.expire(turn);
    }

    pub(super) fn has_member(&self, client: &str) -> bool {
        self.members.has(client)
    }

    pub(super) fn members(&self) -> Vec<Arc<Member>> {
        self.members.list()
    }

    /// Drops what has expired, and tells who has gone.
    pub(super) fn expire(&mut self, turn: &mut Turn) {
        self.history.expire(turn.at);
        self.keys.expire(turn.at);
        for member in self.members.expire(turn.at) {
            self.tell(&Delivery::Leave(self.channel.clone(), member), turn);
        }
    }

    /// Drops what has this age, so that memory gets free.
    pub(super) fn evict(&mut self, age: Age) -> Evicted {
        let mut evicted = Evicted::default();
        if self.history.age() == Some(age) {
            self.history.drop_first();
            evicted.publications += 1;
        }
        if self.keys.age() == Some(age) {
            self.keys.drop_first();
            evicted.keys += 1;
        }
        evicted
    }

    /// The age of the oldest that may go: of a channel that has nothing left and is not in use, the channel's own.
    pub(super) fn age(&self) -> Option<Age> {
        let idle = (!self.is_in_use()).then_some(self.used);
        [self.history.age(), self.keys.age()].into_iter().flatten().min().or(idle)
    }

    /// Whether it is known for its own sake: nothing in it may go before it goes itself.
    pub(super) fn is_bare(&self) -> bool {
        self.history.len() == 0 && self.keys.bytes() == 0 && !self.is_in_use()
    }

    /// Whether nothing was ever published, and nobody uses it: then there is nothing to know of it.
    pub(super) fn is_blank(&self) -> bool {
        self.history.last() == self.base && !self.is_in_use()
    }

    fn is_in_use(&self) -> bool {
        !self.followers.is_empty() || self.members.len() > 0
    }

    /// Nothing in it expires before this.
    pub(super) fn due(&self) -> Option<Instant> {
        [self.history.due(), self.keys.due(), self.members.due()].into_iter().flatten().min()
    }

    pub(super) fn load(&self) -> Load {
        let own = Self::OVERHEAD + self.channel.as_str().len() + self.followers.len() * Self::FOLLOWER;
        let bytes = own + self.history.bytes() + self.keys.bytes() + self.members.bytes();
        Load { bytes, publications: self.history.len(), unheld: self.members.unheld() }
    }

    /// What is to be told of it; `None` of one that has nothing.
    pub(super) fn info(&self) -> Option<ChannelInfo> {
        let (history, members) = (self.history.len(), self.members.len());
        let is_there = history > 0 || self.is_in_use();
        is_there.then(|| ChannelInfo { channel: self.channel.clone(), top: self.top(), history, members })
    }

    pub(super) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Its name, and what the shard has noted of it.
    pub(super) fn notes(&mut self) -> (&Channel, &mut Noted) {
        (&self.channel, &mut self.noted)
    }

    pub(super) fn top(&self) -> Top {
        Top { epoch: self.epoch, offset: self.history.last() }
    }

    fn position(&self, offset: Offset) -> Position {
        Position { channel: self.channel.clone(), epoch: self.epoch, offset }
    }

    fn tell(&self, delivery: &Delivery, turn: &mut Turn) {
        for follower in &self.followers {
            follower.inbox.push(delivery.clone(), &mut turn.wakers);
        }
    }
}
