//! One connection to the server, by any transport, and what its end means.

use super::envelope::Envelope;
use super::events::Events;
use super::place::Place;
use super::polls::Polls;
use crate::args::{SubscribeArgs, Transport};
use crate::connect;
use crate::exit::{Exit, Failure, Outcome};
use crate::remote::{Ask, AskError, Refusal, Remote, bearer, body};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use hyper::body::Incoming;
use sockeye::client::ConnectError;
use sockeye::{CloseCode, Closed, Message, Stream, WebSocket};
use sockeye_hub::code::{Code, Then};
use std::io;
use std::time::Duration;

/// A connection from which messages of the protocol come.
pub(super) enum Link<'a> {
    WebSocket(Box<WebSocket<Stream>>),
    Events(Events),
    Polls(Polls<'a>),
}

/// Why no more messages come.
#[derive(Debug)]
pub(super) enum End {
    /// Connecting again makes it good, after this time if the server has said one.
    Lost { cause: String, retry: Option<Duration> },
    /// No connection came about.
    Unreachable(Failure),
    /// Connecting again would end the same way.
    Stop(Failure),
    /// Nobody reads what is printed.
    Unwritable(Outcome),
}

impl<'a> Link<'a> {
    pub(super) async fn open(
        remote: &'a Remote,
        args: &'a SubscribeArgs,
        place: &Place,
    ) -> Result<Self, End> {
        let token =
            bearer(args.token.as_ref(), args.token_file.as_deref(), "SOCKEYE_TOKEN").map_err(End::Stop)?;
        if args.channels.is_empty() && token.is_none() {
            let told = "name a CHANNEL, or give a token that grants some";
            return Err(End::Stop(Failure::new(Exit::Usage, told)));
        }
        let target = place.target(&args.channels);
        match args.transport {
            Transport::Websocket => {
                let client = remote
                    .client(&target)
                    .map_err(|error| End::unconnected(&error))?
                    .subprotocol("sockeye.json.v1");
                let client = match token {
                    Some(token) => client.header(header::AUTHORIZATION, token),
                    None => client,
                };
                let ws = client.connect().await.map_err(|error| End::unconnected(&error))?;
                Ok(Self::WebSocket(Box::new(ws)))
            }
            Transport::Sse => Events::open(remote, ask(target, token.as_ref())).await.map(Self::Events),
            Transport::LongPoll | Transport::Poll => Ok(Self::Polls(Polls::new(remote, args, token))),
        }
    }

    /// Ends it in order, where the transport has an order.
    pub(super) async fn close(&mut self) {
        if let Self::WebSocket(ws) = self {
            let _ = ws.close(CloseCode::NORMAL, "").await; // the program ends, however it went
        }
    }

    /// The next message. Dropping the future loses nothing.
    pub(super) async fn next(&mut self, place: &Place) -> Result<String, End> {
        match self {
            Self::WebSocket(ws) => next_of(ws).await,
            Self::Events(events) => events.next().await,
            Self::Polls(polls) => polls.next(place).await,
        }
    }
}

async fn next_of(ws: &mut WebSocket<Stream>) -> Result<String, End> {
    loop {
        match ws.recv().await {
            Ok(Some(Message::Text(text))) => return Ok(text.to_string()),
            Ok(Some(Message::Binary(_))) => {} // none that this client has asked for
            Ok(None) | Err(_) => {
                return Err(ws.closed().map_or_else(|| End::lost("the connection has ended"), End::closed));
            }
        }
    }
}

/// A request for the stream.
pub(super) fn ask(target: String, token: Option<&HeaderValue>) -> Ask {
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        headers.insert(header::AUTHORIZATION, token.clone());
    }
    Ask { method: Method::GET, target, headers, body: Bytes::new() }
}

impl End {
    pub(super) fn lost(cause: &(impl ToString + ?Sized)) -> Self {
        Self::Lost { cause: cause.to_string(), retry: None }
    }

