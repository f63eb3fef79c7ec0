//! Several services on one port: accepts, routes by path and subprotocol, bounds, and shuts down in order.
//!
//! Everything is decided in one loop, which owns two sets of tasks: handshakes and connections. A handshake that has
//! succeeded comes back to the loop, which makes a connection's task of it.

mod accept;

pub use accept::{Accept, Then};

use super::drain::{Drain, Member};
use super::handshake::{self, Elapsed, unless, within};
use super::route::{self, Route};
use super::{HeadLimits, Rejection, Request, Server};
use crate::timer;
use crate::websocket::WebSocket;
use http::StatusCode;
use sockeye_proto::CloseCode;
use sockeye_proto::handshake::ServerHandshake;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Sleep;

/// How long to wait after accepting has failed, for instance because no file descriptor is left: from the first of
/// several failures in a row, doubled up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);

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
pub struct Listener<A: Accept = TcpListener> {
    source: A,
    services: Vec<Service<A::Io>>,
    head: HeadLimits,
    max_connections: usize,
    max_handshakes: usize,
    grace: Duration,
    on_accept_error: Box<dyn Fn(&io::Error) + Send + Sync>,
}

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
    /// Of these, without a handshake: refused with a status, or given up by the client.
    pub failed: u64,
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
        Self {
            source,
            services: Vec::new(),
            head: HeadLimits::default(),
            max_connections: Self::MAX_CONNECTIONS,
            max_handshakes: Self::MAX_HANDSHAKES,
            grace: Self::GRACE,
            on_accept_error: Box::new(|_| {}),
        }
    }

    /// Has every connection take a further step before its request is read, such as the handshake of TLS:
    /// `.then(move |tcp| { let tls = tls.clone(); async move { tls.accept(tcp).await } })`. Services come after it.
    pub fn then<F, P, S>(self, step: F) -> Listener<Then<A, F>>
    where
        F: Fn(A::Io) -> P + Clone + Send + 'static,
        P: Future<Output = io::Result<S>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { source, head, max_connections, max_handshakes, grace, on_accept_error, .. } = self;
        let source = Then { source, step };
        let services = Vec::new();
        Listener { source, services, head, max_connections, max_handshakes, grace, on_accept_error }
    }

    /// Where connections come from.
    pub fn get_ref(&self) -> &A {
        &self.source
    }

    /// Adds a service: requests that `route` takes are accepted, or refused, as `server` says, and `handler` gets the
    /// connection. Of several routes that take a request the first one added wins.
    ///
    /// When the handler returns, the connection is dropped: close it before. At a shutdown the connection begins to
    /// close, and its `recv` then ends. Tasks that the handler spawns are its own: it should wait for them.
    pub fn service<H, F>(mut self, route: Route, server: Server, handler: H) -> Self
    where
        H: Fn(WebSocket<A::Io>, Request) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let server = route.apply(server);
        let spawn = Box::new(move |ws, request, tasks: &mut JoinSet<()>| {
            tasks.spawn(handler(ws, request));
        });
        self.services.push(Service { route, server, spawn });
        self
    }

    /// The limits of the opening handshake; those of the services' servers are not looked at. Their `timeout` counts
    /// from when the connection was taken, and includes [`Accept::Prepare`].
    pub fn head_limits(mut self, limits: HeadLimits) -> Self {
        self.head = limits;
        self
    }

    /// Connections that may be open. The handshake of a further one is completed, and then it is closed with 1013: a
    /// page in a browser would not see a status. Default 10 000.
    pub fn max_connections(mut self, max: usize) -> Self {
        self.max_connections = max;
        self
    }

    /// Connections that may be in their handshake, or be turned away, at once. Further ones wait in the system's
    /// backlog. At least 1; default 1 000.
    pub fn max_handshakes(mut self, max: usize) -> Self {
        self.max_handshakes = max.max(1);
        self
    }

    /// How long a shutdown waits for connections and their services to end. Default 10 s, as long as a closing
    /// handshake may take.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Called with every failure to take a connection from the port, which is tried again, after a pause of 10 ms to
    /// 1 s where it would fail at once again. Default: they are counted only.
    pub fn on_accept_error(mut self, call: impl Fn(&io::Error) + Send + Sync + 'static) -> Self {
        self.on_accept_error = Box::new(call);
        self
    }

    /// Serves until `shutdown` is ready. Then nothing more is accepted, handshakes that are not over are answered
    /// with 503, every open connection is closed with 1001, and all of them are awaited for the grace period; what is
    /// left then is cut.
    ///
    /// Dropping the future ends everything at once.
    pub async fn serve(self, shutdown: impl Future) -> Summary {
        let mut shutdown = pin!(shutdown);
        let mut serving = Serving::new(self);
        while let Some(next) = poll_fn(|cx| match shutdown.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending => serving.poll_next(cx).map(Some),
        })
        .await
        {
            serving.handle(next);
        }
        serving.drain().await
    }
}

