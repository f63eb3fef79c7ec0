//! TLS, client and server, with certificates made for each test.
#![cfg(feature = "tls")]

mod certificates;
mod configuration;
mod handshake;
mod truncation;

use sockeye::client::{Client, ConnectError};
use sockeye::server::Tls;
use sockeye::tls::{TlsConfig, TlsError};
use sockeye::{CloseCode, Stream};
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A server under TLS that sends one connection's messages back; its task ends with what became of TLS.
async fn echo(tls: Tls) -> (SocketAddr, JoinHandle<Result<(), TlsError>>) {
    serve(tls, "127.0.0.1:0", |stream| async {
        let Ok(mut ws) = sockeye::accept(stream).await else { return };
        while let Ok(Some(message)) = ws.recv().await {
            ws.feed(message).await.unwrap();
        }
    })
    .await
}

async fn serve<F>(
    tls: Tls,
    address: &str,
    work: impl FnOnce(Stream) -> F + Send + 'static,
) -> (SocketAddr, JoinHandle<Result<(), TlsError>>)
where
    F: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind(address).await.unwrap();
    let bound = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        work(tls.accept(tcp).await?).await;
        Ok(())
    });
    (bound, served)
}

/// A client of `host` at the port of `address`.
fn client(host: &str, address: SocketAddr, tls: TlsConfig) -> Client {
    Client::new(&format!("wss://{host}:{}/", address.port())).unwrap().tls(tls)
}

/// Sends a message through a server that sends it back, and closes.
async fn talk(client: &Client) -> Result<(), ConnectError> {
    let mut ws = client.connect().await?;
    assert!(ws.get_ref().is_tls());
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap().as_text(), Some("hello"));
    ws.close(CloseCode::NORMAL, "").await.unwrap();
    Ok(())
}

/// What TLS found wrong.
#[track_caller]
fn tls_error<T>(result: Result<T, ConnectError>) -> TlsError {
    match result {
        Err(ConnectError::Tls(error)) => error,
        Err(error) => panic!("no error of TLS: {error:?}"),
        Ok(_) => panic!("no error"),
    }
}
