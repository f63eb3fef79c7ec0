//! Random sequences, against the model.

use super::model::{Model, NAMES};
use super::*;
use crate::broker::{Announce, Delivery, Drained, GapReason, Order, Since};
use crate::position::Offset;
use proptest::prelude::*;
use std::future::poll_fn;
use std::task::Poll;

#[derive(Debug, Clone)]
enum Step {
    Publish {
        name: &'static str,
        len: usize,
        key: Option<usize>,
        retention: Retention,
    },
    /// A reader reads from where it stands.
    Read {
        reader: usize,
        limit: usize,
    },
    /// A reader goes elsewhere.
    Place {
        reader: usize,
        name: &'static str,
        since: Since,
    },
    Subscribe {
        name: &'static str,
        inbox: usize,
    },
    Unsubscribe {
        name: &'static str,
        inbox: usize,
    },
    Join {
        name: &'static str,
    },
    Leave {
        name: &'static str,
    },
    Advance {
        seconds: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let name = || (0..NAMES.len()).prop_map(|index| NAMES[index]);
    let key = prop_oneof![3 => Just(None), 1 => (0..3_usize).prop_map(Some)];
    let retention = (prop_oneof![Just(0), 1..4_usize, Just(100)], prop_oneof![1..9_u64, Just(1000)])
        .prop_map(|(size, ttl)| Retention { size, ttl: Duration::from_secs(ttl) });
    let since = prop_oneof![Just(Since::Start), Just(Since::Now), Just(Since::After(EPOCH, 0))];
    prop_oneof![
        12 => (name(), 0..400_usize, key, retention)
            .prop_map(|(name, len, key, retention)| Step::Publish { name, len, key, retention }),
        6 => (0..3_usize, 1..4_usize).prop_map(|(reader, limit)| Step::Read { reader, limit }),
        1 => (0..3_usize, name(), since).prop_map(|(reader, name, since)| Step::Place { reader, name, since }),
        1 => (name(), 0..2_usize).prop_map(|(name, inbox)| Step::Subscribe { name, inbox }),
        1 => (name(), 0..2_usize).prop_map(|(name, inbox)| Step::Unsubscribe { name, inbox }),
        1 => name().prop_map(|name| Step::Join { name }),
        1 => name().prop_map(|name| Step::Leave { name }),
        1 => prop_oneof![9 => 1..5_u64, 1 => Just(300)].prop_map(|seconds| Step::Advance { seconds }),
    ]
}

proptest! {
    #[test]
    fn it_does_what_the_model_does(
        limit in prop_oneof![Just(0), 500..20_000_usize, Just(1_000_000)],
        steps in proptest::collection::vec(step(), 1..150),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let mut both = Both::new(limit);
            for step in steps {
                both.step(step).await;
                assert_eq!(both.broker.usage(), both.model.usage());
            }
            both.check_inboxes().await;
        });
    }
}

