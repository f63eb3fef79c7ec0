//! A WebSocket of the stream: one task that hands out what its session has and takes requests, in one loop.

use super::allowance::Allowance;
use super::ask::Ask;
use super::begin::{self, Begun};
use super::requests;
use crate::code::{Code, Problem};
use crate::envelope::{self, Asked, BadRequest, Request};
use crate::identity::Identity;
use crate::metrics::Transport;
use crate::session::{Departure, Entry, Session};
use crate::settings;
use crate::worker::Worker;
use bytes::Bytes;
use sockeye::{Cause, CloseCode, Compress, Deadline, Message, Prepared, Text, WebSocket};
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};

/// The subprotocol in which everything is text, and which holds where none is agreed on.
pub(crate) const JSON: &str = "sockeye.json.v1";
/// The subprotocol in which binary payloads are binary messages.
pub(crate) const BINARY: &str = "sockeye.bin.v1";

/// Which subprotocol a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Binary,
}

/// What the library is to bound: a message has room for any publication as base64, and for any token.
pub(crate) fn limits(limits: &settings::Limits) -> sockeye::Limits {
    /// For the names and the fields around a payload.
    const AROUND: usize = 4 << 10;
    let mut bounds = sockeye::Limits::default();
    bounds.max_message = (limits.publication.div_ceil(3) * 4).max(limits.token) + AROUND;
    bounds
}

/// Serves a connection until it ends. What it needs to begin is on the heap while it begins, and what it needs to go on
/// is too: the task that awaits this stays small.
pub(crate) fn run<S>(worker: Rc<Worker>, ws: WebSocket<S>, ask: Ask) -> impl Future<Output = ()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let opening = Box::pin(open(worker, ws, ask));
    async move {
        let Some(connection) = opening.await else { return };
        connection.await;
    }
}

/// Closes a connection that cannot be served. A page sees no status and no body, but it sees the code.
pub(crate) async fn turn_away<S>(worker: &Worker, ws: WebSocket<S>, problem: &Problem)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    worker.counters.ended(problem.code).increment();
    close(ws, problem).await;
}

async fn close<S: AsyncRead + AsyncWrite + Unpin>(mut ws: WebSocket<S>, problem: &Problem) {
    // How it ends no longer matters, and the library's deadline bounds it.
    let _ = ws.close(CloseCode::new(problem.code.number()), &problem.message).await;
}

async fn open<S>(worker: Rc<Worker>, mut ws: WebSocket<S>, ask: Ask) -> Option<Box<Connection<S>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut allowance = Allowance::new();
    match begin(&worker, &mut ws, &ask, &mut allowance).await {
        Ok(first) => Some(Box::new(Connection::new(first, ws, allowance))),
        Err(problem) => {
            close(ws, &problem?).await;
            None
        }
    }
}

/// What a connection that has begun is to be told first, and its session.
struct First {
    session: Rc<Session>,
    messages: Vec<Bytes>,
}

/// Begins. Fails without a problem where the connection has ended.
async fn begin<S>(
    worker: &Rc<Worker>,
    ws: &mut WebSocket<S>,
    ask: &Ask,
    allowance: &mut Allowance,
) -> Result<First, Option<Problem>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let waits = ask.token.is_none() && !worker.hub.authority.allows_anonymous();
    let (identity, answer) = if waits {
        let token = Box::pin(first_message(worker, ws, allowance)).await;
        token.map_err(|problem| problem.map(|problem| begin::refused(worker, problem)))?
    } else {
        (begin::identify(worker, ask.token.as_deref())?, None)
    };
    let Begun { session, open, refused, .. } = begin::begin(worker, ask, identity).await?;
    let messages = [open].into_iter().chain(refused).chain(answer).collect();
    Ok(First { session, messages })
}

