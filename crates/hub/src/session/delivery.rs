//! Into the outbox and out of it.

use super::follower::{Arrival, Follower, Place, Room};
use super::message::{Entry, Message, Source};
use super::outbox::{Item, Put};
use super::subscription::{Stage, Subscription};
use super::{Session, State};
use crate::broker::{Gap, Member};
use crate::code::Code;
use crate::metrics::Transport;
use std::rc::Rc;
use std::sync::Arc;

/// Someone has come to a channel, or gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Join,
    Leave,
}

/// Whether there was room for something, or it was dealt with as its channel wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Done,
    TooLarge,
}

impl Subscription {
    /// A publication has come.
    pub(crate) fn handle_live(self: &Rc<Self>, message: &Rc<Message>) {
        let Some(session) = self.session().filter(|session| session.is_open()) else { return };
        match session.follow(self, |follower| follower.handle_live(message)) {
            Arrival::Next => session.deliver(self, message),
            Arrival::Held => session.check_pace(self, message),
            Arrival::Known => {}
        }
    }

    /// Publications were not kept for the worker, and are to be read.
    pub(crate) fn handle_behind(&self) {
        let Some(session) = self.session().filter(|session| session.is_open()) else { return };
        session.follow(self, Follower::handle_behind);
    }

    /// Someone has come or gone. The client hears of it once it has the channel.
    pub(crate) fn handle_presence(self: &Rc<Self>, presence: Presence, member: &Arc<Member>) {
        let Some(session) = self.session().filter(|session| session.is_open()) else { return };
        if self.stage() == Stage::Subscribed {
            let (subscription, member) = (self.clone(), member.clone());
            session.put(match presence {
                Presence::Join => Item::Join(subscription, member),
                Presence::Leave => Item::Leave(subscription, member),
            });
        }
    }
}

impl Session {
    pub(super) fn is_open(&self) -> bool {
        self.state.get() == State::Open
    }

    /// Does something with a follower, and keeps count of those that lag: there is something to do for the task.
    pub(super) fn follow<T>(&self, subscription: &Subscription, act: impl FnOnce(&mut Follower) -> T) -> T {
        let mut follower = subscription.follower().borrow_mut();
        let was_lagging = follower.is_lagging();
        let result = act(&mut follower);
        match (was_lagging, follower.is_lagging()) {
            (false, true) => {
                self.lagging.set(self.lagging.get() + 1);
                self.wake();
            }
            (true, false) => self.lagging.set(self.lagging.get() - 1),
            _ => {}
        }
        result
    }

    /// Puts a live publication into the outbox. One that there is no room for is left to the log.
    fn deliver(self: &Rc<Self>, subscription: &Rc<Subscription>, message: &Rc<Message>) {
        let before = self.room();
        let item = Item::Publication(subscription.clone(), message.clone());
        if self.offer(item) == Fit::TooLarge {
            self.follow(subscription, |follower| follower.handle_refused(message));
            self.check_pace(subscription, message);
        } else if before == Room::Left && self.room() == Room::Full {
            self.worker.note_crowded(self);
        }
    }

    /// A client may be too slow for what comes live as long as the log still has what is next for it. A poll comes back
    /// for it anyway.
    fn check_pace(&self, subscription: &Subscription, message: &Message) {
        let refused = subscription.follower().borrow().refused(message);
        let is_poll = matches!(self.transport, Transport::LongPoll | Transport::Poll);
        if refused > subscription.topic().kept() && !is_poll {
            self.end(Code::SlowConsumer.into());
        }
    }

    /// Puts something into the outbox that no log has; ends the session if its client is too slow for it.
    pub(super) fn put(&self, item: Item) {
        if self.offer(item) == Fit::TooLarge {
            self.end(Code::SlowConsumer.into());
        }
    }

    fn offer(&self, item: Item) -> Fit {
        let counters = &self.worker.counters;
        let is_own = matches!(item, Item::Own(_));
        let is_publication = matches!(item, Item::Publication(..));
        let is_presence = matches!(item, Item::Join(..) | Item::Leave(..));
        let limit = self.worker.hub.settings.limits.outbox;
        let put = self.change(|outbox| outbox.offer(item, limit));
        match put {
            Put::Kept(dropped) => {
                counters.deliveries.add(u64::from(is_publication));
                counters.dropped.add(dropped as u64);
                if is_own { self.wake() } else { self.announce() }
            }
            Put::Dropped(dropped) => {
                counters.presence_dropped.add(u64::from(is_presence));
                counters.dropped.add(dropped as u64);
                self.announce();
            }
            Put::Refused(dropped) => {
                counters.dropped.add(dropped as u64);
                return Fit::TooLarge;
            }
        }
        Fit::Done
    }

    /// Changes the outbox, and keeps the worker's figures of it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut super::Outbox) -> T) -> T {
        let mut outbox = self.outbox.borrow_mut();
        let (len, bytes) = (outbox.len(), outbox.bytes());
        let result = change(&mut outbox);
        let counters = &self.worker.counters;
        // Wrapping: the sums are right, whichever way a single difference goes.
        counters.queued.add((outbox.len() as u64).wrapping_sub(len as u64));
        counters.queued_bytes.add((outbox.bytes() as u64).wrapping_sub(bytes as u64));
        result
    }

    pub(super) fn clear(&self) {
        self.change(super::Outbox::clear);
    }

    pub(super) fn take_entry(&self) -> Option<Entry> {
        let item = self.change(super::Outbox::pop)?;
        Some(match item {
            Item::Publication(subscription, message) => {
                subscription.tell(Place { epoch: message.epoch, offset: message.offset });
                if message.source() == Source::Live {
                    let latency = self.worker.clock().moment().duration_since(message.taken);
                    self.worker.counters.latency.observe(latency);
                }
                Entry::Publication(message)
            }
            Item::Gap(subscription, gap) => self.tell_gap(&subscription, *gap),
            Item::Lost(subscription) => {
                let gap = subscription.take_lost()?;
                self.tell_gap(&subscription, gap)
            }
            Item::Join(subscription, member) => Entry::Join(subscription.channel().clone(), member),
            Item::Leave(subscription, member) => Entry::Leave(subscription.channel().clone(), member),
            Item::Own(message) => Entry::Own(*message),
        })
    }

    fn tell_gap(&self, subscription: &Subscription, gap: Gap) -> Entry {
        self.worker.counters.gaps.increment();
        subscription.tell(Place { epoch: gap.epoch, offset: gap.to });
        Entry::Gap(subscription.channel().clone(), gap)
    }
}
