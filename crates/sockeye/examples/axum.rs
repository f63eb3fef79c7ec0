//! An axum application with an echo beside its pages. Run it with `--features axum`, then
//! `sockeye connect ws://127.0.0.1:3000/echo`.

use axum::Router;
use axum::response::Response;
use axum::routing::{any, get};
use sockeye::Limits;
use sockeye::axum::WebSocketUpgrade;
use sockeye::server::Server;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let app = Router::new().route("/", get(async || "the WebSocket is at /echo\n")).route("/echo", any(echo));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, app).await
}

async fn echo(upgrade: WebSocketUpgrade) -> Response {
    let mut limits = Limits::default();
    limits.max_message = 64 << 10;
    upgrade.server(&Server::new().limits(limits)).on_upgrade(|mut ws| async move {
        while let Ok(Some(message)) = ws.recv().await {
            if ws.feed(message).await.is_err() {
                break;
            }
        }
    })
}
