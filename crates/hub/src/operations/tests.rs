use super::*;
use crate::broker::{
    Broker, ChannelInfo, Draft, Inbox, Lease, MemoryBroker, Order, Published, Reply, Since, Usage,
};
use crate::channel::Pattern;
use crate::envelope::Publish;
use crate::identity::Grant;
use crate::position::Epoch;
use crate::publication::Data;
use crate::settings::{Access, Namespace, Settings};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Mutex;
use std::time::Duration;

const READ: Read = Read { since: Since::Start, limit: 100, order: Order::Forward };

/// A worker of a server with presence everywhere. In the namespace `open` everyone may do everything, elsewhere it takes
/// a token.
fn worker(broker: Arc<dyn Broker>) -> Rc<Worker> {
    let default_namespace = Namespace { presence: true, ..Namespace::default() };
    let open = Namespace { subscribe: Access::Anyone, publish: Access::Anyone, ..default_namespace.clone() };
    let namespaces = [("open".to_owned(), open)].into();
    let settings = Settings { default_namespace, namespaces, ..Settings::default() };
    Worker::new(Hub::new(settings, broker).unwrap())
}

fn memory() -> Arc<MemoryBroker> {
    Arc::new(MemoryBroker::with_epoch(1 << 20, Epoch(1)))
}

fn channel(name: &str) -> Channel {
    name.parse().unwrap()
}

fn text(text: &str) -> Publish {
    Publish { data: Data::from(text), content_type: None, key: None, fields: None }
}

fn code<T>(result: Result<T, Problem>) -> Option<Code> {
    result.err().map(|problem| problem.code)
}

/// What alice may do in a channel: publish, see who is there, read its history.
async fn may(grants: &[(&str, Rights)], name: &str) -> [bool; 3] {
    let worker = worker(memory());
    let grant = |&(pattern, rights): &(&str, Rights)| Grant { pattern: pattern.parse().unwrap(), rights };
    let grants = grants.iter().map(grant).collect();
    let identity = Identity { user: Some("alice".into()), grants, ..Identity::default() };
    let alice = Caller::Client { identity: &identity, client: "c" };
    let published = publish(&worker, alice, channel(name), text("")).await;
    let present = presence(&worker, alice, &channel(name)).await;
    let read = history(&worker, alice, &channel(name), READ).await;
    [code(published), code(present), code(read)].map(|code| {
        assert!(matches!(code, None | Some(Code::NotPermitted)), "{code:?}");
        code.is_none()
    })
}

#[tokio::test]
async fn a_client_may_do_what_its_namespace_or_its_token_grants() {
    assert_eq!(may(&[], "open:a").await, [true; 3]);
    assert_eq!(may(&[], "a").await, [false; 3]);
    assert_eq!(may(&[("a", Rights::PUBLISH)], "a").await, [true, false, false]);
    assert_eq!(may(&[("a", Rights::PRESENCE)], "a").await, [false, true, false]);
    assert_eq!(may(&[("*", Rights::HISTORY)], "a").await, [false, false, true]);
    assert_eq!(may(&[("*", Rights::SUBSCRIBE)], "a").await, [false; 3]);
}

#[tokio::test]
async fn a_users_channel_is_the_users_to_read_and_the_servers_to_publish_to() {
    let all = Rights::PUBLISH | Rights::PRESENCE | Rights::HISTORY;
    assert_eq!(may(&[("*", all), ("@bob", all)], "@alice").await, [false, true, true]);
    assert_eq!(may(&[("*", all), ("@bob", all)], "@bob").await, [false; 3]);
    let worker = worker(memory());
    let to_user = channel_of_user("al|ice").unwrap();
    assert_eq!(to_user.as_str(), "@al%7Cice");
    assert!(publish(&worker, Caller::Server, to_user, text("")).await.is_ok());
    assert_eq!(code(channel_of_user("")), Some(Code::BadParameter));
    assert_eq!(code(channel_of_user(&"x".repeat(255))), Some(Code::BadChannel));
}

