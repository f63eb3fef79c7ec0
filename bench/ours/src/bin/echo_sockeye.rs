//! Sockeye's echo server, as its README writes it: `recv`, then `feed`. With `--send` every echo is sent at once, with
//! `--deflate` messages are compressed where the client can, at the settings of the peers; `--light` too, at its defaults.
//!
//! With `--connect ADDRESS CONNECTIONS BYTES IN_FLIGHT` it is a client that sends some messages, and echoes what comes.

use sockeye::WebSocket;
use sockeye::extension::deflate::Deflate;
use sockeye::server::Server;
use std::error::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Fed,
    Sent,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [option, address, numbers @ ..] = &arguments[..]
        && option == "--connect"
    {
        return connect(address, numbers).await;
    }
    let is_asked = |option: &str| arguments.iter().any(|argument| argument == option);
    let style = if is_asked("--send") { Style::Sent } else { Style::Fed };
    let server = Server::new();
    let server = match (is_asked("--deflate"), is_asked("--light")) {
        (true, _) => server.deflate(as_peers()),
        (_, true) => server.deflate(Deflate::default()),
        _ => server,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening {}", listener.local_addr()?);
    loop {
        let (tcp, _) = listener.accept().await?;
        let server = server.clone();
        tokio::spawn(async move {
            if let Ok(ws) = server.accept(tcp).await {
                echo(ws, style).await;
            }
        });
    }
}

/// Context takeover, window 15, level 6.
fn as_peers() -> Deflate {
    Deflate::default().sending_takeover().level(6).mem_level(8).server_max_window_bits(15)
}

async fn connect(address: &str, numbers: &[String]) -> Result<(), Box<dyn Error>> {
    println!("connecting to {address}");
    let numbers: Vec<usize> = numbers.iter().map(|number| number.parse()).collect::<Result<_, _>>()?;
    let [connections, size, in_flight] = numbers[..] else { return Err("three numbers are needed".into()) };
    for _ in 0..connections {
        let mut ws = sockeye::connect(&format!("ws://{address}/")).await?;
        tokio::spawn(async move {
            for _ in 0..in_flight {
                let _ = ws.feed(vec![b'x'; size]).await;
            }
            echo(ws, Style::Fed).await;
        });
    }
    std::future::pending().await
}

async fn echo<S: AsyncRead + AsyncWrite + Unpin + 'static>(mut ws: WebSocket<S>, style: Style) {
    while let Ok(Some(message)) = ws.recv().await {
        let is_done = match style {
            Style::Fed => ws.feed(message).await.is_ok(),
            Style::Sent => ws.send(message).await.is_ok(),
        };
        if !is_done {
            break;
        }
    }
}
