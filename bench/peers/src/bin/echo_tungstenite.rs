//! The echo server of tokio-tungstenite.
//!
//! Its documentation lets replies gather until a flush (changelog of tungstenite 0.20) and leaves the size of the read
//! buffer to the load (`WebSocketConfig::read_buffer_size`). 16 KiB rather than the default 128 KiB: what is free of
//! the buffer is filled with zeros before every read, which costs more than the handling of small messages. Messages of
//! a MiB alone are faster with the default, which `--send` keeps.

use std::io;

use peers::{Options, Outcome, Peer, Transport, echo_batched, echo_each, serve};
use tokio_tungstenite::{
    WebSocketStream, accept_async, accept_async_with_config,
    tungstenite::{
        Message,
        protocol::{Role, WebSocketConfig},
    },
};

#[derive(Clone)]
struct Tungstenite {
    send: bool,
}

impl Peer for Tungstenite {
    async fn echo(self, stream: impl Transport) -> Outcome {
        if self.send {
            return Ok(echo_each(accept_async(stream).await?, is_data).await?);
        }
        Ok(echo_batched(accept_async_with_config(stream, Some(config())).await?, is_data).await?)
    }

    async fn echo_as_client(self, stream: impl Transport) -> Outcome {
        let ws = WebSocketStream::from_raw_socket(stream, Role::Client, Some(config())).await;
        Ok(echo_batched(ws, is_data).await?)
    }
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(16 * 1024)
}

fn is_data(message: &Message) -> bool {
    message.is_binary() || message.is_text()
}

fn main() -> io::Result<()> {
    let options = Options::from_args().without_deflate();
    serve(Tungstenite { send: options.send }, options)
}
