//! Publishing: what is checked before the broker has it, and how fast clients may.

use super::pace::Pace;
use super::{Caller, unavailable};
use crate::broker::{BrokerError, Draft, Published, Reply};
use crate::channel::Channel;
use crate::code::{Code, Problem};
use crate::envelope::Publish;
use crate::hub::Hub;
use crate::identity::{Identity, Rights};
use crate::metrics::Counters;
use crate::publication::Meta;
use crate::settings::Limits;
use crate::worker::Worker;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

/// Publishes into a channel.
pub(crate) async fn publish(
    worker: &Worker,
    caller: Caller<'_>,
    channel: Channel,
    publish: Publish,
) -> Result<Published, Problem> {
    submit(&worker.hub, caller, channel, publish)?.settle(&worker.counters).await
}

/// Checks a publication, and gives it to the broker without waiting for the answer: what is submitted in one go stands
/// in its channel in that order, and reaches each subscriber as one burst.
pub(crate) fn submit(
    hub: &Hub,
    caller: Caller<'_>,
    channel: Channel,
    publish: Publish,
) -> Result<Submitted, Problem> {
    caller.check(hub, Rights::PUBLISH, &channel)?;
    if hub.is_draining() {
        return Err(Code::Draining.into()); // it would reach only those who are still there
    }
    let limit = hub.settings.limits.publication;
    if publish.data.bytes().len() > limit {
        return Err(Problem::new(Code::TooLarge, format_args!("a publication has at most {limit} bytes")));
    }
    let namespace = hub.settings.namespace(&channel);
    let (mut client, mut user) = (None, None);
    if let Caller::Client { identity, client: id } = caller {
        hub.pacing.check_channel(&channel, namespace.rate)?;
        (client, user) = (Some(id.into()), identity.user.clone());
    }
    let Publish { data, content_type, key, fields } = publish;
    let key = key.map(|key| caller.own_key(&key));
    let meta = Meta { content_type, time: now_ms(), client, user, fields };
    let draft = Draft { channel, data, meta, key, retention: namespace.history };
    Ok(Submitted(hub.broker.publish(draft)))
}

impl Caller<'_> {
    /// An idempotency key as the broker has it: apart from the same key of another publisher, so that nobody can make
    /// the publication of another one count as a repetition.
    fn own_key(self, key: &str) -> Box<str> {
        let (kind, name) = match self {
            Self::Server => ("server", ""),
            Self::Client { identity: Identity { user: Some(user), .. }, .. } => ("user", &**user),
            Self::Client { client, .. } => ("client", client),
        };
        // With the length no name can be taken for one that goes on in the key.
        format!("{kind}:{}:{name}:{key}", name.len()).into()
    }
}

/// A publication that the broker has, and may not yet have answered.
#[must_use]
#[derive(Debug)]
pub(crate) struct Submitted(Reply<Result<Published, BrokerError>>);

impl Submitted {
    /// Waits for the answer, and counts it.
    pub(crate) async fn settle(self, counters: &Counters) -> Result<Published, Problem> {
        let published = self.answer().await?;
        count(&published, counters);
        Ok(published)
    }

    /// Waits for the answer.
    pub(super) async fn answer(self) -> Result<Published, Problem> {
        self.0.await.map_err(unavailable)
    }
}

/// Counts what was published.
pub(super) fn count(published: &Published, counters: &Counters) {
    counters.published.increment();
    if published.is_duplicate {
        counters.duplicates.increment();
    }
}

/// Who sends, as far as one can tell: a client could ask for any number of ids, and use none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Sender<'a> {
    /// The client with this id.
    Client(&'a str),
    /// This user.
    User(&'a str),
    /// Someone at this address.
    Address(IpAddr),
}

/// How fast clients may send, over all workers.
#[derive(Debug)]
pub(crate) struct Pacing {
    channels: Pace,
    messages: Pace,
    bytes: Pace,
}

impl Pacing {
    /// Channels, and senders, that are known at the same time: 65 536.
    const CAPACITY: usize = 1 << 16;

    /// Nobody has sent anything.
    pub(crate) fn new() -> Self {
        let (messages, bytes) = (Pace::new(Self::CAPACITY), Pace::new(Self::CAPACITY));
        Self { channels: Pace::new(Self::CAPACITY), messages, bytes }
    }

    /// What one sender may ask for over HTTP, where no connection counts it.
    pub(crate) fn check_sender(
        &self,
        sender: Sender<'_>,
        len: usize,
        limits: &Limits,
    ) -> Result<(), Problem> {
        let is_admitted = self.messages.admits(sender, 1, limits.messages_per_second)
            && self.bytes.admits(sender, len, limits.bytes_per_second);
        let message = format_args!(
            "you may send {} requests and {} bytes per second; try again a little later",
            limits.messages_per_second, limits.bytes_per_second
        );
        if is_admitted { Ok(()) } else { Err(Problem::new(Code::RateLimited, message)) }
    }

    fn check_channel(&self, channel: &Channel, rate: Option<u32>) -> Result<(), Problem> {
        match rate {
            Some(rate) if !self.channels.admits(channel, 1, rate) => {
                let message =
                    format_args!("{channel} takes {rate} publications per second; try again a little later");
                Err(Problem::new(Code::RateLimited, message))
            }
            _ => Ok(()),
        }
    }
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
