//! Attach and recovery under thousands of schedules, without sockets and without a real clock: workers with small
//! inboxes, clients that come and go and resume elsewhere, and a broker whose answers and deliveries come late and in any
//! order, all decided by a seed.

mod broker;
mod record;

use super::{Departure, Opening, Session};
use crate::broker::{Broker as _, Draft, Retention, Since};
use crate::channel::Channel;
use crate::code::Code;
use crate::hub::Hub;
use crate::identity::Identity;
use crate::metrics::Transport;
use crate::publication::{Data, Meta};
use crate::settings::{Namespace, Settings, Slow};
use crate::worker::Worker;
use broker::{Delay, Late};
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use record::Record;
use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

/// What a schedule is about.
#[derive(Debug, Clone, Copy)]
struct Setup {
    seed: u64,
    workers: usize,
    clients: usize,
    publications: usize,
    /// Deliveries that an inbox holds.
    inbox: usize,
    /// Publications that a history holds.
    history: usize,
    /// Bytes of an outbox.
    outbox: usize,
    /// How often logs begin anew, per publication.
    renewals: f64,
    /// How often the publisher rests.
    rests: f64,
    /// Of the channels, those that are published to.
    hot: usize,
    delay: Delay,
}

/// A client across its connections.
struct Client {
    record: Record,
    random: StdRng,
}

/// What came out of a schedule.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Outcome {
    publications: usize,
    gaps: usize,
    behind: u64,
}

struct World {
    setup: Setup,
    hub: Arc<Hub>,
    broker: Arc<Late>,
    workers: Vec<Rc<Worker>>,
    channels: Vec<Channel>,
    /// Whether all is published.
    is_quiet: Cell<bool>,
}

fn random_setup(seed: u64) -> Setup {
    let mut random = StdRng::seed_from_u64(seed);
    let mut pick = |among: &[usize]| among[random.random_range(0..among.len())];
    Setup {
        seed,
        workers: pick(&[1, 2, 3]),
        clients: pick(&[1, 2, 4]),
        publications: pick(&[10, 40, 120, 300]),
        inbox: pick(&[1, 2, 5, 1_000]),
        history: pick(&[0, 1, 3, 20]),
        outbox: pick(&[300, 2_000, 1 << 20]),
        renewals: [0.0, 0.02, 0.1][pick(&[0, 1, 2])],
        rests: [0.3, 0.01][pick(&[0, 1])],
        hot: pick(&[1, 4]),
        delay: if pick(&[0, 1, 1, 1]) == 0 { Delay::None } else { Delay::UpTo(pick(&[3, 20, 60]) as u64) },
    }
}

/// Runs a schedule to its end; a schedule that hangs is a failure.
fn run(setup: Setup) -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let set = LocalSet::new();
    set.block_on(&runtime, async {
        let world = Rc::new(World::new(setup));
        tokio::spawn(world.broker.clone().deliver());
        for worker in &world.workers {
            tokio::task::spawn_local(worker.clone().run());
        }
        let clients: Vec<_> =
            (0..setup.clients).map(|n| tokio::task::spawn_local(world.clone().client(n as u64))).collect();
        tokio::task::spawn_local(world.clone().publish());
        let mut outcome = Outcome::default();
        for client in clients {
            let ended = timeout(Duration::from_hours(1), client).await;
            let record = ended.expect("no schedule hangs").expect("no client fails");
            outcome.publications += record.publications;
            outcome.gaps += record.gaps.values().sum::<usize>();
        }
        sleep(Duration::from_millis(300)).await;
        outcome.behind = world.hub.metrics.sum(|counters| counters.behind.value());
        world.check_left();
        outcome
    })
}

