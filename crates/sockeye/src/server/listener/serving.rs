//! A listener at work.
//!
//! Everything is decided in one loop, which owns two sets of tasks: handshakes and connections. A handshake that has
//! succeeded comes back to the loop, which makes a connection's task of it.

use super::opening::{Opened, Opening, Outcome, Site, turn_away};
use super::{Accept, Listener, OnAcceptError, Settings, Summary};
use crate::server::drain::Drain;
use crate::server::handshake::{Elapsed, within};
use crate::server::{HeadLimits, Server};
use crate::timer;
use sockeye_proto::CloseCode;
use sockeye_proto::handshake::ServerHandshake;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::oneshot;
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
    site: Arc<Site<A::Io>>,
    head: HeadLimits,
    max_connections: usize,
    max_handshakes: usize,
    grace: Duration,
    on_accept_error: Box<OnAcceptError>,
    drain: Arc<Drain>,
    handshakes: JoinSet<Outcome<A::Io>>,
    /// How to tell a handshake to make room, the oldest first; closed where the request is whole.
    reading: VecDeque<oneshot::Sender<()>>,
    /// A connection for whose handshake there is no room yet. Until there is, nothing more is taken from the port.
    held: Option<Arrival<A>>,
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

/// A connection that was taken from the port, and its handshake's clock.
struct Arrival<A: Accept> {
    prepare: A::Prepare,
    reading: ServerHandshake,
}

impl<A: Accept> Serving<A> {
    pub(super) fn new<V>(listener: Listener<A, V>) -> Self {
        let Settings { head, max_connections, max_handshakes, grace, on_accept_error, on_refused } =
            listener.settings;
        let site = Site { services: listener.services, reader: Server::new(), on_refused };
        Self {
            source: Some(listener.source),
            site: Arc::new(site),
            head,
            max_connections,
            max_handshakes,
            grace,
            on_accept_error,
            drain: Arc::default(),
            handshakes: JoinSet::new(),
            reading: VecDeque::new(),
            held: None,
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
        if self.held.is_some() {
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
                self.held = Some(Arrival { prepare, reading });
                self.admit();
            }
            Next::Accepted(Err(error)) => self.handle_accept_error(&error),
            Next::Handshake(outcome) => {
                self.handle_outcome(outcome);
                self.admit();
            }
            Next::Ended(Err(error)) => self.handle_panic(&error),
            Next::Ended(Ok(())) => {}
        }
    }

    fn handle_outcome(&mut self, outcome: Result<Outcome<A::Io>, JoinError>) {
        match outcome {
            Ok(Outcome::Opened(opened)) => self.handle_opened(*opened),
            Ok(Outcome::Failed) => self.summary.failed += 1,
            Ok(Outcome::Shed) => {
                self.summary.failed += 1;
                self.summary.shed += 1;
            }
            Ok(Outcome::TurnedAway) => self.summary.turned_away += 1,
            Err(error) => self.handle_panic(&error),
        }
    }

    fn handle_panic(&mut self, error: &JoinError) {
        self.summary.panicked += u64::from(error.is_panic());
    }

    /// Begins the handshake of the connection that is held. Where there is no room it goes on waiting, and the oldest
    /// one whose request is not whole has to go: connections that say nothing keep nobody out.
    fn admit(&mut self) {
        let Some(arrival) = self.held.take() else { return };
        if self.handshakes.len() < self.max_handshakes {
            self.open(arrival);
            return;
        }
        self.held = Some(arrival);
        while let Some(oldest) = self.reading.pop_front() {
            if oldest.send(()).is_ok() {
                break;
            }
        }
    }

    fn open(&mut self, Arrival { prepare, reading }: Arrival<A>) {
        let (sender, shed) = oneshot::channel();
        let opening = Opening { site: self.site.clone(), reading, drain: self.drain.member(), shed };
        self.handshakes.spawn(opening.run(prepare));
        // At most half of them are of handshakes that are over.
        if self.reading.len() >= 2 * self.handshakes.len() {
            self.reading.retain(|reading| !reading.is_closed());
        }
        self.reading.push_back(sender);
    }

    fn handle_opened(&mut self, opened: Opened<A::Io>) {
        let Opened { mut ws, request, service } = opened;
        if self.source.is_none() {
            self.handshakes.spawn(turn_away(ws, CloseCode::GOING_AWAY, "the server shuts down"));
        } else if self.connections.len() >= self.max_connections {
            let reason = "too many connections; try again later";
            self.handshakes.spawn(turn_away(ws, CloseCode::TRY_AGAIN_LATER, reason));
        } else {
            ws.0.driver.elsewhere().drain = Some(self.drain.member());
            self.summary.served += 1;
            (self.site.services[service].spawn)(ws, request, &mut self.connections);
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
        if let Some(arrival) = self.held.take() {
            self.open(arrival); // it gets its 503 as well
        }
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

/// Whether the failure is that of the connection that was to be taken: the next one may be taken at once.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | ConnectionRefused | Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{Ready, ready};
    use tokio::io::{DuplexStream, duplex};

    /// A source that the test stands in for.
    struct Never;

    impl Accept for Never {
        type Io = DuplexStream;
        type Prepare = Ready<io::Result<DuplexStream>>;

        fn poll_accept(&mut self, _: &mut Context<'_>) -> Poll<io::Result<Self::Prepare>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn handshakes_that_are_over_leave_nothing_behind_an_old_one() {
        let mut serving = Serving::new(Listener::new(Never));
        let (_silent, oldest) = duplex(64);
        serving.handle(Next::Accepted(Ok(ready(Ok(oldest)))));
        for _ in 0..100 {
            let (_, gone) = duplex(64);
            serving.handle(Next::Accepted(Ok(ready(Ok(gone)))));
            let next = poll_fn(|cx| serving.poll_next(cx)).await;
            serving.handle(next);
        }
        assert_eq!((serving.handshakes.len(), serving.summary.failed), (1, 100));
        assert!(serving.reading.len() <= 4, "{}", serving.reading.len());
        assert!(!serving.reading[0].is_closed(), "the oldest is still the first to go");
    }
}