#[tokio::test]
async fn a_publication_tells_who_published_it() {
    let worker = worker(memory());
    let identity = Identity { user: Some("alice".into()), ..Identity::default() };
    let alice = Caller::Client { identity: &identity, client: "c" };
    publish(&worker, alice, channel("open:a"), text("")).await.unwrap();
    publish(&worker, Caller::Server, channel("open:a"), text("")).await.unwrap();
    let page = history(&worker, Caller::Server, &channel("open:a"), READ).await.unwrap();
    let publishers = page.publications.iter().map(|p| (p.meta.client.as_deref(), p.meta.user.as_deref()));
    assert_eq!(publishers.collect::<Vec<_>>(), [(Some("c"), Some("alice")), (None, None)]);
}

#[tokio::test]
async fn a_key_is_its_publishers_own() {
    let worker = worker(memory());
    let named = |user: &str| Identity { user: Some(user.into()), ..Identity::default() };
    let (nobody, alice, bob) = (Identity::default(), named("alice"), named("bob"));
    let publish = async |caller, key: &str| {
        let keyed = Publish { key: Some(key.into()), ..text("") };
        publish(&worker, caller, channel("open:a"), keyed).await.unwrap().position.offset
    };
    let client = |identity, client| Caller::Client { identity, client };
    let [here, there] = [client(&alice, "1"), client(&alice, "2")];
    assert_eq!([publish(here, "k").await, publish(there, "k").await], [1, 1], "one user, two clients");
    let others = [
        Caller::Server,
        client(&bob, "1"),
        client(&nobody, "1"),
        client(&nobody, "2"),
        client(&nobody, "alice"),
    ];
    for (other, offset) in others.into_iter().zip(2..) {
        assert_eq!([publish(other, "k").await, publish(other, "k").await], [offset; 2], "{other:?}");
    }
    // What stands in a key is never taken for a name.
    assert_eq!(
        [publish(client(&nobody, "1"), "1k").await, publish(client(&nobody, "11"), "k").await],
        [7, 8]
    );
}

#[tokio::test]
async fn what_a_client_may_not_do_leaves_its_rate_alone() {
    let settings = Settings {
        default_namespace: Namespace { rate: Some(1), ..Namespace::default() },
        ..Settings::default()
    };
    let worker = Worker::new(Hub::new(settings, memory()).unwrap());
    let nobody = Identity::default();
    let grants = vec![Grant { pattern: "a".parse().unwrap(), rights: Rights::PUBLISH }];
    let somebody = Identity { grants, ..Identity::default() };
    let attempt = |identity: &Identity, payload: &str| {
        let caller = Caller::Client { identity, client: "c" };
        code(submit(&worker.hub, caller, channel("a"), text(payload)))
    };
    assert_eq!(attempt(&nobody, ""), Some(Code::NotPermitted));
    assert_eq!(attempt(&somebody, &"x".repeat(65_537)), Some(Code::TooLarge));
    assert_eq!(attempt(&somebody, ""), None);
    assert_eq!(attempt(&somebody, ""), Some(Code::RateLimited));
}

#[tokio::test]
async fn a_program_publishes_from_within() {
    let hub = worker(memory()).hub.clone();
    let position = hub.publish("news", "text").await.unwrap();
    assert_eq!(position.to_string(), "news~1.1");
    let forged = Data::Json(r#"1},"channel":"b""#.into());
    assert_eq!(code(hub.publish("news", forged).await), Some(Code::BadPayload));
    assert_eq!(code(hub.publish("news", Data::Text(vec![0xff].into())).await), Some(Code::BadPayload));
    assert_eq!(code(hub.publish("a b", "text").await), Some(Code::BadChannel));
    assert_eq!(code(hub.publish("news", vec![0; 65_537]).await), Some(Code::TooLarge));
    assert!(hub.publish("@alice", vec![0; 65_536]).await.is_ok());
    assert_eq!(hub.metrics.sum(|counters| counters.published.value()), 2);
}

#[tokio::test]
async fn a_program_publishes_from_any_thread() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let hub = worker(memory()).hub.clone();
    let publishing = hub.clone();
    tokio::spawn(is_send(async move { publishing.publish("news", "text").await })).await.unwrap().unwrap();
    assert_eq!(hub.metrics.sum(|counters| counters.published.value()), 1);
}

