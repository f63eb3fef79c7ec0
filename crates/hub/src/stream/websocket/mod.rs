//! A WebSocket of the stream: how it begins, and how it is turned away. What an open one does is in `connection`.

mod connection;

use connection::{Connection, First, Format, Serving, end_of};

use super::allowance::Allowance;
use super::ask::Ask;
use super::begin::{self, Begun};
use crate::code::{Code, Problem};
use crate::envelope::{self, Asked, BadRequest, Request};
use crate::identity::Identity;
use crate::metrics::Transport;
use crate::session::Departure;
use crate::settings;
use crate::worker::Worker;
use bytes::Bytes;
use sockeye::{CloseCode, Compress, Event, Message, Prepared, Text, WebSocket};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::Instrument as _;

/// The subprotocol in which everything is text, and which holds where none is agreed on.
pub(crate) const JSON: &str = "sockeye.json.v1";
/// The subprotocol in which binary payloads are binary messages.
pub(crate) const BINARY: &str = "sockeye.bin.v1";

/// How long a flooder has to take its Close frame. It is not heard any more, and then its connection is dropped: 500 ms.
const UNHEARD: Duration = Duration::from_millis(500);

/// What the library is to bound: a message has room for any publication, however its JSON was written, and for any
/// token. What is too large and fits is answered, and the connection goes on.
pub(crate) fn limits(limits: &settings::Limits) -> sockeye::Limits {
    /// Bytes of JSON for a byte of text, at most: `\u0001`. Base64 needs fewer.
    const ESCAPED: usize = 6;
    /// For the names and the fields around a payload: 16 KiB.
    const AROUND: usize = 16 << 10;
    let mut bounds = sockeye::Limits::default();
    bounds.max_message = limits.publication.max(limits.token).saturating_mul(ESCAPED).saturating_add(AROUND);
    bounds
}

/// Serves a connection until it ends. What it needs to begin is on the heap while it begins, and what it needs to go on
/// is too: the task that awaits this stays small.
pub(crate) fn run<S>(worker: Rc<Worker>, ws: WebSocket<S>, ask: Ask) -> impl Future<Output = ()>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let opening = Box::pin(open(worker, ws, ask).in_current_span());
    async move {
        let Some(serving) = opening.await else { return };
        serving.await;
    }
}

/// Closes a connection that cannot be served. A page sees no status and no body, but it sees the code.
pub(crate) fn turn_away<S>(
    worker: &Worker,
    ws: WebSocket<S>,
    problem: Problem,
) -> impl Future<Output = ()> + use<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let problem = begin::refused(worker, problem);
    async move { close(ws, &problem).await }
}

async fn close<S: AsyncRead + AsyncWrite + Unpin>(mut ws: WebSocket<S>, problem: &Problem) {
    if problem.code == Code::Flooding {
        let _ = ws.start_close(CloseCode::new(problem.code.number()), &problem.message);
        let _ = tokio::time::timeout(UNHEARD, ws.flush()).await;
        tokio::time::sleep(UNHEARD).await;
        return;
    }
    // How it ends no longer matters, and the library's deadline bounds it.
    let _ = ws.close(CloseCode::new(problem.code.number()), &problem.message).await;
}

async fn open<S>(worker: Rc<Worker>, mut ws: WebSocket<S>, ask: Ask) -> Option<Serving<S>>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let mut allowance = Allowance::new();
    match begin(&worker, &mut ws, &ask, &mut allowance).await {
        Ok(first) => Some(Serving::new(Connection::new(first, ws, allowance))),
        Err(Some(problem)) => {
            close(ws, &problem).await;
            None
        }
        Err(None) => {
            count_end(&worker, &ws);
            None
        }
    }
}

/// Counts a connection that ended before there was a session, which would count it.
fn count_end<S: AsyncRead + AsyncWrite + Unpin>(worker: &Worker, ws: &WebSocket<S>) {
    match end_of(ws) {
        (_, Some(code)) => drop(begin::refused(worker, code)),
        (Departure::Faulty(code), None) => worker.counters.fault(code).increment(),
        (_, None) => {} // it was nobody's
    }
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
            let message = match poll_fn(|cx| poll_receive(ws, allowance, limits, cx)).await {
                Received::Message(message) => message,
                Received::Control => continue,
                Received::TooMuch => return Err(Some(Code::Flooding.into())),
                Received::End => return Err(None),
            };
            count_received(worker, &message);
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
    tokio::select! {
        biased;
        () = worker.hub.until_draining() => Err(Some(Code::Draining.into())),
        token = token => token,
        () = tokio::time::sleep(limits.token_wait) => Err(Some(Code::TokenRequired.into())),
    }
}

/// What has come of a client.
enum Received {
    Message(Message),
    /// A control frame, which the library has dealt with.
    Control,
    /// More than it may send.
    TooMuch,
    /// Nothing any more.
    End,
}

fn poll_receive<S>(
    ws: &mut WebSocket<S>,
    allowance: &mut Allowance,
    limits: &settings::Limits,
    cx: &mut Context<'_>,
) -> Poll<Received>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let event = pin!(ws.next_event()).poll(cx);
    let len = if let Poll::Ready(Ok(Some(Event::Message(message)))) = &event { message.len() } else { 0 };
    // Also where it is pending: fragments come without an event.
    if !allowance.admits(ws.stats().received.frames, len, limits) {
        return Poll::Ready(Received::TooMuch);
    }
    event.map(|event| match event {
        Ok(Some(Event::Message(message))) => Received::Message(message),
        Ok(Some(_)) => Received::Control,
        Ok(None) | Err(_) => Received::End,
    })
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
        // Beside the library's, which is larger with its feature `tracing`.
        let own = size_of::<Connection<TcpStream>>() - size_of::<WebSocket<TcpStream>>();
        assert!(own <= 136, "{own}");
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
