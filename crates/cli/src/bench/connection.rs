//! One connection, from its opening to its end.

use super::bell::Bell;
use super::clock::Nanos;
use super::flight::Flight;
use super::pace::Turns;
use super::plan::Pace;
use super::shared::{Phase, Shared};
use super::tally::count;
use crate::connect::{self, described, line_of};
use crate::exit::Failure;
use sockeye::client::{ConnectError, Report};
use sockeye::{CloseCode, Error, Message, Stream, WebSocket};
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

/// An open connection.
struct Connection {
    ws: WebSocket<Stream>,
    shared: Rc<Shared>,
    bell: Rc<Bell>,
    /// Its place among those of the thread.
    turn: usize,
    /// With a rate, from the start on.
    turns: Option<Turns>,
    flight: Flight,
    /// When something last happened.
    now: Nanos,
}

/// Opens a connection, and sends and receives as the phase says.
pub(super) async fn run(shared: Rc<Shared>) {
    let bell = shared.bell();
    let opened = open(&shared, &bell).await;
    let connection = opened.map(|ws| Connection {
        ws,
        turn: shared.opened(&bell),
        bell,
        turns: None,
        flight: Flight::default(),
        now: 0,
        shared: shared.clone(),
    });
    shared.resolve();
    if let Some(connection) = connection {
        connection.serve().await;
    }
}

async fn open(shared: &Shared, bell: &Bell) -> Option<WebSocket<Stream>> {
    let permit = shared.gate.acquire().await;
    let (mut report, began) = (Report::default(), Instant::now());
    let opened = match &permit {
        Ok(_) => unless_rung(bell, shared.plan.client.connect_with_report(&mut report)).await,
        Err(_) => None,
    };
    let mut tally = shared.tally.borrow_mut();
    if let Ok(permit) = permit
        && tally.connections.wanted() == 0
    {
        permit.forget(); // the first is an attempt: the others wait to be told
    }
    match opened {
        Some(Ok(ws)) => {
            tally.opened(began.elapsed());
            let is_deflating = report.extensions().any(|extension| extension.contains("permessage-deflate"));
            tally.connections.deflating += u64::from(is_deflating);
            tally.connected.get_or_insert_with(|| connect::connected(&report));
            Some(ws)
        }
        Some(Err(error)) => {
            tally.failed(&failure(&error), 1);
            shared.failed();
            None
        }
        None => {
            tally.connections.untried += 1;
            None
        }
    }
}

fn failure(error: &ConnectError) -> Failure {
    let mut failure = connect::failure(error);
    if let ConnectError::Tcp(failures) = error
        && failures.iter().any(|(_, error)| error.kind() == io::ErrorKind::AddrNotAvailable)
    {
        failure.message += ": this machine has no port left for one more connection to that address";
    }
    failure.message = failure.message.replace('\n', "; ");
    failure
}

impl Connection {
    async fn serve(mut self) {
        let lost = loop {
            match self.shared.phase.get() {
                Phase::Opening => {}
                Phase::Sending => self.send().await,
                Phase::CatchingUp => {
                    self.send().await;
                    if self.flight.awaited() == 0 {
                        break None; // there was room, so everything has been sent
                    }
                }
                Phase::Draining if self.flight.awaited() > 0 => {}
                Phase::Draining | Phase::Closing => break None,
            }
            match unless_rung(&self.bell, self.ws.recv()).await {
                None => self.now = self.shared.course.borrow().now(),
                Some(Ok(Some(message))) => self.receive(&message),
                Some(end) => break Some(self.told(end.err())),
            }
        };
        self.finish(lost.as_deref());
        let _ = self.ws.close(CloseCode::NORMAL, "").await; // how it ends says nothing about the echoes
        let (stats, mut tally) = (self.ws.stats(), self.shared.tally.borrow_mut());
        tally.plain += stats.sent.plain + stats.received.plain;
        tally.wire += stats.sent.wire + stats.received.wire;
    }

    /// Queues what may be sent now; it leaves as soon as everything that was received has been looked at. There is always
    /// room for it.
    async fn send(&mut self) {
        let shared = self.shared.clone();
        if let (Pace::Rate { gap, .. }, None) = (shared.plan.pace, &self.turns) {
            let course = shared.course.borrow();
            self.turns = Some(Turns::new(gap, course.first + count(self.turn), 1, course.connections));
        }
        while self.flight.awaited() < shared.plan.window {
            let Some(due) = self.due() else { break };
            let number = self.flight.send(due);
            shared.tally.borrow_mut().messages.sent += 1;
            if self.ws.feed(shared.plan.messages.message(number)).await.is_err() {
                break; // the next that is received tells why
            }
        }
    }

    /// When the next message is due, if it is.
    fn due(&mut self) -> Option<Nanos> {
        let due = self.turns.as_ref().map_or(self.now, Turns::due);
        let is_due = due <= self.now && due < self.shared.course.borrow().measured.end;
        is_due.then(|| {
            self.turns.iter_mut().for_each(Turns::advance);
            due
        })
    }

    fn receive(&mut self, message: &Message) {
        let course = self.shared.course.borrow();
        self.now = course.now();
        let number = self.shared.plan.messages.number(message, self.flight.oldest());
        let answer = self.flight.receive(number);
        self.shared.tally.borrow_mut().received(answer, self.now, &course.measured);
    }

    /// Counts what has not been answered; `lost` is why the connection has ended, if it was not asked to.
    fn finish(&self, lost: Option<&str>) {
        let mut tally = self.shared.tally.borrow_mut();
        let awaited = self.flight.awaited();
        if let Some(why) = lost {
            return tally.lost(why, awaited);
        }
        let end = self.shared.course.borrow().measured.end;
        tally.messages.missing += count(awaited);
        tally.messages.unsent += self.turns.as_ref().map_or(0, |turns| turns.missed(end));
    }

    fn told(&self, error: Option<Error>) -> String {
        match (error, self.ws.closed().and_then(|closed| closed.received.as_ref())) {
            (Some(error), _) => error.to_string(),
            (None, Some(frame)) => line_of(&format!("the server closed with {}", described(frame))),
            (None, None) => "the server closed".into(),
        }
    }
}

/// What the future comes to; `None` if the bell is rung before.
async fn unless_rung<F: Future>(bell: &Bell, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => bell.poll(cx).map(|()| None),
    })
    .await
}
