//! Whom clients trust, and how each failure is told.

use super::certificates::{Authority, Identity};
use super::{client, echo, serve, talk, tls_error};
use rcgen::{ExtendedKeyUsagePurpose, date_time_ymd};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use sockeye::CloseCode;
use sockeye::client::{Client, ConnectError, HandshakeError, Phase, Report};
use sockeye::server::Tls;
use sockeye::tls::{TlsConfig, TlsError};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn a_known_root_is_trusted_and_the_session_reported() {
    let authority = Authority::new();
    let (address, served) = echo(authority.issue(&["localhost"]).server()).await;
    let mut report = Report::default();
    let client = client("localhost", address, authority.trusted());
    let mut ws = client.connect_with_report(&mut report).await.unwrap();
    ws.close(CloseCode::NORMAL, "").await.unwrap();
    served.await.unwrap().unwrap();
    let tls = report.tls.unwrap();
    assert_eq!((tls.protocol.as_str(), tls.alpn.as_deref()), ("TLSv1_3", Some("http/1.1")));
    assert!(tls.cipher.starts_with("TLS13_"), "{}", tls.cipher);
    assert!(report.timings.tls.is_some());
}

#[tokio::test]
async fn halves_go_both_ways() {
    let authority = Authority::new();
    let (address, served) = echo(authority.issue(&["localhost"]).server()).await;
    let ws = client("localhost", address, authority.trusted()).connect().await.unwrap();
    let (mut reader, mut writer) = ws.split();
    let reading = tokio::spawn(async move {
        let message = reader.recv().await.unwrap();
        (message, reader.recv().await.unwrap())
    });
    writer.send("hello").await.unwrap();
    writer.close(CloseCode::NORMAL, "").await.unwrap();
    let (message, end) = reading.await.unwrap();
    assert_eq!((message.unwrap().as_text(), end), (Some("hello"), None));
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn large_messages_pass() {
    let authority = Authority::new();
    let (address, served) = echo(authority.issue(&["localhost"]).server()).await;
    let ws = client("localhost", address, authority.trusted()).connect().await.unwrap();
    let text = "0123456789".repeat(100_000);
    let (mut reader, mut writer) = ws.split();
    let (sent, received) = tokio::join!(writer.send(text.as_str()), reader.recv());
    sent.unwrap();
    assert_eq!(received.unwrap().unwrap().as_text(), Some(text.as_str()));
    writer.close(CloseCode::NORMAL, "").await.unwrap();
    assert_eq!(reader.recv().await.unwrap(), None);
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_unknown_root_is_refused_with_the_way_out() {
    let (address, served) = echo(Authority::new().issue(&["localhost"]).server()).await;
    let error = tls_error(talk(&client("localhost", address, Authority::new().trusted())).await);
    assert!(matches!(error, TlsError::UnknownIssuer), "{error:?}");
    assert!(error.to_string().contains("root (CA) certificate"), "{error}");
    let told = served.await.unwrap().unwrap_err();
    assert!(matches!(told, TlsError::Refused(_)), "{told:?}");
}

#[tokio::test]
async fn the_systems_roots_do_not_have_a_strange_authority() {
    for _ in 0..2 {
        let (address, _served) = echo(Authority::new().issue(&["localhost"]).server()).await;
        let url = format!("wss://localhost:{}/", address.port());
        let error = tls_error(sockeye::connect(&url).await);
        assert!(matches!(error, TlsError::UnknownIssuer | TlsError::NoRoots), "{error:?}");
    }
}

#[tokio::test]
async fn a_wrong_name_is_refused_with_the_right_ones() {
    let authority = Authority::new();
    let (address, _served) = echo(authority.issue(&["other.example", "10.0.0.1"]).server()).await;
    let error = tls_error(talk(&client("localhost", address, authority.trusted())).await);
    assert!(
        matches!(&error, TlsError::WrongName(names) if names[..] == ["other.example", "10.0.0.1"]),
        "{error:?}"
    );
    assert!(error.to_string().contains("other.example, 10.0.0.1"), "{error}");
}

#[tokio::test]
async fn addresses_are_checked_against_addresses() {
    let authority = Authority::new();
    let (address, _served) = echo(authority.issue(&["127.0.0.1"]).server()).await;
    talk(&client("127.0.0.1", address, authority.trusted())).await.unwrap();

    let (address, _served) = echo(authority.issue(&["localhost", "127.0.0.2"]).server()).await;
    let error = tls_error(talk(&client("127.0.0.1", address, authority.trusted())).await);
    assert!(matches!(error, TlsError::WrongName(_)), "{error:?}");
}

#[tokio::test]
async fn addresses_of_ipv6_are_checked_too() {
    if TcpListener::bind("[::1]:0").await.is_err() {
        return; // a machine without IPv6
    }
    let authority = Authority::new();
    for (name, good) in [("::1", true), ("::2", false)] {
        let tls = authority.issue(&[name]).server();
        let (address, _served) = serve(tls, "[::1]:0", |stream| async {
            let _ = sockeye::accept(stream).await;
        })
        .await;
        let connected = client("[::1]", address, authority.trusted()).connect().await;
        assert_eq!(connected.is_ok(), good, "{name}");
    }
}

#[tokio::test]
async fn certificates_out_of_their_time_are_refused() {
    let authority = Authority::new();
    let expired = authority.issue_with(&["localhost"], |params| params.not_after = date_time_ymd(2020, 1, 1));
    let (address, _served) = echo(expired.server()).await;
    let error = tls_error(talk(&client("localhost", address, authority.trusted())).await);
    assert!(matches!(error, TlsError::Expired), "{error:?}");

    let early = authority.issue_with(&["localhost"], |params| params.not_before = date_time_ymd(3000, 1, 1));
    let (address, _served) = echo(early.server()).await;
    let error = tls_error(talk(&client("localhost", address, authority.trusted())).await);
    assert!(matches!(error, TlsError::NotYetValid), "{error:?}");
}

#[tokio::test]
async fn a_certificate_for_another_purpose_is_refused() {
    let authority = Authority::new();
    let purpose = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let other = authority.issue_with(&["localhost"], |params| params.extended_key_usages = purpose);
    let (address, _served) = echo(other.server()).await;
    let error = tls_error(talk(&client("localhost", address, authority.trusted())).await);
    assert!(matches!(error, TlsError::Certificate(_)), "{error:?}");
}

/// `openssl req -x509` makes such a certificate unless it is told otherwise.
#[tokio::test]
async fn an_authority_that_serves_by_itself_is_told_how_to_do_better() {
    let authority = Authority::new();
    let own = Identity { chain: authority.pem(), key: authority.key() };
    let (address, _served) = echo(own.server()).await;
    let error = tls_error(talk(&client("localhost", address, authority.trusted())).await);
    assert!(matches!(error, TlsError::Authority), "{error:?}");
    assert!(error.to_string().ends_with("make it with basicConstraints=CA:FALSE"), "{error}");
}

#[tokio::test]
async fn any_certificate_is_taken_only_by_who_asks_for_it() {
    let (address, served) = echo(Authority::new().issue(&["other.example"]).server()).await;
    let careless = TlsConfig::builder().dangerously_accept_any_certificate().build().unwrap();
    talk(&client("localhost", address, careless)).await.unwrap();
    served.await.unwrap().unwrap();
}

/// A server that demands a certificate from `authority`.
fn demanding(server: &Identity, authority: &Authority) -> Tls {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let builder = rustls::ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_client_cert_verifier(verifier);
    let chain = CertificateDer::pem_slice_iter(server.chain.as_bytes()).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(server.key.as_bytes()).unwrap();
    Arc::new(builder.with_single_cert(chain, key).unwrap()).into()
}

#[tokio::test]
async fn clients_show_the_certificate_that_a_server_demands() {
    let authority = Authority::new();
    let server = authority.issue(&["localhost"]);
    let root = authority.pem();
    let builder = || TlsConfig::builder().root_pem(root.as_bytes()).unwrap();

    let (address, served) = echo(demanding(&server, &authority)).await;
    let error = tls_error(talk(&client("localhost", address, authority.trusted())).await);
    assert!(matches!(error, TlsError::ClientCertificate), "{error:?}");
    served.await.unwrap().unwrap_err();

    let own = authority.issue(&["ann"]);
    let (address, served) = echo(demanding(&server, &authority)).await;
    let shown = builder().client_certificate_pem(own.chain.as_bytes(), own.key.as_bytes()).unwrap();
    talk(&client("localhost", address, shown.build().unwrap())).await.unwrap();
    served.await.unwrap().unwrap();

    let strange = Authority::new().issue(&["ann"]);
    let (address, served) = echo(demanding(&server, &authority)).await;
    let shown = builder().client_certificate_pem(strange.chain.as_bytes(), strange.key.as_bytes()).unwrap();
    let error = tls_error(talk(&client("localhost", address, shown.build().unwrap())).await);
    assert!(matches!(error, TlsError::Refused(_)), "{error:?}");
    let told = served.await.unwrap().unwrap_err();
    assert!(matches!(told, TlsError::UnknownIssuer), "{told:?}");
}

#[tokio::test]
async fn a_plain_server_is_told_from_one_with_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let plain = async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut hello = [0; 4096];
        let _ = tcp.read(&mut hello).await.unwrap();
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        tcp
    };
    let client = client("localhost", address, Authority::new().trusted());
    let (connected, _tcp) = tokio::join!(client.connect(), plain);
    let error = tls_error(connected);
    assert!(matches!(error, TlsError::NotTls) && error.to_string().contains("ws://"), "{error:?}");
}

