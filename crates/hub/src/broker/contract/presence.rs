//! Members, their leases, and what followers are told of them.

use super::super::{Announce, Lease, Member};
use super::*;
use serde_json::value::RawValue;

const HELD: Lease = Lease::Held(Announce::Yes);
const LINGER: Duration = Duration::from_secs(10);
/// Shorter than [`LINGER`].
const IN_TIME: Duration = Duration::from_secs(9);
const SECOND: Duration = Duration::from_secs(1);

pub(super) async fn several_leases_hold_together(subject: Subject) {
    let inbox = inbox();
    subject.subscribe(&inbox).await;
    subject.join("ann", HELD).await;
    subject.join("bob", HELD).await;
    subject.join("ann", HELD).await;
    assert_eq!(subject.members().await, ["ann", "bob"]);
    subject.leave("ann", Duration::ZERO).await;
    assert_eq!(subject.members().await, ["ann", "bob"], "the other lease holds");
    subject.leave("ann", Duration::ZERO).await;
    assert_eq!(subject.members().await, ["bob"]);
    subject.leave("ann", Duration::ZERO).await;
    subject.leave("nobody", LINGER).await;
    subject.join("ann", HELD).await;
    assert_eq!(told(&inbox, 4).await, ["+ann", "+bob", "-ann", "+ann"], "each comes and goes once");
    assert!(subject.of("contract:other").members().await.is_empty(), "members are of one channel");
}

pub(super) async fn a_lease_for_a_time_is_prolonged(subject: Subject) {
    let inbox = inbox();
    subject.subscribe(&inbox).await;
    let lease = Lease::For(LINGER, Announce::Yes);
    subject.join("ann", lease).await;
    subject.leave("ann", Duration::ZERO).await;
    assert_eq!(subject.members().await, ["ann"], "only a held lease is left");
    subject.wait(IN_TIME).await;
    subject.join("ann", lease).await;
    subject.wait(IN_TIME).await;
    assert_eq!(subject.members().await, ["ann"]);
    subject.join("ann", HELD).await;
    subject.wait(LINGER).await;
    assert_eq!(subject.members().await, ["ann"], "a held lease holds beside one for a time");
    subject.join("ann", lease).await;
    subject.leave("ann", Duration::ZERO).await;
    assert_eq!(subject.members().await, ["ann"], "and the other way round");
    subject.wait(LINGER + SECOND).await;
    assert!(subject.members().await.is_empty());
    assert_eq!(told(&inbox, 2).await, ["+ann", "-ann"]);
}

pub(super) async fn who_comes_back_in_time_has_not_left(subject: Subject) {
    let inbox = inbox();
    subject.subscribe(&inbox).await;
    subject.join("ann", HELD).await;
    subject.leave("ann", LINGER).await;
    subject.wait(IN_TIME).await;
    assert_eq!(subject.members().await, ["ann"], "a member lingers");
    subject.join("ann", HELD).await;
    subject.wait(LINGER).await;
    assert_eq!(subject.members().await, ["ann"]);
    subject.leave("ann", LINGER).await;
    subject.join("ann", HELD).await;
    subject.leave("ann", Duration::ZERO).await;
    assert!(subject.members().await.is_empty(), "who has come back and leaves is gone at once");
    subject.join("bob", HELD).await;
    subject.leave("bob", LINGER).await;
    subject.wait(LINGER + SECOND).await;
    assert!(subject.members().await.is_empty());
    assert_eq!(told(&inbox, 4).await, ["+ann", "-ann", "+bob", "-bob"]);
}

pub(super) async fn members_are_announced_only_if_asked(subject: Subject) {
    let inbox = inbox();
    subject.subscribe(&inbox).await;
    subject.join("ann", Lease::Held(Announce::No)).await;
    subject.join("bob", Lease::For(SECOND, Announce::No)).await;
    assert_eq!(subject.members().await, ["ann", "bob"]);
    subject.leave("ann", Duration::ZERO).await;
    subject.wait(2 * SECOND).await;
    subject.join("cat", HELD).await;
    let mut renewed = member("cat");
    renewed.info = RawValue::from_string("1".into()).ok();
    subject.broker.join(&subject.channel, &Arc::new(renewed), HELD).await.expect("a member joins");
    let members = subject.broker.members(&subject.channel).await.expect("members are listed");
    let infos: Vec<_> = members.iter().map(|member| member.info.as_ref().map(|info| info.get())).collect();
    assert_eq!(infos, [Some("1")], "a member is what it last said of itself");
    subject.leave("cat", Duration::ZERO).await;
    subject.leave("cat", Duration::ZERO).await;
    assert_eq!(told(&inbox, 2).await, ["+cat", "-cat"]);
}

impl Subject {
    async fn join(&self, client: &str, lease: Lease) {
        let member = Arc::new(member(client));
        self.broker.join(&self.channel, &member, lease).await.expect("a member joins");
    }

    async fn leave(&self, client: &str, linger: Duration) {
        self.broker.leave(&self.channel, client, linger).await.expect("a member leaves");
    }

    async fn members(&self) -> Vec<String> {
        let members = self.broker.members(&self.channel).await.expect("members are listed");
        let mut clients: Vec<_> = members.iter().map(|member| member.client.to_string()).collect();
        clients.sort();
        clients
    }
}

fn member(client: &str) -> Member {
    Member { client: client.into(), user: None, info: None }
}

/// What an inbox is told of comings and goings.
async fn told(inbox: &Inbox, count: usize) -> Vec<String> {
    let tell = |delivery| match delivery {
        Delivery::Join(_, member) => format!("+{}", member.client),
        Delivery::Leave(_, member) => format!("-{}", member.client),
        Delivery::Publication(publication) => panic!("nothing was published: {publication:?}"),
    };
    take(inbox, count).await.into_iter().map(tell).collect()
}
