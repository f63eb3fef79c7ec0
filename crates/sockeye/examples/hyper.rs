//! A hyper server with an echo beside its page. Run it with `--features hyper`, then
//! `sockeye connect ws://127.0.0.1:3000/echo`.

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::time::Duration;
use tokio::net::TcpListener;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    loop {
        let Ok((tcp, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await; // perhaps there is no file descriptor left
            continue;
        };
        let serving = http1::Builder::new().serve_connection(TokioIo::new(tcp), service_fn(answer));
        tokio::spawn(serving.with_upgrades());
    }
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    if request.uri().path() != "/echo" {
        return Ok(Response::new("the WebSocket is at /echo\n".to_owned()));
    }
    Ok(match sockeye::upgrade(&mut request) {
        Ok((response, upgrade)) => {
            tokio::spawn(echo(upgrade)); // the connection is there once hyper has written the response
            response.map(|()| String::new())
        }
        Err(rejection) => rejection.into_response().map(|body| String::from_utf8_lossy(&body).into_owned()),
    })
}

async fn echo(upgrade: sockeye::server::Upgrade) -> Result<(), Failure> {
    let mut ws = upgrade.await?;
    while let Some(message) = ws.recv().await? {
        ws.feed(message).await?;
    }
    Ok(())
}
