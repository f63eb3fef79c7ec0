//! Sends every message back. Run it, then `sockeye connect ws://127.0.0.1:9001/`.

use sockeye::server::{Listener, OriginPolicy, Route, Server};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let server = Server::new().origin(OriginPolicy::any());
    let listener = Listener::bind("127.0.0.1:9001").await?;
    let echo = listener.service(Route::any(), server, |mut ws, _request| async move {
        while let Ok(Some(message)) = ws.recv().await {
            if ws.feed(message).await.is_err() {
                break;
            }
        }
    });
    echo.serve(tokio::signal::ctrl_c()).await;
    Ok(())
}
