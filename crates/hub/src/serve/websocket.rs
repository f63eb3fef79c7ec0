//! How a WebSocket is opened: on a fresh connection by the library alone, on one that hyper serves by taking it over.

use super::admission::{Admitted, Head, STREAM, refusal};
use super::entry::{Door, Visit};
use super::head::MAX_HEAD;
use super::site::Serves;
use crate::code::{Code, Problem};
use crate::journal;
use crate::serve::body::Body;
use crate::settings::Settings;
use crate::stream::{Ask, websocket};
use bytes::BytesMut;
use http::{HeaderMap, Request, Response, Uri, header};
use hyper::body::Incoming;
use sockeye::server::{Handshake, HeadLimits, OriginPolicy, Server, Subprotocols};
use sockeye::{Deflate, WebSocket};
use std::borrow::Cow;
use std::rc::Rc;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::Instrument as _;

/// How upgrades are accepted. Their origins were looked at before.
pub(super) fn server(settings: &Settings) -> Server {
    // Both are tokens: there is no error.
    let subprotocols = Subprotocols::client_order([websocket::JSON, websocket::BINARY]).unwrap_or_default();
    let server = Server::new().origin(OriginPolicy::any()).subprotocols(subprotocols);
    let mut head = HeadLimits::default();
    head.max_bytes = MAX_HEAD;
    let server = server.limits(websocket::limits(&settings.limits)).head_limits(head);
    let mut namespaces = settings.namespaces.values().chain([&settings.default_namespace]);
    let compresses = namespaces.any(|namespace| namespace.compression);
    if compresses { server.deflate(Deflate::default()) } else { server }
}

/// Opens a WebSocket on a connection that begins with its request.
pub(super) async fn direct<S>(door: &Rc<Door>, io: S, read: BytesMut, visit: Visit)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let handshake = match door.site.websockets.handshake_behind(io, read).await {
        Ok(handshake) => handshake,
        Err(error) => return journal::failed(visit.peer, error),
    };
    let span = door.span(&visit, handshake.request().uri(), handshake.request().headers());
    accept(door, handshake, visit).instrument(span).await;
}

async fn accept<S>(door: &Rc<Door>, handshake: Handshake<S>, visit: Visit)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    match check(door, &visit, handshake.request()) {
        Err(problem) => {
            door.worker.counters.errors.increment();
            let _ = handshake.reject(refusal(&problem)).await; // it may be gone by now
        }
        Ok(admitted) => {
            let ask = ask(door, &admitted, handshake.request().uri(), handshake.request().headers());
            match handshake.accept().await {
                // It lasts long: no more is kept for it than the places that it has.
                Ok(ws) => open(door, ws, ask, (visit.into_pass(), admitted.place())),
                Err(error) => journal::failed(visit.peer, error),
            }
        }
    }
}

fn check(door: &Door, visit: &Visit, request: &sockeye::server::Request) -> Result<Admitted, Problem> {
    let head = Head { version: request.version(), uri: request.uri(), headers: request.headers() };
    let admitted = door.admit(visit, head)?;
    if request.path() == STREAM && visit.serves != Serves::Admin {
        return Ok(admitted);
    }
    let problem = Code::NotFound.into();
    journal::refused(&problem);
    Err(problem)
}

/// Opens a WebSocket on a connection that hyper serves: the answer, behind which the connection is taken over.
pub(super) fn upgrade(
    door: &Rc<Door>,
    visit: &Rc<Visit>,
    admitted: Admitted,
    mut request: Request<Incoming>,
) -> Response<Body> {
    let ask = ask(door, &admitted, request.uri(), request.headers());
    match door.site.websockets.upgrade(&mut request) {
        Err(rejection) => {
            door.worker.counters.errors.increment();
            rejection.into_response().map(Body::full)
        }
        Ok((response, upgrade)) => {
            let (door, visit) = (door.clone(), visit.clone());
            let opening = async move {
                match upgrade.await {
                    Ok(ws) => open(&door, ws, ask, (visit, admitted.place())),
                    Err(error) => journal::failed(visit.peer, error),
                }
            };
            tokio::task::spawn_local(opening.in_current_span());
            response.map(|()| Body::empty())
        }
    }
}

/// What the client wants, or why it does not get it: a page would see no status, so it is told by the close code.
fn ask(door: &Door, admitted: &Admitted, uri: &Uri, headers: &HeaderMap) -> Result<Ask, Problem> {
    admitted.stream.as_ref().map_err(Clone::clone)?;
    let mut headers = Cow::Borrowed(headers);
    if !admitted.allowed.has_credentials() {
        headers.to_mut().remove(header::COOKIE);
    }
    Ask::parse(&door.worker.hub, uri, &headers)
}

/// Makes a task of the connection, which holds on to its pass.
fn open<S>(door: &Door, ws: WebSocket<S>, ask: Result<Ask, Problem>, held: impl Sized + 'static)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let worker = door.worker.clone();
    match ask {
        Ok(ask) => {
            tokio::task::spawn_local(hold(websocket::run(worker, ws, ask), held));
        }
        Err(problem) => {
            tokio::task::spawn_local(hold(websocket::turn_away(&worker, ws, problem), held));
        }
    }
}

/// The task of a connection.
#[expect(clippy::manual_async_fn, reason = "an async function would have room for its arguments twice")]
fn hold(serving: impl Future<Output = ()>, held: impl Sized) -> impl Future<Output = ()> {
    async move {
        serving.await;
        drop(held);
    }
}

#[cfg(test)]
mod tests;
