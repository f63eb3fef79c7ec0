//! Handing out what has come, in slices, so that sessions write what they were given before they get more: a burst may be
//! much larger than an outbox.

use super::Worker;
use crate::broker::{Delivery, Drained, Member};
use crate::channel::Channel;
use crate::session::{Message, Presence, Session, Source, member_len};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

impl Worker {
    /// How long the rest of a burst waits for clients whose connections take less than they are given: 50 ms. Then what
    /// they have no room for is left to the log, so that nobody holds the others up.
    const PATIENCE: Duration = Duration::from_millis(50);

    /// Hands out a slice of what came, which stands in `drained` in reverse order; pending if there is nothing.
    pub(super) fn poll_hand_out(&self, drained: &mut Drained, cx: &mut Context<'_>) -> Poll<()> {
        if drained.deliveries.is_empty() {
            std::task::ready!(self.inbox.poll_drain(drained, cx));
            drained.deliveries.reverse();
        }
        // At most half an outbox, but one publication at least.
        let slice = self.hub.settings.limits.outbox / 2;
        let mut bytes = 0;
        while let Some(delivery) = drained.deliveries.pop_if(|delivery| {
            let fits = bytes == 0 || bytes + weight(delivery) <= slice;
            bytes += weight(delivery);
            fits
        }) {
            self.hand_out(delivery);
        }
        if drained.deliveries.is_empty() {
            self.finish(drained);
        }
        Poll::Ready(())
    }

    fn hand_out(&self, delivery: Delivery) {
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

    /// This session's outbox has no room for another slice.
    pub(crate) fn note_crowded(&self, session: &Rc<Session>) {
        self.crowded.borrow_mut().push(Rc::downgrade(session));
    }

    /// Lets the sessions write what they were given. What comes meanwhile gathers.
    pub(super) async fn rest(&self, drained: &Drained) {
        tokio::task::yield_now().await;
        let crowded = self.crowded.take();
        if drained.deliveries.is_empty() {
            return;
        }
        let is_crowded = || crowded.iter().filter_map(Weak::upgrade).any(|session| session.has_waiting());
        let pause = Duration::from_millis(1);
        for _ in 0..Self::PATIENCE.as_millis() {
            if !is_crowded() {
                return;
            }
            tokio::time::sleep(pause).await;
        }
    }
}

/// What it counts in an outbox.
fn weight(delivery: &Delivery) -> usize {
    match delivery {
        Delivery::Publication(publication) => publication.envelope_len(),
        Delivery::Join(_, member) | Delivery::Leave(_, member) => member_len(member),
    }
}
