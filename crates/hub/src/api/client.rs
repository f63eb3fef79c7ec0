//! What clients ask for by HTTP, with their token: publishing, and what a WebSocket would ask for by a message.

use super::query::{Known, Query};
use super::{answer, channel, count_refused, publishing, reading};
use crate::auth::{ClientId, token_of};
use crate::code::{Code, Problem};
use crate::envelope;
use crate::identity::Identity;
use crate::operations::{self, Caller, Sender};
use crate::serve::body::Body;
use crate::serve::gate::holder;
use crate::worker::Worker;
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response};
use std::error::Error;
use std::net::IpAddr;

/// The addresses where clients ask: `/publish`, `/presence`, `/history`.
pub(crate) const CLIENT_ADDRESSES: [&str; 3] = ["/publish", "/presence", "/history"];

/// Answers a client's request to one of [`CLIENT_ADDRESSES`], which came from `remote`.
pub(crate) async fn handle_client<B>(worker: &Worker, remote: IpAddr, request: Request<B>) -> Response<Body>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (parts, body) = request.into_parts();
    let method = if parts.uri.path() == "/publish" { Method::POST } else { Method::GET };
    if let Err(refused) = super::check_method(worker, &method, &parts) {
        return refused;
    }
    let answered = match parts.uri.path() {
        "/publish" => publish(worker, remote, &parts, body).await,
        "/presence" => presence(worker, remote, &parts).await,
        "/history" => history(worker, remote, &parts).await,
        _ => Err(Code::NotFound.into()),
    };
    answered.unwrap_or_else(|problem| count_refused(worker, &problem))
}

async fn publish<B>(
    worker: &Worker,
    remote: IpAddr,
    parts: &Parts,
    body: B,
) -> Result<Response<Body>, Problem>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let known = Known { many: &[], once: &["channel", "key", "fields", "client", "token"] };
    let (visitor, query) = Visitor::read(worker, parts, known)?;
    let channel = channel(query.required("channel")?)?;
    let publish = publishing::payload(worker, &query, parts, body).await?;
    visitor.check_pace(worker, remote, publish.data.bytes().len())?;
    let published = operations::publish(worker, visitor.caller(), channel, publish).await?;
    Ok(answer::json(envelope::published(None, &published.position)))
}

async fn presence(worker: &Worker, remote: IpAddr, parts: &Parts) -> Result<Response<Body>, Problem> {
    let known = Known { many: &[], once: &["channel", "client", "token"] };
    let (visitor, query) = Visitor::read(worker, parts, known)?;
    visitor.check_pace(worker, remote, 0)?;
    reading::presence(worker, visitor.caller(), &query).await
}

async fn history(worker: &Worker, remote: IpAddr, parts: &Parts) -> Result<Response<Body>, Problem> {
    let known = Known { many: &[], once: &["channel", "limit", "reverse", "since", "client", "token"] };
    let (visitor, query) = Visitor::read(worker, parts, known)?;
    visitor.check_pace(worker, remote, 0)?;
    reading::history(worker, visitor.caller(), &query).await
}

/// A client, as far as its request tells.
struct Visitor {
    identity: Identity,
    client: ClientId,
    /// Whether the client has brought the id, and not just been given it.
    is_returning: bool,
}

impl Visitor {
    fn read<'a>(worker: &Worker, parts: &'a Parts, known: Known) -> Result<(Self, Query<'a>), Problem> {
        let identity = identity(worker, parts)?;
        let query = Query::parse(parts.uri.query(), known)?;
        let authority = &worker.hub.authority;
        let returning = query.one("client").and_then(|client| authority.check_client(client));
        let is_returning = returning.is_some();
        let client = returning.unwrap_or_else(|| authority.mint_client());
        Ok((Self { identity, client, is_returning }, query))
    }

    fn caller(&self) -> Caller<'_> {
        Caller::Client { identity: &self.identity, client: self.client.id() }
    }

    fn check_pace(&self, worker: &Worker, remote: IpAddr, len: usize) -> Result<(), Problem> {
        let sender = match &self.identity.user {
            _ if self.is_returning => Sender::Client(self.client.id()),
            Some(user) => Sender::User(user),
            None => Sender::Address(holder(remote)),
        };
        worker.hub.pacing.check_sender(sender, len, &worker.hub.settings.limits)
    }
}

/// Who the client is by its token.
fn identity(worker: &Worker, parts: &Parts) -> Result<Identity, Problem> {
    let authority = &worker.hub.authority;
    let cookie = worker.hub.settings.auth.cookie.as_deref();
    match token_of(&parts.uri, &parts.headers, cookie) {
        Some(token) => authority.verify(&token),
        None if authority.allows_anonymous() => Ok(Identity::default()),
        None => Err(Problem::new(
            Code::TokenRequired,
            "a token is needed, and none came; give it as Authorization: Bearer TOKEN",
        )),
    }
}
