//! Whether a request is let in: by its host and origin, and where it begins a stream by the limits of its address.

use super::body::Body;
use super::entry::{Door, Visit};
use super::forwarded::{Asker, Way};
use super::gate::Pass;
use super::origin::{Allowed, Asked};
use crate::api;
use crate::code::Problem;
use http::{HeaderMap, Response, StatusCode, Uri, header};
use sockeye::server::Rejection;
use tokio::time::Instant;

/// The address of the stream.
pub(super) const STREAM: &str = "/stream";

/// A request that is let in.
#[derive(Debug)]
pub(super) struct Admitted {
    /// Who asks.
    pub(super) asker: Asker,
    /// How its page is told.
    pub(super) allowed: Allowed,
    /// What holds its place while it lasts, or why it gets none; only of requests for the stream.
    pub(super) stream: Result<Option<Pass>, Problem>,
}

impl Door {
    /// Looks at a request's host and origin, and takes a place for a stream.
    pub(super) fn admit(&self, visit: &Visit, uri: &Uri, headers: &HeaderMap) -> Result<Admitted, Problem> {
        let asker = self.site.proxies.asker(visit.peer, headers);
        let asked = Asked { asker: &asker, host: host(uri, headers), scheme: visit.scheme, headers };
        let allowed = self.site.origins.check(&asked)?;
        let stream = if uri.path() == STREAM { self.begin(visit, &asker) } else { Ok(None) };
        Ok(Admitted { asker, allowed, stream })
    }

    /// The first stream of a client's own connection has its place already.
    fn begin(&self, visit: &Visit, asker: &Asker) -> Result<Option<Pass>, Problem> {
        if let Some(code) = visit.refused {
            return Err(code.into());
        }
        let number = visit.streams.replace(visit.streams.get().saturating_add(1));
        let (gate, now) = (&self.site.gate, Instant::now());
        let begun = match asker.way {
            Way::Proxied => gate.begin(asker.address, now).map(Some),
            Way::Direct if number == 0 => Ok(None),
            Way::Direct => gate.again(asker.address, now).map(|()| None),
        };
        begun.map_err(Problem::from)
    }
}

/// `Host`, or the authority of the target where that has one, as HTTP/2 has it.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> &'a str {
    let field = || headers.get(header::HOST).and_then(|host| host.to_str().ok());
    uri.authority().map(http::uri::Authority::as_str).or_else(field).unwrap_or_default()
}

/// A refusal as a WebSocket's handshake has it, with the one shape of errors.
pub(super) fn refusal(problem: &Problem) -> Rejection {
    let response = api::refuse(problem);
    rejection(response.status(), response)
}

/// The same with another status than the code's.
pub(super) fn refusal_as(status: StatusCode, problem: &Problem) -> Rejection {
    rejection(status, api::refuse(problem))
}

fn rejection(status: StatusCode, response: Response<Body>) -> Rejection {
    let (parts, body) = response.into_parts();
    let mut rejection = Rejection::new(status).body(body.into_bytes());
    for (name, value) in &parts.headers {
        rejection = rejection.header(name.clone(), value.clone());
    }
    rejection
}
