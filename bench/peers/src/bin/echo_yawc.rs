//! The echo server of yawc.
//!
//! The handshake is hyper's, as in its documentation, and the buffers are those of `benches/README.md` in its
//! repository, 'Throughput settings'; `--send` keeps the defaults. UTF-8 is checked, which its default would leave out.

use std::io;

use futures_util::StreamExt;
use hyper::{Request, header::SEC_WEBSOCKET_EXTENSIONS};
use peers::{Options as Asked, Outcome, Peer, Transport, echo_batched, echo_each, serve, serve_upgrade};
use tokio::task::unconstrained;
use yawc::{CompressionLevel, Frame, OpCode, Options, UpgradeFut, WebSocket, WebSocketError};

#[derive(Clone)]
struct Yawc {
    options: Options,
    send: bool,
}

impl Peer for Yawc {
    async fn echo(self, stream: impl Transport) -> Outcome {
        serve_upgrade(stream, |mut request| {
            let options = with_window(self.options.clone(), &request);
            let (response, upgraded) = WebSocket::upgrade_with_options(&mut request, options)?;
            tokio::spawn(unconstrained(self.clone().echo_upgraded(upgraded)));
            Ok::<_, WebSocketError>(response)
        })
        .await
    }
}

impl Yawc {
    async fn echo_upgraded(self, upgraded: UpgradeFut) -> Outcome {
        let ws = upgraded.await?.map(Ok);
        if self.send {
            echo_each(ws, is_data).await?;
        } else {
            echo_batched(ws, is_data).await?;
        }
        Ok(())
    }
}

fn is_data(frame: &Frame) -> bool {
    matches!(frame.opcode(), OpCode::Binary | OpCode::Text)
}

fn options(asked: &Asked) -> Options {
    let mut options = Options::default().with_utf8().with_limits(64 << 20, 64 << 20);
    if asked.deflate {
        // Context takeover both ways and window 15, by default; zlib-rs does the work.
        options = options.with_compression_level(CompressionLevel::new(6));
    }
    if asked.send {
        return options;
    }
    options.with_read_buffer_capacity(128 * 1024).with_backpressure_boundary(64 * 1024)
}

/// Keeps the window at 15: where a client offers `client_max_window_bits`, it would choose 9 by itself, and the answer
/// may name that parameter only then.
fn with_window<B>(options: Options, request: &Request<B>) -> Options {
    let offer = request.headers().get(SEC_WEBSOCKET_EXTENSIONS).and_then(|offer| offer.to_str().ok());
    match offer {
        Some(offer) if options.compression.is_some() && offer.contains("client_max_window_bits") => {
            options.with_client_max_window_bits(15)
        }
        _ => options,
    }
}

fn main() -> io::Result<()> {
    let asked = Asked::from_args();
    serve(Yawc { options: options(&asked), send: asked.send }, asked)
}
