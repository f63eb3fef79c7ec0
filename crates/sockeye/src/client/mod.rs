//! The client's side: from an address to an open connection.
//!
//! [`connect`](crate::connect) is for most programs; [`Client`] says more about what to ask for and whom to trust.
//! Redirects are not followed: [`ConnectError::refusal`] tells where they point.

mod connect;
mod error;
mod report;
mod upgrade;
mod url;

pub use error::{ConnectError, Phase};
pub use report::{Report, Timings, TlsReport};
pub use sockeye_proto::handshake::{HandshakeError, HeadLimits, Refusal, ReservedHeader};
pub use url::UrlError;

use crate::stream::Stream;
#[cfg(feature = "tls")]
use crate::tls::TlsConfig;
use crate::websocket::WebSocket;
use http::{HeaderName, HeaderValue, header};
use sockeye_proto::Limits;
use sockeye_proto::extension::Extension;
use sockeye_proto::handshake::ClientRequest;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

/// Where and how a client connects; cheap to clone, good for any number of connections.
///
/// The default offers no subprotocol and does not compress. Every address that the host's name has is tried, and the
/// first that answers is taken.
///
/// ```no_run
/// # async fn chat() -> Result<(), Box<dyn std::error::Error>> {
/// use sockeye::client::Client;
///
/// let client = Client::new("wss://example.com/chat")?.subprotocol("chat.v1").basic_auth("ann", "secret");
/// let mut ws = client.connect().await?;
/// ws.send("hello").await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    request: ClientRequest,
    /// Headers whose values no report shows.
    secrets: Vec<HeaderName>,
    limits: Arc<Limits>,
    head: HeadLimits,
    connect_timeout: Duration,
    #[cfg(feature = "tls")]
    tls: Option<TlsConfig>,
}

/// Connects to an address such as `wss://example.com/chat` with the default [`Client`].
pub async fn connect(url: &str) -> Result<WebSocket<Stream>, ConnectError> {
    Client::new(url)?.connect().await
}

impl Client {
    /// The default of [`connect_timeout`](Self::connect_timeout): 10 s.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

    /// A client for an address that begins with `ws://` (port 80) or `wss://` (TLS, port 443). User info in it becomes
    /// basic authentication, and is shown by no error, report or `Debug`.
    pub fn new(url: &str) -> Result<Self, UrlError> {
        Ok(Self {
            request: url::parse(url)?,
            secrets: vec![header::AUTHORIZATION, header::SEC_WEBSOCKET_PROTOCOL],
            limits: Arc::default(),
            head: HeadLimits::default(),
            connect_timeout: Self::CONNECT_TIMEOUT,
            #[cfg(feature = "tls")]
            tls: None,
        })
    }

    /// Adds a header to the request. A further `Authorization`, `Cookie` or `Origin` replaces the earlier one, and `Host`
    /// the one that follows from the address; where to connect, and the name that TLS checks, stay the address's.
    ///
    /// The values of credentials, and those marked [sensitive](HeaderValue::set_sensitive), are shown nowhere. A header
    /// that belongs to the handshake fails the connecting.
    pub fn header(mut self, name: HeaderName, mut value: HeaderValue) -> Self {
        if [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE].contains(&name) {
            value.set_sensitive(true);
        }
        if value.is_sensitive() {
            self.secrets.push(name.clone());
        }
        self.map_request(|request| request.header(name, value))
    }

    /// Offers a subprotocol, after those offered before. The server need not choose any:
    /// [`WebSocket::subprotocol`] tells.
    pub fn subprotocol(self, name: impl Into<String>) -> Self {
        self.map_request(|request| request.subprotocol(name))
    }

    /// Says, as a browser does, which origin connects; programs need not.
    pub fn origin(self, origin: HeaderValue) -> Self {
        self.map_request(|request| request.origin(origin))
    }

    /// Authenticates with a user's name and a password (RFC 7617), which without TLS anyone on the way can read.
    pub fn basic_auth(self, user: &str, password: &str) -> Self {
        self.map_request(|request| request.basic_auth(user, password))
    }

    /// Offers an extension, after those offered before.
    pub fn extension(self, extension: impl Extension + 'static) -> Self {
        self.map_request(|request| request.extension(Arc::new(extension)))
    }

    /// Offers compression (permessage-deflate, RFC 7692), with compressors that each thread shares among its
    /// connections.
    #[cfg(feature = "deflate")]
    pub fn deflate(self, deflate: sockeye_proto::extension::deflate::Deflate) -> Self {
        self.extension(deflate.pool(Arc::new(crate::codec_pool::ThreadPool)))
    }

    /// The limits of the connection.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Arc::new(limits);
        self
    }

    /// The limits of the opening handshake, its time among them.
    pub fn head_limits(mut self, limits: HeadLimits) -> Self {
        self.head = limits;
        self
    }

    /// How long name look-up, TCP, TLS and the opening handshake may take together. Default
    /// [`CONNECT_TIMEOUT`](Self::CONNECT_TIMEOUT). The handshake's own time
    /// ([`HeadLimits::timeout`]) counts within it.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Whom to trust and how to prove who this is, for `wss://`. Default: the roots of the operating system, read once
    /// for the whole program.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, config: TlsConfig) -> Self {
        self.tls = Some(config);
        self
    }

    /// Connects: name look-up, TCP, for `wss://` TLS, and the opening handshake.
    pub async fn connect(&self) -> Result<WebSocket<Stream>, ConnectError> {
        self.connect_with_report(&mut Report::default()).await
    }

    /// Like [`connect`](Self::connect), and tells what happened on the way, also where it failed.
    pub async fn connect_with_report(&self, report: &mut Report) -> Result<WebSocket<Stream>, ConnectError> {
        *report = Report::default();
        self.request.check()?;
        let start = Instant::now();
        let io = connect::connect(self, report).await?;
        let mut head = self.head;
        head.timeout = head.timeout.min(self.connect_timeout.saturating_sub(start.elapsed()));
        upgrade::upgrade(self, io, head, report).await
    }

    /// Connects without the opening handshake: name look-up, TCP, for `wss://` TLS. The transport for something else than
    /// a WebSocket, such as an HTTP request to the same server.
    pub async fn open(&self) -> Result<Stream, ConnectError> {
        connect::connect(self, &mut Report::default()).await
    }

    /// Does the opening handshake on a transport that is connected already: a tunnel, a Unix socket, a pipe in a test.
    /// TLS, if there is any, is the transport's own; of the deadlines only [`HeadLimits::timeout`] counts.
    pub async fn upgrade<S>(&self, io: S) -> Result<WebSocket<S>, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        upgrade::upgrade(self, io, self.head, &mut Report::default()).await
    }

    fn map_request(mut self, map: impl FnOnce(ClientRequest) -> ClientRequest) -> Self {
        self.request = map(self.request);
        self
    }
}
