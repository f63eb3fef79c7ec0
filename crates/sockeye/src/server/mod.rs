//! The server's side: from a transport with a request on it to an open connection.

pub(crate) mod drain;
mod handshake;
mod listener;
mod route;
#[cfg(feature = "hyper")]
mod upgrade;

#[cfg(feature = "tls")]
pub use crate::tls::server::Tls;
pub use handshake::{AcceptError, Handshake};
pub use listener::{Accept, Listener, NoServices, Services, Summary, Then};
pub use route::Route;
#[cfg(feature = "axum")]
pub(crate) use upgrade::closing;
#[cfg(feature = "hyper")]
pub use upgrade::{Upgrade, Upgraded, upgrade};

pub use sockeye_proto::handshake::{
    HeadLimits, OriginError, OriginPolicy, Rejection, Request, ReservedHeader, SubprotocolError, Subprotocols,
};

use crate::stream;
use crate::timer;
use crate::websocket::WebSocket;
use bytes::BytesMut;
use http::{HeaderName, HeaderValue};
use sockeye_proto::Limits;
use sockeye_proto::extension::Extension;
use sockeye_proto::handshake::{Policy, ServerHandshake};
use std::any::Any;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// How a server accepts connections; made once, cheap to clone, shared by all of them.
///
/// The default allows pages of the same host (and programs, which send no Origin), speaks no subprotocol, and does not
/// compress.
///
/// ```no_run
/// # async fn serve(tcp: tokio::net::TcpStream) -> Result<(), Box<dyn std::error::Error>> {
/// use sockeye::server::{OriginPolicy, Server, Subprotocols};
///
/// let server = Server::new()
///     .origin(OriginPolicy::list(["https://example.com"])?)
///     .subprotocols(Subprotocols::server_order(["chat.v2", "chat.v1"])?);
/// let mut ws = server.accept(tcp).await?;
/// ws.send("welcome").await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Server {
    pub(crate) policy: Arc<Policy>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) head: HeadLimits,
}

/// Accepts a connection with the default [`Server`].
pub async fn accept<S: AsyncRead + AsyncWrite + Unpin + 'static>(io: S) -> Result<WebSocket<S>, AcceptError> {
    Server::new().accept(io).await
}

impl Server {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which pages may connect. Default: those of the same host.
    pub fn origin(self, origin: OriginPolicy) -> Self {
        self.map_policy(|policy| policy.origin(origin))
    }

    /// Which subprotocol is chosen. Default: none.
    pub fn subprotocols(self, subprotocols: Subprotocols) -> Self {
        self.map_policy(|policy| policy.subprotocols(subprotocols))
    }

    /// Adds an extension.
    pub fn extension(self, extension: impl Extension + 'static) -> Self {
        self.map_policy(|policy| policy.extension(Arc::new(extension)))
    }

    /// Compresses messages with clients that can (permessage-deflate, RFC 7692), with compressors that each thread
    /// shares among its connections.
    ///
    /// ```
    /// let server = sockeye::server::Server::new().deflate(sockeye::Deflate::default().threshold(512));
    /// ```
    #[cfg(feature = "deflate")]
    pub fn deflate(self, deflate: crate::Deflate) -> Self {
        self.extension(deflate.pool(Arc::new(crate::codec_pool::ThreadPool)))
    }

    /// Adds a header to the answer that accepts.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Result<Self, ReservedHeader> {
        self.policy = Arc::new(Policy::clone(&self.policy).header(name, value)?);
        Ok(self)
    }

    /// The limits of its connections.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Arc::new(limits);
        self
    }

    /// The limits of the opening handshake.
    pub fn head_limits(mut self, limits: HeadLimits) -> Self {
        self.head = limits;
        self
    }

    /// Reads the request and accepts it, or refuses what breaks the rules or the configuration. A TCP stream is told
    /// to send small segments at once (`TCP_NODELAY`).
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin + 'static>(
        &self,
        io: S,
    ) -> Result<WebSocket<S>, AcceptError> {
        // On the heap while it lasts: the caller's task would have room for its state as long as the connection lives.
        let opened = Box::pin(async {
            let reading = self.begin(&io);
            let handshake = handshake::read(self, io, reading, std::future::pending()).await?;
            handshake.complete().await.0
        });
        opened.await.map(WebSocket::new)
    }

    /// Reads the request; the caller looks at it, then [accepts](Handshake::accept) or
    /// [rejects](Handshake::reject) it.
    ///
    /// A request that breaks the rules of the protocol is answered here, and is the error.
    pub async fn handshake<S: AsyncRead + AsyncWrite + Unpin + 'static>(
        &self,
        io: S,
    ) -> Result<Handshake<S>, AcceptError> {
        self.handshake_behind(io, BytesMut::new()).await
    }

    /// Like [`handshake`](Self::handshake), for a transport of which something was read already, such as to see whether
    /// a WebSocket comes: `read` stands in front of what the transport still has.
    pub async fn handshake_behind<S: AsyncRead + AsyncWrite + Unpin + 'static>(
        &self,
        io: S,
        read: BytesMut,
    ) -> Result<Handshake<S>, AcceptError> {
        let reading = self.begin(&io);
        handshake::read_behind(self, (io, read), reading, std::future::pending()).await
    }

    /// A handshake that begins now, on this transport.
    fn begin(&self, io: &dyn Any) -> ServerHandshake {
        if let Some(tcp) = stream::tcp(io) {
            let _ = tcp.set_nodelay(true); // a connection that has ended already says so when it is read
        }
        ServerHandshake::new(self.head, timer::now())
    }

    fn map_policy(mut self, map: impl FnOnce(Policy) -> Policy) -> Self {
        self.policy = Arc::new(map(Policy::clone(&self.policy)));
        self
    }
}

/// A clone, which shares everything.
impl From<&Server> for Server {
    fn from(server: &Server) -> Self {
        server.clone()
    }
}
