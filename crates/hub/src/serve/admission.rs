//! Whether a request is let in: by its host and origin, and where it begins a stream by the limits of its address.

use super::body::Body;
use super::entry::{Door, Visit};
use super::forwarded::{Asker, Way};
use super::gate::{Pass, Taken};
use super::origin::{Allowed, Asked};
use super::routes;
use crate::api;
use crate::code::{Code, Problem};
use crate::journal;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri, Version, header};
use sockeye::server::Rejection;
use tokio::time::Instant;
use tracing::Span;

/// The address of the stream.
pub(super) const STREAM: &str = "/stream";

/// What is looked at of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) version: Version,
    pub(super) uri: &'a Uri,
    pub(super) headers: &'a HeaderMap,
}

/// A request that is let in.
#[derive(Debug)]
pub(super) struct Admitted {
    /// Who asks.
    pub(super) asker: Asker,
    /// How its page is told.
    pub(super) allowed: Allowed,
    /// What holds its place while it lasts, or why it gets none; only of requests for the stream.
    pub(super) stream: Result<Place, Problem>,
}

impl Admitted {
    /// What is to be held, if there is anything.
    pub(super) fn place(self) -> Option<impl Sized + 'static> {
        self.stream.ok()?.held()
    }
}

/// What holds the place of a stream, where the connection alone does not.
#[derive(Debug, Default)]
pub(super) struct Place {
    pass: Option<Pass>,
    seat: Option<Taken>,
}

impl Place {
    /// What is to be held, if there is anything.
    pub(super) fn held(self) -> Option<impl Sized + 'static> {
        (self.pass.is_some() || self.seat.is_some()).then_some(self)
    }
}

impl Door {
    /// Looks at a request's host and origin, and takes a place for a stream.
    pub(super) fn admit(&self, visit: &Visit, head: Head<'_>) -> Result<Admitted, Problem> {
        let Head { uri, headers, .. } = head;
        let host = head.host().inspect_err(journal::refused)?;
        let asker = self.site.proxies.asker(visit.peer, headers);
        let asked =
            Asked { asker: &asker, host, scheme: visit.scheme, wants: routes::wants(uri.path()), headers };
        let allowed = self.site.origins.check(&asked).inspect_err(journal::refused)?;
        let stream =
            if uri.path() == STREAM { self.begin(visit, &asker, head.version) } else { Ok(Place::default()) };
        Ok(Admitted { asker, allowed, stream })
    }

    /// What the log has of a request while it is being answered.
    pub(super) fn span(&self, visit: &Visit, uri: &Uri, headers: &HeaderMap) -> Span {
        journal::request(|| self.site.proxies.asker(visit.peer, headers).address, uri, headers)
    }

    /// The first stream of a client's own connection has its place already, and on HTTP/2 each further one that has
    /// it to itself.
    fn begin(&self, visit: &Visit, asker: &Asker, version: Version) -> Result<Place, Problem> {
        if let Some(code) = visit.refused {
            return Err(code.into());
        }
        let number = visit.streams.replace(visit.streams.get().saturating_add(1));
        let (gate, address, now) = (&self.site.gate, asker.address, Instant::now());
        let mut place = Place::default();
        if version == Version::HTTP_2 {
            place.seat = visit.seat.take();
            if place.seat.is_none() {
                place.pass = Some(gate.beside(address, now)?);
                return Ok(place);
            }
        }
        match asker.way {
            Way::Proxied => place.pass = Some(gate.begin(address, now)?),
            Way::Direct if number == 0 => {}
            Way::Direct => gate.again(address, now)?,
        }
        Ok(place)
    }
}

impl<'a> Head<'a> {
    /// `Host`, or the authority of the target where that has one, as HTTP/2 has it. Of two hosts a proxy may have
    /// believed the other one; none at all is a thing of HTTP/1.0 (RFC 9112 3.2). Who asks has no place in it (RFC 9110
    /// 4.2.4).
    fn host(self) -> Result<&'a str, Problem> {
        let mut fields = self.headers.get_all(header::HOST).iter();
        let (field, further) = (fields.next(), fields.next());
        let authority = self.uri.authority().map(Authority::as_str);
        let authority = authority.map(|text| text.rsplit_once('@').map_or(text, |(_, host)| host));
        let may_lack =
            self.version < Version::HTTP_11 || (self.version == Version::HTTP_2 && authority.is_some());
        if further.is_some() || (field.is_none() && !may_lack) {
            return Err(Problem::new(
                Code::BadParameter,
                "a request names exactly one host; send one Host header",
            ));
        }
        let named = || field.and_then(|host| host.to_str().ok());
        Ok(authority.or_else(named).unwrap_or_default())
    }
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
    rejection = rejection.header(header::VARY, HeaderValue::from_static("Origin"));
    for (name, value) in &parts.headers {
        rejection = rejection.header(name.clone(), value.clone());
    }
    rejection
}
