//! What clients and the server's API may ask for, however they ask: WebSocket and HTTP only read the request and word
//! the answer. Subscribing is not here: it belongs to a session.

mod embed;
mod pace;

pub(crate) use pace::Pace;

use crate::broker::{BrokerError, Draft, Member, Page, Published, Read, Reply};
use crate::channel::Channel;
use crate::code::{Code, Problem};
use crate::envelope::Publish;
use crate::hub::Hub;
use crate::identity::{Identity, Rights};
use crate::metrics::Counters;
use crate::publication::Meta;
use crate::worker::Worker;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Caller<'a> {
    /// A client.
    Client {
        /// What it may do.
        identity: &'a Identity,
        /// The part of its id that others see.
        client: &'a str,
    },
    /// The holder of the server key, or the program that the server is part of: it may do everything.
    Server,
}

/// Publishes into a channel.
pub(crate) async fn publish(
    worker: &Worker,
    caller: Caller<'_>,
    channel: Channel,
    publish: Publish,
) -> Result<Published, Problem> {
    submit(&worker.hub, caller, channel, publish)?.settle(&worker.counters).await
}

/// Who is in a channel.
pub(crate) async fn presence(
    worker: &Worker,
    caller: Caller<'_>,
    channel: &Channel,
) -> Result<Vec<Arc<Member>>, Problem> {
    let hub = &worker.hub;
    caller.check(hub, Rights::PRESENCE, channel)?;
    if !hub.settings.namespace(channel).presence {
        return Err(not_kept(channel, "presence"));
    }
    hub.broker.members(channel).await.map_err(unavailable)
}

/// What a channel's history holds: at most as much as an outbox does, but one publication at least. What does not fit
/// is read from the last one on.
pub(crate) async fn history(
    worker: &Worker,
    caller: Caller<'_>,
    channel: &Channel,
    read: Read,
) -> Result<Page, Problem> {
    let hub = &worker.hub;
    caller.check(hub, Rights::HISTORY, channel)?;
    if hub.settings.namespace(channel).history.size == 0 {
        return Err(not_kept(channel, "history"));
    }
    let mut page = hub.broker.read(channel, read).await.map_err(unavailable)?;
    let fitting = fitting(&page, hub.settings.limits.outbox);
    page.publications.truncate(fitting);
    Ok(page)
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
    let limit = hub.settings.limits.publication;
    if publish.data.bytes().len() > limit {
        return Err(Problem::new(Code::TooLarge, format_args!("a publication has at most {limit} bytes")));
    }
    let namespace = hub.settings.namespace(&channel);
    if let (Caller::Client { .. }, Some(rate)) = (caller, namespace.rate)
        && !hub.rates.admits(channel.clone(), rate)
    {
        let message = format_args!("{channel} takes {rate} publications per second; try again a little later");
        return Err(Problem::new(Code::RateLimited, message));
    }
    let Publish { data, content_type, key, fields } = publish;
    let (client, user) = caller.publisher();
    let meta = Meta { content_type, time: now_ms(), client, user, fields };
    let draft = Draft { channel, data, meta, key, retention: namespace.history };
    Ok(Submitted(hub.broker.publish(draft)))
}

/// A publication that the broker has, and may not yet have answered.
#[must_use]
#[derive(Debug)]
pub(crate) struct Submitted(Reply<Result<Published, BrokerError>>);

impl Submitted {
    /// Waits for the answer, and counts.
    pub(crate) async fn settle(self, counters: &Counters) -> Result<Published, Problem> {
        let published = self.0.await.map_err(unavailable)?;
        counters.published.increment();
        if published.is_duplicate {
            counters.duplicates.increment();
        }
        Ok(published)
    }
}

/// The channel that all connections of a user have.
pub(crate) fn channel_of_user(user: &str) -> Result<Channel, Problem> {
    if user.is_empty() {
        return Err(Problem::new(Code::BadParameter, "the name of the user is empty"));
    }
    let too_long = || Problem::new(Code::BadChannel, "the name of the user is too long for a channel");
    Channel::of_user(user).ok_or_else(too_long)
}

impl Caller<'_> {
    fn check(self, hub: &Hub, right: Rights, channel: &Channel) -> Result<(), Problem> {
        let Self::Client { identity, .. } = self else { return Ok(()) };
        if identity.may(right, channel, hub.settings.namespace(channel)) {
            return Ok(());
        }
        let what = match right {
            Rights::PUBLISH => "publish to",
            Rights::PRESENCE => "see who is in",
            _ => "read the history of",
        };
        Err(Problem::new(Code::NotPermitted, format_args!("you may not {what} {channel}")))
    }

    fn publisher(self) -> (Option<Box<str>>, Option<Box<str>>) {
        match self {
            Self::Client { identity, client } => (Some(client.into()), identity.user.clone()),
            Self::Server => (None, None),
        }
    }
}

fn not_kept(channel: &Channel, what: &str) -> Problem {
    let namespace = match channel.namespace() {
        "" => "the default namespace".to_owned(),
        name => format!("the namespace {name}"),
    };
    Problem::new(Code::Disabled, format_args!("{channel} keeps no {what}; the options of {namespace} say so"))
}

/// How many publications of a page weigh no more than this; one at least.
fn fitting(page: &Page, limit: usize) -> usize {
    let mut weight = 0;
    let fitting = page.publications.iter().take_while(|publication| {
        weight += publication.weight();
        weight <= limit
    });
    fitting.count().max(1)
}

fn unavailable(error: BrokerError) -> Problem {
    Problem::new(Code::Unavailable, error)
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
