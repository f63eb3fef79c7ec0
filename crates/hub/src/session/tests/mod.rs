//! Sessions on a worker, without a socket: the tests are the transport.

mod ends;
mod fanout;
mod limits;
mod recovery;

use super::*;
use crate::broker::{Broker, Draft, Inbox, MemoryBroker, Since};
use crate::channel::Channel;
use crate::hub::Hub;
use crate::position::Offset;
use crate::publication::{Data, Meta};
use crate::settings::{Namespace, Settings, Slow};
use std::future::poll_fn;
use tokio::task::LocalSet;

/// A server with one worker that runs.
pub(super) struct Bench {
    pub(super) hub: Arc<Hub>,
    pub(super) worker: Rc<Worker>,
}

/// Runs a test beside a worker.
pub(super) async fn on_bench<F: Future>(settings: Settings, test: impl FnOnce(Bench) -> F) -> F::Output {
    let broker = Arc::new(MemoryBroker::new(settings.limits.history));
    on_broker(settings, broker, test).await
}

pub(super) async fn on_broker<F: Future>(
    settings: Settings,
    broker: Arc<dyn Broker>,
    test: impl FnOnce(Bench) -> F,
) -> F::Output {
    let hub = Hub::new(settings, broker).unwrap();
    let worker = Worker::with_inbox(hub.clone(), Inbox::CAPACITY);
    let set = LocalSet::new();
    set.spawn_local(worker.clone().run());
    set.run_until(test(Bench { hub, worker })).await
}

impl Bench {
    pub(super) fn open(&self, transport: Transport) -> Rc<Session> {
        self.open_as(transport, Identity::default())
    }

    pub(super) fn open_as(&self, transport: Transport, identity: Identity) -> Rc<Session> {
        self.worker.open(Opening { transport, client: self.hub.authority.mint_client(), identity })
    }

    pub(super) async fn publish(&self, name: &str, payload: &str) -> Position {
        let retention = self.hub.settings.namespace(&channel(name)).history;
        let data = Data::Json(Bytes::copy_from_slice(payload.as_bytes()));
        let draft = Draft { channel: channel(name), data, meta: Meta::default(), key: None, retention };
        self.hub.broker.publish(draft).await.unwrap().position
    }

    /// Lets everything happen that can happen now.
    pub(super) async fn rest(&self) {
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }
}

pub(super) fn channel(name: &str) -> Channel {
    name.parse().unwrap()
}

/// What a session hands out now.
pub(super) fn entries(session: &Session) -> Vec<Entry> {
    let mut cx = Context::from_waker(Waker::noop());
    let mut entries = Vec::new();
    while let Poll::Ready(Some(entry)) = session.poll_entry(&mut cx) {
        entries.push(entry);
    }
    entries
}

/// The same, in short.
pub(super) fn told(session: &Session) -> Vec<String> {
    entries(session).iter().map(short).collect()
}

pub(super) fn short(entry: &Entry) -> String {
    match entry {
        Entry::Publication(message) => format!("{}.{}", message.channel, message.offset),
        Entry::Gap(channel, gap) => format!("{channel}.{}-{} {:?}", gap.from, gap.to, gap.reason),
        Entry::Join(channel, _) => format!("{channel} join"),
        Entry::Leave(channel, _) => format!("{channel} leave"),
        Entry::Own(message) => String::from_utf8_lossy(message).into_owned(),
        Entry::Heartbeat => "heartbeat".into(),
    }
}

pub(super) async fn next(session: &Session) -> Option<Entry> {
    poll_fn(|cx| session.poll_entry(cx)).await
}

pub(super) fn with_slow(slow: Slow) -> Settings {
    let mut settings = Settings::default();
    settings.namespaces.insert("slow".into(), Namespace { slow, ..settings.default_namespace.clone() });
    settings
}
