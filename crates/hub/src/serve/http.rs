//! Connections that speak HTTP: hyper reads and writes, the table of routes answers.

use super::body::{Body, Silence};
use super::entry::{Door, Visit};
use super::head::{MAX_HEAD, MAX_HEADERS};
use super::rewind::Rewind;
use super::routes;
use super::taking;
use crate::auth::api_keys_of;
use crate::journal;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::Instrument as _;

/// Bytes of an HTTP/2 request's headers: as many as of a head.
const HEADER_LIST: u32 = 32 << 10;

/// Bytes that may wait on an HTTP/2 stream to be written.
const BUFFER: usize = 16 << 10;

/// How long a kept-alive connection may take from one answer to the end of the next head, silence included: longer
/// than proxies keep theirs (nginx 60 s), so that it is they who close.
const NEXT_HEAD: Duration = Duration::from_secs(75);

/// Requests at once on an HTTP/2 connection: their answers may be in memory at once.
const STREAMS: u32 = 32;

/// Bytes that a client may send ahead on a stream, and on all together.
const STREAM_WINDOW: u32 = 64 << 10;
const CONNECTION_WINDOW: u32 = 256 << 10;

/// Silence after which an HTTP/2 client is asked whether it is there, and how long it may take to answer.
const PING_AFTER: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// Serves HTTP/1.1 until the connection ends.
pub(super) async fn serve1<S>(door: &Rc<Door>, io: Rewind<S>, visit: Visit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let silence = visit.silence.clone();
    let service = Answering { door: door.clone(), visit: Rc::new(visit) };
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(NEXT_HEAD);
    builder.max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS);
    let connection = builder.serve_connection(TokioIo::new(io), service).with_upgrades();
    let shut_down = http1::UpgradeableConnection::graceful_shutdown;
    note_silence(finish(door, pin!(connection), shut_down).await, &silence);
}

/// Serves HTTP/2 until the connection ends.
pub(super) async fn serve2<S>(door: &Rc<Door>, io: Rewind<S>, visit: Visit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let silence = visit.silence.clone();
    let service = Answering { door: door.clone(), visit: Rc::new(visit) };
    let mut builder = http2::Builder::new(Local);
    builder.timer(TokioTimer::new()).max_concurrent_streams(STREAMS);
    builder.keep_alive_interval(PING_AFTER).keep_alive_timeout(PONG_WITHIN);
    builder.initial_stream_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
    builder.max_send_buf_size(BUFFER).max_header_list_size(HEADER_LIST);
    let connection = builder.serve_connection(TokioIo::new(io), service);
    let shut_down = http2::Connection::graceful_shutdown;
    note_silence(finish(door, pin!(connection), shut_down).await, &silence);
}

/// Answers one request after the other. An answer's future is on the heap while it is in the making: an event stream
/// that goes on for hours has no room for it.
#[derive(Debug)]
struct Answering {
    door: Rc<Door>,
    visit: Rc<Visit>,
}

impl Service<Request<Incoming>> for Answering {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>>>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (door, visit) = (self.door.clone(), self.visit.clone());
        let span = door.span(&visit, request.uri(), request.headers());
        let shows_key = is_of_api(request.uri().path()) && api_keys_of(request.headers()).next().is_some();
        let shown_by = shows_key.then(|| door.site.proxies.asker(visit.peer, request.headers()).address);
        let answering = async move {
            let response = routes::answer(&door, &visit, request).await;
            journal::answered(&response);
            if let (Some(address), StatusCode::UNAUTHORIZED) = (shown_by, response.status()) {
                journal::wrong_key(&door.wrong_keys, address);
            }
            Ok(response.map(|body| taking::in_pieces(body).watching(&visit.silence)))
        };
        Box::pin(answering.instrument(span))
    }
}

/// Whether it takes the server key.
fn is_of_api(path: &str) -> bool {
    path == "/metrics" || path.starts_with("/api/")
}

/// Runs the connection to its end; when the server drains, it ends behind what it is answering.
async fn finish<C: Future>(
    door: &Door,
    mut connection: Pin<&mut C>,
    shut_down: impl FnOnce(Pin<&mut C>),
) -> C::Output {
    tokio::select! {
        biased;
        ended = connection.as_mut() => return ended,
        () = door.draining() => {}
    }
    shut_down(connection.as_mut());
    connection.await
}

/// The client has not answered a ping in time; streams that are still there hear of it. What the kernel has given up, the
/// transport has noted.
fn note_silence(ended: hyper::Result<()>, silence: &Silence) {
    if ended.is_err_and(|error| error.is_timeout()) {
        silence.set();
    }
}

/// Runs the streams of a connection on its own thread.
#[derive(Debug, Clone, Copy)]
struct Local;

impl<F: Future + 'static> Executor<F> for Local
where
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(taking::attend(future));
    }
}

#[cfg(test)]
mod tests;
