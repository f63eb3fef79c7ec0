//! A new token on the same connection.

use super::Session;
use super::subscription::Subscription;
use crate::channel::Channel;
use crate::code::{Code, Problem};
use crate::envelope;
use crate::identity::{Identity, Rights};
use std::rc::Rc;
use std::time::Duration;

impl Session {
    /// Takes a new token: one of the same user, or the first one. What it no longer allows is ended, and the client is
    /// told so.
    pub(crate) fn set_identity(&self, identity: Identity) -> Result<(), Problem> {
        let known = self.identity.borrow().user.clone();
        if known.is_some() && known != identity.user {
            let message = "the token is another user's; connect again to be somebody else";
            return Err(Problem::new(Code::TokenInvalid, message));
        }
        self.expires.set(self.worker.clock().expiry(&identity));
        let is_shown = self.identity.borrow().shows_as(&identity);
        *self.identity.borrow_mut() = identity;
        for subscription in self.revoked() {
            let problem = not_permitted(&subscription);
            self.detach(&subscription, Duration::ZERO);
            self.push(envelope::error(&problem, None, Some(subscription.channel().as_str())));
        }
        if !is_shown {
            self.rejoin();
        }
        Ok(())
    }

    /// Whether the token of today allows to read this channel.
    pub(super) fn may_read(&self, channel: &Channel) -> bool {
        self.identity.borrow().may(Rights::SUBSCRIBE, channel, self.worker.hub.settings.namespace(channel))
    }

    /// Whether there was a token that is no longer good.
    pub(super) fn has_expired(&self) -> bool {
        self.expires.get() <= self.worker.clock().now()
    }

    fn revoked(&self) -> Vec<Rc<Subscription>> {
        let subscriptions = self.subscriptions.borrow();
        subscriptions.iter().filter(|subscription| !self.may_read(subscription.channel())).cloned().collect()
    }
}

fn not_permitted(subscription: &Subscription) -> Problem {
    Problem::new(
        Code::NotPermitted,
        format_args!("you may no longer subscribe to {}", subscription.channel()),
    )
}
