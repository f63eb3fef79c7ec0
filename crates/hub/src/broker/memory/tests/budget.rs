//! What goes when memory is short, and that the sums are right.

use super::super::keys::Keys;
use super::super::log::Log;
use super::*;
use crate::broker::{Announce, GapReason, Order, Since};
use crate::metrics::Counters;
use crate::publication::Publication;

/// What a channel with a name of one byte weighs.
const CHANNEL: usize = Log::OVERHEAD + 1;
/// What a publication of 100 bytes in it weighs: payload, envelope with base64, and binary frame.
const PUBLICATION: usize =
    Publication::OVERHEAD + 100 + (Publication::ENVELOPE + 2 + 2 + 136) + (Publication::ENVELOPE + 2 + 100);

fn read(broker: &MemoryBroker, name: &str, since: Since) -> Page {
    now(broker.read(&channel(name), Read { since, limit: 1000, order: Order::Forward }))
}

fn publish(broker: &MemoryBroker, name: &str) -> u64 {
    now(broker.publish(draft(name, 100, 1000))).position.offset
}

#[test]
fn the_limit_is_exact() {
    let broker = MemoryBroker::with_epoch(CHANNEL + 3 * PUBLICATION, EPOCH);
    for _ in 0..3 {
        publish(&broker, "a");
    }
    let full = Usage { channels: 1, publications: 3, bytes: CHANNEL + 3 * PUBLICATION, ..Usage::default() };
    assert_eq!(broker.usage(), full);
    publish(&broker, "a");
    assert_eq!(broker.usage(), Usage { evicted: 1, ..full });
    let gap = read(&broker, "a", Since::After(EPOCH, 0)).gap.unwrap();
    assert_eq!((gap.from, gap.to, gap.reason), (1, 1, GapReason::Expired));
}

#[test]
fn the_oldest_of_all_channels_goes_first() {
    let broker = MemoryBroker::with_epoch(3 * (CHANNEL + 2 * PUBLICATION), EPOCH);
    let inbox = Arc::new(Inbox::new(10));
    for name in ["a", "b", "c"] {
        now(broker.subscribe(&channel(name), &inbox));
    }
    for name in ["a", "b", "c", "b", "a", "c", "c"] {
        publish(&broker, name);
    }
    let left = |name| read(&broker, name, Since::Start).publications.len();
    assert_eq!((left("a"), left("b"), left("c")), (1, 1, 3), "the first of `a` and of `b` made room");
}

#[test]
fn what_is_too_large_makes_room_and_goes() {
    let broker = MemoryBroker::with_epoch(10 * PUBLICATION, EPOCH);
    let inbox = Arc::new(Inbox::new(10));
    now(broker.subscribe(&channel("a"), &inbox));
    for name in ["a", "b", "c"] {
        publish(&broker, name);
    }
    assert_eq!(now(broker.publish(draft("a", 100_000, 10))).position.offset, 2);
    let usage = broker.usage();
    assert_eq!((usage.publications, usage.channels, usage.evicted), (0, 1, 4));
    let gap = read(&broker, "a", Since::After(EPOCH, 0)).gap.unwrap();
    assert_eq!((gap.from, gap.to), (1, 2), "it was handed over, and readers are told");
}

#[test]
fn a_channel_made_anew_never_gives_an_offset_twice() {
    let broker = MemoryBroker::with_epoch(0, EPOCH);
    let mut last = 0;
    for round in 0..50 {
        let offset = publish(&broker, "a");
        assert!(offset > last, "{offset} after {last} in round {round}");
        last = offset;
        publish(&broker, &format!("other{round}"));
        assert_eq!(broker.usage().bytes, 0);
    }
    let page = read(&broker, "a", Since::After(EPOCH, 3));
    let gap = page.gap.unwrap();
    assert_eq!((gap.from, gap.to, gap.reason), (4, page.top.offset, GapReason::Expired));
}

#[test]
fn of_channels_with_nothing_left_the_least_recently_used_goes_first() {
    let limit = 5 * CHANNEL;
    let broker = MemoryBroker::with_epoch(limit, EPOCH);
    let top = |name| read(&broker, name, Since::Now).top.offset;
    for name in ["a", "b", "c", "d", "e", "a", "c"] {
        now(broker.publish(draft(name, 100, 0)));
    }
    assert_eq!((top("b"), broker.usage().channels), (1, 5), "until the budget is full all are known");
    // `d` goes, then `e`.
    for name in ["f", "g"] {
        now(broker.publish(draft(name, 100, 0)));
    }
    assert_eq!(broker.usage(), Usage { channels: 5, bytes: limit, ..Usage::default() });
    assert_eq!((top("a"), top("b"), top("c")), (2, 1, 2), "these are known");
}

