//! Which sessions of a worker follow which channel.

use super::{Attempt, Worker};
use crate::channel::Channel;
use crate::code::{Code, Problem};
use crate::position::Offset;
use crate::session::Subscription;
use crate::settings::Slow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

/// Which sessions follow which channel.
#[derive(Debug, Default)]
pub(super) struct Registry {
    topics: RefCell<HashMap<Channel, Rc<Topic>>>,
}

/// A channel that sessions of this worker follow.
pub(crate) struct Topic {
    channel: Channel,
    slow: Slow,
    kept: Offset,
    followers: RefCell<Vec<Rc<Subscription>>>,
    /// Whether the broker hands the channel's publications to this worker.
    is_attached: Cell<bool>,
}

impl Registry {
    pub(super) fn find(&self, channel: &Channel) -> Option<Rc<Topic>> {
        self.topics.borrow().get(channel).cloned()
    }

    pub(super) fn subscribers(&self, channel: &Channel) -> usize {
        self.topics.borrow().get(channel).map_or(0, |topic| topic.followers.borrow().len())
    }
}

impl Worker {
    /// The channel in this worker's registry.
    pub(crate) fn topic(&self, channel: &Channel) -> Rc<Topic> {
        let mut topics = self.registry.topics.borrow_mut();
        if let Some(topic) = topics.get(channel) {
            return topic.clone();
        }
        let namespace = self.hub.settings.namespace(channel);
        let topic = Rc::new(Topic {
            channel: channel.clone(),
            slow: namespace.slow,
            kept: namespace.history.size as Offset,
            followers: RefCell::default(),
            is_attached: Cell::new(false),
        });
        topics.insert(channel.clone(), topic.clone());
        topic
    }

    /// Sees to it that the broker hands the channel's publications to this worker. Sessions that come while it is not
    /// attached each ask for themselves, and the broker counts them; one is kept.
    pub(crate) async fn attach(&self, topic: &Rc<Topic>) -> Result<(), Problem> {
        if topic.is_attached.get() {
            return Ok(());
        }
        let (broker, inbox, channel) = (self.hub.broker.clone(), self.inbox.clone(), topic.channel.clone());
        let attached = Attempt::new(broker.clone().subscribe(&channel, &inbox), move |attached| {
            if attached.is_ok() {
                broker.unsubscribe(&channel, &inbox);
            }
            None
        });
        attached.await.map_err(|error| Problem::new(Code::Unavailable, error))?;
        let is_left = topic.followers.borrow().is_empty();
        if is_left || topic.is_attached.replace(true) {
            self.hub.broker.unsubscribe(&topic.channel, &self.inbox);
        }
        Ok(())
    }

    /// Takes a follower out; with the last one the channel leaves the registry.
    pub(crate) fn leave(&self, subscription: &Subscription) {
        let topic = subscription.topic();
        topic.remove(subscription);
        if topic.followers.borrow().is_empty() {
            self.registry.topics.borrow_mut().remove(&topic.channel);
            if topic.is_attached.replace(false) {
                self.hub.broker.unsubscribe(&topic.channel, &self.inbox);
            }
        }
    }
}

impl Topic {
    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// What happens to clients that read it too slowly.
    pub(crate) fn slow(&self) -> Slow {
        self.slow
    }

    /// How many publications its history holds.
    pub(crate) fn kept(&self) -> Offset {
        self.kept
    }

    /// Enters a follower.
    pub(crate) fn add(&self, subscription: &Rc<Subscription>) {
        let mut followers = self.followers.borrow_mut();
        subscription.index().set(followers.len());
        followers.push(subscription.clone());
    }

    /// The last one takes its place.
    fn remove(&self, subscription: &Subscription) {
        let mut followers = self.followers.borrow_mut();
        let index = subscription.index().get();
        if followers.get(index).is_some_and(|follower| std::ptr::eq(Rc::as_ptr(follower), subscription)) {
            followers.swap_remove(index);
            if let Some(moved) = followers.get(index) {
                moved.index().set(index);
            }
        }
    }

    /// How many follow it.
    pub(super) fn len(&self) -> usize {
        self.followers.borrow().len()
    }

    /// Delivers to each follower. Deliveries only fill outboxes and wake tasks: nobody enters or leaves meanwhile.
    pub(super) fn each(&self, deliver: impl Fn(&Rc<Subscription>)) {
        self.each_before(usize::MAX, usize::MAX, deliver);
    }

    /// Delivers to the last `count` of the first `end` followers, and answers how many stand before them. From the end
    /// to the beginning, so that of those who were there nobody is left out, whoever enters or leaves between two calls:
    /// who leaves has the last one take its place.
    pub(super) fn each_before(&self, end: usize, count: usize, deliver: impl Fn(&Rc<Subscription>)) -> usize {
        let followers = self.followers.borrow();
        let end = end.min(followers.len());
        let start = end.saturating_sub(count);
        followers[start..end].iter().for_each(deliver);
        start
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic")
            .field("channel", &self.channel)
            .field("followers", &self.followers.borrow().len())
            .field("is_attached", &self.is_attached)
            .finish_non_exhaustive()
    }
}
