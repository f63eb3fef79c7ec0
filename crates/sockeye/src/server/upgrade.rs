//! Taking a connection over from hyper, which has read the request.

use super::{AcceptError, Rejection, Request, Server};
use crate::timer::Timer;
use crate::websocket::{Parts, WebSocket};
use bytes::BytesMut;
use http::{HeaderValue, Response, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use sockeye_proto::connection::Setup;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Accepts a request that hyper has read, with the default [`Server`]; see [`Server::upgrade`].
pub fn upgrade<B>(request: &mut http::Request<B>) -> Result<(Response<()>, Upgrade), Rejection> {
    Server::new().upgrade(request)
}

impl Server {
    /// Accepts a request that hyper (1.x, HTTP/1.1) has read: the response to answer with, and the connection, which
    /// is there once hyper has written the response. hyper's connection must allow it: `serve_connection(…)
    /// .with_upgrades()`.
    ///
    /// The limits of the handshake are hyper's. A rejection becomes hyper's response by
    /// [`into_response`](Rejection::into_response); it has hyper close the connection, because what stands behind
    /// the request may have been smuggled past a proxy.
    ///
    /// ```no_run
    /// # type Body = String;
    /// # fn body(bytes: bytes::Bytes) -> Body { String::new() }
    /// async fn handle(mut request: http::Request<hyper::body::Incoming>) -> http::Response<Body> {
    ///     match sockeye::upgrade(&mut request) {
    ///         Ok((response, upgrade)) => {
    ///             tokio::spawn(async move {
    ///                 let mut ws = upgrade.await?;
    ///                 while let Some(message) = ws.recv().await? {
    ///                     ws.feed(message).await?;
    ///                 }
    ///                 Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    ///             });
    ///             response.map(|()| Body::default())
    ///         }
    ///         Err(rejection) => rejection.into_response().map(body),
    ///     }
    /// }
    /// ```
    pub fn upgrade<B>(&self, request: &mut http::Request<B>) -> Result<(Response<()>, Upgrade), Rejection> {
        let on_upgrade = request.extensions_mut().remove::<OnUpgrade>();
        let checked = Request::from_http(request).map_err(closing)?;
        self.upgrade_checked(&checked, on_upgrade)
    }

    pub(crate) fn upgrade_checked(
        &self,
        request: &Request,
        on_upgrade: Option<OnUpgrade>,
    ) -> Result<(Response<()>, Upgrade), Rejection> {
        let accepted = request.accept(&self.policy).map_err(closing)?;
        let on_upgrade = on_upgrade.ok_or_else(|| {
            closing(
                Rejection::new(StatusCode::INTERNAL_SERVER_ERROR)
                    .body("the HTTP server cannot hand the connection over; enable upgrades in it"),
            )
        })?;
        let response = accepted.response();
        let setup = Setup { limits: self.limits.clone(), codecs: accepted.codecs, mask_keys: None };
        let agreed = Some((setup, accepted.subprotocol));
        Ok((response, Upgrade { on_upgrade, agreed }))
    }
}

/// Has the HTTP server close the connection behind the refusal.
pub(crate) fn closing(rejection: Rejection) -> Rejection {
    rejection.header(header::CONNECTION, HeaderValue::from_static("close"))
}

/// A connection that hyper hands over when it has written the response: await it, in a task of its own.
#[must_use = "the connection is there once this was awaited"]
pub struct Upgrade {
    on_upgrade: OnUpgrade,
    /// What the handshake agreed on, until the connection is made.
    agreed: Option<(Setup, Option<String>)>,
}

impl Future for Upgrade {
    type Output = Result<WebSocket<Upgraded>, AcceptError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let upgraded =
            std::task::ready!(Pin::new(&mut self.on_upgrade).poll(cx)).map_err(io::Error::other)?;
        let Some((setup, subprotocol)) = self.agreed.take() else {
            return Poll::Ready(Err(AcceptError::Eof)); // polled again after it was ready
        };
        let io = Upgraded(TokioIo::new(upgraded));
        Poll::Ready(Ok(WebSocket::new(Parts {
            io,
            setup,
            rest: BytesMut::new(),
            subprotocol,
            timer: Timer::default(),
        })))
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade").field("on_upgrade", &self.on_upgrade).finish_non_exhaustive()
    }
}

/// A transport that was hyper's; what hyper had read beyond the request comes first.
#[derive(Debug)]
pub struct Upgraded(TokioIo<hyper::upgrade::Upgraded>);

impl AsyncRead for Upgraded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
