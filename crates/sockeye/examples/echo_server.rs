//! Sends every message back. Run it, then `sockeye connect ws://127.0.0.1:9001/`.

use sockeye::server::{OriginPolicy, Server};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::new().origin(OriginPolicy::any());
    let listener = TcpListener::bind("127.0.0.1:9001").await?;
    loop {
        let (tcp, _) = listener.accept().await?;
        let server = server.clone();
        tokio::spawn(async move {
            let mut ws = server.accept(tcp).await?;
            while let Some(message) = ws.recv().await? {
                ws.feed(message).await?;
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        });
    }
}
