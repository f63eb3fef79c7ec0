//! Publishing by the holder of the server key, `POST /api/publish` and `POST /api/batch`, and what publications by HTTP
//! have in common.

use super::query::{Known, Query, bad};
use super::{answer, channel};
use crate::channel::Channel;
use crate::code::{Code, Problem};
use crate::envelope::{self, Fields, Publish, check_fields, check_key};
use crate::operations::{self, Caller, Submitted};
use crate::publication::Data;
use crate::serve::body::{self, Body};
use crate::worker::Worker;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Response};
use serde::Deserialize;
use serde::de::{self, Deserializer as _, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;
use std::error::Error;
use std::fmt;

/// Answers `POST /api/publish`: one payload to channels and users.
pub(super) async fn publish<B>(worker: &Worker, parts: &Parts, body: B) -> Result<Response<Body>, Problem>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let known = Known { many: &["channel", "user"], once: &["key", "fields"] };
    let query = Query::parse(parts.uri.query(), known)?;
    let target = |(name, value)| match name {
        "channel" => Some(Target::channel(value)),
        "user" => Some(Target::user(value)),
        _ => None,
    };
    let targets: Vec<_> = query.pairs().filter_map(target).collect();
    let limit = worker.hub.settings.limits.batch;
    if targets.is_empty() {
        return Err(bad(format_args!("nobody is named to publish to; add ?channel=NAME or ?user=NAME")));
    }
    if targets.len() > limit {
        return Err(too_many(limit));
    }
    let publish = payload(worker, &query, parts, body).await?;
    let attempt = |target| Attempt::new(worker, target, Ok(publish.clone()));
    let mut attempts: Vec<_> = targets.into_iter().map(attempt).collect();
    if attempts.len() == 1
        && let Some(only) = attempts.pop()
    {
        let published = only.submitted?.settle(&worker.counters).await?;
        return Ok(answer::json(envelope::published(None, &published.position)));
    }
    Ok(results(worker, attempts).await)
}

/// Answers `POST /api/batch`: each command by itself.
pub(super) async fn batch<B>(worker: &Worker, parts: &Parts, body: B) -> Result<Response<Body>, Problem>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    Query::parse(parts.uri.query(), Known { many: &[], once: &[] })?;
    check_encoding(&parts.headers)?;
    let limits = &worker.hub.settings.limits;
    let body = body::read(body, limits.batch_bytes).await?;
    let attempt = |command: &&RawValue| match Fields::parse(command.get()) {
        Ok(fields) => Attempt::new(worker, Target::of(&fields), Publish::from_fields(&fields)),
        Err(problem) => Attempt { name: None, submitted: Err(problem) },
    };
    let attempts = commands(&body, limits.batch)?.iter().map(attempt).collect();
    Ok(results(worker, attempts).await)
}

/// Where a publication goes.
struct Target {
    /// The channel's name, for the error: as it was given, even if no channel can have it.
    name: Option<String>,
    channel: Result<Channel, Problem>,
}

impl Target {
    fn channel(name: &str) -> Self {
        Self { name: Some(name.to_owned()), channel: channel(name) }
    }

    fn user(user: &str) -> Self {
        let channel = operations::channel_of_user(user);
        Self { name: channel.as_ref().ok().map(ToString::to_string), channel }
    }

    /// That of a command of a batch.
    fn of(fields: &Fields<'_>) -> Self {
        let given = || Ok((Fields::text("channel", fields.channel)?, Fields::text("user", fields.user)?));
        let refused = |problem| Self { name: None, channel: Err(problem) };
        match given() {
            Ok((Some(name), None)) => Self::channel(&name),
            Ok((None, Some(user))) => Self::user(&user),
            Ok(_) => refused(bad(format_args!("a command has either a channel or a user"))),
            Err(problem) => refused(problem),
        }
    }
}

