//! Who a client is, and what it may do.

use crate::channel::{Channel, Pattern};
use crate::settings::{Access, Namespace};
use serde_json::value::RawValue;
use std::ops::BitOr;

/// What a token says, or the lack of one.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// The user.
    pub user: Option<Box<str>>,
    /// What presence shows: a JSON value.
    pub info: Option<Box<RawValue>>,
    /// What the token grants.
    pub grants: Vec<Grant>,
    /// When the token expires, in seconds since 1970.
    pub expires: Option<u64>,
}

/// Rights in some channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Which channels.
    pub pattern: Pattern,
    /// What may be done there.
    pub rights: Rights,
}

/// A set of rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    /// None.
    pub const NONE: Self = Self(0);
    /// To receive publications.
    pub const SUBSCRIBE: Self = Self(1);
    /// To publish.
    pub const PUBLISH: Self = Self(2);
    /// To see who is there.
    pub const PRESENCE: Self = Self(4);
    /// To read history.
    pub const HISTORY: Self = Self(8);
    /// Each right's name in a token.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("subscribe", Self::SUBSCRIBE),
        ("publish", Self::PUBLISH),
        ("presence", Self::PRESENCE),
        ("history", Self::HISTORY),
    ];

    /// Whether all of `other` are among these.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Rights {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Identity {
    /// Whether this client may do `right`, a single one, in a channel of this namespace. A user's own channel is theirs
    /// to read, and nobody's to publish to.
    pub fn may(&self, right: Rights, channel: &Channel, namespace: &Namespace) -> bool {
        if channel.is_of_user() {
            return right != Rights::PUBLISH && self.own_channel().as_ref() == Some(channel);
        }
        let access = if right == Rights::PUBLISH { namespace.publish } else { namespace.subscribe };
        let by_namespace = match access {
            Access::Anyone => true,
            Access::Users => self.user.is_some(),
            Access::Token => false,
        };
        by_namespace || self.grants.iter().any(|g| g.rights.contains(right) && g.pattern.matches(channel))
    }

    /// Whether presence shows the same of both.
    pub(crate) fn shows_as(&self, other: &Self) -> bool {
        let info = |identity: &Self| identity.info.as_ref().map(|info| info.get().to_owned());
        self.user == other.user && info(self) == info(other)
    }

    /// The channels that are subscribed on connect: the user's own, and those granted by their full name.
    pub fn channels(&self) -> impl Iterator<Item = Channel> {
        let granted = self.grants.iter().filter_map(|grant| match &grant.pattern {
            Pattern::Exact(channel) if grant.rights.contains(Rights::SUBSCRIBE) => Some(channel.clone()),
            _ => None,
        });
        self.own_channel().into_iter().chain(granted.filter(|channel| !channel.is_of_user()))
    }

    fn own_channel(&self) -> Option<Channel> {
        self.user.as_deref().and_then(Channel::of_user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice(grants: &[(&str, Rights)]) -> Identity {
        let grant = |&(pattern, rights): &(&str, Rights)| Grant { pattern: pattern.parse().unwrap(), rights };
        Identity {
            user: Some("alice".into()),
            grants: grants.iter().map(grant).collect(),
            ..Identity::default()
        }
    }

    fn may(identity: &Identity, right: Rights, channel: &str, access: Access) -> bool {
        let namespace = Namespace { subscribe: access, publish: access, ..Namespace::default() };
        identity.may(right, &channel.parse().unwrap(), &namespace)
    }

    #[test]
    fn a_right_comes_from_the_namespace_or_from_the_token() {
        let (nobody, alice) = (Identity::default(), alice(&[("chat:*", Rights::SUBSCRIBE)]));
        assert!(may(&nobody, Rights::PUBLISH, "a", Access::Anyone));
        assert!(!may(&nobody, Rights::SUBSCRIBE, "a", Access::Users));
        assert!(may(&alice, Rights::SUBSCRIBE, "a", Access::Users));
        assert!(may(&alice, Rights::SUBSCRIBE, "chat:x", Access::Token));
        assert!(!may(&alice, Rights::PUBLISH, "chat:x", Access::Token));
        assert!(!may(&alice, Rights::SUBSCRIBE, "news", Access::Token));
    }

    #[test]
    fn a_users_own_channel_is_only_theirs_and_only_to_read() {
        let alice = alice(&[("@bob", Rights::SUBSCRIBE), ("*", Rights::SUBSCRIBE | Rights::PUBLISH)]);
        assert!(may(&alice, Rights::SUBSCRIBE, "@alice", Access::Token));
        assert!(!may(&alice, Rights::PUBLISH, "@alice", Access::Anyone));
        assert!(!may(&alice, Rights::SUBSCRIBE, "@bob", Access::Anyone));
    }

    #[test]
    fn channels_named_in_full_are_subscribed_on_connect() {
        let alice = alice(&[
            ("chat:*", Rights::SUBSCRIBE),
            ("news", Rights::SUBSCRIBE),
            ("in", Rights::PUBLISH),
            ("@bob", Rights::SUBSCRIBE),
        ]);
        let channels: Vec<_> = alice.channels().map(|channel| channel.to_string()).collect();
        assert_eq!(channels, ["@alice", "news"]);
    }
}
