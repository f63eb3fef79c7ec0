//! An extractor for [axum](https://docs.rs/axum) 0.8.

use crate::server::{Rejection, Request, Server, Upgraded, closing};
use crate::websocket::WebSocket;
use axum_core::body::Body;
use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use std::fmt;
use std::future::Future;

/// Extracts a WebSocket's opening request. Answer with what [`on_upgrade`](Self::on_upgrade) returns.
///
/// A request that breaks the rules of the protocol is refused by the extractor; what the [`Server`] does not allow, by
/// `on_upgrade`. The default allows pages of the same host; behind a proxy that sets another `Host` give a server with
/// a list of origins.
///
/// ```
/// use axum::response::Response;
/// use sockeye::axum::WebSocketUpgrade;
///
/// async fn echo(upgrade: WebSocketUpgrade) -> Response {
///     upgrade.on_upgrade(|mut ws| async move {
///         while let Ok(Some(message)) = ws.recv().await {
///             if ws.feed(message).await.is_err() {
///                 break;
///             }
///         }
///     })
/// }
///
/// let app: axum::Router = axum::Router::new().route("/echo", axum::routing::any(echo));
/// ```
#[derive(Debug)]
pub struct WebSocketUpgrade {
    request: Request,
    on_upgrade: Option<OnUpgrade>,
    server: Server,
}

impl WebSocketUpgrade {
    /// What the client asks for.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Accepts as this server is configured: origins, subprotocols, extensions, limits. The limits of the handshake are
    /// those of the HTTP server.
    pub fn server(mut self, server: &Server) -> Self {
        self.server = server.clone();
        self
    }

    /// Accepts: the response to answer with. Once it has been written, `handler` gets the connection, in a task of its
    /// own. What the server does not allow becomes a response that refuses.
    pub fn on_upgrade<H, F>(self, handler: H) -> Response
    where
        H: FnOnce(WebSocket<Upgraded>) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        match self.server.upgrade_checked(&self.request, self.on_upgrade) {
            Ok((response, upgrade)) => {
                tokio::spawn(async move {
                    // Without a connection there is nothing to handle: the client went before the answer.
                    if let Ok(ws) = upgrade.await {
                        handler(ws).await;
                    }
                });
                response.map(|()| Body::empty())
            }
            Err(rejection) => Refused(rejection).into_response(),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WebSocketUpgrade {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut http::request::Parts, _: &S) -> Result<Self, Refused> {
        let on_upgrade = parts.extensions.remove::<OnUpgrade>();
        let request = http::Request::from_parts(parts.clone(), ());
        let request = Request::from_http(&request).map_err(|rejection| Refused(closing(rejection)))?;
        Ok(Self { request, on_upgrade, server: Server::new() })
    }
}

/// A [`Rejection`] as axum answers with it.
#[derive(Debug, Clone)]
pub struct Refused(pub Rejection);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.0.into_response().map(Body::from)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl std::error::Error for Refused {}
