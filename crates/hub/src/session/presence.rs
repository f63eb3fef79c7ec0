//! A client among the members of its channels.

use super::subscription::Subscription;
use super::{Departure, Session};
use crate::broker::{Announce, Lease, Member};
use crate::code::{Code, Problem, Then};
use crate::metrics::Transport;
use crate::settings::Namespace;
use crate::worker::{Attempt, complete};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long a client whose connection broke stays a member.
const LINGER: Duration = Duration::from_secs(10);
/// How long a client stays a member between its polls.
const BETWEEN_POLLS: Duration = Duration::from_secs(30);

impl Session {
    /// Makes the client a member, if the channel keeps presence.
    pub(super) async fn join(&self, subscription: &Rc<Subscription>) -> Result<(), Problem> {
        let channel = subscription.channel();
        let Some(lease) = self.lease(subscription) else { return Ok(()) };
        let reply = self.worker.hub.broker.join(channel, &self.member(), lease);
        // Given up or not: a lease that came to be is ended.
        let (broker, undone, client) = (self.worker.hub.broker.clone(), channel.clone(), self.client.clone());
        let joined = Attempt::new(reply, move |joined| {
            if joined.is_ok() { Some(broker.leave(&undone, client.id(), Duration::ZERO)) } else { None }
        });
        joined.await.map_err(|error| Problem::new(Code::Unavailable, error))?;
        subscription.is_joined().set(true);
        Ok(())
    }

    /// Ends the lease of a subscription, if it has one.
    pub(super) fn leave(&self, subscription: &Subscription, linger: Duration) {
        if subscription.is_joined().replace(false) {
            let reply = self.worker.hub.broker.leave(subscription.channel(), self.client.id(), linger);
            complete(reply);
        }
    }

    /// The client has got a name, or tells something else about itself: as who it was it leaves, as who it is it comes.
    pub(super) fn rejoin(&self) {
        self.member.take();
        for subscription in &*self.subscriptions.borrow() {
            if let Some(lease) = self.lease(subscription).filter(|_| subscription.is_joined().get()) {
                self.leave(subscription, Duration::ZERO);
                subscription.is_joined().set(true);
                let reply = self.worker.hub.broker.join(subscription.channel(), &self.member(), lease);
                complete(reply);
            }
        }
    }

    /// How long the client stays a member after this. Who is to come back, comes back.
    pub(super) fn linger(&self, departure: Departure) -> Duration {
        let then = self.ended.get().map(|problem| problem.code.then());
        let comes_back = then == Some(Then::Reconnect);
        match (self.transport, departure) {
            _ if then == Some(Then::Stop) => Duration::ZERO,
            (Transport::LongPoll | Transport::Poll, _) => BETWEEN_POLLS,
            (_, Departure::Closed) if !comes_back => Duration::ZERO,
            _ => LINGER,
        }
    }

    fn lease(&self, subscription: &Subscription) -> Option<Lease> {
        let namespace = self.worker.hub.settings.namespace(subscription.channel());
        namespace.presence.then_some(Lease::Held(announce(namespace)))
    }

    fn member(&self) -> Arc<Member> {
        let make = || {
            let identity = self.identity.borrow();
            let (client, user, info) =
                (self.client.id().into(), identity.user.clone(), identity.info.clone());
            Arc::new(Member { client, user, info })
        };
        self.member.borrow_mut().get_or_insert_with(make).clone()
    }
}

/// Whether a channel's followers are told of its members.
pub(crate) fn announce(namespace: &Namespace) -> Announce {
    if namespace.join_leave { Announce::Yes } else { Announce::No }
}
