//! What the API does to clients and tells about the server, and what balancers and monitoring ask.

use super::answer;
use super::query::{Known, Query, bad};
use crate::code::{Code, Problem};
use crate::metrics::{CONTENT_TYPE, Phase, Scrape, Transport};
use crate::serve::body::Body;
use crate::worker::{Target, Worker};
use bytes::Bytes;
use http::Response;
use http::request::Parts;
use serde::Serialize;
use std::collections::BTreeMap;

/// `GET /health`: whether the process can answer at all.
pub(crate) fn health() -> Response<Body> {
    answer::json(Bytes::from_static(br#"{"type":"health","status":"ok"}"#))
}

/// `GET /ready`: whether new clients are welcome.
pub(crate) fn ready(worker: &Worker) -> Response<Body> {
    if worker.hub.is_draining() {
        return answer::refuse(&Code::Draining.into());
    }
    answer::json(Bytes::from_static(br#"{"type":"ready","status":"ok"}"#))
}

/// `GET /compare/request-size`: how many bytes the head of this request has as HTTP/1.1, which a page cannot see. For the page
/// that compares what transports cost.
pub(crate) fn request_size(request: &Parts) -> Response<Body> {
    let target = request.uri.path_and_query().map_or(0, |target| target.as_str().len());
    let line = request.method.as_str().len() + target + " HTTP/1.1\r\n".len() + 1;
    let fields =
        request.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    let bytes = line + fields.sum::<usize>() + "\r\n".len();
    answer::json(format!(r#"{{"type":"request_size","bytes":{bytes}}}"#).into())
}

/// `GET /metrics`.
pub(super) fn metrics(worker: &Worker, parts: &Parts) -> Result<Response<Body>, Problem> {
    Query::parse(parts.uri.query(), Known { many: &[], once: &[] })?;
    let hub = &worker.hub;
    let phase = if hub.is_draining() { Phase::Draining } else { Phase::Serving };
    let scrape = Scrape::new(&hub.metrics, hub.broker.usage(), hub.started.elapsed(), phase);
    let text = scrape.into_text().map_err(|error| Problem::new(Code::Unavailable, error))?;
    Ok(answer::of_type(CONTENT_TYPE, text.into()))
}

/// `POST /api/disconnect`.
pub(super) async fn disconnect(worker: &Worker, parts: &Parts) -> Result<Response<Body>, Problem> {
    #[derive(Serialize)]
    struct Disconnected {
        #[serde(rename = "type")]
        kind: &'static str,
        connections: usize,
    }

    let known = Known { many: &[], once: &["client", "user", "reconnect"] };
    let query = Query::parse(parts.uri.query(), known)?;
    let target = match (query.one("client"), query.one("user")) {
        (Some(client), None) if !client.is_empty() => Target::Client(public_part(client).into()),
        (None, Some(user)) if !user.is_empty() => Target::User(user.into()),
        _ => {
            return Err(bad(format_args!(
                "nobody is named to disconnect; add either ?client=ID or ?user=NAME"
            )));
        }
    };
    let code = if query.says("reconnect")? { Code::Moved } else { Code::Disconnected };
    let connections = worker.hub.disconnect(target, code.into()).await;
    answer::serialized(&Disconnected { kind: "disconnected", connections })
}

/// A client may be named by what others see of its id, or by all of it.
fn public_part(client: &str) -> &str {
    client.split_once('.').map_or(client, |(public, _)| public)
}

/// `GET /api/info`.
pub(super) fn info(worker: &Worker, parts: &Parts) -> Result<Response<Body>, Problem> {
    #[derive(Serialize)]
    struct Info {
        #[serde(rename = "type")]
        kind: &'static str,
        version: &'static str,
        uptime: u64,
        draining: bool,
        workers: usize,
        connections: BTreeMap<&'static str, u64>,
        subscriptions: u64,
        channels: usize,
        publications: usize,
        bytes: usize,
    }

    Query::parse(parts.uri.query(), Known { many: &[], once: &[] })?;
    let hub = &worker.hub;
    let usage = hub.broker.usage();
    let open = |transport: Transport| hub.metrics.sum(|counters| counters.transport(transport).open.value());
    answer::serialized(&Info {
        kind: "info",
        version: env!("CARGO_PKG_VERSION"),
        uptime: hub.started.elapsed().as_secs(),
        draining: hub.is_draining(),
        workers: hub.settings.threads,
        connections: Transport::ALL
            .into_iter()
            .map(|transport| (transport.name(), open(transport)))
            .collect(),
        subscriptions: hub.metrics.sum(|counters| counters.subscriptions.value()),
        channels: usage.channels,
        publications: usage.publications,
        bytes: usage.bytes,
    })
}
