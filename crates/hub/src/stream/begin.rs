//! How every stream begins: who asks, which channels it has, from where on.

use super::ask::{Ask, Beginning};
use crate::broker::Since;
use crate::channel::Channel;
use crate::code::{Code, Problem, Then};
use crate::envelope;
use crate::hub::Hub;
use crate::identity::Identity;
use crate::journal;
use crate::metrics::Transport;
use crate::position::{Cursor, Epoch, Position};
use crate::session::{Opening, Session};
use crate::worker::Worker;
use bytes::Bytes;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// A stream that has begun: what it has to tell first.
pub(super) struct Begun {
    pub(super) session: Rc<Session>,
    /// `open`, for transports that begin with it.
    pub(super) open: Bytes,
    /// Where it begins.
    pub(super) cursor: Cursor,
    /// Of it, what no session moves: the places in channels that the client was not given for the moment.
    pub(super) carried: Cursor,
    /// An `error` for each channel that it was not given.
    pub(super) refused: Vec<Bytes>,
}

/// Counts a client that is refused before it has a session, which would count it, and tells the log.
pub(super) fn refused(worker: &Worker, problem: impl Into<Problem>) -> Problem {
    let problem = problem.into();
    journal::refused(&problem);
    worker.counters.ended(problem.code).increment();
    problem
}

/// Who asks.
pub(super) fn identify(worker: &Worker, token: Option<&str>) -> Result<Identity, Problem> {
    worker.hub.authority.identify(token).map_err(|problem| refused(worker, problem))
}

/// Refuses who was disconnected for good a short while ago.
pub(super) fn admit(worker: &Worker, ask: &Ask, identity: &Identity) -> Result<(), Problem> {
    match &ask.client {
        Some(client) if worker.hub.banished.has(client.id(), identity.user.as_deref()) => {
            Err(refused(worker, Code::Disconnected))
        }
        _ => Ok(()),
    }
}

/// The channels that a stream has: those asked for, then those that the token grants.
pub(super) fn channels(ask: &Ask, identity: &Identity) -> Result<Vec<Channel>, Problem> {
    let mut channels = ask.channels.clone();
    for channel in identity.channels() {
        if !channels.contains(&channel) {
            channels.push(channel);
        }
    }
    // A WebSocket may subscribe later.
    if channels.is_empty() && ask.transport != Transport::WebSocket {
        return Err(Code::NoChannel.into());
    }
    Ok(channels)
}

/// Opens a session and subscribes what it asks for. An error if it gets none of it.
pub(super) async fn begin(worker: &Rc<Worker>, ask: &Ask, identity: Identity) -> Result<Begun, Problem> {
    if worker.hub.is_draining() {
        return Err(refused(worker, Code::Draining));
    }
    admit(worker, ask, &identity)?;
    let channels = channels(ask, &identity).map_err(|problem| refused(worker, problem))?;
    let client = ask.client.clone().unwrap_or_else(|| worker.hub.authority.mint_client());
    let own_id = client.to_string();
    let session = worker.open(Opening { transport: ask.transport, client, identity });
    let beginning = ask.since.as_ref().unwrap_or(&Beginning::Now);
    let (mut subscribed, mut refused, mut cursor) = (Vec::new(), Refused::default(), Cursor::default());
    let mut carried = Cursor::default();
    for channel in channels {
        match session.subscribe(channel.clone(), beginning.since(&channel)).await {
            Ok(position) => {
                cursor.merge(position);
                subscribed.push(channel);
            }
            Err(problem) => {
                if let Some(position) = carry(&channel, &problem, beginning.since(&channel)) {
                    carried.merge(position.clone());
                    cursor.merge(position);
                }
                refused.add(&channel, problem);
            }
        }
    }
    if let (true, Some(problem)) = (subscribed.is_empty(), refused.first) {
        session.end(problem.clone());
        return Err(problem);
    }
    journal::opened(&session, subscribed.len());
    let open = envelope::open(&envelope::Open {
        client: &own_id as &dyn fmt::Display,
        cursor: &cursor,
        channels: &subscribed,
        transport: ask.transport,
        heartbeat: heartbeat(&worker.hub, ask.transport),
    });
    Ok(Begun { session, open, cursor, carried, refused: refused.errors })
}

/// Where the client stands in a channel that it was refused: what is refused only for the moment stays in its cursor.
pub(super) fn carry(channel: &Channel, problem: &Problem, since: Since) -> Option<Position> {
    let (epoch, offset) = match since {
        _ if problem.code.then() != Then::Reconnect => return None,
        Since::Now => return None,
        Since::Start => (Epoch(0), 0),
        Since::After(epoch, offset) => (epoch, offset),
    };
    Some(Position { channel: channel.clone(), epoch, offset })
}

/// The channels that a stream was not given.
#[derive(Default)]
pub(super) struct Refused {
    pub(super) first: Option<Problem>,
    pub(super) errors: Vec<Bytes>,
}

impl Refused {
    pub(super) fn add(&mut self, channel: &Channel, problem: Problem) {
        self.errors.push(envelope::error(&problem, None, Some(channel.as_str())));
        self.first.get_or_insert_with(|| whole(problem));
    }
}

/// What it means for the whole stream that a channel was refused.
fn whole(problem: Problem) -> Problem {
    match problem.code {
        Code::NotPermitted => Problem { code: Code::Forbidden, ..problem },
        _ => problem,
    }
}

fn heartbeat(hub: &Hub, transport: Transport) -> Duration {
    match transport {
        Transport::WebSocket => hub.settings.heartbeat.websocket,
        _ => hub.settings.heartbeat.sse,
    }
}