/// One of several publications. They are all submitted before the first answer is awaited.
struct Attempt {
    /// Where to, for the error.
    name: Option<String>,
    submitted: Result<Submitted, Problem>,
}

impl Attempt {
    fn new(worker: &Worker, target: Target, publish: Result<Publish, Problem>) -> Self {
        let submit = |channel| operations::submit(&worker.hub, Caller::Server, channel, publish?);
        Self { name: target.name, submitted: target.channel.and_then(submit) }
    }
}

async fn results(worker: &Worker, attempts: Vec<Attempt>) -> Response<Body> {
    let mut results = Vec::with_capacity(attempts.len());
    for Attempt { name, submitted } in attempts {
        let settled = match submitted {
            Ok(submitted) => submitted.settle(&worker.counters).await,
            Err(problem) => Err(problem),
        };
        results.push(match settled {
            Ok(published) => envelope::published(None, &published.position),
            Err(problem) => {
                worker.counters.errors.increment();
                envelope::error(&problem, None, name.as_deref())
            }
        });
    }
    answer::json(envelope::results(&results))
}

/// The body and what the query and the headers say about it.
pub(super) async fn payload<B>(
    worker: &Worker,
    query: &Query<'_>,
    parts: &Parts,
    body: B,
) -> Result<Publish, Problem>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    check_encoding(&parts.headers)?;
    let content_type = header(&parts.headers, CONTENT_TYPE.as_str())?;
    let key = match (query.one("key"), header(&parts.headers, "idempotency-key")?) {
        (Some(_), Some(_)) => {
            return Err(bad(format_args!("the key is given twice; give Idempotency-Key or ?key=, not both")));
        }
        (one, other) => one.or(other).map(check_key).transpose()?,
    };
    let fields = query.one("fields").map(check_fields).transpose()?;
    let body = body::read(body, worker.hub.settings.limits.publication).await?;
    // A copy: history keeps the payload alone, not the buffer that it was read into.
    let (data, content_type) = Data::of(content_type, Bytes::copy_from_slice(&body))?;
    Ok(Publish { data, content_type, key, fields })
}

fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => {
            Err(Problem::new(Code::BadPayload, "the body has a Content-Encoding; send it without"))
        }
        _ => Ok(()),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let not_text = |_| bad(format_args!("the header {name} has characters that are not ASCII"));
    headers.get(name).map(|value| value.to_str().map_err(not_text)).transpose()
}

fn too_many(limit: usize) -> Problem {
    Problem::new(Code::TooLarge, format_args!("at most {limit} publications at once; send several requests"))
}

/// The commands of a batch, unread.
fn commands(body: &[u8], limit: usize) -> Result<Vec<&RawValue>, Problem> {
    #[derive(Deserialize)]
    struct Batch<'a> {
        #[serde(borrow)]
        commands: &'a RawValue,
    }

    let malformed = |error: serde_json::Error| {
        let form = r#"not a batch, which is {"commands":[{"channel":…,"data":…},…]}"#;
        match error.classify() {
            Category::Data => Problem::new(Code::BadEnvelope, form),
            _ => Problem::new(Code::BadEnvelope, format_args!("{form}: {error}")),
        }
    };
    // A sequence would do for serde, but not for the protocol.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(malformed(de::Error::custom("no object")));
    }
    let batch: Batch<'_> = serde_json::from_slice(body).map_err(malformed)?;
    let mut json = serde_json::Deserializer::from_str(batch.commands.get());
    json.deserialize_seq(AtMost(limit)).map_err(malformed)?.ok_or_else(|| too_many(limit))
}

/// Reads a list of no more than this many values; `None` if there are more. Their number is not trusted with memory.
struct AtMost(usize);

impl<'de> Visitor<'de> for AtMost {
    type Value = Option<Vec<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {} commands", self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            if values.len() == self.0 {
                while list.next_element::<de::IgnoredAny>()?.is_some() {}
                return Ok(None);
            }
            values.push(value);
        }
        Ok(Some(values))
    }
}