impl World {
    fn new(setup: Setup) -> Self {
        let mut settings = Settings::default();
        settings.limits.outbox = setup.outbox;
        for (name, slow) in [("oldest", Slow::DropOldest), ("latest", Slow::KeepLatest)] {
            let namespace = Namespace { slow, last_value: true, ..settings.default_namespace.clone() };
            settings.namespaces.insert(name.into(), namespace);
        }
        settings.default_namespace.presence = true;
        let broker = Arc::new(Late::new(setup.seed, setup.history, setup.delay));
        let hub = Hub::new(settings, broker.clone()).unwrap();
        let workers = (0..setup.workers).map(|_| Worker::with_inbox(hub.clone(), setup.inbox)).collect();
        let channels = ["a", "b", "oldest:c", "latest:d"].map(|name| name.parse().unwrap()).into();
        Self { setup, hub, broker, workers, channels, is_quiet: Cell::new(false) }
    }

    async fn publish(self: Rc<Self>) {
        let mut random = StdRng::seed_from_u64(self.setup.seed ^ 1);
        for _ in 0..self.setup.publications {
            let channel = self.channels[random.random_range(0..self.setup.hot)].clone();
            if random.random_bool(self.setup.renewals) {
                self.broker.state().renew(&channel);
            }
            let (data, meta) = (Data::Json(Bytes::from_static(b"1")), Meta::default());
            let retention = Retention { size: 0, ttl: Duration::MAX };
            let _ = self.broker.publish(Draft { channel, data, meta, key: None, retention }).await;
            if random.random_bool(self.setup.rests) {
                sleep(Duration::from_millis(random.random_range(0..40))).await;
            }
        }
        self.is_quiet.set(true);
    }

    /// Comes and goes, and resumes; once all is published it stays until it has everything.
    async fn client(self: Rc<Self>, number: u64) -> Record {
        let random = StdRng::seed_from_u64(self.setup.seed ^ (number << 32) ^ 2);
        let mut client = Client { record: Record::default(), random };
        while !(self.is_quiet.get() && client.record.is_complete(&self.channels, &self.broker)) {
            let worker = &self.workers[client.random.random_range(0..self.workers.len())];
            let session = worker.open(Opening {
                transport: Transport::WebSocket,
                client: self.hub.authority.mint_client(),
                identity: Identity::default(),
            });
            self.visit(&session, &mut client).await;
            if client.random.random() {
                session.close(if client.random.random() { Departure::Closed } else { Departure::Broken });
            }
        }
        client.record
    }

    /// One connection of a client.
    async fn visit(&self, session: &Rc<Session>, client: &mut Client) {
        for channel in &self.channels {
            if self.is_quiet.get() || client.random.random_bool(0.8) {
                self.subscribe(session, channel, client).await;
            }
        }
        let until = Duration::from_millis(client.random.random_range(0..200));
        let began = tokio::time::Instant::now();
        while session.ended().is_none() {
            // When nothing new comes any more, all that there was still does, without anybody asking again.
            let has_all = client.record.is_complete(&session.channels(), &self.broker);
            if if self.is_quiet.get() { has_all } else { began.elapsed() > until } {
                break;
            }
            assert!(
                began.elapsed() < Duration::from_mins(10),
                "it waits for ever: {session:?} {:?}",
                client.record
            );
            let pause = Duration::from_millis(client.random.random_range(1..30));
            match timeout(pause, poll_fn(|cx| session.poll_entry(cx))).await {
                Ok(Some(entry)) => client.record.handle_entry(&entry, &self.broker),
                Ok(None) => break,
                Err(_) => {}
            }
            client.record.check_cursor(&session.cursor());
            self.be_moody(session, client).await;
        }
        let code = session.ended().map(|problem| problem.code);
        assert!(matches!(code, None | Some(Code::SlowConsumer)), "{code:?}");
    }

    /// Reads slowly, leaves a channel, or takes one up again.
    async fn be_moody(&self, session: &Rc<Session>, client: &mut Client) {
        let channel = &self.channels[client.random.random_range(0..self.channels.len())];
        match client.random.random_range(0..40) {
            _ if self.is_quiet.get() => {}
            0 => sleep(Duration::from_millis(client.random.random_range(0..150))).await,
            1 => drop(session.unsubscribe(channel)),
            2 | 3 => self.subscribe(session, channel, client).await,
            _ => {}
        }
    }

