//! The stream: one address, four transports, the same messages and cursors on all of them. What a transport has of its
//! own is here; what waits for a client, and what becomes of a slow one, is the session's.

mod allowance;
mod ask;
mod banished;
mod batch;
mod begin;
mod cursor_text;
mod polls;
mod requests;
mod sse;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub(crate) mod websocket;

pub(crate) use ask::Ask;
pub(crate) use banished::Banished;
pub(crate) use polls::Polls;

use crate::api;
use crate::code::{Code, Problem, Then};
use crate::metrics::Transport;
use crate::serve::body::Body;
use crate::worker::Worker;
use http::{HeaderMap, Response, Uri};
use std::rc::Rc;
use std::time::Duration;

/// Answers a request for the stream that is no upgrade.
pub(crate) async fn answer(worker: &Rc<Worker>, uri: &Uri, headers: &HeaderMap) -> Response<Body> {
    let ask = match Ask::parse(&worker.hub, uri, headers) {
        Ok(ask) => ask,
        Err(problem) => return refuse(worker, &begin::refused(worker, problem)),
    };
    match ask.transport {
        Transport::Sse => sse::answer(worker, ask).await,
        Transport::LongPoll | Transport::Poll => batch::answer(worker, ask).await,
        Transport::WebSocket => {
            let message = "the request for an upgrade is none that a WebSocket begins with";
            refuse(worker, &begin::refused(worker, Problem::new(Code::BadParameter, message)))
        }
    }
}

/// The answer to a request for the stream that cannot be served at all, such as for want of room.
pub(crate) fn turn_away(worker: &Worker, headers: &HeaderMap, problem: &Problem) -> Response<Body> {
    let problem = &begin::refused(worker, problem.clone());
    match ask::transport(headers, None) {
        Transport::Sse => sse::not_served(worker, problem),
        _ => refuse(worker, problem),
    }
}

/// An error before the stream, as the status says.
fn refuse(worker: &Worker, problem: &Problem) -> Response<Body> {
    worker.counters.errors.increment();
    api::refuse(problem)
}

/// When to connect again: each client at another time, so that they do not come back all at once. None where that
/// would end the same way.
fn retry(problem: &Problem) -> Option<Duration> {
    (problem.code.then() == Then::Reconnect).then(delay)
}

fn delay() -> Duration {
    Duration::from_millis(rand::random_range(1_000..=3_000))
}
