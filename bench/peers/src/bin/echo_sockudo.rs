//! The echo server of sockudo-ws.
//!
//! `feed` is all it takes: `next` writes what was fed before it waits for more input, by the documentation of
//! `Config::write_coalescing`. Its heartbeat is off, since no other peer has one, and so is its feature `mimalloc`:
//! every server has the allocator of the system.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use peers::{Options, Outcome, Peer, Transport, echo_each, serve};
use sockudo_ws::{
    CompressedWebSocketStream, Config, DeflateConfig, Error, Http1, Message,
    deflate::negotiate_server_deflate,
    handshake::{build_response, generate_accept_key, parse_request},
    server::WebSocketServer,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[derive(Clone)]
struct Sockudo {
    server: WebSocketServer<Http1>,
    deflate: bool,
    send: bool,
}

impl Peer for Sockudo {
    async fn echo(self, mut stream: impl Transport) -> Outcome {
        if self.deflate {
            let (deflate, early) = accept_deflate(&mut stream).await?;
            let config = self.server.config().clone();
            let ws = CompressedWebSocketStream::server_with_leftover(stream, config, deflate, Some(early));
            return Ok(self.echo_on(ws).await?);
        }
        let (mut ws, _handshake) = self.server.accept_raw(stream).await?;
        // The replies to a burst leave in one write.
        ws.set_high_water_mark(256 * 1024);
        Ok(self.echo_on(ws).await?)
    }
}

impl Sockudo {
    async fn echo_on<W>(&self, ws: W) -> Result<(), Error>
    where
        W: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin,
    {
        if self.send { echo_each(ws, is_data).await } else { echo_fed(ws).await }
    }
}

async fn echo_fed<W>(mut ws: W) -> Result<(), Error>
where
    W: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin,
{
    while let Some(message) = ws.next().await {
        match message? {
            data if is_data(&data) => ws.feed(data).await?,
            _control => {}
        }
    }
    Ok(())
}

fn is_data(message: &Message) -> bool {
    message.is_binary() || message.is_text()
}

/// The handshake of its `autobahn/server.rs`: `WebSocketServer::accept` negotiates no extension.
///
/// The default `DeflateConfig`: context takeover both ways, window 15, level 6, nothing below 32 bytes.
async fn accept_deflate(stream: &mut impl Transport) -> Result<(DeflateConfig, Bytes), Error> {
    let mut head = BytesMut::with_capacity(4096);
    loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(Error::ConnectionClosed);
        }
        if let Some((request, len)) = parse_request(&head)? {
            let deflate = request
                .extensions
                .and_then(|offer| negotiate_server_deflate(offer, &DeflateConfig::default()));
            let deflate = deflate.ok_or(Error::HandshakeFailed("no permessage-deflate was offered"))?;
            let extension = deflate.to_response_header();
            let response = build_response(&generate_accept_key(request.key), None, Some(&extension));
            stream.write_all(&response).await?;
            head.advance(len);
            return Ok((deflate.config, head.freeze()));
        }
    }
}

fn main() -> io::Result<()> {
    let options = Options::from_args();
    let config = Config::builder().max_payload_length(64 << 20).idle_timeout(0).auto_ping(false).build();
    let sockudo =
        Sockudo { server: WebSocketServer::new(config), deflate: options.deflate, send: options.send };
    serve(sockudo, options)
}
