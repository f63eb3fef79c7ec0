//! Several services on one port: accepts, routes by path and subprotocol, bounds, and shuts down in order.
//!
//! Here stands how it is configured; the loop at work is in `serving`, what a connection goes through in `opening`, where
//! connections come from in `accept`.

mod accept;
mod opening;
mod serving;

pub use accept::{Accept, Then};

use super::route::Route;
use super::{AcceptError, HeadLimits, Request, Server};
use crate::websocket::WebSocket;
use serving::Serving;
use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::task::JoinSet;

/// Serves several services on one host and port.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use sockeye::server::{Listener, Route, Server};
///
/// let listener = Listener::bind("127.0.0.1:9001")
///     .await?
///     .service(Route::path("/echo"), Server::new(), |mut ws, _request| async move {
///         while let Ok(Some(message)) = ws.recv().await {
///             if ws.feed(message).await.is_err() {
///                 break;
///             }
///         }
///     })
///     .service(Route::path("/news").subprotocol("v2")?, Server::new(), |mut ws, _| async move {
///         let _ = ws.send("nothing new").await;
///     });
/// println!("listening on {}", listener.get_ref().local_addr()?);
/// let shutdown = std::future::pending::<()>(); // such as tokio::signal::ctrl_c()
/// let summary = listener.serve(shutdown).await;
/// println!("{} connections were served", summary.served);
/// # Ok(()) }
/// ```
pub struct Listener<A: Accept = TcpListener, V = NoServices> {
    source: A,
    services: Vec<Service<A::Io>>,
    settings: Settings,
    stage: PhantomData<V>,
}

/// A [`Listener`] that has no services yet: what its connections are made of may still [change](Listener::then).
#[derive(Debug)]
pub enum NoServices {}

/// A [`Listener`] that has services, for connections of one kind.
#[derive(Debug)]
pub enum Services {}

struct Settings {
    head: HeadLimits,
    max_connections: usize,
    max_handshakes: usize,
    grace: Duration,
    on_accept_error: Box<OnAcceptError>,
    on_refused: Box<OnRefused>,
}

type OnAcceptError = dyn Fn(&io::Error) + Send + Sync;
type OnRefused = dyn Fn(Option<&Request>, &AcceptError) + Send + Sync;

struct Service<S> {
    route: Route,
    server: Server,
    spawn: Box<Spawn<S>>,
}

/// Makes a task of the service's handler: the handlers' types end here, and no future is boxed.
type Spawn<S> = dyn Fn(WebSocket<S>, Request, &mut JoinSet<()>) + Send + Sync;

/// What has become of the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Summary {
    /// Connections taken from the port.
    pub accepted: u64,
    /// Of these, handed to a service.
    pub served: u64,
    /// Of these, without a handshake: refused with a status, dropped, or given up by the client.
    pub failed: u64,
    /// Of those that failed, dropped because there were `max_handshakes`.
    pub shed: u64,
    /// Of these, closed with 1013 because there were `max_connections`, or with 1001 because of the shutdown.
    pub turned_away: u64,
    /// Tasks that panicked: services, and callbacks of the handshake.
    pub panicked: u64,
    /// Connections, and handshakes, that had not ended when the grace period was over.
    pub cut: u64,
    /// Failures to take a connection from the port.
    pub accept_errors: u64,
}

impl Listener {
    /// Listens on a TCP address; port 0 lets the system choose one.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self::new(TcpListener::bind(address).await?))
    }
}

impl<A: Accept> Listener<A> {
    /// The default of [`max_connections`](Self::max_connections).
    pub const MAX_CONNECTIONS: usize = 10_000;
    /// The default of [`max_handshakes`](Self::max_handshakes).
    pub const MAX_HANDSHAKES: usize = 1_000;
    /// The default of [`grace`](Self::grace).
    pub const GRACE: Duration = Duration::from_secs(10);

    /// Serves what comes from `source`; every request is answered with 404 until there are services.
    pub fn new(source: A) -> Self {
        let settings = Settings {
            head: HeadLimits::default(),
            max_connections: Self::MAX_CONNECTIONS,
            max_handshakes: Self::MAX_HANDSHAKES,
            grace: Self::GRACE,
            on_accept_error: Box::new(|_| {}),
            on_refused: Box::new(|_, _| {}),
        };
        Self { source, services: Vec::new(), settings, stage: PhantomData }
    }