/// The broker and the model, and who looks at both.
struct Both {
    broker: MemoryBroker,
    model: Model,
    readers: [(&'static str, Since); 3],
    inboxes: [Arc<Inbox>; 2],
    /// What they must have got.
    due: [Vec<(&'static str, Offset)>; 2],
    member: Arc<Member>,
}

impl Both {
    fn new(limit: usize) -> Self {
        Self {
            broker: MemoryBroker::with_epoch(limit, EPOCH),
            model: Model::new(limit),
            readers: [(NAMES[0], Since::Start), (NAMES[1], Since::Now), (NAMES[2], Since::Start)],
            inboxes: [Arc::new(Inbox::new(1_000)), Arc::new(Inbox::new(1_000))],
            due: [vec![], vec![]],
            member: Arc::new(Member { client: "m".into(), user: None, info: None }),
        }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Publish { name, len, key, retention } => self.publish(name, (len, key), retention),
            Step::Read { reader, limit } => self.read(reader, limit),
            Step::Place { reader, name, since } => self.readers[reader] = (name, since),
            Step::Subscribe { name, inbox } => {
                let top = now(self.broker.subscribe(&channel(name), &self.inboxes[inbox]));
                self.model.touch(name, top.offset);
                *self.model.followers(name, inbox) += 1;
            }
            Step::Unsubscribe { name, inbox } => {
                self.broker.unsubscribe(&channel(name), &self.inboxes[inbox]);
                if self.model.touch_known(name) {
                    let times = self.model.followers(name, inbox);
                    *times = times.saturating_sub(1);
                }
            }
            Step::Join { name } => self.join(name),
            Step::Leave { name } => {
                now(self.broker.leave(&channel(name), "m", Duration::ZERO));
                if self.model.touch_known(name) {
                    let held = self.model.held(name);
                    *held = held.saturating_sub(1);
                }
            }
            Step::Advance { seconds } => {
                tokio::time::advance(Duration::from_secs(seconds)).await;
                self.broker.sweep();
                self.model.advance(seconds);
            }
        }
        self.model.fit();
    }

    fn publish(&mut self, name: &'static str, (len, key): (usize, Option<usize>), retention: Retention) {
        let named = key.map(|key| key.to_string().into());
        let published = now(self.broker.publish(Draft { key: named, retention, ..draft(name, len, 0) }));
        let offset = published.position.offset;
        let known = key.and_then(|key| self.model.keyed(name, key));
        assert_eq!(published.is_duplicate, known.is_some());
        if let Some(known) = known {
            assert_eq!(offset, known);
            self.model.touch_known(name);
            return;
        }
        self.model.touch(name, offset - 1);
        self.model.publish(name, (len, key), retention);
        for (inbox, due) in self.due.iter_mut().enumerate() {
            due.extend(self.model.is_following(name, inbox).then_some((name, offset)));
        }
    }

    fn read(&mut self, reader: usize, limit: usize) {
        let (name, since) = self.readers[reader];
        let read = |since, limit| Read { since, limit, order: Order::Forward };
        let page = now(self.broker.read(&channel(name), read(since, limit)));
        self.model.touch(name, page.top.offset);
        let (missing, mut kept) = self.model.read(name, since);
        kept.truncate(limit);
        let told: Vec<_> = page.gap.iter().flat_map(|gap| gap.from..=gap.to).collect();
        assert_eq!(told, missing, "a gap tells exactly what is missing");
        assert!(page.gap.is_none_or(|gap| gap.reason == GapReason::Expired));
        let got: Vec<_> = page.publications.iter().map(|publication| publication.offset).collect();
        assert_eq!(got, kept);
        for publication in &page.publications {
            let len = self.model.all[&(name, publication.offset)];
            assert_eq!(publication.data.bytes().len(), len, "what was published there");
        }
        let end = got.last().copied().unwrap_or(page.top.offset);
        self.readers[reader] = (name, Since::After(EPOCH, end));
    }

    fn join(&mut self, name: &'static str) {
        let top = now(self
            .broker
            .read(&channel(name), Read { since: Since::Now, limit: 0, order: Order::Forward }));
        self.model.touch(name, top.top.offset);
        self.model.fit();
        now(self.broker.join(&channel(name), &self.member, Lease::Held(Announce::No)));
        // Without room even for its name the channel has gone in between, and begins where it ended.
        self.model.touch(name, top.top.offset.max(self.end_of(name)));
        *self.model.held(name) += 1;
    }

    fn end_of(&self, name: &str) -> Offset {
        let pattern = Pattern::Exact(channel(name));
        now(self.broker.channels(&pattern, 1)).first().map_or(0, |info| info.top.offset)
    }

    async fn check_inboxes(&mut self) {
        for (inbox, due) in self.inboxes.iter().zip(&self.due) {
            let mut drained = Drained::default();
            poll_fn(|cx| Poll::Ready(inbox.poll_drain(&mut drained, cx).is_ready())).await;
            let handed: Vec<_> = drained.deliveries.iter().map(place).collect();
            let due: Vec<_> = due.iter().map(|&(name, offset)| (name.to_owned(), offset)).collect();
            assert_eq!(handed, due, "an inbox gets all that it follows, in order");
        }
    }
}

fn place(delivery: &Delivery) -> (String, Offset) {
    match delivery {
        Delivery::Publication(publication) => (publication.channel.to_string(), publication.offset),
        other => panic!("nothing else was to be told: {other:?}"),
    }
}