#[test]
fn who_is_followed_or_present_is_not_evicted() {
    let broker = MemoryBroker::with_epoch(0, EPOCH);
    let inbox = Arc::new(Inbox::new(10));
    let member = Arc::new(Member { client: "ann".into(), user: None, info: None });
    now(broker.subscribe(&channel("a"), &inbox));
    now(broker.join(&channel("b"), &member, Lease::Held(Announce::No)));
    for offset in 1..=3 {
        for name in ["a", "b"] {
            assert_eq!(publish(&broker, name), offset);
        }
        publish(&broker, "other");
    }
    assert_eq!((broker.usage().channels, broker.usage().publications), (2, 0));
    broker.unsubscribe(&channel("a"), &inbox);
    now(broker.leave(&channel("b"), "ann", Duration::ZERO));
    publish(&broker, "other");
    assert_eq!((broker.usage().channels, broker.usage().bytes), (0, 0));
}

#[test]
fn asking_for_what_is_not_there_pushes_nothing_out() {
    let broker = MemoryBroker::with_epoch(10 * (CHANNEL + PUBLICATION), EPOCH);
    let inbox = Arc::new(Inbox::new(10));
    publish(&broker, "a");
    let before = broker.usage();
    for n in 0..1_000 {
        let name = format!("invented:{n}");
        assert_eq!(read(&broker, &name, Since::Start).top.offset, 0);
        now(broker.subscribe(&channel(&name), &inbox));
        broker.unsubscribe(&channel(&name), &inbox);
    }
    assert_eq!(broker.usage(), before);
    assert_eq!(read(&broker, "a", Since::Start).publications.len(), 1);
}

/// A channel in which nothing is published has no gap, though the server's memory is short and others come and go. That
/// two of these names have one hash is hardly possible, that four do is not.
#[test]
fn others_make_no_gap_in_an_idle_channel() {
    let broker = MemoryBroker::with_epoch(0, EPOCH);
    let names: Vec<_> = (0..50).map(|n| format!("idle:{n}")).collect();
    let tops: Vec<_> = names.iter().map(|name| read(&broker, name, Since::Now).top.offset).collect();
    for n in 0..100 {
        for _ in 0..3 {
            publish(&broker, &format!("busy:{n}"));
        }
    }
    let gaps = names
        .iter()
        .zip(tops)
        .filter(|(name, top)| read(&broker, name, Since::After(EPOCH, *top)).gap.is_some());
    assert!(gaps.count() < 4);
}

#[tokio::test(start_paused = true)]
async fn members_without_a_connection_are_bounded() {
    let broker = MemoryBroker::with_epoch(usize::MAX, EPOCH);
    let member = |n: usize| Arc::new(Member { client: n.to_string().into(), user: None, info: None });
    let poll = |n| broker.join(&channel("a"), &member(n), Lease::For(HOUR, Announce::No));
    let members = || now(broker.members(&channel("a"))).len();
    let held = member(MemoryBroker::MAX_UNHELD);
    for n in 0..MemoryBroker::MAX_UNHELD {
        now(poll(n));
    }
    let refused = poll(MemoryBroker::MAX_UNHELD).await.unwrap_err();
    assert_eq!((refused, members()), (BrokerError::Crowded, MemoryBroker::MAX_UNHELD));
    now(poll(7));
    now(broker.join(&channel("a"), &held, Lease::Held(Announce::No)));
    now(poll(MemoryBroker::MAX_UNHELD));
    assert_eq!(members(), MemoryBroker::MAX_UNHELD + 1, "a connection is let in, and may poll, too");
    tokio::time::advance(HOUR).await;
    broker.sweep();
    assert_eq!(members(), 1);
    now(broker.leave(&channel("a"), &held.client, HOUR));
    for n in 1..MemoryBroker::MAX_UNHELD {
        now(poll(n));
    }
    now(broker.join(&channel("a"), &member(0), Lease::Held(Announce::No)));
    now(broker.leave(&channel("a"), "0", HOUR));
    assert_eq!(members(), MemoryBroker::MAX_UNHELD, "nobody lingers");
}

#[test]
fn keys_are_bounded_too() {
    let full = CHANNEL + Keys::ANY + 10 * (Keys::OVERHEAD + 4);
    let broker = MemoryBroker::with_epoch(full, EPOCH);
    let publish =
        |n: usize| now(broker.publish(Draft { key: Some(format!("{n:04}").into()), ..draft("a", 100, 0) }));
    for n in 0..10 {
        publish(n);
    }
    assert_eq!((broker.usage().bytes, broker.usage().evicted_keys), (full, 0));
    publish(10);
    assert_eq!((broker.usage().bytes, broker.usage().evicted_keys), (full, 1));
    assert!(publish(1).is_duplicate);
    assert!(!publish(0).is_duplicate, "the oldest key had to go");
}