#[tokio::test]
async fn a_server_that_hangs_up_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let hang_up = async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut hello = [0; 4096];
        let _ = tcp.read(&mut hello).await.unwrap();
    };
    let client = client("localhost", address, Authority::new().trusted());
    let (connected, ()) = tokio::join!(client.connect(), hang_up);
    let error = tls_error(connected);
    assert!(matches!(error, TlsError::Eof), "{error:?}");
}

#[tokio::test]
async fn a_server_with_tls_is_told_from_a_plain_one() {
    let (address, served) = echo(Authority::new().issue(&["localhost"]).server()).await;
    let error = sockeye::connect(&format!("ws://{address}/")).await.unwrap_err();
    assert!(matches!(error, ConnectError::Handshake(HandshakeError::NotHttp)), "{error:?}");
    assert!(error.to_string().contains("wss://"), "{error}");
    let told = served.await.unwrap().unwrap_err();
    assert!(matches!(told, TlsError::NotTls), "{told:?}");
}

#[tokio::test]
async fn a_server_that_is_silent_under_tls_meets_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client("localhost", listener.local_addr().unwrap(), Authority::new().trusted());
    let silent = async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.read_u8().await.unwrap();
        tokio::time::pause();
        tcp // and time goes on to the deadline
    };
    let (connected, _tcp) = tokio::join!(client.connect(), silent);
    let error = connected.unwrap_err();
    assert!(matches!(error, ConnectError::Timeout(Phase::Tls)), "{error:?}");
}

