//! The opening handshake on a connected transport.

use super::report::{Report, timed};
use super::{Client, ConnectError};
use crate::mask_keys::ThreadKeys;
use crate::timer::{self, Timer};
use crate::websocket::{Parts, WebSocket};
use bytes::BytesMut;
use sockeye_proto::connection::Setup;
use sockeye_proto::handshake::{ClientHandshake, HandshakeError, HeadLimits, Response};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout_at;

/// Room for the first read: nearly every answer fits.
const FIRST_READ: usize = 1024;

pub(super) async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
    client: &Client,
    mut io: S,
    limits: HeadLimits,
    report: &mut Report,
) -> Result<WebSocket<S>, ConnectError> {
    let nonce = rand::random(); // RFC 6455 4.1: 16 random bytes, new for every connection
    let (mut handshake, request) = ClientHandshake::new(client.request.clone(), limits, nonce, timer::now())?;
    report.set_request(&request, &client.secrets);
    let deadline = handshake.poll_timeout();
    let mut rest = BytesMut::with_capacity(FIRST_READ);
    let exchange = timeout_at(deadline.into(), async {
        // A server may refuse before it has taken everything: its answer says more than the failed write.
        let _ = write(&mut io, &request).await;
        read(&mut io, &mut handshake, &mut rest).await
    });
    let response = match timed(&mut report.timings.upgrade, exchange).await {
        Ok(response) => response?,
        Err(_) => return Err(handshake.handle_timeout(deadline).unwrap_or(HandshakeError::Timeout).into()),
    };
    report.response = response.headers;
    let setup = Setup {
        limits: client.limits.clone(),
        codecs: response.codecs,
        mask_keys: Some(Box::new(ThreadKeys)),
    };
    let subprotocol = response.subprotocol;
    Ok(WebSocket::new(Parts { io, setup, rest, subprotocol, timer: Timer::default() }))
}

async fn write<S: AsyncWrite + Unpin>(io: &mut S, request: &[u8]) -> std::io::Result<()> {
    io.write_all(request).await?;
    io.flush().await
}

/// Reads until the answer is whole. What stands behind it stays in `input`.
async fn read<S: AsyncRead + Unpin>(
    io: &mut S,
    handshake: &mut ClientHandshake,
    input: &mut BytesMut,
) -> Result<Response, ConnectError> {
    loop {
        match io.read_buf(input).await {
            Ok(0) => return Err(handshake.handle_eof().unwrap_or(HandshakeError::Eof).into()),
            Ok(_) => {
                if let Some(response) = handshake.read(input)? {
                    return Ok(response);
                }
            }
            // What has come of a refusal says more than how the connection ended.
            Err(error) => {
                return Err(match handshake.handle_eof() {
                    Some(refused @ HandshakeError::Refused(_)) => refused.into(),
                    _ => error.into(),
                });
            }
        }
    }
}