    async fn subscribe(&self, session: &Rc<Session>, channel: &Channel, client: &mut Client) {
        let since = match client.record.place(channel) {
            Some((epoch, offset)) => Since::After(epoch, offset),
            None if client.random.random() => Since::Start,
            None => Since::Now,
        };
        let is_hasty = client.random.random_bool(0.2) && !self.is_quiet.get();
        let patience = Duration::from_millis(if is_hasty { 20 } else { 10_000 });
        let had = session.channels().contains(channel);
        match timeout(patience, session.subscribe(channel.clone(), since)).await {
            Ok(Ok(position)) => client.record.begin(&position),
            Ok(Err(problem)) => {
                assert!(matches!(problem.code, Code::AlreadySubscribed | Code::SlowConsumer), "{problem}");
            }
            Err(_) => assert_eq!(session.channels().contains(channel), had),
        }
    }

    /// When everybody has gone, nothing is left.
    fn check_left(&self) {
        assert!(self.broker.state().is_left());
        let sum = |figure: fn(&crate::metrics::Counters) -> u64| self.hub.metrics.sum(figure);
        assert_eq!(sum(|c| c.queued.value()), 0);
        assert_eq!(sum(|c| c.queued_bytes.value()), 0);
        assert_eq!(sum(|c| c.subscriptions.value()), 0);
        assert_eq!(sum(|c| c.transport(Transport::WebSocket).open.value()), 0);
    }
}

#[test]
fn whatever_the_schedule_everything_comes_once_or_is_named() {
    let (mut all, mut gaps, mut behind) = (0, 0, 0);
    for seed in 0..1_500 {
        let outcome = run(random_setup(seed));
        all += outcome.publications;
        gaps += outcome.gaps;
        behind += outcome.behind;
    }
    assert!(all > 10_000 && gaps > 1_000 && behind > 1_000, "{all} {gaps} {behind}");
}

#[test]
fn with_a_history_as_long_as_the_run_nothing_is_missing() {
    for seed in 0..500 {
        let setup = Setup { history: usize::MAX, renewals: 0.0, outbox: 1 << 20, ..random_setup(seed) };
        let outcome = run(setup);
        assert_eq!(outcome.gaps, 0, "{setup:?}");
    }
}

#[test]
fn a_schedule_is_the_same_every_time() {
    for seed in 0..20 {
        assert_eq!(run(random_setup(seed)), run(random_setup(seed)));
    }
}

/// Wherever it waits when it is given up: it leaves nothing behind, and can be done again.
#[test]
fn a_subscription_that_is_given_up_leaves_nothing() {
    for seed in 0..200 {
        let setup = Setup { workers: 1, clients: 0, delay: Delay::UpTo(20), ..random_setup(seed) };
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let world = World::new(setup);
            let worker = &world.workers[0];
            let client = world.hub.authority.mint_client();
            let opening = Opening { transport: Transport::Sse, client, identity: Identity::default() };
            let session = worker.open(opening);
            let channel = &world.channels[0];
            let patience = Duration::from_millis(seed % 100);
            let subscribed = timeout(patience, session.subscribe(channel.clone(), Since::Now)).await;
            let names = || [channel.clone()].into();
            tokio::task::spawn_local(worker.clone().run());
            assert_eq!(world.hub.subscribers(names()).await, [usize::from(subscribed.is_ok())]);
            if subscribed.is_err() {
                sleep(Duration::from_millis(200)).await;
                assert!(world.broker.state().is_left());
                session.subscribe(channel.clone(), Since::Now).await.unwrap();
            }
            session.close(Departure::Closed);
            sleep(Duration::from_millis(200)).await;
            assert!(world.broker.state().is_left());
            assert_eq!(world.hub.subscribers(names()).await, [0]);
        });
    }
}
