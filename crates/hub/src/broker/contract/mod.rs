//! The contract of [`Broker`] as a test, for everyone who writes one.
//!
//! ```ignore
//! #[tokio::test(start_paused = true)]
//! async fn it_keeps_the_contract() {
//!     broker::contract::check(|| Arc::new(MyBroker::new())).await;
//! }
//! ```

mod log;
mod presence;
mod threads;

use super::{
    Broker, Delivery, Draft, Drained, GapReason, Inbox, Order, Page, Published, Read, Retention, Since, Top,
};
use crate::channel::Channel;
use crate::position::Offset;
use crate::publication::{Data, Meta, Publication};
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

/// Checks a kind of brokers. `make` makes an empty one with room for some megabytes.
///
/// It runs in a tokio runtime of any kind with its clock, and waits for what takes time: where the broker lives by tokio's
/// clock too, a paused one makes it short.
///
/// # Panics
/// If a broker breaks the contract; the message says where.
pub async fn check(make: impl Fn() -> Arc<dyn Broker>) {
    log::offsets_are_contiguous(Subject::new(make())).await;
    log::pages_join_without_a_hole(Subject::new(make())).await;
    log::gaps_are_exact(Subject::new(make())).await;
    log::an_idle_channel_is_recovered_after_its_history(Subject::new(make())).await;
    log::places_of_other_logs_are_told(Subject::new(make())).await;
    log::what_is_not_kept_is_handed_over(Subject::new(make())).await;
    log::followers_come_and_go(Subject::new(make())).await;
    log::keys_are_per_channel_and_for_a_time(Subject::new(make())).await;
    log::channels_are_listed_by_name(Subject::new(make())).await;
    threads::all_followers_see_one_order(Subject::new(make())).await;
    threads::of_calls_with_one_key_one_appends(Subject::new(make())).await;
    threads::between_subscribing_and_reading_is_no_hole(Subject::new(make())).await;
    presence::several_leases_hold_together(Subject::new(make())).await;
    presence::a_lease_for_a_time_is_prolonged(Subject::new(make())).await;
    presence::who_comes_back_in_time_has_not_left(Subject::new(make())).await;
    presence::members_are_announced_only_if_asked(Subject::new(make())).await;
}

/// A broker that is looked at, and the channel that most is done with.
#[derive(Debug, Clone)]
struct Subject {
    broker: Arc<dyn Broker>,
    channel: Channel,
}

/// Keeps everything that a check publishes.
const ALL: Retention = Retention { size: 10_000, ttl: Duration::from_hours(1) };

/// How long a check waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

impl Subject {
    fn new(broker: Arc<dyn Broker>) -> Self {
        Self { broker, channel: channel("contract:one") }
    }

    /// The same broker, another channel.
    fn of(&self, name: &str) -> Self {
        Self { broker: Arc::clone(&self.broker), channel: channel(name) }
    }

    async fn publish(&self, text: &str, retention: Retention) -> Published {
        self.publish_with_key(text, retention, None).await
    }

    async fn publish_with_key(&self, text: &str, retention: Retention, key: Option<&str>) -> Published {
        let draft = Draft {
            channel: self.channel.clone(),
            data: Data::Text(text.to_owned().into()),
            meta: Meta::default(),
            key: key.map(Into::into),
            retention,
        };
        self.broker.publish(draft).await.expect("a publication is taken")
    }

    async fn read(&self, since: Since, limit: usize) -> Page {
        self.read_in(Order::Forward, since, limit).await
    }

    async fn read_in(&self, order: Order, since: Since, limit: usize) -> Page {
        let read = Read { since, limit, order };
        self.broker.read(&self.channel, read).await.expect("a log is read")
    }

    async fn subscribe(&self, inbox: &Arc<Inbox>) -> Top {
        self.broker.subscribe(&self.channel, inbox).await.expect("an inbox subscribes")
    }

    async fn top(&self) -> Top {
        self.read(Since::Now, 0).await.top
    }

    /// Lets time pass, and the broker see it.
    async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
        self.broker.sweep();
    }
}

fn channel(name: &str) -> Channel {
    name.parse().expect("names in checks are names")
}

fn inbox() -> Arc<Inbox> {
    Arc::new(Inbox::new(100_000))
}

fn offsets(page: &Page) -> Vec<Offset> {
    page.publications.iter().map(|publication| publication.offset).collect()
}

/// The missing offsets that a page tells.
fn gap(page: &Page) -> Option<(Offset, Offset, GapReason)> {
    page.gap.map(|gap| (gap.from, gap.to, gap.reason))
}

fn text(publication: &Publication) -> String {
    String::from_utf8_lossy(publication.data.bytes()).into_owned()
}

/// Waits for as many deliveries, and takes them.
async fn take(inbox: &Inbox, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let mut drained = Drained::default();
        let some = tokio::time::timeout(PATIENCE, poll_fn(|cx| inbox.poll_drain(&mut drained, cx))).await;
        assert!(some.is_ok(), "{count} deliveries are due, and no more than {} came: {taken:?}", taken.len());
        assert!(drained.behind.is_empty() && drained.dropped == 0, "there is room for all deliveries");
        taken.append(&mut drained.deliveries);
    }
    assert_eq!(taken.len(), count, "nothing more is handed over than {count} deliveries: {taken:?}");
    taken
}

/// Waits for as many publications, and takes them.
async fn take_publications(inbox: &Inbox, count: usize) -> Vec<Arc<Publication>> {
    let publication = |delivery| match delivery {
        Delivery::Publication(publication) => publication,
        other => panic!("a publication is due, not {other:?}"),
    };
    take(inbox, count).await.into_iter().map(publication).collect()
}
