//! What a request for `/stream` says, read once and the same for every transport.

use crate::auth::{ClientId, token_of};
use crate::broker::Since;
use crate::channel::Channel;
use crate::code::{Code, Problem};
use crate::hub::Hub;
use crate::metrics::Transport;
use crate::position::{Cursor, CursorError};
use http::header::{ACCEPT, UPGRADE};
use http::{HeaderMap, Uri};
use std::collections::HashSet;
use std::time::Duration;

/// A request for the stream.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// What it wants to get.
    pub(crate) transport: Transport,
    /// The channels that it names, each once.
    pub(crate) channels: Vec<Channel>,
    /// Where it wants to begin, if it says so.
    pub(crate) since: Option<Beginning>,
    /// How long a long poll waits.
    pub(crate) wait: Duration,
    /// Messages of a batch, at most.
    pub(crate) limit: usize,
    /// Who it was before.
    pub(crate) client: Option<ClientId>,
    /// The token, not yet verified.
    pub(crate) token: Option<String>,
}

/// Where a stream begins, in all of its channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// With what history holds.
    Start,
    /// With what comes next.
    Now,
    /// Behind these positions; other channels begin now.
    Cursor(Cursor),
}

impl Beginning {
    /// What it means for a channel.
    pub(crate) fn since(&self, channel: &Channel) -> Since {
        match self {
            Self::Start => Since::Start,
            Self::Now => Since::Now,
            Self::Cursor(cursor) => {
                cursor.get(channel).map_or(Since::Now, |(epoch, offset)| Since::After(epoch, offset))
            }
        }
    }
}

impl std::str::FromStr for Beginning {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        Ok(match text {
            "start" => Self::Start,
            "now" => Self::Now,
            cursor => Self::Cursor(cursor.parse()?),
        })
    }
}

impl Ask {
    /// The longest wait of a long poll: 60 s.
    pub(crate) const MAX_WAIT: Duration = Duration::from_mins(1);
    /// Messages of a batch, unless the request says otherwise: 100.
    pub(crate) const LIMIT: usize = 100;
    /// The largest `limit`: 1000.
    pub(crate) const MAX_LIMIT: usize = 1000;

    /// Reads a request. Parameters that it does not know are ignored; of one given twice the last counts.
    pub(crate) fn parse(hub: &Hub, uri: &Uri, headers: &HeaderMap) -> Result<Self, Problem> {
        let query = uri.query().unwrap_or_default();
        let last = |name: &str| {
            let mut parameters = form_urlencoded::parse(query.as_bytes());
            let value = parameters.by_ref().filter(|(key, _)| key == name).last();
            value.map(|(_, value)| value).filter(|value| !value.is_empty())
        };
        let wait = last("wait").map(|wait| wait_of(&wait)).transpose()?;
        let transport = transport(headers, wait);
        let channels = channels(hub, transport, query)?;
        let since = match last_event_id(headers) {
            Some(id) => Some(id.parse()),
            None => last("since").map(|since| since.parse()),
        };
        Ok(Self {
            transport,
            channels,
            since: since.transpose().map_err(|error| Problem::new(Code::BadCursor, error))?,
            wait: wait.unwrap_or_default(),
            limit: last("limit").map_or(Ok(Self::LIMIT), |limit| limit_of(&limit))?,
            client: last("client").and_then(|client| hub.authority.check_client(&client)),
            token: token_of(uri, headers, hub.settings.auth.cookie.as_deref()),
        })
    }
}

pub(super) fn transport(headers: &HeaderMap, wait: Option<Duration>) -> Transport {
    let has = |name, token: &str| {
        let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
        let mut entries = lines.flat_map(|line| line.split(',')).map(media_type);
        entries.any(|entry| entry.eq_ignore_ascii_case(token))
    };
    if has(UPGRADE, "websocket") {
        Transport::WebSocket
    } else if has(ACCEPT, "text/event-stream") {
        Transport::Sse
    } else if wait.is_some() {
        Transport::LongPoll
    } else {
        Transport::Poll
    }
}

/// An entry of a list without its parameters.
fn media_type(entry: &str) -> &str {
    entry.split(';').next().unwrap_or_default().trim()
}

/// An `EventSource` connects again with its first URL, whose `since` is old by then: the header wins.
fn last_event_id(headers: &HeaderMap) -> Option<&str> {
    headers.get("last-event-id")?.to_str().ok().filter(|id| !id.is_empty())
}

fn channels(hub: &Hub, transport: Transport, query: &str) -> Result<Vec<Channel>, Problem> {
    let limits = &hub.settings.limits;
    let limit = match transport {
        Transport::WebSocket => limits.channels_websocket,
        _ => limits.channels_http,
    };
    let (mut channels, mut seen) = (Vec::new(), HashSet::new());
    for (_, name) in form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "channel") {
        let channel: Channel = name.parse().map_err(|error| Problem::new(Code::BadChannel, error))?;
        if seen.insert(channel.clone()) {
            channels.push(channel);
        }
        if channels.len() > limit {
            let message = format!("at most {limit} channels here; open another connection for the others");
            return Err(Problem::new(Code::TooManyChannels, message));
        }
    }
    Ok(channels)
}

fn wait_of(wait: &str) -> Result<Duration, Problem> {
    let seconds = wait.parse().ok().map(Duration::from_secs).filter(|&wait| wait <= Ask::MAX_WAIT);
    seconds.ok_or_else(|| {
        let message = format!("wait is a number of seconds from 0 to {}", Ask::MAX_WAIT.as_secs());
        Problem::new(Code::BadParameter, message)
    })
}

fn limit_of(limit: &str) -> Result<usize, Problem> {
    let limit = limit.parse().ok().filter(|limit| (1..=Ask::MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| {
        Problem::new(Code::BadParameter, format_args!("limit is a number from 1 to {}", Ask::MAX_LIMIT))
    })
}

#[cfg(test)]
mod tests;
