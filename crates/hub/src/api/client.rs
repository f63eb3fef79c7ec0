//! What clients ask for by HTTP, with their token: publishing, and what a WebSocket would ask for by a message.

use super::query::{Known, Query};
use super::{answer, channel, count_refused, publishing, reading, refuse_other_methods};
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

/// Answers a client's request to `/publish`, `/presence` or `/history`, which came from `remote`.
pub(crate) async fn handle_client<B>(worker: &Worker, remote: IpAddr, request: Request<B>) -> Response<Body>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (parts, body) = request.into_parts();
    let method = if parts.uri.path() == "/publish" { Method::POST } else { Method::GET };
    if let Some(refused) = refuse_other_methods(worker, &method, &parts) {
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
        let (authority, settings) = (&worker.hub.authority, &worker.hub.settings.auth);
        let token = token_of(&parts.uri, &parts.headers, settings.cookie.as_deref());
        let identity = authority.identify(token.as_deref())?;
        let query = Query::parse(parts.uri.query(), known)?;
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
