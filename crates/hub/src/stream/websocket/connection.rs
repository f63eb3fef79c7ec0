//! An open WebSocket: one task that hands out what its session has and takes requests, in one loop. Between its turns the
//! worker has it write what has come for the session.

use super::{BINARY, Received, UNHEARD, count_received, own, parse, poll_receive, refuse};
use crate::code::Code;
use crate::envelope;
use crate::metrics::Transport;
use crate::publication::{Data, Publication};
use crate::session::{self, Departure, Entry, Session, Writer};
use crate::stream::allowance::Allowance;
use crate::stream::requests;
use crate::worker::Worker;
use bytes::Bytes;
use sockeye::{Cause, CloseCode, Compress, Deadline, Message, Prepared, WebSocket};
use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;

/// Which subprotocol a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Binary,
}

/// What a connection that has begun is to be told first, and its session.
pub(super) struct First {
    pub(super) session: Rc<Session>,
    pub(super) messages: Vec<Bytes>,
}

/// The future that serves an open connection.
pub(super) struct Serving<S>(Rc<RefCell<Connection<S>>>);

/// An open connection.
pub(super) struct Connection<S> {
    session: Rc<Session>,
    ws: WebSocket<S>,
    format: Format,
    stage: Stage,
    allowance: Allowance,
    /// A request that is being answered; the next one is received when it is.
    request: Option<Pin<Box<dyn Future<Output = Vec<Bytes>>>>>,
    /// What goes before anything that the session has.
    answers: std::vec::IntoIter<Bytes>,
    /// What has found no room in the connection's queue.
    next: Option<Next>,
}

enum Stage {
    Open,
    /// A Close frame is under way; what still comes is dropped.
    Closing,
    /// The same for a flooder, which is not heard any more; then the connection is dropped.
    Unheard(Pin<Box<Sleep>>),
}