#[tokio::test(start_paused = true)]
async fn what_has_expired_is_not_counted_as_evicted() {
    let broker = MemoryBroker::with_epoch(CHANNEL + 3 * PUBLICATION, EPOCH);
    for _ in 0..3 {
        publish(&broker, "a");
    }
    tokio::time::advance(HOUR).await;
    now(broker.publish(draft("b", 100, 1)));
    assert_eq!((broker.usage().publications, broker.usage().evicted), (1, 0));
    assert!(read(&broker, "a", Since::Start).publications.is_empty());
    broker.sweep();
    tokio::time::advance(HOUR).await;
    broker.sweep();
    assert_eq!((broker.usage().publications, broker.usage().channels), (0, 2), "idle channels are known");
}

#[test]
fn nothing_takes_more_memory_than_it_counts() {
    let broker = MemoryBroker::with_epoch(usize::MAX, EPOCH);
    let inbox = Arc::new(Inbox::new(1));
    let use_it: [&dyn Fn(&str); 5] = [
        &|name| _ = now(broker.publish(draft(name, 0, 0))),
        &|name| _ = publish(&broker, name),
        &|name| {
            let key = Some(format!("key of {name}").into());
            now(broker.publish(Draft { key, ..draft(name, 0, 0) }));
        },
        &|name| _ = now(broker.subscribe(&channel(name), &inbox)),
        &|name| {
            let member = Arc::new(Member { client: name.into(), user: Some(name.into()), info: None });
            now(broker.join(&channel(name), &member, Lease::For(HOUR, Announce::No)));
            now(broker.join(&channel("all"), &member, Lease::Held(Announce::No)));
        },
    ];
    let mut taken = 0;
    for (index, use_it) in use_it.iter().enumerate() {
        let names = (0..3_000).map(|n| format!("room:{n:05}"));
        let info = allocation_counter::measure(|| names.for_each(|name| use_it(&name)));
        taken += info.bytes_current;
        let counted = broker.usage().bytes;
        assert!(
            taken <= i64::try_from(counted).unwrap(),
            "step {index}: {taken} bytes are counted as {counted}"
        );
    }
}

/// Whatever the payload, and whoever reads it in which format.
#[test]
fn what_is_encoded_is_counted_before() {
    let broker = MemoryBroker::with_epoch(usize::MAX, EPOCH);
    let counters = Counters::default();
    let payloads = [
        Data::Text(vec![1; 20_000].into()),
        Data::Text(vec![b'"'; 20_000].into()),
        Data::Text(vec![b'x'; 20_000].into()),
        Data::Json(vec![b'1'; 20_000].into()),
        Data::Binary(vec![1; 20_000].into()),
        Data::Text("".into()),
    ];
    let mut taken = 0;
    for data in payloads {
        let info = allocation_counter::measure(|| {
            for _ in 0..50 {
                let data = match &data {
                    Data::Json(bytes) => Data::Json(bytes.to_vec().into()),
                    Data::Text(bytes) => Data::Text(bytes.to_vec().into()),
                    Data::Binary(bytes) => Data::Binary(bytes.to_vec().into()),
                };
                let meta = Meta { user: Some("\u{1}".repeat(500).into()), ..Meta::default() };
                now(broker.publish(Draft { data, meta, ..draft("a", 0, 1_000) }));
            }
            for publication in read(&broker, "a", Since::Start).publications {
                publication.text_message(&counters, sockeye::Compress::Never);
                publication.binary_message(&counters, sockeye::Compress::Never);
            }
        });
        taken += info.bytes_current;
        let counted = i64::try_from(broker.usage().bytes).unwrap();
        assert!(
            taken <= counted && counted <= taken * 13 / 10 + 50_000,
            "{taken} bytes are counted as {counted}"
        );
    }
}

#[test]
fn threads_keep_within_the_budget() {
    const THREADS: usize = 4;
    let limit = 50 * (CHANNEL + PUBLICATION);
    let broker = MemoryBroker::with_epoch(limit, EPOCH);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let broker = &broker;
            scope.spawn(move || {
                for n in 0..2_000_usize {
                    let name = format!("{}", (n * (thread + 1)) % 200);
                    let key = (n % 3 == 0).then(|| format!("{thread} {n}").into());
                    now(broker.publish(Draft { key, ..draft(&name, n % 100, n % 5) }));
                    // What the others are just adding may be on top.
                    let most =
                        limit + THREADS * (CHANNEL + 2 + PUBLICATION + 4 + Keys::ANY + 2 * Keys::OVERHEAD);
                    assert!(broker.usage().bytes <= most);
                }
            });
        }
    });
    assert!(broker.usage().bytes <= limit && broker.usage().evicted > 0);
    // One that pushes everything else out, itself included: what is left shows every error in the sums.
    now(broker.publish(draft("large", limit, 1)));
    let Usage { channels, publications, bytes, .. } = broker.usage();
    assert_eq!((channels, publications, bytes), (1, 0, CHANNEL + 4));
}
