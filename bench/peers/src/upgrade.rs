//! The handshake of the peers that leave it to hyper.

use std::{error::Error, future::ready};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;

use crate::{Outcome, Transport};

/// Serves the one request of a connection, as fastwebsockets' and yawc's examples do. `upgrade` answers it, and spawns
/// what happens afterwards.
pub async fn serve_upgrade<F, E>(stream: impl Transport, upgrade: F) -> Outcome
where
    F: Fn(Request<Incoming>) -> Result<Response<Empty<Bytes>>, E> + Send,
    E: Error + Send + Sync + 'static,
{
    http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service_fn(|request| ready(upgrade(request))))
        .with_upgrades()
        .await?;
    Ok(())
}
