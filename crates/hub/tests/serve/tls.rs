//! TLS: a WebSocket, HTTP/1.1 and HTTP/2 on one port.

use super::support::*;
use super::transports::next;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sockeye::client::Client as WebSocketClient;
use sockeye::tls::TlsConfig;
use sockeye_hub::settings::Settings;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A server under TLS, and its certificate.
fn serve_tls(name: &str) -> (Running, String) {
    serve_tls_with(name, |_| {})
}

/// The same, with other settings.
pub(crate) fn serve_tls_with(name: &str, change: impl FnOnce(&mut Settings)) -> (Running, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let file = |end: &str| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.{end}"));
    let (chain, key) = (file("pem"), file("key"));
    std::fs::write(&chain, cert.pem()).unwrap();
    std::fs::write(&key, signing_key.serialize_pem()).unwrap();
    let server = serve(|settings| {
        settings.tls = Some((chain, key));
        change(settings);
    });
    (server, cert.pem())
}

pub(crate) async fn connect(server: &Running, certificate: &str, alpn: &str) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![alpn.into()];
    let tcp = TcpStream::connect(server.address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(alpn.as_bytes()));
    tls
}

#[tokio::test]
async fn http2_is_answered() {
    let (server, certificate) = serve_tls("h2");
    let tls = connect(&server, &certificate, "h2").await;
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.unwrap();
    tokio::spawn(connection);
    let ask = |target: &str| {
        let uri = format!("https://localhost{target}");
        hyper::Request::get(uri).body(Empty::<bytes::Bytes>::new()).unwrap()
    };
    let answers = tokio::join!(
        sender.send_request(ask("/health")),
        sender.clone().send_request(ask("/stream?channel=a")),
    );
    let (health, polled) = (answers.0.unwrap(), answers.1.unwrap());
    assert_eq!((health.status().as_u16(), polled.status().as_u16()), (200, 200));
    let batch = polled.into_body().collect().await.unwrap().to_bytes();
    assert!(batch.starts_with(b"{\"type\":\"batch\""), "{batch:?}");
    let rebound = hyper::Request::get("https://evil.example/health").body(Empty::new()).unwrap();
    assert_eq!(sender.send_request(rebound).await.unwrap().status(), 403);
}

#[tokio::test]
async fn http1_is_answered_and_upgraded() {
    let (server, certificate) = serve_tls("h1");
    let mut client = Client::new(connect(&server, &certificate, "http/1.1").await);
    assert_eq!(client.ask(&get("/health")).await.status, 200);
    client.send(upgrade("/stream?channel=a", "Origin: https://localhost\r\n")).await;
    assert_eq!(client.head().await.status, 101);
    client.read_until("\"open\"").await;
}

#[tokio::test]
async fn a_websocket_opens_at_once() {
    let (server, certificate) = serve_tls("ws");
    let tls = TlsConfig::builder().root_pem(certificate.as_bytes()).unwrap().build().unwrap();
    let url = format!("wss://localhost:{}/stream?channel=a", server.address().port());
    let mut ws = WebSocketClient::new(&url).unwrap().tls(tls).connect().await.unwrap();
    assert_eq!(next(&mut ws).await["type"], "open");
}
