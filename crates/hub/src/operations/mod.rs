//! What clients and the server's API may ask for, however they ask: WebSocket and HTTP only read the request and word
//! the answer. Subscribing is not here: it belongs to a session.

mod embed;
mod listing;
mod pace;
mod publishing;

pub(crate) use listing::{CHANNELS, MAX_CHANNELS, channels};
pub(crate) use pace::Bucket;
pub(crate) use publishing::{Pacing, Sender, Submitted, publish, submit};

use crate::broker::{BrokerError, Member, Page, Read, Top};
use crate::channel::Channel;
use crate::code::{Code, Problem};
use crate::envelope;
use crate::hub::Hub;
use crate::identity::{Identity, Rights};
use crate::position::Position;
use crate::worker::Worker;
use bytes::Bytes;
use std::sync::Arc;

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

/// The answer to a `history`: a gap stands before what there is.
pub(crate) fn history_answer(worker: &Worker, id: Option<u64>, channel: &Channel, page: &Page) -> Bytes {
    let gap = page.gap.as_ref().map(|gap| envelope::gap(channel, gap));
    let publications = page.publications.iter().map(|publication| publication.json(&worker.counters).clone());
    let messages: Vec<_> = gap.into_iter().chain(publications).collect();
    let Top { epoch, offset } = page.top;
    envelope::history(id, &Position { channel: channel.clone(), epoch, offset }, &messages)
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
}

fn not_kept(channel: &Channel, what: &str) -> Problem {
    let namespace = match channel.namespace() {
        "" => "the default namespace".to_owned(),
        name => format!("the namespace {name}"),
    };
    Problem::new(Code::Disabled, format_args!("{channel} keeps no {what}; the options of {namespace} say so"))
}

/// How many publications of a page have envelopes of no more bytes than this; one at least.
fn fitting(page: &Page, limit: usize) -> usize {
    let mut bytes = 0;
    let fitting = page.publications.iter().take_while(|publication| {
        bytes += publication.envelope_len();
        bytes <= limit
    });
    fitting.count().max(1)
}

fn unavailable(error: BrokerError) -> Problem {
    Problem::new(Code::Unavailable, error)
}

#[cfg(test)]
mod tests;
