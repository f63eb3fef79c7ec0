//! The echo server of tokio-websockets.
//!
//! As its `examples/echo_server.rs`: messages leave in one frame whatever their size, in a task without tokio's budget.
//! Beyond the example, the replies to a burst leave in one write (`Config::flush_threshold`).

use std::io;

use futures_util::{FutureExt, SinkExt, StreamExt};
use peers::{Options, Outcome, Peer, Transport, echo_each, serve};
use tokio_websockets::{ClientBuilder, Config, Error, Message, ServerBuilder, WebSocketStream};

#[derive(Clone)]
struct TokioWebsockets {
    send: bool,
}

impl Peer for TokioWebsockets {
    async fn echo(self, stream: impl Transport) -> Outcome {
        let (_request, ws) = ServerBuilder::new().config(config()).accept(stream).await?;
        if self.send {
            echo_each(ws, is_data).await?;
        } else {
            echo_gathered(ws).await?;
        }
        Ok(())
    }

    async fn echo_as_client(self, stream: impl Transport) -> Outcome {
        Ok(echo_gathered(ClientBuilder::new().config(config()).take_over(stream)).await?)
    }
}

fn config() -> Config {
    Config::default().frame_size(usize::MAX).flush_threshold(256 * 1024)
}

/// Its `poll_next` writes whatever has been fed, so that `feed` alone batches nothing: the messages that are ready are
/// taken first, then fed together.
async fn echo_gathered<S: Transport>(mut ws: WebSocketStream<S>) -> Result<(), Error> {
    let mut batch = Vec::new();
    while let Some(message) = ws.next().await {
        batch.push(message?);
        while let Some(Some(message)) = ws.next().now_or_never() {
            batch.push(message?);
        }
        for data in batch.drain(..).filter(is_data) {
            match ws.feed(data).await {
                // A Close stood behind it: the next `next` answers that.
                Err(Error::AlreadyClosed) => break,
                fed => fed?,
            }
        }
        ws.flush().await?;
    }
    Ok(())
}

fn is_data(message: &Message) -> bool {
    message.is_binary() || message.is_text()
}

fn main() -> io::Result<()> {
    let options = Options::from_args().without_deflate();
    serve(TokioWebsockets { send: options.send }, options)
}
