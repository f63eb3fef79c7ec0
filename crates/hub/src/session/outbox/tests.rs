use super::*;
use crate::auth::ClientId;
use crate::broker::MemoryBroker;
use crate::hub::Hub;
use crate::identity::Identity;
use crate::metrics::Transport;
use crate::position::{Epoch, Offset, Position};
use crate::publication::{Data, Meta, Publication};
use crate::session::follower::{Arrival, Room, Start};
use crate::session::message::Source;
use crate::session::{Opening, Session};
use crate::settings::{Namespace, Settings};
use crate::worker::Worker;
use proptest::prelude::*;

const LIMIT: usize = 2_000;

/// Subscriptions of each policy, twice, at the beginning of their logs.
fn subscriptions() -> (Rc<Session>, Vec<Rc<Subscription>>) {
    let mut settings = Settings::default();
    for (name, slow) in [("oldest", Slow::DropOldest), ("latest", Slow::KeepLatest)] {
        settings.namespaces.insert(name.into(), Namespace { slow, ..Namespace::default() });
    }
    let hub = Hub::new(settings, Arc::new(MemoryBroker::new(0))).unwrap();
    let worker = Worker::new(hub);
    let client: ClientId = worker.hub.authority.mint_client();
    let session = worker.open(Opening { transport: Transport::Sse, client, identity: Identity::default() });
    let subscribe = |name: &str| {
        let subscription = Subscription::new(&session, worker.topic(&name.parse().unwrap()));
        let mut follower = subscription.follower().borrow_mut();
        follower.begin(Start::AtEnd(Place { epoch: Epoch(1), offset: 0 }));
        follower.settle(|_| Room::Left);
        drop(follower);
        subscription
    };
    let names = ["oldest:a", "latest:b", "close", "oldest:c", "latest:d"];
    let subscriptions = names.map(subscribe).into();
    (session, subscriptions)
}

fn offer(outbox: &mut Outbox, subscription: &Rc<Subscription>, len: usize) -> Put {
    let offset = subscription.place().offset + 1;
    let position = Position { channel: subscription.channel().clone(), epoch: Epoch(1), offset };
    let data = Data::Json(Bytes::from(vec![b'1'; len]));
    let message = Message::new(Arc::new(Publication::new(position, data, Meta::default())), Source::Live);
    assert_eq!(subscription.follower().borrow_mut().handle_live(&message), Arrival::Next);
    outbox.offer(Item::Publication(subscription.clone(), message), LIMIT)
}

proptest! {
    /// Whatever is dropped, and whenever the client reads: each channel tells every publication once, or a gap that
    /// names it, in order; and nothing but what must grow beyond the limit does.
    #[test]
    fn what_is_dropped_is_told_in_its_place(
        steps in proptest::collection::vec((0..5_usize, 1..900_usize, 0..3_usize), 1..150),
    ) {
        let (_session, subscriptions) = subscriptions();
        let mut outbox = Outbox::default();
        let mut told = [0 as Offset; 5];
        let mut take = |outbox: &mut Outbox| {
            let Some(item) = outbox.pop() else { return false };
            let subscription = item.subscription().unwrap().clone();
            let index = subscriptions.iter().position(|other| Rc::ptr_eq(other, &subscription)).unwrap();
            let (from, to) = match item {
                Item::Publication(_, message) => (message.offset, message.offset),
                Item::Lost(subscription) => {
                    let gap = subscription.take_lost().unwrap();
                    assert!(subscription.slow() != Slow::Close && gap.reason == GapReason::Slow);
                    (gap.from, gap.to)
                }
                other => panic!("{other:?}"),
            };
            assert_eq!(from, told[index] + 1, "{}", subscription.channel());
            told[index] = to;
            true
        };
        for (which, len, read) in steps {
            let put = offer(&mut outbox, &subscriptions[which], len);
            if let Put::Refused(_) = put {
                prop_assert!(subscriptions[which].slow() != Slow::DropOldest);
                return Ok(()); // from here on it reads the log
            }
            prop_assert!(outbox.bytes() <= LIMIT + 2 * Item::SMALL || outbox.len() == 1);
            prop_assert_eq!(outbox.bytes(), outbox.items.iter().map(Item::weight).sum::<usize>());
            for _ in 0..read {
                take(&mut outbox);
            }
        }
        while take(&mut outbox) {}
        for (subscription, told) in subscriptions.iter().zip(told) {
            prop_assert_eq!(told, subscription.place().offset);
        }
        prop_assert!(outbox.items.capacity() == 0 && outbox.bytes() == 0);
    }
}

#[test]
fn the_limit_is_exact() {
    let (_session, subscriptions) = subscriptions();
    let (mut outbox, close) = (Outbox::default(), &subscriptions[2]);
    let overhead = {
        offer(&mut outbox, close, 0);
        let overhead = outbox.bytes();
        outbox.clear();
        overhead
    };
    let half = LIMIT / 2 - overhead;
    assert_eq!(offer(&mut outbox, close, half), Put::Kept(0));
    assert_eq!(offer(&mut outbox, close, half), Put::Kept(0));
    assert_eq!(outbox.bytes(), LIMIT);
    outbox.clear();
    assert_eq!(offer(&mut outbox, close, half), Put::Kept(0));
    assert_eq!(offer(&mut outbox, close, half + 1), Put::Refused(0));
    outbox.clear();
    assert_eq!(offer(&mut outbox, close, 2 * LIMIT), Put::Kept(0), "what is alone always fits");
}

/// Messages of channels that may drop give way to those that may not.
#[test]
fn the_oldest_give_way_to_others() {
    let (_session, subscriptions) = subscriptions();
    let (oldest, close) = (&subscriptions[0], &subscriptions[2]);
    let mut outbox = Outbox::default();
    for _ in 0..2 {
        assert_eq!(offer(&mut outbox, oldest, 700), Put::Kept(0));
    }
    assert_eq!(offer(&mut outbox, close, 700), Put::Kept(1));
    assert!(matches!(outbox.pop(), Some(Item::Lost(_))));
    assert!(matches!(outbox.pop(), Some(Item::Publication(_, message)) if message.offset == 2));
}

#[test]
fn an_empty_outbox_leaves_its_memory_to_the_next() {
    let (_session, subscriptions) = subscriptions();
    let mut pass = |outbox: &mut Outbox| {
        let item = Item::Lost(subscriptions[0].clone());
        let allocated = allocation_counter::measure(|| assert_eq!(outbox.offer(item, LIMIT), Put::Kept(0)));
        assert!(outbox.pop().is_some());
        assert_eq!(outbox.items.capacity(), 0);
        allocated.count_total
    };
    let mut outboxes = [const { None }; SPARES + 1].map(|none: Option<Outbox>| none.unwrap_or_default());
    assert!(outboxes.iter_mut().map(&mut pass).collect::<Vec<_>>().iter().skip(1).all(|&count| count == 0));
    // No more is kept than a turn of the worker takes.
    for outbox in &mut outboxes {
        outbox.push(Item::Lost(subscriptions[0].clone()));
    }
    for outbox in &mut outboxes {
        outbox.pop();
    }
    assert_eq!(SPARE.with_borrow(Vec::len), SPARES);
}