impl<A: Accept + fmt::Debug> fmt::Debug for Listener<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes: Vec<&Route> = self.services.iter().map(|service| &service.route).collect();
        f.debug_struct("Listener")
            .field("source", &self.source)
            .field("routes", &routes)
            .finish_non_exhaustive()
    }
}

/// A listener at work.
struct Serving<A: Accept> {
    /// Gone when it drains.
    source: Option<A>,
    services: Arc<[Service<A::Io>]>,
    head: HeadLimits,
    max_connections: usize,
    max_handshakes: usize,
    grace: Duration,
    on_accept_error: Box<dyn Fn(&io::Error) + Send + Sync>,
    drain: Arc<Drain>,
    handshakes: JoinSet<Outcome<A::Io>>,
    connections: JoinSet<()>,
    /// Accepting has failed: it goes on when this is over.
    pause: Option<Pin<Box<Sleep>>>,
    next_pause: Duration,
    summary: Summary,
}

/// What the loop waits for.
enum Next<A: Accept> {
    Accepted(io::Result<A::Prepare>),
    Handshake(Result<Outcome<A::Io>, JoinError>),
    Ended(Result<(), JoinError>),
}

/// What a task of the first set comes to.
enum Outcome<S> {
    Opened(Box<Opened<S>>),
    Failed,
    TurnedAway,
}

struct Opened<S> {
    ws: WebSocket<S>,
    request: Request,
    service: usize,
}

