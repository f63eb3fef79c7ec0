//! What clients ask for on a WebSocket.

use super::payload::Publish;
use crate::broker::{Order, Since};
use crate::channel::Channel;
use crate::code::{Code, Problem};
use crate::position::{Cursor, MAX_OFFSET};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A client's message.
#[derive(Debug)]
pub(crate) struct Request {
    /// What the answer repeats; without it success is not answered.
    pub(crate) id: Option<u64>,
    /// What is asked for.
    pub(crate) ask: Asked,
}

/// What a client asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    Subscribe { channel: Channel, since: Since },
    Unsubscribe { channel: Channel },
    Publish { channel: Channel, publish: Box<Publish> },
    Presence { channel: Channel },
    History { channel: Channel, limit: usize, order: Order, since: Since },
    Token { token: String },
    Ping,
}

/// A message that is no request.
#[derive(Debug)]
pub(crate) struct BadRequest {
    /// The request's, if that much could be read.
    pub(crate) id: Option<u64>,
    /// What is wrong.
    pub(crate) problem: Problem,
}

/// Every field that some request has, as it came. A field that is `null` counts as absent, but for `data`.
#[derive(Debug, Deserialize)]
pub(crate) struct Fields<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<&'a RawValue>,
    pub(crate) id: Option<&'a RawValue>,
    pub(crate) channel: Option<&'a RawValue>,
    pub(crate) user: Option<&'a RawValue>,
    pub(crate) since: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "even_null")]
    pub(crate) data: Option<&'a RawValue>,
    pub(crate) b64: Option<&'a RawValue>,
    pub(crate) content_type: Option<&'a RawValue>,
    pub(crate) key: Option<&'a RawValue>,
    #[serde(borrow, rename = "fields")]
    pub(crate) own: Option<&'a RawValue>,
    pub(crate) limit: Option<&'a RawValue>,
    pub(crate) reverse: Option<&'a RawValue>,
    pub(crate) token: Option<&'a RawValue>,
}

fn even_null<'de: 'a, 'a, D: Deserializer<'de>>(json: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(json).map(Some)
}

impl Request {
    /// Publications of one `history`, unless it says otherwise.
    pub(crate) const HISTORY: usize = 100;
    /// Publications of one `history`, at most.
    pub(crate) const MAX_HISTORY: usize = 1000;

    /// A text message.
    pub(crate) fn parse(text: &str) -> Result<Self, BadRequest> {
        let fields = Fields::parse(text).map_err(BadRequest::anonymous)?;
        let publish = |fields: &Fields<'_>| Publish::from_fields(fields).map(Box::new);
        Self::from_fields(&fields, publish)
    }

    /// A binary message: `publish` with a raw payload.
    pub(crate) fn parse_binary(frame: &[u8]) -> Result<Self, BadRequest> {
        let cut = || Problem::new(Code::BadEnvelope, "a binary frame is shorter than its header");
        let (len, rest) = frame.split_first_chunk().ok_or_else(cut).map_err(BadRequest::anonymous)?;
        let len = usize::from(u16::from_be_bytes(*len));
        let (header, payload) = rest.split_at_checked(len).ok_or_else(cut).map_err(BadRequest::anonymous)?;
        let header = str::from_utf8(header).map_err(|_| {
            BadRequest::anonymous(Problem::new(
                Code::BadEnvelope,
                "the header of a binary frame is not UTF-8",
            ))
        })?;
        let fields = Fields::parse(header).map_err(BadRequest::anonymous)?;
        let request =
            Self::from_fields(&fields, |fields| Publish::from_frame(fields, payload).map(Box::new))?;
        match request.ask {
            Asked::Publish { .. } => Ok(request),
            _ => Err(BadRequest {
                id: request.id,
                problem: Problem::new(Code::BadEnvelope, "only publish may be a binary message"),
            }),
        }
    }

    fn from_fields(
        fields: &Fields<'_>,
        publish: impl FnOnce(&Fields<'_>) -> Result<Box<Publish>, Problem>,
    ) -> Result<Self, BadRequest> {
        let id = fields.id().map_err(BadRequest::anonymous)?;
        let ask = fields.asked(publish).map_err(|problem| BadRequest { id, problem })?;
        Ok(Self { id, ask })
    }
}

impl BadRequest {
    fn anonymous(problem: Problem) -> Self {
        Self { id: None, problem }
    }
}

impl<'a> Fields<'a> {
    /// The fields of a JSON object.
    pub(crate) fn parse(json: &'a str) -> Result<Self, Problem> {
        // A sequence would do for serde, but not for the protocol.
        if !json.trim_start().starts_with('{') {
            return Err(Problem::new(Code::BadEnvelope, "an envelope is a JSON object"));
        }
        serde_json::from_str(json)
            .map_err(|error| Problem::new(Code::BadEnvelope, format_args!("not an envelope: {error}")))
    }

