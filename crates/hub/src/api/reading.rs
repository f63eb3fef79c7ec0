//! What is told about channels by HTTP: presence, history, which there are.

use super::query::{Known, Query};
use super::{answer, channel};
use crate::broker::{ChannelInfo, Order, Read, Since};
use crate::channel::Pattern;
use crate::code::{Code, Problem};
use crate::envelope::{self, Request};
use crate::operations::{self, Caller};
use crate::position::Position;
use crate::serve::body::Body;
use crate::worker::Worker;
use http::Response;
use http::request::Parts;
use serde::Serialize;

/// `GET /api/presence`.
pub(super) async fn server_presence(worker: &Worker, parts: &Parts) -> Result<Response<Body>, Problem> {
    let query = Query::parse(parts.uri.query(), Known { many: &[], once: &["channel"] })?;
    presence(worker, Caller::Server, &query).await
}

/// `GET /api/history`.
pub(super) async fn server_history(worker: &Worker, parts: &Parts) -> Result<Response<Body>, Problem> {
    let known = Known { many: &[], once: &["channel", "limit", "reverse", "since"] };
    let query = Query::parse(parts.uri.query(), known)?;
    history(worker, Caller::Server, &query).await
}

/// Who is in the channel of a query.
pub(super) async fn presence(
    worker: &Worker,
    caller: Caller<'_>,
    query: &Query<'_>,
) -> Result<Response<Body>, Problem> {
    let channel = channel(query.required("channel")?)?;
    let members = operations::presence(worker, caller, &channel).await?;
    Ok(answer::json(envelope::presence(None, &channel, &members)))
}

/// What the history of a query's channel holds.
pub(super) async fn history(
    worker: &Worker,
    caller: Caller<'_>,
    query: &Query<'_>,
) -> Result<Response<Body>, Problem> {
    let channel = channel(query.required("channel")?)?;
    let limit = query.number("limit", 1..=Request::MAX_HISTORY)?.unwrap_or(Request::HISTORY);
    let (order, otherwise) =
        if query.says("reverse")? { (Order::Reverse, Since::Now) } else { (Order::Forward, Since::Start) };
    let since = query.one("since").map(|since| envelope::since(since, &channel)).transpose()?;
    let read = Read { since: since.unwrap_or(otherwise), limit, order };
    let page = operations::history(worker, caller, &channel, read).await?;
    Ok(answer::json(operations::history_answer(worker, None, &channel, &page)))
}

/// `GET /api/channels`.
pub(super) async fn channels(worker: &Worker, parts: &Parts) -> Result<Response<Body>, Problem> {
    let query = Query::parse(parts.uri.query(), Known { many: &[], once: &["pattern", "limit"] })?;
    let pattern: Pattern = query.one("pattern").unwrap_or("*").parse().map_err(|error| {
        Problem::new(Code::BadChannel, format_args!("not a pattern: {error}; a pattern may end with *"))
    })?;
    let limit = query.number("limit", 1..=operations::MAX_CHANNELS)?.unwrap_or(operations::CHANNELS);
    let listed = operations::channels(worker, &pattern, limit).await?;
    let channels = listed.channels.iter().zip(&listed.subscribers);
    let channels = channels.map(|(info, &subscribers)| Listed::new(info, subscribers)).collect();
    let list = List { kind: "channels", channels, more: listed.has_more.then_some(true) };
    answer::serialized(&list)
}

#[derive(Serialize)]
struct List<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    channels: Vec<Listed<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<bool>,
}

#[derive(Serialize)]
struct Listed<'a> {
    channel: &'a str,
    position: String,
    history: usize,
    members: usize,
    subscribers: usize,
}

impl<'a> Listed<'a> {
    fn new(info: &'a ChannelInfo, subscribers: usize) -> Self {
        let (epoch, offset) = (info.top.epoch, info.top.offset);
        let position = Position { channel: info.channel.clone(), epoch, offset }.to_string();
        let (history, members) = (info.history, info.members);
        Self { channel: info.channel.as_str(), position, history, members, subscribers }
    }
}