#[tokio::test]
async fn what_is_submitted_in_one_go_is_with_the_broker_before_it_has_answered() {
    let broker = Arc::new(Remote { memory: memory(), is_down: false, log: Mutex::default() });
    let worker = worker(broker.clone());
    let submit = |n: u32| submit(&worker.hub, Caller::Server, channel("a"), text(&n.to_string())).unwrap();
    let submitted: Vec<_> = (1..=3).map(submit).collect();
    assert_eq!(*broker.log.lock().unwrap(), [1, 2, 3]);
    let last = Cell::new(0);
    for submitted in submitted {
        let offset = submitted.settle(&worker.counters).await.unwrap().position.offset;
        assert_eq!(last.replace(offset) + 1, offset);
    }
    assert_eq!(worker.counters.published.value(), 3);
}

#[tokio::test]
async fn a_broker_that_cannot_is_told() {
    let worker = worker(Arc::new(Remote { memory: memory(), is_down: true, log: Mutex::default() }));
    let (a, every) = (channel("a"), "*".parse().unwrap());
    let codes = [
        code(publish(&worker, Caller::Server, a.clone(), text("")).await),
        code(presence(&worker, Caller::Server, &a).await),
        code(history(&worker, Caller::Server, &a, READ).await),
        code(channels(&worker, &every, 1).await),
        code(worker.hub.publish("a", "text").await),
    ];
    assert_eq!(codes, [Some(Code::Unavailable); 5]);
    assert_eq!(worker.counters.published.value(), 0);
}

/// A broker that answers later, or not at all.
#[derive(Debug)]
struct Remote {
    memory: Arc<MemoryBroker>,
    is_down: bool,
    /// The offsets that were published.
    log: Mutex<Vec<u64>>,
}

impl Remote {
    fn later<T: Send + Unpin + 'static>(
        &self,
        reply: Reply<Result<T, BrokerError>>,
    ) -> Reply<Result<T, BrokerError>> {
        let is_down = self.is_down;
        Reply::later(async move {
            tokio::task::yield_now().await;
            if is_down { Err(BrokerError::Unavailable("gone".into())) } else { reply.await }
        })
    }
}

impl Broker for Remote {
    fn publish(&self, draft: Draft) -> Reply<Result<Published, BrokerError>> {
        let Reply::Now(Some(Ok(published))) = self.memory.publish(draft) else { panic!() };
        self.log.lock().unwrap().push(published.position.offset);
        self.later(Reply::now(Ok(published)))
    }

    fn read(&self, channel: &Channel, read: Read) -> Reply<Result<Page, BrokerError>> {
        self.later(self.memory.read(channel, read))
    }

    fn subscribe(&self, channel: &Channel, inbox: &Arc<Inbox>) -> Reply<Result<Top, BrokerError>> {
        self.later(self.memory.subscribe(channel, inbox))
    }

    fn unsubscribe(&self, channel: &Channel, inbox: &Arc<Inbox>) {
        self.memory.unsubscribe(channel, inbox);
    }

    fn channels(&self, pattern: &Pattern, limit: usize) -> Reply<Result<Vec<ChannelInfo>, BrokerError>> {
        self.later(self.memory.channels(pattern, limit))
    }

    fn join(&self, channel: &Channel, member: &Arc<Member>, lease: Lease) -> Reply<Result<(), BrokerError>> {
        self.later(self.memory.join(channel, member, lease))
    }

    fn leave(&self, channel: &Channel, client: &str, linger: Duration) -> Reply<Result<(), BrokerError>> {
        self.later(self.memory.leave(channel, client, linger))
    }

    fn members(&self, channel: &Channel) -> Reply<Result<Vec<Arc<Member>>, BrokerError>> {
        self.later(self.memory.members(channel))
    }

    fn sweep(&self) {
        self.memory.sweep();
    }

    fn usage(&self) -> Usage {
        self.memory.usage()
    }
}