    /// A field that is a string: its name, and what came.
    pub(crate) fn text(name: &str, json: Option<&RawValue>) -> Result<Option<String>, Problem> {
        json.map(|json| read(name, json, "a string")).transpose()
    }

    /// The channel.
    pub(crate) fn channel(&self) -> Result<Channel, Problem> {
        let name = Self::text("channel", self.channel)?.ok_or_else(|| missing("channel"))?;
        name.parse().map_err(|error| Problem::new(Code::BadChannel, error))
    }

    fn id(&self) -> Result<Option<u64>, Problem> {
        let form = || Problem::new(Code::BadEnvelope, "id has to be a whole number from 0 to 2^53 - 1");
        let id = self.id.map(|json| serde_json::from_str(json.get()).map_err(|_| form())).transpose()?;
        id.map_or(Ok(None), |id| if id < MAX_OFFSET { Ok(Some(id)) } else { Err(form()) })
    }

    fn asked(&self, publish: impl FnOnce(&Self) -> Result<Box<Publish>, Problem>) -> Result<Asked, Problem> {
        let kind = Self::text("type", self.kind)?.ok_or_else(|| missing("type"))?;
        Ok(match &*kind {
            "subscribe" => {
                let channel = self.channel()?;
                Asked::Subscribe { since: self.since(&channel)?.unwrap_or(Since::Now), channel }
            }
            "unsubscribe" => Asked::Unsubscribe { channel: self.channel()? },
            "publish" => Asked::Publish { channel: self.channel()?, publish: publish(self)? },
            "presence" => Asked::Presence { channel: self.channel()? },
            "history" => self.history()?,
            "token" => {
                Asked::Token { token: Self::text("token", self.token)?.ok_or_else(|| missing("token"))? }
            }
            "ping" => Asked::Ping,
            _ => return Err(Problem::new(Code::BadEnvelope, "no request has this type")),
        })
    }

    fn history(&self) -> Result<Asked, Problem> {
        let channel = self.channel()?;
        let limit = self.limit.map(|json| read("limit", json, "a whole number")).transpose()?;
        let limit = limit.unwrap_or(Request::HISTORY);
        if !(1..=Request::MAX_HISTORY).contains(&limit) {
            let message = format!("limit has to be from 1 to {}", Request::MAX_HISTORY);
            return Err(Problem::new(Code::BadParameter, message));
        }
        let reverse = self.reverse.map(|json| read("reverse", json, "true or false")).transpose()?;
        let (order, otherwise) = match reverse {
            Some(true) => (Order::Reverse, Since::Now),
            _ => (Order::Forward, Since::Start),
        };
        let since = self.since(&channel)?.unwrap_or(otherwise);
        Ok(Asked::History { channel, limit, order, since })
    }

    fn since(&self, channel: &Channel) -> Result<Option<Since>, Problem> {
        Self::text("since", self.since)?.map(|text| since(&text, channel)).transpose()
    }
}

/// Where `start`, `now` or a cursor begins in this channel; one of which a cursor does not speak starts now.
pub(crate) fn since(text: &str, channel: &Channel) -> Result<Since, Problem> {
    match text {
        "start" => Ok(Since::Start),
        "now" => Ok(Since::Now),
        cursor => {
            let cursor: Cursor = cursor.parse().map_err(|error| Problem::new(Code::BadCursor, error))?;
            Ok(cursor.get(channel).map_or(Since::Now, |(epoch, offset)| Since::After(epoch, offset)))
        }
    }
}

fn read<'a, T: Deserialize<'a>>(name: &str, json: &'a RawValue, form: &str) -> Result<T, Problem> {
    let bad = |_| Problem::new(Code::BadParameter, format_args!("{name} has to be {form}"));
    serde_json::from_str(json.get()).map_err(bad)
}

fn missing(name: &str) -> Problem {
    let code = if name == "type" { Code::BadEnvelope } else { Code::BadParameter };
    Problem::new(code, format_args!("{name} is missing"))
}

#[cfg(test)]
mod tests;
