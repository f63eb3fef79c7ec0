//! What HTTP answers beside streams and pages: publishing by clients, the API of the holder of the server key, metrics,
//! health. Who may reach which address from where is the business of `serve`, as are `Host`, `Origin` and CORS.

mod answer;
mod client;
mod publishing;
mod query;
mod reading;
mod status;

pub(crate) use answer::{json, refuse, refuse_method};
pub(crate) use client::handle_client;
pub(crate) use status::{health, ready, request_size};

use crate::auth::api_keys_of;
use crate::channel::Channel;
use crate::code::{Code, Problem};
use crate::serve::body::Body;
use crate::settings::Settings;
use crate::worker::Worker;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response};
use std::error::Error;

/// What a request to the API has to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Nothing: only programs of this machine get here, and no key is configured.
    Open,
    /// The server key.
    Key,
}

impl Guard {
    pub(crate) fn of(settings: &Settings) -> Self {
        if settings.is_open() { Self::Open } else { Self::Key }
    }
}

/// An address of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Publish,
    Batch,
    Presence,
    History,
    Channels,
    Disconnect,
    Info,
    Metrics,
}

const ENDPOINTS: [(&str, Endpoint); 8] = [
    ("/api/publish", Endpoint::Publish),
    ("/api/batch", Endpoint::Batch),
    ("/api/presence", Endpoint::Presence),
    ("/api/history", Endpoint::History),
    ("/api/channels", Endpoint::Channels),
    ("/api/disconnect", Endpoint::Disconnect),
    ("/api/info", Endpoint::Info),
    ("/metrics", Endpoint::Metrics),
];

/// Answers a request to `/api/…` or `/metrics`.
pub(crate) async fn handle<B>(worker: &Worker, guard: Guard, request: Request<B>) -> Response<Body>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (parts, body) = request.into_parts();
    let endpoint = match check(worker, guard, &parts) {
        Ok(endpoint) => endpoint,
        Err(problem) => return count_refused(worker, &problem),
    };
    if let Some(refused) = refuse_other_methods(worker, &endpoint.method(), &parts) {
        return refused;
    }
    let answered = match endpoint {
        Endpoint::Publish => publishing::publish(worker, &parts, body).await,
        Endpoint::Batch => publishing::batch(worker, &parts, body).await,
        Endpoint::Presence => reading::server_presence(worker, &parts).await,
        Endpoint::History => reading::server_history(worker, &parts).await,
        Endpoint::Channels => reading::channels(worker, &parts).await,
        Endpoint::Disconnect => status::disconnect(worker, &parts).await,
        Endpoint::Info => status::info(worker, &parts),
        Endpoint::Metrics => status::metrics(worker, &parts),
    };
    answered.unwrap_or_else(|problem| count_refused(worker, &problem))
}

/// The key comes first: without it nobody learns what there is.
fn check(worker: &Worker, guard: Guard, parts: &Parts) -> Result<Endpoint, Problem> {
    if guard == Guard::Key {
        check_key(worker, &parts.headers)?;
    }
    let path = parts.uri.path();
    let endpoint = ENDPOINTS.iter().find(|(address, _)| *address == path);
    let not_found = || Problem::new(Code::NotFound, "there is nothing at this address; see docs/protocol.md");
    endpoint.map(|&(_, endpoint)| endpoint).ok_or_else(not_found)
}

fn check_key(worker: &Worker, headers: &HeaderMap) -> Result<(), Problem> {
    let authority = &worker.hub.authority;
    let mut keys = api_keys_of(headers).peekable();
    let has_key = keys.peek().is_some();
    if keys.any(|key| authority.is_api_key(key)) {
        return Ok(());
    }
    let message = match has_key {
        _ if !authority.has_api_keys() => {
            "no server key is configured, so nobody may use this address; set one"
        }
        true => "the server key is wrong; a client's token is none",
        false => "the server key is missing; give it as Authorization: Bearer KEY",
    };
    Err(Problem::new(Code::KeyRequired, message))
}

/// The answer to a request with another method than this one; a GET may be a HEAD.
fn refuse_other_methods(worker: &Worker, method: &Method, parts: &Parts) -> Option<Response<Body>> {
    let is_head = method == Method::GET && parts.method == Method::HEAD;
    if parts.method == method || is_head {
        return None;
    }
    worker.counters.errors.increment();
    Some(refuse_method(if method == Method::GET { "GET, HEAD" } else { "POST" }))
}

fn channel(name: &str) -> Result<Channel, Problem> {
    name.parse().map_err(|error| Problem::new(Code::BadChannel, error))
}

fn count_refused(worker: &Worker, problem: &Problem) -> Response<Body> {
    worker.counters.errors.increment();
    refuse(problem)
}

impl Endpoint {
    fn method(self) -> Method {
        match self {
            Self::Publish | Self::Batch | Self::Disconnect => Method::POST,
            _ => Method::GET,
        }
    }
}

#[cfg(test)]
mod tests;
