//! Which requests a service takes: by path and by subprotocol.

use super::{Rejection, Request, Server, SubprotocolError, Subprotocols};
use http::StatusCode;
use std::fmt;
use std::sync::Arc;

/// Which requests a service of a [`Listener`](super::Listener) takes.
///
/// Paths are compared as they were sent, percent-encoded and with case, without the query.
#[derive(Debug, Clone)]
pub struct Route {
    path: Path,
    subprotocol: Option<Subprotocol>,
    checks: Vec<Check>,
}

#[derive(Clone)]
struct Check(Arc<Permit>);

type Permit = dyn Fn(&Request) -> Result<(), Rejection> + Send + Sync;

#[derive(Debug, Clone)]
enum Path {
    Any,
    Exactly(String),
    Below(String),
}

#[derive(Debug, Clone)]
struct Subprotocol {
    name: String,
    /// The choice of this one, and of nothing else.
    choice: Subprotocols,
}

/// How well a route fits a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Whole,
    /// The client does not offer the subprotocol.
    PathOnly,
    None,
}

impl Route {
    /// Every path.
    pub fn any() -> Self {
        Self::new(Path::Any)
    }

    /// This path alone, such as `/chat`.
    pub fn path(path: impl Into<String>) -> Self {
        Self::new(Path::Exactly(path.into()))
    }

    /// Every path that begins so, such as `/rooms/`.
    pub fn below(start: impl Into<String>) -> Self {
        Self::new(Path::Below(start.into()))
    }

    /// Only for clients that offer this subprotocol, which is then the one that is spoken, whatever the service's
    /// server says about subprotocols.
    pub fn subprotocol(mut self, name: &str) -> Result<Self, SubprotocolError> {
        let choice = Subprotocols::client_order([name])?;
        self.subprotocol = Some(Subprotocol { name: name.to_owned(), choice });
        Ok(self)
    }

    /// Has `check` look at every request that this route takes, such as at its cookie or token, before it is accepted;
    /// what it refuses gets its answer, and goes to no other route. It must not block. Several are asked in turn.
    ///
    /// ```
    /// use http::{HeaderValue, StatusCode, header};
    /// use sockeye::server::{Rejection, Route};
    ///
    /// let route = Route::path("/private").check(|request| {
    ///     let token = request.headers().get(header::AUTHORIZATION);
    ///     if token.is_some_and(|token| is_good(token)) || request.cookie("session").is_some_and(is_known) {
    ///         return Ok(());
    ///     }
    ///     Err(Rejection::new(StatusCode::UNAUTHORIZED)
    ///         .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    ///         .body("log in first"))
    /// });
    /// # fn is_good(_: &HeaderValue) -> bool { false }
    /// # fn is_known(_: &str) -> bool { false }
    /// ```
    ///
    /// A page in a browser sees none of the answer. Where it should know why, accept, and close with a code.
    pub fn check(
        mut self,
        check: impl Fn(&Request) -> Result<(), Rejection> + Send + Sync + 'static,
    ) -> Self {
        self.checks.push(Check(Arc::new(check)));
        self
    }

    /// What the checks say.
    pub(super) fn permit(&self, request: &Request) -> Result<(), Rejection> {
        self.checks.iter().try_for_each(|check| (check.0)(request))
    }

    /// The server with this route's subprotocol.
    pub(super) fn apply(&self, server: Server) -> Server {
        match &self.subprotocol {
            Some(subprotocol) => server.subprotocols(subprotocol.choice.clone()),
            None => server,
        }
    }

    fn new(path: Path) -> Self {
        Self { path, subprotocol: None, checks: Vec::new() }
    }

    fn fit(&self, request: &Request) -> Fit {
        let fits = match &self.path {
            Path::Any => true,
            Path::Exactly(path) => request.path() == path,
            Path::Below(start) => request.path().starts_with(start.as_str()),
        };
        match &self.subprotocol {
            _ if !fits => Fit::None,
            Some(own) if !request.subprotocols().any(|name| name == own.name) => Fit::PathOnly,
            _ => Fit::Whole,
        }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Check")
    }
}

/// The first route that takes the request. A path that none has is answered with 404, which tells nothing of the
/// others; a path without the subprotocol with 400, which names those of the path.
pub(super) fn select<'a>(
    routes: impl Iterator<Item = &'a Route> + Clone,
    request: &Request,
) -> Result<usize, Rejection> {
    if let Some(index) = routes.clone().position(|route| route.fit(request) == Fit::Whole) {
        return Ok(index);
    }
    let near = routes.filter(|route| route.fit(request) == Fit::PathOnly);
    let names: Vec<&str> =
        near.filter_map(|route| route.subprotocol.as_ref()).map(|own| own.name.as_str()).collect();
    Err(if names.is_empty() {
        Rejection::new(StatusCode::NOT_FOUND).body("nothing is served at this path")
    } else {
        Rejection::new(StatusCode::BAD_REQUEST).body(format!(
            "no subprotocol offered is spoken here; offer one of these in Sec-WebSocket-Protocol: {}",
            names.join(", ")
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, subprotocols: &str) -> Request {
        let mut request = http::Request::builder().uri(path);
        for (name, value) in [
            ("host", "localhost"),
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", subprotocols),
        ] {
            request = request.header(name, value);
        }
        Request::from_http(&request.body(()).unwrap()).unwrap()
    }

    fn chosen(routes: &[Route], path: &str, subprotocols: &str) -> Result<usize, (u16, String)> {
        select(routes.iter(), &request(path, subprotocols)).map_err(|rejection| {
            let body = String::from_utf8(rejection.clone().into_response().into_body().to_vec()).unwrap();
            (rejection.status().as_u16(), body)
        })
    }

    #[test]
    fn the_first_route_that_fits_takes_the_request() {
        let routes = [
            Route::path("/news").subprotocol("v2").unwrap(),
            Route::path("/news").subprotocol("v1").unwrap(),
            Route::path("/chat"),
            Route::below("/rooms/"),
        ];
        assert_eq!(chosen(&routes, "/news", "v1, v2"), Ok(0));
        assert_eq!(chosen(&routes, "/news?since=1", "v1"), Ok(1));
        assert_eq!(chosen(&routes, "/chat", "v9"), Ok(2));
        assert_eq!(chosen(&routes, "/rooms/7", ""), Ok(3));
        for path in ["/", "/Chat", "/chat/", "/rooms", "/new"] {
            let not_found = (404, "nothing is served at this path".to_owned());
            assert_eq!(chosen(&routes, path, "v1"), Err(not_found), "{path}");
        }
        let (status, body) = chosen(&routes, "/news", "V1").unwrap_err();
        assert_eq!(status, 400);
        assert!(body.ends_with(": v2, v1"), "{body}");
        assert_eq!(chosen(&[Route::any()], "/anything", ""), Ok(0));
        assert_eq!(chosen(&[], "/", "").unwrap_err().0, 404);
    }

    #[test]
    fn a_subprotocol_is_a_token() {
        assert!(Route::any().subprotocol("not one").is_err());
    }
}
