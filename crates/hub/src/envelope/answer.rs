//! What the server says beside publications. `id` is the request's, and absent from answers over HTTP.

use super::Object;
use crate::broker::{Gap, GapReason, Member};
use crate::channel::Channel;
use crate::code::Problem;
use crate::metrics::Transport;
use crate::position::{Cursor, Position};
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a client is told first.
pub(crate) struct Open<'a> {
    /// Its id with the signature.
    pub(crate) client: &'a dyn fmt::Display,
    /// Where the stream starts.
    pub(crate) cursor: &'a Cursor,
    /// What it has.
    pub(crate) channels: &'a [Channel],
    /// How it is connected.
    pub(crate) transport: Transport,
    /// The longest silence of the server.
    pub(crate) heartbeat: Duration,
}

/// The first message of a WebSocket and of an event stream.
pub(crate) fn open(open: &Open<'_>) -> Bytes {
    Object::new("open")
        .text("client", &open.client.to_string())
        .plain("cursor", open.cursor)
        .list("channels", open.channels.iter().map(|channel| format!("\"{channel}\"")))
        .plain("transport", open.transport.name())
        .number("heartbeat", open.heartbeat.as_secs())
        .end()
}

/// The channel is subscribed, from this position on.
pub(crate) fn subscribed(id: Option<u64>, position: &Position) -> Bytes {
    answer("subscribed", id, &position.channel).plain("position", position).end()
}

/// The channel is no longer subscribed.
pub(crate) fn unsubscribed(id: Option<u64>, channel: &Channel) -> Bytes {
    answer("unsubscribed", id, channel).end()
}

/// The publication has this place.
pub(crate) fn published(id: Option<u64>, position: &Position) -> Bytes {
    answer("published", id, &position.channel).plain("position", position).end()
}

/// Who is in a channel.
pub(crate) fn presence(id: Option<u64>, channel: &Channel, members: &[Arc<Member>]) -> Bytes {
    let members = members.iter().map(|member| person(Object::with_capacity(64), member).end());
    answer("presence", id, channel).list("members", members).end()
}

/// What a channel's history holds: `messages` are envelopes, a gap among them; the log ended at the position.
pub(crate) fn history(id: Option<u64>, top: &Position, messages: &[Bytes]) -> Bytes {
    answer("history", id, &top.channel).plain("position", top).list("messages", messages).end()
}

/// Who the client is now, and until when (in seconds since 1970).
pub(crate) fn token(id: Option<u64>, user: Option<&str>, expires: Option<u64>) -> Bytes {
    let token = Object::new("token").maybe_number("id", id);
    token.maybe_text("user", user).maybe_number("expires", expires).end()
}

/// The answer to a `ping`.
pub(crate) fn pong(id: Option<u64>) -> Bytes {
    Object::new("pong").maybe_number("id", id).end()
}

/// What is missing in a channel.
pub(crate) fn gap(channel: &Channel, gap: &Gap) -> Bytes {
    let (reason, from) = match gap.reason {
        GapReason::Expired => ("expired", Some(gap.from)),
        GapReason::Epoch => ("epoch", None),
        GapReason::Slow => ("slow", Some(gap.from)),
    };
    Object::new("gap")
        .plain("channel", channel)
        .plain("position", format_args!("{channel}~{}.{}", gap.epoch, gap.to))
        .maybe_number("from", from)
        .number("to", gap.to)
        .plain("reason", reason)
        .end()
}

/// Someone has come to a channel.
pub(crate) fn join(channel: &Channel, member: &Member) -> Bytes {
    person(Object::new("join").plain("channel", channel), member).end()
}

/// Someone has gone.
pub(crate) fn leave(channel: &Channel, member: &Member) -> Bytes {
    let leave = Object::new("leave").plain("channel", channel);
    leave.text("client", &member.client).maybe_text("user", member.user.as_deref()).end()
}

/// The server is there.
pub(crate) const fn heartbeat() -> Bytes {
    Bytes::from_static(br#"{"type":"heartbeat"}"#)
}

/// What went wrong: with a request, or with a channel asked for on connect.
pub(crate) fn error(problem: &Problem, id: Option<u64>, channel: Option<&str>) -> Bytes {
    tell(Object::new("error").maybe_number("id", id), problem).maybe_text("channel", channel).end()
}

/// The last message of an event stream or a batch, with the time to wait before connecting again.
pub(crate) fn close(problem: &Problem, retry: Option<Duration>) -> Bytes {
    let retry = retry.map(|retry| u64::try_from(retry.as_millis()).unwrap_or(u64::MAX));
    tell(Object::new("close"), problem).maybe_number("retry", retry).end()
}

/// The answer to a poll: envelopes, and where they end.
pub(crate) fn batch(client: &dyn fmt::Display, messages: &[Bytes], cursor: &Cursor) -> Bytes {
    let len: usize = messages.iter().map(|message| message.len() + 1).sum();
    Object::with_capacity(len + 256)
        .plain("type", "batch")
        .text("client", &client.to_string())
        .list("messages", messages)
        .plain("cursor", cursor)
        .end()
}

/// The answers to several requests in one.
pub(crate) fn results(results: &[Bytes]) -> Bytes {
    Object::new("results").list("results", results).end()
}

fn answer(kind: &str, id: Option<u64>, channel: &Channel) -> Object {
    Object::new(kind).maybe_number("id", id).plain("channel", channel)
}

fn person(object: Object, member: &Member) -> Object {
    object
        .text("client", &member.client)
        .maybe_text("user", member.user.as_deref())
        .maybe_raw("info", member.info.as_deref())
}

fn tell(object: Object, problem: &Problem) -> Object {
    let code = problem.code;
    object.number("code", code.number().into()).plain("name", code.name()).text("message", &problem.message)
}
