//! One connection's way through its handshake: prepared, read, routed, checked, answered.

use super::{OnRefused, Service};
use crate::server::drain::Member;
use crate::server::handshake::{self, Handshake, unless, within};
use crate::server::{AcceptError, Rejection, Request, Server, route};
use crate::trace;
use crate::websocket::WebSocket;
use http::StatusCode;
use sockeye_proto::CloseCode;
use sockeye_proto::handshake::ServerHandshake;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

/// What all handshakes of a listener share.
pub(super) struct Site<S> {
    pub(super) services: Vec<Service<S>>,
    /// Reads the requests; a service's own server answers them.
    pub(super) reader: Server,
    pub(super) on_refused: Box<OnRefused>,
}

/// A handshake that begins.
pub(super) struct Opening<S> {
    pub(super) site: Arc<Site<S>>,
    pub(super) reading: ServerHandshake,
    pub(super) drain: Member,
    /// Told to make room. Closed when the request is whole.
    pub(super) shed: oneshot::Receiver<()>,
}

/// What a task of the listener's first set comes to.
pub(super) enum Outcome<S> {
    Opened(Box<Opened<S>>),
    Failed,
    Shed,
    TurnedAway,
}

pub(super) struct Opened<S> {
    pub(super) ws: WebSocket<S>,
    pub(super) request: Request,
    pub(super) service: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Opening<S> {
    pub(super) async fn run(self, prepare: impl Future<Output = io::Result<S>>) -> Outcome<S> {
        let Self { site, reading, drain, mut shed } = self;
        let read = unless(Pin::new(&mut shed), read(&site.reader, prepare, reading, drain)).await;
        shed.close();
        let handshake = match read {
            // Who was told to go has gone, even if the request has come meanwhile: its place is given away.
            Ok(read) if shed.try_recv().is_err() => read,
            _ => {
                site.tell(None, &AcceptError::Dropped);
                return Outcome::Shed;
            }
        };
        match handshake {
            Ok(handshake) => site.answer(handshake).await,
            Err(error) => site.tell(None, &error),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Site<S> {
    async fn answer(&self, handshake: Handshake<S>) -> Outcome<S> {
        let service = match self.select(handshake.request()) {
            Ok(service) => service,
            Err(rejection) => {
                let (error, request) = handshake.refuse(rejection).await;
                return self.tell(Some(&request), &error);
            }
        };
        match handshake.with(&self.services[service].server).complete().await {
            (Ok(parts), request) => {
                let ws = WebSocket::new(parts);
                Outcome::Opened(Box::new(Opened { ws, request, service }))
            }
            (Err(error), request) => self.tell(Some(&request), &error),
        }
    }

    fn select(&self, request: &Request) -> Result<usize, Rejection> {
        let index = route::select(self.services.iter().map(|service| &service.route), request)?;
        self.services[index].route.permit(request)?;
        Ok(index)
    }
}

impl<S> Site<S> {
    fn tell(&self, request: Option<&Request>, error: &AcceptError) -> Outcome<S> {
        trace::refused(request, error);
        (self.on_refused)(request, error);
        Outcome::Failed
    }
}

/// Prepares the connection and reads its request.
async fn read<S: AsyncRead + AsyncWrite + Unpin>(
    reader: &Server,
    prepare: impl Future<Output = io::Result<S>>,
    reading: ServerHandshake,
    mut drain: Member,
) -> Result<Handshake<S>, AcceptError> {
    let mut drained = pin!(poll_fn(|cx| drain.poll(cx)));
    let prepared = within(reading.poll_timeout(), unless(drained.as_mut(), prepare)).await;
    let prepared = prepared.map_err(|_| AcceptError::Timeout)?;
    let io = prepared.map_err(|()| AcceptError::Dropped)??;
    let interrupt = async {
        drained.await;
        Rejection::new(StatusCode::SERVICE_UNAVAILABLE).body("the server shuts down; connect again")
    };
    handshake::read(reader, io, reading, interrupt).await
}

pub(super) async fn turn_away<S: AsyncRead + AsyncWrite + Unpin>(
    mut ws: WebSocket<S>,
    code: CloseCode,
    reason: &'static str,
) -> Outcome<S> {
    let _ = ws.close(code, reason).await; // it is over, however it ended
    Outcome::TurnedAway
}