impl<A: Accept> Serving<A> {
    fn new(listener: Listener<A>) -> Self {
        Self {
            source: Some(listener.source),
            services: listener.services.into(),
            head: listener.head,
            max_connections: listener.max_connections,
            max_handshakes: listener.max_handshakes,
            grace: listener.grace,
            on_accept_error: listener.on_accept_error,
            drain: Arc::default(),
            handshakes: JoinSet::new(),
            connections: JoinSet::new(),
            pause: None,
            next_pause: FIRST_PAUSE,
            summary: Summary::default(),
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next<A>> {
        if let Poll::Ready(Some(outcome)) = self.handshakes.poll_join_next(cx) {
            return Poll::Ready(Next::Handshake(outcome));
        }
        if let Poll::Ready(Some(ended)) = self.connections.poll_join_next(cx) {
            return Poll::Ready(Next::Ended(ended));
        }
        if self.handshakes.len() >= self.max_handshakes {
            return Poll::Pending;
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        match &mut self.source {
            Some(source) => source.poll_accept(cx).map(Next::Accepted),
            None => Poll::Pending,
        }
    }

    fn handle(&mut self, next: Next<A>) {
        match next {
            Next::Accepted(Ok(prepare)) => {
                self.summary.accepted += 1;
                self.next_pause = FIRST_PAUSE;
                let reading = ServerHandshake::new(self.head, timer::now());
                self.handshakes.spawn(open(prepare, reading, self.services.clone(), self.drain.member()));
            }
            Next::Accepted(Err(error)) => self.handle_accept_error(&error),
            Next::Handshake(Ok(Outcome::Opened(opened))) => self.handle_opened(*opened),
            Next::Handshake(Ok(Outcome::Failed)) => self.summary.failed += 1,
            Next::Handshake(Ok(Outcome::TurnedAway)) => self.summary.turned_away += 1,
            Next::Handshake(Err(error)) | Next::Ended(Err(error)) => {
                self.summary.panicked += u64::from(error.is_panic());
            }
            Next::Ended(Ok(())) => {}
        }
    }

    fn handle_opened(&mut self, opened: Opened<A::Io>) {
        let Opened { mut ws, request, service } = opened;
        if self.source.is_none() {
            self.handshakes.spawn(turn_away(ws, CloseCode::GOING_AWAY, "the server shuts down"));
        } else if self.connections.len() >= self.max_connections {
            let reason = "too many connections; try again later";
            self.handshakes.spawn(turn_away(ws, CloseCode::TRY_AGAIN_LATER, reason));
        } else {
            ws.driver.drain = Some(Box::new(self.drain.member()));
            self.summary.served += 1;
            (self.services[service].spawn)(ws, request, &mut self.connections);
        }
    }

    fn handle_accept_error(&mut self, error: &io::Error) {
        self.summary.accept_errors += 1;
        (self.on_accept_error)(error);
        if !is_of_one_connection(error) {
            self.pause = Some(Box::pin(tokio::time::sleep(self.next_pause)));
            self.next_pause = (self.next_pause * 2).min(LAST_PAUSE);
        }
    }

    /// The shutdown.
    async fn drain(mut self) -> Summary {
        self.source = None;
        self.drain.begin();
        let deadline = timer::now() + self.grace;
        let all = async {
            while !(self.handshakes.is_empty() && self.connections.is_empty()) {
                let next = poll_fn(|cx| self.poll_next(cx)).await;
                self.handle(next);
            }
        };
        if let Err(Elapsed) = within(deadline, all).await {
            self.summary.cut = (self.handshakes.len() + self.connections.len()) as u64;
            self.handshakes.shutdown().await;
            self.connections.shutdown().await;
        }
        self.summary
    }
}

/// Takes a connection through its handshake.
async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    prepare: impl Future<Output = io::Result<S>>,
    reading: ServerHandshake,
    services: Arc<[Service<S>]>,
    mut drain: Member,
) -> Outcome<S> {
    let mut drained = pin!(poll_fn(|cx| drain.poll(cx)));
    let prepared = within(reading.poll_timeout(), unless(drained.as_mut(), prepare)).await;
    let Ok(Ok(Ok(io))) = prepared else { return Outcome::Failed };
    let interrupt = async {
        drained.await;
        Rejection::new(StatusCode::SERVICE_UNAVAILABLE).body("the server shuts down; connect again")
    };
    let Ok(handshake) = handshake::read(&Server::new(), io, reading, interrupt).await else {
        return Outcome::Failed;
    };
    match route::select(services.iter().map(|service| &service.route), handshake.request()) {
        Ok(service) => match handshake.with(&services[service].server).complete().await {
            Ok((ws, request)) => Outcome::Opened(Box::new(Opened { ws, request, service })),
            Err(_) => Outcome::Failed,
        },
        Err(rejection) => {
            let _ = handshake.reject(rejection).await; // refused, whether or not the client has seen why
            Outcome::Failed
        }
    }
}

async fn turn_away<S: AsyncRead + AsyncWrite + Unpin>(
    mut ws: WebSocket<S>,
    code: CloseCode,
    reason: &'static str,
) -> Outcome<S> {
    let _ = ws.close(code, reason).await; // it is over, however it ended
    Outcome::TurnedAway
}

/// Whether the failure is that of the connection that was to be taken: the next one may be taken at once.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | ConnectionRefused | Interrupted)
}