    /// Has every connection take a further step before its request is read, such as the handshake of TLS. The
    /// services get what comes of it, so they are added afterwards:
    ///
    /// ```no_run
    /// # #[cfg(feature = "tls")]
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// use sockeye::server::{Listener, Route, Server, Tls};
    ///
    /// let tls = Tls::from_pem_files("chain.pem", "key.pem")?;
    /// let listener = Listener::bind("0.0.0.0:443")
    ///     .await?
    ///     .then(move |tcp| {
    ///         let tls = tls.clone();
    ///         async move { tls.accept(tcp).await }
    ///     })
    ///     .service(Route::any(), Server::new(), |mut ws, _request| async move {
    ///         let _ = ws.send("hello, in secret").await;
    ///     });
    /// listener.serve(std::future::pending::<()>()).await;
    /// # Ok(()) }
    /// ```
    ///
    /// A step after a service would leave that service without connections, and does not compile:
    ///
    /// ```compile_fail,E0599
    /// # async fn run() -> std::io::Result<()> {
    /// use sockeye::server::{Listener, Route, Server};
    ///
    /// Listener::bind("0.0.0.0:80")
    ///     .await?
    ///     .service(Route::any(), Server::new(), |_ws, _request| async {})
    ///     .then(|tcp| async move { std::io::Result::Ok(tcp) });
    /// # Ok(()) }
    /// ```
    pub fn then<F, P, S, E>(self, step: F) -> Listener<Then<A, F>>
    where
        F: Fn(A::Io) -> P + Clone + Send + 'static,
        P: Future<Output = Result<S, E>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        E: Into<io::Error> + 'static,
    {
        let Self { source, settings, .. } = self; // there are no services
        Listener { source: Then { source, step }, services: Vec::new(), settings, stage: PhantomData }
    }
}

impl<A: Accept, V> Listener<A, V> {
    /// Where connections come from.
    pub fn get_ref(&self) -> &A {
        &self.source
    }

    /// Adds a service: requests that `route` takes are accepted, or refused, as `server` says (a
    /// [`Server`] or `&Server`), and `handler` gets the connection. Of several routes that take a request the first one added wins.
    ///
    /// Who may connect, the route [checks](Route::check).
    ///
    /// When the handler returns, the connection is dropped: close it before. At a shutdown the connection begins to
    /// close, and its `recv` then ends. Tasks that the handler spawns are its own: it should wait for them.
    pub fn service<H, F>(self, route: Route, server: impl Into<Server>, handler: H) -> Listener<A, Services>
    where
        H: Fn(WebSocket<A::Io>, Request) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let Self { source, mut services, settings, .. } = self;
        let server = route.apply(server.into());
        let spawn = Box::new(move |ws, request, tasks: &mut JoinSet<()>| {
            tasks.spawn(handler(ws, request));
        });
        services.push(Service { route, server, spawn });
        Listener { source, services, settings, stage: PhantomData }
    }

    /// The limits of the opening handshake; those of the services' servers are not looked at. Their `timeout` counts
    /// from when the connection was taken, and includes [`Accept::Prepare`].
    pub fn head_limits(mut self, limits: HeadLimits) -> Self {
        self.settings.head = limits;
        self
    }

    /// Connections that may be open. The handshake of a further one is completed, and then it is closed with 1013: a
    /// page in a browser would not see a status. Default 10 000.
    pub fn max_connections(mut self, max: usize) -> Self {
        self.settings.max_connections = max;
        self
    }

    /// Connections that may be in their handshake, or be turned away, at once. For a further one the oldest is dropped
    /// whose request is not whole, so that silent connections keep nobody out; where there is none, it waits, and the
    /// next ones wait in the system's backlog. At least 1; default 1 000.
    pub fn max_handshakes(mut self, max: usize) -> Self {
        self.settings.max_handshakes = max.max(1);
        self
    }

    /// How long a shutdown waits for connections and their services to end. Default 10 s, as long as a closing
    /// handshake may take.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// Called with every failure to take a connection from the port, which is tried again, after a pause of 10 ms to
    /// 1 s where it would fail at once again. Default: they are counted only.
    pub fn on_accept_error(mut self, call: impl Fn(&io::Error) + Send + Sync + 'static) -> Self {
        self.settings.on_accept_error = Box::new(call);
        self
    }

    /// Called with every connection that came to no service: with its request, if that was read, and the reason. It runs
    /// in the connection's task, after the answer. A request may hold secrets, in its query, cookies and headers.
    /// Default: they are counted only.
    ///
    /// ```no_run
    /// # async fn run() -> std::io::Result<()> {
    /// let listener = sockeye::server::Listener::bind("127.0.0.1:9001").await?.on_refused(|request, error| {
    ///     eprintln!("{}: {error}", request.map_or("no request", |request| request.path()));
    /// });
    /// # Ok(()) }
    /// ```
    pub fn on_refused(
        mut self,
        call: impl Fn(Option<&Request>, &AcceptError) + Send + Sync + 'static,
    ) -> Self {
        self.settings.on_refused = Box::new(call);
        self
    }

    /// Serves until `shutdown` is ready. Then nothing more is accepted, handshakes that are not over are answered
    /// with 503, every open connection is closed with 1001, and all of them are awaited for the grace period; what is
    /// left then is cut.
    ///
    /// Dropping the future ends everything at once.
    pub async fn serve(self, shutdown: impl Future) -> Summary {
        Serving::new(self).run(shutdown).await
    }
}

impl<A: Accept + fmt::Debug, V> fmt::Debug for Listener<A, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes: Vec<&Route> = self.services.iter().map(|service| &service.route).collect();
        f.debug_struct("Listener")
            .field("source", &self.source)
            .field("routes", &routes)
            .finish_non_exhaustive()
    }
}
