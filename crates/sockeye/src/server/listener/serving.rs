//! A listener at work.
//!
//! Everything is decided in one loop, which owns two sets of tasks: handshakes and connections. A handshake that has
//! succeeded comes back to the loop, which makes a connection's task of it.

use super::{Accept, Listener, Service, Settings, Summary};
use crate::server::drain::{Drain, Member};
use crate::server::handshake::{self, Elapsed, unless, within};
use crate::server::{HeadLimits, Rejection, Request, Server, route};
use crate::timer;
use crate::websocket::WebSocket;
use http::StatusCode;
use sockeye_proto::CloseCode;
use sockeye_proto::handshake::ServerHandshake;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Sleep;

/// How long to wait after accepting has failed, for instance because no file descriptor is left: from the first of
/// several failures in a row, doubled up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// A listener at work.
pub(super) struct Serving<A: Accept> {
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
    pub(super) fn new<V>(listener: Listener<A, V>) -> Self {
        let Settings { head, max_connections, max_handshakes, grace, on_accept_error } = listener.settings;
        Self {
            source: Some(listener.source),
            services: listener.services.into(),
            head,
            max_connections,
            max_handshakes,
            grace,
            on_accept_error,
            drain: Arc::default(),
            handshakes: JoinSet::new(),
            connections: JoinSet::new(),
            pause: None,
            next_pause: FIRST_PAUSE,
            summary: Summary::default(),
        }
    }

    /// Serves until `shutdown` is ready, then drains.
    pub(super) async fn run(mut self, shutdown: impl Future) -> Summary {
        let mut shutdown = pin!(shutdown);
        while let Some(next) = poll_fn(|cx| match shutdown.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending => self.poll_next(cx).map(Some),
        })
        .await
        {
            self.handle(next);
        }
        self.drain().await
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