/// A message that is about to leave.
enum Next {
    Own(Prepared),
    /// One that is shared by all who get it.
    Publication(Rc<session::Message>),
}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> Serving<S> {
    pub(super) fn new(connection: Connection<S>) -> Self {
        let session = connection.session.clone();
        let connection = Rc::new(RefCell::new(connection));
        let writer = Rc::downgrade(&connection);
        session.set_writer(writer);
        Self(connection)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Serving<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.borrow_mut().poll(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Writer for RefCell<Connection<S>> {
    fn write(&self) {
        let mut connection = self.borrow_mut();
        let session = connection.session.clone();
        session.act_as_task(|cx| connection.write(cx));
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Messages that are received before it is others' turn: 32.
    const TURN: usize = 32;

    pub(super) fn new(first: First, ws: WebSocket<S>, allowance: Allowance) -> Self {
        let First { session, messages } = first;
        let format = if ws.subprotocol() == Some(BINARY) { Format::Binary } else { Format::Json };
        let answers = messages.into_iter();
        Self { session, ws, format, stage: Stage::Open, allowance, request: None, answers, next: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..Self::TURN {
            self.poll_request(cx);
            self.hand_out(cx);
            match std::task::ready!(self.poll_received(cx)) {
                Received::Message(message) => self.handle_message(&message),
                Received::Control => {}
                Received::TooMuch => self.give_up(),
                Received::End => {
                    self.depart();
                    return Poll::Ready(());
                }
            }
        }
        // It is others' turn. Flushing is what receiving does when there is nothing more.
        self.hand_out(cx);
        let _ = pin!(self.ws.flush()).poll(cx);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes in the worker's turn, and leaves to the task's own what has to be waited for.
    fn write(&mut self, cx: &mut Context<'_>) {
        self.hand_out(cx);
        let is_written = pin!(self.ws.flush()).poll(cx).is_ready();
        if !(is_written && self.is_open() && self.next.is_none()) {
            cx.waker().wake_by_ref();
        }
    }

    fn poll_request(&mut self, cx: &mut Context<'_>) {
        if let Some(Poll::Ready(answers)) = self.request.as_mut().map(|request| request.as_mut().poll(cx)) {
            self.request = None;
            self.answers = answers.into_iter();
        }
    }

    /// Gives the connection what there is, as long as its queue has room. It leaves when nothing more is to be read:
    /// all that has gathered in one write. What finds no room has written, and is woken when there is some.
    fn hand_out(&mut self, cx: &mut Context<'_>) {
        while self.is_open() {
            if self.next.is_none() {
                self.next = self.next_message(cx);
            }
            let Some(next) = &self.next else { break };
            let worker = self.session.worker();
            let next = match next {
                Next::Own(message) => message,
                Next::Publication(publication) => prepared(publication, self.format, worker),
            };
            let len = next.payload().len() as u64;
            let fed = pin!(self.ws.feed_prepared(next)).poll(cx);
            match fed {
                Poll::Ready(Ok(())) => {
                    let counters = worker.counters.transport(Transport::WebSocket);
                    counters.messages_sent.increment();
                    counters.bytes_sent.add(len);
                    self.next = None;
                }
                // It is closing or has ended: receiving tells how.
                Poll::Ready(Err(_)) => (self.next, self.stage) = (None, Stage::Closing),
                Poll::Pending => {
                    self.close_if_ended();
                    break;
                }
            }
        }
    }

    fn next_message(&mut self, cx: &mut Context<'_>) -> Option<Next> {
        if let Some(answer) = self.answers.next() {
            if self.answers.as_slice().is_empty() {
                self.answers = Vec::new().into_iter(); // an idle connection owns no buffer
            }
            return Some(Next::Own(own(answer)));
        }
        match self.session.poll_entry(cx) {
            Poll::Ready(Some(entry)) => Some(encode(entry)),
            Poll::Ready(None) => {
                self.start_close();
                None
            }
            Poll::Pending => None,
        }
    }

    /// What the client sends next. While a request is being answered nothing is received: who asks faster than it is
    /// answered waits.
    fn poll_received(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        let is_busy = self.request.is_some() || !self.answers.as_slice().is_empty();
        if is_busy && self.is_open() {
            let _ = pin!(self.ws.flush()).poll(cx);
            return Poll::Pending;
        }
        if let Stage::Unheard(time) = &mut self.stage {
            let _ = pin!(self.ws.flush()).poll(cx);
            return time.as_mut().poll(cx).map(|()| Received::End);
        }
        let limits = &self.session.worker().hub.settings.limits;
        poll_receive(&mut self.ws, &mut self.allowance, limits, cx)
    }

    fn handle_message(&mut self, message: &Message) {
        if !self.is_open() {
            return;
        }
        let worker = self.session.worker();
        count_received(worker, message);
        match parse(message, self.format) {
            Ok(request) => self.request = Some(Box::pin(requests::answer(self.session.clone(), request))),
            Err(bad) => self.answers = vec![refuse(worker, &bad)].into_iter(),
        }
    }

    /// The client sends more than it may: it is told, and heard no further.
    fn give_up(&mut self) {
        self.session.end(Code::Flooding.into());
        if self.is_open() {
            self.start_close();
        }
        self.stage = Stage::Unheard(Box::pin(tokio::time::sleep(UNHEARD)));
    }

    fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    /// The client does not read, so that what waits for it is not asked for: has the session ended meanwhile?
    fn close_if_ended(&mut self) {
        if self.session.is_over() {
            self.start_close();
        }
    }

    /// The session has ended: the client is told why.
    fn start_close(&mut self) {
        let problem = self.session.ended().unwrap_or_else(|| Code::Unavailable.into());
        (self.stage, self.next, self.request) = (Stage::Closing, None, None);
        self.answers = Vec::new().into_iter();
        // Refused where the connection is closing already.
        let _ = self.ws.start_close(CloseCode::new(problem.code.number()), &problem.message);
        self.session.close(Departure::Closed);
    }

    /// The connection has ended: how decides whether the client counts as gone.
    fn depart(&mut self) {
        let (departure, code) = end_of(&self.ws);
        if let Some(code) = code {
            self.session.end(code.into());
        }
        self.session.close(departure);
    }
}

fn encode(entry: Entry) -> Next {
    Next::Own(match entry {
        Entry::Publication(publication) => return Next::Publication(publication),
        Entry::Gap(channel, gap) => own(envelope::gap(&channel, &gap)),
        Entry::Join(channel, member) => own(envelope::join(&channel, &member)),
        Entry::Leave(channel, member) => own(envelope::leave(&channel, &member)),
        Entry::Own(message) => own(message),
        Entry::Heartbeat => own(envelope::heartbeat()),
    })
}

/// The message that all connections of one format share.
fn prepared<'a>(publication: &'a Publication, format: Format, worker: &Worker) -> &'a Prepared {
    let known = match (format, &publication.data) {
        (Format::Binary, Data::Binary(_)) => publication.binary.get(),
        _ => publication.text.get(),
    };
    if let Some(known) = known {
        return known;
    }
    let may_compress = worker.hub.settings.namespace(&publication.channel).compression;
    let compress = if may_compress { Compress::Auto } else { Compress::Never };
    let binary = match format {
        Format::Binary => publication.binary_message(&worker.counters, compress),
        Format::Json => None,
    };
    binary.unwrap_or_else(|| publication.text_message(&worker.counters, compress))
}

/// How a connection has ended, and the code that this counts as.
pub(super) fn end_of<S: AsyncRead + AsyncWrite + Unpin>(ws: &WebSocket<S>) -> (Departure, Option<Code>) {
    match ws.closed().map(|closed| &closed.cause) {
        Some(Cause::Handshake) => (Departure::Closed, None),
        Some(Cause::Protocol(error)) => (Departure::Faulty(error.close_code().get()), None),
        Some(Cause::Timeout(Deadline::Write)) => (Departure::Broken, Some(Code::SlowConsumer)),
        Some(Cause::Timeout(_)) => (Departure::Broken, Some(Code::Silent)),
        _ => (Departure::Broken, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Since;
    use crate::identity::Identity;
    use crate::session::Opening;
    use crate::stream::testing::{publish, serving};
    use std::cell::Cell;
    use std::future::poll_fn;
    use tokio::io::DuplexStream;

    /// Both ends of a connection without channels, through a pipe.
    async fn pair(worker: &Rc<Worker>) -> (Connection<DuplexStream>, WebSocket<DuplexStream>) {
        let (near, far) = tokio::io::duplex(1 << 10);
        let client = sockeye::client::Client::new("ws://localhost/stream").unwrap();
        let (server, client) = tokio::join!(sockeye::accept(far), client.upgrade(near));
        let (transport, id) = (Transport::WebSocket, worker.hub.authority.mint_client());
        let opening = Opening { transport, client: id, identity: Identity::default() };
        let first = First { session: worker.open(opening), messages: vec![envelope::heartbeat()] };
        (Connection::new(first, server.unwrap(), Allowance::new()), client.unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn what_there_is_leaves_while_a_request_is_being_answered() {
        serving(
            |_| {},
            async |worker| {
                let (mut connection, mut client) = pair(&worker).await;
                connection.request = Some(Box::pin(std::future::pending()));
                tokio::task::spawn_local(Serving::new(connection));
                assert!(client.recv().await.unwrap().is_some());
            },
        )
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_publication_costs_no_turn_of_the_task_unless_the_client_does_not_read() {
        serving(
            |_| {},
            async |worker| {
                let (connection, mut client) = pair(&worker).await;
                let channel = "a".parse().unwrap();
                connection.session.subscribe(channel, Since::Now).await.unwrap();
                let turns = Rc::new(Cell::new(0));
                let (counted, mut serving) = (turns.clone(), Serving::new(connection));
                tokio::task::spawn_local(poll_fn(move |cx| {
                    counted.set(counted.get() + 1);
                    Pin::new(&mut serving).poll(cx)
                }));
                client.recv().await.unwrap();
                let before = turns.get();
                for n in 0..4 {
                    publish(&worker, "a", n).await;
                    client.recv().await.unwrap();
                }
                assert_eq!(turns.get(), before);
                publish(&worker, "a", "x".repeat(2 << 10)).await;
                client.recv().await.unwrap();
                assert!(turns.get() > before);
            },
        )
        .await;
    }
}
