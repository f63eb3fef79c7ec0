//! Handing out what has come, in slices, so that sessions write what they were given before they get more: a burst may be
//! much larger than an outbox.

use super::{Topic, Worker};
use crate::broker::{Delivery, Drained, Member};
use crate::channel::Channel;
use crate::session::{Message, Presence, Session, Source, Writer, member_len};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

impl Worker {
    /// Followers that are given something, or written for, before it is others' turn: no more than the writes that tokio
    /// lets one turn do, and all that they touch stays in the cache.
    const PORTION: usize = 64;
    /// How long the rest of a burst waits for clients whose connections take less than they are given: 50 ms. Then what
    /// they have no room for is left to the log, so that nobody holds the others up.
    const PATIENCE: Duration = Duration::from_millis(50);
    /// Deliveries for which nobody waits any more to go out together.
    const GATHERED: usize = 64;

    /// Takes what has come. Where the last of it went to many, others first have some turns, as long as that brings more:
    /// two publications that go out together cost each follower one write, and a turn costs a small part of those.
    pub(super) async fn take_arrivals(&self, drained: &mut Drained) {
        let turns = self.reached.get() / Self::PORTION;
        let (mut waiting, mut idle) = (self.inbox.len(), 0);
        while waiting > 0 && waiting < Self::GATHERED && idle < turns {
            tokio::task::yield_now().await;
            let now = self.inbox.len();
            idle = if now > waiting { 0 } else { idle + 1 };
            waiting = now;
        }
        self.inbox.drain(drained);
        drained.deliveries.reverse(); // the next one is the last
    }

    /// Hands out a slice of what came, and has the sessions write it. What comes meanwhile gathers.
    pub(super) async fn hand_out(&self, drained: &mut Drained) {
        let slice = self.take_slice(drained);
        let topic = channel_of_all(&slice).and_then(|channel| self.registry.find(channel));
        if let Some(topic) = topic {
            self.fan_out(&topic, slice).await;
        } else {
            // Who follows several channels writes all of it at once.
            for delivery in slice {
                self.deliver(delivery);
            }
            self.reached.set(self.writers.borrow().len());
            self.write().await;
        }
        let crowded = self.crowded.take();
        if drained.deliveries.is_empty() {
            self.finish(drained);
        } else {
            await_room(&crowded).await;
        }
    }

    /// At most half an outbox, but one delivery at least.
    fn take_slice(&self, drained: &mut Drained) -> Vec<Delivery> {
        let most = self.hub.settings.limits.outbox / 2;
        let mut bytes = 0;
        let fitting = std::iter::from_fn(|| {
            drained.deliveries.pop_if(|delivery| {
                let fits = bytes == 0 || bytes + weight(delivery) <= most;
                bytes += weight(delivery);
                fits
            })
        });
        fitting.collect()
    }

    /// Hands out publications of one channel, some followers at a time: each writes them while it is in the cache.
    async fn fan_out(&self, topic: &Topic, slice: Vec<Delivery>) {
        let publications = slice.into_iter().filter_map(|delivery| match delivery {
            Delivery::Publication(publication) => Some(Message::new(publication, Source::Live)),
            Delivery::Join(..) | Delivery::Leave(..) => None,
        });
        let messages: Vec<_> = publications.collect();
        self.reached.set(topic.len());
        let mut end = usize::MAX;
        while end > 0 {
            end = topic.each_before(end, Self::PORTION, |subscription| {
                for message in &messages {
                    subscription.handle_live(message);
                }
            });
            self.write().await;
        }
    }

    fn deliver(&self, delivery: Delivery) {
        match delivery {
            Delivery::Publication(publication) => {
                let Some(topic) = self.registry.find(&publication.channel) else { return };
                let message = Message::new(publication, Source::Live);
                topic.each(|subscription| subscription.handle_live(&message));
            }
            Delivery::Join(channel, member) => self.tell(&channel, Presence::Join, &member),
            Delivery::Leave(channel, member) => self.tell(&channel, Presence::Leave, &member),
        }
    }

    fn tell(&self, channel: &Channel, presence: Presence, member: &Arc<Member>) {
        if let Some(topic) = self.registry.find(channel) {
            topic.each(|subscription| subscription.handle_presence(presence, member));
        }
    }

    /// What did not fit into the inbox follows what did.
    fn finish(&self, drained: &mut Drained) {
        let mut behind: Vec<_> = drained.behind.drain().map(|(channel, _)| channel).collect();
        behind.sort_unstable(); // so that the order of things depends on nothing but what happens
        for channel in behind {
            self.counters.behind.increment();
            if let Some(topic) = self.registry.find(&channel) {
                topic.each(|subscription| subscription.handle_behind());
            }
        }
        self.counters.presence_dropped.add(std::mem::take(&mut drained.dropped));
    }

    /// This writes for a session that was given something.
    pub(crate) fn note_writer(&self, writer: Weak<dyn Writer>) {
        self.writers.borrow_mut().push(writer);
    }

    /// This session's outbox has no room for another slice.
    pub(crate) fn note_crowded(&self, session: &Rc<Session>) {
        self.crowded.borrow_mut().push(Rc::downgrade(session));
    }

    /// Writes for the sessions that were given something. Where that needs a task, it has its turn, too.
    async fn write(&self) {
        let writers = self.writers.take();
        for some in writers.chunks(Self::PORTION) {
            self.clock.at_once(|| some.iter().filter_map(Weak::upgrade).for_each(|writer| writer.write()));
            tokio::task::yield_now().await;
        }
        if writers.is_empty() {
            tokio::task::yield_now().await;
        }
    }
}

/// Waits until the sessions have written what they were given, but not for ever.
async fn await_room(crowded: &[Weak<Session>]) {
    let is_crowded = || crowded.iter().filter_map(Weak::upgrade).any(|session| session.has_waiting());
    let pause = Duration::from_millis(1);
    for _ in 0..Worker::PATIENCE.as_millis() {
        if !is_crowded() {
            return;
        }
        tokio::time::sleep(pause).await;
    }
}

/// The channel of these deliveries, where they are publications of one.
fn channel_of_all(deliveries: &[Delivery]) -> Option<&Channel> {
    let mut channels = deliveries.iter().map(|delivery| match delivery {
        Delivery::Publication(publication) => Some(&publication.channel),
        Delivery::Join(..) | Delivery::Leave(..) => None,
    });
    let first = channels.next()??;
    channels.all(|channel| channel == Some(first)).then_some(first)
}

/// What it counts in an outbox.
fn weight(delivery: &Delivery) -> usize {
    match delivery {
        Delivery::Publication(publication) => publication.envelope_len(),
        Delivery::Join(_, member) | Delivery::Leave(_, member) => member_len(member),
    }
}
