//! What the log is told of connections: in fields, without payloads, and without what proves who somebody is.
//!
//! Whatever anyone can cause at will is told at `debug`, or no more than once a second. A field is made only where its
//! line is wanted.

use crate::auth::{RedactedHeaders, redact};
use crate::code::Problem;
use crate::metrics::Counters;
use crate::session::Session;
use http::uri::PathAndQuery;
use http::{HeaderMap, Response, Uri};
use std::cell::Cell;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;
use tracing::{Span, debug, debug_span, trace, warn};

/// Holds while a request is being answered, so that each line tells who asks for what. What goes on for long is not in
/// it: its lines have the client's id.
pub(crate) fn request(address: impl FnOnce() -> IpAddr, uri: &Uri, headers: &HeaderMap) -> Span {
    let span = debug_span!("request", address = %address(), uri = %redact(target(uri)));
    trace!(parent: &span, headers = ?RedactedHeaders(headers), "head");
    span
}

/// What it asks for, without the name and the password that may stand before a host.
fn target(uri: &Uri) -> &str {
    uri.path_and_query().map_or(uri.path(), PathAndQuery::as_str)
}

/// A request that has its answer.
pub(crate) fn answered<B>(response: &Response<B>) {
    debug!(status = response.status().as_u16(), "answered");
}

/// A connection that came to no request.
pub(crate) fn failed(address: IpAddr, error: impl fmt::Display) {
    debug!(%address, %error, "connection failed");
}

/// A request that is refused before it is a stream.
pub(crate) fn refused(problem: &Problem) {
    let (code, name) = (problem.code.number(), problem.code.name());
    debug!(code, name, reason = problem.message, "refused");
}

/// A stream that has begun.
pub(crate) fn opened(session: &Session, channels: usize) {
    let (client, transport) = (session.client().id(), session.transport().name());
    debug!(client, transport, channels, "opened");
}

/// A request on a stream that is answered with an error. Why may speak of what it carried.
pub(crate) fn answered_with_error(session: &Session, problem: &Problem) {
    let (code, name) = (problem.code.number(), problem.code.name());
    debug!(client = session.client().id(), code, name, "request failed");
}

/// A stream that is over: `code` is there if this end has ended it.
pub(crate) fn closed(session: &Session, code: Option<u16>) {
    let (client, transport) = (session.client().id(), session.transport().name());
    let (messages, seconds) = (session.handed_out(), session.age());
    let how = if code.is_some() { "closed" } else { "left" };
    debug!(client, transport, code, messages, seconds, "{how}");
}

/// A key of the API that is none.
pub(crate) fn wrong_key(throttle: &Throttle, address: IpAddr) {
    if let Some(left_out) = throttle.admits() {
        warn!(%address, left_out, "a request to the API had a wrong key");
    }
}

/// Lets through one a second of what comes as often as somebody likes.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    last: Cell<Option<Instant>>,
    left_out: Cell<u64>,
}

impl Throttle {
    const PAUSE: Duration = Duration::from_secs(1);

    /// How many were left out since the last one, if this one is not.
    fn admits(&self) -> Option<u64> {
        let now = Instant::now();
        if self.last.get().is_some_and(|last| now - last < Self::PAUSE) {
            self.left_out.set(self.left_out.get() + 1);
            return None;
        }
        self.last.set(Some(now));
        Some(self.left_out.take())
    }
}

/// What a worker could not keep up with, of which it tells once a second.
#[derive(Debug, Default)]
pub(crate) struct Overload {
    behind: Cell<u64>,
    presence_dropped: Cell<u64>,
}

impl Overload {
    /// Tells what was counted since the last time.
    pub(crate) fn tell(&self, worker: usize, counters: &Counters) {
        let (logs, presence) = self.take(counters);
        if logs > 0 {
            warn!(worker, logs, "the worker's inbox was full; it reads the logs of the channels instead");
        }
        if presence > 0 {
            warn!(worker, presence, "joins and leaves were dropped for want of room");
        }
    }

    fn take(&self, counters: &Counters) -> (u64, u64) {
        let (behind, dropped) = (counters.behind.value(), counters.presence_dropped.value());
        (behind - self.behind.replace(behind), dropped - self.presence_dropped.replace(dropped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_not_told_again() {
        let (overload, counters) = (Overload::default(), Counters::default());
        assert_eq!(overload.take(&counters), (0, 0));
        counters.behind.add(3);
        counters.presence_dropped.add(2);
        assert_eq!((overload.take(&counters), overload.take(&counters)), ((3, 2), (0, 0)));
        counters.behind.increment();
        assert_eq!(overload.take(&counters), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn one_a_second_is_let_through_and_tells_of_the_others() {
        let throttle = Throttle::default();
        assert_eq!(throttle.admits(), Some(0));
        assert_eq!((throttle.admits(), throttle.admits()), (None, None));
        tokio::time::advance(Duration::from_millis(999)).await;
        assert_eq!(throttle.admits(), None);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!((throttle.admits(), throttle.admits()), (Some(3), None));
    }
}
