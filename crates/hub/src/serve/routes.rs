//! The table of addresses, and what every answer has to have.

use super::admission::{Admitted, Head, Place, STREAM};
use super::assets::{self, Asset};
use super::body::Body;
use super::entry::{Door, Visit};
use super::origin::Wants;
use super::site::Serves;
use super::websocket;
use crate::code::{Code, Problem, Then};
use crate::{api, stream};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use std::rc::Rc;

/// What is served at an address.
#[derive(Debug, Clone, Copy)]
enum Resource {
    Stream,
    Publish,
    /// `/presence` and `/history`.
    Reading,
    /// `/api/…` and `/metrics`.
    Api,
    Health,
    Ready,
    RequestSize,
    Asset(&'static Asset),
}

impl Resource {
    /// What is served at a path.
    fn find(path: &str) -> Option<Self> {
        Some(match path {
            STREAM => Self::Stream,
            "/publish" => Self::Publish,
            "/presence" | "/history" => Self::Reading,
            "/metrics" => Self::Api,
            _ if path.starts_with("/api/") => Self::Api,
            "/health" => Self::Health,
            "/ready" => Self::Ready,
            "/compare/request-size" => Self::RequestSize,
            _ => Self::Asset(assets::find(path)?),
        })
    }

    fn is_at(self, door: &Door, serves: Serves) -> bool {
        match self {
            Self::Health | Self::Ready => true,
            Self::Api => serves != Serves::Clients,
            Self::Stream | Self::Publish | Self::Reading => serves != Serves::Admin,
            Self::RequestSize => serves != Serves::Admin && door.worker.hub.settings.pages,
            Self::Asset(asset) => {
                serves != Serves::Admin
                    && (asset.kind() == assets::Kind::Client || door.worker.hub.settings.pages)
            }
        }
    }

    fn methods(self) -> &'static str {
        match self {
            Self::Stream => "GET, OPTIONS",
            Self::Publish => "POST, OPTIONS",
            Self::Api => "GET, HEAD, POST, OPTIONS",
            Self::Reading | Self::Health | Self::Ready | Self::RequestSize | Self::Asset(_) => {
                "GET, HEAD, OPTIONS"
            }
        }
    }

    /// Whether it is asked; of the API each address says for itself what it takes.
    fn takes(self, method: &Method) -> bool {
        matches!(self, Self::Api) || self.methods().split(", ").any(|name| name == method.as_str())
    }

    fn wants(self) -> Wants {
        match self {
            Self::Stream | Self::Publish | Self::Reading => Wants::Service,
            Self::Api => Wants::Api,
            Self::Health | Self::Ready | Self::RequestSize | Self::Asset(_) => Wants::Page,
        }
    }

    /// Whether it is answered even to whom there is no room for: who operates the server has to see that.
    fn is_for_operators(self) -> bool {
        matches!(self, Self::Health | Self::Ready | Self::Api)
    }
}

/// What a request for a path is for.
pub(super) fn wants(path: &str) -> Wants {
    Resource::find(path).map_or(Wants::Page, Resource::wants)
}

/// Answers a request that hyper has read.
pub(super) async fn answer(
    door: &Rc<Door>,
    visit: &Rc<Visit>,
    mut request: Request<Incoming>,
) -> Response<Body> {
    let is_head = request.method() == Method::HEAD;
    // What stands behind an upgrade that is refused may have been smuggled past a proxy: it is not parsed.
    let is_last = visit.refused.is_some() || has_upgrade(request.headers());
    let head = Head { version: request.version(), uri: request.uri(), headers: request.headers() };
    let mut response = match door.admit(visit, head) {
        Ok(admitted) => {
            let allowed = admitted.allowed.clone();
            if !allowed.has_credentials() {
                request.headers_mut().remove(header::COOKIE);
            }
            let mut response = route(door, visit, admitted, request).await;
            allowed.tell(response.headers_mut());
            response
        }
        Err(problem) => {
            let mut response = refuse(door, &problem);
            response.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
            response
        }
    };
    if is_head {
        strip(&mut response);
    }
    if is_last && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn route(
    door: &Rc<Door>,
    visit: &Rc<Visit>,
    admitted: Admitted,
    request: Request<Incoming>,
) -> Response<Body> {
    let found = Resource::find(request.uri().path()).filter(|resource| resource.is_at(door, visit.serves));
    let Some(resource) = found else { return refuse(door, &Code::NotFound.into()) };
    let methods = HeaderValue::from_static(resource.methods());
    if request.method() == Method::OPTIONS {
        return admitted.allowed.preflight(methods).map(|()| Body::empty());
    }
    if !resource.takes(request.method()) {
        door.worker.counters.errors.increment();
        return api::refuse_method(resource.methods());
    }
    if let (Some(code), false) = (visit.refused, resource.is_for_operators()) {
        return turn_away(door, request.headers(), &code.into());
    }
    let worker = &door.worker;
    match resource {
        Resource::Stream => stream(door, visit, admitted, request).await,
        Resource::Publish | Resource::Reading => {
            api::handle_client(worker, admitted.asker.address, request).await
        }
        Resource::Api => api::handle(worker, door.site.guard, request).await,
        Resource::Health => api::health(),
        Resource::Ready => api::ready(worker),
        Resource::RequestSize => api::request_size(&request.into_parts().0),
        Resource::Asset(asset) => asset.answer(request.headers()),
    }
}

async fn stream(
    door: &Rc<Door>,
    visit: &Rc<Visit>,
    mut admitted: Admitted,
    request: Request<Incoming>,
) -> Response<Body> {
    let headers = request.headers();
    if has_upgrade(headers) {
        return websocket::upgrade(door, visit, admitted, request);
    }
    if headers.contains_key(header::SEC_WEBSOCKET_KEY) && !headers.contains_key(header::UPGRADE) {
        return upgrade_was_stripped(door);
    }
    match std::mem::replace(&mut admitted.stream, Ok(Place::default())) {
        Err(problem) => turn_away(door, headers, &problem),
        Ok(place) => {
            let response = stream::answer(&door.worker, request.uri(), headers).await;
            response.map(|body| body.holding(place.held()))
        }
    }
}

fn has_upgrade(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::UPGRADE).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|token| token.trim().eq_ignore_ascii_case("websocket"))
}

/// A browser that wants a WebSocket sends a key; without the upgrade a proxy in between has taken it away.
fn upgrade_was_stripped(door: &Door) -> Response<Body> {
    let message = "a proxy has stripped the Upgrade header; it must pass on Upgrade and Connection";
    let mut response = refuse(door, &Problem::new(Code::BadParameter, message));
    *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
    response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    response
}

/// Tells a client of the stream why there is no room for it, and when to come back.
fn turn_away(door: &Door, headers: &HeaderMap, problem: &Problem) -> Response<Body> {
    let response = stream::turn_away(&door.worker, headers, problem);
    if response.status() == StatusCode::OK { response } else { retrying(response, problem) }
}

fn refuse(door: &Door, problem: &Problem) -> Response<Body> {
    door.worker.counters.errors.increment();
    retrying(api::refuse(problem), problem)
}

/// Says when to come back, where that makes sense.
fn retrying(mut response: Response<Body>, problem: &Problem) -> Response<Body> {
    if problem.code.then() == Then::Reconnect {
        let seconds = rand::random_range(1..=5_u16); // so that not all of them come at once
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// The answer to `HEAD`: as that to `GET`, without the body.
fn strip(response: &mut Response<Body>) {
    let body = std::mem::replace(response.body_mut(), Body::empty());
    if let Some(length) = http_body::Body::size_hint(&body).exact() {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
}
