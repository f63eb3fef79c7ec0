//! What a WebSocket's client asks for, and the answers.

use crate::broker::{Read, Since};
use crate::channel::Channel;
use crate::code::Problem;
use crate::envelope::{self, Asked, Publish, Request};
use crate::identity::Identity;
use crate::journal;
use crate::operations::{self, Caller};
use crate::session::Session;
use bytes::Bytes;
use std::rc::Rc;

/// What a request is answered with: mostly one message, and none where one without id has succeeded. They are to be
/// sent before what the session hands out next: a channel's `subscribed` comes before what it brings.
pub(super) async fn answer(session: Rc<Session>, request: Request) -> Vec<Bytes> {
    let Request { id, ask } = request;
    let channel = channel_of(&ask).cloned();
    match perform(&session, id, ask).await {
        Ok(Answers { own, beside }) => own.filter(|_| id.is_some()).into_iter().chain(beside).collect(),
        Err(problem) => {
            journal::answered_with_error(&session, &problem);
            session.worker().counters.errors.increment();
            vec![envelope::error(&problem, id, channel.as_ref().map(Channel::as_str))]
        }
    }
}

/// What comes of a request that has succeeded.
struct Answers {
    /// The answer.
    own: Option<Bytes>,
    /// What the client is told beside it.
    beside: Vec<Bytes>,
}

impl From<Bytes> for Answers {
    fn from(own: Bytes) -> Self {
        Self { own: Some(own), beside: Vec::new() }
    }
}

async fn perform(session: &Rc<Session>, id: Option<u64>, ask: Asked) -> Result<Answers, Problem> {
    match ask {
        Asked::Subscribe { channel, since } => {
            let position = session.subscribe(channel, since).await?;
            Ok(envelope::subscribed(id, &position).into())
        }
        Asked::Unsubscribe { channel } => {
            session.unsubscribe(&channel)?;
            Ok(envelope::unsubscribed(id, &channel).into())
        }
        Asked::Publish { channel, publish } => self::publish(session, id, channel, *publish).await,
        Asked::Presence { channel } => {
            let identity = session.identity().clone();
            let members =
                operations::presence(session.worker(), caller(session, &identity), &channel).await?;
            Ok(envelope::presence(id, &channel, &members).into())
        }
        Asked::History { channel, limit, order, since } => {
            let (identity, worker) = (session.identity().clone(), session.worker());
            let read = Read { since, limit, order };
            let page = operations::history(worker, caller(session, &identity), &channel, read).await?;
            Ok(operations::history_answer(worker, id, &channel, &page).into())
        }
        Asked::Token { token } => self::token(session, id, &token).await,
        Asked::Ping => Ok(envelope::pong(id).into()),
    }
}

async fn publish(
    session: &Session,
    id: Option<u64>,
    channel: Channel,
    publish: Publish,
) -> Result<Answers, Problem> {
    let worker = session.worker();
    let submitted = {
        let identity = session.identity();
        operations::submit(&worker.hub, caller(session, &identity), channel, publish)?
    };
    let published = submitted.settle(&worker.counters).await?;
    Ok(envelope::published(id, &published.position).into())
}

/// A token that names somebody on a connection of nobody in particular brings the channels that it grants.
async fn token(session: &Rc<Session>, id: Option<u64>, token: &str) -> Result<Answers, Problem> {
    let was_anonymous = session.identity().user.is_none();
    let identity = session.worker().hub.authority.verify(token)?;
    let own = envelope::token(id, identity.user.as_deref(), identity.expires);
    let channels: Vec<_> = identity.channels().collect();
    session.set_identity(identity)?;
    let mut beside = Vec::new();
    if was_anonymous {
        let has = session.channels();
        for channel in channels.into_iter().filter(|channel| !has.contains(channel)) {
            beside.push(match session.subscribe(channel.clone(), Since::Now).await {
                Ok(position) => envelope::subscribed(None, &position),
                Err(problem) => envelope::error(&problem, None, Some(channel.as_str())),
            });
        }
    }
    Ok(Answers { own: Some(own), beside })
}

fn caller<'a>(session: &'a Session, identity: &'a Identity) -> Caller<'a> {
    Caller::Client { identity, client: session.client().id() }
}

fn channel_of(ask: &Asked) -> Option<&Channel> {
    match ask {
        Asked::Subscribe { channel, .. }
        | Asked::Unsubscribe { channel }
        | Asked::Publish { channel, .. }
        | Asked::Presence { channel }
        | Asked::History { channel, .. } => Some(channel),
        Asked::Token { .. } | Asked::Ping => None,
    }
}
