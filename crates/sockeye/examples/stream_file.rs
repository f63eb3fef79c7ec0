//! Streams files of any size both ways without holding one: `cargo run --example stream_file -- FILE` sends the file to
//! everyone who connects, and counts what it is sent back.

use sockeye::server::{Listener, OriginPolicy, Route, Server};
use sockeye::{CloseCode, CloseFrame, Kind, WebSocket};
use std::error::Error;
use std::path::{Path, PathBuf};
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// Bytes of a piece.
const PIECE: usize = 64 << 10;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path: PathBuf = std::env::args().nth(1).ok_or("give the file to send")?.into();
    let server = Server::new().origin(OriginPolicy::any());
    let listener = Listener::bind("127.0.0.1:9001").await?.service(Route::any(), server, move |mut ws, _| {
        let path = path.clone();
        async move {
            match exchange(&mut ws, &path).await {
                Ok(received) => eprintln!("the file was sent; {received} bytes came back"),
                Err(error) => eprintln!("{error}"),
            }
            let _ = ws.close(CloseCode::NORMAL, "").await;
        }
    });
    eprintln!("listening on ws://127.0.0.1:9001/");
    listener.serve(tokio::signal::ctrl_c()).await;
    Ok(())
}

/// Sends the file as one message, then receives one. How many bytes came.
async fn exchange(ws: &mut WebSocket<TcpStream>, path: &Path) -> Result<u64, Box<dyn Error + Send + Sync>> {
    let mut file = File::open(path).await?;
    let mut message = ws.send_message(Kind::Binary).await?;
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        match file.read_buf(&mut piece).await {
            Ok(0) => break message.finish(Vec::new()).await?,
            Ok(_) => message.write(piece).await?,
            Err(error) => {
                // Half a file cannot be taken back: the peer learns that it is not whole.
                message.abort(CloseFrame::new(CloseCode::INTERNAL_ERROR, "the file cannot be read")).await?;
                return Err(error.into());
            }
        }
    }
    let mut received = 0;
    if let Some(mut message) = ws.recv_message().await? {
        while let Some(piece) = message.next().await? {
            received += piece.len() as u64;
        }
    }
    Ok(received)
}
