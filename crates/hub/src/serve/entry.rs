//! A connection's way in: tuned, under TLS where there is TLS, and sent on by its first bytes.
//!
//! All of this is a task that ends when a WebSocket is open: that goes on in a task of its own, which has no room for
//! what was needed here.

use super::admission::refusal_as;
use super::body::Silence;
use super::gate::{Pass, Seat};
use super::head::{self, First};
use super::listen::Socket;
use super::rewind::Rewind;
use super::site::{Serves, Site};
use super::{http, websocket};
use crate::code::{Code, Problem};
use crate::journal::{self, Throttle};
use crate::worker::Worker;
use bytes::BytesMut;
use hyper::StatusCode;
use socket2::SockRef;
use sockeye::Stream;
use std::cell::Cell;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;

/// How long the head of the first request may take.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// How long that of a connection may take that comes when the server drains.
const LAST_REQUEST: Duration = Duration::from_millis(500);

/// How long bytes may stay unacknowledged before the kernel gives the connection up: so a client that has vanished
/// from its event stream is found.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);

/// How long a client may take for a piece of an answer that has come to it, or to its stream: what is not read is not
/// kept for ever.
pub(super) const TAKEN_WITHIN: Duration = ACKNOWLEDGED_WITHIN;

/// What is said to who speaks HTTP/2 without TLS, where nothing has been agreed on: settings, and a `GOAWAY` with
/// `HTTP_1_1_REQUIRED`.
const HTTP2_NEEDS_TLS: &[u8] = b"\0\0\0\x04\0\0\0\0\0\
    \0\0\x24\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0dHTTP/2 needs TLS; use HTTP/1";

/// What a worker's connections have in common.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) site: Arc<Site>,
    pub(super) worker: Rc<Worker>,
    /// Whether the server still serves.
    pub(super) phase: watch::Receiver<Phase>,
    /// How often the log hears of wrong keys.
    pub(super) wrong_keys: Throttle,
}

/// What the server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It serves.
    Serving,
    /// It sends everyone away.
    Draining,
}

/// A connection on its way from the acceptor to a worker.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) socket: Socket,
    pub(super) peer: IpAddr,
    pub(super) serves: Serves,
    pub(super) pass: Pass,
    /// Why it is not served.
    pub(super) refused: Option<Code>,
}

/// What is known of a connection.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) peer: IpAddr,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    pub(super) serves: Serves,
    pub(super) refused: Option<Code>,
    /// Its place, as long as this is there.
    pass: Pass,
    /// Streams that were begun on it; the first came with the connection.
    pub(super) streams: Cell<u32>,
    /// For the one stream that its place is for.
    pub(super) seat: Seat,
    /// Whether it was given up; only where hyper serves it.
    pub(super) silence: Silence,
}

impl Visit {
    /// Its place alone, for a connection that is nothing but one stream.
    pub(super) fn into_pass(self) -> Pass {
        self.pass
    }
}

impl Door {
    /// With a worker for this thread.
    pub(super) fn new(site: Arc<Site>, phase: watch::Receiver<Phase>) -> Self {
        Self { worker: Worker::new(site.hub.clone()), site, phase, wrong_keys: Throttle::default() }
    }

    /// Ready when a connection that has asked for nothing yet need not be awaited any longer.
    async fn too_late(&self) {
        self.draining().await;
        tokio::time::sleep(LAST_REQUEST).await;
    }

    /// Ready when everyone is sent away.
    pub(super) async fn draining(&self) {
        let mut phase = self.phase.clone();
        let _ = phase.wait_for(|&phase| phase == Phase::Draining).await; // without a server it is over too
    }
}

/// The task of a connection that was accepted.
pub(super) async fn enter(door: Rc<Door>, arrival: Arrival) {
    let Arrival { socket, peer, serves, pass, refused } = arrival;
    let (scheme, streams, seat, silence) = ("http", Cell::new(0), Seat::default(), Silence::default());
    let mut visit = Visit { peer, scheme, serves, refused, pass, streams, seat, silence };
    match socket {
        Socket::Tcp(tcp) => {
            let Ok(tcp) = adopt(tcp) else { return };
            let stream = match door.site.tls_for(serves) {
                None => Stream::from(tcp),
                Some(tls) => {
                    visit.scheme = "https";
                    match tls.accept(tcp).await {
                        Ok(stream) => stream,
                        Err(error) => return journal::failed(peer, error),
                    }
                }
            };
            meet(door, stream, visit).await;
        }
        Socket::Unix(unix) => {
            let Ok(unix) = UnixStream::from_std(unix) else { return };
            meet(door, unix, visit).await;
        }
    }
}

/// Makes the socket one of this thread's runtime. Answers leave whole: waiting for more would only delay them.
fn adopt(tcp: std::net::TcpStream) -> io::Result<TcpStream> {
    tcp.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    SockRef::from(&tcp).set_tcp_user_timeout(Some(ACKNOWLEDGED_WITHIN))?;
    TcpStream::from_std(tcp)
}

/// Sends a connection where its first bytes say.
pub(super) async fn meet<S>(door: Rc<Door>, mut io: S, visit: Visit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut read = BytesMut::new();
    let first = tokio::time::timeout(HEAD_DEADLINE, head::read(&mut io, &mut read));
    let first = tokio::select! {
        biased;
        first = first => first,
        () = door.too_late() => return,
    };
    match first {
        Ok(Ok(First::WebSocket)) => websocket::direct(&door, io, read, visit).await,
        Ok(Ok(First::Http1)) => http::serve1(&door, rewind(read, io, &visit), visit).await,
        Ok(Ok(First::Http2)) if visit.scheme == "http" => {
            journal::failed(visit.peer, "HTTP/2 needs TLS");
            let _ = io.write_all(HTTP2_NEEDS_TLS).await; // it may be gone by now
        }
        Ok(Ok(First::Http2)) => http::serve2(&door, rewind(read, io, &visit), visit).await,
        Ok(Ok(First::TooLarge)) => {
            let message =
                "the head of the request has more than 32 KiB, or than 100 lines; a cookie may be too long";
            let problem = Problem::new(Code::TooLarge, message);
            refuse(&door, &visit, io, (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, problem)).await;
        }
        Ok(Ok(First::NoRequest)) => {
            let problem = Problem::new(Code::BadEnvelope, "this is no request of HTTP");
            refuse(&door, &visit, io, (StatusCode::BAD_REQUEST, problem)).await;
        }
        Ok(Err(error)) => journal::failed(visit.peer, error), // it is gone
        Err(_) if read.is_empty() => journal::failed(visit.peer, "nothing came in time"),
        Err(_) => {
            let problem = Problem::new(Code::Silent, "the request did not come in time");
            refuse(&door, &visit, io, (StatusCode::REQUEST_TIMEOUT, problem)).await;
        }
    }
}

fn rewind<S>(read: BytesMut, io: S, visit: &Visit) -> Rewind<S> {
    Rewind::new(read.freeze(), io, visit.silence.clone())
}

/// Says why there is no answer, and waits a moment for the client to have read it: closing at once would take it back
/// while there is more to read from the client.
async fn refuse<S>(door: &Door, visit: &Visit, mut io: S, (status, problem): (StatusCode, Problem))
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    door.worker.counters.errors.increment();
    journal::failed(visit.peer, &problem);
    let last = async {
        io.write_all(&refusal_as(status, &problem).encode()).await?;
        io.shutdown().await?;
        tokio::io::copy(&mut io, &mut tokio::io::sink()).await
    };
    let _ = tokio::time::timeout(LAST_REQUEST, last).await; // it may be gone by now
}

#[cfg(test)]
pub(super) mod tests;