#[tokio::test]
async fn all_phases_share_one_deadline() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client("localhost", listener.local_addr().unwrap(), authority.trusted());
    let slow = async {
        let (tcp, _) = listener.accept().await.unwrap();
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(6)).await;
        tokio::time::resume();
        let mut stream = authority.issue(&["localhost"]).server().accept(tcp).await.unwrap();
        stream.read_u8().await.unwrap();
        tokio::time::pause();
        stream // and time goes on to the deadline
    };
    let start = tokio::time::Instant::now();
    let (connected, _stream) = tokio::join!(client.connect(), slow);
    let error = connected.unwrap_err();
    assert!(matches!(error, ConnectError::Timeout(Phase::Upgrade)), "{error:?}");
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn a_client_that_is_silent_under_tls_meets_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tls = Authority::new().issue(&["localhost"]).server();
    for (tls, seconds) in [(tls.clone(), 10), (tls.timeout(Duration::from_secs(3)), 3)] {
        let _silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (tcp, _) = listener.accept().await.unwrap();
        tokio::time::pause();
        let start = tokio::time::Instant::now();
        let error = tls.accept(tcp).await.unwrap_err();
        assert!(matches!(error, TlsError::Timeout), "{error:?}");
        assert_eq!(start.elapsed().as_millis() / 10, seconds * 100);
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_transport_of_ones_own_needs_no_tls() {
    let (near, far) = tokio::io::duplex(1024);
    let client = Client::new("wss://example.com/").unwrap();
    let (served, connected) = tokio::join!(sockeye::accept(far), client.upgrade(near));
    assert!(served.is_ok() && connected.is_ok());
}
