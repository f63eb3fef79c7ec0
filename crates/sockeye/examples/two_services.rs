//! Two services on one port: `/echo`, and `/time` in two versions that differ by subprotocol. Ctrl-C shuts down: every
//! connection is closed with 1001 and awaited.

use sockeye::WebSocket;
use sockeye::server::{Listener, OriginPolicy, Route, Server};
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::new().origin(OriginPolicy::any());
    let listener = Listener::bind("127.0.0.1:9001")
        .await?
        .service(Route::path("/echo"), server.clone(), |ws, _request| echo(ws))
        .service(Route::path("/time").subprotocol("seconds")?, server.clone(), |ws, _| {
            tell_time(ws, |now| now.as_secs().to_string())
        })
        .service(Route::path("/time").subprotocol("millis")?, server, |ws, _| {
            tell_time(ws, |now| now.as_millis().to_string())
        });
    eprintln!("listening on ws://{}/", listener.get_ref().local_addr()?);
    let summary = listener.serve(tokio::signal::ctrl_c()).await;
    eprintln!("{} connections were served, {} had to be cut", summary.served, summary.cut);
    Ok(())
}

async fn echo(mut ws: WebSocket<TcpStream>) {
    while let Ok(Some(message)) = ws.recv().await {
        if ws.feed(message).await.is_err() {
            break;
        }
    }
}

/// Tells the time once a second, until the client has gone. Receiving goes on meanwhile: it answers pings and notices
/// the end.
async fn tell_time(mut ws: WebSocket<TcpStream>, format: fn(Duration) -> String) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = seconds.tick() => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                if ws.send(format(now)).await.is_err() {
                    return;
                }
            }
            message = ws.recv() => {
                if !matches!(message, Ok(Some(_))) {
                    return;
                }
            }
        }
    }
}