/// Waits for the message that says who the client is. Fails without a problem where the connection has ended.
async fn first_message<S>(
    worker: &Worker,
    ws: &mut WebSocket<S>,
    allowance: &mut Allowance,
) -> Result<(Identity, Option<Bytes>), Option<Problem>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let limits = &worker.hub.settings.limits;
    let token = async {
        loop {
            let Ok(Some(message)) = ws.recv().await else { return Err(None) };
            count_received(worker, &message);
            if !allowance.admits(message.len(), limits) {
                return Err(Some(Code::Flooding.into()));
            }
            let problem = match parse(&message, Format::Json) {
                Ok(Request { id, ask: Asked::Token { token } }) => {
                    let identity = worker.hub.authority.verify(&token).map_err(Some)?;
                    let answer = envelope::token(id, identity.user.as_deref(), identity.expires);
                    return Ok((identity, id.map(|_| answer)));
                }
                Ok(Request { id, .. }) => BadRequest { id, problem: Code::TokenRequired.into() },
                Err(bad) => bad,
            };
            let error = own(refuse(worker, &problem));
            if ws.feed_prepared(&error).await.is_err() {
                return Err(None);
            }
        }
    };
    tokio::time::timeout(limits.token_wait, token)
        .await
        .unwrap_or_else(|_| Err(Some(Code::TokenRequired.into())))
}

/// An open connection: the future that serves it.
struct Connection<S> {
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
    next: Option<Prepared>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// A Close frame is under way; what still comes is dropped.
    Closing,
}

/// Whether there was anything to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Made,
    None,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Connection<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            this.poll_request(cx);
            this.hand_out(cx);
            match this.poll_receive(cx) {
                Poll::Ready(Some(message)) => this.handle_message(&message),
                Poll::Ready(None) => {
                    this.depart();
                    return Poll::Ready(());
                }
                // Receiving has written: there may be room again. What is fed now is written by receiving.
                Poll::Pending if this.hand_out(cx) == Progress::Made => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn new(first: First, ws: WebSocket<S>, allowance: Allowance) -> Self {
        let First { session, messages } = first;
        let format = if ws.subprotocol() == Some(BINARY) { Format::Binary } else { Format::Json };
        let answers = messages.into_iter();
        Self { session, ws, format, stage: Stage::Open, allowance, request: None, answers, next: None }
    }

    fn poll_request(&mut self, cx: &mut Context<'_>) {
        if let Some(Poll::Ready(answers)) = self.request.as_mut().map(|request| request.as_mut().poll(cx)) {
            self.request = None;
            self.answers = answers.into_iter();
        }
    }

    /// Gives the connection what there is, as long as its queue has room. It leaves when nothing more is to be read:
    /// all that has gathered in one write.
    fn hand_out(&mut self, cx: &mut Context<'_>) -> Progress {
        let mut progress = Progress::None;
        while self.stage == Stage::Open {
            if self.next.is_none() {
                self.next = self.next_message(cx);
            }
            let Some(next) = &self.next else { break };
            let len = next.payload().len() as u64;
            let fed = pin!(self.ws.feed_prepared(next)).poll(cx);
            match fed {
                Poll::Ready(Ok(())) => {
                    let counters = self.session.worker().counters.transport(Transport::WebSocket);
                    counters.messages_sent.increment();
                    counters.bytes_sent.add(len);
                    (self.next, progress) = (None, Progress::Made);
                }
                // It is closing or has ended: receiving tells how.
                Poll::Ready(Err(_)) => (self.next, self.stage) = (None, Stage::Closing),
                Poll::Pending => {
                    self.close_if_ended();
                    break;
                }
            }
        }
        progress
    }

    fn next_message(&mut self, cx: &mut Context<'_>) -> Option<Prepared> {
        if let Some(answer) = self.answers.next() {
            if self.answers.as_slice().is_empty() {
                self.answers = Vec::new().into_iter(); // an idle connection owns no buffer
            }
            return Some(own(answer));
        }
        match self.session.poll_entry(cx) {
            Poll::Ready(Some(entry)) => Some(self.encode(entry)),
            Poll::Ready(None) => {
                self.start_close();
                None
            }
            Poll::Pending => None,
        }
    }

    fn encode(&self, entry: Entry) -> Prepared {
        match entry {
            Entry::Publication(publication) => {
                let worker = self.session.worker();
                let may_compress = worker.hub.settings.namespace(&publication.channel).compression;
                let compress = if may_compress { Compress::Auto } else { Compress::Never };
                let binary = match self.format {
                    Format::Binary => publication.binary_message(&worker.counters, compress),
                    Format::Json => None,
                };
                binary.unwrap_or_else(|| publication.text_message(&worker.counters, compress)).clone()
            }
            Entry::Gap(channel, gap) => own(envelope::gap(&channel, &gap)),
            Entry::Join(channel, member) => own(envelope::join(&channel, &member)),
            Entry::Leave(channel, member) => own(envelope::leave(&channel, &member)),
            Entry::Own(message) => own(message),
            Entry::Heartbeat => own(envelope::heartbeat()),
        }
    }

    /// The next message of the client; `None` once the connection has ended. While a request is being answered nothing
    /// is received: who asks faster than it is answered waits.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let is_busy = self.request.is_some() || !self.answers.as_slice().is_empty();
        if is_busy && self.stage == Stage::Open {
            let _ = pin!(self.ws.flush()).poll(cx);
            return Poll::Pending;
        }
        pin!(self.ws.recv()).poll(cx).map(Result::unwrap_or_default)
    }

    fn handle_message(&mut self, message: &Message) {
        if self.stage == Stage::Closing {
            return;
        }
        let worker = self.session.worker();
        count_received(worker, message);
        if !self.allowance.admits(message.len(), &worker.hub.settings.limits) {
            self.session.end(Code::Flooding.into());
            return;
        }
        match parse(message, self.format) {
            Ok(request) => self.request = Some(Box::pin(requests::answer(self.session.clone(), request))),
            Err(bad) => self.answers = vec![refuse(worker, &bad)].into_iter(),
        }
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
        let departure = match self.ws.closed().map(|closed| &closed.cause) {
            Some(Cause::Handshake) => Departure::Closed,
            Some(Cause::Timeout(Deadline::Write)) => {
                self.session.end(Code::SlowConsumer.into());
                Departure::Broken
            }
            Some(Cause::Timeout(_)) => {
                self.session.end(Code::Silent.into());
                Departure::Broken
            }
            _ => Departure::Broken,
        };
        self.session.close(departure);
    }
}

