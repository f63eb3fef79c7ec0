//! Sockeye's echo server, as its README writes it: `recv`, then `feed`. With `--send` every echo is sent at once, with
//! `--deflate` messages are compressed where the client can.

use sockeye::extension::deflate::Deflate;
use sockeye::server::Server;
use std::io;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let is_asked = |option| std::env::args().any(|argument| argument == option);
    let sends = is_asked("--send");
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening {}", listener.local_addr()?);
    let server = Server::new();
    let server = if is_asked("--deflate") { server.deflate(Deflate::default()) } else { server };
    loop {
        let (tcp, _) = listener.accept().await?;
        tcp.set_nodelay(true)?;
        let server = server.clone();
        tokio::spawn(async move {
            let Ok(mut ws) = server.accept(tcp).await else { return };
            while let Ok(Some(message)) = ws.recv().await {
                let done =
                    if sends { ws.send(message).await.is_ok() } else { ws.feed(message).await.is_ok() };
                if !done {
                    break;
                }
            }
        });
    }
}