    pub(super) fn unwritable(error: &io::Error) -> Self {
        Self::Unwritable(match error.kind() {
            io::ErrorKind::BrokenPipe => Ok(Exit::Success), // the next program of the pipe has had enough
            _ => Err(Failure::local("cannot write to standard output")(error)),
        })
    }

    /// The end that a message tells of, if it does.
    pub(super) fn told(envelope: &Envelope<'_>) -> Option<Self> {
        let code = envelope.code.filter(|_| envelope.kind == "close")?;
        let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
        let (name, message) = (text(&envelope.name), text(&envelope.message));
        Some(Self::refused(&Refusal { code, name, message, retry: envelope.retry }))
    }

    /// What a code of the server means.
    fn refused(refusal: &Refusal) -> Self {
        let stops = |way_out| Self::Stop(Failure::new(Exit::PeerError, format_args!("{refusal}{way_out}")));
        match Code::ALL.iter().find(|code| code.number() == refusal.code).map(|code| code.then()) {
            Some(Then::NewToken) => stops("; sockeye token makes a token, --token or SOCKEYE_TOKEN takes it"),
            Some(Then::Stop | Then::GoOn) => stops(""),
            Some(Then::Reconnect) => {
                Self::Lost { cause: refusal.to_string(), retry: refusal.retry.map(Duration::from_millis) }
            }
            None if (4100..4400).contains(&refusal.code) => stops(""),
            None => Self::lost(refusal),
        }
    }

    fn closed(closed: &Closed) -> Self {
        let Some(received) = closed.received.as_ref().filter(|_| closed.is_clean()) else {
            return Self::lost(&format_args!("the connection was lost: {closed}"));
        };
        let code = received.code.get();
        let name = Code::ALL.iter().find(|known| known.number() == code).map_or("", |known| known.name());
        match code {
            // The protocol, section 8: what a client of this kind sends would be refused again.
            1002 | 1003 | 1007 | 1009 | 1010 => {
                let told =
                    format_args!("the server closed with {code} {}", connect::line_of(&received.reason));
                Self::Stop(Failure::new(Exit::PeerError, told))
            }
            4000.. => Self::refused(&Refusal {
                code,
                name: name.to_owned(),
                message: received.reason.to_string(),
                retry: None,
            }),
            _ => Self::lost(&format_args!("the server closed with {code}")),
        }
    }

    pub(super) fn unasked(error: AskError) -> Self {
        match error {
            AskError::Connect(error) => Self::unconnected(&error),
            other => Self::Unreachable(other.into()),
        }
    }

    fn unconnected(error: &ConnectError) -> Self {
        let Some(refusal) = error.refusal() else { return Self::Unreachable(connect::failure(error)) };
        match serde_json::from_slice::<Refusal>(&refusal.body) {
            Ok(refusal) => Self::refused(&refusal),
            Err(_) if is_passing(refusal.status) => {
                Self::lost(&format_args!("the server answered {}", refusal.status))
            }
            Err(_) => Self::Stop(connect::failure(error)),
        }
    }
}

/// The answer, if it is what was asked for.
pub(super) async fn accepted(answer: Response<Incoming>) -> Result<Response<Incoming>, End> {
    let status = answer.status();
    if status == StatusCode::OK {
        return Ok(answer);
    }
    let body = body(answer).await.map_err(End::unasked)?;
    Err(match serde_json::from_slice::<Refusal>(&body) {
        Ok(refusal) => End::refused(&refusal),
        Err(_) if is_passing(status) => End::lost(&format_args!("the server answered {status}")),
        Err(_) => {
            let told =
                format_args!("the server answered {status}, which no push server does; check --server");
            End::Stop(Failure::new(Exit::Refused, told))
        }
    })
}

/// Whether whoever answers so, such as a proxy whose server is away, may soon answer otherwise.
fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status)
}