fn parse(message: &Message, format: Format) -> Result<Request, BadRequest> {
    match (message, format) {
        (Message::Text(text), _) => Request::parse(text),
        (Message::Binary(frame), Format::Binary) => Request::parse_binary(frame),
        (Message::Binary(_), Format::Json) => {
            let message = format_args!("binary messages need the subprotocol {BINARY}");
            Err(BadRequest { id: None, problem: Problem::new(Code::BadEnvelope, message) })
        }
    }
}

fn refuse(worker: &Worker, bad: &BadRequest) -> Bytes {
    worker.counters.errors.increment();
    envelope::error(&bad.problem, bad.id, None)
}

fn count_received(worker: &Worker, message: &Message) {
    let counters = worker.counters.transport(Transport::WebSocket);
    counters.messages_received.increment();
    counters.bytes_received.add(message.len() as u64);
}

/// A message for this client alone. It may carry secrets beside what others can choose, so it is not compressed.
fn own(message: Bytes) -> Prepared {
    // Ours, so it is UTF-8.
    let message = Text::try_from(message).map_or_else(|error| error.to_string().into(), Message::text);
    Prepared::with(message, Compress::Never)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::testing::hub;
    use http::HeaderMap;
    use tokio::io::DuplexStream;
    use tokio::net::TcpStream;

    #[tokio::test]
    async fn an_idle_connection_is_small() {
        assert!(size_of::<Connection<TcpStream>>() <= 448, "{}", size_of::<Connection<TcpStream>>());
        let worker = Worker::new(hub());
        let running = |ws: WebSocket<DuplexStream>| {
            let ask = Ask::parse(&worker.hub, &"/stream".parse().unwrap(), &HeaderMap::new()).unwrap();
            size_of_val(&run(worker.clone(), ws, ask))
        };
        let (near, far) = tokio::io::duplex(1 << 10);
        let client = sockeye::client::Client::new("ws://localhost/stream").unwrap();
        let (server, _client) = tokio::join!(sockeye::accept(far), client.upgrade(near));
        assert!(running(server.unwrap()) <= 64);
    }
}
