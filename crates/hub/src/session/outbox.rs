//! What waits for one client: entries, not bytes, counted by what their envelopes will have, and bounded. What happens
//! when it is full is an option of the channel.

use super::follower::Place;
use super::message::{Message, member_len};
use super::subscription::Subscription;
use crate::broker::{Gap, GapReason, Member};
use crate::settings::Slow;
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

/// Empty queues that a thread keeps for outboxes, and for how many items one may have room to be kept.
const SPARES: usize = 64;
const SPARE_ITEMS: usize = 64;

thread_local! {
    static SPARE: RefCell<Vec<VecDeque<Item>>> = const { RefCell::new(Vec::new()) };
}

/// What waits for one client.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    items: VecDeque<Item>,
    bytes: usize,
}

/// One of those that wait. It knows its subscription, which keeps what is told of the channel.
#[derive(Debug)]
pub(super) enum Item {
    Publication(Rc<Subscription>, Rc<Message>),
    Gap(Rc<Subscription>, Box<Gap>),
    /// Something was dropped here; what it was, the subscription knows.
    Lost(Rc<Subscription>),
    Join(Rc<Subscription>, Arc<Member>),
    Leave(Rc<Subscription>, Arc<Member>),
    Own(Box<Bytes>),
}

/// What has become of what was put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// It waits, and so many others were dropped for it.
    Kept(usize),
    /// It was dropped itself, with so many others.
    Dropped(usize),
    /// There is no room, though so many others were dropped: the client is too slow.
    Refused(usize),
}

impl Outbox {
    /// Items that wait.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// What they count.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The next one. An empty outbox owns nothing.
    pub(super) fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.bytes -= item.weight();
        self.release();
        Some(item)
    }

    /// Forgets all that waits.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Gives the memory of an empty outbox to the next one on this thread.
    fn release(&mut self) {
        if self.items.is_empty() {
            let items = std::mem::take(&mut self.items);
            if items.capacity() <= SPARE_ITEMS {
                // At its end a thread has no store any more.
                let _ = SPARE.try_with(|spare| {
                    let mut spare = spare.borrow_mut();
                    if spare.len() < SPARES {
                        spare.push(items);
                    }
                });
            }
        }
    }

    /// Forgets what waits of one channel.
    pub(super) fn forget(&mut self, subscription: &Rc<Subscription>) {
        self.retain(|item| !item.subscription().is_some_and(|other| Rc::ptr_eq(other, subscription)));
    }

    /// Puts in what a follower has read, whatever the room; who reads looks at it before.
    pub(super) fn push(&mut self, item: Item) {
        if self.items.capacity() == 0 {
            self.items = SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten().unwrap_or_default();
        }
        self.bytes += item.weight();
        self.items.push_back(item);
    }

    /// Puts in what has come by itself, if it fits into `limit` bytes, or can be made to. What is alone always fits.
    pub(super) fn offer(&mut self, item: Item, limit: usize) -> Put {
        let mut dropped = 0;
        if !self.fits(&item, limit) {
            dropped = self.make_room(item.weight(), limit);
        }
        if self.fits(&item, limit) {
            self.push(item);
            return Put::Kept(dropped);
        }
        match &item {
            Item::Publication(subscription, message) if subscription.slow() == Slow::DropOldest => {
                // All that waited of the channel is gone by now, so that this is the right place to tell it.
                if subscription.lose(lost(message)) {
                    self.push(Item::Lost(subscription.clone()));
                }
                Put::Dropped(dropped + 1)
            }
            Item::Join(..) | Item::Leave(..) => Put::Dropped(dropped),
            _ => Put::Refused(dropped),
        }
    }

    fn fits(&self, item: &Item, limit: usize) -> bool {
        self.items.is_empty() || self.bytes + item.weight() <= limit
    }

    /// Drops what channels allow to be dropped, and says how many messages that were. Frees more than is needed, so that
    /// a client that stays slow does not cost a pass per message.
    fn make_room(&mut self, needed: usize, limit: usize) -> usize {
        let excess = (self.bytes + needed).saturating_sub(limit);
        let (goal, mut freed, mut dropped) = (excess.max(limit / 8), 0, 0);
        self.retain(|item| {
            let Some((subscription, gap)) = item.missing() else { return true };
            let may_go = match subscription.slow() {
                Slow::Close => false,
                Slow::DropOldest => freed < goal,
                Slow::KeepLatest => subscription.place() != Place { epoch: gap.epoch, offset: gap.to },
            };
            if !may_go {
                return true;
            }
            dropped += usize::from(matches!(item, Item::Publication(..)));
            let weight = item.weight();
            if subscription.lose(gap) {
                // The first of its channel: the others follow it, so that the gap stands before what is left of them.
                *item = Item::Lost(subscription);
                freed += weight.saturating_sub(item.weight());
                return true;
            }
            freed += weight;
            false
        });
        dropped
    }

    fn retain(&mut self, keep: impl FnMut(&mut Item) -> bool) {
        self.items.retain_mut(keep);
        self.bytes = self.items.iter().map(Item::weight).sum();
        self.release();
    }
}

impl Item {
    /// What a gap counts.
    pub(super) const SMALL: usize = 128;

    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Publication(_, message) => message.weight(),
            Self::Gap(..) | Self::Lost(..) => Self::SMALL,
            Self::Join(_, member) | Self::Leave(_, member) => member_len(member),
            Self::Own(message) => message.len(),
        }
    }

    fn subscription(&self) -> Option<&Rc<Subscription>> {
        match self {
            Self::Publication(subscription, _)
            | Self::Gap(subscription, _)
            | Self::Lost(subscription)
            | Self::Join(subscription, _)
            | Self::Leave(subscription, _) => Some(subscription),
            Self::Own(_) => None,
        }
    }

    /// What is missing without it.
    fn missing(&self) -> Option<(Rc<Subscription>, Gap)> {
        match self {
            Self::Publication(subscription, message) => Some((subscription.clone(), lost(message))),
            Self::Gap(subscription, gap) => Some((subscription.clone(), **gap)),
            Self::Lost(_) | Self::Join(..) | Self::Leave(..) | Self::Own(_) => None,
        }
    }
}

fn lost(message: &Message) -> Gap {
    let (epoch, offset) = (message.epoch, message.offset);
    Gap { epoch, from: offset, to: offset, reason: GapReason::Slow }
}

#[cfg(test)]
mod tests;
